//! Stretches of a group's events, and the direction they are walked in.

use portcullis_core::Timestamp;

use crate::query::Gap;
use crate::{EventKey, Order};

/// The events after one gap and up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Events behind this key,
    pub(crate) after: EventKey,
    /// up to this one, which is inside.
    pub(crate) through: EventKey,
}

impl Span {
    pub(crate) const ALL: Self = Self {
        after: Gap::FIRST.0,
        through: EventKey {
            timestamp: Timestamp::from_millis(i64::MAX),
            sequence: u64::MAX,
        },
    };

    /// Without what is older than a time.
    pub(crate) fn from(mut self, from: Timestamp) -> Self {
        self.after = self.after.max(EventKey {
            timestamp: from,
            sequence: 0,
        });
        self
    }

    /// Without what is newer than a time.
    pub(crate) fn until(mut self, until: Timestamp) -> Self {
        self.through = self.through.min(EventKey {
            timestamp: until,
            sequence: u64::MAX,
        });
        self
    }

    /// Without what is of this time or newer.
    pub(crate) fn before(mut self, before: Timestamp) -> Self {
        self.through = self.through.min(EventKey {
            timestamp: before,
            sequence: 0,
        });
        self
    }

    /// What lies beyond a gap, walking in a direction.
    pub(crate) fn beyond(mut self, gap: Gap, order: Order) -> Self {
        match order {
            Order::OldestFirst => self.after = self.after.max(gap.0),
            Order::NewestFirst => self.through = self.through.min(gap.0),
        }
        self
    }

    pub(crate) fn contains(&self, key: EventKey) -> bool {
        self.after < key && key <= self.through
    }

    /// Whether there can be anything of it between two times.
    pub(crate) fn meets(&self, oldest: Timestamp, newest: Timestamp) -> bool {
        newest >= self.after.timestamp && oldest <= self.through.timestamp
    }

    /// The same of two keys.
    pub(crate) fn meets_keys(&self, first: EventKey, last: EventKey) -> bool {
        last > self.after && first <= self.through
    }
}

/// A key as a number that grows in the direction of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64, u64);

impl Rank {
    pub(crate) fn of(key: EventKey, order: Order) -> Self {
        let time = key.timestamp.as_millis().cast_unsigned() ^ (1 << 63);
        match order {
            Order::OldestFirst => Self(time, key.sequence),
            Order::NewestFirst => Self(!time, !key.sequence),
        }
    }

    /// No event between two times comes before this in the walk.
    pub(crate) fn earliest(oldest: Timestamp, newest: Timestamp, order: Order) -> Self {
        let (timestamp, sequence) = match order {
            Order::OldestFirst => (oldest, 0),
            Order::NewestFirst => (newest, u64::MAX),
        };
        Self::of(EventKey { timestamp, sequence }, order)
    }
}
