//! Why calls were refused (policy-language R174, R175). Every refusal gets an authorization id; what was decided is kept
//! with the picture it was decided on, explained away from the call's own path, and shelved so that it can be asked for
//! later, also after a restart.

mod details;
mod id;
mod reason;
mod shelf;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{AccountId, Clock, Random};
use portcullis_store::{Store, Vault};

use super::call::Call;
use super::error::ServiceError;
use super::operation::{Check, Granted};
use super::record::recorded_region;
use crate::world::Snapshot;

pub use details::Kept;
pub use reason::Reason;
pub use shelf::Limits;

use shelf::Shelf;

/// How many calls are remembered in memory.
const REMEMBERED: usize = 256;
/// How many refusals may wait to be shelved; a caller who adds more does the work himself.
const WAITING_MAX: usize = REMEMBERED / 2;
/// How many refusals go to the store at once.
const BATCH: usize = 32;

/// A call as it was decided.
#[derive(Debug)]
struct Decided {
    view: Arc<Snapshot>,
    call: Call,
    checks: Vec<Check>,
    /// The authorization id, if it was refused.
    id: Option<String>,
}

/// The remembered calls: refused ones always, allowed ones if asked to.
#[derive(Debug)]
pub struct Reasons {
    /// The last ones, newest last.
    recent: Mutex<VecDeque<Arc<Decided>>>,
    allowed_too: AtomicBool,
    /// Refusals on their way to the shelf.
    waiting: Mutex<Waiting>,
    shelf: Mutex<Shelf>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

#[derive(Debug, Default)]
struct Waiting {
    refusals: VecDeque<Arc<Decided>>,
    /// Whether somebody is putting them on the shelf.
    is_served: bool,
}

impl Reasons {
    /// Over a store, which may hold earlier ones.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        limits: Limits,
    ) -> Self {
        Self {
            recent: Mutex::default(),
            allowed_too: AtomicBool::new(false),
            waiting: Mutex::default(),
            shelf: Mutex::new(Shelf::new(store, vault, limits)),
            clock,
            random,
        }
    }

    /// Remembers allowed calls as well from now on.
    pub fn keep_allowed_too(&self) {
        self.allowed_too.store(true, Ordering::Relaxed);
    }

    /// Remembers a call and the picture it was decided on. A refusal comes back with its authorization id.
    pub(super) fn note(
        self: &Arc<Self>,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
        decided: Result<Granted, ServiceError>,
    ) -> Result<Granted, ServiceError> {
        match decided {
            Ok(granted) => {
                if self.allowed_too.load(Ordering::Relaxed) {
                    self.remember(Decided::of(view, call, checks, None));
                }
                Ok(granted)
            }
            Err(error) => Err(self.refused(view, call, checks, error)),
        }
    }

    /// Remembers a refusal, and gives it its authorization id.
    pub(super) fn refused(
        self: &Arc<Self>,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
        error: ServiceError,
    ) -> ServiceError {
        let id = id::new(call.now, self.random.as_ref());
        let error = error.with_authorization_id(recorded_region(call), &id);
        let decided = self.remember(Decided::of(view, call, checks, Some(id)));
        self.shelve_later(decided);
        error
    }

    /// Explains a remembered call; empty when it is too long ago.
    pub fn of(&self, request_id: &str) -> Vec<Reason> {
        let found = self.recent(|decided| decided.call.request_id == request_id);
        found.map(|decided| decided.reasons()).unwrap_or_default()
    }

    /// The details of a refusal that somebody of this account met.
    pub fn find(&self, id: &str, account: &AccountId) -> Option<Kept> {
        let oldest = self.clock.now().plus_seconds(-shelf::KEPT_SECONDS);
        if id::time(id)? < oldest {
            return None;
        }
        let kept = match self.recent(|decided| decided.id.as_deref() == Some(id)) {
            Some(decided) => Kept::of(&decided.call, decided.reasons()),
            None => locked(&self.shelf).get(id)?,
        };
        (kept.account == *account).then_some(kept)
    }

    /// Puts everything that waits on the shelf. Blocks for the store; for an orderly end.
    pub fn settle(&self) {
        let mut shelf = locked(&self.shelf);
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let kept = batch.iter().filter_map(|decided| {
                let id = decided.id.clone()?;
                Some((id, Kept::of(&decided.call, decided.reasons())))
            });
            shelf.put(kept.collect(), self.clock.now());
        }
    }

    fn recent(&self, is_meant: impl Fn(&Decided) -> bool) -> Option<Arc<Decided>> {
        let recent = locked(&self.recent);
        recent.iter().rev().find(|decided| is_meant(decided)).cloned()
    }

    fn remember(&self, decided: Decided) -> Arc<Decided> {
        let decided = Arc::new(decided);
        let mut recent = locked(&self.recent);
        if recent.len() >= REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&decided));
        decided
    }

    /// The next to be shelved; when there is none, nobody serves them any more.
    fn next_batch(&self) -> Vec<Arc<Decided>> {
        let mut waiting = locked(&self.waiting);
        let count = waiting.refusals.len().min(BATCH);
        waiting.is_served = count > 0;
        waiting.refusals.drain(..count).collect()
    }

    fn shelve_later(self: &Arc<Self>, decided: Arc<Decided>) {
        let is_crowded = {
            let mut waiting = locked(&self.waiting);
            waiting.refusals.push_back(decided);
            let is_crowded = waiting.refusals.len() > WAITING_MAX;
            if waiting.is_served && !is_crowded {
                return;
            }
            waiting.is_served = true;
            is_crowded
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !is_crowded => {
                let reasons = Arc::clone(self);
                drop(runtime.spawn_blocking(move || reasons.settle()));
            }
            _ => self.settle(),
        }
    }
}

impl Decided {
    fn of(view: &Arc<Snapshot>, call: &Call, checks: &[Check], id: Option<String>) -> Self {
        Self {
            view: Arc::clone(view),
            call: call.clone(),
            checks: checks.to_vec(),
            id,
        }
    }

    fn reasons(&self) -> Vec<Reason> {
        Reason::of_all(&self.view, &self.call, &self.checks)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
