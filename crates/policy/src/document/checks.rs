//! What IAM checks before it stores a document, in its order (R17).

use std::collections::HashSet;

use crate::document::parse::{Draft, DraftStatement};
use crate::document::{Kind, Malformed, PrincipalEntry, PrincipalKind, Statement, Version, resource_format};
use crate::matching::date::Instant;
use crate::matching::operator::Test;
use crate::open_points;

/// The actions a trust policy may hold (R24), in lower case.
const TRUST_ACTIONS: [&str; 13] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:decodeauthorizationmessage",
    "sts:getaccesskeyinfo",
    "sts:getcalleridentity",
    "sts:getfederationtoken",
    "sts:getservicebearertoken",
    "sts:getsessiontoken",
    "sts:setcontext",
    "sts:setsourceidentity",
    "sts:tagsession",
    "sts:assumeroot",
];

type Checked = Result<(), Malformed>;

/// Every check, the first failure only.
pub(super) fn check(draft: &Draft, kind: Kind) -> Checked {
    let statements = || draft.statements.iter().map(|draft| &draft.statement);
    if open_points::r5_requires_version_2012(kind) && draft.version != Some(Version::V2012) {
        return Err(Malformed::Version);
    }
    if statements().any(|statement| open_points::r32_is_refused(kind, statement)) {
        return Err(Malformed::Syntax);
    }
    statements().try_for_each(|statement| check_principal(statement, kind))?;
    draft.statements.iter().try_for_each(check_legacy)?;
    let resource_error = if kind == Kind::Resource {
        None
    } else {
        check_resources(draft)?
    };
    check_sids(draft, kind)?;
    if statements().any(|statement| statement.action.patterns.is_empty()) {
        return Err(Malformed::NoActions);
    }
    resource_error.map_or(Ok(()), Err)?;
    let mut actions = statements().flat_map(|statement| &statement.action.patterns);
    actions.try_for_each(|pattern| check_action(&pattern.text))?;
    match kind {
        Kind::Trust => statements().try_for_each(check_trust),
        Kind::Resource | Kind::Endpoint => Ok(()),
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl | Kind::ResourceControl => {
            statements().try_for_each(check_has_resources)
        }
    }
}

/// R14, and the forms of R62 and R63.
fn check_principal(statement: &Statement, kind: Kind) -> Checked {
    match (&statement.principal, kind.names_principals()) {
        (None, false) => Ok(()),
        (Some(_), false) => Err(open_points::r14_error()),
        (None, true) => Err(Malformed::PrincipalMissing),
        (Some(element), true) if element.negated && kind == Kind::Trust => Err(Malformed::NotPrincipal),
        (Some(element), true) if element.entries.is_empty() => Err(Malformed::PrincipalEmpty),
        (Some(element), true) => element.entries.iter().try_for_each(check_entry),
    }
}

fn check_entry(entry: &PrincipalEntry) -> Checked {
    let value = entry.value.as_str();
    let (kind, valid) = match entry.kind {
        PrincipalKind::Aws => ("AWS", value == "*" || is_aws_principal(value)),
        PrincipalKind::Service => ("SERVICE", value.contains('.') && !has_wildcard(value)),
        PrincipalKind::Federated => ("FEDERATED", !value.is_empty() && !has_wildcard(value)),
        PrincipalKind::CanonicalUser => ("CANONICALUSER", !value.is_empty() && !has_wildcard(value)),
    };
    if valid {
        Ok(())
    } else {
        Err(Malformed::InvalidPrincipal {
            kind,
            value: entry.value.clone(),
        })
    }
}

fn has_wildcard(value: &str) -> bool {
    value.contains(['*', '?'])
}

/// An account, an IAM or STS ARN, or a unique id (R63).
fn is_aws_principal(value: &str) -> bool {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_unique_id = |text: &str| {
        (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let fields: Vec<&str> = value.splitn(6, ':').collect();
    let is_arn = match fields.as_slice() {
        ["arn", _, "iam", "", account, part] => {
            is_account(account) && (*part == "root" || part.starts_with("user/") || part.starts_with("role/"))
        }
        ["arn", _, "sts", "", account, part] => {
            is_account(account) && (part.starts_with("assumed-role/") || part.starts_with("federated-user/"))
        }
        _ => false,
    };
    !has_wildcard(value) && (is_arn || is_account(value) || is_unique_id(value))
}

/// R10, R23.
fn check_legacy(draft: &DraftStatement) -> Checked {
    let is_date = |test: Test| matches!(test, Test::Date(_));
    let dates = draft
        .statement
        .conditions
        .iter()
        .filter(|condition| is_date(condition.operator.test()));
    let all_dates_are_valid = dates
        .flat_map(|condition| &condition.values)
        .all(|value| Instant::parse(&value.text).is_some());
    if draft.effect_is_exact && all_dates_are_valid {
        Ok(())
    } else {
        Err(Malformed::Legacy)
    }
}

/// The first format error, to be reported later; a misshapen resource before it fails at once (R17, R20).
/// Within a statement the resource that sorts first is reported (R19).
fn check_resources(draft: &Draft) -> Result<Option<Malformed>, Malformed> {
    for draft in &draft.statements {
        let patterns = draft.statement.resource.iter().flat_map(|list| &list.patterns);
        let mut resources: Vec<&str> = patterns.map(|pattern| pattern.text.as_str()).collect();
        resources.sort_unstable();
        let first_error = resources
            .iter()
            .find_map(|resource| resource_format::check_format(resource).err());
        if first_error.is_some() {
            return Ok(first_error);
        }
        if !resources
            .iter()
            .all(|resource| resource_format::passes_legacy_parsing(resource))
        {
            return Err(Malformed::Legacy);
        }
    }
    Ok(None)
}

/// R11. Other services' resource policies may use any characters.
fn check_sids(draft: &Draft, kind: Kind) -> Checked {
    let mut seen = HashSet::new();
    let sids = draft
        .statements
        .iter()
        .filter_map(|draft| draft.statement.sid.as_deref());
    for sid in sids.filter(|sid| !sid.is_empty()) {
        if kind != Kind::Resource && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Malformed::SidCharacters);
        }
        if !seen.insert(open_points::r11_unique_part(sid)) {
            return Err(Malformed::SidNotUnique);
        }
    }
    Ok(())
}

/// R18.
fn check_action(action: &str) -> Checked {
    let mut parts = action.split(':');
    let vendor = parts.next().unwrap_or_default();
    match parts.count() {
        0 if vendor != "*" => Err(Malformed::ActionWithoutVendor),
        0 | 1 => {
            let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
            let is_valid = vendor == "*" || vendor.bytes().all(valid);
            if is_valid {
                Ok(())
            } else {
                Err(Malformed::Vendor(vendor.to_owned()))
            }
        }
        _ => Err(Malformed::ActionColons),
    }
}

/// R13.
fn check_has_resources(statement: &Statement) -> Checked {
    match &statement.resource {
        Some(list) if !list.patterns.is_empty() => Ok(()),
        _ => Err(Malformed::NoResources),
    }
}

/// R13, R24.
fn check_trust(statement: &Statement) -> Checked {
    let is_allowed = |action: &str| {
        TRUST_ACTIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(action))
            || (open_points::r24_trust_policy_may_use_wildcards() && action.eq_ignore_ascii_case("sts:*"))
    };
    if statement.action.negated
        || !statement
            .action
            .patterns
            .iter()
            .all(|pattern| is_allowed(&pattern.text))
    {
        return Err(Malformed::TrustAction);
    }
    if statement.resource.is_some() {
        Err(Malformed::TrustResource)
    } else {
        Ok(())
    }
}
