//! JSON as the AWS console lays policies out.

use portcullis_policy::Kind;
use portcullis_policy::json::{self, Json, Node};

use crate::rewrite::draft::{Draft, RewriteError};

/// A JSON value to be printed; scalars as they were spelt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    Scalar(String),
    Array(Vec<Out>),
    Object(Vec<(String, Out)>),
}

impl Out {
    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(serde_json::Value::from(text).to_string())
    }

    /// A value as it was written.
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            Json::Null => Self::Scalar("null".to_owned()),
            Json::Bool(value) => Self::Scalar(value.to_string()),
            Json::Number(text) => Self::Scalar(text.clone()),
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Json::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), Self::of(&member.node)))
                    .collect(),
            ),
        }
    }

    /// The text, four columns to a level, with a line feed at its end.
    pub(super) fn print(&self) -> String {
        let mut text = String::new();
        self.write(0, &mut text);
        text.push('\n');
        text
    }

    fn write(&self, depth: usize, text: &mut String) {
        match self {
            Self::Scalar(scalar) => text.push_str(scalar),
            Self::Array(items) => {
                let items = items.iter().map(|item| (None, item)).collect();
                write_all(items, ('[', ']'), depth, text);
            }
            Self::Object(members) => {
                let members = members
                    .iter()
                    .map(|(key, value)| (Some(key.as_str()), value))
                    .collect();
                write_all(members, ('{', '}'), depth, text);
            }
        }
    }
}

fn write_all(items: Vec<(Option<&str>, &Out)>, (open, close): (char, char), depth: usize, text: &mut String) {
    text.push(open);
    let is_empty = items.is_empty();
    for (at, (key, value)) in items.into_iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&"    ".repeat(depth + 1));
        if let Some(key) = key {
            text.push_str(&serde_json::Value::from(key).to_string());
            text.push_str(": ");
        }
        value.write(depth + 1, text);
    }
    if !is_empty {
        text.push('\n');
        text.push_str(&"    ".repeat(depth));
    }
    text.push(close);
}

/// Lays a policy out as the AWS console does: elements in their usual order, one value as a scalar and several as a list,
/// four columns to a level. What it means, every value and the order of values stay as they are.
pub fn format(text: &str, kind: Kind) -> Result<String, RewriteError> {
    Ok(Draft::read(text, kind)?.print())
}

/// The members of an object.
pub(crate) fn members(node: &Node) -> &[json::Member] {
    match &node.value {
        Json::Object(members) => members,
        _ => &[],
    }
}
