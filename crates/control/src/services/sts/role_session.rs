//! What all sessions of roles have in common: the trust policy that is asked, tags, session policies, the reply.

use std::sync::Arc;

use portcullis_api::sts::{AssumedRoleUser, PolicyDescriptorType};
use portcullis_core::{AccountId, Arn, Tag, Tags};

use super::errors::StsError;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::operation::{Check, ResourcePolicy};
use crate::gate::session::Subject;
use crate::services::tags::is_reserved;
use crate::world::Snapshot;
use crate::world::records::iam::Role;

/// How long a session lives when nobody says.
pub(super) const DEFAULT_SECONDS: i32 = 3_600;

/// What a caller wants of a role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The role's ARN, as the caller gives it.
    pub role_arn: &'a str,
    /// The session's name.
    pub session_name: &'a str,
    /// The tags of this request, without those a chain hands on.
    pub tags: &'a Tags,
    /// Which of them survive role chaining.
    pub transitive_tag_keys: &'a [String],
    /// The source identity the session gets.
    pub source_identity: Option<&'a str>,
}

/// A check on a role and its trust policy.
pub(super) fn check(action: &'static str, role: Option<&Arc<Role>>, wanted: Wanted<'_>) -> Check {
    let mut check = Check::new(action, wanted.role_arn)
        .with("sts:RoleSessionName", wanted.session_name)
        .with_some("sts:SourceIdentity", wanted.source_identity);
    if !wanted.transitive_tag_keys.is_empty() {
        check = check.with_many("sts:TransitiveTagKeys", wanted.transitive_tag_keys.to_vec());
    }
    add_request_tags(&mut check.context, wanted.tags);
    if let Some(role) = role {
        add_resource_tags(&mut check.context, "iam", &role.tags);
    }
    let role = role.map(AsRef::as_ref);
    check.resource_policy = Some(ResourcePolicy::of_role(wanted.role_arn, role));
    check
}

/// The account of a role, whose policies bound its sessions.
pub(super) struct Home {
    account: AccountId,
    /// `None` for the account of the call itself, whose picture the call has at hand.
    other: Option<Arc<Snapshot>>,
}

impl Home {
    /// The account's id.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The account's picture.
    pub fn view<'a>(&'a self, own: &'a Snapshot) -> &'a Snapshot {
        self.other.as_deref().unwrap_or(own)
    }
}

/// Where a role is at home.
pub(super) fn home(own: &Snapshot, role: &Role) -> Result<Home, StsError> {
    let account: AccountId = role.arn.account().parse().map_err(|_| StsError::Internal)?;
    let other = match account == own.account {
        true => None,
        false => Some(own.neighbours().view(&account).ok_or(StsError::Internal)?),
    };
    Ok(Home { account, other })
}

/// Whose session it is.
pub(super) fn subject(role: &Role, session_name: &str) -> Subject {
    Subject::Role {
        id: role.id.clone(),
        name: role.name.clone(),
        session_name: session_name.to_owned(),
    }
}

/// The session as replies name it.
pub(super) fn assumed_role_user(role: &Role, session_name: &str) -> AssumedRoleUser {
    let (partition, account, name) = (role.arn.partition(), role.arn.account(), &role.name);
    AssumedRoleUser {
        arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}"),
        assumed_role_id: format!("{}:{session_name}", role.id),
    }
}

/// How long the session lives, if the role allows it.
pub(super) fn seconds(role: &Role, asked: Option<i32>) -> Result<i32, StsError> {
    let asked = asked.unwrap_or(DEFAULT_SECONDS);
    if asked > role.max_session_seconds {
        return Err(StsError::DurationExceedsRole);
    }
    Ok(asked)
}

/// The managed session policies of a request.
pub(super) fn policy_arns(given: Option<&Vec<PolicyDescriptorType>>) -> Result<Vec<Arn>, StsError> {
    let arns = given
        .into_iter()
        .flatten()
        .filter_map(|descriptor| descriptor.arn.as_deref());
    arns.map(|arn| arn.parse().map_err(|_| StsError::NoSuchPolicy(arn.to_owned())))
        .collect()
}

/// The tags of a request; keys are unique without case, and not AWS's own.
pub(super) fn request_tags(given: Option<&Vec<portcullis_api::sts::Tag>>) -> Result<Tags, StsError> {
    let given = given.into_iter().flatten();
    unique(given.map(|tag| Tag::new(&tag.key, &tag.value)))
}

/// Tags whose keys differ in more than case.
pub(super) fn unique(given: impl Iterator<Item = Tag>) -> Result<Tags, StsError> {
    let mut tags = Tags::new();
    for tag in given {
        if tags
            .iter()
            .any(|seen: &Tag| seen.key.eq_ignore_ascii_case(&tag.key))
        {
            return Err(StsError::DuplicateTagKey);
        }
        if is_reserved(&tag.key) {
            return Err(StsError::ReservedTag);
        }
        tags.set(tag);
    }
    Ok(tags)
}

/// Whether a key is in a list, without case.
pub(super) fn is_in(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known.eq_ignore_ascii_case(key))
}
