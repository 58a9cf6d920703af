//! Streams that lose nothing: numbered, acknowledged, sent again. Pure; the clock is the caller's, in milliseconds.

use std::collections::{BTreeMap, VecDeque};

use portcullis_core::Random;
use thiserror::Error;

use super::document::{Acknowledgement, Document as _};
use super::message::{AgentMessage, MessageType, PayloadType, flags};

/// How long an acknowledgement may take, in milliseconds. The programs measure it; between 200 ms and a second.
const RESEND_AFTER_MS: u64 = 500;
/// How often a message is sent before its sender gives up: five minutes.
const TRIES_MAX: u32 = 600;
/// Most messages on their way. The one who reads the terminal waits then.
const WINDOW: usize = 256;
/// Most messages kept that came too early.
const EARLY_MAX: usize = 1024;

/// The other end does not take what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the other end has not acknowledged a message for too long")]
pub struct GaveUp;

/// What one end streams.
#[derive(Debug)]
pub struct Outgoing {
    kind: MessageType,
    next: i64,
    unacknowledged: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    sequence: i64,
    bytes: Vec<u8>,
    at_ms: u64,
    tries: u32,
}

impl Outgoing {
    /// An empty stream of that kind.
    pub fn new(kind: MessageType) -> Self {
        Self {
            kind,
            next: 0,
            unacknowledged: VecDeque::new(),
        }
    }

    /// The frame of the next message. It is remembered until it is acknowledged.
    pub fn push(
        &mut self,
        payload_type: PayloadType,
        payload: Vec<u8>,
        now_ms: u64,
        random: &dyn Random,
    ) -> Vec<u8> {
        let message = AgentMessage {
            kind: self.kind,
            created_ms: now_ms,
            sequence: self.next,
            flags: if self.next == 0 { flags::SYN } else { 0 },
            id: message_id(random),
            payload_type,
            payload,
        };
        let bytes = message.encode();
        self.unacknowledged.push_back(Sent {
            sequence: self.next,
            bytes: bytes.clone(),
            at_ms: now_ms,
            tries: 1,
        });
        self.next += 1;
        bytes
    }

    /// Whether as much is on its way as may be.
    pub fn is_full(&self) -> bool {
        self.unacknowledged.len() >= WINDOW
    }

    /// Whether all has been acknowledged.
    pub fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// The other end has that message.
    pub fn acknowledge(&mut self, sequence: i64) {
        self.unacknowledged.retain(|sent| sent.sequence != sequence);
    }

    /// What is to be sent again now: the oldest, when it is overdue.
    pub fn overdue(&mut self, now_ms: u64) -> Result<Option<Vec<u8>>, GaveUp> {
        let Some(oldest) = self.unacknowledged.front_mut() else {
            return Ok(None);
        };
        if now_ms < oldest.at_ms.saturating_add(RESEND_AFTER_MS) {
            return Ok(None);
        }
        if oldest.tries >= TRIES_MAX {
            return Err(GaveUp);
        }
        oldest.tries += 1;
        oldest.at_ms = now_ms;
        Ok(Some(oldest.bytes.clone()))
    }
}

/// What one end receives.
#[derive(Debug, Default)]
pub struct Incoming {
    expected: i64,
    early: BTreeMap<i64, AgentMessage>,
}

/// What came of one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The frame that acknowledges it; none when there was no room for it.
    pub acknowledgement: Option<Vec<u8>>,
    /// The messages whose turn it is now, in order.
    pub ready: Vec<AgentMessage>,
}

impl Incoming {
    /// Takes a stream message: acknowledges it and says what can be read now. What was read before is acknowledged
    /// again, because its acknowledgement was lost.
    pub fn receive(&mut self, message: AgentMessage, now_ms: u64, random: &dyn Random) -> Received {
        let is_early = message.sequence > self.expected;
        if message.sequence < 0 || is_early && self.early.len() >= EARLY_MAX {
            return Received::default();
        }
        let acknowledgement = Some(acknowledgement(&message, now_ms, random));
        let mut ready = Vec::new();
        if message.sequence >= self.expected {
            self.early.insert(message.sequence, message);
        }
        while let Some(next) = self.early.remove(&self.expected) {
            ready.push(next);
            self.expected += 1;
        }
        Received {
            acknowledgement,
            ready,
        }
    }
}

fn acknowledgement(message: &AgentMessage, now_ms: u64, random: &dyn Random) -> Vec<u8> {
    let content = Acknowledgement {
        message_type: message.kind.as_str().to_owned(),
        message_id: message.uuid(),
        sequence_number: message.sequence,
        is_sequential: true,
    };
    AgentMessage {
        kind: MessageType::Acknowledge,
        created_ms: now_ms,
        sequence: 0,
        flags: flags::SYN | flags::FIN,
        id: message_id(random),
        payload_type: PayloadType::Other(0),
        payload: content.to_json(),
    }
    .encode()
}

fn message_id(random: &dyn Random) -> [u8; 16] {
    let mut id = [0; 16];
    random.fill(&mut id);
    id
}
