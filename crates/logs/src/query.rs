//! What is asked of the store, and what it answers.

use std::fmt;
use std::str::FromStr;

use portcullis_core::Timestamp;
use thiserror::Error;

use crate::{Event, EventKey, GroupId, Pattern, StreamEvent, StreamId};

/// Most events of one page of GetLogEvents and FilterLogEvents.
pub const PAGE_EVENTS_MAX: usize = 10_000;
/// Most bytes of one page, each event counted with [`crate::EVENT_OVERHEAD_BYTES`]; one event is always returned.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// GetLogEvents: a page of one stream.
#[derive(Debug, Clone)]
pub struct Read {
    /// The group.
    pub group: GroupId,
    /// The stream.
    pub stream: StreamId,
    /// Only events of this time or later (`startTime`).
    pub from: Option<Timestamp>,
    /// Only events before this time (`endTime`, which GetLogEvents excludes).
    pub before: Option<Timestamp>,
    /// Where the page begins.
    pub start: Start,
    /// Most events, no more than [`PAGE_EVENTS_MAX`] in any case.
    pub limit: usize,
}

/// Where a page of one stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event (`startFromHead`).
    Head,
    /// So that it ends with the newest.
    Tail,
    /// Where another page ended.
    Token(Token),
}

/// A page of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Goes on towards the newer ones; the token that was given, when there are none.
    pub forward: Token,
    /// Goes on towards the older ones; the token that was given, when there are none.
    pub backward: Token,
}

/// `nextForwardToken` and `nextBackwardToken`: a gap between two events and a direction. It holds for good, whatever is
/// appended, removed or expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The events after the gap.
    Forward(Gap),
    /// The events before the gap.
    Backward(Gap),
}

/// The gap right after the place of a key, whether there is an event in that place or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Gap(pub(crate) EventKey);

impl Gap {
    /// Before everything.
    pub(crate) const FIRST: Self = Self(EventKey {
        timestamp: Timestamp::from_millis(i64::MIN),
        sequence: 0,
    });

    /// Right after an event.
    pub(crate) const fn after(key: EventKey) -> Self {
        Self(key)
    }

    /// Right before an event. Events are numbered from 1.
    pub(crate) const fn before(key: EventKey) -> Self {
        Self(EventKey {
            timestamp: key.timestamp,
            sequence: key.sequence.saturating_sub(1),
        })
    }
}

/// The text is no token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token is none that was given out: begin without one")]
pub struct InvalidToken;

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(gap) => write!(f, "f/{}", gap.0),
            Self::Backward(gap) => write!(f, "b/{}", gap.0),
        }
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let (direction, digits) = text.split_once('/').ok_or(InvalidToken)?;
        let gap = Gap(EventKey::parse(digits).ok_or(InvalidToken)?);
        match direction {
            "f" => Ok(Self::Forward(gap)),
            "b" => Ok(Self::Backward(gap)),
            _ => Err(InvalidToken),
        }
    }
}

/// FilterLogEvents: events of several streams, interleaved by time.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The group.
    pub group: GroupId,
    /// Which of its streams.
    pub streams: Streams,
    /// Only events of this time or later (`startTime`).
    pub from: Option<Timestamp>,
    /// Only events of this time or earlier (`endTime`, which FilterLogEvents includes).
    pub until: Option<Timestamp>,
    /// Only events that match.
    pub pattern: Pattern,
    /// Which end comes first (`startFromHead`).
    pub order: Order,
    /// Where the last page ended. The rest of the question must be the same.
    pub token: Option<FilterToken>,
    /// Most events, no more than [`PAGE_EVENTS_MAX`] in any case.
    pub limit: usize,
}

/// Some streams of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// Every one.
    All,
    /// Those whose names begin so.
    Prefix(String),
    /// These.
    Named(Vec<StreamId>),
}

impl Streams {
    /// Whether a stream is among them.
    pub fn contains(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => stream.starts_with(prefix.as_str()),
            Self::Named(names) => names.iter().any(|name| name.as_str() == stream),
        }
    }
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As time goes.
    #[default]
    OldestFirst,
    /// Against time.
    NewestFirst,
}

/// A page of several streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filtered {
    /// The events in the order that was asked for.
    pub events: Vec<StreamEvent>,
    /// Where to go on; `None` when everything was looked at. A page may have few events, or none, and still a token: one call
    /// looks at a bounded number of bytes.
    pub next: Option<FilterToken>,
}

/// `nextToken` of FilterLogEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterToken(pub(crate) Gap);

impl fmt::Display for FilterToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.0)
    }
}

impl FromStr for FilterToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        EventKey::parse(text)
            .map(|key| Self(Gap(key)))
            .ok_or(InvalidToken)
    }
}

/// What was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// When the events came in.
    pub ingestion_time: Timestamp,
    /// The number of the first; the others follow it.
    pub first_sequence: u64,
}

/// A stream's place in the order of last events: by time, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastEvent {
    /// Time of its newest event.
    pub time: Timestamp,
    /// The stream.
    pub stream: StreamId,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSummary {
    /// Time of its oldest event.
    pub first_event: Timestamp,
    /// Time of its newest event.
    pub last_event: Timestamp,
    /// When the last one came in.
    pub last_ingestion: Timestamp,
    /// Its events.
    pub events: u64,
    /// Their bytes as PutLogEvents counts them, before compression.
    pub stored_bytes: u64,
}

impl StreamSummary {
    /// What it is with more events.
    pub(crate) fn with(&self, more: &Self) -> Self {
        Self {
            first_event: self.first_event.min(more.first_event),
            last_event: self.last_event.max(more.last_event),
            last_ingestion: self.last_ingestion.max(more.last_ingestion),
            events: self.events + more.events,
            stored_bytes: self.stored_bytes + more.stored_bytes,
        }
    }
}
