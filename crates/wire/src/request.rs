//! Requests: bytes into a checked, typed input.

use http::request::Parts;
use serde_json::Value;
use thiserror::Error;

use crate::json::{self, ParseError};
use crate::limits::{Excess, Limits};
use crate::query::Dialect;
use crate::query::form::{self, FormError};
use crate::reader::{ReadError, Reader};
use crate::reply::ErrorReply;
use crate::rest;
use crate::schema::{Member, OperationMeta, Protocol, Service};
use crate::shape::{Operation, Wire};
use crate::validate::validate;

/// Where an operation's input stands.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'r> {
    /// The body, or the query string of a query request without a body.
    pub body: &'r [u8],
    /// Method, path, query string and headers, which hold input of REST services.
    pub parts: Option<&'r Parts>,
}

impl<'r> From<&'r [u8]> for Payload<'r> {
    fn from(body: &'r [u8]) -> Self {
        Self { body, parts: None }
    }
}

impl<'r> From<&'r Vec<u8>> for Payload<'r> {
    fn from(body: &'r Vec<u8>) -> Self {
        body.as_slice().into()
    }
}

/// Why a request was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Broken JSON or form, or a value of the wrong type.
    #[error("{0}")]
    Serialization(String),
    /// Well-formed, but against the rules of the schema; the text is AWS's.
    #[error("{0}")]
    Validation(String),
    /// EC2 tells a missing parameter apart from other broken rules.
    #[error("The request must contain the parameter {0}")]
    Missing(&'static str),
    /// EC2 refuses parameters it does not know.
    #[error("The parameter {0} is not recognized")]
    Unknown(String),
    /// Heavier than we read.
    #[error(transparent)]
    Excess(#[from] Excess),
}

impl RequestError {
    /// The error this service answers. Query services call broken input `MalformedInput`, JSON services
    /// `SerializationException`; the code for broken rules is the service's own (`models/served.json`).
    pub fn reply(&self, service: &Service) -> ErrorReply {
        let malformed = match service.protocol {
            Protocol::Ec2Query => service.validation_code,
            protocol if protocol.is_json() || protocol == Protocol::RestJson => "SerializationException",
            _ => "MalformedInput",
        };
        let (code, status) = match self {
            Self::Serialization(_) | Self::Excess(Excess::Depth | Excess::Count) => (malformed, 400),
            Self::Validation(_) => (service.validation_code, 400),
            Self::Missing(_) => ("MissingParameter", 400),
            Self::Unknown(_) => ("UnknownParameter", 400),
            Self::Excess(Excess::Body) => ("RequestEntityTooLarge", 413),
        };
        ErrorReply::sender(code, status, self.to_string())
    }
}

/// Reads an operation's input from the payload that [`route`](crate::route) found, and checks it against its schema.
pub fn decode_request<'r, O: Operation>(payload: impl Into<Payload<'r>>) -> Result<O::Input, RequestError> {
    let value = normal_form(O::META, payload.into())?;
    let input = O::Input::read(Reader::new(&value)).map_err(of_wrong_type)?;
    hold_to_schema(O::META, &value)?;
    Ok(input)
}

fn of_wrong_type(error: ReadError) -> RequestError {
    RequestError::Serialization(error.to_string())
}

fn hold_to_schema(operation: &OperationMeta, value: &Value) -> Result<(), RequestError> {
    if operation.service.protocol == Protocol::Ec2Query {
        let is_missing = |member: &&Member| member.required && value.get(member.name).is_none();
        if let Some(member) = operation.input.members.iter().find(is_missing) {
            return Err(RequestError::Missing(member.form_name));
        }
    }
    validate(operation.input, value).map_err(RequestError::Validation)
}

fn normal_form(operation: &OperationMeta, payload: Payload<'_>) -> Result<Value, RequestError> {
    let protocol = operation.service.protocol;
    if protocol.is_json() {
        // AWS takes an empty body for an empty structure.
        let text: &[u8] = if payload.body.is_empty() {
            b"{}"
        } else {
            payload.body
        };
        let target = format!("{}.{}", operation.service.target_prefix, operation.name);
        return Ok(json::parse_within(text, Limits::of(&target))?);
    }
    if protocol.is_rest() {
        return rest::read_input(operation, payload);
    }
    let dialect = Dialect::of(protocol);
    Ok(form::to_value(payload.body, operation.input, dialect)?)
}

impl From<ParseError> for RequestError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Excess(excess) => Self::Excess(excess),
            syntax @ ParseError::Syntax { .. } => Self::Serialization(syntax.to_string()),
        }
    }
}

impl From<FormError> for RequestError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Excess(excess) => Self::Excess(excess),
            FormError::Malformed(text) => Self::Serialization(text),
            FormError::Unknown(name) => Self::Unknown(name),
        }
    }
}
