//! The events of one append, in the form the journal and the memory keep them.

use portcullis_core::Timestamp;

use crate::codec::{Reader, put_bytes, put_i64};
use crate::items::{Item, Items};
use crate::{EVENT_OVERHEAD_BYTES, EventKey, InputEvent, StreamId};

/// What a batch costs in memory beside its bytes, roughly.
pub(crate) const BATCH_OVERHEAD_BYTES: usize = 160;

/// Sorted events, packed: time (difference to the one before), length and bytes of each.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
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
            oldest,
            newest,
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

    /// What it takes up in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.packed.bytes.len() + BATCH_OVERHEAD_BYTES
    }

    /// The events: their keys, where their messages end in the packed bytes, and the messages.
    pub(crate) fn events(&self) -> impl Iterator<Item = (EventKey, usize, &[u8])> {
        let mut reader = Reader::new(&self.packed.bytes);
        let total = reader.left();
        let (mut time, mut sequence) = (0_i64, self.first_sequence);
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

    /// The events, to be walked through.
    pub(crate) fn items(&self) -> Items {
        let list = self.events().map(|(key, end, message)| Item {
            key,
            ingestion_time: self.ingestion_time,
            stream: 0,
            start: end - message.len(),
            end,
        });
        Items {
            list: list.collect(),
            bytes: self.packed.bytes.clone(),
            streams: vec![(0, self.stream.clone())],
        }
    }
}
