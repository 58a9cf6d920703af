//! Callers, sorted into classes that the policies cannot tell apart.

use std::collections::BTreeSet;

use portcullis_core::{AccountId, Arn};
use portcullis_policy::{Principal, PrincipalKind, Statement, elements};

/// A caller that stands for all whom the same statements name.
#[derive(Debug, Clone)]
pub(crate) struct PrincipalClass {
    pub(crate) principal: Principal,
    /// Whether some statement names it in person, so that its own keys are known.
    pub(crate) in_person: bool,
    /// Which statements name it.
    pub(crate) statements: Vec<bool>,
}

/// The accounts to take strangers from.
const STRANGE_ACCOUNTS: [&str; 4] = ["999988887777", "888877776666", "777766665555", "666655554444"];

/// The accounts to take the resource's owner from: a caller of that account would need no grant of the policy (R123).
const RESOURCE_ACCOUNTS: [&str; 4] = ["555544443333", "444433332222", "333322221111", "222211110000"];

/// A caller of policies that name nobody.
pub(crate) fn anybody(statements: usize) -> Option<PrincipalClass> {
    Some(PrincipalClass {
        principal: user("arn:aws:iam::123456789012:user/someone")?,
        in_person: false,
        statements: vec![true; statements],
    })
}

/// Callers for policies that name principals: one for every set of statements that can name it.
pub(crate) fn classes(statements: &[&Statement], strangers_only: bool) -> Vec<PrincipalClass> {
    let mut candidates: Vec<(Principal, bool)> = strangers(statements)
        .into_iter()
        .map(|one| (one, false))
        .collect();
    if !strangers_only {
        candidates.splice(0..0, named(statements));
    }
    let mut seen: BTreeSet<(Vec<bool>, Vec<bool>)> = BTreeSet::new();
    let mut classes = Vec::new();
    for (principal, in_person) in candidates {
        let class = class_of(principal, statements);
        let kind = vec![
            class.principal.account().is_some(),
            class.principal == Principal::Anonymous,
        ];
        if in_person || seen.insert((class.statements.clone(), kind)) {
            classes.push(PrincipalClass { in_person, ..class });
        }
    }
    classes
}

/// An account that no statement names, and no stranger is of.
pub(crate) fn resource_account(statements: &[&Statement]) -> Option<AccountId> {
    unnamed(statements, &RESOURCE_ACCOUNTS)
}

/// An account that no statement names.
pub(crate) fn strange_account(statements: &[&Statement]) -> Option<AccountId> {
    unnamed(statements, &STRANGE_ACCOUNTS)
}

fn unnamed(statements: &[&Statement], accounts: &[&str]) -> Option<AccountId> {
    let texts = || {
        let entries = statements
            .iter()
            .filter_map(|statement| statement.principal.as_ref());
        let named = entries.flat_map(|element| &element.entries);
        let conditions = statements.iter().flat_map(|statement| &statement.conditions);
        let compared = conditions.flat_map(|condition| &condition.values);
        let named = named.map(|entry| entry.value.as_str());
        named.chain(compared.map(|value| value.text.as_str()))
    };
    let is_strange = |account: &&&str| !texts().any(|text| text.contains(**account));
    accounts
        .iter()
        .find(is_strange)
        .and_then(|account| account.parse().ok())
}

fn strangers(statements: &[&Statement]) -> Vec<Principal> {
    let mut strangers = vec![Principal::Anonymous];
    if let Some(account) = strange_account(statements) {
        strangers.extend(user(&format!("arn:aws:iam::{account}:user/stranger")));
        strangers.extend(session(&format!(
            "arn:aws:sts::{account}:assumed-role/strange/session"
        )));
    }
    strangers.push(Principal::Service("strange.amazonaws.com".to_owned()));
    strangers.push(Principal::Federated {
        provider: "strange.example.com".to_owned(),
    });
    strangers
}

/// Everybody whom an entry names, and somebody else of the same account.
fn named(statements: &[&Statement]) -> Vec<(Principal, bool)> {
    let mut found = Vec::new();
    let elements = statements
        .iter()
        .filter_map(|statement| statement.principal.as_ref());
    for entry in elements.flat_map(|element| &element.entries) {
        match entry.kind {
            PrincipalKind::Aws => found.extend(of_aws(&entry.value)),
            PrincipalKind::Service => found.push((Principal::Service(entry.value.clone()), true)),
            PrincipalKind::Federated => found.push((
                Principal::Federated {
                    provider: entry.value.clone(),
                },
                true,
            )),
            PrincipalKind::CanonicalUser => {}
        }
    }
    found
}

