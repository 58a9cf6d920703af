//! The Principal element (R61-R72).

use crate::document::{PrincipalElement, PrincipalEntry, PrincipalKind};
use crate::{Effect, Principal, open_points, text};

/// How closely a statement names the caller; what an Allow in a resource policy overrides depends on it
/// (R67, R118). Ordered from none to closest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// Not named.
    None,
    /// Its account is named: delegation to that account's identity policies (R64).
    Account,
    /// The role of its session, or the IAM user of a federated session, is named.
    Entity,
    /// It is named itself, or everybody is.
    Direct,
}

/// How closely the element names the caller. `has_boundary` says whether the caller has a permissions
/// boundary (R71).
pub(crate) fn names(
    element: &PrincipalElement,
    caller: &Principal,
    effect: Effect,
    has_boundary: bool,
) -> Naming {
    if !element.negated {
        return element
            .entries
            .iter()
            .map(|entry| entry_names(entry, caller))
            .max()
            .unwrap_or(Naming::None);
    }
    let always_hits =
        effect == Effect::Deny && has_boundary && open_points::r71_not_principal_deny_hits_bounded_callers();
    if always_hits || !is_excepted(&element.entries, caller) {
        Naming::Direct
    } else {
        Naming::None
    }
}

/// Whether NotPrincipal lists the caller: a session only if whoever is behind it and the account are both listed; the
/// account alone excepts nobody but its root user (R71).
fn is_excepted(entries: &[PrincipalEntry], caller: &Principal) -> bool {
    let lists = |naming: Naming| entries.iter().any(|entry| entry_names(entry, caller) == naming);
    match caller {
        Principal::Root { .. } => lists(Naming::Account) || lists(Naming::Direct),
        Principal::RoleSession { .. } | Principal::FederatedUser { .. } if everyone_is_listed(entries) => {
            true
        }
        Principal::RoleSession { .. } => lists(Naming::Entity) && lists(Naming::Account),
        Principal::FederatedUser { .. } => {
            open_points::r71_federated_user_is_excepted(lists(Naming::Entity), lists(Naming::Account))
        }
        Principal::User { .. }
        | Principal::Federated { .. }
        | Principal::Service(_)
        | Principal::Anonymous => lists(Naming::Direct),
    }
}

fn everyone_is_listed(entries: &[PrincipalEntry]) -> bool {
    entries
        .iter()
        .any(|entry| entry.kind == PrincipalKind::Aws && entry.value == "*")
}

fn entry_names(entry: &PrincipalEntry, caller: &Principal) -> Naming {
    let direct = |named: bool| if named { Naming::Direct } else { Naming::None };
    match (entry.kind, caller) {
        (PrincipalKind::Aws, _) if entry.value == "*" => Naming::Direct,
        (PrincipalKind::Aws, caller) => aws_names(&entry.value, caller),
        (PrincipalKind::Service, Principal::Service(name)) => direct(entry.value == *name),
        (PrincipalKind::Federated, Principal::Federated { provider }) => direct(entry.value == *provider),
        (PrincipalKind::Service | PrincipalKind::Federated | PrincipalKind::CanonicalUser, _) => Naming::None,
    }
}

fn aws_names(value: &str, caller: &Principal) -> Naming {
    let by_account = match (account_of(value), caller.account()) {
        (Some(named), Some(own)) if named == own.as_str() => Naming::Account,
        _ => Naming::None,
    };
    let itself = match caller {
        Principal::User { arn, id, .. } if value == arn.as_str() || value == id => Naming::Direct,
        Principal::RoleSession { session_arn, .. } if same_session(value, session_arn.as_str()) => {
            Naming::Direct
        }
        // R68: role names compare without case.
        Principal::RoleSession {
            role_arn, role_id, ..
        } if text::same(value, role_arn.as_str()) || value == role_id => Naming::Entity,
        Principal::FederatedUser { arn, .. } if value == arn.as_str() => Naming::Direct,
        Principal::FederatedUser {
            user_arn, user_id, ..
        } if value == user_arn.as_str() || value == user_id => Naming::Entity,
        _ => Naming::None,
    };
    itself.max(by_account)
}

/// The account a principal value stands for: twelve digits or `arn:P:iam::ACCOUNT:root` (R63).
fn account_of(value: &str) -> Option<&str> {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if is_account(value) {
        return Some(value);
    }
    let (prefix, account) = value.strip_suffix(":root")?.rsplit_once(':')?;
    let (_, service) = prefix.strip_prefix("arn:")?.split_once(':')?;
    (service == "iam:" && is_account(account)).then_some(account)
}

/// Session ARNs: the role's name without case, the session's with case (R68).
fn same_session(value: &str, session_arn: &str) -> bool {
    match (value.rsplit_once('/'), session_arn.rsplit_once('/')) {
        (Some((role, session)), Some((own_role, own_session))) => {
            session == own_session && text::same(role, own_role)
        }
        _ => false,
    }
}
