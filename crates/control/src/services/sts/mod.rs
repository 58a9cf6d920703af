//! AWS Security Token Service.

mod access_key_info;
mod assume_role;
mod caller_identity;
mod decode_message;
mod errors;
mod federation_token;
mod mfa;
mod role_session;
mod session_policy;
mod session_token;
mod web_identity;
mod web_identity_token;

use portcullis_api::sts::{Credentials, op};
use portcullis_store::Vault;

use crate::gate::error::ServiceError;
use crate::gate::operation::{Row, read, write};
use crate::gate::session::Session;
pub(crate) use errors::StsError;

/// The operations of the service. Those that accept an MFA code write: a code works once.
pub fn table() -> Vec<Row> {
    vec![
        write::<op::AssumeRole>(
            &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            assume_role::require,
            assume_role::assume,
        ),
        read::<op::DecodeAuthorizationMessage>(
            &["sts:DecodeAuthorizationMessage"],
            decode_message::require,
            decode_message::decode,
        ),
        write::<op::AssumeRoleWithWebIdentity>(
            &[
                "sts:AssumeRoleWithWebIdentity",
                "sts:TagSession",
                "sts:SetSourceIdentity",
            ],
            web_identity::require,
            web_identity::assume,
        ),
        read::<op::GetAccessKeyInfo>(
            &["sts:GetAccessKeyInfo"],
            access_key_info::require,
            access_key_info::get,
        ),
        read::<op::GetCallerIdentity>(
            &["sts:GetCallerIdentity"],
            caller_identity::require,
            caller_identity::get,
        ),
        write::<op::GetFederationToken>(
            &["sts:GetFederationToken", "sts:TagSession"],
            federation_token::require,
            federation_token::get,
        ),
        write::<op::GetSessionToken>(
            &["sts:GetSessionToken"],
            session_token::require,
            session_token::get,
        ),
        read::<op::GetWebIdentityToken>(
            &["sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"],
            web_identity_token::require,
            web_identity_token::get,
        ),
    ]
}

/// A session as replies show it.
fn credentials(session: &Session, vault: &Vault) -> Result<Credentials, ServiceError> {
    let token = session.token(vault).ok_or(StsError::Internal)?;
    Ok(Credentials {
        access_key_id: session.access_key_id.clone(),
        secret_access_key: session.secret.expose().to_owned(),
        session_token: token.expose().to_owned(),
        expiration: session.expires,
    })
}

/// `PackedPolicySize`: absent where nothing was packed.
fn packed_size(percent: u64) -> Option<i32> {
    (percent > 0).then(|| i32::try_from(percent).unwrap_or(100))
}
