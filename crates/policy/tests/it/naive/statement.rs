//! Whether one statement applies (R114).

use std::borrow::Cow;

use portcullis_policy::Kind;
use serde_json::Value as Json;

use super::principal::{self, Naming};
use super::{Question, condition, glob, resource, text};

/// Where a statement stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub kind: Kind,
    /// Version 2012-10-17 (R6).
    pub has_variables: bool,
    /// Whether the caller has a permissions boundary (R71).
    pub caller_is_bounded: bool,
}

/// One value or a list of them, as texts (R15, R16).
pub fn list(value: &Json) -> Vec<Cow<'_, str>> {
    match value {
        Json::Array(values) => values.iter().flat_map(list).collect(),
        Json::String(text) => vec![text.into()],
        other => vec![other.to_string().into()],
    }
}

/// The statements of a policy (R8).
pub fn statements(policy: &Json) -> &[Json] {
    match &policy["Statement"] {
        Json::Array(statements) => statements,
        single => std::slice::from_ref(single),
    }
}

/// How the statement names the caller, if it applies; `Everyone` where statements name nobody.
pub fn applies(statement: &Json, place: Place, question: &Question) -> Option<Naming> {
    let naming = principal::naming(statement, place, &question.principal)?;
    let holds = action_holds(statement, &question.action)
        && resource::holds(statement, place, question)
        && condition::holds(statement, place.has_variables, question);
    holds.then_some(naming)
}

/// R37.
fn action_holds(statement: &Json, action: &str) -> bool {
    match statement.get("Action") {
        Some(patterns) => action_is_listed(patterns, action),
        None => !action_is_listed(&statement["NotAction"], action),
    }
}

/// Whether one of the patterns matches the action.
pub fn action_is_listed(patterns: &Json, action: &str) -> bool {
    list(patterns)
        .iter()
        .any(|pattern| action_matches(pattern, action))
}

/// R33-R36.
fn action_matches(pattern: &str, action: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some((service, name)), Some((asked_service, asked_name))) =
        (pattern.split_once(':'), action.split_once(':'))
    else {
        return false;
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return false;
    }
    let pattern = glob::without_case(glob::tokens(name));
    (service == "*" || text::same(service, asked_service)) && glob::matches(&pattern, asked_name)
}
