//! What a report is about, and whose attempts count for it.

use std::collections::BTreeMap;

use portcullis_core::Arn;
use portcullis_policy::Document;

use crate::gate::policies::default_policy;
use crate::services::iam::entity::Subject;
use crate::services::iam::errors::IamError;
use crate::services::iam::managed_policies;
use crate::services::iam::simulate::attached;
use crate::world::records::iam::{Role, User};
use crate::world::{Snapshot, Usage, attachment_prefix};

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// A user, group or role.
    Entity(Subject<'a>),
    /// A managed policy, the customer's or AWS's.
    Policy(&'a Arn),
}

/// A user or role whose attempts count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'a> {
    /// A user.
    User(&'a User),
    /// A role.
    Role(&'a Role),
}

impl<'a> Who<'a> {
    /// The unique id.
    pub fn id(&self) -> &'a str {
        match self {
            Self::User(user) => &user.id,
            Self::Role(role) => &role.id,
        }
    }

    /// The ARN.
    pub fn arn(&self) -> &'a Arn {
        match self {
            Self::User(user) => &user.arn,
            Self::Role(role) => &role.arn,
        }
    }
}

impl<'a> About<'a> {
    /// What an ARN names, or the error that it is not there.
    pub fn find(view: &'a Snapshot, arn: &'a Arn) -> Result<Self, IamError> {
        if let Some(subject) = Subject::find(view, arn) {
            return Ok(Self::Entity(subject));
        }
        if managed_policies::exists(view, arn) {
            return Ok(Self::Policy(arn));
        }
        let name = || arn.as_str().rsplit('/').next().unwrap_or_default().to_owned();
        Err(match arn.resource_parts().map(|(kind, _)| kind) {
            Some("user") => IamError::NoUser(name()),
            Some("group") => IamError::NoGroup(name()),
            Some("role") => IamError::NoRole(name()),
            Some("policy") => IamError::NoPolicy(arn.to_string()),
            _ => managed_policies::invalid_arn(arn.as_str()),
        })
    }

    /// The policies that grant; of a user those of its groups, too. Boundaries, session policies and policies on resources
    /// do not count.
    pub fn documents(&self, view: &'a Snapshot) -> Result<Vec<&'a Document>, IamError> {
        match self {
            Self::Entity(subject) => {
                let policies = attached::policies(view, subject)?;
                Ok(policies.into_iter().map(|policy| policy.document).collect())
            }
            Self::Policy(arn) => {
                let policy = default_policy(view, arn).ok_or(IamError::PolicyEvaluation)?;
                Ok(vec![policy.document()])
            }
        }
    }

    /// Whose attempts count: of a group its members, of a policy the users and roles it is attached to, directly or by a
    /// group.
    pub fn who(&self, view: &'a Snapshot) -> Vec<Who<'a>> {
        match *self {
            Self::Entity(Subject::User(user)) => vec![Who::User(user)],
            Self::Entity(Subject::Role(role)) => vec![Who::Role(role)],
            Self::Entity(Subject::Group(group)) => {
                view.members(&group.name).map(|user| Who::User(user)).collect()
            }
            Self::Policy(arn) => users_of(view, arn),
        }
    }
}

fn users_of<'a>(view: &'a Snapshot, policy: &Arn) -> Vec<Who<'a>> {
    let mut who: BTreeMap<&str, Who<'_>> = BTreeMap::new();
    let mut add = |one: Who<'a>| {
        who.insert(one.id(), one);
    };
    for (_, entity) in view
        .attachments
        .prefix(&attachment_prefix(policy, Usage::Permissions))
    {
        match entity.kind {
            "user" => view
                .user(&entity.name)
                .into_iter()
                .for_each(|user| add(Who::User(user))),
            "role" => view
                .role(&entity.name)
                .into_iter()
                .for_each(|role| add(Who::Role(role))),
            _ => view.members(&entity.name).for_each(|user| add(Who::User(user))),
        }
    }
    who.into_values().collect()
}
