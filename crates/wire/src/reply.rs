//! Answers: typed outputs and errors into bytes.

use std::fmt;

use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::json;
use crate::query::{XmlWriter, escape};
use crate::rest;
use crate::schema::{ErrorMeta, OperationMeta, Protocol, Service};
use crate::shape::{Operation, Wire};
use crate::writer::Write;

/// Header of the request id on JSON and query answers alike.
const REQUEST_ID: &str = "x-amzn-requestid";

/// An answer, ready for HTTP. Its `Debug` does not show the body, which may hold a new secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, lower-case; content type and request id are among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    fn new(status: u16, content_type: &str, request_id: &str, body: Vec<u8>) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            (REQUEST_ID, request_id.to_owned()),
        ];
        Self {
            status,
            headers,
            body,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} with {} bytes)", self.status, self.body.len())
    }
}

impl From<Reply> for http::Response<Vec<u8>> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(reply.body);
        // Our own statuses and headers are always valid; the fallback keeps a slip from becoming a panic.
        *response.status_mut() =
            http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in reply.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// An error to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorReply {
    /// The code on the wire.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// The text, as AWS words it.
    pub message: String,
    /// Whether the caller is at fault; query answers print it as `Sender` or `Receiver`.
    pub sender_fault: bool,
    /// Further members (`resourceIds` of `ConflictException`).
    pub fields: Vec<(&'static str, Value)>,
}

impl ErrorReply {
    /// An error the model declares.
    pub fn new(meta: &ErrorMeta, message: impl Into<String>) -> Self {
        let sender_fault = meta.sender_fault;
        Self {
            sender_fault,
            ..Self::sender(meta.code, meta.status, message)
        }
    }

    /// An error of the caller's that no model declares.
    pub fn sender(code: impl Into<String>, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            status,
            message: message.into(),
            sender_fault: true,
            fields: Vec::new(),
        }
    }

    /// The same with a further member.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
    }
}

/// An operation's answer.
pub fn encode_reply<O: Operation>(output: &O::Output, request_id: &str) -> Reply {
    encode_written(O::META, &|writer| output.write(writer), request_id)
}

fn encode_written(operation: &OperationMeta, write: &Write<'_>, request_id: &str) -> Reply {
    let service = operation.service;
    if service.protocol.is_json() {
        return Reply::new(
            200,
            json_content_type(service),
            request_id,
            json::written_bytes(write),
        );
    }
    if service.protocol.is_rest() {
        let placed = rest::place_output(operation, json::written_value(write));
        let mut reply = Reply::new(placed.status, REST_CONTENT_TYPE, request_id, placed.body);
        reply.headers.extend(placed.headers);
        return reply;
    }
    let mut writer = XmlWriter::default();
    write(&mut writer);
    let body = query_body(operation, &writer.finish(), request_id);
    Reply::new(200, XML_CONTENT_TYPE, request_id, body.into_bytes())
}

/// Content type of REST services that speak JSON.
pub(crate) const REST_CONTENT_TYPE: &str = "application/json";
/// The header that tells a REST error's code.
pub(crate) const ERROR_TYPE: &str = "x-amzn-errortype";

/// The first line of EC2's answers.
const XML_HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// Content type of query answers.
const XML_CONTENT_TYPE: &str = "text/xml";

fn json_content_type(service: &Service) -> &'static str {
    match service.protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

fn query_body(operation: &OperationMeta, result: &str, request_id: &str) -> String {
    let (name, namespace) = (operation.name, operation.service.xml_namespace);
    if operation.service.protocol == Protocol::Ec2Query {
        // Where the model has no output, EC2 still says that it was done.
        let done = "<return>true</return>";
        let result = if operation.output.members.is_empty() {
            done
        } else {
            result
        };
        return format!(
            "{XML_HEAD}<{name}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{result}</{name}Response>"
        );
    }
    let result = match operation.result_wrapper {
        Some(wrapper) => format!("<{wrapper}>{result}</{wrapper}>"),
        None => String::new(),
    };
    format!(
        "<{name}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></{name}Response>"
    )
}

/// An error in the envelope of the service's protocol.
pub fn encode_error(service: &Service, error: &ErrorReply, request_id: &str) -> Reply {
    if service.protocol.is_json() {
        return Reply::new(
            error.status,
            json_content_type(service),
            request_id,
            json_error(error),
        );
    }
    if service.protocol.is_rest() {
        let body = rest_error(error);
        let mut reply = Reply::new(error.status, REST_CONTENT_TYPE, request_id, body);
        reply.headers.push((ERROR_TYPE, error.code.clone()));
        return reply;
    }
    let body = match service.protocol {
        Protocol::Ec2Query => ec2_error(error, request_id),
        _ => xml_error(service.xml_namespace, error, request_id),
    };
    Reply::new(error.status, XML_CONTENT_TYPE, request_id, body.into_bytes())
}

fn json_error(error: &ErrorReply) -> Vec<u8> {
    let mut body = Map::new();
    body.insert("__type".to_owned(), Value::from(error.code.as_str()));
    write_error(body, error)
}

/// The code stands in a header.
fn rest_error(error: &ErrorReply) -> Vec<u8> {
    write_error(Map::new(), error)
}

fn write_error(mut body: Map<String, Value>, error: &ErrorReply) -> Vec<u8> {
    body.insert("message".to_owned(), Value::from(error.message.as_str()));
    body.extend(
        error
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    Value::Object(body).to_string().into_bytes()
}

/// EC2's envelope: a list of errors, without a namespace.
fn ec2_error(error: &ErrorReply, request_id: &str) -> String {
    let mut body = format!("{XML_HEAD}<Response><Errors><Error><Code>");
    escape(&mut body, &error.code);
    body.push_str("</Code><Message>");
    escape(&mut body, &error.message);
    body.push_str(&format!(
        "</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    ));
    body
}

fn xml_error(namespace: &str, error: &ErrorReply, request_id: &str) -> String {
    let fault = if error.sender_fault { "Sender" } else { "Receiver" };
    let mut body = String::from("<ErrorResponse");
    if !namespace.is_empty() {
        body.push_str(&format!(" xmlns=\"{namespace}\""));
    }
    body.push_str(&format!("><Error><Type>{fault}</Type><Code>"));
    escape(&mut body, &error.code);
    body.push_str("</Code><Message>");
    escape(&mut body, &error.message);
    body.push_str(&format!(
        "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ));
    body
}
