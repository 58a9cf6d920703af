//! AWS Security Token Service.

mod assume_role;
mod caller_identity;
mod errors;
mod mfa;
mod session_policy;
mod session_token;

use portcullis_api::sts::{Credentials, op};
use portcullis_store::Vault;

use crate::gate::error::ServiceError;
use crate::gate::operation::{Row, read, write};
use crate::gate::session::Session;
use errors::StsError;

/// The operations of the service. Those that accept an MFA code write: a code works once.
pub fn table() -> Vec<Row> {
    vec![
        write::<op::AssumeRole>(
            &["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            assume_role::require,
            assume_role::assume,
        ),
        read::<op::GetCallerIdentity>(
            &["sts:GetCallerIdentity"],
            caller_identity::require,
            caller_identity::get,
        ),
        write::<op::GetSessionToken>(
            &["sts:GetSessionToken"],
            session_token::require,
            session_token::get,
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