fn of_aws(value: &str) -> Vec<(Principal, bool)> {
    if value == "*" {
        return Vec::new();
    }
    let arn: Option<Arn> = value.parse().ok();
    let account = match &arn {
        Some(arn) => arn.account(),
        None => value,
    };
    let itself = if value.contains(":user/") {
        user(value)
    } else if value.contains(":role/") {
        role(value)
    } else if value.contains(":assumed-role/") {
        session(value)
    } else if value.contains(":federated-user/") {
        federated_user(value)
    } else {
        by_id(value)
    };
    let mut found: Vec<(Principal, bool)> = itself.into_iter().map(|one| (one, true)).collect();
    if let Ok(account) = account.parse::<AccountId>() {
        found.extend(user(&format!("arn:aws:iam::{account}:user/someone-else")).map(|one| (one, false)));
        found.extend(
            session(&format!("arn:aws:sts::{account}:assumed-role/another/session")).map(|one| (one, false)),
        );
        found.extend(
            federated_user(&format!("arn:aws:sts::{account}:federated-user/somebody"))
                .map(|one| (one, false)),
        );
        found.push((Principal::Root { account }, false));
    }
    found
}

pub(crate) fn user(arn: &str) -> Option<Principal> {
    let arn: Arn = arn.parse().ok()?;
    Some(Principal::User {
        account: arn.account().parse().ok()?,
        id: "AIDAEXAMPLEEXAMPLE000".to_owned(),
        arn,
    })
}

fn role(arn: &str) -> Option<Principal> {
    let role_arn: Arn = arn.parse().ok()?;
    let name = role_arn.resource().rsplit('/').next()?;
    let account = role_arn.account();
    Some(Principal::RoleSession {
        session_arn: format!("arn:aws:sts::{account}:assumed-role/{name}/session")
            .parse()
            .ok()?,
        role_id: "AROAEXAMPLEEXAMPLE000".to_owned(),
        account: account.parse().ok()?,
        role_arn: role_arn.clone(),
    })
}

fn session(arn: &str) -> Option<Principal> {
    let session_arn: Arn = arn.parse().ok()?;
    let name = session_arn.resource().split('/').nth(1)?;
    let account = session_arn.account();
    Some(Principal::RoleSession {
        role_arn: format!("arn:aws:iam::{account}:role/{name}").parse().ok()?,
        role_id: "AROAEXAMPLEEXAMPLE000".to_owned(),
        account: account.parse().ok()?,
        session_arn: session_arn.clone(),
    })
}

fn federated_user(arn: &str) -> Option<Principal> {
    let arn: Arn = arn.parse().ok()?;
    Some(Principal::FederatedUser {
        user_arn: format!("arn:aws:iam::{}:user/federator", arn.account())
            .parse()
            .ok()?,
        user_id: "AIDAEXAMPLEEXAMPLE000".to_owned(),
        account: arn.account().parse().ok()?,
        arn,
    })
}

/// Whoever has a unique id (R65).
fn by_id(value: &str) -> Option<Principal> {
    if value.starts_with("AROA") {
        match session("arn:aws:sts::123456789012:assumed-role/deleted/session")? {
            Principal::RoleSession {
                session_arn,
                role_arn,
                account,
                ..
            } => Some(Principal::RoleSession {
                session_arn,
                role_arn,
                account,
                role_id: value.to_owned(),
            }),
            _ => None,
        }
    } else if value.starts_with("AIDA") {
        match user("arn:aws:iam::123456789012:user/deleted")? {
            Principal::User { arn, account, .. } => Some(Principal::User {
                arn,
                account,
                id: value.to_owned(),
            }),
            _ => None,
        }
    } else {
        None
    }
}

/// The caller whose aws:PrincipalArn this is.
pub(crate) fn of_principal_arn(arn: &str) -> Option<Principal> {
    if arn.contains(":role/") {
        role(arn)
    } else if arn.contains(":federated-user/") {
        federated_user(arn)
    } else if arn.contains(":user/") {
        user(arn)
    } else {
        None
    }
}

/// One caller with the statements that name it.
pub(crate) fn class_of(principal: Principal, statements: &[&Statement]) -> PrincipalClass {
    let names = |statement: &&Statement| {
        let named = statement.principal.as_ref();
        named.is_some_and(|named| elements::principal_is_named(named, &principal, statement.effect))
    };
    PrincipalClass {
        statements: statements.iter().map(names).collect(),
        in_person: true,
        principal,
    }
}
