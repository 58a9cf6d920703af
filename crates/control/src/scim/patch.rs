//! PatchOp (RFC 7644, 3.5.2): read, not yet applied.

use serde_json::{Map, Value};

use super::errors::ScimError;
use super::reading::{Filter, expect_schema, member};

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Before the attribute's name a path may name the schema.
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:";

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Add,
    Remove,
    Replace,
}

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub kind: Kind,
    pub path: Option<Path>,
    pub value: Option<Value>,
}

/// An attribute, of several values perhaps one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// As it was given, for refusals.
    pub text: String,
    /// In lower case; `name.givenname`.
    pub attribute: String,
    /// `members[value eq "..."]`.
    pub filter: Option<Filter>,
}

/// Reads the operations of a body.
pub(super) fn operations(body: &Map<String, Value>) -> Result<Vec<Operation>, ScimError> {
    expect_schema(body, SCHEMA)?;
    let operations = member(body, "Operations").and_then(Value::as_array);
    let operations = operations.filter(|all| !all.is_empty());
    let operations =
        operations.ok_or_else(|| ScimError::syntax("`Operations` must be a list with operations"))?;
    operations.iter().map(operation).collect()
}

fn operation(value: &Value) -> Result<Operation, ScimError> {
    let members = value
        .as_object()
        .ok_or_else(|| ScimError::syntax("an operation must be an object"))?;
    let kind = member(members, "op").and_then(Value::as_str).unwrap_or_default();
    // Some clients write `Replace`.
    let kind = match kind.to_ascii_lowercase().as_str() {
        "add" => Kind::Add,
        "remove" => Kind::Remove,
        "replace" => Kind::Replace,
        _ => return Err(ScimError::syntax("`op` must be add, remove or replace")),
    };
    let path = match member(members, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(path(text)?),
        Some(_) => return Err(ScimError::path("path")),
    };
    let value = member(members, "value").cloned();
    match (kind, &path, &value) {
        (Kind::Remove, None, _) => Err(ScimError::target()),
        (Kind::Add | Kind::Replace, _, None) => Err(ScimError::value("an operation needs a value")),
        _ => Ok(Operation { kind, path, value }),
    }
}

fn path(text: &str) -> Result<Path, ScimError> {
    let bad = || ScimError::path(text);
    let named = match text
        .get(..CORE.len())
        .filter(|start| start.eq_ignore_ascii_case(CORE))
    {
        Some(_) => {
            text.get(CORE.len()..)
                .and_then(|rest| rest.split_once(':'))
                .ok_or_else(bad)?
                .1
        }
        None => text,
    };
    let (attribute, filter) = match named.split_once('[') {
        None => (named, None),
        Some((attribute, rest)) => {
            let filter = rest.strip_suffix(']').and_then(Filter::read).ok_or_else(bad)?;
            (attribute, Some(filter))
        }
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"$_-.".contains(&byte))
    };
    if !is_name(attribute) {
        return Err(bad());
    }
    Ok(Path {
        text: text.to_owned(),
        attribute: attribute.to_ascii_lowercase(),
        filter,
    })
}
