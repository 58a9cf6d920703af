//! Work that takes long and much memory, such as hashing a password: few at once, beside the threads that answer others.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// One for all accounts: what it spares is the machine.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Waits for a turn. It ends when the answer is dropped.
pub(super) async fn turn() -> Option<SemaphorePermit<'static>> {
    // Nobody closes the semaphore.
    TURNS.acquire().await.ok()
}

/// Does the work where other calls need not wait for this thread.
pub(super) fn run<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
