//! GetAccessKeyInfo.

use portcullis_api::sts::op::GetAccessKeyInfo;
use portcullis_api::sts::{GetAccessKeyInfoRequest, GetAccessKeyInfoResponse};
use portcullis_core::account_of_key;

use super::errors::StsError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;

/// On no resource in particular.
pub fn require(_ask: Ask<'_, GetAccessKeyInfoRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("sts:GetAccessKeyInfo", "*")])
}

/// The account an access key id holds; says nothing about whether the key is there. Root keys chosen at the start may
/// hold none: they are looked up.
pub fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, GetAccessKeyInfo>,
) -> Result<GetAccessKeyInfoResponse, ServiceError> {
    let id = &auth.input().access_key_id;
    let own = view.access_keys.get(id).map(|_| view.account.clone());
    let account = own.or_else(|| account_of_key(id)).ok_or(StsError::NoAccessKey)?;
    Ok(GetAccessKeyInfoResponse {
        account: Some(account.to_string()),
    })
}
