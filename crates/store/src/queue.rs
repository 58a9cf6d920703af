//! Where decided writes wait for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ledger::Job;
use crate::{RELAXED_DELAY, StoreError};

/// Most jobs of one batch.
const BATCH_JOBS_MAX: usize = 4096;
/// Bytes after which a batch is closed.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Jobs in the order they were decided. Waking a thread costs more than most writes: the writer is woken by the first
/// job and then left asleep, up to [`RELAXED_DELAY`], until one comes that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrival: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// How many of the jobs somebody waits for.
    awaited: usize,
    closed: bool,
}

/// What the writer's waiting came to.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Jobs to be written together.
    Batch(Vec<Job>),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    End,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(crate) fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        let (was_empty, was_urgent) = (waiting.jobs.is_empty(), waiting.is_urgent());
        waiting.add(job);
        let wakes = was_empty || (!was_urgent && waiting.is_urgent());
        drop(waiting);
        if wakes {
            self.arrival.notify_one();
        }
        Ok(())
    }

    /// Takes no more jobs; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrival.notify_one();
    }

    /// Nobody will write any more: what waits is dropped, which tells those who wait for it.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.jobs.clear();
    }

    /// The next jobs. Waits as long as it takes, or no longer than `patience` for the first.
    pub(crate) fn batch(&self, patience: Option<Duration>) -> Arrival {
        let is_idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let waiting = self.lock();
        let waiting = match patience {
            None => self
                .arrival
                .wait_while(waiting, is_idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let woken = self.arrival.wait_timeout_while(waiting, patience, is_idle);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if waiting.jobs.is_empty() {
            return if waiting.closed {
                Arrival::End
            } else {
                Arrival::Nothing
            };
        }
        let woken = self
            .arrival
            .wait_timeout_while(waiting, RELAXED_DELAY, |waiting| !waiting.is_urgent());
        let (mut waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        Arrival::Batch(waiting.take())
    }
}

impl Waiting {
    /// Whether the jobs must not wait for more.
    fn is_urgent(&self) -> bool {
        self.awaited > 0 || self.closed || self.jobs.len() >= BATCH_JOBS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    fn add(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.awaited += usize::from(job.is_awaited());
        self.jobs.push_back(job);
    }

    fn take(&mut self) -> Vec<Job> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_JOBS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(job) = self.jobs.pop_front() else { break };
            bytes += job.bytes();
            self.awaited -= usize::from(job.is_awaited());
            batch.push(job);
        }
        self.bytes -= bytes;
        batch
    }
}
