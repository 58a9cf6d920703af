//! Whom a trust policy names, and by which action they may come (R24, R62, R67, R70).

use portcullis_policy::{Kind, PrincipalKind};

use super::{enumerate, federation};
use crate::IssueCode;
use crate::policy::{Policy, PrincipalEntry, Principals, Statement, Text};
use crate::report::Report;

const ROLES_ANYWHERE: &str = "rolesanywhere.amazonaws.com";

/// What Roles Anywhere does with a role.
const ROLES_ANYWHERE_ACTIONS: [&str; 3] = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"];

pub(super) fn check(policy: &Policy<'_>, statement: &Statement<'_>, report: &mut Report<'_>) {
    if policy.kind != Kind::Trust {
        return;
    }
    let Some(principals) = statement
        .principal
        .as_ref()
        .filter(|principals| !principals.negated)
    else {
        return;
    };
    check_bare_star(principals, report);
    for entry in &principals.entries {
        check_provider_form(entry, report);
        check_session(entry, principals, report);
    }
    check_actions(statement, principals, report);
    if statement.allows() {
        check_roles_anywhere(policy, statement, principals, report);
    }
}

fn check_bare_star(principals: &Principals<'_>, report: &mut Report<'_>) {
    let is_bare = |entry: &PrincipalEntry<'_>| entry.name.place.span == principals.place.span;
    if principals.entries.iter().any(is_bare) {
        let message = "IAM refuses `\"Principal\": \"*\"` in a trust policy.";
        report.add(
            IssueCode::RoleTrustPolicyUnsupportedWildcard,
            &principals.place,
            message,
        );
    }
}

/// A provider is an ARN, or the domain of one that AWS knows by itself.
fn check_provider_form(entry: &PrincipalEntry<'_>, report: &mut Report<'_>) {
    let name = entry.name.text;
    if entry.kind != PrincipalKind::Federated || name.contains(['*', '?']) || name.is_empty() {
        return;
    }
    let fields: Vec<&str> = name.splitn(6, ':').collect();
    let is_provider = match fields.as_slice() {
        ["arn", _, "iam", "", _, part] => {
            part.starts_with("oidc-provider/") || part.starts_with("saml-provider/")
        }
        [domain] => {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
            domain.contains('.') && domain.bytes().all(is_letter)
        }
        _ => false,
    };
    if !is_provider {
        let message = format!("`{name}` is neither the ARN of a provider nor a domain name.");
        report.add(
            IssueCode::InvalidFederatedPrincipalSyntax,
            &entry.name.place,
            message,
        );
    }
}

/// R67: a role stands for all its sessions.
fn check_session(entry: &PrincipalEntry<'_>, principals: &Principals<'_>, report: &mut Report<'_>) {
    let Some((account, role)) = role_of_session(entry.name.text) else {
        return;
    };
    let parent = principals
        .entries
        .iter()
        .find(|other| role_name(other.name.text) == Some((account, role)));
    if let Some(parent) = parent {
        let message = format!("Every session of `{role}` is named already.");
        report
            .add(
                IssueCode::RedundantPrincipalInTrustPolicy,
                &entry.name.place,
                message,
            )
            .related(&parent.name.place, "the role stands for its sessions");
    }
}

/// Account and role of `arn:P:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
fn role_of_session(arn: &str) -> Option<(&str, &str)> {
    let (account, part) = arn_of(arn, "sts")?;
    let (role, _) = part.strip_prefix("assumed-role/")?.split_once('/')?;
    Some((account, role))
}

/// Account and name of `arn:P:iam::ACCOUNT:role/PATH/ROLE`; sessions carry no path (R68).
fn role_name(arn: &str) -> Option<(&str, &str)> {
    let (account, part) = arn_of(arn, "iam")?;
    Some((account, part.strip_prefix("role/")?.rsplit('/').next()?))
}

fn arn_of<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let mut fields = arn.splitn(6, ':').skip(2);
    let is_it = fields.next()? == service && fields.next()?.is_empty();
    Some((fields.next()?, fields.next()?)).filter(|_| is_it)
}

/// How somebody may come who is named so.
fn comes_by(entry: &PrincipalEntry<'_>, action: &str) -> bool {
    if entry.kind == PrincipalKind::Aws && entry.name.text == "*" {
        return true;
    }
    match action {
        "sts:assumerolewithsaml" => entry.name.text.contains(":saml-provider/"),
        "sts:assumerolewithwebidentity" => federation::provider(entry).is_some(),
        "sts:assumerole" => matches!(entry.kind, PrincipalKind::Aws | PrincipalKind::Service),
        _ => true,
    }
}

fn check_actions(statement: &Statement<'_>, principals: &Principals<'_>, report: &mut Report<'_>) {
    let list = statement.action.as_ref().filter(|list| !list.negated);
    for item in list.into_iter().flat_map(|list| &list.items) {
        let action = item.text.to_ascii_lowercase();
        let is_reached = principals.entries.iter().any(|entry| comes_by(entry, &action));
        if let (Some(first), false) = (principals.entries.first(), is_reached) {
            let message = format!(
                "Nobody who is named here comes by `{}`{}.",
                item.text,
                instead(first)
            );
            report
                .add(IssueCode::MismatchedActionForPrincipal, &item.place, message)
                .related(&first.name.place, "this is who may come");
        }
    }
}

fn instead(entry: &PrincipalEntry<'_>) -> &'static str {
    match entry.kind {
        PrincipalKind::Federated if entry.name.text.contains(":saml-provider/") => {
            ": a SAML provider's users come by sts:AssumeRoleWithSAML"
        }
        PrincipalKind::Federated => {
            ": an OpenID Connect provider's users come by sts:AssumeRoleWithWebIdentity"
        }
        _ => ": accounts, users, roles and services come by sts:AssumeRole",
    }
}

fn names_roles_anywhere<'p, 's>(principals: &'p Principals<'s>) -> Option<&'p PrincipalEntry<'s>> {
    let is_it = |entry: &&PrincipalEntry<'_>| {
        entry.kind == PrincipalKind::Service && entry.name.text.eq_ignore_ascii_case(ROLES_ANYWHERE)
    };
    principals.entries.iter().find(is_it)
}

/// Said once, of the first statement that names the service: its actions may be spread over several.
fn check_roles_anywhere(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    principals: &Principals<'_>,
    report: &mut Report<'_>,
) {
    let all: Vec<&Statement<'_>> = policy
        .statements
        .iter()
        .filter(|other| {
            let named = other.principal.as_ref().filter(|principals| !principals.negated);
            other.allows() && named.is_some_and(|named| names_roles_anywhere(named).is_some())
        })
        .collect();
    let is_first = all.first().is_some_and(|first| std::ptr::eq(*first, statement));
    let Some(entry) = names_roles_anywhere(principals).filter(|_| is_first) else {
        return;
    };
    let is_allowed = |action: &str| {
        let lists = all.iter().filter_map(|statement| statement.action.as_ref());
        lists
            .flat_map(|list| &list.items)
            .any(|item: &Text<'_>| item.text.eq_ignore_ascii_case(action))
    };
    let lacking: Vec<String> = ROLES_ANYWHERE_ACTIONS
        .iter()
        .filter(|action| !is_allowed(action))
        .map(|action| (*action).to_owned())
        .collect();
    if !lacking.is_empty() {
        let message = format!("Roles Anywhere also needs {}.", enumerate(&lacking));
        report.add(
            IssueCode::MissingActionForRolesAnywhere,
            &entry.name.place,
            message,
        );
    }
}
