//! Reading the XML of answers, for clients. No DTD, no entities but the five of XML, no namespaces.

use serde_json::{Map, Value};

use super::form::scalar;
use crate::limits::MAX_DEPTH;
use crate::reader::ReadError;
use crate::schema::{List, Map as MapSchema, Schema, Structure};

/// An element: its children and the character data between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Name without its prefix.
    pub(crate) name: String,
    /// Children in order.
    pub(crate) children: Vec<Element>,
    /// All character data.
    pub(crate) text: String,
}

impl Element {
    /// The first child with this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child with this name.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// Parses a document.
pub(crate) fn parse(text: &str) -> Result<Element, ReadError> {
    let mut rest = text;
    // The innermost element that is open comes last; the first is the document itself.
    let mut open = vec![Element::default()];
    while let Some((data, markup)) = rest.split_once('<') {
        append(&mut open, data)?;
        rest = read_markup(&mut open, markup)?;
    }
    if !rest.trim().is_empty() {
        return Err(malformed("text after the end"));
    }
    match <[Element; 1]>::try_from(open) {
        Ok([document]) => document
            .children
            .into_iter()
            .next()
            .ok_or_else(|| malformed("no element")),
        Err(_) => Err(malformed("an element is not closed")),
    }
}

/// Reads what follows a `<`; returns what follows the markup.
fn read_markup<'t>(open: &mut Vec<Element>, markup: &'t str) -> Result<&'t str, ReadError> {
    let after = |end: &str, from: &'t str| {
        from.split_once(end)
            .ok_or_else(|| malformed("markup without an end"))
    };
    if let Some(comment) = markup.strip_prefix("!--") {
        return Ok(after("-->", comment)?.1);
    }
    if let Some(cdata) = markup.strip_prefix("![CDATA[") {
        let (data, rest) = after("]]>", cdata)?;
        if let Some(innermost) = open.last_mut() {
            innermost.text.push_str(data);
        }
        return Ok(rest);
    }
    if let Some(instruction) = markup.strip_prefix('?') {
        return Ok(after("?>", instruction)?.1);
    }
    if markup.starts_with('!') {
        return Err(malformed("document types are not read"));
    }
    let (tag, rest) = after(">", markup)?;
    if let Some(name) = tag.strip_prefix('/') {
        close(open, local_name(name))?;
    } else {
        let name = local_name(tag.trim_end_matches('/')).to_owned();
        if open.len() > MAX_DEPTH {
            return Err(malformed("elements are nested too deep"));
        }
        open.push(Element {
            name,
            ..Element::default()
        });
        if tag.ends_with('/') {
            close_innermost(open)?;
        }
    }
    Ok(rest)
}

/// The name of a tag without prefix and attributes.
fn local_name(tag: &str) -> &str {
    let name = tag.split_ascii_whitespace().next().unwrap_or_default();
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn close(open: &mut Vec<Element>, name: &str) -> Result<(), ReadError> {
    if open.last().is_some_and(|innermost| innermost.name == name) {
        close_innermost(open)
    } else {
        Err(malformed("an end tag does not match"))
    }
}

fn close_innermost(open: &mut Vec<Element>) -> Result<(), ReadError> {
    let closed = open.pop();
    match (closed, open.last_mut()) {
        (Some(closed), Some(parent)) => {
            parent.children.push(closed);
            Ok(())
        }
        _ => Err(malformed("an end tag does not match")),
    }
}

fn append(open: &mut [Element], data: &str) -> Result<(), ReadError> {
    let Some(innermost) = open.last_mut() else {
        return Ok(());
    };
    let mut rest = data;
    while let Some((before, entity)) = rest.split_once('&') {
        let (name, after) = entity
            .split_once(';')
            .ok_or_else(|| malformed("a bare ampersand"))?;
        innermost.text.push_str(before);
        innermost
            .text
            .push(character(name).ok_or_else(|| malformed("an unknown entity"))?);
        rest = after;
    }
    innermost.text.push_str(rest);
    Ok(())
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

fn malformed(what: &str) -> ReadError {
    ReadError::new(format!("the answer is not XML as expected: {what}"))
}

/// The normal form of an answer.
pub(crate) fn to_value(schema: &'static Structure, element: &Element) -> Result<Value, ReadError> {
    let mut members = Map::new();
    for member in schema.members {
        let found = match member.schema {
            Schema::List(list) if list.flattened => flattened_list(list, member.xml_name, element)?,
            Schema::Map(map) if map.flattened => flattened_map(map, member.xml_name, element)?,
            other => element
                .child(member.xml_name)
                .map(|child| value(other, child))
                .transpose()?,
        };
        if let Some(found) = found {
            members.insert(member.name.to_owned(), found);
        }
    }
    Ok(Value::Object(members))
}

fn value(schema: &'static Schema, element: &Element) -> Result<Value, ReadError> {
    match schema {
        Schema::Structure(inner) => to_value(inner, element),
        Schema::List(list) => {
            let elements = element
                .children
                .iter()
                .filter(|child| child.name == list.member_name);
            elements.map(|child| value(list.member, child)).collect()
        }
        Schema::Map(map) => entries(map, element.children.iter().filter(|child| child.name == "entry")),
        Schema::Boolean | Schema::Integer(_) | Schema::Long(_) | Schema::Double(_) => {
            let text = element.text.trim();
            scalar(schema, &element.name, text)
                .map_err(|_| ReadError::new(format!("{} of the answer has another type", element.name)))
        }
        _ => Ok(Value::from(element.text.as_str())),
    }
}

fn flattened_list(list: &'static List, name: &str, parent: &Element) -> Result<Option<Value>, ReadError> {
    let elements = parent.children.iter().filter(|child| child.name == name);
    let values: Vec<Value> = elements
        .map(|child| value(list.member, child))
        .collect::<Result<_, _>>()?;
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

fn flattened_map(map: &'static MapSchema, name: &str, parent: &Element) -> Result<Option<Value>, ReadError> {
    let found = entries(map, parent.children.iter().filter(|child| child.name == name))?;
    Ok(found
        .as_object()
        .is_some_and(|entries| !entries.is_empty())
        .then_some(found))
}

fn entries<'e>(
    map: &'static MapSchema,
    elements: impl Iterator<Item = &'e Element>,
) -> Result<Value, ReadError> {
    let mut entries = Map::new();
    for entry in elements {
        let key = entry
            .child_text(map.key_name)
            .ok_or_else(|| malformed("an entry without a key"))?;
        let content = entry
            .child(map.value_name)
            .ok_or_else(|| malformed("an entry without a value"))?;
        entries.insert(key.to_owned(), value(map.value, content)?);
    }
    Ok(Value::Object(entries))
}
