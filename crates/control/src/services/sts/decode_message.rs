//! DecodeAuthorizationMessage.

use portcullis_api::sts::op::DecodeAuthorizationMessage;
use portcullis_api::sts::{DecodeAuthorizationMessageRequest, DecodeAuthorizationMessageResponse};

use super::errors::StsError;
use crate::gate::encoded_message;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;

/// A message tells what its reader may not know otherwise, so that even who was refused needs permission.
pub fn require(_ask: Ask<'_, DecodeAuthorizationMessageRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("sts:DecodeAuthorizationMessage", "*")])
}

/// Why a request was refused, from the message in its refusal.
pub fn decode(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, DecodeAuthorizationMessage>,
) -> Result<DecodeAuthorizationMessageResponse, ServiceError> {
    let account = &auth.call().caller.account;
    let text = encoded_message::decode(&auth.input().encoded_message, account, &env.vault);
    let text = text.ok_or(StsError::InvalidAuthorizationMessage)?;
    Ok(DecodeAuthorizationMessageResponse {
        decoded_message: Some(text),
    })
}
