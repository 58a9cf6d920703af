//! The client's half: typed inputs into requests, answers into typed outputs.

use std::fmt;

use http::HeaderMap;
use serde_json::Value;
use thiserror::Error;

use crate::json;
use crate::query::{Dialect, Element, FormWriter, parse_xml, xml_to_value};
use crate::reader::{ReadError, Reader};
use crate::reply::{ERROR_TYPE, REST_CONTENT_TYPE};
use crate::rest;
use crate::schema::{OperationMeta, Protocol};
use crate::shape::{Operation, Wire};

/// A request, to be sent after signing. Its `Debug` does not show path and body, which may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRequest {
    /// HTTP method.
    pub method: &'static str,
    /// Path and query string; `/` but for REST services.
    pub path: String,
    /// Headers, lower-case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ClientRequest({:?} with {} bytes)",
            self.headers,
            self.body.len()
        )
    }
}

/// What a call came back with when not with its output.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The service answered an error.
    #[error("{code}: {message}")]
    Service {
        /// HTTP status.
        status: u16,
        /// AWS's error code, without namespace.
        code: String,
        /// AWS's text.
        message: String,
    },
    /// The answer is not of the protocol; something else than the service answered.
    #[error("the answer (HTTP {status}) is not the service's: {reason}")]
    Unreadable {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// AWS's error code, empty when the answer was unreadable.
    pub fn code(&self) -> &str {
        match self {
            Self::Service { code, .. } => code,
            Self::Unreadable { .. } => "",
        }
    }

    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Service { status, .. } | Self::Unreadable { status, .. } => *status,
        }
    }
}

/// The request for an operation.
pub fn encode_request<O: Operation>(input: &O::Input) -> ClientRequest {
    let service = O::META.service;
    if service.protocol.is_json() {
        let version = if service.protocol == Protocol::Json10 {
            "1.0"
        } else {
            "1.1"
        };
        let headers = vec![
            ("content-type", format!("application/x-amz-json-{version}")),
            (
                "x-amz-target",
                format!("{}.{}", service.target_prefix, O::META.name),
            ),
        ];
        return posted(headers, json::to_bytes(input));
    }
    if service.protocol.is_rest() {
        return rest_request(O::META, &json::to_value(input));
    }
    let mut writer = FormWriter::new(O::META.name, service.api_version, Dialect::of(service.protocol));
    input.write(&mut writer);
    let content_type = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
    posted(vec![("content-type", content_type)], writer.finish().into_bytes())
}

fn posted(headers: Vec<(&'static str, String)>, body: Vec<u8>) -> ClientRequest {
    ClientRequest {
        method: "POST",
        path: "/".to_owned(),
        headers,
        body,
    }
}

fn rest_request(operation: &OperationMeta, input: &Value) -> ClientRequest {
    let placed = rest::place_input(operation, input);
    let mut headers = placed.headers;
    if !placed.body.is_empty() {
        headers.push(("content-type", REST_CONTENT_TYPE.to_owned()));
    }
    ClientRequest {
        method: placed.method,
        path: placed.path,
        headers,
        body: placed.body,
    }
}

/// The output, or the error, in the answer of a service that puts everything into the body; see [`decode_answer`].
pub fn decode_reply<O: Operation>(status: u16, body: &[u8]) -> Result<O::Output, ClientError> {
    decode_answer::<O>(status, &HeaderMap::new(), body)
}

/// The output, or the error, in an operation's answer.
pub fn decode_answer<O: Operation>(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<O::Output, ClientError> {
    let protocol = O::META.service.protocol;
    let is_success = status == 200 || (protocol.is_rest() && (200..300).contains(&status));
    let value = match (is_success, protocol) {
        (false, _) if protocol.is_rest() => return Err(rest_error(status, headers, body)),
        (false, _) if protocol.is_json() => return Err(json_error(status, body)),
        (false, _) => return Err(xml_error(status, body)),
        (true, _) if protocol.is_rest() => rest::read_output(O::META, status, headers, body),
        (true, _) if protocol.is_json() => json_answer(body),
        (true, _) => xml_answer(O::META, body),
    };
    value
        .and_then(|value| O::Output::read(Reader::new(&value)))
        .map_err(|error| ClientError::Unreadable {
            status,
            reason: error.to_string(),
        })
}

fn json_answer(body: &[u8]) -> Result<Value, ReadError> {
    serde_json::from_slice(body).map_err(|error| ReadError::new(error.to_string()))
}

fn xml_answer(operation: &OperationMeta, body: &[u8]) -> Result<Value, ReadError> {
    let root = xml(body)?;
    if operation.service.protocol == Protocol::Ec2Query {
        return xml_to_value(operation.output, &root);
    }
    let nothing = Element::default();
    let result = match operation.result_wrapper {
        Some(wrapper) => root
            .child(wrapper)
            .ok_or_else(|| ReadError::new(format!("there is no {wrapper}")))?,
        None => &nothing,
    };
    xml_to_value(operation.output, result)
}

fn xml(body: &[u8]) -> Result<Element, ReadError> {
    let text = std::str::from_utf8(body).map_err(|_| ReadError::new("the answer is not UTF-8"))?;
    parse_xml(text)
}

fn json_error(status: u16, body: &[u8]) -> ClientError {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return ClientError::Unreadable {
            status,
            reason: "it is not JSON".to_owned(),
        };
    };
    let text = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| value.get(name)?.as_str())
            .unwrap_or_default()
    };
    let code = text(["__type", "code"]);
    // Some services print `com.amazon.coral.service#AccessDeniedException`.
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    if code.is_empty() {
        return ClientError::Unreadable {
            status,
            reason: "it names no error".to_owned(),
        };
    }
    ClientError::Service {
        status,
        code: code.to_owned(),
        message: text(["message", "Message"]).to_owned(),
    }
}

/// The code stands in a header, perhaps with something behind it: `AccessDeniedException:http://...`.
fn rest_error(status: u16, headers: &HeaderMap, body: &[u8]) -> ClientError {
    let named = headers.get(ERROR_TYPE).and_then(|code| code.to_str().ok());
    let Some(code) = named.and_then(|code| code.split(':').next()) else {
        return json_error(status, body);
    };
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = ["message", "Message"]
        .iter()
        .find_map(|name| value.get(name)?.as_str());
    ClientError::Service {
        status,
        code: code.to_owned(),
        message: message.unwrap_or_default().to_owned(),
    }
}

fn xml_error(status: u16, body: &[u8]) -> ClientError {
    let root = xml(body);
    // EC2 has a list of errors, of one.
    let errors = root
        .as_ref()
        .ok()
        .map(|root| root.child("Errors").unwrap_or(root));
    let error = errors.and_then(|errors| errors.child("Error"));
    match error.and_then(|error| Some((error.child_text("Code")?, error.child_text("Message")))) {
        Some((code, message)) => {
            let message = message.unwrap_or_default().to_owned();
            ClientError::Service {
                status,
                code: code.to_owned(),
                message,
            }
        }
        None => ClientError::Unreadable {
            status,
            reason: "it names no error".to_owned(),
        },
    }
}
