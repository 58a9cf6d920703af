//! Forms: `Tags.member.1.Key=Owner&...` into the normal form, led by the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

use crate::limits::{Excess, MAX_DEPTH, check_form};
use crate::schema::{List, Map as MapSchema, Protocol, Schema, Structure};

/// How lists stand in forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// As each list says itself.
    Query,
    /// Always flattened: `SubnetId.1`. Parameters that no input has are refused.
    Ec2,
}

impl Dialect {
    /// The dialect of a protocol.
    pub(crate) fn of(protocol: Protocol) -> Self {
        if protocol == Protocol::Ec2Query {
            Self::Ec2
        } else {
            Self::Query
        }
    }

    /// Whether a list leaves the wrapping level out.
    pub(crate) fn flattens(self, list: &List) -> bool {
        list.flattened || self == Self::Ec2
    }

    /// Refuses a parameter that stands where the schema has nothing.
    fn refuses(self, path: &str) -> FormError {
        match self {
            Self::Ec2 => FormError::Unknown(path.to_owned()),
            Self::Query => malformed(format!("parameter {path} is not understood")),
        }
    }
}

/// Why a form was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    /// Heavier than we read.
    Excess(Excess),
    /// Not a form, or a value that its member cannot hold.
    Malformed(String),
    /// A parameter that no input of the operation has (EC2 only; others pass it over).
    Unknown(String),
}

/// The value of the first parameter with this name. For routing, before the whole form is read.
pub(crate) fn find<'a>(text: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, value) = text.split('&').map(split_pair).find(|(key, _)| *key == name)?;
    decode(value).ok()
}

/// The normal form of an input.
pub(crate) fn to_value(
    text: &[u8],
    schema: &'static Structure,
    dialect: Dialect,
) -> Result<Value, FormError> {
    check_form(text).map_err(FormError::Excess)?;
    let text = std::str::from_utf8(text).map_err(|_| malformed("the form is not UTF-8"))?;
    let mut root = Node::default();
    for (key, value) in text.split('&').filter(|pair| !pair.is_empty()).map(split_pair) {
        root.insert(&decode(key)?, decode(value)?.into_owned())?;
    }
    if dialect == Dialect::Ec2 {
        all_known(schema, &root)?;
    }
    structure(schema, "", &root, dialect)
}

/// EC2 refuses parameters it does not know. Those of the envelope and of a signature in the query string are not its
/// matter.
fn all_known(schema: &'static Structure, root: &Node) -> Result<(), FormError> {
    let is_known = |name: &str| {
        matches!(name, "Action" | "Version" | "AWSAccessKeyId" | "SignatureMethod")
            || name.starts_with("X-Amz-")
            || schema.members.iter().any(|member| member.form_name == name)
    };
    match root.children.keys().find(|name| !is_known(name)) {
        Some(name) => Err(FormError::Unknown(name.clone())),
        None => Ok(()),
    }
}

/// A parameter's name and value, decoded.
pub(crate) type Parameter<'t> = (Cow<'t, str>, Cow<'t, str>);

/// The parameters of a form or query string, in order.
pub(crate) fn parameters(text: &str) -> Result<Vec<Parameter<'_>>, FormError> {
    check_form(text.as_bytes()).map_err(FormError::Excess)?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(split_pair);
    pairs
        .map(|(key, value)| Ok((decode(key)?, decode(value)?)))
        .collect()
}

fn split_pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

fn decode(text: &str) -> Result<Cow<'_, str>, FormError> {
    let not_utf8 = |_| malformed("a parameter is not UTF-8");
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(not_utf8)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(not_utf8)
}

fn malformed(text: impl Into<String>) -> FormError {
    FormError::Malformed(text.into())
}

/// The parameters as a tree over the steps of their names.
#[derive(Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn insert(&mut self, key: &str, value: String) -> Result<(), FormError> {
        if key.split('.').count() > MAX_DEPTH {
            return Err(FormError::Excess(Excess::Depth));
        }
        let mut node = self;
        for step in key.split('.') {
            node = node.children.entry(step.to_owned()).or_default();
        }
        match node.value.replace(value) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("parameter {key} is given twice"))),
        }
    }

    fn child(&self, step: &str) -> Option<&Self> {
        self.children.get(step)
    }

    /// The elements `1`, `2`, ... in the order of their numbers, each with its full name. What has another name would
    /// otherwise be passed over, and the request answered as if it were not there.
    fn elements(&self, path: &str, dialect: Dialect) -> Result<Vec<(String, &Self)>, FormError> {
        self.has_no_text(path, dialect)?;
        let mut numbered = Vec::new();
        for (step, node) in &self.children {
            let path = format!("{path}.{step}");
            let number = plain_number(step).ok_or_else(|| dialect.refuses(&path))?;
            numbered.push((number, path, node));
        }
        numbered.sort_by_key(|(number, ..)| *number);
        Ok(numbered.into_iter().map(|(_, path, node)| (path, node)).collect())
    }

    /// Below the wrapping level of a list or map; nothing else may stand beside it.
    fn wrapped(&self, wrapper: &str, path: &str, dialect: Dialect) -> Result<Option<&Self>, FormError> {
        self.has_no_text(path, dialect)?;
        match self.children.keys().find(|step| *step != wrapper) {
            Some(step) => Err(dialect.refuses(&format!("{path}.{step}"))),
            None => Ok(self.child(wrapper)),
        }
    }

    /// Clients write an empty list as `NAME=`; any other text has no place where members are.
    fn has_no_text(&self, path: &str, dialect: Dialect) -> Result<(), FormError> {
        match self.value.as_deref() {
            None | Some("") => Ok(()),
            Some(_) => Err(dialect.refuses(path)),
        }
    }
}

