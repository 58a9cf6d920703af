//! GetSessionToken.

use portcullis_api::sts::op::GetSessionToken;
use portcullis_api::sts::{GetSessionTokenRequest, GetSessionTokenResponse};

use super::errors::StsError;
use super::{credentials, mfa};
use crate::gate::caller::Identity;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::session::{NewSession, Session, Subject};
use crate::world::Tx;

const DEFAULT_SECONDS: i32 = 43_200;
const ROOT_SECONDS_MAX: i32 = 3_600;

/// Needs no permission (R130), but long-term credentials (R129).
pub fn require(ask: Ask<'_, GetSessionTokenRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    if call.caller.session.is_some() {
        return Err(StsError::SessionCredentials("GetSessionToken").into());
    }
    // Here already, so that wrong codes never enter the writers' queue.
    mfa::verify(
        ask.view,
        &ask.env.vault,
        &ask.env.guesses,
        call,
        input.serial_number.as_deref(),
        input.token_code.as_deref(),
    )?;
    Ok(Vec::new())
}

/// A session of the caller's own user, with MFA if a code is given.
pub fn get(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, GetSessionToken>,
) -> Result<GetSessionTokenResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (subject, default, longest) = match &call.caller.identity {
        Identity::Root => (Subject::Root, ROOT_SECONDS_MAX, ROOT_SECONDS_MAX),
        Identity::User { id, name, .. } => (
            Subject::User {
                id: id.clone(),
                name: name.clone(),
            },
            DEFAULT_SECONDS,
            i32::MAX,
        ),
        _ => return Err(StsError::SessionCredentials("GetSessionToken").into()),
    };
    // Root asks for more than an hour and gets an hour.
    let seconds = input.duration_seconds.unwrap_or(default).min(longest);
    let accepted = mfa::verify(
        tx.view(),
        tx.vault,
        tx.guesses,
        call,
        input.serial_number.as_deref(),
        input.token_code.as_deref(),
    )?;
    let mut new = NewSession::of(subject, seconds.into(), &call.caller);
    if let Some(accepted) = accepted {
        new.mfa_authenticated = Some(call.now);
        mfa::use_up(tx, &accepted);
    }
    let session = Session::issue(new, &call.account, call.now, tx.random);
    let credentials = Some(credentials(&session, tx.vault)?);
    Ok(GetSessionTokenResponse {
        credentials,
        ..GetSessionTokenResponse::default()
    })
}
