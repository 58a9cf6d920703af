//! Frames of the agent's websockets: `{"type":"<shape>","message":{...}}` (agent.md 5.2).

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use crate::json::{self, ParseError};
use crate::reader::ReadError;
use crate::shape::Shape;

/// A frame as it came, its message not yet read. Its `Debug` does not show the message, which may hold credentials.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// Name of the shape: `PayloadMessage`.
    pub kind: String,
    message: Value,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({})", self.kind)
    }
}

/// A text that is no frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Too heavy, or not JSON.
    #[error(transparent)]
    Json(#[from] ParseError),
    /// JSON without a type.
    #[error("the frame names no type")]
    NoType,
}

impl Frame {
    /// Reads the envelope.
    pub fn parse(text: &[u8]) -> Result<Self, FrameError> {
        let mut value = json::parse(text)?;
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .ok_or(FrameError::NoType)?
            .to_owned();
        let message = value.get_mut("message").map(Value::take).unwrap_or_default();
        Ok(Self { kind, message })
    }

    /// Whether the message is of this shape.
    pub fn is<S: Shape>(&self) -> bool {
        self.kind == S::schema().name
    }

    /// Reads the message as this shape; ask [`is`](Self::is) or match on [`kind`](Self::kind) first.
    pub fn read<S: Shape>(&self) -> Result<S, ReadError> {
        json::from_value(&self.message)
    }
}

/// The text of a frame.
pub fn encode_frame<S: Shape>(message: &S) -> String {
    let body = json::to_bytes(message);
    format!(
        "{{\"type\":\"{}\",\"message\":{}}}",
        S::schema().name,
        String::from_utf8_lossy(&body)
    )
}
