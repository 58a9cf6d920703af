//! Encoded authorization messages (policy-language R177, R178): why a request was refused, sealed, so that only who may
//! call sts:DecodeAuthorizationMessage reads it. EC2 puts them into its refusals; ECS, IAM and STS do not.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use portcullis_core::AccountId;
use portcullis_policy::{ConditionReport, Explanation, Outcome, StatementReport};
use portcullis_store::Vault;
use serde::Serialize;

use super::call::Call;
use super::caller::{Caller, Identity};
use super::operation::Check;
use super::reasons::Reason;
use crate::world::Snapshot;

/// Longest message that DecodeAuthorizationMessage takes, in characters.
pub const CHARACTERS_MAX: usize = 10_240;

const PURPOSE: &str = "authorization-message";
/// Longest text read back, in bytes.
const PLAIN_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The message of a refused call: of the first of its checks that was refused. None of actions that have no resource.
pub(super) fn of_refusal(view: &Snapshot, call: &Call, checks: &[Check], vault: &Vault) -> Option<String> {
    let reasons = Reason::of_all(view, call, checks);
    let mut decided = checks.iter().zip(&reasons);
    let (check, reason) = decided.find(|(check, reason)| !check.optional && !reason.is_allowed())?;
    if check.resource == "*" {
        return None;
    }
    seal(call, check, reason, vault)
}

/// Seals why a check of a call was refused, for the caller's account. What would make the message too long is left out:
/// the condition keys first, then the statements. `None` only if the vault fails.
pub fn encode(view: &Snapshot, call: &Call, check: &Check, vault: &Vault) -> Option<String> {
    let reason = Reason::of_all(view, call, std::slice::from_ref(check)).pop()?;
    seal(call, check, &reason, vault)
}

fn seal(call: &Call, check: &Check, reason: &Reason, vault: &Vault) -> Option<String> {
    let mut message = Message::of(call, check, reason);
    let account = &call.caller.account;
    let mut encoded = message.seal(account, vault)?;
    if encoded.len() > CHARACTERS_MAX {
        message.context.conditions = Items::default();
        encoded = message.seal(account, vault)?;
    }
    if encoded.len() > CHARACTERS_MAX {
        message.matched_statements = Items::default();
        encoded = message.seal(account, vault)?;
    }
    (encoded.len() <= CHARACTERS_MAX).then_some(encoded)
}

/// The JSON text in an encoded message; `None` when it is none that this server made for this account.
pub fn decode(encoded: &str, account: &AccountId, vault: &Vault) -> Option<String> {
    let sealed = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let packed = vault.open(PURPOSE, account.as_str().as_bytes(), &sealed).ok()?;
    let mut text = String::new();
    DeflateDecoder::new(packed.as_slice())
        .take(PLAIN_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// What the JSON says, its members in AWS's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    allowed: bool,
    explicit_deny: bool,
    matched_statements: Items<Statement>,
    failures: Items<Item>,
    context: Circumstances,
}

/// AWS wraps every list.
#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self {
            items: items.into_iter().collect(),
        }
    }
}

#[derive(Serialize)]
struct Item {
    value: String,
}

impl<S: Into<String>> From<S> for Item {
    fn from(value: S) -> Self {
        Self { value: value.into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    statement_id: String,
    effect: &'static str,
    principals: Items<Item>,
    principal_groups: Items<Item>,
    actions: Items<Item>,
    resources: Items<Item>,
    conditions: Items<Condition>,
}

#[derive(Serialize)]
struct Condition {
    key: String,
    values: Items<Item>,
}

#[derive(Serialize)]
struct Circumstances {
    principal: Principal,
    action: &'static str,
    resource: String,
    conditions: Items<Condition>,
}

#[derive(Serialize)]
struct Principal {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arn: String,
}

impl Message {
    fn of(call: &Call, check: &Check, reason: &Reason) -> Self {
        let explanation = reason.explanation.as_ref();
        let explicit_deny = explanation.is_some_and(|it| it.outcome == Outcome::ExplicitDeny);
        let denying = explanation.filter(|_| explicit_deny).into_iter();
        let denying = denying.flat_map(Explanation::deciding_statements);
        let keys = explanation
            .into_iter()
            .flat_map(|explanation| explanation.context.iter());
        Self {
            allowed: false,
            explicit_deny,
            matched_statements: denying
                .map(|report| Statement::of(&call.caller, report))
                .collect(),
            failures: Items::default(),
            context: Circumstances {
                principal: Principal::of(&call.caller),
                action: check.action,
                resource: check.resource.clone(),
                conditions: keys
                    .map(|(key, value)| Condition {
                        key: key.to_owned(),
                        values: value.values().iter().map(Item::from).collect(),
                    })
                    .collect(),
            },
        }
    }

    fn seal(&self, account: &AccountId, vault: &Vault) -> Option<String> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&serde_json::to_vec(self).ok()?).ok()?;
        let packed = encoder.finish().ok()?;
        let sealed = vault.seal(PURPOSE, account.as_str().as_bytes(), &packed).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }
}

impl Statement {
    fn of(caller: &Caller, report: &StatementReport) -> Self {
        let resources = report.resource.iter().flat_map(|resource| resource.wanted.iter());
        Self {
            statement_id: report.sid.clone().unwrap_or_default(),
            effect: "DENY",
            principals: std::iter::once(Item::from(caller.user_id())).collect(),
            principal_groups: Items::default(),
            actions: report.action.wanted.iter().map(Item::from).collect(),
            resources: resources.map(Item::from).collect(),
            conditions: report.conditions.iter().map(Condition::of).collect(),
        }
    }
}

impl Condition {
    fn of(report: &ConditionReport) -> Self {
        Self {
            key: report.key.clone(),
            values: report.wanted.iter().map(Item::from).collect(),
        }
    }
}

impl Principal {
    fn of(caller: &Caller) -> Self {
        let name = match &caller.identity {
            Identity::User { name, .. } => Some(name.clone()),
            _ => None,
        };
        Self {
            id: caller.user_id(),
            name,
            arn: caller.arn(),
        }
    }
}
