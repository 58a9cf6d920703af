//! GetFederationToken.

use portcullis_api::sts::op::GetFederationToken;
use portcullis_api::sts::{FederatedUser, GetFederationTokenRequest, GetFederationTokenResponse};
use portcullis_core::Arn;

use super::errors::StsError;
use super::role_session::{policy_arns, request_tags};
use super::{credentials, packed_size, session_policy};
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::context::add_request_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::session::{NewSession, Session, Subject};
use crate::world::Tx;

const DEFAULT_SECONDS: i32 = 43_200;
const ROOT_SECONDS_MAX: i32 = 3_600;

/// Of users and root, with long-term credentials (R129).
pub fn require(ask: Ask<'_, GetFederationTokenRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    if call.caller.session.is_some() {
        return Err(StsError::SessionCredentials("GetFederationToken").into());
    }
    let tags = request_tags(input.tags.as_ref())?;
    let arn = federated_user(call, &input.name);
    let check = |action| {
        let mut check = Check::new(action, arn.as_str());
        add_request_tags(&mut check.context, &tags);
        check
    };
    let mut checks = vec![check("sts:GetFederationToken")];
    if !tags.is_empty() {
        checks.push(check("sts:TagSession"));
    }
    Ok(checks)
}

fn federated_user(call: &Call, name: &str) -> Arn {
    let resource = format!("federated-user/{name}");
    Arn::global("sts", call.region.partition(), &call.account, resource)
}

/// A session with what the session policies leave of the caller's permissions; nothing without any (R121).
pub fn get(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, GetFederationToken>,
) -> Result<GetFederationTokenResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let name = input.name.clone();
    // Root asks for more than an hour and gets an hour.
    let (subject, longest) = match &call.caller.identity {
        Identity::Root => {
            let (user, user_id) = (None, call.account.to_string());
            (Subject::Federated { name, user, user_id }, ROOT_SECONDS_MAX)
        }
        Identity::User { id, name: user, .. } => {
            let (user, user_id) = (Some(user.clone()), id.clone());
            (Subject::Federated { name, user, user_id }, i32::MAX)
        }
        _ => return Err(StsError::SessionCredentials("GetFederationToken").into()),
    };
    let tags = request_tags(input.tags.as_ref())?;
    let arns = policy_arns(input.policy_arns.as_ref())?;
    let packed = session_policy::check(tx.view(), input.policy.as_deref(), &arns, &tags)?;
    let seconds = input.duration_seconds.unwrap_or(DEFAULT_SECONDS).min(longest);
    let mut new = NewSession::of(subject, seconds.into(), &call.caller);
    new.policy = input.policy.clone();
    new.policy_arns = arns;
    new.tags = tags;
    let session = Session::issue(new, &call.account, call.now, tx.random);
    Ok(GetFederationTokenResponse {
        credentials: Some(credentials(&session, tx.vault)?),
        federated_user: Some(FederatedUser {
            federated_user_id: format!("{}:{}", call.account, input.name),
            arn: federated_user(call, &input.name).to_string(),
        }),
        packed_policy_size: packed_size(packed),
        ..GetFederationTokenResponse::default()
    })
}
