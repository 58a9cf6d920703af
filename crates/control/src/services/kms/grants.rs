//! Grants: permissions on a key for one principal, made and taken back without its policy being changed.

use std::collections::BTreeMap;

use portcullis_api::kms::op;
use portcullis_api::kms::{
    CreateGrantRequest, CreateGrantResponse, GrantConstraints, GrantListEntry, ListGrantsRequest,
    ListGrantsResponse, RetireGrantRequest, RevokeGrantRequest,
};
use portcullis_core::{Arn, Random, hex};
use portcullis_wire::Empty;

use super::checks::{self, Asked, Wanted};
use super::ciphers::unless_dry;
use super::errors::KmsError;
use super::grant_tokens;
use super::keys::SYMMETRIC;
use super::paging::Pager;
use super::resolve::{Found, Takes, find, staying, working};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::resource_policies::{Home, present_arn, unique_id};
use crate::world::compiled::MergedSlot;
use crate::world::records::Record as _;
use crate::world::records::kms::{Grant, Grantee, Key};
use crate::world::{Snapshot, Tx};

/// Grants a key may have.
const GRANTS_MAX: usize = 50_000;
/// What grants of symmetric keys may allow.
const OF_SYMMETRIC: [&str; 11] = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
];
/// What grants of HMAC keys may allow.
const OF_MAC: [&str; 5] = [
    "CreateGrant",
    "DescribeKey",
    "GenerateMac",
    "RetireGrant",
    "VerifyMac",
];

/// The key, and what is to be granted to whom.
pub(super) fn require_create(ask: Ask<'_, CreateGrantRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, call, &input.key_id, Takes::Id)?;
    let (equals, subset) = constraints(input.constraints.as_ref());
    let wanted = Wanted {
        operations: &input.operations,
        context_equals: equals,
        context_subset: subset,
    };
    let asked = Asked {
        context: equals.or(subset),
        grants: Some(&wanted),
    };
    let kind = match (equals, subset) {
        (Some(_), _) => Some("EncryptionContextEquals"),
        (None, Some(_)) => Some("EncryptionContextSubset"),
        (None, None) => None,
    };
    let source = input
        .constraints
        .as_ref()
        .and_then(|all| all.source_arn.as_deref());
    let check = checks::on_key(call, "kms:CreateGrant", &found, asked)
        .with_many("kms:GrantOperations", input.operations.clone())
        .with(
            "kms:GrantIsForAWSResource",
            call.by_service().is_some().to_string(),
        )
        .with_some("kms:GrantConstraintType", kind)
        .with_some("kms:GrantConstraintSourceArn", source)
        .with_some("kms:GranteePrincipal", input.grantee_principal.as_deref())
        .with_some("kms:RetiringPrincipal", input.retiring_principal.as_deref())
        .with_some(
            "kms:GranteeServicePrincipal",
            input.grantee_service_principal.as_deref(),
        )
        .with_some(
            "kms:RetiringServicePrincipal",
            input.retiring_service_principal.as_deref(),
        );
    Ok(vec![check])
}

type Pairs = BTreeMap<String, String>;

fn constraints(given: Option<&GrantConstraints>) -> (Option<&Pairs>, Option<&Pairs>) {
    let equals = given.and_then(|given| given.encryption_context_equals.as_ref());
    let subset = given.and_then(|given| given.encryption_context_subset.as_ref());
    (equals, subset)
}

/// Grants.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateGrant>,
) -> Result<CreateGrantResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let key = of_this_account(tx.view(), call, &input.key_id)?;
    working(&key)?;
    let grant = asked_for(tx.view(), tx.random, call, input, &key, tx.now)?;
    unless_dry(input.dry_run)?;
    let known = known(tx.view(), &key, &grant).cloned();
    let grant = match known {
        Some(known) => known,
        None => {
            if tx.view().kms.grants_of(&key) >= GRANTS_MAX {
                return Err(
                    KmsError::Limit(format!("{} has as many grants as it may have.", key.arn)).into(),
                );
            }
            tx.put(grant.clone());
            grant
        }
    };
    Ok(CreateGrantResponse {
        grant_token: Some(grant_tokens::token(tx.vault, key.arn.as_str(), &grant)?),
        grant_id: Some(grant.id),
    })
}

