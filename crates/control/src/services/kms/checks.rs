//! The checks of KMS: the key's ARN, its policy with the grants that apply, and the service's keys.

use std::collections::BTreeMap;

use portcullis_policy::{Document, Kind};
use serde_json::{Value, json};

use super::crypto::EncryptionContext;
use super::resolve::Found;
use crate::gate::call::Call;
use crate::gate::caller::{Caller, Identity};
use crate::gate::context::add_resource_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Check, NoPolicy, ResourcePolicy};
use crate::world::compiled::Policy;
use crate::world::records::kms::{Grant, Grantee, Key};

/// What a check on a key asks beside its action.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// The encryption context, for operations that have one.
    pub context: Option<&'a EncryptionContext>,
    /// What CreateGrant would grant: a grant hands on no more than it has.
    pub grants: Option<&'a Wanted<'a>>,
}

/// A grant that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub operations: &'a [String],
    pub context_equals: Option<&'a BTreeMap<String, String>>,
    pub context_subset: Option<&'a BTreeMap<String, String>>,
}

/// A check without a key: of operations that concern all of them.
pub(super) fn on_everything(call: &Call, action: &'static str) -> Check {
    Check::new(action, "*").with("kms:CallerAccount", call.caller.account.as_str())
}

/// A check on a key, whether or not it is there.
pub(super) fn on_key(call: &Call, action: &'static str, found: &Found<'_>, asked: Asked<'_>) -> Check {
    let mut check = Check::new(action, found.arn.as_str())
        .with("kms:CallerAccount", call.caller.account.as_str())
        .with_some("kms:RequestAlias", found.alias.as_deref());
    add_encryption_context(&mut check, asked.context);
    if let Some(key) = &found.key {
        check = with_key(check, key);
        let aliases = found.home.as_deref().map(|home| home.kms.aliases_of(key));
        check = check.with_many("kms:ResourceAliases", aliases.unwrap_or_default());
        let policy = policy_of(call, action, found, key, asked);
        check = check.by(Some(policy));
    }
    match found.arn.account() == call.caller.account.as_str() {
        true => check,
        false => check.refused_as(out_of_sight(call, action, "on this resource")),
    }
}

/// The keys that say what kind of key it is.
pub(super) fn with_key(mut check: Check, key: &Key) -> Check {
    add_resource_tags(&mut check.context, "kms", &key.tags);
    check
        .with("kms:KeySpec", key.spec.as_str())
        .with("kms:CustomerMasterKeySpec", key.spec.as_str())
        .with("kms:KeyUsage", key.usage.as_str())
        .with("kms:CustomerMasterKeyUsage", key.usage.as_str())
        .with("kms:KeyOrigin", "AWS_KMS")
        .with("kms:MultiRegion", "false")
}

fn add_encryption_context(check: &mut Check, context: Option<&EncryptionContext>) {
    let Some(context) = context.filter(|context| !context.is_empty()) else {
        return;
    };
    for (key, value) in context {
        check
            .context
            .insert(format!("kms:EncryptionContext:{key}"), value.clone());
    }
    let keys = context.keys().cloned().collect::<Vec<_>>();
    check.context.insert("kms:EncryptionContextKeys", keys);
}

/// The refusal of a caller who must not learn whether there is such a key.
pub(super) fn out_of_sight(call: &Call, action: &str, on_what: &str) -> ServiceError {
    let text = format!(
        "User: {} is not authorized to perform: {action} {on_what} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
        call.caller.arn()
    );
    ServiceError::access_denied(&portcullis_api::kms::SERVICE, text)
}

/// The key's policy. Grants that apply to this call stand in it as statements that name their grantee: they allow what a
/// statement of the policy would, and a Deny anywhere still denies.
fn policy_of(
    call: &Call,
    action: &'static str,
    found: &Found<'_>,
    key: &Key,
    asked: Asked<'_>,
) -> ResourcePolicy {
    let operation = action.strip_prefix("kms:").unwrap_or(action);
    let home = found.home.as_deref().filter(|home| home.kms.grants_of(key) > 0);
    let names = home.map(|_| names_of(&call.caller)).unwrap_or_default();
    // Another grant to the same name adds nothing.
    let first = |name: &String| {
        let mut grants = home?.kms.grants_to(key, name);
        grants.find(|grant| applies(grant, operation, asked))
    };
    let grants: Vec<&Grant> = names.iter().filter_map(first).collect();
    match grants.as_slice() {
        [] => {
            let own = ResourcePolicy::of_resource(key.arn.as_str(), Some(&key.policy));
            own.unwrap_or_else(|| unreadable(key))
        }
        [grant] => with_grant(key, grant),
        several => with_statements(key, several.iter().map(|grant| statement(grant)).collect()),
    }
}

