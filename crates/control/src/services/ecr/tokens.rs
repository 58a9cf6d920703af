//! Tokens by which registry clients are known: sealed, good for 12 hours, and never longer than what they came from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ecr::op;
use portcullis_api::ecr::{AuthorizationData, GetAuthorizationTokenRequest, GetAuthorizationTokenResponse};

use super::checks::{Checks, on_registry};
use super::errors::EcrError;
use super::names::host;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized};
use crate::gate::registry_token;
use crate::world::Snapshot;

/// Who all registry clients say they are.
const USER: &str = "AWS";

/// Everything: a token is of no registry.
pub(super) fn require(ask: Ask<'_, GetAuthorizationTokenRequest>) -> Checks {
    Ok(vec![on_registry(&ask, "ecr:GetAuthorizationToken")])
}

/// A token of the caller, for the registries it names or its own.
pub(super) fn get(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetAuthorizationToken>,
) -> Result<GetAuthorizationTokenResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let token = registry_token::issue(call, &env.vault).ok_or(EcrError::Internal)?;
    let own = vec![call.account.to_string()];
    let registries = input.registry_ids.as_ref().unwrap_or(&own);
    let data = registries.iter().map(|registry| {
        let registry = registry.parse().unwrap_or_else(|_| call.account.clone());
        AuthorizationData {
            authorization_token: Some(STANDARD.encode(format!("{USER}:{}", token.password.expose()))),
            expires_at: Some(token.expires),
            proxy_endpoint: Some(format!("https://{}", host(&registry, &call.region))),
        }
    });
    Ok(GetAuthorizationTokenResponse {
        authorization_data: Some(data.collect()),
    })
}
