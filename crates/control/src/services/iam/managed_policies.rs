//! Managed policies of both kinds under one roof: the customer's, which can change, and AWS's, which cannot (R134).

use std::sync::Arc;

use portcullis_api::iam as api;
use portcullis_core::Arn;

use super::documents::encoded;
use super::errors::IamError;
use super::shapes;
use crate::world::managed::{self, AwsPolicy};
use crate::world::records::iam::{ManagedPolicy, PolicyVersion};
use crate::world::{Snapshot, Usage, attachment_prefix};

/// A managed policy.
pub(super) enum Found<'a> {
    /// The customer's.
    Customer(&'a Arc<ManagedPolicy>),
    /// AWS's.
    Aws(&'static AwsPolicy),
}

/// The policy with that ARN.
pub(super) fn find<'a>(view: &'a Snapshot, arn: &Arn) -> Option<Found<'a>> {
    match view.policy(arn) {
        Some(policy) => Some(Found::Customer(policy)),
        None => managed::find(arn.as_str()).map(Found::Aws),
    }
}

/// Whether there is a policy with that ARN.
pub(super) fn exists(view: &Snapshot, arn: &Arn) -> bool {
    find(view, arn).is_some()
}

/// The policy a caller named, to look at.
pub(super) fn get<'a>(view: &'a Snapshot, named: &str) -> Result<Found<'a>, IamError> {
    find(view, &parse(named)?).ok_or_else(|| IamError::NoPolicy(named.to_owned()))
}

/// The policy a caller named, to change it.
pub(super) fn edit(view: &Snapshot, named: &str) -> Result<ManagedPolicy, IamError> {
    match get(view, named)? {
        Found::Customer(policy) => Ok(ManagedPolicy::clone(policy)),
        Found::Aws(_) => Err(IamError::ForeignPolicy),
    }
}

/// Reads a policy's ARN.
pub(super) fn parse(named: &str) -> Result<Arn, IamError> {
    named.parse().map_err(|_| invalid_arn(named))
}

/// The text is no ARN.
pub(super) fn invalid_arn(named: &str) -> IamError {
    IamError::InvalidInput(format!("ARN {named} is not valid."))
}

/// How many users, groups and roles use a policy.
pub(super) fn uses(view: &Snapshot, policy: &Arn, usage: Usage) -> usize {
    view.attachments.prefix(&attachment_prefix(policy, usage)).count()
}

/// `v3` for 3.
pub(super) fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// The number of a version of the customer's; its optional suffix means nothing.
pub(super) fn version_number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A version as it is listed: without its document.
pub(super) fn listed_version(
    policy: &ManagedPolicy,
    number: u32,
    version: &PolicyVersion,
) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(version_id(number)),
        is_default_version: Some(number == policy.default_version),
        create_date: Some(version.created),
    }
}

impl Found<'_> {
    /// The policy as lists show it: without description and tags.
    pub fn listed(&self, view: &Snapshot) -> api::Policy {
        match self {
            Self::Customer(policy) => api::Policy {
                policy_name: Some(policy.name.clone()),
                policy_id: Some(policy.id.clone()),
                path: Some(policy.path.clone()),
                default_version_id: Some(version_id(policy.default_version)),
                create_date: Some(policy.created),
                update_date: Some(policy.updated),
                ..used(view, &policy.arn)
            },
            Self::Aws(policy) => api::Policy {
                policy_name: Some(policy.name().to_owned()),
                policy_id: Some(policy.id()),
                path: Some(policy.path().to_owned()),
                default_version_id: Some(policy.version().to_owned()),
                create_date: Some(policy.created()),
                update_date: Some(policy.updated()),
                ..policy
                    .arn()
                    .parse()
                    .map(|arn| used(view, &arn))
                    .unwrap_or_default()
            },
        }
    }

    /// The policy as Get shows it.
    pub fn shown(&self, view: &Snapshot) -> api::Policy {
        let (description, tags) = match self {
            Self::Customer(policy) => (policy.description.clone(), shapes::tag_list(&policy.tags)),
            Self::Aws(_) => (None, Vec::new()),
        };
        api::Policy {
            description,
            tags: Some(tags),
            ..self.listed(view)
        }
    }

    /// All versions with their documents, the newest first. Of AWS's only the default one is known.
    pub fn versions(&self) -> Vec<api::PolicyVersion> {
        match self {
            Self::Customer(policy) => {
                let versions = policy.versions.iter().rev();
                versions
                    .map(|(number, version)| shown_version(policy, *number, version))
                    .collect()
            }
            Self::Aws(policy) => vec![aws_version(policy)],
        }
    }

    /// One version with its document.
    pub fn version(&self, id: &str) -> Option<api::PolicyVersion> {
        match self {
            Self::Customer(policy) => {
                let number = version_number(id)?;
                policy
                    .versions
                    .get(&number)
                    .map(|version| shown_version(policy, number, version))
            }
            Self::Aws(policy) => (policy.version() == id).then(|| aws_version(policy)),
        }
    }
}

fn used(view: &Snapshot, arn: &Arn) -> api::Policy {
    let count = |usage| i32::try_from(uses(view, arn, usage)).ok();
    api::Policy {
        arn: Some(arn.to_string()),
        attachment_count: count(Usage::Permissions),
        permissions_boundary_usage_count: count(Usage::Boundary),
        is_attachable: Some(true),
        ..api::Policy::default()
    }
}

fn shown_version(policy: &ManagedPolicy, number: u32, version: &PolicyVersion) -> api::PolicyVersion {
    api::PolicyVersion {
        document: Some(encoded(version.document.as_str())),
        ..listed_version(policy, number, version)
    }
}

fn aws_version(policy: &AwsPolicy) -> api::PolicyVersion {
    api::PolicyVersion {
        document: Some(encoded(policy.text())),
        version_id: Some(policy.version().to_owned()),
        is_default_version: Some(true),
        create_date: Some(policy.updated()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_is_v_and_a_number() {
        assert_eq!(version_number("v12"), Some(12));
        assert_eq!(version_number("v3.abc"), Some(3));
        for bad in ["", "3", "v", "vx"] {
            assert_eq!(version_number(bad), None, "{bad}");
        }
    }
}
