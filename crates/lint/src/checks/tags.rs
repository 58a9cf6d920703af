//! Tag keys are global, yet not every service fills them.

use portcullis_reference::{self as reference, ActionId, KeyId};

use super::{enumerate, keys};
use crate::IssueCode;
use crate::near::starts_with_ignoring_case;
use crate::policy::{Condition, Statement};
use crate::report::Report;
use crate::scope::Scope;

const TAG_KEYS: [(&str, &str); 3] = [
    ("aws:ResourceTag/", "aws:ResourceTag/${TagKey}"),
    ("aws:RequestTag/", "aws:RequestTag/${TagKey}"),
    ("aws:TagKeys", "aws:TagKeys"),
];

pub(super) fn check(statement: &Statement<'_>, scope: &Scope<'_>, report: &mut Report<'_>) {
    for condition in &statement.conditions {
        let pattern = TAG_KEYS
            .iter()
            .find(|(start, _)| starts_with_ignoring_case(condition.key.text, start));
        if let Some((_, pattern)) = pattern
            && !keys::holds_without_key(condition)
        {
            check_condition(statement, scope, condition, pattern, report);
        }
    }
}

fn check_condition(
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    condition: &Condition<'_>,
    pattern: &str,
    report: &mut Report<'_>,
) {
    let key = condition.key;
    if scope.negated {
        let code = match (statement.allows(), statement.denies()) {
            (true, _) => IssueCode::AllowNotActionWithUnsupportedTagKey,
            (_, true) => IssueCode::DenyNotActionWithUnsupportedTagKey,
            _ => return,
        };
        let message = format!(
            "Many of the actions that NotAction leaves do not have `{}`.",
            key.text
        );
        report.add(code, &key.place, message);
        return;
    }
    let without: Vec<String> = scope
        .services()
        .into_iter()
        .filter(|service| {
            let mut of_service = scope.actions.iter().filter(|action| action.service() == *service);
            !of_service.any(|action| fills(*action, pattern))
        })
        .map(|service| service.prefix().to_owned())
        .collect();
    if without.is_empty() {
        return;
    }
    let (code, verb) = match (statement.allows(), statement.denies()) {
        (true, _) => (IssueCode::AllowWithUnsupportedTagKey, "grants"),
        (_, true) => (IssueCode::DenyWithUnsupportedTagKey, "denies"),
        _ => return,
    };
    let message = format!(
        "No action here of {} has `{}`: the statement {verb} none of them.",
        enumerate(&without),
        key.text
    );
    report.add(code, &key.place, message);
}

/// Whether the action or one of its resource types lists the tag key. iam:PassRole is about roles, yet never sees their tags
/// (R153).
fn fills(action: ActionId, pattern: &str) -> bool {
    if Some(action) == reference::action("iam:PassRole") && pattern.starts_with("aws:ResourceTag") {
        return false;
    }
    let is_it = |key: KeyId| key.name() == pattern;
    action.keys().any(is_it)
        || action
            .resource_types()
            .any(|resource| resource.keys().any(is_it) || resource.resource_type.keys().any(is_it))
}
