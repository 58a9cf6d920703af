//! Walking through a group's events in the order of their keys, opening only what the walk comes to.
//!
//! A heap holds what lies ahead by the earliest key it can have: segments, blocks, batches, and open ones by the key of their next
//! event. What is not reached is neither read nor decompressed, so that a walk costs what it passes, not what is stored.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::batch::Batch;
use crate::cache::IndexCache;
use crate::group::{GroupState, Memtable, Removed};
use crate::items::{Item, Items};
use crate::segment::{BlockEntry, Index, Opened, Segment};
use crate::span::{Rank, Span};
use crate::{LogsError, Order, StreamId, Streams};

/// Events of a group as they were at one moment.
#[derive(Debug)]
pub(crate) struct Picture {
    batches: Vec<Arc<Batch>>,
    segments: Vec<Arc<Segment>>,
    removed: Removed,
    streams: Streams,
    span: Span,
}

impl Picture {
    /// What of a group concerns a question.
    pub(crate) fn of(state: &GroupState, streams: Streams, span: Span) -> Self {
        let mut batches = Vec::new();
        let tables = state.frozen.iter().map(Arc::as_ref).chain([&state.active]);
        for table in tables {
            choose(table, &streams, span, &mut batches);
        }
        let segments = state.segments.iter();
        let segments = segments.filter(|segment| span.meets(segment.oldest, segment.newest));
        Self {
            batches,
            segments: segments.cloned().collect(),
            removed: Arc::clone(&state.removed),
            streams,
            span,
        }
    }

    /// All events of some segments.
    pub(crate) fn of_segments(segments: &[Arc<Segment>], removed: Removed, streams: Streams) -> Self {
        Self {
            batches: Vec::new(),
            segments: segments.to_vec(),
            removed,
            streams,
            span: Span::ALL,
        }
    }
}

fn choose(table: &Memtable, streams: &Streams, span: Span, chosen: &mut Vec<Arc<Batch>>) {
    let mut add = |batches: &[Arc<Batch>]| {
        let meeting = batches
            .iter()
            .filter(|batch| span.meets(batch.packed.oldest, batch.packed.newest));
        chosen.extend(meeting.cloned());
    };
    match streams {
        Streams::All => table.streams.values().for_each(|batches| add(batches)),
        Streams::Prefix(prefix) => {
            let from = table.streams.range(StreamId::new(prefix)..);
            from.take_while(|(stream, _)| stream.as_str().starts_with(prefix.as_str()))
                .for_each(|(_, batches)| add(batches));
        }
        Streams::Named(names) => {
            let mut names: Vec<&StreamId> = names.iter().collect();
            names.sort_unstable();
            names.dedup();
            names
                .into_iter()
                .filter_map(|name| table.streams.get(name))
                .for_each(|batches| add(batches));
        }
    }
}

/// A walk.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    picture: &'a Picture,
    cache: &'a IndexCache,
    order: Order,
    ahead: BinaryHeap<Reverse<(Rank, usize)>>,
    sources: Vec<Ahead>,
    free: Vec<usize>,
}

/// Something that lies ahead.
#[derive(Debug)]
enum Ahead {
    Nothing,
    Segment(Arc<Segment>),
    Block(Arc<Reading>, BlockEntry),
    Batch(Arc<Batch>),
    Items(Cursor),
}

/// A segment that the walk came to.
#[derive(Debug)]
struct Reading {
    opened: Opened,
    index: Arc<Index>,
    numbers: Vec<(u32, u32)>,
}

/// Events of a batch or block in the order of the walk.
#[derive(Debug)]
struct Cursor {
    items: Items,
    next: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(picture: &'a Picture, cache: &'a IndexCache, order: Order) -> Self {
        let mut scan = Self {
            picture,
            cache,
            order,
            ahead: BinaryHeap::new(),
            sources: Vec::new(),
            free: Vec::new(),
        };
        for segment in &picture.segments {
            let rank = Rank::earliest(segment.oldest, segment.newest, order);
            scan.add(rank, Ahead::Segment(Arc::clone(segment)));
        }
        for batch in &picture.batches {
            let rank = Rank::earliest(batch.packed.oldest, batch.packed.newest, order);
            scan.add(rank, Ahead::Batch(Arc::clone(batch)));
        }
        scan
    }

