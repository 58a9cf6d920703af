//! DeleteParameter, DeleteParameters, and what becomes of those that expire.

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    DeleteParameterRequest, DeleteParameterResult, DeleteParametersRequest, DeleteParametersResult,
};
use portcullis_core::Timestamp;

use super::errors::ParameterError;
use super::names::Asked;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::parameters::{Parameter, ParameterVersion};
use crate::world::{Snapshot, Tx};

/// Most parameters one sweep forgets, so that it never holds up other writers for long.
const BATCH: usize = 100;

/// The parameter.
pub(super) fn require_one(ask: Ask<'_, DeleteParameterRequest>) -> Result<Vec<Check>, ServiceError> {
    let asked = Asked::of(ask.view, ask.call, &ask.input.name);
    Ok(vec![asked.check(ask.view, ask.call, "ssm:DeleteParameter")])
}

/// Deletes a parameter.
pub(super) fn one(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteParameter>,
) -> Result<DeleteParameterResult, ServiceError> {
    let asked = Asked::of(tx.view(), auth.call(), &auth.input().name);
    let found = asked
        .find(tx.view(), auth.call())
        .filter(|_| asked.selector.is_none());
    let key = found.ok_or(ParameterError::NotFound)?.key();
    forget(tx, &key);
    Ok(DeleteParameterResult {})
}

/// Every parameter.
pub(super) fn require_some(ask: Ask<'_, DeleteParametersRequest>) -> Result<Vec<Check>, ServiceError> {
    let check =
        |name: &String| Asked::of(ask.view, ask.call, name).check(ask.view, ask.call, "ssm:DeleteParameters");
    Ok(ask.input.names.iter().map(check).collect())
}

/// Deletes those parameters that are there.
pub(super) fn some(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteParameters>,
) -> Result<DeleteParametersResult, ServiceError> {
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for name in &auth.input().names {
        let asked = Asked::of(tx.view(), auth.call(), name);
        let found = asked
            .find(tx.view(), auth.call())
            .filter(|_| asked.selector.is_none());
        match found.map(|row| row.key()) {
            Some(key) => {
                forget(tx, &key);
                deleted.push(name.clone());
            }
            None => invalid.push(name.clone()),
        }
    }
    Ok(DeleteParametersResult {
        deleted_parameters: Some(deleted),
        invalid_parameters: Some(invalid),
    })
}

/// Removes a parameter with all its versions.
pub(super) fn forget(tx: &mut Tx<'_>, key: &str) {
    let Some(row) = tx.view().parameters.parameters.get(key).cloned() else {
        return;
    };
    let keys: Vec<_> = tx
        .view()
        .parameters
        .versions_of(&row)
        .map(|row| row.key())
        .collect();
    keys.iter().for_each(|key| tx.delete::<ParameterVersion>(key));
    tx.delete::<Parameter>(key);
}

/// Whether a parameter has expired.
pub(crate) fn is_due(view: &Snapshot, now: Timestamp) -> bool {
    view.parameters.expired(now).next().is_some()
}

/// Forgets parameters that have expired; says whether more are left.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> bool {
    let expired: Vec<_> = tx
        .view()
        .parameters
        .expired(tx.now)
        .take(BATCH)
        .map(str::to_owned)
        .collect();
    expired.iter().for_each(|key| forget(tx, key));
    expired.len() == BATCH
}
