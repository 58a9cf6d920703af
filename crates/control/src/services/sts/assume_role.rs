//! AssumeRole.

use std::sync::Arc;

use portcullis_api::sts::op::AssumeRole;
use portcullis_api::sts::{AssumeRoleRequest, AssumeRoleResponse};
use portcullis_core::{Arn, Tags};

use super::errors::StsError;
use super::role_session::{self, Wanted, is_in, request_tags};
use super::{credentials, mfa, packed_size, session_policy};
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::session::{NewSession, Session};
use crate::open_points;
use crate::world::Tx;
use crate::world::records::iam::Role;

const CHAINED_SECONDS_MAX: i32 = 3_600;

/// The caller's permission and the role's trust policy, for the call itself and for tags and source identity (R125).
pub fn require(ask: Ask<'_, AssumeRoleRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    if call.caller.identity == Identity::Root {
        return Err(StsError::RootAssumesRole.into());
    }
    names_a_role(&input.role_arn)?;
    if input
        .provided_contexts
        .as_ref()
        .is_some_and(|contexts| !contexts.is_empty())
    {
        return Err(StsError::ProvidedContexts.into());
    }
    keeps_source_identity(call, input)?;
    let own_tags = request_tags(input.tags.as_ref())?;
    keeps_transitive_tags(call, &own_tags)?;
    // What a chain hands on is set again by each of its calls.
    let (tags, identity) = (session_tags(call, input)?, source_identity(call, input));
    let role = ask.view.role_of_any_account(&input.role_arn);
    let mfa = mfa::verify(
        ask.view,
        &ask.env.vault,
        &ask.env.guesses,
        call,
        input.serial_number.as_deref(),
        input.token_code.as_deref(),
    )?;
    let wanted = Wanted {
        role_arn: &input.role_arn,
        session_name: &input.role_session_name,
        tags: &own_tags,
        transitive_tag_keys: input.transitive_tag_keys.as_deref().unwrap_or_default(),
        source_identity: identity.as_deref(),
    };
    let check = |action| {
        let check = role_session::check(action, role.as_ref(), wanted);
        let check = check.with_some("sts:ExternalId", input.external_id.as_deref());
        match mfa {
            // The code of the call itself speaks for it (R162).
            Some(_) => check
                .with("aws:MultiFactorAuthPresent", "true")
                .with("aws:MultiFactorAuthAge", "0"),
            None => check,
        }
    };
    let mut checks = vec![check("sts:AssumeRole")];
    if !tags.is_empty() {
        checks.push(check("sts:TagSession"));
    }
    if identity.is_some() {
        checks.push(check("sts:SetSourceIdentity"));
    }
    Ok(checks)
}

fn names_a_role(text: &str) -> Result<(), StsError> {
    let arn: Option<Arn> = text.parse().ok();
    let is_role = |arn: &Arn| arn.service() == "iam" && arn.resource().starts_with("role/");
    match arn.filter(is_role) {
        Some(_) => Ok(()),
        None => Err(StsError::InvalidRoleArn(text.to_owned())),
    }
}

/// A session of the role.
pub fn assume(tx: &mut Tx<'_>, auth: Authorized<'_, AssumeRole>) -> Result<AssumeRoleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let role = tx
        .view()
        .role_of_any_account(&input.role_arn)
        .ok_or(StsError::Internal)?;
    let home = role_session::home(tx.view(), &role)?;
    let tags = session_tags(call, input)?;
    let arns = role_session::policy_arns(input.policy_arns.as_ref())?;
    let packed = session_policy::check(home.view(tx.view()), input.policy.as_deref(), &arns, &tags)?;
    let subject = role_session::subject(&role, &input.role_session_name);
    let mut new = NewSession::of(subject, seconds(call, &role, input)?, &call.caller);
    new.policy = input.policy.clone();
    new.policy_arns = arns;
    new.transitive_tag_keys = transitive_keys(call, input, &tags)?;
    new.tags = tags;
    new.source_identity = source_identity(call, input);
    let accepted = mfa::verify(
        tx.view(),
        tx.vault,
        tx.guesses,
        call,
        input.serial_number.as_deref(),
        input.token_code.as_deref(),
    )?;
    new.mfa_authenticated = open_points::r159_mfa_of_role_session(accepted.as_ref().map(|_| call.now));
    if let Some(accepted) = accepted {
        mfa::use_up(tx, &accepted);
    }
    let session = Session::issue(new, home.account(), call.now, tx.random);
    let user = role_session::assumed_role_user(&role, &input.role_session_name);
    Ok(AssumeRoleResponse {
        assumed_role_user: Some(user),
        credentials: Some(credentials(&session, tx.vault)?),
        packed_policy_size: packed_size(packed),
        source_identity: session.source_identity.clone(),
        ..AssumeRoleResponse::default()
    })
}

fn seconds(call: &Call, role: &Role, input: &AssumeRoleRequest) -> Result<i64, StsError> {
    let chained = matches!(call.caller.identity, Identity::Role { .. });
    if chained
        && input
            .duration_seconds
            .is_some_and(|asked| asked > CHAINED_SECONDS_MAX)
    {
        return Err(StsError::DurationExceedsChaining);
    }
    Ok(role_session::seconds(role, input.duration_seconds)?.into())
}

/// The request's tags and those that survive chaining from the caller's own session (R131).
fn session_tags(call: &Call, input: &AssumeRoleRequest) -> Result<Tags, StsError> {
    let mut tags = request_tags(input.tags.as_ref())?;
    if let Some(session) = &call.caller.session {
        for tag in session
            .tags
            .iter()
            .filter(|tag| is_in(&session.transitive_tag_keys, &tag.key))
        {
            tags.set(tag.clone());
        }
    }
    Ok(tags)
}

fn transitive_keys(call: &Call, input: &AssumeRoleRequest, tags: &Tags) -> Result<Vec<String>, StsError> {
    let mut keys: Vec<String> = call
        .caller
        .session
        .iter()
        .flat_map(|s| s.transitive_tag_keys.clone())
        .collect();
    for key in input.transitive_tag_keys.iter().flatten() {
        if !tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
            return Err(StsError::TransitiveKeyWithoutTag);
        }
        if !is_in(&keys, key) {
            keys.push(key.to_ascii_lowercase());
        }
    }
    Ok(keys)
}

/// Tags inherited from the caller's session cannot be set anew, not even to the same value.
fn keeps_transitive_tags(call: &Call, tags: &Tags) -> Result<(), StsError> {
    let inherited = call.caller.session.as_ref();
    let overrides = |session: &Arc<Session>| {
        let mut keys = tags.iter().map(|tag| &tag.key);
        keys.any(|key| is_in(&session.transitive_tag_keys, key))
    };
    if inherited.is_some_and(overrides) {
        return Err(StsError::TransitiveTagConflict);
    }
    Ok(())
}

/// A session that has a source identity cannot pass on another one.
fn keeps_source_identity(call: &Call, input: &AssumeRoleRequest) -> Result<(), StsError> {
    let session = call.caller.session.as_ref();
    let inherited = session.and_then(|session| session.source_identity.as_ref());
    let asked = input.source_identity.as_ref();
    if inherited
        .zip(asked)
        .is_some_and(|(inherited, asked)| inherited != asked)
    {
        return Err(StsError::SourceIdentitySet);
    }
    Ok(())
}

/// Once set, the source identity stays over chaining.
fn source_identity(call: &Call, input: &AssumeRoleRequest) -> Option<String> {
    let inherited = call
        .caller
        .session
        .as_ref()
        .and_then(|session| session.source_identity.clone());
    inherited.or_else(|| input.source_identity.clone())
}
