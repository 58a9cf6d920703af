//! A group's events: those in memory, those in segments, and what hides some of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use portcullis_core::Timestamp;

use crate::batch::Batch;
use crate::segment::{Index, Segment};
use crate::{GroupId, StreamId, StreamSummary};

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
    pub(crate) streams: BTreeMap<StreamId, StreamSummary>,
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

    /// Counts events that came in.
    pub(crate) fn count(&mut self, batch: &Batch) {
        let summary = StreamSummary {
            first_event: batch.packed.oldest,
            last_event: batch.packed.newest,
            last_ingestion: batch.ingestion_time,
            events: u64::from(batch.packed.count),
            stored_bytes: batch.packed.counted_bytes,
        };
        add(&mut self.streams, &batch.stream, &summary);
    }

    /// Counts a segment's events, those left out that were removed.
    pub(crate) fn count_segment(&mut self, index: &Index) {
        for row in &index.streams {
            let removed = self.removed.get(&row.stream);
            if removed.is_none_or(|last| row.last_sequence > *last) {
                add(&mut self.streams, &row.stream, &row.summary);
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
            let Some(summary) = self.streams.get_mut(&row.stream) else {
                continue;
            };
            summary.events = summary.events.saturating_sub(row.summary.events);
            summary.stored_bytes = summary.stored_bytes.saturating_sub(row.summary.stored_bytes);
            summary.first_event = summary.first_event.max(cutoff);
            if summary.events == 0 {
                self.streams.remove(&row.stream);
            }
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

fn add(streams: &mut BTreeMap<StreamId, StreamSummary>, stream: &StreamId, more: &StreamSummary) {
    let Some(summary) = streams.get_mut(stream) else {
        streams.insert(stream.clone(), *more);
        return;
    };
    summary.first_event = summary.first_event.min(more.first_event);
    summary.last_event = summary.last_event.max(more.last_event);
    summary.last_ingestion = summary.last_ingestion.max(more.last_ingestion);
    summary.events += more.events;
    summary.stored_bytes += more.stored_bytes;
}
