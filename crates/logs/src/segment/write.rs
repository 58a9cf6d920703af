//! Making a segment: events come in the order of stream and key and leave in blocks, the index behind them. Sealed batches go into
//! blocks of their own, as they are.

use std::io::{self, Write};

use portcullis_core::Timestamp;

use super::index::{BlockEntry, Index, SegmentStream};
use super::{BLOCK_RAW_BYTES, MAGIC, TRAILER_BYTES};
use crate::batch::Batch;
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
    is_sealed: bool,
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
        let summary = StreamSummary {
            first_event: key.timestamp,
            last_event: key.timestamp,
            last_ingestion: ingestion_time,
            events: 1,
            stored_bytes: (message.len() + EVENT_OVERHEAD_BYTES) as u64,
        };
        let number = self.count(stream, &summary, key.sequence)?;
        self.begin_block(false)?;
        self.block.push(number, key, ingestion_time, message);
        self.end_full_block()
    }

    /// The next batch that is sealed: of the same stream as the last event or batch, or of one whose name comes later.
    pub(crate) fn push_sealed(&mut self, batch: &Batch) -> io::Result<()> {
        let number = self.count(&batch.stream, &batch.summary(), batch.last_sequence())?;
        self.begin_block(true)?;
        self.block.push_sealed(number, batch);
        self.end_full_block()
    }

    /// Ends a block of the other kind.
    fn begin_block(&mut self, is_sealed: bool) -> io::Result<()> {
        if self.block.is_sealed != is_sealed {
            self.end_block()?;
            self.block.is_sealed = is_sealed;
        }
        Ok(())
    }

    fn end_full_block(&mut self) -> io::Result<()> {
        if self.block.raw.len() >= BLOCK_RAW_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    /// Notes events in their stream's row; the number of the stream.
    fn count(&mut self, stream: &StreamId, more: &StreamSummary, last_sequence: u64) -> io::Result<u32> {
        let streams = &mut self.index.streams;
        if streams.last().is_none_or(|row| row.stream != *stream) {
            streams.push(SegmentStream {
                stream: stream.clone(),
                summary: StreamSummary {
                    events: 0,
                    stored_bytes: 0,
                    ..*more
                },
                last_sequence: 0,
            });
        }
        let number = u32::try_from(streams.len() - 1).map_err(io::Error::other)?;
        if let Some(row) = streams.last_mut() {
            row.last_sequence = row.last_sequence.max(last_sequence);
            row.summary = row.summary.with(more);
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
            is_sealed: block.is_sealed,
        });
        self.offset += stored.len() as u64;
        self.block.is_sealed = block.is_sealed;
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
        self.widen(stream, time, time);
        let last = self.last;
        put_u64(&mut self.raw, u64::from(stream - last.0));
        put_i64(&mut self.raw, time.wrapping_sub(last.1));
        put_i64(&mut self.raw, key.sequence.wrapping_sub(last.2).cast_signed());
        put_i64(&mut self.raw, ingested.wrapping_sub(last.3));
        put_bytes(&mut self.raw, message.as_bytes());
        self.last = (stream, time, key.sequence, ingested);
    }

    /// Each batch: number of its stream as the difference to the batch before, and the batch.
    fn push_sealed(&mut self, stream: u32, batch: &Batch) {
        let (oldest, newest) = (batch.packed.oldest, batch.packed.newest);
        self.widen(stream, oldest.as_millis(), newest.as_millis());
        put_u64(&mut self.raw, u64::from(stream - self.last.0));
        batch.put_sealed(&mut self.raw);
        self.last.0 = stream;
    }

    fn widen(&mut self, stream: u32, oldest: i64, newest: i64) {
        match &mut self.streams {
            None => {
                self.streams = Some((stream, stream));
                (self.oldest, self.newest) = (oldest, newest);
            }
            Some((_, last)) => *last = stream,
        }
        self.oldest = self.oldest.min(oldest);
        self.newest = self.newest.max(newest);
    }
}
