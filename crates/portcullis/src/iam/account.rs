//! The users and roles of an account with their policies, read from a server.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use percent_encoding::percent_decode_str;
use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Timestamp;
use portcullis_policy::{Document, Kind};

use crate::client::Client;

/// A user or role.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The ARN.
    pub arn: String,
    /// When it was made: nothing was used before.
    pub created: Timestamp,
    /// What grants, groups' policies included.
    pub policies: Vec<Policy>,
    /// The permissions boundary.
    pub boundary: Option<Arc<Document>>,
}

/// A policy of a principal.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The name.
    pub name: String,
    /// The ARN of a managed policy.
    pub arn: Option<String>,
    /// The group it comes by.
    pub group: Option<String>,
    /// The document.
    pub document: Arc<Document>,
}

/// Reads all users and roles.
pub async fn read(client: &Client) -> Result<Vec<Principal>> {
    let mut pages = Pages::default();
    let mut marker = None;
    loop {
        let request = api::GetAccountAuthorizationDetailsRequest {
            marker,
            max_items: Some(1_000),
            ..Default::default()
        };
        let page = client
            .expect::<op::GetAccountAuthorizationDetails>(&request)
            .await?;
        pages.users.extend(page.user_detail_list.into_iter().flatten());
        pages.groups.extend(page.group_detail_list.into_iter().flatten());
        pages.roles.extend(page.role_detail_list.into_iter().flatten());
        pages.policies.extend(page.policies.into_iter().flatten());
        marker = page.marker;
        if marker.is_none() {
            return pages.principals();
        }
    }
}

#[derive(Default)]
struct Pages {
    users: Vec<api::UserDetail>,
    groups: Vec<api::GroupDetail>,
    roles: Vec<api::RoleDetail>,
    policies: Vec<api::ManagedPolicyDetail>,
}

/// The documents of managed policies, by ARN.
type Managed = HashMap<String, Arc<Document>>;

impl Pages {
    fn principals(self) -> Result<Vec<Principal>> {
        let managed = self.managed()?;
        let mut groups: HashMap<String, Vec<Policy>> = HashMap::new();
        for group in self.groups {
            let name = group.group_name.unwrap_or_default();
            let mut policies = policies(&managed, group.group_policy_list, group.attached_managed_policies)?;
            for policy in &mut policies {
                policy.group = Some(name.clone());
            }
            groups.insert(name, policies);
        }
        let mut principals = Vec::new();
        for user in self.users {
            let mut policies = policies(&managed, user.user_policy_list, user.attached_managed_policies)?;
            for group in user.group_list.iter().flatten() {
                policies.extend(groups.get(group).into_iter().flatten().cloned());
            }
            principals.push(Principal {
                arn: user.arn.unwrap_or_default(),
                created: user.create_date.unwrap_or_default(),
                policies,
                boundary: boundary(&managed, user.permissions_boundary)?,
            });
        }
        for role in self.roles {
            principals.push(Principal {
                arn: role.arn.unwrap_or_default(),
                created: role.create_date.unwrap_or_default(),
                policies: policies(&managed, role.role_policy_list, role.attached_managed_policies)?,
                boundary: boundary(&managed, role.permissions_boundary)?,
            });
        }
        Ok(principals)
    }

    fn managed(&self) -> Result<Managed> {
        let mut managed = Managed::new();
        for policy in &self.policies {
            let arn = policy.arn.clone().unwrap_or_default();
            let mut versions = policy.policy_version_list.iter().flatten();
            let default = versions.find(|version| version.is_default_version == Some(true));
            let text = default.and_then(|version| version.document.as_deref());
            let text = text.ok_or_else(|| anyhow!("policy {arn} came without its default version"))?;
            managed.insert(arn.clone(), parse(text, &arn)?);
        }
        Ok(managed)
    }
}

fn policies(
    managed: &Managed,
    inline: Option<Vec<api::PolicyDetail>>,
    attached: Option<Vec<api::AttachedPolicy>>,
) -> Result<Vec<Policy>> {
    let mut policies = Vec::new();
    for policy in inline.into_iter().flatten() {
        let name = policy.policy_name.unwrap_or_default();
        let text = policy.policy_document.unwrap_or_default();
        policies.push(Policy {
            document: parse(&text, &name)?,
            name,
            arn: None,
            group: None,
        });
    }
    for policy in attached.into_iter().flatten() {
        let arn = policy.policy_arn.unwrap_or_default();
        policies.push(Policy {
            name: policy.policy_name.unwrap_or_default(),
            document: find(managed, &arn)?,
            arn: Some(arn),
            group: None,
        });
    }
    Ok(policies)
}

fn boundary(
    managed: &Managed,
    boundary: Option<api::AttachedPermissionsBoundary>,
) -> Result<Option<Arc<Document>>> {
    let arn = boundary.and_then(|boundary| boundary.permissions_boundary_arn);
    arn.map(|arn| find(managed, &arn)).transpose()
}

fn find(managed: &Managed, arn: &str) -> Result<Arc<Document>> {
    let found = managed.get(arn).cloned();
    // Somebody may attach a policy between two pages.
    found.ok_or_else(|| anyhow!("the server did not tell of policy {arn}; try again"))
}

fn parse(encoded: &str, name: &str) -> Result<Arc<Document>> {
    let text = percent_decode_str(encoded).decode_utf8()?;
    let document =
        Document::parse(&text, Kind::Identity).with_context(|| format!("policy {name} cannot be read"))?;
    Ok(Arc::new(document))
}
