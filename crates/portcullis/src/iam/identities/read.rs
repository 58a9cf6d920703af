//! An account's identities, read from a server.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::percent_decode_str;
use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_api::sts;

use super::{
    Grants, Group, Identities, InstanceProfile, LinkedRole, Named, Policy, Role, Text, User, reference,
};
use crate::client::Client;

/// Calls made at the same time.
const AT_ONCE: usize = 8;
/// Entries of a page.
const PAGE: i32 = 1_000;
/// The paths of services' roles.
const LINKED: &str = "/aws-service-role/";

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The ARN.
    pub arn: String,
}

/// Asks who the credentials are.
pub async fn caller(client: &Client) -> Result<Caller> {
    let request = sts::GetCallerIdentityRequest::default();
    let reply = client.expect::<sts::op::GetCallerIdentity>(&request).await?;
    Ok(Caller {
        account: reply.account.context("the server did not tell the account")?,
        arn: reply.arn.unwrap_or_default(),
    })
}

/// Reads all identities of the account.
pub async fn identities(client: &Client, account: &str) -> Result<Identities> {
    let mut found = Identities {
        account: account.to_owned(),
        ..Identities::default()
    };
    let (mut roles, mut policies) = (Vec::new(), Vec::new());
    let mut marker = None;
    loop {
        let request = api::GetAccountAuthorizationDetailsRequest {
            filter: Some(
                ["User", "Role", "Group", "LocalManagedPolicy"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            max_items: Some(PAGE),
            marker,
        };
        let page = client
            .expect::<op::GetAccountAuthorizationDetails>(&request)
            .await?;
        for user in page.user_detail_list.into_iter().flatten() {
            found
                .users
                .insert(known(&user.user_name)?, read_user(user, account)?);
        }
        for group in page.group_detail_list.into_iter().flatten() {
            let name = known(&group.group_name)?;
            let grants = grants(group.group_policy_list, group.attached_managed_policies, account)?;
            let path = group.path.unwrap_or_default();
            found.groups.insert(name, Group { path, grants });
        }
        roles.extend(page.role_detail_list.into_iter().flatten());
        policies.extend(page.policies.into_iter().flatten());
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    let (linked, roles): (Vec<_>, Vec<_>) = roles
        .into_iter()
        .partition(|role| role.path.as_deref().is_some_and(|path| path.starts_with(LINKED)));
    found.service_linked_roles = linked.iter().map(read_linked).collect::<Result<_>>()?;
    let roles = roles.into_iter().map(|role| read_role(client, role, account));
    found.roles = stream::iter(roles)
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?
        .into_iter()
        .collect();
    let policies = policies.into_iter().map(|policy| read_policy(client, policy));
    found.policies = stream::iter(policies)
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?
        .into_iter()
        .collect();
    found.instance_profiles = instance_profiles(client).await?;
    Ok(found)
}

fn known(name: &Option<String>) -> Result<String> {
    name.clone()
        .context("the server told of an entity without a name")
}

fn read_user(user: api::UserDetail, account: &str) -> Result<User> {
    Ok(User {
        path: user.path.unwrap_or_default(),
        boundary: boundary(user.permissions_boundary, account),
        groups: user.group_list.into_iter().flatten().collect(),
        grants: grants(user.user_policy_list, user.attached_managed_policies, account)?,
        tags: tags(user.tags),
    })
}

fn read_linked(role: &api::RoleDetail) -> Result<LinkedRole> {
    let path = role.path.as_deref().unwrap_or_default();
    let service = path
        .strip_prefix(LINKED)
        .unwrap_or_default()
        .trim_end_matches('/');
    Ok(LinkedRole {
        service: service.to_owned(),
        name: known(&role.role_name)?,
    })
}

/// The details leave out a role's description and longest session.
async fn read_role(client: &Client, role: api::RoleDetail, account: &str) -> Result<(String, Role)> {
    let name = known(&role.role_name)?;
    let request = api::GetRoleRequest {
        role_name: name.clone(),
    };
    let more = client.expect::<op::GetRole>(&request).await?.role;
    let trust = role.assume_role_policy_document;
    let role = Role {
        path: role.path.unwrap_or_default(),
        description: more.description.filter(|text| !text.is_empty()),
        max_session_duration: more.max_session_duration.unwrap_or(super::SESSION_SECONDS),
        trust: document(trust.as_deref(), &name)?,
        boundary: boundary(role.permissions_boundary, account),
        grants: grants(role.role_policy_list, role.attached_managed_policies, account)?,
        tags: tags(role.tags),
    };
    Ok((name, role))
}

/// The details leave out a policy's description and tags.
async fn read_policy(client: &Client, policy: api::ManagedPolicyDetail) -> Result<(String, Policy)> {
    let name = known(&policy.policy_name)?;
    let request = api::GetPolicyRequest {
        policy_arn: known(&policy.arn)?,
    };
    let more = client
        .expect::<op::GetPolicy>(&request)
        .await?
        .policy
        .unwrap_or_default();
    let versions = policy.policy_version_list.unwrap_or_default();
    let (default, mut others): (Vec<_>, Vec<_>) = versions
        .into_iter()
        .partition(|version| version.is_default_version == Some(true));
    others.sort_by_key(|version| version.create_date);
    let text = default.first().and_then(|version| version.document.as_deref());
    let policy = Policy {
        path: policy.path.unwrap_or_default(),
        description: more.description.filter(|text| !text.is_empty()),
        document: document(text, &name)?,
        tags: tags(more.tags),
        other_versions: others
            .into_iter()
            .filter_map(|version| version.version_id)
            .collect(),
    };
    Ok((name, policy))
}

async fn instance_profiles(client: &Client) -> Result<Named<InstanceProfile>> {
    let mut profiles = Named::default();
    let mut marker = None;
    loop {
        let request = api::ListInstanceProfilesRequest {
            max_items: Some(PAGE),
            marker,
            ..Default::default()
        };
        let page = client.expect::<op::ListInstanceProfiles>(&request).await?;
        for profile in page.instance_profiles {
            let request = api::ListInstanceProfileTagsRequest {
                instance_profile_name: profile.instance_profile_name.clone(),
                max_items: Some(PAGE),
                ..Default::default()
            };
            let reply = client.expect::<op::ListInstanceProfileTags>(&request).await?;
            let one = InstanceProfile {
                path: profile.path,
                role: profile.roles.into_iter().next().map(|role| role.role_name),
                tags: tags(Some(reply.tags)),
            };
            profiles.insert(profile.instance_profile_name, one);
        }
        marker = page.marker;
        if marker.is_none() {
            return Ok(profiles);
        }
    }
}

fn tags(tags: Option<Vec<api::Tag>>) -> Named<String> {
    tags.into_iter()
        .flatten()
        .map(|tag| (tag.key, tag.value))
        .collect()
}

fn boundary(boundary: Option<api::AttachedPermissionsBoundary>, account: &str) -> Option<String> {
    let arn = boundary.and_then(|boundary| boundary.permissions_boundary_arn);
    arn.map(|arn| reference(&arn, account))
}

fn grants(
    inline: Option<Vec<api::PolicyDetail>>,
    attached: Option<Vec<api::AttachedPolicy>>,
    account: &str,
) -> Result<Grants> {
    let mut grants = Grants::default();
    for policy in inline.into_iter().flatten() {
        let name = known(&policy.policy_name)?;
        let text = document(policy.policy_document.as_deref(), &name)?;
        grants.inline.insert(name, text);
    }
    let arns = attached
        .into_iter()
        .flatten()
        .filter_map(|policy| policy.policy_arn);
    grants.attached = arns.map(|arn| reference(&arn, account)).collect::<BTreeSet<_>>();
    Ok(grants)
}

/// Documents come percent-encoded.
fn document(encoded: Option<&str>, of: &str) -> Result<Text> {
    let encoded = encoded.ok_or_else(|| anyhow!("{of} came without its document; try again"))?;
    let text = percent_decode_str(encoded).decode_utf8();
    let text = text.with_context(|| format!("the document of {of} cannot be read"))?;
    Ok(Text::of(text.into_owned()))
}
