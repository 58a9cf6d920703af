//! Service and resource control policies (R32).

use portcullis_policy::{Kind, PrincipalKind};

use super::enumerate;
use crate::IssueCode;
use crate::place::Place;
use crate::policy::{List, Policy, Statement};
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) {
    match policy.kind {
        Kind::ServiceControl => check_service_control(statement, scope, report),
        Kind::ResourceControl => check_resource_control(statement, scope, report),
        _ => {}
    }
}

fn check_service_control(statement: &Statement<'_>, scope: &Scope<'_>, report: &mut Report<'_>) {
    let mut old = |place: &Place<'_>, what: &str| {
        report.add(
            IssueCode::ScpNeedsFullLanguage,
            place,
            format!("{what} was long refused in service control policies."),
        );
    };
    for entry in &scope.entries {
        let text = entry.text.text;
        if text.trim_end_matches('*').contains('*') || text.contains('?') {
            old(
                &entry.text.place,
                "A wildcard that is not at the end of an action",
            );
        }
    }
    if let Some(list) = statement.resource.as_ref().filter(|list| list.negated) {
        old(&list.place, "NotResource");
    }
    if !statement.allows() {
        return;
    }
    if let Some(list) = statement.action.as_ref().filter(|list| list.negated) {
        old(&list.place, "NotAction with Allow");
    }
    if let Some(list) = statement
        .resource
        .as_ref()
        .filter(|list| !list.negated && !list.has_star())
    {
        old(&list.place, "A resource with Allow");
    }
    if let Some(condition) = statement.conditions.first() {
        old(&condition.operator_place, "A condition with Allow");
    }
}

fn check_resource_control(statement: &Statement<'_>, scope: &Scope<'_>, report: &mut Report<'_>) {
    if statement.allows() && !is_full_access(statement) {
        report.add(
            IssueCode::RcpSyntaxErrorAllow,
            &statement.place,
            "A resource control policy only denies.",
        );
    }
    if let Some(list) = statement.action.as_ref().filter(|list| list.negated) {
        report.add(
            IssueCode::RcpSyntaxErrorNotAction,
            &list.place,
            "A resource control policy takes no NotAction.",
        );
    }
    if let Some(principals) = &statement.principal {
        let is_everybody = |kind: PrincipalKind, name: &str| kind == PrincipalKind::Aws && name == "*";
        let all = principals
            .entries
            .iter()
            .all(|entry| is_everybody(entry.kind, entry.name.text));
        if principals.negated || !all {
            let message = "The principal of a resource control policy is `*`.";
            report.add(IssueCode::RcpPrincipal, &principals.place, message);
        }
    }
    let beyond: Vec<String> = scope
        .services()
        .into_iter()
        .filter(|service| !service.supports_rcp())
        .map(|service| service.prefix().to_owned())
        .collect();
    if let (Some(list), false) = (&statement.action, beyond.is_empty()) {
        let message = format!("Resource control policies do not reach {}.", enumerate(&beyond));
        report.add(IssueCode::RcpServiceNotCovered, &list.place, message);
    }
}

/// The one statement of RCPFullAWSAccess, which AWS attaches everywhere.
fn is_full_access(statement: &Statement<'_>) -> bool {
    let is_star =
        |list: &Option<List<'_>>| list.as_ref().is_some_and(|list| !list.negated && list.has_star());
    is_star(&statement.action) && is_star(&statement.resource) && statement.conditions.is_empty()
}
