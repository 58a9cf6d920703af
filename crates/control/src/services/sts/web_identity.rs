//! AssumeRoleWithWebIdentity. The gate has verified the token; here it only becomes a session.

use portcullis_api::sts::op::AssumeRoleWithWebIdentity;
use portcullis_api::sts::{AssumeRoleWithWebIdentityRequest, AssumeRoleWithWebIdentityResponse};
use portcullis_core::Tags;

use super::errors::StsError;
use super::role_session::{self, Wanted, is_in};
use super::{credentials, packed_size, session_policy};
use crate::federation::Rejected;
use crate::gate::caller::WebIdentity;
use crate::gate::context::add_provider_key;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::session::{NewSession, Provenance, Session};
use crate::world::{Snapshot, Tx};

/// The pattern of source identities in the model: 2 to 64 letters, digits and `_+=,.@-`.
const SOURCE_IDENTITY_CHARACTERS: std::ops::RangeInclusive<usize> = 2..=64;

/// The trust policy alone decides (R126), about the call and about what the token brings along.
pub fn require(ask: Ask<'_, AssumeRoleWithWebIdentityRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let who = call.caller.web_identity().ok_or(StsError::Internal)?;
    still_vouches(ask.view, who)?;
    let tags = session_tags(who)?;
    let source_identity = source_identity(who)?;
    let role = ask.view.role_by_arn(&input.role_arn);
    let wanted = Wanted {
        role_arn: &input.role_arn,
        session_name: &input.role_session_name,
        tags: &tags,
        transitive_tag_keys: &who.claims.transitive_tag_keys,
        source_identity,
    };
    let check = |action| {
        let mut check = role_session::check(action, role, wanted);
        for (key, values) in &who.claims.keys {
            add_provider_key(&mut check.context, &who.name, key, values);
        }
        check
    };
    let mut checks = vec![check("sts:AssumeRoleWithWebIdentity")];
    if !tags.is_empty() {
        checks.push(check("sts:TagSession"));
    }
    if source_identity.is_some() {
        checks.push(check("sts:SetSourceIdentity"));
    }
    Ok(checks)
}

/// The token was verified some moments ago: a provider that is gone since, or has lost the audience, vouches for nobody.
fn still_vouches(view: &Snapshot, who: &WebIdentity) -> Result<(), StsError> {
    let provider = view.oidc_providers.get(who.provider.as_str());
    let provider = provider.filter(|provider| provider.url == who.issuer);
    let provider = provider.ok_or_else(|| Rejected::UnknownIssuer(who.issuer.clone()))?;
    if provider.client_ids.contains(&who.claims.audience) {
        Ok(())
    } else {
        Err(Rejected::Audience.into())
    }
}

fn session_tags(who: &WebIdentity) -> Result<Tags, StsError> {
    let tags = role_session::unique(who.claims.tags.iter().cloned())?;
    let keys: Vec<_> = tags.iter().map(|tag| tag.key.clone()).collect();
    let mut transitive = who.claims.transitive_tag_keys.iter();
    if transitive.any(|key| !is_in(&keys, key)) {
        return Err(StsError::TransitiveKeyWithoutTag);
    }
    Ok(tags)
}

fn source_identity(who: &WebIdentity) -> Result<Option<&str>, StsError> {
    let Some(identity) = who.claims.source_identity.as_deref() else {
        return Ok(None);
    };
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if SOURCE_IDENTITY_CHARACTERS.contains(&identity.len()) && identity.chars().all(is_allowed) {
        Ok(Some(identity))
    } else {
        Err(StsError::InvalidSourceIdentity)
    }
}

/// A session of the role for whom the provider vouches for.
pub fn assume(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AssumeRoleWithWebIdentity>,
) -> Result<AssumeRoleWithWebIdentityResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let who = call.caller.web_identity().ok_or(StsError::Internal)?;
    let role = tx
        .view()
        .role_by_arn(&input.role_arn)
        .cloned()
        .ok_or(StsError::Internal)?;
    let tags = session_tags(who)?;
    let arns = role_session::policy_arns(input.policy_arns.as_ref())?;
    let packed = session_policy::check(tx.view(), input.policy.as_deref(), &arns, &tags)?;
    let seconds = role_session::seconds(&role, input.duration_seconds)?;
    let subject = role_session::subject(&role, &input.role_session_name);
    let mut new = NewSession::of(subject, seconds.into(), &call.caller);
    new.policy = input.policy.clone();
    new.policy_arns = arns;
    new.tags = tags;
    new.transitive_tag_keys = who
        .claims
        .transitive_tag_keys
        .iter()
        .map(|key| key.to_ascii_lowercase())
        .collect();
    new.source_identity = source_identity(who)?.map(str::to_owned);
    new.provenance = Some(Provenance {
        provider: who.provider.clone(),
        name: who.name.clone(),
        keys: who.claims.keys_of_the_session().cloned().collect(),
    });
    let session = Session::issue(new, &call.account, call.now, tx.random);
    let user = role_session::assumed_role_user(&role, &input.role_session_name);
    Ok(AssumeRoleWithWebIdentityResponse {
        credentials: Some(credentials(&session, tx.vault)?),
        subject_from_web_identity_token: Some(who.claims.subject.clone()),
        assumed_role_user: Some(user),
        packed_policy_size: packed_size(packed),
        provider: Some(who.provider.to_string()),
        audience: Some(who.claims.audience.clone()),
        source_identity: session.source_identity.clone(),
        ..AssumeRoleWithWebIdentityResponse::default()
    })
}