/// A key whose grants are changed. Such calls go to the gate of the key's account ([`visits`](super::visits)).
fn of_this_account(view: &Snapshot, call: &Call, named: &str) -> Result<Key, KmsError> {
    let found = find(view, call, named, Takes::Id)?;
    let key = found.there()?;
    match found.home {
        Some(Home::Here(_)) => Ok(Key::clone(key)),
        _ => Err(KmsError::Internal),
    }
}

fn asked_for(
    view: &Snapshot,
    random: &dyn Random,
    call: &Call,
    input: &CreateGrantRequest,
    key: &Key,
    now: portcullis_core::Timestamp,
) -> Result<Grant, KmsError> {
    let invalid = |text: String| Err(KmsError::Validation(text));
    let allowed: &[&str] = match key.spec == SYMMETRIC {
        true => &OF_SYMMETRIC,
        false => &OF_MAC,
    };
    if input.operations.is_empty() {
        return invalid("A grant must allow at least one operation.".to_owned());
    }
    if let Some(other) = input
        .operations
        .iter()
        .find(|one| !allowed.contains(&one.as_str()))
    {
        return invalid(format!("Grant operation {other} is not valid for {}.", key.arn));
    }
    let (equals, subset) = constraints(input.constraints.as_ref());
    if (equals.is_some() || subset.is_some()) && key.spec != SYMMETRIC {
        return invalid("Encryption context constraints need a symmetric encryption key.".to_owned());
    }
    if input
        .constraints
        .as_ref()
        .is_some_and(|all| all.source_arn.is_some())
    {
        return Err(KmsError::Unsupported(
            "SourceArn constraints are not supported by this server.".to_owned(),
        ));
    }
    let grantee = somebody(
        view,
        input.grantee_principal.as_deref(),
        input.grantee_service_principal.as_deref(),
    )?;
    let Some(grantee) = grantee else {
        return invalid("A grant must name a grantee principal.".to_owned());
    };
    let mut operations = input.operations.clone();
    operations.sort();
    operations.dedup();
    let mut id = [0; 32];
    random.fill(&mut id);
    Ok(Grant {
        id: hex(&id),
        region: key.region.clone(),
        key: key.id.clone(),
        name: input.name.clone(),
        created: now,
        grantee,
        retiring: somebody(
            view,
            input.retiring_principal.as_deref(),
            input.retiring_service_principal.as_deref(),
        )?,
        issuer: format!(
            "arn:{}:iam::{}:root",
            call.region.partition(),
            call.caller.account
        ),
        operations,
        context_equals: equals.cloned(),
        context_subset: subset.cloned(),
        with_key: MergedSlot::default(),
    })
}

/// Who is meant: a principal of IAM, kept by unique id where it has one, or a service.
fn somebody(
    view: &Snapshot,
    principal: Option<&str>,
    service: Option<&str>,
) -> Result<Option<Grantee>, KmsError> {
    match (principal, service) {
        (Some(_), Some(_)) => Err(KmsError::Validation(
            "Name either a principal or a service principal.".to_owned(),
        )),
        (None, None) => Ok(None),
        (None, Some(service)) => Ok(Some(Grantee::Service(service.to_owned()))),
        (Some(name), None) if name.ends_with(".amazonaws.com") => Ok(Some(Grantee::Service(name.to_owned()))),
        (Some(name), None) => {
            let invalid = || KmsError::Arn(name.to_owned());
            let arn: Arn = name.parse().map_err(|_| invalid())?;
            if !matches!(arn.service(), "iam" | "sts") {
                return Err(invalid());
            }
            let id = unique_id(view, name).map_err(|_| invalid())?;
            Ok(Some(Grantee::Principal(id.unwrap_or_else(|| name.to_owned()))))
        }
    }
}

