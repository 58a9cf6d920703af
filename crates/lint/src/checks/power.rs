//! Grants that are dangerous: everything, passing roles, service-linked roles, raising rights, credentials (R149-R151).

use portcullis_policy::syntax::{ResourceForm, Test, Token};
use portcullis_policy::{Kind, elements};
use portcullis_reference::risk::Risk;
use portcullis_reference::{self as reference, ActionId};

use super::arns::pattern_tokens;
use super::enumerate;
use crate::IssueCode;
use crate::arn_format;
use crate::glob;
use crate::policy::{List, Policy, Statement, Text};
use crate::report::Report;
use crate::scope::{Entry, Reached, Scope};

pub(super) fn check(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    if policy.kind != Kind::Identity || !statement.allows() {
        return;
    }
    let Some(resource) = &statement.resource else {
        return;
    };
    let everything = is_everything(scope) && resource.has_star() && !resource.negated;
    if everything && statement.conditions.is_empty() {
        let message = "Every action is allowed on every resource.";
        report.add(IssueCode::AllowEverything, &statement.place, message);
    }
    check_role_action(&PASS_ROLE, statement, scope, resource, report);
    check_role_action(&CREATE_SLR, statement, scope, resource, report);
    if !everything
        && !scope.negated
        && resource.has_star()
        && !resource.negated
        && statement.conditions.is_empty()
    {
        check_risks(scope, report);
    }
}

fn is_everything(scope: &Scope<'_>) -> bool {
    !scope.negated
        && scope
            .entries
            .iter()
            .any(|entry| matches!(entry.text.text, "*" | "*:*"))
}

/// An action on roles, the key that limits it, and its findings by what is wide: the resource, also the action (a wildcard),
/// or NotAction; each with Resource and with NotResource.
struct RoleAction {
    name: &'static str,
    key: &'static str,
    star: [IssueCode; 3],
    not_resource: [IssueCode; 3],
    /// For roles that are named, without the key.
    named: Option<IssueCode>,
}

const PASS_ROLE: RoleAction = RoleAction {
    name: "iam:PassRole",
    key: "iam:PassedToService",
    star: [
        IssueCode::PassRoleWithStarInResource,
        IssueCode::PassRoleWithStarInActionAndResource,
        IssueCode::PassRoleWithStarInResourceAndNotAction,
    ],
    not_resource: [
        IssueCode::PassRoleWithNotResource,
        IssueCode::PassRoleWithStarInActionAndNotResource,
        IssueCode::PassRoleWithNotActionAndNotResource,
    ],
    named: Some(IssueCode::PassRoleWithoutPassedToService),
};

const CREATE_SLR: RoleAction = RoleAction {
    name: "iam:CreateServiceLinkedRole",
    key: "iam:AWSServiceName",
    star: [
        IssueCode::CreateSlrWithStarInResource,
        IssueCode::CreateSlrWithStarInActionAndResource,
        IssueCode::CreateSlrWithStarInResourceAndNotAction,
    ],
    not_resource: [
        IssueCode::CreateSlrWithNotResource,
        IssueCode::CreateSlrWithStarInActionAndNotResource,
        IssueCode::CreateSlrWithNotActionAndNotResource,
    ],
    named: None,
};

fn check_role_action(
    subject: &RoleAction,
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    resource: &List<'_>,
    report: &mut Report<'_>,
) {
    let Some(action) = reference::action(subject.name) else {
        return;
    };
    if !scope.covers(action) || is_limited_by(statement, subject.key) {
        return;
    }
    let entry = scope.entry_for(action);
    let [by_name, by_wildcard, by_not_action] = if resource.negated {
        subject.not_resource
    } else {
        subject.star
    };
    let (code, how) = match entry {
        Some(entry) if entry.is_named() => (by_name, format!("`{}`", subject.name)),
        Some(entry) => (
            by_wildcard,
            format!("`{}`, which covers {},", entry.text.text, subject.name),
        ),
        None => (
            by_not_action,
            format!("{}, which NotAction leaves,", subject.name),
        ),
    };
    let place = match (entry, &statement.action) {
        (Some(entry), _) => entry.text.place,
        (None, Some(list)) => list.place,
        (None, None) => return,
    };
    if resource.negated {
        let message = format!("{how} is allowed on all roles but those listed.");
        report
            .add(code, &place, message)
            .related(&resource.place, "these are left out");
        return;
    }
    let wide = resource.items.iter().find(|item| covers_all_roles(item));
    if let Some(wide) = wide {
        let message = format!(
            "{how} is allowed on every role, and no condition on {} says for which service.",
            subject.key
        );
        report
            .add(code, &place, message)
            .related(&wide.place, "every role");
    } else if let (Some(code), Some(entry)) = (subject.named, entry)
        && (entry.is_named() || resource.items.iter().any(|item| may_be_for(action, item)))
    {
        let through = match entry.is_named() {
            true => String::new(),
            false => format!(" by {how}"),
        };
        let message = format!(
            "These roles may be passed{through} to any service; {} would say to which.",
            subject.key
        );
        report.add(code, &place, message);
    }
}

