//! Where appends wait for the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::batch::Packed;
use crate::{Appended, GroupId, LogsError, StreamId};

/// Bytes that may wait.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that are written together.
const TAKEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Jobs that are done together.
const TAKEN_JOBS_MAX: usize = 4096;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, LogsError>>;

/// What the writer does, one after the other.
#[derive(Debug)]
pub(crate) enum Job {
    Append(Append),
    RemoveStream(GroupId, StreamId, Reply<()>),
    RemoveGroup(GroupId, Reply<()>),
    Retain(GroupId, Option<u32>, Reply<()>),
}

/// Events of one call.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) packed: Packed,
    /// Of sealed events the same in the clear, for those who follow.
    pub(crate) clear: Option<Packed>,
    pub(crate) reply: Reply<Appended>,
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => {
                let clear = append.clear.as_ref().map_or(0, |clear| clear.bytes.len());
                append.packed.bytes.len() + clear
            }
            _ => 0,
        }
    }
}

/// Jobs in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrival: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, job: Job) -> Result<(), LogsError> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(LogsError::Closed);
        }
        if waiting.bytes >= WAITING_BYTES_MAX {
            return Err(LogsError::Busy);
        }
        waiting.bytes += job.bytes();
        waiting.jobs.push_back(job);
        let wakes = waiting.jobs.len() == 1;
        drop(waiting);
        if wakes {
            self.arrival.notify_one();
        }
        Ok(())
    }

    /// The next jobs; waits for them. `None` when nothing will come any more.
    pub(crate) fn take(&self) -> Option<Vec<Job>> {
        let is_idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.is_closed;
        let waiting = self.arrival.wait_while(self.lock(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while bytes < TAKEN_BYTES_MAX && jobs.len() < TAKEN_JOBS_MAX {
            let Some(job) = waiting.jobs.pop_front() else {
                break;
            };
            bytes += job.bytes();
            jobs.push(job);
        }
        waiting.bytes -= bytes;
        (!jobs.is_empty()).then_some(jobs)
    }

    /// Nobody will do anything any more: what waits is dropped, which tells those who wait for it.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.jobs.clear();
    }

    /// Takes no more jobs; those that wait are still done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrival.notify_one();
    }
}
