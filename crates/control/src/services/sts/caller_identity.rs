//! GetCallerIdentity.

use portcullis_api::sts::op::GetCallerIdentity;
use portcullis_api::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;

/// Always allowed, even under an explicit deny (R130).
pub fn require(_ask: Ask<'_, GetCallerIdentityRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(Vec::new())
}

/// Who the caller is.
pub fn get(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, GetCallerIdentity>,
) -> Result<GetCallerIdentityResponse, ServiceError> {
    let caller = &auth.call().caller;
    Ok(GetCallerIdentityResponse {
        account: Some(caller.account.to_string()),
        arn: Some(caller.arn()),
        user_id: Some(caller.user_id()),
    })
}
