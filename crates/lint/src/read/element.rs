//! JSON types of elements (R15, R16).

use portcullis_policy::json::{Json, Member, Node};

use crate::IssueCode;
use crate::place::Place;
use crate::policy::{List, Text};
use crate::report::Report;

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Reports a value of the wrong type.
pub(super) fn mismatch(wanted: &str, node: &Node, place: Place<'_>, report: &mut Report<'_>) {
    let found = type_name(&node.value);
    report.add(
        IssueCode::DataTypeMismatch,
        &place,
        format!("Here stands {found}, but {wanted} is needed."),
    );
}

pub(super) fn object<'b>(node: &'b Node, place: Place<'b>, report: &mut Report<'_>) -> Option<&'b [Member]> {
    match &node.value {
        Json::Object(members) => Some(members),
        _ => {
            mismatch("an object", node, place, report);
            None
        }
    }
}

pub(super) fn string<'b>(node: &'b Node, place: Place<'_>, report: &mut Report<'_>) -> Option<&'b str> {
    match &node.value {
        Json::String(text) => Some(text),
        _ => {
            mismatch("a string", node, place, report);
            None
        }
    }
}

/// One value or a flat list of values, each with its place.
pub(super) fn one_or_many<'b>(node: &'b Node, place: Place<'b>) -> Vec<(&'b Node, Place<'b>)> {
    match &node.value {
        Json::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (item, place.item(index, item.span)))
            .collect(),
        _ => vec![(node, place)],
    }
}

pub(super) fn strings<'b>(node: &'b Node, place: Place<'b>, report: &mut Report<'_>) -> Vec<Text<'b>> {
    one_or_many(node, place)
        .into_iter()
        .filter_map(|(item, place)| {
            let text = string(item, place, report)?;
            Some(Text { text, place })
        })
        .collect()
}

pub(super) fn list<'b>(node: &'b Node, negated: bool, place: Place<'b>, report: &mut Report<'_>) -> List<'b> {
    List {
        negated,
        place,
        items: strings(node, place, report),
    }
}
