//! Making a segment: events come in the order of stream and key and leave in blocks, the index behind them.

use std::io::{self, Write};

use portcullis_core::Timestamp;

use super::index::{BlockEntry, Index, SegmentStream};
use super::{BLOCK_RAW_BYTES, MAGIC, TRAILER_BYTES};
use crate::codec::{put_bytes, put_i64, put_u64};
use crate::{EVENT_OVERHEAD_BYTES, EventKey, StreamId, StreamSummary};

/// Writes one segment.
pub(crate) struct SegmentWriter<W> {
    out: W,
    offset: u64,
    index: Index,
    block: Block,
}

/// The block being filled. Each event: number of its stream, time, number and time of ingestion as differences to the event
/// before, message.
#[derive(Debug, Default)]
struct Block {
    raw: Vec<u8>,
    /// First and last number of the streams in it.
    streams: Option<(u32, u32)>,
    oldest: i64,
    newest: i64,
    last: (u32, i64, u64, i64),
}

impl<W: Write> SegmentWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            offset: 0,
            index: Index::default(),
            block: Block::default(),
        }
    }

    /// The next event: of the same stream as the last, or of one whose name comes later.
    pub(crate) fn push(
        &mut self,
        stream: &StreamId,
        key: EventKey,
        ingestion_time: Timestamp,
        message: &str,
    ) -> io::Result<()> {
        let number = self.count(stream, key, ingestion_time, message)?;
        self.block.push(number, key, ingestion_time, message);
        if self.block.raw.len() >= BLOCK_RAW_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    /// Notes the event in its stream's row; the number of the stream.
    fn count(
        &mut self,
        stream: &StreamId,
        key: EventKey,
        ingestion_time: Timestamp,
        message: &str,
    ) -> io::Result<u32> {
        let streams = &mut self.index.streams;
        if streams.last().is_none_or(|row| row.stream != *stream) {
            streams.push(SegmentStream {
                stream: stream.clone(),
                summary: StreamSummary {
                    first_event: key.timestamp,
                    last_event: key.timestamp,
                    last_ingestion: ingestion_time,
                    events: 0,
                    stored_bytes: 0,
                },
                last_sequence: 0,
            });
        }
        let number = u32::try_from(streams.len() - 1).map_err(io::Error::other)?;
        if let Some(row) = streams.last_mut() {
            row.last_sequence = row.last_sequence.max(key.sequence);
            let summary = &mut row.summary;
            summary.last_event = key.timestamp;
            summary.last_ingestion = summary.last_ingestion.max(ingestion_time);
            summary.events += 1;
            summary.stored_bytes += (message.len() + EVENT_OVERHEAD_BYTES) as u64;
        }
        Ok(number)
    }

    fn end_block(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        let Some((first_stream, last_stream)) = block.streams else {
            return Ok(());
        };
        let stored = lz4_flex::block::compress(&block.raw);
        self.out.write_all(&stored)?;
        self.index.blocks.push(BlockEntry {
            offset: self.offset,
            stored_bytes: u32::try_from(stored.len()).map_err(io::Error::other)?,
            raw_bytes: u32::try_from(block.raw.len()).map_err(io::Error::other)?,
            checksum: crc32fast::hash(&stored),
            first_stream,
            last_stream,
            oldest: Timestamp::from_millis(block.oldest),
            newest: Timestamp::from_millis(block.newest),
        });
        self.offset += stored.len() as u64;
        self.block.raw = block.raw;
        self.block.raw.clear();
        Ok(())
    }

    /// Writes the index and what finds it. The file's length comes along.
    pub(crate) fn finish(mut self) -> io::Result<(W, Index, u64)> {
        self.end_block()?;
        let raw = self.index.encode();
        let stored = lz4_flex::block::compress(&raw);
        self.out.write_all(&stored)?;
        let mut trailer = Vec::with_capacity(TRAILER_BYTES);
        trailer.extend_from_slice(&self.offset.to_le_bytes());
        trailer.extend_from_slice(
            &u32::try_from(stored.len())
                .map_err(io::Error::other)?
                .to_le_bytes(),
        );
        trailer.extend_from_slice(&u32::try_from(raw.len()).map_err(io::Error::other)?.to_le_bytes());
        trailer.extend_from_slice(&crc32fast::hash(&stored).to_le_bytes());
        let checksum = crc32fast::hash(&trailer);
        trailer.extend_from_slice(&checksum.to_le_bytes());
        trailer.extend_from_slice(MAGIC);
        self.out.write_all(&trailer)?;
        self.out.flush()?;
        let bytes = self.offset + (stored.len() + trailer.len()) as u64;
        Ok((self.out, self.index, bytes))
    }
}

impl Block {
    fn push(&mut self, stream: u32, key: EventKey, ingestion_time: Timestamp, message: &str) {
        let (time, ingested) = (key.timestamp.as_millis(), ingestion_time.as_millis());
        match &mut self.streams {
            None => {
                self.streams = Some((stream, stream));
                (self.oldest, self.newest) = (time, time);
            }
            Some((_, last)) => *last = stream,
        }
        self.oldest = self.oldest.min(time);
        self.newest = self.newest.max(time);
        let last = self.last;
        put_u64(&mut self.raw, u64::from(stream - last.0));
        put_i64(&mut self.raw, time.wrapping_sub(last.1));
        put_i64(&mut self.raw, key.sequence.wrapping_sub(last.2).cast_signed());
        put_i64(&mut self.raw, ingested.wrapping_sub(last.3));
        put_bytes(&mut self.raw, message.as_bytes());
        self.last = (stream, time, key.sequence, ingested);
    }
}
