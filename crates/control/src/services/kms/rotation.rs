//! Rotation: new material for a key, by its period or on demand. What older material encrypted it still decrypts.

use portcullis_api::kms::op;
use portcullis_api::kms::{
    DisableKeyRotationRequest, EnableKeyRotationRequest, GetKeyRotationStatusRequest,
    GetKeyRotationStatusResponse, ListKeyRotationsRequest, ListKeyRotationsResponse,
    RotateKeyOnDemandRequest, RotateKeyOnDemandResponse, RotationsListEntry,
};
use portcullis_core::{Random, Timestamp};
use portcullis_store::Vault;
use portcullis_wire::Empty;

use super::aws_managed::DAY_SECONDS;
use super::checks::{self, Asked};
use super::crypto::new_material;
use super::errors::KmsError;
use super::keys::{SYMMETRIC, edit, own};
use super::paging::Pager;
use super::resolve::{Takes, find, staying, working};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::kms::{Key, Material, Rotation, RotationType};
use crate::world::{Snapshot, Tx};

/// The period when nobody says, in days.
const PERIOD_DAYS: i32 = 365;
/// Rotations on demand that a key may have.
const ON_DEMAND_MAX: usize = 25;

/// Gives a key new material.
pub(super) fn rotate(
    key: &mut Key,
    vault: &Vault,
    random: &dyn Random,
    now: Timestamp,
    by: RotationType,
) -> Result<(), KmsError> {
    let material = new_material(vault, random, &key.arn, &key.spec, now, Some(by))?;
    key.materials.push(material);
    Ok(())
}

/// When a key with that period rotates next.
pub(super) fn next(now: Timestamp, days: i32) -> Timestamp {
    now.plus_seconds(i64::from(days) * DAY_SECONDS)
}

fn rotatable(key: &Key) -> Result<(), KmsError> {
    match key.spec == SYMMETRIC {
        true => Ok(()),
        false => Err(KmsError::Unsupported(format!(
            "{} key spec is {} which is not valid for this operation.",
            key.arn, key.spec
        ))),
    }
}

/// The key, and its period.
pub(super) fn require_enable(ask: Ask<'_, EnableKeyRotationRequest>) -> Result<Vec<Check>, ServiceError> {
    let days = ask.input.rotation_period_in_days.map(|days| days.to_string());
    let checks = own(ask.view, ask.call, &ask.input.key_id, "kms:EnableKeyRotation")?;
    let with_days = |check: Check| check.with_some("kms:RotationPeriodInDays", days.clone());
    Ok(checks.into_iter().map(with_days).collect())
}

/// Lets a key rotate by itself.
pub(super) fn enable(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::EnableKeyRotation>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut key = edit(tx, auth.call(), &input.key_id)?;
    working(&key)?;
    rotatable(&key)?;
    let days = input.rotation_period_in_days.unwrap_or(PERIOD_DAYS);
    if key.rotation.is_none_or(|rotation| rotation.days != days) {
        let next = next(tx.now, days);
        key.rotation = Some(Rotation { days, next });
    }
    tx.put(key);
    Ok(Empty {})
}

/// The key.
pub(super) fn require_disable(ask: Ask<'_, DisableKeyRotationRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:DisableKeyRotation")
}

/// Keeps a key from rotating by itself.
pub(super) fn disable(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DisableKeyRotation>,
) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    working(&key)?;
    rotatable(&key)?;
    key.rotation = None;
    tx.put(key);
    Ok(Empty {})
}

/// The key, of any account.
pub(super) fn require_status(ask: Ask<'_, GetKeyRotationStatusRequest>) -> Result<Vec<Check>, ServiceError> {
    let found = find(ask.view, ask.call, &ask.input.key_id, Takes::Id)?;
    let asked = Asked::default();
    Ok(vec![checks::on_key(
        ask.call,
        "kms:GetKeyRotationStatus",
        &found,
        asked,
    )])
}

/// Whether and when a key rotates.
pub(super) fn status(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetKeyRotationStatus>,
) -> Result<GetKeyRotationStatusResponse, ServiceError> {
    let found = find(view, auth.call(), &auth.input().key_id, Takes::Id)?;
    let key = found.there()?;
    staying(key)?;
    rotatable(key)?;
    let rotation = key.rotation;
    Ok(GetKeyRotationStatusResponse {
        key_rotation_enabled: Some(rotation.is_some()),
        key_id: Some(key.arn.to_string()),
        rotation_period_in_days: rotation.map(|rotation| rotation.days),
        next_rotation_date: rotation.map(|rotation| rotation.next),
        on_demand_rotation_start_date: None,
    })
}

/// The key.
pub(super) fn require_on_demand(ask: Ask<'_, RotateKeyOnDemandRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:RotateKeyOnDemand")
}

/// Rotates a key now. When it rotates by itself stays as it is.
pub(super) fn on_demand(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RotateKeyOnDemand>,
) -> Result<RotateKeyOnDemandResponse, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    working(&key)?;
    rotatable(&key)?;
    let on_demand = |material: &&Material| material.rotated == Some(RotationType::OnDemand);
    if key.materials.iter().filter(on_demand).count() >= ON_DEMAND_MAX {
        let text = format!(
            "{} was rotated on demand {ON_DEMAND_MAX} times, as often as it may be.",
            key.arn
        );
        return Err(KmsError::Limit(text).into());
    }
    rotate(&mut key, tx.vault, tx.random, tx.now, RotationType::OnDemand)?;
    let arn = key.arn.to_string();
    tx.put(key);
    Ok(RotateKeyOnDemandResponse { key_id: Some(arn) })
}

/// The key.
pub(super) fn require_list(ask: Ask<'_, ListKeyRotationsRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:ListKeyRotations")
}

/// When a key got new material, and why.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListKeyRotations>,
) -> Result<ListKeyRotationsResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Own)?;
    let key = found.there()?;
    rotatable(key)?;
    let pager = Pager::of(input.marker.as_deref(), input.limit, 100, 1_000)?;
    let with_first = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    let last = key.materials.len().saturating_sub(1);
    let materials = key.materials.iter().enumerate();
    let rows = materials.filter(|(_, material)| with_first || material.rotated.is_some());
    let rows = rows.map(|(place, material)| (format!("{place:06}"), entry(key, material, place == last)));
    let (rotations, next_marker) = pager.page(rows);
    Ok(ListKeyRotationsResponse {
        rotations: Some(rotations),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

fn entry(key: &Key, material: &Material, is_current: bool) -> RotationsListEntry {
    let state = if is_current { "CURRENT" } else { "NON_CURRENT" };
    RotationsListEntry {
        key_id: Some(key.arn.to_string()),
        key_material_id: Some(material.id.clone()),
        key_material_state: Some(state.to_owned()),
        rotation_date: material.rotated.map(|_| material.since),
        rotation_type: material.rotated.map(|by| {
            let name = match by {
                RotationType::Automatic => "AUTOMATIC",
                RotationType::OnDemand => "ON_DEMAND",
            };
            name.to_owned()
        }),
        ..RotationsListEntry::default()
    }
}
