//! Resource and NotResource (R39-R60).

use std::borrow::Cow;

use portcullis_policy::Kind;
use serde_json::Value as Json;

use super::Question;
use super::glob::{self, Token};
use super::statement::{Place, list};
use super::variable;

/// Whether a statement's Resource or NotResource holds. Without either it is "this resource" (R13).
pub fn holds(statement: &Json, place: Place, question: &Question) -> bool {
    let matches = |pattern: &Cow<'_, str>| pattern_matches(pattern, place, question);
    if let Some(resources) = statement.get("Resource") {
        return list(resources)
            .iter()
            .any(|pattern| matches(pattern) == Match::Yes);
    }
    let Some(excluded) = statement.get("NotResource") else {
        return true;
    };
    let excluded: Vec<Match> = list(excluded).iter().map(matches).collect();
    if excluded.contains(&Match::Yes) {
        return false;
    }
    // R57: an unresolved variable fails closed.
    !excluded.contains(&Match::Unresolved) || statement["Effect"] == "Deny"
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// A variable has no value.
    Unresolved,
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

fn pattern_matches(pattern: &str, place: Place, question: &Question) -> Match {
    // R40.
    if pattern == "*" {
        return Match::Yes;
    }
    // R41.
    if question.resource == "*" {
        return Match::No;
    }
    let (fields, resource) = split(pattern);
    // R53: no variable may begin before the fifth colon.
    let variable_start = pattern.find("${").filter(|start| pattern[*start..].contains('}'));
    if place.has_variables && variable_start.is_some_and(|start| start < fields.len()) {
        return Match::No;
    }
    let mut tokens = field_tokens(fields);
    match resource {
        Some(resource) if place.has_variables => match variable::substitute(resource, question) {
            Some(substituted) => tokens.extend(substituted),
            None => return Match::Unresolved,
        },
        Some(resource) => tokens.extend(glob::tokens(resource)),
        None if fields.ends_with('*') => {}
        // R45.
        None if matches!(place.kind, Kind::Identity | Kind::Session | Kind::Boundary) => pad(&mut tokens),
        None => return Match::No,
    }
    glob::matches(&tokens, &question.resource).into()
}

/// The first five fields with their colons, and the sixth (R42).
fn split(pattern: &str) -> (&str, Option<&str>) {
    match pattern.match_indices(':').nth(4) {
        Some((at, _)) => (&pattern[..=at], Some(&pattern[at + 1..])),
        None => (pattern, None),
    }
}

/// R44: in the first five fields a `*` before a colon or at the end runs on past colons, no other wildcard does.
/// R46: what the pattern writes in the second to the fifth is compared without case with those of the resource, and with
/// case where a `*` before it ran on into the resource's sixth.
fn field_tokens(fields: &str) -> Vec<Token> {
    let all: Vec<char> = fields.chars().collect();
    let first_colon = all.iter().position(|c| *c == ':').unwrap_or(all.len());
    let token = |(at, c): (usize, &char)| match (c, all.get(at + 1)) {
        ('*', None | Some(':')) => Token::Run,
        ('*', _) => Token::RunInField,
        ('?', _) => Token::OneInField,
        (c, _) if at < first_colon || *c == ':' => Token::Char(*c),
        (c, _) => Token::ArnLetter(*c),
    };
    all.iter().enumerate().map(token).collect()
}

/// Fills an ARN pattern up to six fields with `*` (R45).
fn pad(tokens: &mut Vec<Token>) {
    let colons = tokens.iter().filter(|token| **token == Token::Char(':')).count();
    for _ in colons..5 {
        tokens.extend([Token::Char(':'), Token::Run]);
    }
}
