//! The normal form: AWS JSON 1.1. Stored documents, CloudTrail and ACS frames use it too.

mod bytes;
mod value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::limits::{self, Excess, Limits};
use crate::reader::{ReadError, Reader};
use crate::shape::Shape;
use crate::writer::Write;
use bytes::JsonWriter;
use value::ValueWriter;

/// A shape as a JSON value.
pub fn to_value<S: Shape>(shape: &S) -> Value {
    written_value(&|writer| shape.write(writer))
}

pub(crate) fn written_value(write: &Write<'_>) -> Value {
    let mut writer = ValueWriter::default();
    write(&mut writer);
    writer.finish()
}

/// A shape as JSON text.
pub fn to_bytes<S: Shape>(shape: &S) -> Vec<u8> {
    written_bytes(&|writer| shape.write(writer))
}

pub(crate) fn written_bytes(write: &Write<'_>) -> Vec<u8> {
    let mut writer = JsonWriter::default();
    write(&mut writer);
    writer.finish()
}

/// A shape from a JSON value. Unknown members are passed over, required ones are not insisted on.
pub fn from_value<S: Shape>(value: &Value) -> Result<S, ReadError> {
    S::read(Reader::new(value))
}

/// Why a JSON text was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Heavier than we read.
    #[error(transparent)]
    Excess(#[from] Excess),
    /// Not JSON.
    #[error("the text is not JSON (line {line}, column {column})")]
    Syntax {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
}

/// Parses JSON from a stranger: limits first.
pub fn parse(text: &[u8]) -> Result<Value, ParseError> {
    parse_within(text, Limits::COMMON)
}

/// The same with other limits.
pub fn parse_within(text: &[u8], limits: Limits) -> Result<Value, ParseError> {
    limits::check_json(text, limits)?;
    serde_json::from_slice(text).map_err(|error| ParseError::Syntax {
        line: error.line(),
        column: error.column(),
    })
}

/// Bytes in the normal form.
pub(crate) fn blob_value(bytes: &[u8]) -> Value {
    Value::from(BASE64.encode(bytes))
}

/// The bytes that a value of the normal form stands for.
pub(crate) fn blob_bytes(value: &Value) -> Option<Vec<u8>> {
    BASE64.decode(value.as_str()?).ok()
}

/// The three doubles that JSON has no number for travel as text.
fn double_to_value(value: f64) -> Value {
    if value.is_nan() {
        Value::from("NaN")
    } else if value.is_infinite() {
        Value::from(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        Value::from(value)
    }
}