/// A grant of the same name that grants the same: asking again changes nothing.
fn known<'v>(view: &'v Snapshot, key: &Key, asked: &Grant) -> Option<&'v Grant> {
    let is_same = |one: &&Grant| {
        let parts = |grant: &Grant| {
            (
                grant.name.clone(),
                grant.retiring.clone(),
                grant.operations.clone(),
                grant.context_equals.clone(),
                grant.context_subset.clone(),
            )
        };
        one.name.is_some() && parts(one) == parts(asked)
    };
    let mut grants = view.kms.grants_to(key, asked.grantee.as_str());
    grants.find(is_same)
}

/// The key, of any account.
pub(super) fn require_list(ask: Ask<'_, ListGrantsRequest>) -> Result<Vec<Check>, ServiceError> {
    let found = find(ask.view, ask.call, &ask.input.key_id, Takes::Id)?;
    let check = checks::on_key(ask.call, "kms:ListGrants", &found, Asked::default());
    let by_service = ask.call.by_service().is_some().to_string();
    Ok(vec![check.with("kms:GrantIsForAWSResource", by_service)])
}

/// The grants of a key.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListGrants>,
) -> Result<ListGrantsResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Id)?;
    let key = found.there()?;
    let home = found.home.as_deref().ok_or(KmsError::Internal)?;
    let pager = Pager::of(input.marker.as_deref(), input.limit, 50, 100)?;
    let prefix = format!("{}/", key.key());
    let is_wanted = |grant: &Grant| {
        let id = input.grant_id.as_ref().is_none_or(|id| *id == grant.id);
        let principal = input.grantee_principal.as_deref();
        let service = input.grantee_service_principal.as_deref();
        id && principal.is_none_or(|name| is_called(view, &grant.grantee, name))
            && service.is_none_or(|name| is_called(view, &grant.grantee, name))
    };
    let rows = home.kms.grants.after(&prefix, pager.after());
    let rows = rows.filter(|(_, grant)| is_wanted(grant));
    let (grants, next_marker) =
        pager.page(rows.map(|(row, grant)| (row.to_owned(), entry(view, key, grant))));
    Ok(ListGrantsResponse {
        grants: Some(grants),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

fn is_called(view: &Snapshot, who: &Grantee, name: &str) -> bool {
    shown(view, who) == name
}

/// Somebody as replies name him: by the present ARN.
fn shown(view: &Snapshot, who: &Grantee) -> String {
    match who {
        Grantee::Principal(name) => present_arn(view, name).unwrap_or_else(|| name.clone()),
        Grantee::Service(name) => name.clone(),
    }
}

fn entry(view: &Snapshot, key: &Key, grant: &Grant) -> GrantListEntry {
    let constrained = grant.context_equals.is_some() || grant.context_subset.is_some();
    let retiring = grant.retiring.as_ref();
    GrantListEntry {
        key_id: Some(key.arn.to_string()),
        grant_id: Some(grant.id.clone()),
        name: Some(grant.name.clone().unwrap_or_default()),
        creation_date: Some(grant.created),
        grantee_principal: Some(shown(view, &grant.grantee)),
        retiring_principal: retiring.map(|who| shown(view, who)),
        issuing_account: Some(grant.issuer.clone()),
        operations: Some(grant.operations.clone()),
        constraints: constrained.then(|| GrantConstraints {
            encryption_context_subset: grant.context_subset.clone(),
            encryption_context_equals: grant.context_equals.clone(),
            source_arn: None,
        }),
        ..GrantListEntry::default()
    }
}

/// The grants that somebody may retire.
pub(super) fn list_retirable(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListRetirableGrants>,
) -> Result<ListGrantsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.marker.as_deref(), input.limit, 50, 100)?;
    let who = somebody(
        view,
        input.retiring_principal.as_deref(),
        input.retiring_service_principal.as_deref(),
    )?;
    let Some(who) = who else {
        return Err(KmsError::Validation("Name a retiring principal.".to_owned()).into());
    };
    let rows = view.kms.retirable_by(&call.region, who.as_str(), pager.after());
    let rows = rows.filter_map(|(row, grant)| {
        let key = view.kms.key(call.region.as_str(), &grant.key)?;
        Some((row, entry(view, key, grant)))
    });
    let (grants, next_marker) = pager.page(rows);
    Ok(ListGrantsResponse {
        grants: Some(grants),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

/// The key of a grant, and its id, as a request to retire it names them.
fn to_retire(
    vault: &portcullis_store::Vault,
    input: &RetireGrantRequest,
) -> Result<(String, String), KmsError> {
    match (&input.grant_token, &input.key_id, &input.grant_id) {
        (Some(token), None, None) => grant_tokens::open(vault, token),
        (None, Some(key), Some(grant)) => Ok((key.clone(), grant.clone())),
        _ => Err(KmsError::Validation(
            "You must specify either a grant token or both a key ID and a grant ID.".to_owned(),
        )),
    }
}

/// The key, on which the grant itself says who may retire it, beside the key's policy.
pub(super) fn require_retire(ask: Ask<'_, RetireGrantRequest>) -> Result<Vec<Check>, ServiceError> {
    let (key, id) = to_retire(&ask.env.vault, ask.input)?;
    let found = find(ask.view, ask.call, &key, Takes::Id)?;
    let check = checks::on_key(ask.call, "kms:RetireGrant", &found, Asked::default());
    let Some(key) = &found.key else {
        return Ok(vec![check]);
    };
    let statements = retirers(&found, key, &id);
    Ok(vec![match statements.is_empty() {
        true => check,
        false => check.by(Some(checks::with_statements(key, statements))),
    }])
}

fn retirers(found: &Found<'_>, key: &Key, id: &str) -> Vec<serde_json::Value> {
    let home = found.home.as_deref();
    let grant = home.and_then(|home| home.kms.grants.get(&row(key, id)));
    let Some(grant) = grant else { return Vec::new() };
    let grantee = grant.operations.iter().any(|one| one == "RetireGrant");
    let who = grant.retiring.iter().chain(grantee.then_some(&grant.grantee));
    let action = ["kms:RetireGrant".to_owned()];
    who.enumerate()
        .map(|(place, who)| checks::statement_for(who, &format!("{id}{place}"), &action))
        .collect()
}

fn row(key: &Key, id: &str) -> String {
    format!("{}/{id}", key.key())
}

/// Ends a grant for one of those it concerns.
pub(super) fn retire(tx: &mut Tx<'_>, auth: Authorized<'_, op::RetireGrant>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let (key, id) = to_retire(tx.vault, input)?;
    end(tx, auth.call(), &key, &id, input.dry_run)
}

/// The key, of any account.
pub(super) fn require_revoke(ask: Ask<'_, RevokeGrantRequest>) -> Result<Vec<Check>, ServiceError> {
    let found = find(ask.view, ask.call, &ask.input.key_id, Takes::Id)?;
    let check = checks::on_key(ask.call, "kms:RevokeGrant", &found, Asked::default());
    let by_service = ask.call.by_service().is_some().to_string();
    Ok(vec![check.with("kms:GrantIsForAWSResource", by_service)])
}

/// Ends a grant for whoever administers its key.
pub(super) fn revoke(tx: &mut Tx<'_>, auth: Authorized<'_, op::RevokeGrant>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    end(tx, auth.call(), &input.key_id, &input.grant_id, input.dry_run)
}

fn end(
    tx: &mut Tx<'_>,
    call: &Call,
    named: &str,
    id: &str,
    dry_run: Option<bool>,
) -> Result<Empty, ServiceError> {
    let key = of_this_account(tx.view(), call, named)?;
    staying(&key)?;
    let row = row(&key, id);
    if tx.view().kms.grants.get(&row).is_none() {
        return Err(KmsError::NoGrant(id.to_owned()).into());
    }
    unless_dry(dry_run)?;
    tx.delete::<Grant>(&row);
    Ok(Empty {})
}
