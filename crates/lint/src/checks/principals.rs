//! Who is named, and whether that is everybody (R14, R61-R72).

use portcullis_policy::{Kind, PrincipalKind};
use portcullis_reference as reference;

use crate::IssueCode;
use crate::near;
use crate::policy::{Policy, PrincipalEntry, Principals, Statement, Text};
use crate::report::Report;

/// Conditions on these say who calls, from where or for whom.
const CALLER_KEYS: [&str; 22] = [
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:PrincipalIsAWSService",
    "aws:userid",
    "aws:username",
    "aws:SourceArn",
    "aws:SourceAccount",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceOwner",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:VpceAccount",
    "aws:VpceOrgID",
    "kms:CallerAccount",
    "lambda:FunctionUrlAuthType",
];

/// Conditions on these say for whom a service calls.
const SOURCE_KEYS: [&str; 6] = [
    "aws:SourceArn",
    "aws:SourceAccount",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceOwner",
    "kms:ViaService",
];

/// Services that say for whom they assume a role.
const SERVICES_THAT_NAME_THE_SOURCE: [&str; 9] = [
    "ecs-tasks.amazonaws.com",
    "bedrock.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "codebuild.amazonaws.com",
    "events.amazonaws.com",
    "firehose.amazonaws.com",
    "pipes.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
];

pub(super) fn check(policy: &Policy<'_>, statement: &Statement<'_>, report: &mut Report<'_>) {
    let Some(principals) = &statement.principal else {
        return;
    };
    let names_principals = matches!(
        policy.kind,
        Kind::Trust | Kind::Resource | Kind::ResourceControl | Kind::Endpoint
    );
    if !names_principals {
        return;
    }
    check_element(policy, statement, principals, report);
    for entry in &principals.entries {
        check_entry(entry, report);
    }
    if statement.allows() && !principals.negated {
        check_public(policy, statement, principals, report);
        check_services(policy, statement, principals, report);
    }
}

fn check_element(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    principals: &Principals<'_>,
    report: &mut Report<'_>,
) {
    let place = &principals.place;
    if principals.entries.is_empty() {
        report.add(IssueCode::MissingPrincipal, place, "The statement names nobody.");
    }
    if !principals.negated {
        return;
    }
    if policy.kind == Kind::Trust {
        let message = "A trust policy names who may assume the role in Principal.";
        report.add(IssueCode::RoleTrustPolicySyntaxErrorNotPrincipal, place, message);
    } else if statement.allows() {
        let message = "Everybody who is not listed here is allowed.";
        report.add(IssueCode::AllowWithNotPrincipal, place, message);
    } else {
        let message = "Everybody who is not listed exactly so is denied.";
        report.add(IssueCode::DenyWithNotPrincipal, place, message);
    }
}

