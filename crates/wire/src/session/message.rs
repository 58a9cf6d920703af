//! One frame.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::FRAME_BYTES_MAX;

/// Bytes before the payload's length: the value of the first field. All numbers are big-endian.
const HEADER_BYTES: u32 = 116;
/// Bytes before the payload.
const PAYLOAD_AT: usize = 120;
const TYPE_BYTES: usize = 32;
const SCHEMA_VERSION: u32 = 1;

/// Bits of [`AgentMessage::flags`].
pub mod flags {
    /// The first of a sequence.
    pub const SYN: u64 = 1;
    /// The last of a sequence.
    pub const FIN: u64 = 2;
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// From the client's terminal.
    InputStreamData,
    /// To the client's terminal.
    OutputStreamData,
    /// Receipt of a stream message.
    Acknowledge,
    /// The session is over.
    ChannelClosed,
    /// The other end is there: send.
    StartPublication,
    /// The other end is away: wait.
    PausePublication,
    /// Over a control channel: begin a session.
    InteractiveShell,
    /// Over a control channel: the session's order has arrived.
    AgentTaskAcknowledge,
    /// From the agent: the session's command has ended.
    AgentTaskComplete,
    /// From the agent: how its session is.
    AgentSessionState,
}

/// All kinds with their names.
const TYPES: [(MessageType, &str); 10] = [
    (MessageType::InputStreamData, "input_stream_data"),
    (MessageType::OutputStreamData, "output_stream_data"),
    (MessageType::Acknowledge, "acknowledge"),
    (MessageType::ChannelClosed, "channel_closed"),
    (MessageType::StartPublication, "start_publication"),
    (MessageType::PausePublication, "pause_publication"),
    (MessageType::InteractiveShell, "interactive_shell"),
    (MessageType::AgentTaskAcknowledge, "agent_task_acknowledge"),
    (MessageType::AgentTaskComplete, "agent_task_complete"),
    (MessageType::AgentSessionState, "agent_session_state"),
];

impl MessageType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        let mut all = TYPES.iter();
        all.find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut all = TYPES.iter();
        all.find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// What the payload of a stream message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// Bytes of the terminal, in both directions.
    Output,
    /// An error in words.
    Error,
    /// The size of the client's terminal.
    Size,
    /// A parameter of a port session.
    Parameter,
    /// What the agent wants of the client first.
    HandshakeRequest,
    /// What the client did of it.
    HandshakeResponse,
    /// The agent is content.
    HandshakeComplete,
    /// A proof that both ends have the same key.
    EncryptionChallengeRequest,
    /// The answer to it.
    EncryptionChallengeResponse,
    /// A wish of the client, such as to end the session.
    Flag,
    /// Bytes of standard error.
    StdErr,
    /// The status the command ended with.
    ExitCode,
    /// None of these.
    Other(u32),
}

/// All kinds with their numbers.
const PAYLOADS: [(PayloadType, u32); 12] = [
    (PayloadType::Output, 1),
    (PayloadType::Error, 2),
    (PayloadType::Size, 3),
    (PayloadType::Parameter, 4),
    (PayloadType::HandshakeRequest, 5),
    (PayloadType::HandshakeResponse, 6),
    (PayloadType::HandshakeComplete, 7),
    (PayloadType::EncryptionChallengeRequest, 8),
    (PayloadType::EncryptionChallengeResponse, 9),
    (PayloadType::Flag, 10),
    (PayloadType::StdErr, 11),
    (PayloadType::ExitCode, 12),
];

impl From<u32> for PayloadType {
    fn from(number: u32) -> Self {
        let mut all = PAYLOADS.iter();
        let known = all.find(|(_, known)| *known == number);
        known.map_or(Self::Other(number), |(kind, _)| *kind)
    }
}

