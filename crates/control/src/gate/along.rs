//! Records that a call causes beside its own: KMS's, where another service uses a key for its caller. They go into the history
//! with the call's own, in one transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_store::Change;

use super::record::Event;

/// What waits for the record of a call.
#[derive(Debug, Clone, Default)]
pub struct Along(Arc<Mutex<Option<Vec<Change>>>>);

impl Along {
    /// Lets records wait from now on. Whoever does this writes the call's own record before it waits for anything else.
    pub(super) fn begin(&self) {
        self.waiting().get_or_insert_default();
    }

    /// Lets a record wait, or gives it back when none may: then it has to be written at once.
    pub(crate) fn take_in(&self, event: Event) -> Option<Change> {
        let change = Change::put(event.key, event.document);
        match self.waiting().as_mut() {
            Some(waiting) => {
                waiting.push(change);
                None
            }
            None => Some(change),
        }
    }

    /// What waits; nothing waits any more afterwards.
    pub(super) fn end(&self) -> Vec<Change> {
        self.waiting().take().unwrap_or_default()
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Change>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
