//! AssumeRole.

use std::sync::Arc;

use portcullis_api::sts::op::AssumeRole;
use portcullis_api::sts::{AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser};
use portcullis_core::{Arn, Tag, Tags};

use super::errors::StsError;
use super::{credentials, mfa, session_policy};
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, ResourcePolicy};
use crate::gate::session::{NewSession, Session, Subject};
use crate::open_points;
use crate::world::Tx;
use crate::world::records::iam::Role;

const DEFAULT_SECONDS: i32 = 3_600;
const CHAINED_SECONDS_MAX: i32 = 3_600;

/// The caller's permission and the role's trust policy, for the call itself and for tags and source identity (R125).
pub fn require(ask: Ask<'_, AssumeRoleRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    if call.caller.identity == Identity::Root {
        return Err(StsError::RootAssumesRole.into());
    }
    keeps_source_identity(call, input)?;
    keeps_transitive_tags(call, &request_tags(input)?)?;
    // What a chain hands on is set again by each of its calls.
    let (tags, identity) = (session_tags(call, input)?, source_identity(call, input));
    let role = ask.view.role_by_arn(&input.role_arn);
    let mfa = mfa::verify(
        ask.view,
        &ask.env.vault,
        &ask.env.guesses,
        call,
        input.serial_number.as_deref(),
        input.token_code.as_deref(),
    )?;
    let check = |action| {
        check(action, role, input, mfa.is_some()).with_some("sts:SourceIdentity", identity.as_deref())
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

fn check(action: &'static str, role: Option<&Arc<Role>>, input: &AssumeRoleRequest, mfa: bool) -> Check {
    let mut check = Check::new(action, input.role_arn.as_str())
        .with("sts:RoleSessionName", input.role_session_name.as_str())
        .with_some("sts:ExternalId", input.external_id.as_deref());
    if mfa {
        check = check
            .with("aws:MultiFactorAuthPresent", "true")
            .with("aws:MultiFactorAuthAge", "0");
    }
    if let Some(keys) = input.transitive_tag_keys.as_ref().filter(|keys| !keys.is_empty()) {
        check = check.with_many("sts:TransitiveTagKeys", keys.clone());
    }
    let tags: Tags = input
        .tags
        .iter()
        .flatten()
        .map(|tag| Tag::new(&tag.key, &tag.value))
        .collect();
    add_request_tags(&mut check.context, &tags);
    if let Some(role) = role {
        add_resource_tags(&mut check.context, "iam", &role.tags);
    }
    // A role that does not exist is refused like one that trusts nobody, so that names cannot be probed.
    check.resource_policy = Some(ResourcePolicy {
        name: format!("trust policy of {}", input.role_arn),
        document: role.and_then(|role| role.trust.document().cloned()),
    });
    check
}

/// A session of the role.
pub fn assume(tx: &mut Tx<'_>, auth: Authorized<'_, AssumeRole>) -> Result<AssumeRoleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let role = tx
        .view()
        .role_by_arn(&input.role_arn)
        .cloned()
        .ok_or(StsError::Internal)?;
    let tags = session_tags(call, input)?;
    let arns = policy_arns(input)?;
    let packed = session_policy::check(tx.view(), input.policy.as_deref(), &arns, &tags)?;
    let mut new = NewSession::of(subject(&role, input), seconds(call, &role, input)?);
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
    let session = Session::issue(new, &call.account, call.now, tx.random);
    Ok(AssumeRoleResponse {
        assumed_role_user: Some(assumed_role_user(call, &role, &input.role_session_name)),
        credentials: Some(credentials(&session, tx.vault)?),
        packed_policy_size: (packed > 0).then(|| i32::try_from(packed).unwrap_or(100)),
        source_identity: session.source_identity.clone(),
        ..AssumeRoleResponse::default()
    })
}

fn subject(role: &Role, input: &AssumeRoleRequest) -> Subject {
    Subject::Role {
        id: role.id.clone(),
        name: role.name.clone(),
        session_name: input.role_session_name.clone(),
    }
}

fn assumed_role_user(call: &Call, role: &Role, session_name: &str) -> AssumedRoleUser {
    let resource = format!("assumed-role/{}/{session_name}", role.name);
    AssumedRoleUser {
        arn: Arn::global("sts", call.region.partition(), &call.account, resource).to_string(),
        assumed_role_id: format!("{}:{session_name}", role.id),
    }
}

fn seconds(call: &Call, role: &Role, input: &AssumeRoleRequest) -> Result<i64, StsError> {
    let asked = input.duration_seconds.unwrap_or(DEFAULT_SECONDS);
    let chained = matches!(call.caller.identity, Identity::Role { .. });
    if chained && asked > CHAINED_SECONDS_MAX {
        return Err(StsError::DurationExceedsChaining);
    }
    if asked > role.max_session_seconds {
        return Err(StsError::DurationExceedsRole);
    }
    Ok(asked.into())
}

fn policy_arns(input: &AssumeRoleRequest) -> Result<Vec<Arn>, StsError> {
    let arns = input
        .policy_arns
        .iter()
        .flatten()
        .filter_map(|descriptor| descriptor.arn.as_deref());
    arns.map(|arn| arn.parse().map_err(|_| StsError::NoSuchPolicy(arn.to_owned())))
        .collect()
}

/// The tags of the request; keys are unique without case.
fn request_tags(input: &AssumeRoleRequest) -> Result<Tags, StsError> {
    let mut tags = Tags::new();
    for tag in input.tags.iter().flatten() {
        if tags
            .iter()
            .any(|seen: &Tag| seen.key.eq_ignore_ascii_case(&tag.key))
        {
            return Err(StsError::DuplicateTagKey);
        }
        tags.set(Tag::new(&tag.key, &tag.value));
    }
    Ok(tags)
}

/// The request's tags and those that survive chaining from the caller's own session (R131).
fn session_tags(call: &Call, input: &AssumeRoleRequest) -> Result<Tags, StsError> {
    let mut tags = request_tags(input)?;
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

fn is_in(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known.eq_ignore_ascii_case(key))
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
