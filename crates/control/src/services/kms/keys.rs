//! Keys: made, described, listed.

use portcullis_api::kms::op;
use portcullis_api::kms::{
    CreateKeyRequest, CreateKeyResponse, DescribeKeyRequest, DescribeKeyResponse, KeyListEntry, KeyMetadata,
    ListKeysResponse, UpdateKeyDescriptionRequest,
};
use portcullis_core::{Arn, Timestamp, uuid};
use portcullis_wire::Empty;

use super::checks::{self, Asked};
use super::crypto::new_material;
use super::errors::KmsError;
use super::paging::Pager;
use super::policies;
use super::resolve::{Takes, find, staying};
use super::tags;
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::kms::{Key, State};
use crate::world::{Snapshot, Tx};

/// What a symmetric key is called.
pub(super) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
const ENCRYPT_DECRYPT: &str = "ENCRYPT_DECRYPT";
const MAC: &str = "GENERATE_VERIFY_MAC";
/// Keys of an account and region that are its own.
const KEYS_MAX: usize = 100_000;

fn spec(input: &CreateKeyRequest) -> &str {
    let older = input.customer_master_key_spec.as_deref();
    input.key_spec.as_deref().or(older).unwrap_or(SYMMETRIC)
}

fn usage(input: &CreateKeyRequest) -> &str {
    input.key_usage.as_deref().unwrap_or(ENCRYPT_DECRYPT)
}

/// The account's leave to make keys, and to tag them.
pub(super) fn require_create(ask: Ask<'_, CreateKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let requested = tags::requested(input.tags.as_ref());
    let with_keys = |check: Check| {
        let mut check = check
            .with("kms:CallerAccount", call.caller.account.as_str())
            .with("kms:KeySpec", spec(input))
            .with("kms:CustomerMasterKeySpec", spec(input))
            .with("kms:KeyUsage", usage(input))
            .with("kms:CustomerMasterKeyUsage", usage(input))
            .with("kms:KeyOrigin", input.origin.as_deref().unwrap_or("AWS_KMS"))
            .with("kms:MultiRegion", input.multi_region.unwrap_or(false).to_string())
            .with("kms:BypassPolicyLockoutSafetyCheck", bypasses(input).to_string());
        add_request_tags(&mut check.context, &requested);
        check
    };
    let mut checks = vec![with_keys(Check::new("kms:CreateKey", "*"))];
    if !requested.is_empty() {
        let any = Arn::regional("kms", &call.region, &call.account, "key/*");
        checks.push(with_keys(Check::new("kms:TagResource", any.as_str())));
    }
    Ok(checks)
}

fn bypasses(input: &CreateKeyRequest) -> bool {
    input.bypass_policy_lockout_safety_check.unwrap_or(false)
}

/// Makes a key.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateKey>,
) -> Result<CreateKeyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    supported(input)?;
    let prefix = format!("{}/", call.region);
    if tx.view().kms.keys.len() >= KEYS_MAX && tx.view().kms.keys.prefix(&prefix).count() >= KEYS_MAX {
        return Err(KmsError::Limit("The account has as many keys as it may have.".to_owned()).into());
    }
    let id = uuid(tx.random);
    let arn = Arn::regional("kms", &call.region, &call.account, format_args!("key/{id}"));
    let material = new_material(tx.vault, tx.random, &arn, spec(input), tx.now, None)?;
    let policy = match &input.policy {
        Some(text) => policies::accept(tx.view(), text)?,
        None => policies::default(call)?,
    };
    let key = Key {
        id,
        arn,
        region: call.region.clone(),
        created: tx.now,
        description: input.description.clone().unwrap_or_default(),
        usage: usage(input).to_owned(),
        spec: spec(input).to_owned(),
        managed_for: None,
        state: State::Enabled,
        policy,
        materials: vec![material],
        rotation: None,
        tags: tags::checked(input.tags.as_ref())?,
    };
    if !bypasses(input) {
        policies::keep_out_of_lockout(tx.view(), call, &key)?;
    }
    let shown = metadata(&key);
    tx.put(key);
    Ok(CreateKeyResponse {
        key_metadata: Some(shown),
    })
}

