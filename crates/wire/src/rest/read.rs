//! Requests and answers of REST services into the normal form.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::{element_of, path};
use crate::json;
use crate::query::form::{self, FormError};
use crate::reader::ReadError;
use crate::request::{Payload, RequestError};
use crate::schema::{Location, Member, OperationMeta, Schema, Structure};

/// The normal form of an input.
pub(crate) fn read_input(operation: &OperationMeta, payload: Payload<'_>) -> Result<Value, RequestError> {
    let not_rest = || RequestError::Serialization("the request has no path and no headers".to_owned());
    let parts = payload.parts.ok_or_else(not_rest)?;
    let route = operation.service.route_of(operation.name);
    let labels = route
        .and_then(|route| path::labels(route.path, parts.uri.path()))
        .ok_or_else(not_rest)?;
    let query = form::parameters(parts.uri.query().unwrap_or_default())?;
    let body = read_body(operation.input, payload.body, &mut |text| Ok(json::parse(text)?))?;
    let Value::Object(mut members) = body else {
        return Ok(body);
    };
    for member in operation.input.members {
        let texts: Vec<&str> = match member.location {
            Location::Label(name) => {
                let of_label = labels.iter().filter(|(label, _)| *label == name);
                of_label.map(|(_, text)| text.as_str()).collect()
            }
            Location::Query(name) => {
                let of_name = query.iter().filter(|(key, _)| key == name);
                of_name.map(|(_, text)| text.as_ref()).collect()
            }
            Location::Header(name) => header(&parts.headers, name)?.into_iter().collect(),
            Location::Body | Location::Payload | Location::Status => continue,
        };
        if let Some(value) = value_of(member, &texts)? {
            members.insert(member.name.to_owned(), value);
        }
    }
    Ok(Value::Object(members))
}

/// The normal form of an output.
pub(crate) fn read_output(
    operation: &OperationMeta,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, ReadError> {
    let parse = &mut |text: &[u8]| {
        serde_json::from_slice(text).map_err(|error| RequestError::Serialization(error.to_string()))
    };
    let told = |error: RequestError| ReadError::new(error.to_string());
    let Value::Object(mut members) = read_body(operation.output, body, parse).map_err(told)? else {
        return Err(ReadError::new("the body is no structure"));
    };
    for member in operation.output.members {
        let value = match member.location {
            Location::Header(name) => {
                let text = header(headers, name).map_err(told)?;
                value_of(member, text.as_slice()).map_err(|error| told(error.into()))?
            }
            Location::Status => Some(Value::from(status)),
            Location::Body | Location::Payload | Location::Label(_) | Location::Query(_) => None,
        };
        if let Some(value) = value {
            members.insert(member.name.to_owned(), value);
        }
    }
    Ok(Value::Object(members))
}

/// Reads JSON text.
type Parse<'p> = &'p mut dyn FnMut(&[u8]) -> Result<Value, RequestError>;

/// The members that stand in the body. What stands there under the name of a member from elsewhere is not that member.
fn read_body(schema: &'static Structure, body: &[u8], parse: Parse<'_>) -> Result<Value, RequestError> {
    let is_whole = |member: &&Member| member.location == Location::Payload;
    if let Some(member) = schema.members.iter().find(is_whole) {
        let mut members = Map::new();
        if !body.is_empty() {
            members.insert(member.name.to_owned(), whole_body(member.schema, body, parse)?);
        }
        return Ok(Value::Object(members));
    }
    let is_inside = |member: &Member| member.location == Location::Body;
    if body.is_empty() || !schema.members.iter().any(is_inside) {
        return Ok(Value::Object(Map::new()));
    }
    let mut value = parse(body)?;
    if let Value::Object(members) = &mut value {
        for member in schema.members.iter().filter(|member| !is_inside(member)) {
            members.shift_remove(member.name);
        }
    }
    Ok(value)
}

fn whole_body(schema: &'static Schema, body: &[u8], parse: Parse<'_>) -> Result<Value, RequestError> {
    match schema {
        Schema::Blob(_) => Ok(json::blob_value(body)),
        Schema::String(_) => {
            let not_utf8 = |_| RequestError::Serialization("the body is not UTF-8".to_owned());
            std::str::from_utf8(body).map(Value::from).map_err(not_utf8)
        }
        _ => parse(body),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, RequestError> {
    let wrong = |_| RequestError::Serialization(format!("the header {name} is not text"));
    headers
        .get(name)
        .map(|value| value.to_str().map_err(wrong))
        .transpose()
}

/// A member from the texts that stand for it.
fn value_of(member: &Member, texts: &[&str]) -> Result<Option<Value>, FormError> {
    let element = element_of(member.schema);
    let mut values = texts.iter().map(|text| form::scalar(element, member.name, text));
    match (member.schema, texts) {
        (_, []) => Ok(None),
        (Schema::List(_), _) => values.collect::<Result<_, _>>().map(Some),
        (_, [_]) => values.next().transpose(),
        (_, [..]) => Err(FormError::Malformed(format!("{} is given twice", member.name))),
    }
}