    fn add(&mut self, rank: Rank, ahead: Ahead) {
        let place = self.free.pop();
        let place = match place.and_then(|place| self.sources.get_mut(place).map(|slot| (place, slot))) {
            Some((place, slot)) => {
                *slot = ahead;
                place
            }
            None => {
                self.sources.push(ahead);
                self.sources.len() - 1
            }
        };
        self.ahead.push(Reverse((rank, place)));
    }

    /// Hands the events to `each`, one after the other, until it says no or there are none left; whether there were none left.
    pub(crate) fn run(&mut self, mut each: impl FnMut(&Items, &Item) -> bool) -> Result<bool, LogsError> {
        while let Some(Reverse((_, place))) = self.ahead.pop() {
            let Some(slot) = self.sources.get_mut(place) else {
                continue;
            };
            let ahead = std::mem::replace(slot, Ahead::Nothing);
            self.free.push(place);
            match ahead {
                Ahead::Nothing => {}
                Ahead::Segment(segment) => self.open_segment(&segment)?,
                Ahead::Block(reading, entry) => {
                    let items = reading.opened.block(&reading.index, &entry, &reading.numbers)?;
                    self.open_items(items);
                }
                Ahead::Batch(batch) => self.open_items(batch.items()),
                Ahead::Items(cursor) => {
                    if !self.walk(cursor, &mut each) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Goes through a cursor as long as nothing else comes before its next event.
    fn walk(&mut self, mut cursor: Cursor, each: &mut impl FnMut(&Items, &Item) -> bool) -> bool {
        let limit = self.ahead.peek().map(|Reverse((rank, _))| *rank);
        while let Some(item) = cursor.items.list.get(cursor.next) {
            let rank = Rank::of(item.key, self.order);
            if limit.is_some_and(|limit| rank > limit) {
                self.add(rank, Ahead::Items(cursor));
                return true;
            }
            if !each(&cursor.items, item) {
                return false;
            }
            cursor.next += 1;
        }
        true
    }

    fn open_segment(&mut self, segment: &Arc<Segment>) -> Result<(), LogsError> {
        let opened = segment.open()?;
        let index = self.cache.of(segment, &opened)?;
        let numbers = index.numbers(&self.picture.streams);
        let reading = Arc::new(Reading {
            opened,
            index: Arc::clone(&index),
            numbers,
        });
        let mut last_offset = None;
        for range in &reading.numbers {
            for entry in index.blocks_of(*range) {
                // Streams next to each other may share a block.
                let is_new = last_offset.is_none_or(|last| entry.offset > last);
                if is_new && self.picture.span.meets(entry.oldest, entry.newest) {
                    let rank = Rank::earliest(entry.oldest, entry.newest, self.order);
                    self.add(rank, Ahead::Block(Arc::clone(&reading), *entry));
                }
                last_offset = last_offset.max(Some(entry.offset));
            }
        }
        Ok(())
    }

    fn open_items(&mut self, mut items: Items) {
        let picture = self.picture;
        let list = std::mem::take(&mut items.list);
        let mut kept: Vec<Item> = list
            .into_iter()
            .filter(|item| picture.span.contains(item.key) && !is_removed(&picture.removed, &items, item))
            .collect();
        match self.order {
            Order::OldestFirst => kept.sort_unstable_by_key(|item| item.key),
            Order::NewestFirst => kept.sort_unstable_by_key(|item| Reverse(item.key)),
        }
        if let Some(first) = kept.first() {
            let rank = Rank::of(first.key, self.order);
            items.list = kept;
            self.add(rank, Ahead::Items(Cursor { items, next: 0 }));
        }
    }
}

/// Whether the event's stream was removed after it came in.
pub(crate) fn is_removed(removed: &Removed, items: &Items, item: &Item) -> bool {
    !removed.is_empty()
        && items
            .stream(item)
            .and_then(|stream| removed.get(stream))
            .is_some_and(|last| item.key.sequence <= *last)
}
