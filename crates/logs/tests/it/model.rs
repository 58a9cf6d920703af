//! The store as plainly as it can be told: one list of events a group.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;
use portcullis_logs::{
    Event, EventKey, InputEvent, Order, PAGE_BYTES_MAX, PAGE_EVENTS_MAX, StreamEvent, StreamId, Streams,
};

/// Where a walk stands: behind everything up to this key, in the order of keys.
pub type Place = (i64, u64);

#[derive(Debug, Default)]
pub struct Model {
    groups: BTreeMap<usize, Vec<StreamEvent>>,
    retention: BTreeMap<usize, u32>,
}

pub struct Page {
    pub events: Vec<Event>,
    pub forward: Place,
    pub backward: Place,
}

#[derive(Debug, Clone, Copy)]
pub enum Start {
    Head,
    Tail,
    Forward(Place),
    Backward(Place),
}

fn place(key: EventKey) -> Place {
    (key.timestamp.as_millis(), key.sequence)
}

impl Model {
    pub fn append(
        &mut self,
        group: usize,
        stream: &StreamId,
        mut events: Vec<InputEvent>,
        first_sequence: u64,
        now: Timestamp,
    ) {
        events.sort_by_key(|event| event.timestamp);
        let rows = self.groups.entry(group).or_default();
        for (number, event) in events.into_iter().enumerate() {
            rows.push(StreamEvent {
                stream: stream.clone(),
                event: Event {
                    key: EventKey {
                        timestamp: event.timestamp,
                        sequence: first_sequence + number as u64,
                    },
                    ingestion_time: now,
                    message: event.message,
                },
            });
        }
        rows.sort_by_key(|row| row.event.key);
    }

    pub fn rows(&self, group: usize, now: Timestamp) -> Vec<StreamEvent> {
        let days = self.retention.get(&group);
        let oldest = days.map_or(i64::MIN, |days| now.as_millis() - i64::from(*days) * 86_400_000);
        let rows = self.groups.get(&group).cloned().unwrap_or_default();
        rows.into_iter()
            .filter(|row| row.event.key.timestamp.as_millis() >= oldest)
            .collect()
    }

    pub fn read(
        &self,
        group: usize,
        stream: &StreamId,
        window: (i64, i64),
        start: Start,
        limit: usize,
        now: Timestamp,
    ) -> Page {
        let rows = self
            .rows(group, now)
            .into_iter()
            .filter(|row| row.stream == *stream);
        let rows = rows.filter(|row| (window.0..window.1).contains(&row.event.key.timestamp.as_millis()));
        let mut events: Vec<Event> = rows.map(|row| row.event).collect();
        let (gap, is_backward) = match start {
            Start::Head => ((i64::MIN, 0), false),
            Start::Tail => ((i64::MIN, 0), true),
            Start::Forward(gap) => {
                events.retain(|event| place(event.key) > gap);
                (gap, false)
            }
            Start::Backward(gap) => {
                events.retain(|event| place(event.key) <= gap);
                (gap, true)
            }
        };
        if is_backward {
            events.reverse();
        }
        let mut events = page(events, limit, Event::counted_bytes);
        if is_backward {
            events.reverse();
        }
        Page {
            forward: events.last().map_or(gap, |event| place(event.key)),
            backward: events.first().map_or(gap, |event| {
                (event.key.timestamp.as_millis(), event.key.sequence - 1)
            }),
            events,
        }
    }

    /// Everything that matches, without pages.
    pub fn filter(
        &self,
        group: usize,
        streams: &Streams,
        window: (i64, i64),
        order: Order,
        word: &str,
        now: Timestamp,
    ) -> Vec<StreamEvent> {
        let mut rows = self.rows(group, now);
        rows.retain(|row| {
            (window.0..=window.1).contains(&row.event.key.timestamp.as_millis())
                && streams.contains(row.stream.as_str())
                && row.event.message.contains(word)
        });
        if order == Order::NewestFirst {
            rows.reverse();
        }
        rows
    }

    pub fn remove_stream(&mut self, group: usize, stream: &StreamId) {
        if let Some(rows) = self.groups.get_mut(&group) {
            rows.retain(|row| row.stream != *stream);
        }
    }

    pub fn remove_group(&mut self, group: usize) {
        self.groups.remove(&group);
        self.retention.remove(&group);
    }

    pub fn retain(&mut self, group: usize, days: Option<u32>) {
        match days {
            Some(days) => self.retention.insert(group, days),
            None => self.retention.remove(&group),
        };
    }

    pub fn retention(&self, group: usize) -> Option<u32> {
        self.retention.get(&group).copied()
    }
}

fn page<T>(rows: Vec<T>, limit: usize, bytes: impl Fn(&T) -> usize) -> Vec<T> {
    let (mut taken, mut sum) = (Vec::new(), 0);
    for row in rows.into_iter().take(limit.min(PAGE_EVENTS_MAX)) {
        sum += bytes(&row);
        if sum > PAGE_BYTES_MAX && !taken.is_empty() {
            break;
        }
        taken.push(row);
    }
    taken
}
