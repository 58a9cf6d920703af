//! What the keeper is asked to do.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::LogsError;
use crate::group::Group;

/// How often old events are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How soon a flush that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Frozen events that are to go into segments, after which their journals may go.
#[derive(Debug)]
pub(crate) struct Flush {
    pub(crate) groups: Vec<Arc<Group>>,
    /// The newest of the journals they are in.
    pub(crate) journal: u64,
    /// What those journals count against the quota.
    pub(crate) journal_bytes: u64,
    /// The last number given before the next journal.
    pub(crate) last_sequence: u64,
}

/// The keeper's list.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    list: Mutex<List>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct List {
    flush: Option<Arc<Flush>>,
    /// Why the flush did not succeed the last time.
    failed: Option<LogsError>,
    directories: Vec<PathBuf>,
    is_asked: bool,
    is_stopped: bool,
    /// How often the keeper found nothing left to do.
    rounds: u64,
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) struct Chore {
    pub(crate) flush: Option<Arc<Flush>>,
    pub(crate) directories: Vec<PathBuf>,
}

impl Chores {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a flush on the list. There is none on it: whoever calls this has waited for that.
    pub(crate) fn flush(&self, flush: Flush) {
        let mut list = self.lock();
        list.flush = Some(Arc::new(flush));
        list.failed = None;
        list.is_asked = true;
        self.news.notify_all();
    }

    /// Waits for the flush on the list; says why, when it cannot be done at present.
    pub(crate) fn wait_for_flush(&self) -> Result<(), LogsError> {
        let is_busy = |list: &mut List| list.flush.is_some() && list.failed.is_none() && !list.is_stopped;
        let list = self.news.wait_while(self.lock(), is_busy);
        let list = list.unwrap_or_else(PoisonError::into_inner);
        match (&list.failed, &list.flush) {
            (Some(error), Some(_)) => Err(error.clone()),
            (None, Some(_)) => Err(LogsError::Closed),
            (_, None) => Ok(()),
        }
    }

    /// What the flush came to.
    pub(crate) fn flushed(&self, outcome: Result<(), LogsError>) {
        let mut list = self.lock();
        match outcome {
            Ok(()) => (list.flush, list.failed) = (None, None),
            Err(error) => list.failed = Some(error),
        }
        self.news.notify_all();
    }

    /// Asks for a look at everything: something was removed, or room is needed.
    pub(crate) fn ask(&self) {
        self.lock().is_asked = true;
        self.news.notify_all();
    }

    /// The directory of a removed group may go.
    pub(crate) fn remove(&self, directory: PathBuf) {
        let mut list = self.lock();
        list.directories.push(directory);
        list.is_asked = true;
        self.news.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.news.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// The next thing to do; waits for it. `None` when the keeper is to stop.
    pub(crate) fn next(&self) -> Option<Chore> {
        let list = self.lock();
        let patience = if list.failed.is_some() { RETRY } else { SWEEP_EVERY };
        let is_idle = |list: &mut List| !list.is_asked && !list.is_stopped;
        let woken = self.news.wait_timeout_while(list, patience, is_idle);
        let (mut list, _) = woken.unwrap_or_else(PoisonError::into_inner);
        list.is_asked = false;
        (!list.is_stopped).then(|| Chore {
            flush: list.flush.clone(),
            directories: std::mem::take(&mut list.directories),
        })
    }

    /// Everything asked for so far is done, or has failed.
    pub(crate) fn done(&self) {
        self.lock().rounds += 1;
        self.news.notify_all();
    }

    /// Asks for a look at everything and waits until it was taken.
    pub(crate) fn settle(&self) {
        let mut list = self.lock();
        // A round that is under way may have begun before what is waited for.
        let until = list.rounds + 2;
        while list.rounds < until && !list.is_stopped {
            list.is_asked = true;
            self.news.notify_all();
            let woken = self.news.wait_timeout(list, RETRY);
            list = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
