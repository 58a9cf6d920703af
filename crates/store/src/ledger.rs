//! The store's one logic over any engine: decide in order, write in order, tell in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{Clock, Timestamp};
use tokio::sync::oneshot;

use crate::draft::{Draft, Ground, Overlay};
use crate::engine::{Engine, Write};
use crate::hub::Hub;
use crate::lease::Leases;
use crate::queue::Queue;
use crate::record::{self, REVISION_KEY};
use crate::{Change, Committed, Durability, LeaseId, Pending, Revision, StoreError, Txn};

/// Most writes that may wait for the disk; more are refused with [`StoreError::Busy`].
const QUEUE_JOBS_MAX: usize = 65_536;
/// Most bytes that may wait for the disk.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A decided write on its way to the engine.
#[derive(Debug)]
pub(crate) struct Job {
    number: u64,
    epoch: u64,
    /// The newest revision when it is done.
    revision: Revision,
    writes: Vec<Write>,
    events: Vec<crate::Event>,
    bytes: usize,
    /// Where the outcome goes; `None` when it was acknowledged already.
    outcome: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Job {
    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.outcome.is_some()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn answer(self, outcome: Result<(), StoreError>) {
        match (self.outcome, outcome) {
            // Nobody may be listening any more.
            (Some(sender), outcome) => drop(sender.send(outcome)),
            (None, Err(error)) if !self.writes.is_empty() => {
                tracing::error!(revision = self.revision.0, %error, "a relaxed write was lost");
            }
            (None, _) => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Recovering,
    Closed,
}

/// How decided writes reach the engine.
#[derive(Debug, Clone)]
pub(crate) enum Road {
    /// In the caller's thread: for engines that do not wait for anything.
    Inline,
    /// Through the writer's queue.
    Queue(Arc<Queue>),
}

/// The state as decided, ahead of what is final by the jobs on their way.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) epoch: u64,
    pub(crate) decided: Revision,
    overlay: Overlay,
    pub(crate) leases: Leases,
    road: Road,
    jobs: usize,
    bytes: usize,
    next_number: u64,
}

/// What the callers and the writer share.
#[derive(Debug)]
pub(crate) struct Ledger<E> {
    pub(crate) engine: E,
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    hub: Mutex<Hub>,
}

impl<E: Engine> Ledger<E> {
    pub(crate) fn new(engine: E, road: Road, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (revision, leases) = load(&engine, clock.now())?;
        let state = State {
            phase: Phase::Open,
            epoch: 0,
            decided: revision,
            overlay: Overlay::default(),
            leases,
            road,
            jobs: 0,
            bytes: 0,
            next_number: 0,
        };
        Ok(Self {
            engine,
            clock,
            state: Mutex::new(state),
            hub: Mutex::new(Hub::new(revision)),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works out a transaction on the state as decided so far.
    pub(crate) fn decide(&self, state: &State, txn: Txn) -> Result<(Draft, bool), StoreError> {
        let mut ground = Ground::new(&state.overlay, &self.engine);
        let mut succeeded = true;
        for compare in &txn.compare {
            succeeded = succeeded && ground.holds(compare)?;
        }
        let mut draft = Draft::new(state.decided.next());
        for change in if succeeded { txn.then } else { txn.otherwise } {
            if let Change::Put {
                lease: Some(lease), ..
            } = &change
            {
                state.leases.check(*lease)?;
            }
            draft.change(&mut ground, change)?;
        }
        Ok((draft, succeeded))
    }

    /// Works out the end of leases.
    pub(crate) fn decide_end(&self, state: &State, leases: &[LeaseId]) -> Result<Draft, StoreError> {
        let mut ground = Ground::new(&state.overlay, &self.engine);
        let mut draft = Draft::new(state.decided.next());
        for lease in leases {
            for key in state.leases.keys(*lease)? {
                draft.delete(&mut ground, &key)?;
            }
            draft.end_lease(*lease);
        }
        Ok(draft)
    }

    /// Makes a draft the decided state and sends it on its way.
    pub(crate) fn submit(
        &self,
        state: &mut State,
        draft: Draft,
        succeeded: bool,
        durability: Durability,
    ) -> Result<Pending, StoreError> {
        if draft.writes.is_empty() {
            let decided = Committed {
                revision: state.decided,
                succeeded,
            };
            // Told only when everything it was decided on is final.
            return if state.jobs == 0 {
                Ok(Pending::done(decided))
            } else {
                self.queue(state, draft, decided, durability)
            };
        }
        let decided = Committed {
            revision: draft.revision,
            succeeded,
        };
        match state.road {
            Road::Inline => self.write_now(state, draft, decided),
            Road::Queue(_) => self.queue(state, draft, decided, durability),
        }
    }

    fn write_now(&self, state: &mut State, draft: Draft, decided: Committed) -> Result<Pending, StoreError> {
        let revision = revision_write(draft.revision);
        self.engine.write(&mut draft.writes.iter().chain([&revision]))?;
        self.take_leases(state, &draft);
        state.decided = draft.revision;
        self.hub().publish(draft.revision, draft.events);
        Ok(Pending::done(decided))
    }

    fn queue(
        &self,
        state: &mut State,
        draft: Draft,
        decided: Committed,
        durability: Durability,
    ) -> Result<Pending, StoreError> {
        let bytes = draft.bytes();
        if state.jobs >= QUEUE_JOBS_MAX || state.bytes.saturating_add(bytes) > QUEUE_BYTES_MAX {
            return Err(StoreError::Busy);
        }
        let Road::Queue(queue) = state.road.clone() else {
            return Ok(Pending::done(decided));
        };
        let number = state.next_number;
        self.take_leases(state, &draft);
        state.overlay.add(number, &draft.writes);
        state.decided = decided.revision;
        state.next_number = number.wrapping_add(1);
        state.jobs += 1;
        state.bytes += bytes;
        let (outcome, pending) = match durability {
            Durability::Relaxed => (None, Pending::done(decided)),
            Durability::Synced => {
                let (sender, receiver) = oneshot::channel();
                (Some(sender), Pending::waiting(decided, receiver))
            }
        };
        let Draft { writes, events, .. } = draft;
        let job = Job {
            number,
            epoch: state.epoch,
            revision: decided.revision,
            writes,
            events,
            bytes,
            outcome,
        };
        queue.push(job)?;
        Ok(pending)
    }

    fn take_leases(&self, state: &mut State, draft: &Draft) {
        let now = self.clock.now();
        for step in &draft.lease_steps {
            state.leases.take(step, now);
        }
    }

    /// Writes a batch of jobs as one change of the engine and tells everybody the outcome. Called by the one writer.
    pub(crate) fn flush(&self, batch: Vec<Job>) {
        let epoch = self.state().epoch;
        let (jobs, outdated): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(|job| job.epoch == epoch);
        self.give_up(outdated, &StoreError::Superseded);
        let newest = jobs.iter().rfind(|job| !job.writes.is_empty());
        let Some(revision) = newest.map(|job| revision_write(job.revision)) else {
            return self.settle(jobs);
        };
        let written = self
            .engine
            .write(&mut jobs.iter().flat_map(|job| &job.writes).chain([&revision]));
        match written {
            Ok(()) => self.settle(jobs),
            Err(error) => self.fail(jobs, &error),
        }
    }

    fn settle(&self, mut jobs: Vec<Job>) {
        {
            let mut hub = self.hub();
            for job in jobs.iter_mut().filter(|job| !job.writes.is_empty()) {
                hub.publish(job.revision, std::mem::take(&mut job.events));
            }
        }
        {
            let mut state = self.state();
            for job in &jobs {
                state.overlay.settle(job.number, &job.writes);
                state.jobs -= 1;
                state.bytes -= job.bytes;
            }
        }
        jobs.into_iter().for_each(|job| job.answer(Ok(())));
    }

    /// The engine did not take a batch: back to what is final, in a new epoch.
    fn fail(&self, jobs: Vec<Job>, error: &StoreError) {
        tracing::error!(%error, writes = jobs.len(), "the store could not write");
        {
            let mut state = self.state();
            state.epoch = state.epoch.wrapping_add(1);
            state.overlay.clear();
            if state.phase == Phase::Open {
                state.phase = Phase::Recovering;
            }
        }
        let Some(revision) = self.recover() else {
            return self.give_up(jobs, &StoreError::Disk(error.to_string()));
        };
        // A failed sync may have reached the disk after all; what is there now has been read back and is final.
        let (mut kept, lost): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| job.revision <= revision);
        // No watch has survived that could be told.
        kept.iter_mut().for_each(|job| job.events.clear());
        self.settle(kept);
        self.give_up(lost, error);
    }

    fn give_up(&self, jobs: Vec<Job>, error: &StoreError) {
        for job in jobs {
            {
                let mut state = self.state();
                state.jobs -= 1;
                state.bytes -= job.bytes;
            }
            job.answer(Err(error.clone()));
        }
    }

    /// Whether the store waits for its disk to come back.
    pub(crate) fn is_recovering(&self) -> bool {
        self.state().phase == Phase::Recovering
    }

    /// Tries to go on from what is on the disk, and says from which revision. Called by the one writer.
    pub(crate) fn recover(&self) -> Option<Revision> {
        let loaded = self
            .engine
            .recover()
            .and_then(|()| load(&self.engine, self.clock.now()));
        match loaded {
            Ok((revision, leases)) => {
                self.hub().reset(revision);
                let mut state = self.state();
                state.decided = revision;
                state.leases = leases;
                if state.phase == Phase::Recovering {
                    state.phase = Phase::Open;
                }
                tracing::info!(revision = revision.0, "the store goes on");
                Some(revision)
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again yet");
                None
            }
        }
    }

    /// Refuses everything new and lets the writer end when its queue is empty.
    pub(crate) fn close_entrance(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        if let Road::Queue(queue) = &state.road {
            queue.close();
        }
    }
}

impl State {
    /// Fails unless writes are taken.
    pub(crate) fn ready(&self) -> Result<(), StoreError> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Recovering => Err(StoreError::Recovering),
            Phase::Closed => Err(StoreError::Closed),
        }
    }
}

fn load(engine: &dyn Engine, now: Timestamp) -> Result<(Revision, Leases), StoreError> {
    let snapshot = engine.snapshot()?;
    Ok((record::revision(&*snapshot)?, Leases::load(&*snapshot, now)?))
}

fn revision_write(revision: Revision) -> Write {
    (
        REVISION_KEY.into(),
        Some(Arc::from(revision.0.to_be_bytes().as_slice())),
    )
}