/// Whether the action is asked on something that this resource names: a wildcard may well be about other things.
fn may_be_for(action: ActionId, item: &Text<'_>) -> bool {
    let Some(tokens) = pattern_tokens(item.text) else {
        return false;
    };
    action
        .resource_types()
        .any(|one| arn_format::can_name(&tokens, one.resource_type))
}

/// Whether a condition lets some values of the key through and no others. The key is always there for the action, so that
/// IfExists changes nothing (R150).
fn is_limited_by(statement: &Statement<'_>, key: &str) -> bool {
    statement.conditions_on(key).any(|condition| {
        let names = condition
            .values
            .iter()
            .all(|value| !value.text.trim_matches('*').is_empty());
        names && condition.operator.test() != Test::Null && !condition.operator.negated()
    })
}

/// Whether a resource covers all roles of an account.
fn covers_all_roles(item: &Text<'_>) -> bool {
    let tokens = |text: &str| match elements::resource(text, false, Kind::Identity) {
        ResourceForm::Fixed(glob) => glob.tokens().to_vec(),
        _ => Vec::new(),
    };
    let all_roles = |account: &str| tokens(&format!("arn:aws:iam::{account}:role/*"));
    let account = item
        .text
        .split(':')
        .nth(4)
        .filter(|account| !account.contains('*'));
    item.text == "*" || {
        let wide: Vec<Token> = tokens(item.text);
        !wide.is_empty() && glob::covers(&wide, &all_roles(account.unwrap_or("123456789012")))
    }
}

/// Actions of public lists of dangerous ones, on everything, without any condition.
fn check_risks(scope: &Scope<'_>, report: &mut Report<'_>) {
    let own_checks = [PASS_ROLE.name, CREATE_SLR.name].map(reference::action);
    for (risk, code, what) in [
        (
            Risk::PrivilegeEscalation,
            IssueCode::PrivilegeEscalation,
            "can raise rights",
        ),
        (
            Risk::CredentialExposure,
            IssueCode::CredentialsExposure,
            "hands out credentials",
        ),
    ] {
        for entry in &scope.entries {
            let is_it = |action: &ActionId| {
                let is_meant = entry.is_named() || is_about_identities(*action);
                is_meant
                    && action.has_risk(risk)
                    && action.has_resource_level()
                    && !own_checks.contains(&Some(*action))
            };
            let risky: Vec<String> = entry
                .actions()
                .iter()
                .copied()
                .filter(is_it)
                .map(|a| a.to_string())
                .collect();
            if !risky.is_empty() {
                report.add(code, &entry.text.place, risk_message(entry, &risky, what));
            }
        }
    }
}

/// Of what a wildcard covers, only what concerns identities is surely not wanted by accident: `s3:Get*` covers an action that
/// gives credentials, too, but is about objects.
fn is_about_identities(action: ActionId) -> bool {
    matches!(
        action.service().prefix(),
        "iam" | "sts" | "organizations" | "sso" | "identitystore"
    )
}

fn risk_message(entry: &Entry<'_>, risky: &[String], what: &str) -> String {
    match &entry.reached {
        Reached::Actions(_) if !entry.is_named() => {
            format!(
                "`{}` covers {}, which {what}, on every resource.",
                entry.text.text,
                enumerate(risky)
            )
        }
        _ => format!("`{}` {what}, and is allowed on every resource.", entry.text.text),
    }
}
