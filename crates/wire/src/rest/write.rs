//! Inputs and outputs of REST services put where they stand in a request or an answer.

use portcullis_core::Timestamp;
use serde_json::{Map, Value};

use super::{element_of, path};
use crate::json;
use crate::schema::{Location, Member, OperationMeta, Schema, Structure};

/// An input, put into the parts of a request.
pub(crate) struct PlacedInput {
    pub(crate) method: &'static str,
    /// Path and query string.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An output, put into the parts of an answer.
pub(crate) struct PlacedOutput {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Puts an input, in the normal form, where it belongs.
pub(crate) fn place_input(operation: &OperationMeta, input: &Value) -> PlacedInput {
    let members = operation.input.members;
    let label = |name: &str| {
        let is_meant = |member: &&Member| matches!(member.location, Location::Label(own) if own == name);
        let found = members.iter().find(is_meant);
        found
            .and_then(|member| texts(member, input).into_iter().next())
            .unwrap_or_default()
    };
    let route = operation.service.route_of(operation.name);
    let mut path = route.map_or_else(|| "/".to_owned(), |route| path::filled(route.path, label));
    let mut separator = '?';
    for member in members {
        let Location::Query(name) = member.location else {
            continue;
        };
        for text in texts(member, input) {
            path.push(separator);
            path.push_str(&format!("{}={}", path::encoded(name), path::encoded(&text)));
            separator = '&';
        }
    }
    PlacedInput {
        method: route.map_or("POST", |route| route.method),
        path,
        headers: headers(operation.input, input),
        body: body(operation.input, input).unwrap_or_default(),
    }
}

/// Puts an output, in the normal form, where it belongs.
pub(crate) fn place_output(operation: &OperationMeta, output: Value) -> PlacedOutput {
    let schema = operation.output;
    let is_status = |member: &&Member| member.location == Location::Status;
    let own = schema.members.iter().find(is_status);
    let own = own.and_then(|member| u16::try_from(output.get(member.name)?.as_u64()?).ok());
    let usual = operation
        .service
        .route_of(operation.name)
        .map_or(200, |route| route.status);
    PlacedOutput {
        status: own.unwrap_or(usual),
        headers: headers(schema, &output),
        body: body(schema, &output).unwrap_or_else(|| b"{}".to_vec()),
    }
}

fn headers(schema: &'static Structure, value: &Value) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    for member in schema.members {
        if let Location::Header(name) = member.location {
            headers.extend(texts(member, value).into_iter().map(|text| (name, text)));
        }
    }
    headers
}

/// The body; `None` when nothing stands in it.
fn body(schema: &'static Structure, value: &Value) -> Option<Vec<u8>> {
    let is_whole = |member: &&Member| member.location == Location::Payload;
    if let Some(member) = schema.members.iter().find(is_whole) {
        let whole = value.get(member.name)?;
        return match (member.schema, whole) {
            (Schema::Blob(_), _) => json::blob_bytes(whole),
            (Schema::String(_), Value::String(text)) => Some(text.clone().into_bytes()),
            _ => Some(whole.to_string().into_bytes()),
        };
    }
    let inside = schema
        .members
        .iter()
        .filter(|member| member.location == Location::Body);
    let mut members = Map::new();
    let mut has_any = false;
    for member in inside {
        has_any = true;
        if let Some(value) = value.get(member.name) {
            members.insert(member.name.to_owned(), value.clone());
        }
    }
    has_any.then(|| Value::Object(members).to_string().into_bytes())
}

/// The texts a member stands for outside the body.
fn texts(member: &Member, value: &Value) -> Vec<String> {
    let element = element_of(member.schema);
    match value.get(member.name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().map(|value| text(element, value)).collect(),
        Some(value) => vec![text(element, value)],
    }
}

/// Instants are written as ISO 8601; the generator keeps them out of headers, where AWS writes them otherwise.
fn text(schema: &'static Schema, value: &Value) -> String {
    match (schema, value) {
        (Schema::Timestamp, Value::Number(seconds)) => {
            Timestamp::from_fractional_seconds(seconds.as_f64().unwrap_or_default()).to_iso()
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}
