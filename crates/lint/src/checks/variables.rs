//! Policy variables: their spelling, and the places where none is replaced (R51-R60).

use portcullis_policy::Version;
use portcullis_policy::syntax::Test;
use portcullis_reference as reference;

use super::keys::{self, Unknown};
use crate::IssueCode;
use crate::policy::{Policy, Statement, Text};
use crate::report::Report;

pub(super) fn check(policy: &Policy<'_>, statement: &Statement<'_>, report: &mut Report<'_>) {
    let is_2012 = policy.has_variables();
    for item in statement.action.iter().flat_map(|list| &list.items) {
        forbidden(*item, "Action", report);
    }
    for entry in statement
        .principal
        .iter()
        .flat_map(|principals| &principals.entries)
    {
        forbidden(entry.name, "Principal", report);
    }
    for item in statement.resource.iter().flat_map(|list| &list.items) {
        let before_resource = item
            .text
            .splitn(6, ':')
            .take(5)
            .map(|field| field.len() + 1)
            .sum::<usize>();
        let head = item.text.get(..before_resource).unwrap_or(item.text);
        if head.contains("${") && is_2012 {
            let message =
                "Variables are replaced after the fifth colon of an ARN only; this matches nothing.";
            report.add(IssueCode::VariableUnsupportedInElement, &item.place, message);
        } else {
            spelling(*item, policy, report);
        }
    }
    for condition in &statement.conditions {
        if condition.key.text.contains("${") {
            forbidden(condition.key, "a condition key", report);
        }
        let takes_variables = matches!(
            condition.operator.test(),
            Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Arn | Test::Bool
        );
        for value in condition.values.iter().filter(|value| value.text.contains("${")) {
            let text = Text {
                text: value.text,
                place: value.place,
            };
            if takes_variables {
                spelling(text, policy, report);
            } else {
                let message = format!("{} compares `{}` as it stands.", condition.operator, value.text);
                report.add(IssueCode::InvalidVariableForOperator, &value.place, message);
            }
        }
    }
}

fn forbidden(item: Text<'_>, element: &str, report: &mut Report<'_>) {
    if item.text.contains("${") {
        let message = format!("No variable is replaced in {element}.");
        report.add(IssueCode::VariableUnsupportedInElement, &item.place, message);
    }
}

fn spelling(item: Text<'_>, policy: &Policy<'_>, report: &mut Report<'_>) {
    let mut at = 0;
    while let Some(offset) = item.text.get(at..).and_then(|rest| rest.find("${")) {
        let start = at + offset;
        if policy.version != Some(Version::V2012) {
            let message = "Without Version 2012-10-17 this is plain text, no variable.";
            report.add(IssueCode::VariableUnsupportedInVersion, &item.place, message);
            return;
        }
        let rest = item.text.get(start + 2..).unwrap_or_default();
        let Some(length) = rest.find('}') else {
            report
                .add(
                    IssueCode::MissingBraceInVariable,
                    &item.place,
                    "This variable has no closing brace.",
                )
                .narrow(start..item.text.len());
            return;
        };
        let end = start + 2 + length + 1;
        if let Some((code, message)) = problem(rest.get(..length).unwrap_or_default()) {
            report.add(code, &item.place, message).narrow(start..end);
        }
        at = end;
    }
}

/// What is wrong with what stands between the braces.
fn problem(inside: &str) -> Option<(IssueCode, String)> {
    if matches!(inside, "*" | "?" | "$") {
        return None;
    }
    if inside.trim().is_empty() {
        return Some((IssueCode::EmptyVariable, "The variable names no key.".to_owned()));
    }
    let name = match inside.split_once(',') {
        Some((name, default)) => {
            let is_quoted = default
                .strip_prefix(" '")
                .and_then(|rest| rest.strip_suffix('\''))
                .is_some();
            if !is_quoted {
                let message = format!(
                    "The default of `{name}` is not set off by a comma, one space and single quotes."
                );
                return Some((IssueCode::MissingQuoteInVariable, message));
            }
            name
        }
        None => inside,
    };
    // The key of a tag may hold spaces.
    let (before_tag, is_tag) = name
        .split_once('/')
        .map_or((name, false), |(head, _)| (head, true));
    if before_tag.contains(' ') || (!is_tag && name.contains(' ')) {
        return Some((
            IssueCode::UnsupportedSpaceInVariable,
            format!("The name `{name}` holds a space."),
        ));
    }
    if let Some(symbol) = before_tag.chars().find(|c| !is_name_character(*c)) {
        let message = format!("The name `{name}` holds `{symbol}`.");
        return Some((IssueCode::UnsupportedSymbolInVariable, message));
    }
    unknown_or_unusable(name)
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_')
}

fn unknown_or_unusable(name: &str) -> Option<(IssueCode, String)> {
    if let Some(key) = reference::key(name) {
        let message = format!("`{name}` can have several values, and then is no variable.");
        return key
            .key_type()
            .is_multi_valued()
            .then_some((IssueCode::MultiValuedVariable, message));
    }
    let what = match keys::unknown_key(name) {
        Unknown::Provider => return None,
        Unknown::Format => "is not written as prefix:name".to_owned(),
        Unknown::TagKeyMissing(pattern) => format!("lacks the key of the tag: {pattern}/KEY"),
        Unknown::Global(Some(meant)) | Unknown::OfService(_, Some(meant)) => {
            format!("is no condition key; did you mean `{meant}`")
        }
        _ => "is no condition key".to_owned(),
    };
    Some((IssueCode::UnknownVariable, format!("`{name}` {what}.")))
}
