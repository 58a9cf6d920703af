//! The sessions of Execute Command: the binary protocol that the session-manager plugin and the SSM agent speak over
//! websockets. It has no public model; layout and names are those of the two programs' public sources (Apache-2.0), read
//! for facts.
//!
//! A frame is an [`AgentMessage`]. What it carries is JSON ([`document`]) or bytes of a terminal. Both ends number what
//! they stream, acknowledge what they get and send again what is not acknowledged ([`Outgoing`], [`Incoming`]).

pub mod document;
mod encryption;
mod message;
mod pulse;
mod stream;

pub use encryption::{CHALLENGE_BYTES, DATA_KEY_BYTES, End, SessionCipher, encryption_context};
pub use message::{AgentMessage, MessageError, MessageType, PayloadType, flags};
pub use pulse::{Beat, Pulse};
pub use stream::{GaveUp, Incoming, Outgoing, Received};

/// The signing name of the service the websockets belong to, which is also the prefix of its IAM actions.
pub const SIGNING_NAME: &str = "ssmmessages";
/// Where control channels are, before their id: `/v1/control-channel/ID`.
pub const CONTROL_CHANNEL_PATH: &str = "/v1/control-channel/";
/// Where data channels are, before their session's id: `/v1/data-channel/ID`.
pub const DATA_CHANNEL_PATH: &str = "/v1/data-channel/";
/// Largest frame, in bytes. The programs send at most a few kilobytes at once.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of a terminal in one frame, as the programs have it.
pub const CHUNK_BYTES_MAX: usize = 1024;
