//! Log events, as they come and as they are kept.

use std::fmt;

use portcullis_core::Timestamp;

use crate::StreamId;

/// What each event counts beside its message, for batches, pages and stored bytes alike (PutLogEvents).
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// An event as PutLogEvents brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputEvent {
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub message: String,
}

/// The place of an event in its group: by its own time, and among events of one time in the order they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventKey {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its number among all events of the store; the first has 1.
    pub sequence: u64,
}

/// `eventId`: 56 digits as AWS has them, ordered as the events are.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:028}{:028}", offset_binary(self.timestamp), self.sequence)
    }
}

/// Times as numbers without sign, in the same order.
fn offset_binary(timestamp: Timestamp) -> u64 {
    timestamp.as_millis().cast_unsigned() ^ (1 << 63)
}

impl EventKey {
    /// Reads what `Display` writes.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        if digits.len() != 56 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (timestamp, sequence) = digits.split_at_checked(28)?;
        let timestamp: u64 = timestamp.parse().ok()?;
        Some(Self {
            timestamp: Timestamp::from_millis((timestamp ^ (1 << 63)).cast_signed()),
            sequence: sequence.parse().ok()?,
        })
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place, and its `eventId`.
    pub key: EventKey,
    /// When it came in.
    pub ingestion_time: Timestamp,
    /// What happened.
    pub message: String,
}

impl Event {
    /// What it counts for pages and quotas.
    pub fn counted_bytes(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD_BYTES
    }
}

/// An event and the stream it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// The stream.
    pub stream: StreamId,
    /// The event.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_ordered_as_events_are_and_can_be_read_again() {
        let times = [i64::MIN, -1, 0, 1, 1_795_304_278_737, i64::MAX];
        let keys: Vec<EventKey> = times
            .iter()
            .flat_map(|time| [0, 1, u64::MAX].map(|sequence| (*time, sequence)))
            .map(|(time, sequence)| EventKey {
                timestamp: Timestamp::from_millis(time),
                sequence,
            })
            .collect();
        let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
        for (key, text) in keys.iter().zip(&texts) {
            assert_eq!(text.len(), 56);
            assert_eq!(EventKey::parse(text), Some(*key));
        }
        for bad in ["", "1", &"x".repeat(56), &"9".repeat(56), &"0".repeat(57)] {
            assert_eq!(EventKey::parse(bad), None, "{bad}");
        }
    }
}
