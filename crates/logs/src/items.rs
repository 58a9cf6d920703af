//! Events taken out of a batch or a block, still without a text of their own.

use portcullis_core::Timestamp;

use crate::{Event, EventKey, StreamId};

/// Where an event lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) key: EventKey,
    pub(crate) ingestion_time: Timestamp,
    /// Number of its stream, as `Items::streams` has it.
    pub(crate) stream: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Events and the bytes they lie in.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) bytes: Vec<u8>,
    pub(crate) list: Vec<Item>,
    /// The streams that occur, by the numbers the events have, ascending.
    pub(crate) streams: Vec<(u32, StreamId)>,
}

impl Items {
    /// The message. Only text was ever let in, so that nothing is replaced here unless a file was altered with its checksum.
    pub(crate) fn message(&self, item: &Item) -> &str {
        let bytes = self.bytes.get(item.start..item.end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(crate) fn stream(&self, item: &Item) -> Option<&StreamId> {
        let at = self
            .streams
            .binary_search_by_key(&item.stream, |(number, _)| *number)
            .ok()?;
        self.streams.get(at).map(|(_, stream)| stream)
    }

    pub(crate) fn event(&self, item: &Item) -> Event {
        Event {
            key: item.key,
            ingestion_time: item.ingestion_time,
            message: self.message(item).to_owned(),
        }
    }
}