fn check_entry(entry: &PrincipalEntry<'_>, report: &mut Report<'_>) {
    let name = entry.name.text;
    let has_wildcard = name.contains(['*', '?']);
    match entry.kind {
        PrincipalKind::Aws if name == "*" => {}
        _ if has_wildcard => {
            let message = format!("The principal `{name}` holds a wildcard.");
            report.add(
                IssueCode::UnsupportedWildcardInPrincipal,
                &entry.name.place,
                message,
            );
        }
        PrincipalKind::Aws => check_aws(entry.name, report),
        PrincipalKind::Service => check_service_name(entry.name, report),
        PrincipalKind::Federated | PrincipalKind::CanonicalUser => {
            if name.is_empty() {
                report.add(
                    IssueCode::InvalidPrincipalFormat,
                    &entry.name.place,
                    "The principal is empty.",
                );
            }
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// R63.
fn check_aws(name: Text<'_>, report: &mut Report<'_>) {
    let text = name.text;
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let is_arn = match fields.as_slice() {
        ["arn", _, "iam", "", account, part] => {
            is_account(account) && (*part == "root" || part.starts_with("user/") || part.starts_with("role/"))
        }
        ["arn", _, "sts", "", account, part] => {
            is_account(account) && (part.starts_with("assumed-role/") || part.starts_with("federated-user/"))
        }
        _ => false,
    };
    let is_unique_id = (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if is_unique_id && text.starts_with("AROA") {
        let message = format!("`{text}` is the unique id of a role.");
        report.add(IssueCode::InvalidRoleReference, &name.place, message);
    } else if is_unique_id && text.starts_with("AIDA") {
        let message = format!("`{text}` is the unique id of a user.");
        report.add(IssueCode::InvalidUserReference, &name.place, message);
    }
    if !(is_arn || is_account(text) || is_unique_id) {
        let hint = match fields.as_slice() {
            ["arn", _, "iam", "", _, part] if part.starts_with("group/") => ": groups are never principals",
            ["arn", _, "iam" | "sts", "", account, _] if !is_account(account) => {
                ": its account is not twelve digits"
            }
            _ => "",
        };
        let message = format!("`{text}` is no account, user, role or session{hint}.");
        report.add(IssueCode::InvalidPrincipalFormat, &name.place, message);
    }
}

fn check_service_name(name: Text<'_>, report: &mut Report<'_>) {
    if !name.text.contains('.') {
        let message = format!(
            "A service calls as a host name, such as `{}.amazonaws.com`.",
            name.text
        );
        report
            .add(IssueCode::InvalidServicePrincipalFormat, &name.place, message)
            .replace_string(&format!("{}.amazonaws.com", name.text));
        return;
    }
    check_known_service(name, report);
}

/// The list of service principals is not complete: only names that look like a slip are reported.
pub(super) fn check_known_service(name: Text<'_>, report: &mut Report<'_>) {
    let Some((service, suffix)) = name.text.split_once('.') else {
        return;
    };
    let is_known = reference::service_principal(name.text).is_some()
        || reference::service(service).is_some()
        || !suffix.starts_with("amazonaws.");
    if is_known {
        return;
    }
    let heads = reference::service_principals()
        .filter(|known| known.name.matches('.').count() == 2)
        .filter_map(|known| known.name.split_once('.').map(|(head, _)| head));
    if let Some(meant) = near::nearest(service, heads) {
        let meant = format!("{meant}.{suffix}");
        report
            .add(
                IssueCode::InvalidServicePrincipal,
                &name.place,
                format!("No service calls as `{}`; did you mean `{meant}`?", name.text),
            )
            .replace_string(&meant);
    }
}

fn check_public(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    principals: &Principals<'_>,
    report: &mut Report<'_>,
) {
    let everybody = principals
        .entries
        .iter()
        .find(|entry| entry.kind == PrincipalKind::Aws && entry.name.text == "*");
    let Some(entry) = everybody.filter(|_| matches!(policy.kind, Kind::Resource | Kind::Trust)) else {
        return;
    };
    let narrows = |key: &str| {
        statement
            .conditions_on(key)
            .any(|condition| !condition.operator.negated() && !condition.operator.if_exists())
    };
    let by_tag = statement
        .conditions
        .iter()
        .any(|condition| near::starts_with_ignoring_case(condition.key.text, "aws:PrincipalTag/"));
    if !by_tag && !CALLER_KEYS.iter().any(|key| narrows(key)) {
        let message = "Everybody is allowed, and no condition says who.";
        report.add(IssueCode::PublicAccess, &entry.name.place, message);
    }
}

/// Confused deputies: a service acts for whoever asks it to.
fn check_services(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    principals: &Principals<'_>,
    report: &mut Report<'_>,
) {
    if statement.mentions_any(&SOURCE_KEYS) {
        return;
    }
    for entry in principals
        .entries
        .iter()
        .filter(|entry| entry.kind == PrincipalKind::Service)
    {
        let name = entry.name.text;
        match policy.kind {
            Kind::Resource => {
                let message = format!("`{name}` is allowed for whichever customer it acts.");
                report.add(
                    IssueCode::RestrictAccessToServicePrincipal,
                    &entry.name.place,
                    message,
                );
            }
            Kind::Trust if SERVICES_THAT_NAME_THE_SOURCE.contains(&name) => {
                let message = format!(
                    "`{name}` may assume the role for any resource; aws:SourceAccount or aws:SourceArn says for which."
                );
                report.add(
                    IssueCode::RecommendedConditionKeyForServicePrincipal,
                    &entry.name.place,
                    message,
                );
            }
            _ => {}
        }
    }
}
