//! Each action on its own: its form, its service, its name (R12, R18, R24, R33-R38).

use portcullis_policy::Kind;
use portcullis_reference::{self as reference, ServiceId};

use super::enumerate;
use crate::IssueCode;
use crate::near;
use crate::policy::{Policy, Statement, Text};
use crate::report::Report;
use crate::scope::{Reached, Scope};

/// The actions a trust policy may hold (R24).
const TRUST_ACTIONS: [&str; 13] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:DecodeAuthorizationMessage",
    "sts:GetAccessKeyInfo",
    "sts:GetCallerIdentity",
    "sts:GetFederationToken",
    "sts:GetServiceBearerToken",
    "sts:GetSessionToken",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
    "sts:AssumeRoot",
];

pub(super) fn check(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    for entry in &scope.entries {
        let is_trust = policy.kind == Kind::Trust;
        if has_form(entry.text, report) && !(is_trust && is_refused_in_trust(entry.text, report)) {
            match &entry.reached {
                Reached::UnknownService => unknown_service(entry.text, report),
                Reached::Actions(actions) if actions.is_empty() => unknown_action(entry.text, report),
                Reached::Actions(_) | Reached::AllServices => {}
            }
        }
    }
    let Some(list) = &statement.action else { return };
    if scope.negated && policy.kind == Kind::Trust {
        let message = "A trust policy names its actions in Action.";
        report.add(IssueCode::UnsupportedActionInPolicy, &list.place, message);
    }
    if scope.negated
        && statement.allows()
        && matches!(policy.kind, Kind::Identity | Kind::Session | Kind::Resource)
    {
        let kept: Vec<String> = scope
            .entries
            .iter()
            .map(|entry| entry.text.text.to_owned())
            .collect();
        let message = format!(
            "Every action of every service is allowed but {}.",
            enumerate(&kept)
        );
        report.add(IssueCode::AllowWithNotAction, &list.place, message);
    }
}

/// R18: the form IAM demands when a policy is written.
fn has_form(action: Text<'_>, report: &mut Report<'_>) -> bool {
    let text = action.text;
    let mut parts = text.split(':');
    let vendor = parts.next().unwrap_or_default();
    let message = match parts.count() {
        0 if vendor == "*" => return true,
        0 => format!("The action `{text}` names no service; write `service:{text}`."),
        1 if vendor == "*" || vendor.bytes().all(is_vendor_byte) => return true,
        1 => format!("`{vendor}` cannot be the name of a service."),
        _ => format!("The action `{text}` has more than one colon."),
    };
    report.add(IssueCode::InvalidActionFormat, &action.place, message);
    false
}

fn is_vendor_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')
}

fn is_refused_in_trust(action: Text<'_>, report: &mut Report<'_>) -> bool {
    let is_allowed = TRUST_ACTIONS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(action.text));
    if !is_allowed {
        let meant = near::nearest(action.text, TRUST_ACTIONS.into_iter());
        let hint = near::hint(meant);
        let message = format!("A trust policy may not hold `{}`{hint}", action.text);
        let details = report.add(IssueCode::UnsupportedActionInPolicy, &action.place, message);
        if let Some(meant) = meant {
            details.replace_string(meant);
        }
    }
    !is_allowed
}

fn unknown_service(action: Text<'_>, report: &mut Report<'_>) {
    let (prefix, name) = action.text.split_once(':').unwrap_or((action.text, ""));
    if reference::service(prefix).is_some() {
        let message = format!("`{}` names no action and matches nothing.", action.text);
        report.add(IssueCode::InvalidAction, &action.place, message);
        return;
    }
    let owners = reference::services().filter(|service| service.action(name).is_some());
    let by_action: Vec<&str> = owners.map(ServiceId::prefix).collect();
    let by_name = near::nearest(prefix, reference::services().map(ServiceId::prefix));
    let meant = by_name
        .filter(|service| by_action.is_empty() || by_action.contains(service))
        .or(match by_action.as_slice() {
            [only] => Some(*only),
            _ => None,
        });
    let meant = meant.map(|service| format!("{service}:{name}"));
    let hint = near::hint(meant.as_deref());
    let message = format!("There is no service `{prefix}`{hint}");
    let details = report.add(IssueCode::InvalidServiceInAction, &action.place, message);
    if let Some(meant) = meant {
        details.replace_string(&meant);
    }
}

fn unknown_action(action: Text<'_>, report: &mut Report<'_>) {
    let text = action.text;
    let (prefix, name) = text.split_once(':').unwrap_or_default();
    let Some(service) = reference::service(prefix) else {
        return;
    };
    // An operation newer than the reference may have an action of its name by now.
    if let Some(operation) = reference::operation_without_action(text) {
        let needed: Vec<String> = operation.actions().map(|action| action.to_string()).collect();
        if let [first, ..] = needed.as_slice() {
            let message = format!(
                "`{text}` is an operation, not an action; it needs {}.",
                enumerate(&needed)
            );
            report
                .add(IssueCode::InvalidAction, &action.place, message)
                .replace_string(first);
        }
        return;
    }
    if name.contains(['*', '?']) {
        let message = format!("No action of {} fits `{text}`.", service.title());
        report.add(IssueCode::InvalidAction, &action.place, message);
        return;
    }
    let meant = near::nearest(name, service.actions().map(|known| known.name()));
    let meant = meant.map(|meant| format!("{}:{meant}", service.prefix()));
    let hint = near::hint(meant.as_deref());
    let message = format!("{} has no action `{name}`{hint}", service.title());
    let details = report.add(IssueCode::InvalidAction, &action.place, message);
    if let Some(meant) = meant {
        details.replace_string(&meant);
    }
}
