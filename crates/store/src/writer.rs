//! Group commit: one thread writes for everybody and pays for one fsync per batch.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::StoreError;
use crate::engine::Engine;
use crate::ledger::Ledger;
use crate::queue::{Arrival, Queue};

/// How often a failed disk is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Starts the writer; it ends when the queue is closed and empty.
pub(crate) fn start<E: Engine>(
    ledger: Arc<Ledger<E>>,
    queue: Arc<Queue>,
) -> Result<JoinHandle<()>, StoreError> {
    let name = "store-writer".to_owned();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || run(&ledger, &queue));
    thread.map_err(|error| StoreError::Disk(format!("cannot start the writer: {error}")))
}

/// The writer's end, however it comes: nobody may wait for it in vain.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// While the disk is gone, tries now and then to get it back.
fn run<E: Engine>(ledger: &Ledger<E>, queue: &Queue) {
    let _end = End(queue);
    loop {
        match queue.batch(ledger.is_recovering().then_some(RETRY)) {
            Arrival::Batch(jobs) => ledger.flush(jobs),
            Arrival::Nothing => drop(ledger.recover()),
            Arrival::End => return,
        }
    }
}