fn supported(input: &CreateKeyRequest) -> Result<(), KmsError> {
    let unsupported = |what: &str| {
        Err(KmsError::Unsupported(format!(
            "{what} are not supported by this server."
        )))
    };
    if input.multi_region == Some(true) {
        return unsupported("Multi-Region keys");
    }
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return unsupported("Custom key stores");
    }
    if input.origin.as_deref().is_some_and(|origin| origin != "AWS_KMS") {
        return unsupported("Keys with material of other origin");
    }
    let spec = spec(input);
    match (spec, usage(input)) {
        (SYMMETRIC, ENCRYPT_DECRYPT) => Ok(()),
        ("HMAC_224" | "HMAC_256" | "HMAC_384" | "HMAC_512", MAC) => Ok(()),
        _ if input.key_usage.is_none() => Err(KmsError::Validation(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
                .to_owned(),
        )),
        (SYMMETRIC | "HMAC_224" | "HMAC_256" | "HMAC_384" | "HMAC_512", usage) => Err(KmsError::Validation(
            format!("KeyUsage {usage} is not compatible with KeySpec {spec}"),
        )),
        _ => unsupported("Asymmetric keys"),
    }
}

/// The key, by any of its names.
pub(super) fn require_describe(ask: Ask<'_, DescribeKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    let found = find(ask.view, ask.call, &ask.input.key_id, Takes::Any)?;
    Ok(vec![checks::on_key(
        ask.call,
        "kms:DescribeKey",
        &found,
        Asked::default(),
    )])
}

/// Describes a key.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeKey>,
) -> Result<DescribeKeyResponse, ServiceError> {
    let found = find(view, auth.call(), &auth.input().key_id, Takes::Any)?;
    let key = found.there()?;
    Ok(DescribeKeyResponse {
        key_metadata: Some(metadata(key)),
    })
}

/// The keys of the account and region.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListKeys>,
) -> Result<ListKeysResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.marker.as_deref(), input.limit, 100, 1_000)?;
    let prefix = format!("{}/", call.region);
    let rows = view.kms.keys.after(&prefix, pager.after());
    let rows = rows.filter(|(_, key)| !key.is_destroyed(call.now));
    let (keys, next_marker) = pager.page(rows.map(|(row, key)| (row.to_owned(), entry(key))));
    Ok(ListKeysResponse {
        keys: Some(keys),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

fn entry(key: &Key) -> KeyListEntry {
    KeyListEntry {
        key_id: Some(key.id.clone()),
        key_arn: Some(key.arn.to_string()),
    }
}

/// The key.
pub(super) fn require_update_description(
    ask: Ask<'_, UpdateKeyDescriptionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:UpdateKeyDescription")
}

/// Describes a key in other words.
pub(super) fn update_description(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateKeyDescription>,
) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    key.description.clone_from(&auth.input().description);
    tx.put(key);
    Ok(Empty {})
}

/// A check on a key of the caller's account that an operation names by id or ARN.
pub(super) fn own(
    view: &Snapshot,
    call: &Call,
    named: &str,
    action: &'static str,
) -> Result<Vec<Check>, ServiceError> {
    let found = find(view, call, named, Takes::Own)?;
    Ok(vec![checks::on_key(call, action, &found, Asked::default())])
}

/// A key of the caller's account, to change it.
pub(super) fn edit(tx: &Tx<'_>, call: &Call, named: &str) -> Result<Key, KmsError> {
    let found = find(tx.view(), call, named, Takes::Own)?;
    found.there().map(|key| Key::clone(key))
}

/// A key as replies show it.
pub(super) fn metadata(key: &Key) -> KeyMetadata {
    let is_symmetric = key.spec == SYMMETRIC;
    let (state, deletion): (_, Option<Timestamp>) = match key.state {
        State::Enabled => ("Enabled", None),
        State::Disabled => ("Disabled", None),
        State::PendingDeletion { at, .. } => ("PendingDeletion", Some(at)),
    };
    let manager = match key.managed_for {
        Some(_) => "AWS",
        None => "CUSTOMER",
    };
    let current = key.current().filter(|_| is_symmetric);
    KeyMetadata {
        aws_account_id: Some(key.arn.account().to_owned()),
        key_id: key.id.clone(),
        arn: Some(key.arn.to_string()),
        creation_date: Some(key.created),
        enabled: Some(key.state == State::Enabled),
        description: Some(key.description.clone()),
        key_usage: Some(key.usage.clone()),
        key_state: Some(state.to_owned()),
        deletion_date: deletion,
        origin: Some("AWS_KMS".to_owned()),
        key_manager: Some(manager.to_owned()),
        customer_master_key_spec: Some(key.spec.clone()),
        key_spec: Some(key.spec.clone()),
        encryption_algorithms: is_symmetric.then(|| vec![SYMMETRIC.to_owned()]),
        mac_algorithms: (!is_symmetric).then(|| vec![key.spec.replace("HMAC_", "HMAC_SHA_")]),
        multi_region: Some(false),
        current_key_material_id: current.map(|material| material.id.clone()),
        ..KeyMetadata::default()
    }
}
