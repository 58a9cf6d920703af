//! Requests: bytes into a checked, typed input.

use serde_json::Value;
use thiserror::Error;

use crate::json::{self, ParseError};
use crate::limits::Excess;
use crate::query::form::{self, FormError};
use crate::reader::Reader;
use crate::reply::ErrorReply;
use crate::schema::{OperationMeta, Service};
use crate::shape::{Operation, Wire};
use crate::validate::validate;

/// Why a request was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Broken JSON or form, or a value of the wrong type.
    #[error("{0}")]
    Serialization(String),
    /// Well-formed, but against the rules of the schema; the text is AWS's.
    #[error("{0}")]
    Validation(String),
    /// Heavier than we read.
    #[error(transparent)]
    Excess(#[from] Excess),
}

impl RequestError {
    /// The error this service answers. Query services call broken input `MalformedInput`, JSON services
    /// `SerializationException`; the code for broken rules is the service's own (`models/served.json`).
    pub fn reply(&self, service: &Service) -> ErrorReply {
        let malformed = if service.protocol.is_json() {
            "SerializationException"
        } else {
            "MalformedInput"
        };
        let (code, status) = match self {
            Self::Serialization(_) | Self::Excess(Excess::Depth | Excess::Count) => (malformed, 400),
            Self::Validation(_) => (service.validation_code, 400),
            Self::Excess(Excess::Body) => ("RequestEntityTooLarge", 413),
        };
        ErrorReply::sender(code, status, self.to_string())
    }
}

/// Reads an operation's input from the payload that [`route`](crate::route) found, and checks it against its schema.
pub fn decode_request<O: Operation>(payload: &[u8]) -> Result<O::Input, RequestError> {
    let value = normal_form(O::META, payload)?;
    let input =
        O::Input::read(Reader::new(&value)).map_err(|e| RequestError::Serialization(e.to_string()))?;
    validate(O::META.input, &value).map_err(RequestError::Validation)?;
    Ok(input)
}

fn normal_form(operation: &OperationMeta, payload: &[u8]) -> Result<Value, RequestError> {
    if operation.service.protocol.is_json() {
        // AWS takes an empty body for an empty structure.
        let text: &[u8] = if payload.is_empty() { b"{}" } else { payload };
        return json::parse(text).map_err(|error| match error {
            ParseError::Excess(excess) => RequestError::Excess(excess),
            syntax @ ParseError::Syntax { .. } => RequestError::Serialization(syntax.to_string()),
        });
    }
    form::to_value(payload, operation.input).map_err(|error| match error {
        FormError::Excess(excess) => RequestError::Excess(excess),
        FormError::Malformed(text) => RequestError::Serialization(text),
    })
}
