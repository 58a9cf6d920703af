//! What a key's state does: enabled, disabled, scheduled to be deleted. A key that is deleted takes its material with it.

use portcullis_api::kms::op;
use portcullis_api::kms::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, DisableKeyRequest, EnableKeyRequest,
    ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse,
};
use portcullis_wire::Empty;

use super::aws_managed::DAY_SECONDS;
use super::errors::KmsError;
use super::keys::{edit, own};
use super::resolve::staying;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::kms::State;

/// Days until a key is deleted when nobody says.
const WINDOW_DAYS: i32 = 30;

/// The key.
pub(super) fn require_enable(ask: Ask<'_, EnableKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:EnableKey")
}

/// Lets a key work.
pub(super) fn enable(tx: &mut Tx<'_>, auth: Authorized<'_, op::EnableKey>) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    key.state = State::Enabled;
    tx.put(key);
    Ok(Empty {})
}

/// The key.
pub(super) fn require_disable(ask: Ask<'_, DisableKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:DisableKey")
}

/// Keeps a key from working.
pub(super) fn disable(tx: &mut Tx<'_>, auth: Authorized<'_, op::DisableKey>) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    key.state = State::Disabled;
    tx.put(key);
    Ok(Empty {})
}

/// The key, and how long its window is to be.
pub(super) fn require_schedule(ask: Ask<'_, ScheduleKeyDeletionRequest>) -> Result<Vec<Check>, ServiceError> {
    let days = ask.input.pending_window_in_days.unwrap_or(WINDOW_DAYS);
    let checks = own(ask.view, ask.call, &ask.input.key_id, "kms:ScheduleKeyDeletion")?;
    let with_days = |check: Check| check.with("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
    Ok(checks.into_iter().map(with_days).collect())
}

/// Begins the window after which a key is deleted.
pub(super) fn schedule(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::ScheduleKeyDeletion>,
) -> Result<ScheduleKeyDeletionResponse, ServiceError> {
    let days = auth.input().pending_window_in_days.unwrap_or(WINDOW_DAYS);
    if !(7..=30).contains(&days) {
        let bound = if days < 7 {
            "greater than or equal to 7"
        } else {
            "less than or equal to 30"
        };
        let text = format!(
            "1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value {bound}"
        );
        return Err(KmsError::Validation(text).into());
    }
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    let at = tx.now.plus_seconds(i64::from(days) * DAY_SECONDS);
    key.state = State::PendingDeletion { at, days };
    let arn = key.arn.to_string();
    tx.put(key);
    Ok(ScheduleKeyDeletionResponse {
        key_id: Some(arn),
        deletion_date: Some(at),
        key_state: Some("PendingDeletion".to_owned()),
        pending_window_in_days: Some(days),
    })
}

/// The key.
pub(super) fn require_cancel(ask: Ask<'_, CancelKeyDeletionRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:CancelKeyDeletion")
}

/// Keeps a key after all. It is disabled then.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CancelKeyDeletion>,
) -> Result<CancelKeyDeletionResponse, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    let arn = key.arn.clone();
    if !matches!(key.state, State::PendingDeletion { .. }) {
        return Err(KmsError::NotPendingDeletion(arn).into());
    }
    key.state = State::Disabled;
    tx.put(key);
    Ok(CancelKeyDeletionResponse {
        key_id: Some(arn.to_string()),
    })
}