impl From<PayloadType> for u32 {
    fn from(kind: PayloadType) -> Self {
        if let PayloadType::Other(number) = kind {
            return number;
        }
        let mut all = PAYLOADS.iter();
        all.find(|(known, _)| *known == kind)
            .map_or(0, |(_, number)| *number)
    }
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentMessage {
    /// What it is for.
    pub kind: MessageType,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its place in its stream.
    pub sequence: i64,
    /// See [`flags`].
    pub flags: u64,
    /// A UUID.
    pub id: [u8; 16],
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The rest.
    pub payload: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Shorter than a header.
    #[error("the frame has {0} bytes, fewer than its header")]
    Short(usize),
    /// More than [`FRAME_BYTES_MAX`].
    #[error("the frame has {0} bytes, more than are taken")]
    Long(usize),
    /// Another layout.
    #[error("the frame's header is said to have {0} bytes")]
    Header(u32),
    /// Another version of the layout.
    #[error("the frame has schema version {0}")]
    Version(u32),
    /// A kind nobody here knows.
    #[error("the frame is of an unknown kind")]
    UnknownType,
    /// The payload is not as long as the header says.
    #[error("the frame's payload is said to have {said} bytes and has {found}")]
    PayloadLength {
        /// What the header says.
        said: u32,
        /// What there is.
        found: usize,
    },
    /// The payload is not what was sent.
    #[error("the frame's payload does not have the digest its header says")]
    Digest,
}

impl AgentMessage {
    /// Reads a frame; every field is checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(MessageError::Long(bytes.len()));
        }
        let short = || MessageError::Short(bytes.len());
        let mut rest = Fields(bytes);
        let header = rest.u32().ok_or_else(short)?;
        if header != HEADER_BYTES {
            return Err(MessageError::Header(header));
        }
        let name = rest.take::<TYPE_BYTES>().ok_or_else(short)?;
        let version = rest.u32().ok_or_else(short)?;
        let created_ms = rest.u64().ok_or_else(short)?;
        let sequence = rest.u64().ok_or_else(short)?.cast_signed();
        let flags = rest.u64().ok_or_else(short)?;
        let low = rest.take::<8>().ok_or_else(short)?;
        let high = rest.take::<8>().ok_or_else(short)?;
        let digest = rest.take::<32>().ok_or_else(short)?;
        let payload_type = PayloadType::from(rest.u32().ok_or_else(short)?);
        let said = rest.u32().ok_or_else(short)?;
        let payload = rest.0;
        if usize::try_from(said).ok() != Some(payload.len()) {
            let found = payload.len();
            return Err(MessageError::PayloadLength { said, found });
        }
        if version != SCHEMA_VERSION {
            return Err(MessageError::Version(version));
        }
        // The programs do not look at the digest of nothing.
        if !payload.is_empty() && Sha256::digest(payload).as_slice() != digest {
            return Err(MessageError::Digest);
        }
        let name = std::str::from_utf8(&name).map_err(|_| MessageError::UnknownType)?;
        let name = name.trim_matches(['\0', ' ']);
        let mut id = [0; 16];
        id.iter_mut()
            .zip(high.iter().chain(&low))
            .for_each(|(to, from)| *to = *from);
        Ok(Self {
            kind: MessageType::parse(name).ok_or(MessageError::UnknownType)?,
            created_ms,
            sequence,
            flags,
            id,
            payload_type,
            payload: payload.to_vec(),
        })
    }

    /// Writes the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAYLOAD_AT + self.payload.len());
        bytes.extend(HEADER_BYTES.to_be_bytes());
        bytes.extend(format!("{:<TYPE_BYTES$}", self.kind.as_str()).into_bytes());
        bytes.extend(SCHEMA_VERSION.to_be_bytes());
        bytes.extend(self.created_ms.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        // The lower half of the UUID goes first.
        let (high, low) = self.id.split_at(8);
        bytes.extend(low);
        bytes.extend(high);
        bytes.extend(Sha256::digest(&self.payload));
        bytes.extend(u32::from(self.payload_type).to_be_bytes());
        bytes.extend(
            u32::try_from(self.payload.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        bytes.extend(&self.payload);
        bytes
    }

    /// The id in its usual form.
    pub fn uuid(&self) -> String {
        let mut text = String::with_capacity(36);
        for (at, byte) in self.id.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

/// What is left to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}
