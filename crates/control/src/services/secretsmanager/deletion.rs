//! DeleteSecret and RestoreSecret: a deleted secret stays for its recovery window.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    DeleteSecretRequest, DeleteSecretResponse, RestoreSecretRequest, RestoreSecretResponse,
};

use super::errors::SecretsError;
use super::names::Named;
use super::versions;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::secrets::StoredSecret;

/// Days a recovery window may have.
const WINDOW_DAYS: std::ops::RangeInclusive<i64> = 7..=30;
const DAY_SECONDS: i64 = 24 * 3_600;

/// The secret, with how long it stays.
pub(super) fn require_delete(ask: Ask<'_, DeleteSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let check = Named::of(ask.view, ask.call, &input.secret_id)
        .check("secretsmanager:DeleteSecret")
        .with_some(
            "secretsmanager:RecoveryWindowInDays",
            input.recovery_window_in_days.map(|days| days.to_string()),
        )
        .with_some(
            "secretsmanager:ForceDeleteWithoutRecovery",
            input.force_delete_without_recovery.map(|force| force.to_string()),
        );
    Ok(vec![check])
}

/// Marks a secret for deletion, or deletes it at once.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteSecret>,
) -> Result<DeleteSecretResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let by_force = input.force_delete_without_recovery.unwrap_or_default();
    if by_force && input.recovery_window_in_days.is_some() {
        return Err(SecretsError::ForceAndWindow.into());
    }
    let days = input.recovery_window_in_days.unwrap_or(*WINDOW_DAYS.end());
    if !WINDOW_DAYS.contains(&days) {
        return Err(SecretsError::Window.into());
    }
    let named = Named::of(tx.view(), call, &input.secret_id);
    let due = match by_force {
        true => tx.now,
        false => tx.now.plus_seconds(days * DAY_SECONDS),
    };
    let reply = |arn: String, name: String| DeleteSecretResponse {
        arn: Some(arn),
        name: Some(name),
        deletion_date: Some(due),
    };
    // A forced deletion that is tried again has nothing to delete, which is as its caller wants it.
    if by_force && named.row.is_none() {
        return Ok(reply(named.arn.clone(), input.secret_id.clone()));
    }
    let found = match by_force {
        true => named.own()?,
        false => named.own_live()?,
    };
    let mut row = StoredSecret::clone(found);
    let answer = reply(named.arn.clone(), row.name.clone());
    drop(named);
    if by_force {
        versions::forget(tx, &row);
    } else {
        row.deleted = Some(due);
        tx.put(row);
    }
    Ok(answer)
}

/// The secret.
pub(super) fn require_restore(ask: Ask<'_, RestoreSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:RestoreSecret")])
}

/// Takes a deletion back.
pub(super) fn restore(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RestoreSecret>,
) -> Result<RestoreSecretResponse, ServiceError> {
    let named = Named::of(tx.view(), auth.call(), &auth.input().secret_id);
    let mut row = StoredSecret::clone(named.own()?);
    let reply = RestoreSecretResponse {
        arn: Some(named.arn.clone()),
        name: Some(row.name.clone()),
    };
    drop(named);
    row.deleted = None;
    row.changed = tx.now;
    tx.put(row);
    Ok(reply)
}
