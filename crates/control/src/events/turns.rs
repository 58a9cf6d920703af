//! Turns for readers of events: so many at a time, and of these a share for each principal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

/// How many readers there may be at a time.
const READERS_MAX: usize = 64;
/// How many of them one principal may have, so that nobody keeps all others out. Sessions of a role are one.
const READERS_OF_ONE_MAX: usize = 16;

/// Who has how many turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    held: Mutex<BTreeMap<String, usize>>,
}

/// A turn; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    principal: String,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NoTurn {
    /// All are taken.
    #[error("Too many readers of events.")]
    All,
    /// All that one principal may have.
    #[error("Too many readers of events with the same principal.")]
    Own,
}

impl Turns {
    /// A turn for a principal.
    pub fn take(self: &Arc<Self>, principal: &str) -> Result<Turn, NoTurn> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(principal).is_some_and(|own| *own >= READERS_OF_ONE_MAX) {
            return Err(NoTurn::Own);
        }
        if held.values().sum::<usize>() >= READERS_MAX {
            return Err(NoTurn::All);
        }
        *held.entry(principal.to_owned()).or_default() += 1;
        Ok(Turn {
            turns: Arc::clone(self),
            principal: principal.to_owned(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.turns.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get_mut(&self.principal).map(|own| {
            *own = own.saturating_sub(1);
            *own
        });
        if left == Some(0) {
            held.remove(&self.principal);
        }
    }
}