/// The key's policy with all that one grant allows, which is kept: nearly every grantee has one name.
fn with_grant(key: &Key, grant: &Grant) -> ResourcePolicy {
    let merged = || merged(key, vec![statement(grant)]);
    match grant.with_key.get_or_merge(&key.policy, merged) {
        Some(policy) => ResourcePolicy {
            name: key.arn.to_string(),
            policy: Ok(policy),
        },
        None => unreadable(key),
    }
}

/// The key's policy with more statements.
pub(super) fn with_statements(key: &Key, statements: Vec<Value>) -> ResourcePolicy {
    match merged(key, statements) {
        Some(document) => ResourcePolicy {
            name: key.arn.to_string(),
            policy: Ok(std::sync::Arc::new(Policy::new(document))),
        },
        None => unreadable(key),
    }
}

fn unreadable(key: &Key) -> ResourcePolicy {
    ResourcePolicy {
        name: key.arn.to_string(),
        policy: Err(NoPolicy::Unreadable),
    }
}

fn merged(key: &Key, more: Vec<Value>) -> Option<Document> {
    let mut document: Value = serde_json::from_str(key.policy.as_str()).ok()?;
    let statements = document.get_mut("Statement")?;
    match statements {
        Value::Array(all) => all.extend(more),
        one => {
            let first = one.take();
            *one = std::iter::once(first).chain(more).collect();
        }
    }
    Document::parse(&document.to_string(), Kind::Resource).ok()
}

/// A grant as a statement of its key's policy. Whether it applies to a call was found out before.
fn statement(grant: &Grant) -> Value {
    let actions: Vec<_> = grant.operations.iter().map(|one| format!("kms:{one}")).collect();
    statement_for(&grant.grantee, &grant.id, &actions)
}

/// Lets somebody do these actions, by the grant with that id.
pub(super) fn statement_for(who: &Grantee, id: &str, actions: &[String]) -> Value {
    let principal = match who {
        Grantee::Principal(name) => json!({ "AWS": name }),
        Grantee::Service(name) => json!({ "Service": name }),
    };
    json!({ "Sid": format!("Grant{id}"), "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*" })
}

/// What grants may call a caller by.
pub(super) fn names_of(caller: &Caller) -> Vec<String> {
    let account = &caller.account;
    let root = format!("arn:{}:iam::{account}:root", caller.partition);
    let mut names = vec![caller.arn(), root, account.to_string()];
    match &caller.identity {
        Identity::User { id, .. } | Identity::Role { id, .. } => {
            names.push(id.clone());
            names.push(caller.principal_arn());
        }
        _ => {}
    }
    names.sort();
    names.dedup();
    names
}

/// Whether a grant speaks of this operation with this encryption context.
fn applies(grant: &Grant, operation: &str, asked: Asked<'_>) -> bool {
    // Which grant is to be retired, and who may, is told by that grant alone.
    if operation == "RetireGrant" || !grant.operations.iter().any(|one| one == operation) {
        return false;
    }
    if let Some(wanted) = asked.grants {
        return hands_on(grant, wanted);
    }
    // Constraints bind operations that have an encryption context, and no others.
    let Some(context) = asked.context else { return true };
    let equals = grant.context_equals.as_ref().is_none_or(|pairs| pairs == context);
    let subset = grant.context_subset.as_ref();
    let subset = subset.is_none_or(|pairs| pairs.iter().all(|(key, value)| context.get(key) == Some(value)));
    equals && subset
}

/// A grant hands on some of its operations, under constraints that are at least as strict.
fn hands_on(grant: &Grant, wanted: &Wanted<'_>) -> bool {
    let is_held = |operation: &String| grant.operations.contains(operation);
    let equals = grant.context_equals.as_ref();
    let subset = grant.context_subset.as_ref();
    let holds_pairs = |pairs: &BTreeMap<String, String>| {
        let stricter = wanted.context_equals.or(wanted.context_subset);
        stricter.is_some_and(|of| pairs.iter().all(|(key, value)| of.get(key) == Some(value)))
    };
    wanted.operations.iter().all(is_held)
        && equals.is_none_or(|pairs| wanted.context_equals == Some(pairs))
        && subset.is_none_or(holds_pairs)
}
