//! The events of one append, in the form the journal and the memory keep them. Sealed ones stay as they are until somebody reads
//! them, in segments too: nothing that goes on inside the store needs their key.

use std::borrow::Cow;

use portcullis_core::Timestamp;

use crate::codec::{Reader, put_bytes, put_i64, put_u64};
use crate::items::{Item, Items};
use crate::sealing::{Opener, Seal};
use crate::{EVENT_OVERHEAD_BYTES, EventKey, InputEvent, LogsError, StreamId, StreamSummary};

/// What a batch costs in memory beside its bytes, roughly.
pub(crate) const BATCH_OVERHEAD_BYTES: usize = 160;

/// Sorted events, packed: time (difference to the one before), length and bytes of each.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    /// Whether the bytes are what became of the packed ones when they were compressed and sealed.
    pub(crate) is_sealed: bool,
    pub(crate) count: u32,
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    /// As PutLogEvents counts.
    pub(crate) counted_bytes: u64,
}

impl Packed {
    /// `None` without events.
    pub(crate) fn new(mut events: Vec<InputEvent>) -> Option<Self> {
        events.sort_by_key(|event| event.timestamp);
        let (oldest, newest) = (events.first()?.timestamp, events.last()?.timestamp);
        let size: usize = events.iter().map(|event| event.message.len() + 4).sum();
        let mut bytes = Vec::with_capacity(size);
        let mut last = 0;
        for event in &events {
            let time = event.timestamp.as_millis();
            put_i64(&mut bytes, time.wrapping_sub(last));
            put_bytes(&mut bytes, event.message.as_bytes());
            last = time;
        }
        let counted = events
            .iter()
            .map(|event| event.message.len() + EVENT_OVERHEAD_BYTES);
        Some(Self {
            count: u32::try_from(events.len()).ok()?,
            counted_bytes: counted.sum::<usize>() as u64,
            bytes,
            is_sealed: false,
            oldest,
            newest,
        })
    }

    /// The same, compressed and sealed.
    pub(crate) fn sealed(&self, seal: &Seal<'_>) -> Result<Self, LogsError> {
        let compressed = lz4_flex::block::compress_prepend_size(&self.bytes);
        Ok(Self {
            bytes: seal(&compressed)?,
            is_sealed: true,
            ..*self
        })
    }

    /// From the journal. `None` when the bytes are none that `new` made.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (mut count, mut oldest, mut time, mut counted) = (0_u32, None, 0_i64, 0_usize);
        while !reader.is_empty() {
            time = time.wrapping_add(reader.i64()?);
            oldest = oldest.or(Some(time));
            counted += reader.text()?.len() + EVENT_OVERHEAD_BYTES;
            count = count.checked_add(1)?;
        }
        Some(Self {
            bytes: bytes.to_vec(),
            is_sealed: false,
            count,
            oldest: Timestamp::from_millis(oldest?),
            newest: Timestamp::from_millis(time),
            counted_bytes: counted as u64,
        })
    }
}

/// Events of a stream that came in together and last.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) stream: StreamId,
    pub(crate) ingestion_time: Timestamp,
    /// Number of the first event; the others follow it.
    pub(crate) first_sequence: u64,
    pub(crate) packed: Packed,
}

impl Batch {
    pub(crate) fn last_sequence(&self) -> u64 {
        self.first_sequence + u64::from(self.packed.count) - 1
    }

    pub(crate) fn first_key(&self) -> EventKey {
        EventKey {
            timestamp: self.packed.oldest,
            sequence: self.first_sequence,
        }
    }

    pub(crate) fn last_key(&self) -> EventKey {
        EventKey {
            timestamp: self.packed.newest,
            sequence: self.last_sequence(),
        }
    }

    /// What its stream has by it.
    pub(crate) fn summary(&self) -> StreamSummary {
        StreamSummary {
            first_event: self.packed.oldest,
            last_event: self.packed.newest,
            last_ingestion: self.ingestion_time,
            events: u64::from(self.packed.count),
            stored_bytes: self.packed.counted_bytes,
        }
    }

    /// What it takes up in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.packed.bytes.len() + BATCH_OVERHEAD_BYTES
    }

    /// The events of a batch that is not sealed, and of another none: their keys, where their messages end in the packed
    /// bytes, and the messages.
    pub(crate) fn events(&self) -> impl Iterator<Item = (EventKey, usize, &[u8])> {
        let bytes = match self.packed.is_sealed {
            true => &[],
            false => self.packed.bytes.as_slice(),
        };
        unpacked(bytes, self.first_sequence)
    }

    /// The events, to be walked through.
    pub(crate) fn items(&self, opener: Option<&Opener>) -> Result<Items, LogsError> {
        let bytes = self.clear(opener)?.into_owned();
        let list = unpacked(&bytes, self.first_sequence).map(|(key, end, message)| Item {
            key,
            ingestion_time: self.ingestion_time,
            stream: 0,
            start: end - message.len(),
            end,
        });
        Ok(Items {
            list: list.collect(),
            bytes,
            streams: vec![(0, self.stream.clone())],
        })
    }

    fn clear(&self, opener: Option<&Opener>) -> Result<Cow<'_, [u8]>, LogsError> {
        if !self.packed.is_sealed {
            return Ok(Cow::Borrowed(&self.packed.bytes));
        }
        let opener = opener.ok_or_else(|| LogsError::Sealed("nobody opens them".to_owned()))?;
        let compressed = opener.open(&self.stream, &self.packed.bytes)?;
        let bytes = lz4_flex::block::decompress_size_prepended(&compressed);
        bytes
            .map(Cow::Owned)
            .map_err(|_| LogsError::Sealed("they are not what was sealed".to_owned()))
    }

    /// Writes a sealed batch, but for its stream.
    pub(crate) fn put_sealed(&self, out: &mut Vec<u8>) {
        let packed = &self.packed;
        put_u64(out, self.first_sequence);
        put_i64(out, self.ingestion_time.as_millis());
        put_u64(out, u64::from(packed.count));
        put_i64(out, packed.oldest.as_millis());
        put_i64(out, packed.newest.as_millis());
        put_u64(out, packed.counted_bytes);
        put_bytes(out, &packed.bytes);
    }

    /// Reads what [`put_sealed`](Self::put_sealed) wrote.
    pub(crate) fn read_sealed(stream: StreamId, reader: &mut Reader<'_>) -> Option<Self> {
        let batch = Self {
            stream,
            first_sequence: reader.u64()?,
            ingestion_time: Timestamp::from_millis(reader.i64()?),
            packed: Packed {
                is_sealed: true,
                count: reader.u32()?,
                oldest: Timestamp::from_millis(reader.i64()?),
                newest: Timestamp::from_millis(reader.i64()?),
                counted_bytes: reader.u64()?,
                bytes: reader.bytes()?.to_vec(),
            },
        };
        // The numbers of its events must be numbers.
        let last = u64::from(batch.packed.count).checked_sub(1)?;
        batch.first_sequence.checked_add(last)?;
        Some(batch)
    }
}

/// Packed events: their keys, where their messages end, and the messages.
fn unpacked(bytes: &[u8], first_sequence: u64) -> impl Iterator<Item = (EventKey, usize, &[u8])> {
    let mut reader = Reader::new(bytes);
    let total = reader.left();
    let (mut time, mut sequence) = (0_i64, first_sequence);
    std::iter::from_fn(move || {
        time = time.wrapping_add(reader.i64()?);
        let message = reader.bytes()?;
        let key = EventKey {
            timestamp: Timestamp::from_millis(time),
            sequence,
        };
        sequence += 1;
        Some((key, total - reader.left(), message))
    })
}
