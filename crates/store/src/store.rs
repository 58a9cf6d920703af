//! The one interface of every engine.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use portcullis_core::Timestamp;
use tokio::sync::oneshot;

use crate::{Committed, Entry, Epoch, LeaseId, Page, Revision, StoreError, Txn, Watch};

/// Documents under ordered keys with one history, after etcd's model.
///
/// A commit is **decided** when it is submitted (its conditions are looked at, its revision is given, in the order
/// of submission) and **final** when it is on the disk. Reads and watches show only what is final, so that nothing
/// anybody has seen can be taken back by a crash.
///
/// When the disk refuses a write, that write and every write decided after it fail, because they may build on it; the
/// store goes back to what is final and starts a new [`Epoch`].
pub trait Store: Send + Sync + fmt::Debug {
    /// The newest final revision.
    fn revision(&self) -> Revision;

    /// The current epoch. Take it **before** reading the state that transactions of this epoch will build on.
    fn epoch(&self) -> Epoch;

    /// One document, as it is final.
    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// The documents whose keys begin with `prefix` and come after `after`, at most `limit`, in the order of keys.
    /// Each page is a consistent picture by itself; pages of one list may be of different revisions.
    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError>;

    /// Decides a transaction. Refusals (limits, epoch, lease, queue) come at once; the handle gives the rest.
    fn commit(&self, txn: Txn) -> Result<Pending, StoreError>;

    /// All final changes of keys that begin with `prefix`, from revision `from` on, in order. The history is bounded:
    /// [`StoreError::TooOld`] means list anew and watch from [`Revision::next`] of the page's revision.
    fn watch(&self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError>;

    /// Grants a lease that runs out `ttl` after it was last kept alive. Opening a store anew starts the time of its
    /// leases anew, because nobody could keep them alive in between.
    fn grant_lease(&self, ttl: Duration) -> Result<(LeaseId, Pending), StoreError>;

    /// Starts the lease's time anew. Costs no write.
    fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease and deletes its keys, in one revision.
    fn revoke_lease(&self, lease: LeaseId) -> Result<Pending, StoreError>;

    /// Ends the leases whose time is over at `now` and deletes their keys; `None` when there is none. To be called
    /// about once a second. A lease found here can no longer be kept alive.
    fn expire_leases(&self, now: Timestamp) -> Result<Option<Pending>, StoreError>;

    /// Refuses new writes, waits until those submitted are final, and closes the file; the data directory stays
    /// locked until the store is dropped. Blocks for a disk write.
    fn shutdown(&self);
}

/// A decided write on its way to the disk: await it, or [`wait`](Self::wait) for it. Dropping it does not undo it.
#[must_use = "the write may still fail"]
#[derive(Debug)]
pub struct Pending {
    decided: Committed,
    outcome: Option<oneshot::Receiver<Result<(), StoreError>>>,
}

impl Pending {
    pub(crate) fn waiting(decided: Committed, outcome: oneshot::Receiver<Result<(), StoreError>>) -> Self {
        Self {
            decided,
            outcome: Some(outcome),
        }
    }

    pub(crate) fn done(decided: Committed) -> Self {
        Self {
            decided,
            outcome: None,
        }
    }

    /// What was decided: this is the outcome if the disk does its part. For building the next transaction on it.
    pub fn decided(&self) -> Committed {
        self.decided
    }

    /// Blocks the thread until the write is final. Not for async tasks: they await.
    pub fn wait(self) -> Result<Committed, StoreError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut pending = self;
        loop {
            match Pin::new(&mut pending).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Pending {
    type Output = Result<Committed, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let decided = self.decided;
        let Some(outcome) = self.outcome.as_mut() else {
            return Poll::Ready(Ok(decided));
        };
        // A writer that ended without an answer has not written.
        Pin::new(outcome)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(StoreError::Closed)).map(|()| decided))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
