//! Walking through a group's events in the order of their keys, opening only what the walk comes to.
//!
//! A heap holds what lies ahead by the earliest key it can have: segments, blocks, batches, and open ones by the key of their next
//! event. What is not reached is neither read nor decompressed, so that a walk costs what it passes, not what is stored.
//!
//! Batches may overlap as whoever appended them liked, so that very many come up before the first of them is through. A walk has
//! so many bytes open and no more: beyond them, events are closed again, and opened anew when their turn has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::batch::Batch;
use crate::engine::Engine;
use crate::group::{GroupState, Memtable, Removed};
use crate::items::{Item, Items};
use crate::sealing::Opener;
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
    /// Whether sealed events are in it.
    has_sealed: bool,
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
            has_sealed: true,
        }
    }

    /// All events of some segments that are not sealed.
    pub(crate) fn of_segments(segments: &[Arc<Segment>], removed: Removed, streams: Streams) -> Self {
        Self {
            batches: Vec::new(),
            segments: segments.to_vec(),
            removed,
            streams,
            span: Span::ALL,
            has_sealed: false,
        }
    }
}

fn choose(table: &Memtable, streams: &Streams, span: Span, chosen: &mut Vec<Arc<Batch>>) {
    let mut add = |batches: &[Arc<Batch>]| {
        let meeting = batches
            .iter()
            .filter(|batch| span.meets_keys(batch.first_key(), batch.last_key()));
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
    engine: &'a Engine,
    opener: Option<&'a Opener>,
    order: Order,
    ahead: BinaryHeap<Reverse<(Rank, usize)>>,
    sources: Vec<Ahead>,
    free: Vec<usize>,
    /// The last event that was handed over.
    passed: Option<Rank>,
    /// Bytes that are open.
    open_bytes: usize,
    /// Bytes that were opened, each time they were.
    opened_bytes: usize,
    opened_bytes_max: usize,
    sealed_block: Option<SealedBlock>,
    #[cfg(test)]
    most_open_bytes: usize,
}

/// Something that lies ahead.
#[derive(Debug)]
enum Ahead {
    Nothing,
    Segment(Arc<Segment>),
    /// Blocks that follow each other, the next one last: none is opened before the one before it was.
    Blocks(Arc<Reading>, Vec<BlockEntry>),
    SealedBlock(Arc<Reading>, BlockEntry),
    Closed(Source),
    Open(Cursor),
}

/// Where events are when they are not open.
#[derive(Debug)]
enum Source {
    Block(Arc<Reading>, BlockEntry),
    Batch(Arc<Batch>),
    /// A batch of a sealed block, by its place in it.
    Sealed(Arc<Reading>, BlockEntry, usize),
}

/// The sealed block that was read last.
#[derive(Debug)]
struct SealedBlock {
    reading: Arc<Reading>,
    offset: u64,
    batches: Vec<Arc<Batch>>,
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
    /// What it takes up.
    bytes: usize,
    source: Source,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(picture: &'a Picture, engine: &'a Engine, order: Order) -> Self {
        let mut scan = Self {
            picture,
            engine,
            opener: None,
            order,
            ahead: BinaryHeap::new(),
            sources: Vec::new(),
            free: Vec::new(),
            passed: None,
            open_bytes: 0,
            opened_bytes: 0,
            opened_bytes_max: usize::MAX,
            sealed_block: None,
            #[cfg(test)]
            most_open_bytes: 0,
        };
        for segment in &picture.segments {
            let rank = Rank::earliest(segment.oldest, segment.newest, order);
            scan.add(rank, Ahead::Segment(Arc::clone(segment)));
        }
        for batch in &picture.batches {
            let rank = scan.first_of(batch);
            scan.add(rank, Ahead::Closed(Source::Batch(Arc::clone(batch))));
        }
        scan
    }

    /// Opens sealed events.
    pub(crate) fn opened_by(self, opener: Option<&'a Opener>) -> Self {
        Self { opener, ..self }
    }

    /// Ends when so many bytes were opened, but not before the first event.
    pub(crate) fn opening(self, opened_bytes_max: usize) -> Self {
        Self {
            opened_bytes_max,
            ..self
        }
    }

    /// The first event of a batch in this walk.
    fn first_of(&self, batch: &Batch) -> Rank {
        let key = match self.order {
            Order::OldestFirst => batch.first_key(),
            Order::NewestFirst => batch.last_key(),
        };
        Rank::of(key, self.order)
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

    /// Hands the events to `each`, one after the other, until it says no, enough was opened or there are none left; whether
    /// there were none left.
    pub(crate) fn run(&mut self, mut each: impl FnMut(&Items, &Item) -> bool) -> Result<bool, LogsError> {
        while let Some(Reverse((_, place))) = self.ahead.pop() {
            if self.passed.is_some() && self.opened_bytes > self.opened_bytes_max {
                return Ok(false);
            }
            let Some(slot) = self.sources.get_mut(place) else {
                continue;
            };
            let ahead = std::mem::replace(slot, Ahead::Nothing);
            self.free.push(place);
            match ahead {
                Ahead::Nothing => {}
                Ahead::Segment(segment) => self.open_segment(&segment)?,
                Ahead::Blocks(reading, blocks) => self.open_block(reading, blocks)?,
                Ahead::SealedBlock(reading, entry) => self.open_sealed(&reading, entry)?,
                Ahead::Closed(source) => {
                    let items = self.items(&source)?;
                    self.open_items(items, source);
                }
                Ahead::Open(cursor) => {
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
                self.put_back(rank, cursor);
                return true;
            }
            if !each(&cursor.items, item) {
                return false;
            }
            self.passed = Some(rank);
            cursor.next += 1;
        }
        self.open_bytes -= cursor.bytes;
        true
    }

    /// Keeps a cursor until its turn comes again; closed, if too much is open.
    fn put_back(&mut self, rank: Rank, cursor: Cursor) {
        if self.open_bytes <= self.engine.options.walk_bytes {
            return self.add(rank, Ahead::Open(cursor));
        }
        self.open_bytes -= cursor.bytes;
        self.add(rank, Ahead::Closed(cursor.source));
    }

    fn open_segment(&mut self, segment: &Arc<Segment>) -> Result<(), LogsError> {
        let opened = segment.open()?;
        let index = self.engine.cache.of(segment, &opened)?;
        let numbers = index.numbers(&self.picture.streams);
        let reading = Arc::new(Reading {
            opened,
            index: Arc::clone(&index),
            numbers,
        });
        let mut last_offset = None;
        let mut chosen: Vec<BlockEntry> = Vec::new();
        for range in &reading.numbers {
            for entry in index.blocks_of(*range) {
                // Streams next to each other may share a block.
                let is_new = last_offset.is_none_or(|last| entry.offset > last);
                let is_in = self.picture.has_sealed || !entry.is_sealed;
                if is_new && is_in && self.picture.span.meets(entry.oldest, entry.newest) {
                    chosen.push(*entry);
                }
                last_offset = last_offset.max(Some(entry.offset));
            }
        }
        for blocks in chosen.chunk_by(BlockEntry::is_followed_by) {
            self.add_blocks(&reading, blocks);
        }
        Ok(())
    }

    fn add_blocks(&mut self, reading: &Arc<Reading>, blocks: &[BlockEntry]) {
        let mut blocks = blocks.to_vec();
        if self.order == Order::OldestFirst {
            blocks.reverse();
        }
        let Some(first) = blocks.last().copied() else {
            return;
        };
        let rank = Rank::earliest(first.oldest, first.newest, self.order);
        let reading = Arc::clone(reading);
        match first.is_sealed {
            true => self.add(rank, Ahead::SealedBlock(reading, first)),
            false => self.add(rank, Ahead::Blocks(reading, blocks)),
        }
    }

    /// Opens the next of some blocks. The others come after its last event.
    fn open_block(&mut self, reading: Arc<Reading>, mut blocks: Vec<BlockEntry>) -> Result<(), LogsError> {
        let Some(entry) = blocks.pop() else {
            return Ok(());
        };
        let source = Source::Block(Arc::clone(&reading), entry);
        let items = self.items(&source)?;
        if let Some(next) = blocks.last() {
            let last = match self.order {
                Order::OldestFirst => items.list.last(),
                Order::NewestFirst => items.list.first(),
            };
            let earliest = Rank::earliest(next.oldest, next.newest, self.order);
            let rank = last.map_or(earliest, |last| earliest.max(Rank::of(last.key, self.order)));
            self.add(rank, Ahead::Blocks(reading, blocks));
        }
        self.open_items(items, source);
        Ok(())
    }

    /// Batches are opened one by one as the walk comes to them.
    fn open_sealed(&mut self, reading: &Arc<Reading>, entry: BlockEntry) -> Result<(), LogsError> {
        let mut place = 0;
        while let Some(batch) = self.sealed_batch(reading, entry, place)? {
            let meets = self.picture.span.meets_keys(batch.first_key(), batch.last_key());
            if meets && !is_gone(&self.picture.removed, &batch) {
                let source = Source::Sealed(Arc::clone(reading), entry, place);
                self.add(self.first_of(&batch), Ahead::Closed(source));
            }
            place += 1;
        }
        Ok(())
    }

    /// A batch of a sealed block. The block is read again unless it was the last one.
    fn sealed_batch(
        &mut self,
        reading: &Arc<Reading>,
        entry: BlockEntry,
        place: usize,
    ) -> Result<Option<Arc<Batch>>, LogsError> {
        let is_it =
            |block: &SealedBlock| Arc::ptr_eq(&block.reading, reading) && block.offset == entry.offset;
        if !self.sealed_block.as_ref().is_some_and(is_it) {
            let batches = reading
                .opened
                .sealed_block(&reading.index, &entry, &reading.numbers)?;
            self.sealed_block = Some(SealedBlock {
                reading: Arc::clone(reading),
                offset: entry.offset,
                batches: batches.into_iter().map(Arc::new).collect(),
            });
        }
        let block = self.sealed_block.as_ref();
        Ok(block.and_then(|block| block.batches.get(place).cloned()))
    }

    fn items(&mut self, source: &Source) -> Result<Items, LogsError> {
        match source {
            Source::Block(reading, entry) => reading.opened.block(&reading.index, entry, &reading.numbers),
            Source::Batch(batch) => batch.items(self.opener),
            Source::Sealed(reading, entry, place) => match self.sealed_batch(reading, *entry, *place)? {
                Some(batch) => batch.items(self.opener),
                None => Ok(Items::default()),
            },
        }
    }

    /// Takes those events that are asked for and were not handed over yet. They are closed again if too much is open and others
    /// come first.
    fn open_items(&mut self, mut items: Items, source: Source) {
        let (picture, order, passed) = (self.picture, self.order, self.passed);
        let list = std::mem::take(&mut items.list);
        let mut kept: Vec<Item> = list
            .into_iter()
            .filter(|item| passed.is_none_or(|passed| Rank::of(item.key, order) > passed))
            .filter(|item| picture.span.contains(item.key) && !is_removed(&picture.removed, &items, item))
            .collect();
        match order {
            Order::OldestFirst => kept.sort_unstable_by_key(|item| item.key),
            Order::NewestFirst => kept.sort_unstable_by_key(|item| Reverse(item.key)),
        }
        let bytes = items.bytes.len() + kept.capacity() * size_of::<Item>();
        self.opened_bytes = self.opened_bytes.saturating_add(bytes);
        let Some(first) = kept.first() else {
            return;
        };
        let rank = Rank::of(first.key, order);
        let is_next = self.ahead.peek().is_none_or(|Reverse((next, _))| rank <= *next);
        if !is_next && self.open_bytes + bytes > self.engine.options.walk_bytes {
            return self.add(rank, Ahead::Closed(source));
        }
        self.open_bytes += bytes;
        #[cfg(test)]
        {
            self.most_open_bytes = self.most_open_bytes.max(self.open_bytes);
        }
        items.list = kept;
        let cursor = Cursor {
            items,
            next: 0,
            bytes,
            source,
        };
        self.add(rank, Ahead::Open(cursor));
    }
}

/// Whether a batch's stream was removed after it came in.
pub(crate) fn is_gone(removed: &Removed, batch: &Batch) -> bool {
    let last = removed.get(&batch.stream);
    last.is_some_and(|last| batch.last_sequence() <= *last)
}

/// Whether the event's stream was removed after it came in.
pub(crate) fn is_removed(removed: &Removed, items: &Items, item: &Item) -> bool {
    !removed.is_empty()
        && items
            .stream(item)
            .and_then(|stream| removed.get(stream))
            .is_some_and(|last| item.key.sequence <= *last)
}

#[cfg(test)]
mod tests;
