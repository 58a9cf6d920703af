//! Actions against resources: what can never match (R41, R140-R144), and where `*` need not stand.

use portcullis_policy::Kind;
use portcullis_reference::{AccessLevel, ActionId, ResourceTypeId};

use super::{arns, enumerate};
use crate::arn_format;
use crate::policy::{List, Policy, Statement, Text};
use crate::report::Report;
use crate::scope::{Entry, Scope};
use crate::{FindingKind, IssueCode};

pub(super) fn check(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    let Some(list) = &statement.resource else { return };
    if list.negated || statement.effect.is_none() || list.items.is_empty() {
        return;
    }
    if list.has_star() {
        if policy.kind == Kind::Identity && statement.allows() && statement.conditions.is_empty() {
            could_be_limited(list, scope, report);
        }
        return;
    }
    // What was reported of a resource by itself is not repeated here.
    let sound = |item: &&Text<'_>| !report.has_kind(FindingKind::Warning, item.place.span);
    let types = resource_types(scope);
    let patterns: Vec<Pattern<'_>> = list
        .items
        .iter()
        .filter(sound)
        .filter_map(|item| Pattern::of(*item, &types))
        .collect();
    let all_are_sound = patterns.len() == list.items.len();
    if scope.is_known() {
        for pattern in &patterns {
            check_resource(statement, pattern, scope, report);
        }
    }
    if !scope.negated && all_are_sound {
        for entry in scope.entries.iter().filter(|entry| !entry.actions().is_empty()) {
            check_entry(statement, entry, &patterns, list, report);
        }
    }
}

/// The resource types of all actions of the statement, each once.
fn resource_types(scope: &Scope<'_>) -> Vec<ResourceTypeId> {
    let of_action = |action: &ActionId| action.resource_types().map(|resource| resource.resource_type);
    let mut types: Vec<ResourceTypeId> = scope.actions.iter().flat_map(of_action).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// A resource of the statement, and the types among the actions' whose resources it can name.
struct Pattern<'s> {
    item: Text<'s>,
    named: Vec<ResourceTypeId>,
}

impl<'s> Pattern<'s> {
    fn of(item: Text<'s>, types: &[ResourceTypeId]) -> Option<Self> {
        let tokens = arns::pattern_tokens(item.text)?;
        let can_name = |resource_type: &ResourceTypeId| arn_format::can_name(&tokens, *resource_type);
        Some(Self {
            item,
            named: types.iter().copied().filter(can_name).collect(),
        })
    }

    fn suits(&self, action: ActionId) -> bool {
        let mut types = action.resource_types().map(|resource| resource.resource_type);
        types.any(|resource_type| self.named.binary_search(&resource_type).is_ok())
            || is_renamed(action, self.item.text)
    }
}

/// Services that changed their name keep the ARNs of both names; the reference lists one.
fn is_renamed(action: ActionId, resource: &str) -> bool {
    let names = ["codestar-connections", "codeconnections"];
    let field = resource.split(':').nth(2).unwrap_or_default();
    names.contains(&action.service().prefix()) && names.contains(&field)
}

fn check_resource(
    statement: &Statement<'_>,
    pattern: &Pattern<'_>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    let has_types = |action: &&ActionId| action.has_resource_level();
    let mut actions = scope.actions.iter().filter(has_types).peekable();
    // Actions that know no resources at all are reported for themselves.
    if actions.peek().is_none() || actions.any(|action| pattern.suits(*action)) {
        return;
    }
    let code = if statement.allows() {
        IssueCode::AllowResourceNeverMatches
    } else {
        IssueCode::DenyResourceNeverMatches
    };
    let wanted = types_of(scope.actions.iter().copied());
    let message = format!(
        "No action of the statement is about this resource; they are about {}.",
        enumerate(&wanted)
    );
    let details = report.add(code, &pattern.item.place, message);
    if let (Some(list), [entry]) = (&statement.action, scope.entries.as_slice()) {
        let _ = details.related(&list.place, format!("`{}` is asked for these", entry.text.text));
    }
}

/// The names of the resource types these actions are about.
fn types_of(actions: impl Iterator<Item = ActionId>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for resource in actions.flat_map(ActionId::resource_types) {
        let form = resource.resource_type.arn_format().splitn(6, ':').nth(5);
        let name = form.unwrap_or_default().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn check_entry(
    statement: &Statement<'_>,
    entry: &Entry<'_>,
    patterns: &[Pattern<'_>],
    list: &List<'_>,
    report: &mut Report<'_>,
) {
    let actions = entry.actions();
    let has_level = actions.iter().any(|action| action.has_resource_level());
    if !has_level {
        let code = if statement.allows() {
            IssueCode::AllowActionNeedsStar
        } else {
            IssueCode::DenyActionNeedsStar
        };
        let message = format!(
            "`{}` is authorised on `*` only, never on an ARN.",
            entry.text.text
        );
        report
            .add(code, &entry.text.place, message)
            .related(&list.place, "these resources do not match it");
        return;
    }
    let meets = |action: &ActionId| patterns.iter().any(|pattern| pattern.suits(*action));
    if actions.iter().any(meets) {
        return;
    }
    // When nothing in the statement fits, the resources say so already.
    let resources_are_reported = patterns.iter().all(|pattern| {
        let span = pattern.item.place.span;
        report.has(IssueCode::AllowResourceNeverMatches, span)
            || report.has(IssueCode::DenyResourceNeverMatches, span)
    });
    if resources_are_reported {
        return;
    }
    let code = if statement.allows() {
        IssueCode::AllowActionNeverMatches
    } else {
        IssueCode::DenyActionNeverMatches
    };
    let wanted = types_of(actions.iter().copied());
    let message = format!(
        "`{}` is about {}, none of which is listed.",
        entry.text.text,
        enumerate(&wanted)
    );
    report
        .add(code, &entry.text.place, message)
        .related(&list.place, "these resources do not match it");
}

/// `*` with named actions that change things and could be limited.
fn could_be_limited(list: &List<'_>, scope: &Scope<'_>, report: &mut Report<'_>) {
    let changes = |action: &ActionId| {
        action.has_access_level(AccessLevel::Write)
            || action.has_access_level(AccessLevel::PermissionsManagement)
    };
    let limitable: Vec<String> = scope
        .entries
        .iter()
        .filter(|entry| entry.is_named())
        .flat_map(|entry| entry.actions())
        .filter(|action| changes(action) && action.has_resource_level())
        .map(ToString::to_string)
        .collect();
    if limitable.is_empty() || scope.negated {
        return;
    }
    let Some(star) = list.items.iter().find(|item| item.text == "*") else {
        return;
    };
    let message = format!("{} can be limited to resources.", enumerate(&limitable));
    report.add(IssueCode::ResourceCouldBeLimited, &star.place, message);
}
