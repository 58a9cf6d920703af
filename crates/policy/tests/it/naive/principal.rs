//! Principal and NotPrincipal (R61-R72).

use std::borrow::Cow;

use portcullis_policy::{Effect, Kind, Principal};
use serde_json::Value as Json;

use super::statement::{Place, list};
use super::text;

/// How a statement names a caller, from the weakest to the strongest (R67, R118).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// By its account (R64).
    Account,
    /// By the role of a session, or by the user behind a federated user.
    Behind,
    /// By itself, or as one of everyone.
    Itself,
}

/// How the statement names the caller; nothing when it does not.
pub fn naming(statement: &Json, place: Place, caller: &Principal) -> Option<Naming> {
    let names_nobody = matches!(
        place.kind,
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl
    );
    if names_nobody {
        return Some(Naming::Itself);
    }
    if let Some(element) = statement.get("Principal") {
        return entries(element)
            .iter()
            .filter_map(|(kind, value)| matches(kind, value, caller))
            .max();
    }
    // R72.
    let listed = entries(statement.get("NotPrincipal")?);
    let denies = statement["Effect"] == Effect::Deny.to_string().as_str();
    // R71.
    let hit = !is_excepted(&listed, caller) || (denies && place.caller_is_bounded);
    hit.then_some(Naming::Itself)
}

/// The principals an element lists, each with the key it stands under (R61). `"*"` is `{"AWS": "*"}` (R62).
fn entries(element: &Json) -> Vec<(&str, Cow<'_, str>)> {
    match element {
        Json::Object(map) => map
            .iter()
            .flat_map(|(kind, values)| list(values).into_iter().map(move |value| (kind.as_str(), value)))
            .collect(),
        everyone => list(everyone).into_iter().map(|value| ("AWS", value)).collect(),
    }
}

fn matches(kind: &str, value: &str, caller: &Principal) -> Option<Naming> {
    let when = |yes: bool, naming| yes.then_some(naming);
    match (kind, caller) {
        ("AWS", _) if value == "*" => Some(Naming::Itself),
        ("Service", Principal::Service(name)) => when(value == name, Naming::Itself),
        ("Federated", Principal::Federated { provider }) => when(value == provider, Naming::Itself),
        ("AWS", _) => {
            let itself = when(is_itself(value, caller), Naming::Itself);
            let behind = when(is_behind(value, caller), Naming::Behind);
            itself
                .or(behind)
                .or(when(is_account(value, caller), Naming::Account))
        }
        _ => None,
    }
}

/// The user, the session (its role without case, R68), the federated user; of users the unique id too (R63).
fn is_itself(value: &str, caller: &Principal) -> bool {
    match caller {
        Principal::User { arn, id, .. } => value == arn.as_str() || value == id,
        Principal::RoleSession { session_arn, .. } => same_session(value, session_arn.as_str()),
        Principal::FederatedUser { arn, .. } => value == arn.as_str(),
        _ => false,
    }
}

/// `PREFIX:assumed-role/ROLE/SESSION`.
fn same_session(value: &str, arn: &str) -> bool {
    let parts = |text: &str| -> Option<(String, String, String)> {
        let (rest, session) = text.rsplit_once('/')?;
        let (prefix, role) = rest.rsplit_once('/')?;
        Some((prefix.to_owned(), role.to_owned(), session.to_owned()))
    };
    match (parts(value), parts(arn)) {
        (Some((prefix, role, session)), Some((asked_prefix, asked_role, asked_session))) => {
            prefix == asked_prefix && text::same(&role, &asked_role) && session == asked_session
        }
        _ => false,
    }
}

fn is_behind(value: &str, caller: &Principal) -> bool {
    match caller {
        Principal::RoleSession {
            role_arn, role_id, ..
        } => value == role_id || same_role(value, role_arn.as_str()),
        Principal::FederatedUser {
            user_arn, user_id, ..
        } => value == user_id || value == user_arn.as_str(),
        _ => false,
    }
}

/// `PREFIX:role/PATH/NAME`, the name without case (R68).
fn same_role(value: &str, arn: &str) -> bool {
    match (value.rsplit_once('/'), arn.rsplit_once('/')) {
        (Some((path, name)), Some((asked_path, asked_name))) => {
            path == asked_path && text::same(name, asked_name)
        }
        _ => false,
    }
}

/// The twelve digits, or `arn:P:iam::ACCOUNT:root` (R63).
fn is_account(value: &str, caller: &Principal) -> bool {
    let Some(account) = caller.account() else {
        return false;
    };
    let fields: Vec<&str> = value.split(':').collect();
    let named = match fields.as_slice() {
        ["arn", _, "iam", "", account, "root"] => account,
        _ => value,
    };
    named == account.to_string()
}

/// Whether NotPrincipal leaves the caller out (R71). Of a session, whoever is behind it and the account must be listed.
fn is_excepted(listed: &[(&str, Cow<'_, str>)], caller: &Principal) -> bool {
    let has = |naming: Naming| {
        listed
            .iter()
            .any(|(kind, value)| matches(kind, value, caller) == Some(naming))
    };
    let everyone = listed.iter().any(|(kind, value)| *kind == "AWS" && value == "*");
    match caller {
        _ if everyone => true,
        Principal::Root { .. } => has(Naming::Account),
        Principal::RoleSession { .. } | Principal::FederatedUser { .. } => {
            has(Naming::Behind) && has(Naming::Account)
        }
        _ => has(Naming::Itself),
    }
}
