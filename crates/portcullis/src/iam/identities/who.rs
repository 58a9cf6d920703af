//! The calls that groups, users and roles have in common, but under another name each.

use portcullis_api::iam as api;
use portcullis_api::iam::op;

use super::step::Step;
use super::{Named, Text};

/// A group, user or role by name.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// A group.
    Group(&'a str),
    /// A user.
    User(&'a str),
    /// A role.
    Role(&'a str),
}

impl Who<'_> {
    /// `user alice`.
    pub fn shown(self) -> String {
        match self {
            Self::Group(name) => format!("group {name}"),
            Self::User(name) => format!("user {name}"),
            Self::Role(name) => format!("role {name}"),
        }
    }

    /// Attaches a managed policy.
    pub fn attach(self, reference: &str, policy_arn: String) -> Step {
        let what = format!("{}: {reference}", self.shown());
        match self {
            Self::Group(name) => Step::add::<op::AttachGroupPolicy>(
                what,
                api::AttachGroupPolicyRequest {
                    group_name: name.to_owned(),
                    policy_arn,
                },
            ),
            Self::User(name) => Step::add::<op::AttachUserPolicy>(
                what,
                api::AttachUserPolicyRequest {
                    user_name: name.to_owned(),
                    policy_arn,
                },
            ),
            Self::Role(name) => Step::add::<op::AttachRolePolicy>(
                what,
                api::AttachRolePolicyRequest {
                    role_name: name.to_owned(),
                    policy_arn,
                },
            ),
        }
    }

    /// Detaches a managed policy.
    pub fn detach(self, reference: &str, policy_arn: String) -> Step {
        let what = format!("{}: {reference}", self.shown());
        match self {
            Self::Group(name) => Step::remove::<op::DetachGroupPolicy>(
                what,
                api::DetachGroupPolicyRequest {
                    group_name: name.to_owned(),
                    policy_arn,
                },
            ),
            Self::User(name) => Step::remove::<op::DetachUserPolicy>(
                what,
                api::DetachUserPolicyRequest {
                    user_name: name.to_owned(),
                    policy_arn,
                },
            ),
            Self::Role(name) => Step::remove::<op::DetachRolePolicy>(
                what,
                api::DetachRolePolicyRequest {
                    role_name: name.to_owned(),
                    policy_arn,
                },
            ),
        }
    }

    /// Puts an inline policy; over another one if `before`.
    pub fn put(self, policy: &str, document: &Text, before: bool) -> Step {
        let what = format!("{}: inline policy {policy}", self.shown());
        let (policy_name, policy_document) = (policy.to_owned(), document.to_text());
        match self {
            Self::Group(name) => step::<op::PutGroupPolicy>(
                before,
                what,
                api::PutGroupPolicyRequest {
                    group_name: name.to_owned(),
                    policy_name,
                    policy_document,
                },
            ),
            Self::User(name) => step::<op::PutUserPolicy>(
                before,
                what,
                api::PutUserPolicyRequest {
                    user_name: name.to_owned(),
                    policy_name,
                    policy_document,
                },
            ),
            Self::Role(name) => step::<op::PutRolePolicy>(
                before,
                what,
                api::PutRolePolicyRequest {
                    role_name: name.to_owned(),
                    policy_name,
                    policy_document,
                },
            ),
        }
    }

    /// Deletes an inline policy.
    pub fn delete_inline(self, policy: &str) -> Step {
        let what = format!("{}: inline policy {policy}", self.shown());
        let policy_name = policy.to_owned();
        match self {
            Self::Group(name) => Step::remove::<op::DeleteGroupPolicy>(
                what,
                api::DeleteGroupPolicyRequest {
                    group_name: name.to_owned(),
                    policy_name,
                },
            ),
            Self::User(name) => Step::remove::<op::DeleteUserPolicy>(
                what,
                api::DeleteUserPolicyRequest {
                    user_name: name.to_owned(),
                    policy_name,
                },
            ),
            Self::Role(name) => Step::remove::<op::DeleteRolePolicy>(
                what,
                api::DeleteRolePolicyRequest {
                    role_name: name.to_owned(),
                    policy_name,
                },
            ),
        }
    }

    /// Bounds it. Groups have no boundary.
    pub fn bound(self, reference: &str, permissions_boundary: String, before: bool) -> Option<Step> {
        let what = format!("{}: boundary {reference}", self.shown());
        match self {
            Self::Group(_) => None,
            Self::User(name) => Some(step::<op::PutUserPermissionsBoundary>(
                before,
                what,
                api::PutUserPermissionsBoundaryRequest {
                    user_name: name.to_owned(),
                    permissions_boundary,
                },
            )),
            Self::Role(name) => Some(step::<op::PutRolePermissionsBoundary>(
                before,
                what,
                api::PutRolePermissionsBoundaryRequest {
                    role_name: name.to_owned(),
                    permissions_boundary,
                },
            )),
        }
    }

    /// Takes its boundary away. Groups have none.
    pub fn unbound(self, reference: &str) -> Option<Step> {
        let what = format!("{}: boundary {reference}", self.shown());
        match self {
            Self::Group(_) => None,
            Self::User(name) => Some(Step::remove::<op::DeleteUserPermissionsBoundary>(
                what,
                api::DeleteUserPermissionsBoundaryRequest {
                    user_name: name.to_owned(),
                },
            )),
            Self::Role(name) => Some(Step::remove::<op::DeleteRolePermissionsBoundary>(
                what,
                api::DeleteRolePermissionsBoundaryRequest {
                    role_name: name.to_owned(),
                },
            )),
        }
    }

    /// Deletes it; everything it has must be gone.
    pub fn delete(self) -> Step {
        let what = self.shown();
        match self {
            Self::Group(name) => Step::remove::<op::DeleteGroup>(
                what,
                api::DeleteGroupRequest {
                    group_name: name.to_owned(),
                },
            ),
            Self::User(name) => Step::remove::<op::DeleteUser>(
                what,
                api::DeleteUserRequest {
                    user_name: name.to_owned(),
                },
            ),
            Self::Role(name) => Step::remove::<op::DeleteRole>(
                what,
                api::DeleteRoleRequest {
                    role_name: name.to_owned(),
                },
            ),
        }
    }
}

fn step<O: portcullis_wire::Operation>(before: bool, what: String, input: O::Input) -> Step {
    match before {
        true => Step::change::<O>(what, input),
        false => Step::add::<O>(what, input),
    }
}

/// Puts a user into a group.
pub fn join(user: &str, group: &str) -> Step {
    let input = api::AddUserToGroupRequest {
        group_name: group.to_owned(),
        user_name: user.to_owned(),
    };
    Step::add::<op::AddUserToGroup>(format!("user {user}: in group {group}"), input)
}

/// Takes a user out of a group.
pub fn leave(user: &str, group: &str) -> Step {
    let input = api::RemoveUserFromGroupRequest {
        group_name: group.to_owned(),
        user_name: user.to_owned(),
    };
    Step::remove::<op::RemoveUserFromGroup>(format!("user {user}: in group {group}"), input)
}

/// What can be tagged.
#[derive(Debug, Clone)]
pub enum Tagged<'a> {
    /// A user.
    User(&'a str),
    /// A role.
    Role(&'a str),
    /// An instance profile.
    InstanceProfile(&'a str),
    /// A customer managed policy and its ARN.
    Policy(&'a str, String),
}

impl Tagged<'_> {
    fn shown(&self) -> String {
        match self {
            Self::User(name) => format!("user {name}"),
            Self::Role(name) => format!("role {name}"),
            Self::InstanceProfile(name) => format!("instance profile {name}"),
            Self::Policy(name, _) => format!("policy {name}"),
        }
    }

    /// Sets a tag.
    pub fn tag(&self, key: &str, value: &str, before: bool) -> Step {
        let what = format!("{}: tag {key}", self.shown());
        let tags = vec![api::Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        }];
        match self {
            Self::User(name) => step::<op::TagUser>(
                before,
                what,
                api::TagUserRequest {
                    user_name: (*name).to_owned(),
                    tags,
                },
            ),
            Self::Role(name) => step::<op::TagRole>(
                before,
                what,
                api::TagRoleRequest {
                    role_name: (*name).to_owned(),
                    tags,
                },
            ),
            Self::InstanceProfile(name) => step::<op::TagInstanceProfile>(
                before,
                what,
                api::TagInstanceProfileRequest {
                    instance_profile_name: (*name).to_owned(),
                    tags,
                },
            ),
            Self::Policy(_, arn) => step::<op::TagPolicy>(
                before,
                what,
                api::TagPolicyRequest {
                    policy_arn: arn.clone(),
                    tags,
                },
            ),
        }
    }

    /// Takes a tag away.
    pub fn untag(&self, key: &str) -> Step {
        let what = format!("{}: tag {key}", self.shown());
        let tag_keys = vec![key.to_owned()];
        match self {
            Self::User(name) => Step::remove::<op::UntagUser>(
                what,
                api::UntagUserRequest {
                    user_name: (*name).to_owned(),
                    tag_keys,
                },
            ),
            Self::Role(name) => Step::remove::<op::UntagRole>(
                what,
                api::UntagRoleRequest {
                    role_name: (*name).to_owned(),
                    tag_keys,
                },
            ),
            Self::InstanceProfile(name) => Step::remove::<op::UntagInstanceProfile>(
                what,
                api::UntagInstanceProfileRequest {
                    instance_profile_name: (*name).to_owned(),
                    tag_keys,
                },
            ),
            Self::Policy(_, arn) => Step::remove::<op::UntagPolicy>(
                what,
                api::UntagPolicyRequest {
                    policy_arn: arn.clone(),
                    tag_keys,
                },
            ),
        }
    }
}

/// Tags as a creation takes them.
pub fn tag_list(tags: &Named<String>) -> Option<Vec<api::Tag>> {
    let tags = tags.iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    Some(tags.collect()).filter(|tags: &Vec<_>| !tags.is_empty())
}
