//! A group's events: those in memory, those in segments, and what hides some of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use portcullis_core::Timestamp;

use crate::batch::Batch;
use crate::segment::{Index, Segment};
use crate::summaries::Summaries;
use crate::{GroupId, StreamId};

const DAY_MILLIS: i64 = 86_400_000;

/// A group that has events, or a retention of its own.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    /// What the journal calls it; never given again.
    pub(crate) number: u64,
    /// Its directory; none in memory.
    pub(crate) directory: Option<PathBuf>,
    state: RwLock<GroupState>,
}

/// What changes.
#[derive(Debug, Default)]
pub(crate) struct GroupState {
    /// What came in since the journal was begun.
    pub(crate) active: Memtable,
    /// What is on its way into a segment.
    pub(crate) frozen: Option<Arc<Memtable>>,
    /// In the order of their journals.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) streams: Summaries,
    pub(crate) retention_days: Option<u32>,
    pub(crate) removed: Removed,
    /// Some segments hold events of removed streams.
    pub(crate) has_removed_events: bool,
    /// The group was removed.
    pub(crate) is_gone: bool,
}

/// Up to which number the events of a removed stream are gone.
pub(crate) type Removed = Arc<HashMap<StreamId, u64>>;

/// Events in memory.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    pub(crate) streams: BTreeMap<StreamId, Vec<Arc<Batch>>>,
}

impl Memtable {
    pub(crate) fn push(&mut self, batch: Arc<Batch>) {
        match self.streams.get_mut(&batch.stream) {
            Some(batches) => batches.push(batch),
            None => {
                self.streams.insert(batch.stream.clone(), vec![batch]);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = &Arc<Batch>> {
        self.streams.values().flatten()
    }
}

impl Group {
    pub(crate) fn new(id: GroupId, number: u64, directory: Option<PathBuf>, state: GroupState) -> Self {
        Self {
            id,
            number,
            directory,
            state: RwLock::new(state),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, GroupState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, GroupState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupState {
    /// Events older than this are not shown any more.
    pub(crate) fn cutoff(&self, now: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.retention_days?);
        Some(Timestamp::from_millis(
            now.as_millis().saturating_sub(days * DAY_MILLIS),
        ))
    }

    /// The oldest time that is shown.
    pub(crate) fn oldest(&self, now: Timestamp) -> Timestamp {
        self.cutoff(now).unwrap_or(Timestamp::from_millis(i64::MIN))
    }

    /// Counts events that came in.
    pub(crate) fn count(&mut self, batch: &Batch) {
        self.streams.add(&batch.stream, &batch.summary());
    }

    /// Counts a segment's events, those left out that were removed.
    pub(crate) fn count_segment(&mut self, index: &Index) {
        for row in &index.streams {
            let removed = self.removed.get(&row.stream);
            if removed.is_none_or(|last| row.last_sequence > *last) {
                self.streams.add(&row.stream, &row.summary);
            }
        }
    }

    /// Forgets a segment's events, which were older than the retention allows.
    pub(crate) fn uncount_segment(&mut self, index: &Index, cutoff: Timestamp) {
        for row in &index.streams {
            // Those of a stream that was removed and begun anew are not counted any more.
            let removed = self.removed.get(&row.stream);
            if removed.is_some_and(|last| row.last_sequence <= *last) {
                continue;
            }
            self.streams.forget(&row.stream, &row.summary, cutoff);
        }
    }

    /// Counts everything anew; the indexes are those of the segments.
    pub(crate) fn recount(&mut self, indexes: &[Arc<Index>]) {
        self.streams.clear();
        for index in indexes {
            self.count_segment(index);
        }
        let frozen = self.frozen.clone();
        let batches: Vec<Arc<Batch>> = frozen
            .iter()
            .flat_map(|frozen| frozen.batches())
            .chain(self.active.batches())
            .cloned()
            .collect();
        for batch in batches {
            let removed = self.removed.get(&batch.stream);
            if removed.is_none_or(|last| batch.last_sequence() > *last) {
                self.count(&batch);
            }
        }
    }
}
