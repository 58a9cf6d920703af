//! What the streams of a group hold: by name, and in the order of their last events.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use portcullis_core::Timestamp;

use crate::{LastEvent, Order, StreamId, StreamSummary};

/// The summaries of a group's streams that have events.
#[derive(Debug, Default)]
pub(crate) struct Summaries {
    by_name: BTreeMap<StreamId, StreamSummary>,
    /// The same streams.
    by_last_event: BTreeSet<LastEvent>,
    stored_bytes: u64,
}

impl Summaries {
    pub(crate) fn get(&self, stream: &StreamId) -> Option<&StreamSummary> {
        self.by_name.get(stream)
    }

    /// Bytes of all of them before compression.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Counts more events.
    pub(crate) fn add(&mut self, stream: &StreamId, more: &StreamSummary) {
        let sum = match self.by_name.get(stream) {
            None => *more,
            Some(summary) => summary.with(more),
        };
        self.put(stream, sum);
    }

    /// Forgets events that were the oldest of their stream; none are older than `oldest` now.
    pub(crate) fn forget(&mut self, stream: &StreamId, gone: &StreamSummary, oldest: Timestamp) {
        let Some(summary) = self.by_name.get(stream) else {
            return;
        };
        let rest = StreamSummary {
            events: summary.events.saturating_sub(gone.events),
            stored_bytes: summary.stored_bytes.saturating_sub(gone.stored_bytes),
            first_event: summary.first_event.max(oldest),
            ..*summary
        };
        match rest.events {
            0 => self.remove(stream),
            _ => self.put(stream, rest),
        }
    }

    fn put(&mut self, stream: &StreamId, summary: StreamSummary) {
        let before = self.by_name.insert(stream.clone(), summary);
        self.stored_bytes += summary.stored_bytes;
        if let Some(before) = before {
            self.stored_bytes = self.stored_bytes.saturating_sub(before.stored_bytes);
        }
        if before.is_some_and(|before| before.last_event == summary.last_event) {
            return;
        }
        self.drop_place(stream, before);
        self.by_last_event.insert(LastEvent {
            time: summary.last_event,
            stream: stream.clone(),
        });
    }

    pub(crate) fn remove(&mut self, stream: &StreamId) {
        let before = self.by_name.remove(stream);
        if let Some(before) = before {
            self.stored_bytes = self.stored_bytes.saturating_sub(before.stored_bytes);
        }
        self.drop_place(stream, before);
    }

    fn drop_place(&mut self, stream: &StreamId, summary: Option<StreamSummary>) {
        if let Some(summary) = summary {
            self.by_last_event.remove(&LastEvent {
                time: summary.last_event,
                stream: stream.clone(),
            });
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next streams after a place in an order, without those whose last event is older than `oldest`.
    pub(crate) fn by_last_event(
        &self,
        oldest: Timestamp,
        after: Option<&LastEvent>,
        order: Order,
        limit: usize,
    ) -> Vec<LastEvent> {
        let first = LastEvent {
            time: oldest,
            stream: StreamId::new(""),
        };
        let rows = &self.by_last_event;
        match order {
            Order::OldestFirst => {
                let from = match after {
                    Some(after) if *after >= first => Bound::Excluded(after),
                    _ => Bound::Included(&first),
                };
                let rest = rows.range::<LastEvent, _>((from, Bound::Unbounded));
                rest.take(limit).cloned().collect()
            }
            Order::NewestFirst => {
                let until = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = rows.range::<LastEvent, _>((Bound::Unbounded, until)).rev();
                rest.take_while(|row| **row >= first)
                    .take(limit)
                    .cloned()
                    .collect()
            }
        }
    }
}
