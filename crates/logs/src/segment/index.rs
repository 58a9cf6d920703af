//! What a segment says about itself: its streams, and where which events lie.

use portcullis_core::Timestamp;

use crate::codec::{Reader, put_bytes, put_i64, put_u64};
use crate::{StreamId, StreamSummary, Streams};

/// A stream inside a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentStream {
    pub(crate) stream: StreamId,
    pub(crate) summary: StreamSummary,
    /// The highest number among its events.
    pub(crate) last_sequence: u64,
}

/// A block: events of one or several streams that follow each other, each stream's by their keys; or sealed batches of them, each
/// stream's in any order, for a merge puts those of one segment behind those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) offset: u64,
    pub(crate) stored_bytes: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) checksum: u32,
    pub(crate) first_stream: u32,
    pub(crate) last_stream: u32,
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    /// Whether it holds sealed batches.
    pub(crate) is_sealed: bool,
}

impl BlockEntry {
    /// Whether another block's events all come after this one's: both have events of one stream alone, the same.
    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        let is_plain = !self.is_sealed && !next.is_sealed;
        let streams = [self.first_stream, self.last_stream, next.first_stream];
        is_plain && streams.iter().all(|stream| *stream == next.last_stream)
    }
}

/// The index of a segment. Streams are in the order of their names, blocks in the order of their streams, and those of events in
/// the order of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Index {
    pub(crate) streams: Vec<SegmentStream>,
    pub(crate) blocks: Vec<BlockEntry>,
}

impl Index {
    /// Number of a stream in this segment.
    pub(crate) fn number_of(&self, stream: &str) -> Option<u32> {
        let found = self
            .streams
            .binary_search_by(|row| row.stream.as_str().cmp(stream));
        u32::try_from(found.ok()?).ok()
    }

    /// The numbers of the streams meant, as ascending ranges (last one inside).
    pub(crate) fn numbers(&self, streams: &Streams) -> Vec<(u32, u32)> {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        match streams {
            Streams::All => vec![(0, u32::MAX)],
            Streams::Prefix(prefix) => {
                let first = self
                    .streams
                    .partition_point(|row| row.stream.as_str() < prefix.as_str());
                let rest = self.streams.iter().skip(first);
                let count = rest.take_while(|row| row.stream.as_str().starts_with(prefix.as_str()));
                match count.count() {
                    0 => Vec::new(),
                    count => vec![(number(first), number(first + count - 1))],
                }
            }
            Streams::Named(names) => {
                let mut numbers: Vec<u32> = names
                    .iter()
                    .filter_map(|name| self.number_of(name.as_str()))
                    .collect();
                numbers.sort_unstable();
                numbers.dedup();
                numbers.into_iter().map(|number| (number, number)).collect()
            }
        }
    }

    /// The blocks in which events of some streams may lie. Those of one stream stand next to each other.
    pub(crate) fn blocks_of(&self, (first, last): (u32, u32)) -> &[BlockEntry] {
        let from = self.blocks.partition_point(|block| block.last_stream < first);
        let to = self.blocks.partition_point(|block| block.first_stream <= last);
        self.blocks.get(from..to).unwrap_or_default()
    }

    /// What it takes up in memory, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        let streams: usize = self
            .streams
            .iter()
            .map(|row| row.stream.as_str().len() + 96)
            .sum();
        streams + self.blocks.len() * size_of::<BlockEntry>()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_u64(&mut out, self.streams.len() as u64);
        for row in &self.streams {
            let summary = &row.summary;
            put_bytes(&mut out, row.stream.as_str().as_bytes());
            put_i64(&mut out, summary.first_event.as_millis());
            put_i64(&mut out, summary.last_event.as_millis());
            put_i64(&mut out, summary.last_ingestion.as_millis());
            put_u64(&mut out, summary.events);
            put_u64(&mut out, summary.stored_bytes);
            put_u64(&mut out, row.last_sequence);
        }
        put_u64(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            put_u64(&mut out, block.offset);
            put_u64(&mut out, u64::from(block.stored_bytes));
            put_u64(&mut out, u64::from(block.raw_bytes));
            out.extend_from_slice(&block.checksum.to_le_bytes());
            put_u64(&mut out, u64::from(block.first_stream));
            put_u64(&mut out, u64::from(block.last_stream));
            put_i64(&mut out, block.oldest.as_millis());
            put_i64(&mut out, block.newest.as_millis());
        }
        self.encode_sealed(&mut out);
        out
    }

    /// Which blocks are sealed stands behind everything else, if some are: how many, and how far each is from the one before.
    fn encode_sealed(&self, out: &mut Vec<u8>) {
        let sealed = self
            .blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block.is_sealed);
        let places: Vec<u64> = sealed.map(|(place, _)| place as u64).collect();
        if places.is_empty() {
            return;
        }
        put_u64(out, places.len() as u64);
        let mut last = 0;
        for place in places {
            put_u64(out, place - last);
            last = place;
        }
    }

    fn decode_sealed(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut place = 0_usize;
        for _ in 0..reader.usize()? {
            place = place.checked_add(reader.usize()?)?;
            self.blocks.get_mut(place)?.is_sealed = true;
        }
        Some(())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut index = Self::default();
        for _ in 0..reader.usize()? {
            index.streams.push(SegmentStream {
                stream: StreamId::new(reader.text()?),
                summary: StreamSummary {
                    first_event: Timestamp::from_millis(reader.i64()?),
                    last_event: Timestamp::from_millis(reader.i64()?),
                    last_ingestion: Timestamp::from_millis(reader.i64()?),
                    events: reader.u64()?,
                    stored_bytes: reader.u64()?,
                },
                last_sequence: reader.u64()?,
            });
        }
        for _ in 0..reader.usize()? {
            index.blocks.push(BlockEntry {
                offset: reader.u64()?,
                stored_bytes: reader.u32()?,
                raw_bytes: reader.u32()?,
                checksum: reader.fixed_u32()?,
                first_stream: reader.u32()?,
                last_stream: reader.u32()?,
                oldest: Timestamp::from_millis(reader.i64()?),
                newest: Timestamp::from_millis(reader.i64()?),
                is_sealed: false,
            });
        }
        if !reader.is_empty() {
            index.decode_sealed(&mut reader)?;
        }
        reader.is_empty().then_some(index)
    }
}
