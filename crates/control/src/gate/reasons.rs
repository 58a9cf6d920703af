//! The last decisions, kept with the picture they were made on, so that "why?" can be answered later exactly as it
//! was decided. Explaining is slow and happens only when somebody asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_policy::Explanation;

use super::authorize;
use super::call::Call;
use super::operation::Check;
use crate::world::Snapshot;

/// How many calls are remembered.
const KEPT: usize = 256;

#[derive(Debug)]
struct Decided {
    view: Arc<Snapshot>,
    call: Call,
    checks: Vec<Check>,
}

/// The remembered calls, newest last: refused ones always, allowed ones if asked to.
#[derive(Debug, Default)]
pub struct Reasons {
    kept: Mutex<VecDeque<Decided>>,
    allowed_too: AtomicBool,
}

impl Reasons {
    /// Remembers allowed calls as well from now on.
    pub fn keep_allowed_too(&self) {
        self.allowed_too.store(true, Ordering::Relaxed);
    }

    /// Remembers a call and the picture it was decided on.
    pub fn keep(&self, view: &Arc<Snapshot>, call: &Call, checks: &[Check], allowed: bool) {
        if allowed && !self.allowed_too.load(Ordering::Relaxed) {
            return;
        }
        let decided = Decided {
            view: Arc::clone(view),
            call: call.clone(),
            checks: checks.to_vec(),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(decided);
    }

    /// Explains a remembered call.
    pub fn of(&self, request_id: &str) -> Vec<Explanation> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept
            .iter()
            .rev()
            .find(|decided| decided.call.request_id == request_id);
        found
            .map(|decided| authorize::explain(&decided.view, &decided.call, &decided.checks))
            .unwrap_or_default()
    }
}