/// A number as clients write it: digits only, no zero before others.
fn plain_number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn structure(
    schema: &'static Structure,
    path: &str,
    node: &Node,
    dialect: Dialect,
) -> Result<Value, FormError> {
    let inner = |name: &str| match path {
        "" => name.to_owned(),
        outer => format!("{outer}.{name}"),
    };
    if !path.is_empty() {
        node.has_no_text(path, dialect)?;
        let is_known = |step: &str| schema.members.iter().any(|member| member.form_name == step);
        let unknown = node.children.keys().find(|step| !is_known(step));
        if let (Some(step), Dialect::Ec2) = (unknown, dialect) {
            return Err(FormError::Unknown(inner(step)));
        }
    }
    let mut members = Map::new();
    for member in schema.members {
        if let Some(child) = node.child(member.form_name) {
            let found = value(member.schema, &inner(member.form_name), child, dialect)?;
            members.insert(member.name.to_owned(), found);
        }
    }
    Ok(Value::Object(members))
}

fn value(schema: &'static Schema, path: &str, node: &Node, dialect: Dialect) -> Result<Value, FormError> {
    match schema {
        Schema::Structure(inner) => structure(inner, path, node, dialect),
        Schema::List(inner) => list(inner, path, node, dialect),
        Schema::Map(inner) => map(inner, path, node, dialect),
        _ => match node.children.keys().next() {
            Some(step) => Err(dialect.refuses(&format!("{path}.{step}"))),
            None => scalar(schema, path, node.value.as_deref().unwrap_or_default()),
        },
    }
}

fn list(schema: &'static List, path: &str, node: &Node, dialect: Dialect) -> Result<Value, FormError> {
    let elements = if dialect.flattens(schema) {
        node.elements(path, dialect)?
    } else {
        let wrapper = schema.member_name;
        match node.wrapped(wrapper, path, dialect)? {
            Some(holder) => holder.elements(&format!("{path}.{wrapper}"), dialect)?,
            None => Vec::new(),
        }
    };
    elements
        .iter()
        .map(|(path, element)| value(schema.member, path, element, dialect))
        .collect()
}

fn map(schema: &'static MapSchema, path: &str, node: &Node, dialect: Dialect) -> Result<Value, FormError> {
    let found = if schema.flattened {
        node.elements(path, dialect)?
    } else {
        match node.wrapped("entry", path, dialect)? {
            Some(holder) => holder.elements(&format!("{path}.entry"), dialect)?,
            None => Vec::new(),
        }
    };
    let mut entries = Map::new();
    for (own, entry) in &found {
        let key = entry.child(schema.key_name).and_then(|key| key.value.clone());
        let key = key.ok_or_else(|| malformed(format!("an entry of {path} has no key")))?;
        let own = format!("{own}.{}", schema.value_name);
        let content = entry
            .child(schema.value_name)
            .map(|content| value(schema.value, &own, content, dialect));
        entries.insert(key, content.transpose()?.unwrap_or(Value::Null));
    }
    Ok(Value::Object(entries))
}

/// A single value. Instants and blobs stay text: the reader understands both.
pub(crate) fn scalar(schema: &Schema, name: &str, text: &str) -> Result<Value, FormError> {
    let wrong = |wanted| malformed(format!("{name} must be {wanted}"));
    Ok(match schema {
        Schema::Boolean if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Schema::Boolean if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        Schema::Boolean => return Err(wrong("true or false")),
        Schema::Integer(_) => Value::from(text.parse::<i32>().map_err(|_| wrong("an integer"))?),
        Schema::Long(_) => Value::from(text.parse::<i64>().map_err(|_| wrong("an integer"))?),
        Schema::Double(_) => match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None if matches!(text, "NaN" | "Infinity" | "-Infinity") => Value::from(text),
            None => return Err(wrong("a number")),
        },
        _ => Value::from(text),
    })
}
