//! What values a condition key can have in a request.

use portcullis_policy::syntax::Glob;
use portcullis_policy::{Context, Principal};
use portcullis_reference::global::{self, Group};
use portcullis_reference::{KeyType, key_type};

use crate::keys::{Domain, Family, Values};
use crate::principals::PrincipalClass;
use crate::problem::{Assignment, shared_key};

/// Keys that every request has (R106).
const ALWAYS_PRESENT: [&str; 5] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:viaawsservice",
];

/// Keys that only callers with an account have.
const OF_AN_ACCOUNT: [&str; 5] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:username",
];

/// What is taken for granted about the keys of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assumptions {
    /// Whether keys may have values that their type does not have, and several where they have one.
    pub(crate) any_value: bool,
    /// Values that are out of the question, by key in its shared form.
    pub(crate) excluded: Vec<(String, Vec<Glob>)>,
    /// The only values a key can have, by key in its shared form.
    pub(crate) listed: Vec<(String, Vec<String>)>,
    /// Whether a caller of some account stands for those of all others.
    pub(crate) any_account: bool,
    /// The keys that have just this value.
    pub(crate) given: Context,
}

impl Assumptions {
    /// The domain of a key (in its shared form) for a caller. The keys of an assignment have just the values it gives.
    pub(crate) fn domain(
        &self,
        key: &str,
        caller: &PrincipalClass,
        assignment: Option<&Assignment>,
    ) -> Domain {
        let mut domain = if self.any_value { anything() } else { by_type(key) };
        domain.excluded = self
            .excluded
            .iter()
            .filter(|(excluded, _)| excluded == key)
            .flat_map(|(_, globs)| globs.iter().cloned())
            .collect();
        let assigned = assignment.and_then(|assignment| {
            let mut entries = assignment.iter();
            entries
                .find(|(variable, _)| shared_key(variable) == key)
                .map(|(_, value)| value.clone())
        });
        domain.given = self
            .given
            .iter()
            .find(|(given, _)| shared_key(given) == key)
            .map(|(_, value)| value.clone());
        if assigned.is_none() {
            domain.usual = usual(key, caller);
            if self.any_account && key == "aws:principalaccount" && caller.principal.account().is_some() {
                domain.absent = false;
                domain.values = Values::Account;
                return domain;
            }
        }
        if let Some(value) = assigned.or_else(|| self.known_of_caller(key, caller)) {
            return only(value.into_iter().collect(), domain);
        }
        match self.listed.iter().find(|(listed, _)| listed == key) {
            Some((_, values)) => only(values.clone(), domain),
            None => domain,
        }
    }

    /// What the caller itself settles: an anonymous one has no principal keys, one named in person has its own.
    fn known_of_caller(&self, key: &str, caller: &PrincipalClass) -> Option<Option<String>> {
        if self.any_value {
            return None;
        }
        let group = global::key(key).map(|key| key.group);
        match (&caller.principal, key) {
            (Principal::Anonymous, _) if matches!(group, Some(Group::Principal | Group::RoleSession)) => {
                Some(None)
            }
            (Principal::Service(_) | Principal::Federated { .. }, key) if OF_AN_ACCOUNT.contains(&key) => {
                Some(None)
            }
            (principal, "aws:principalaccount") => principal
                .account()
                .map(|account| Some(account.as_str().to_owned())),
            (Principal::User { arn, .. }, "aws:principalarn") if caller.in_person => {
                Some(Some(arn.as_str().to_owned()))
            }
            (Principal::RoleSession { role_arn, .. }, "aws:principalarn") if caller.in_person => {
                Some(Some(role_arn.as_str().to_owned()))
            }
            _ => None,
        }
    }
}

/// What the caller itself would have for a key: the first value to try, so that requests look like those that are made.
fn usual(key: &str, caller: &PrincipalClass) -> Option<String> {
    let (arn, id) = match &caller.principal {
        Principal::User { arn, id, .. } => (arn, id.clone()),
        Principal::RoleSession {
            role_arn,
            role_id,
            session_arn,
            ..
        } => {
            let session = session_arn.resource().rsplit('/').next().unwrap_or_default();
            (role_arn, format!("{role_id}:{session}"))
        }
        _ => return None,
    };
    match key {
        "aws:principalarn" => Some(arn.as_str().to_owned()),
        "aws:principalaccount" => Some(arn.account().to_owned()),
        "aws:userid" => Some(id),
        _ => None,
    }
}

/// One of these values; the key is absent if there are none.
fn only(values: Vec<String>, mut domain: Domain) -> Domain {
    domain.absent = values.is_empty();
    domain.one = !values.is_empty();
    domain.many = false;
    domain.values = Values::Listed(values);
    domain
}

fn anything() -> Domain {
    Domain {
        absent: true,
        one: true,
        many: true,
        values: Values::Any,
        excluded: Vec::new(),
        usual: None,
        given: None,
    }
}

fn by_type(key: &str) -> Domain {
    let Some(known) = key_type(key) else {
        return anything();
    };
    let values = match known.element() {
        KeyType::Bool => Values::Listed(vec!["true".to_owned(), "false".to_owned()]),
        KeyType::Numeric => Values::Of(Family::Number),
        KeyType::Date => Values::Of(Family::Date),
        KeyType::Ip => Values::Of(Family::Address),
        KeyType::Arn => Values::Arn,
        _ => Values::Any,
    };
    Domain {
        absent: !ALWAYS_PRESENT.contains(&key),
        one: !known.is_multi_valued(),
        many: known.is_multi_valued(),
        values,
        excluded: Vec::new(),
        usual: None,
        given: None,
    }
}
