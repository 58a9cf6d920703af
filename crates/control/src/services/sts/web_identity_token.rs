//! GetWebIdentityToken: a token of this account for somebody else.

use portcullis_api::sts::op::GetWebIdentityToken;
use portcullis_api::sts::{GetWebIdentityTokenRequest, GetWebIdentityTokenResponse};
use portcullis_core::{Tags, uuid};
use serde_json::{Map, Value, json};

use super::errors::StsError;
use super::role_session::request_tags;
use crate::federation::outbound;
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::federation::OutboundFederation;

const DEFAULT_SECONDS: i32 = 300;
/// Algorithms of the model; the first is the one tokens are signed with here.
const ALGORITHMS: [&str; 2] = [outbound::ES384, "RS256"];
/// Largest set of claims.
const PAYLOAD_BYTES: usize = 8_192;
/// Claims of AWS's own stand below this one.
const NAMESPACE: &str = "https://sts.amazonaws.com/";

/// The call, and the tags it puts into the token.
pub fn require(ask: Ask<'_, GetWebIdentityTokenRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    if !ALGORITHMS.contains(&input.signing_algorithm.as_str()) {
        return Err(StsError::SigningAlgorithm(input.signing_algorithm.clone()).into());
    }
    let tags = request_tags(input.tags.as_ref())?;
    let seconds = input.duration_seconds.unwrap_or(DEFAULT_SECONDS);
    let check = |action| {
        let mut check = Check::new(action, "*");
        add_request_tags(&mut check.context, &tags);
        check
    };
    let mut checks = vec![
        check("sts:GetWebIdentityToken")
            .with("sts:DurationSeconds", seconds.to_string())
            .with_many("sts:IdentityTokenAudience", input.audience.clone())
            .with("sts:SigningAlgorithm", input.signing_algorithm.as_str()),
    ];
    if !tags.is_empty() {
        checks.push(check("sts:TagGetWebIdentityToken"));
    }
    Ok(checks)
}

/// A token that says who calls.
pub fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, GetWebIdentityToken>,
) -> Result<GetWebIdentityTokenResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let federation = view.outbound_federation.get(OutboundFederation::KEY);
    let federation = federation.filter(|federation| federation.enabled);
    let federation = federation.ok_or(StsError::OutboundDisabled)?;
    let expires = call
        .now
        .plus_seconds(input.duration_seconds.unwrap_or(DEFAULT_SECONDS).into());
    if call
        .caller
        .session
        .as_ref()
        .is_some_and(|session| session.expires < expires)
    {
        return Err(StsError::OutlivesSession.into());
    }
    let key = federation
        .keys
        .iter()
        .find(|key| key.algorithm == input.signing_algorithm)
        .ok_or_else(|| StsError::SigningAlgorithm(input.signing_algorithm.clone()))?;
    let claims = json!({
        "iss": federation.issuer,
        "aud": audience(&input.audience),
        "sub": call.caller.principal_arn(),
        "iat": call.now.as_seconds(),
        "exp": expires.as_seconds(),
        "jti": uuid(env.random.as_ref()),
        NAMESPACE: of_the_caller(view, call, &request_tags(input.tags.as_ref())?),
    });
    if claims.to_string().len() > PAYLOAD_BYTES {
        return Err(StsError::PayloadTooLarge.into());
    }
    let token = outbound::sign(key, &env.vault, &claims).ok_or(StsError::Internal)?;
    Ok(GetWebIdentityTokenResponse {
        web_identity_token: Some(token.expose().to_owned()),
        expiration: Some(expires),
    })
}

/// One audience stands alone, several in a list.
fn audience(given: &[String]) -> Value {
    match given {
        [one] => json!(one),
        several => json!(several),
    }
}

fn of_the_caller(view: &Snapshot, call: &Call, request_tags: &Tags) -> Value {
    let mut claims = Map::new();
    claims.insert("aws_account".to_owned(), json!(call.caller.account.as_str()));
    claims.insert("source_region".to_owned(), json!(call.region.as_str()));
    for (name, tags) in [
        ("principal_tags", &principal_tags(view, call)),
        ("request_tags", request_tags),
    ] {
        if !tags.is_empty() {
            let tags = tags.iter().map(|tag| (tag.key.clone(), json!(tag.value)));
            claims.insert(name.to_owned(), Value::Object(tags.collect()));
        }
    }
    Value::Object(claims)
}

/// The tags of the caller as `aws:PrincipalTag` shows them: those of a session win, without case (R131).
fn principal_tags(view: &Snapshot, call: &Call) -> Tags {
    let caller = &call.caller;
    let mut tags = match &caller.identity {
        Identity::User { name, .. } => view.user(name).map(|user| user.tags.clone()),
        Identity::Role { name, .. } => view.role(name).map(|role| role.tags.clone()),
        _ => None,
    }
    .unwrap_or_default();
    for tag in caller.session.iter().flat_map(|session| session.tags.iter()) {
        let same = tags.iter().find(|known| known.key.eq_ignore_ascii_case(&tag.key));
        if let Some(key) = same.map(|known| known.key.clone()) {
            tags.remove(&key);
        }
        tags.set(tag.clone());
    }
    tags
}
