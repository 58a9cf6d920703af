//! Group commit: one thread writes for everybody and pays for one fsync per batch.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::ledger::{Job, Ledger};
use crate::{RELAXED_DELAY, StoreError};

/// Most jobs of one batch.
const BATCH_JOBS_MAX: usize = 4096;
/// Bytes after which a batch is closed.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often a failed disk is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Starts the writer; it ends when every sender of the queue is gone and the queue is empty.
pub(crate) fn start<E: Engine>(
    ledger: Arc<Ledger<E>>,
    queue: Receiver<Job>,
) -> Result<JoinHandle<()>, StoreError> {
    let name = "store-writer".to_owned();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || run(&ledger, &queue));
    thread.map_err(|error| StoreError::Disk(format!("cannot start the writer: {error}")))
}

fn run<E: Engine>(ledger: &Ledger<E>, queue: &Receiver<Job>) {
    while let Some(first) = next(ledger, queue) {
        ledger.flush(collect(first, queue));
    }
}

/// The next job; while the disk is gone, tries now and then to get it back.
fn next<E: Engine>(ledger: &Ledger<E>, queue: &Receiver<Job>) -> Option<Job> {
    while ledger.is_recovering() {
        match queue.recv_timeout(RETRY) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Timeout) => drop(ledger.recover()),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    queue.recv().ok()
}

/// Everything that is already waiting; when nobody waits for an answer yet, also what comes within [`RELAXED_DELAY`].
fn collect(first: Job, queue: &Receiver<Job>) -> Vec<Job> {
    let latest = Instant::now() + RELAXED_DELAY;
    let mut awaited = first.is_awaited();
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX {
        let patience = if awaited {
            Duration::ZERO
        } else {
            latest.saturating_duration_since(Instant::now())
        };
        let Ok(job) = queue.recv_timeout(patience) else {
            break;
        };
        awaited |= job.is_awaited();
        bytes += job.bytes();
        batch.push(job);
    }
    batch
}
