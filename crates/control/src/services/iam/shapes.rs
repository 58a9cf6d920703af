//! Records as IAM's replies show them.

use portcullis_api::iam as api;
use portcullis_core::{Arn, Tags};

use super::documents::encoded;
use super::trust;
use crate::advisor;
use crate::world::records::iam::{AccessKey, Group, InstanceProfile, MfaDevice, Permissions, Role, User};
use crate::world::{Snapshot, Uses};

/// A user with tags and boundary, as Get and Create show it.
pub(super) fn user(user: &User) -> api::User {
    api::User {
        permissions_boundary: boundary(&user.permissions),
        tags: tags(&user.tags),
        ..listed_user(user)
    }
}

/// A user as lists show it: without tags and boundary.
pub(super) fn listed_user(user: &User) -> api::User {
    api::User {
        path: user.path.clone(),
        user_name: user.name.clone(),
        user_id: user.id.clone(),
        arn: user.arn.to_string(),
        create_date: user.created,
        ..api::User::default()
    }
}

/// A group.
pub(super) fn group(group: &Group) -> api::Group {
    api::Group {
        path: group.path.clone(),
        group_name: group.name.clone(),
        group_id: group.id.clone(),
        arn: group.arn.to_string(),
        create_date: group.created,
    }
}

/// A role with tags, boundary and last use, as Get shows it.
pub(super) fn role(view: &Snapshot, uses: &Uses, role: &Role) -> api::Role {
    api::Role {
        role_last_used: Some(role_last_used(view, uses, role)),
        ..created_role(view, role)
    }
}

/// When a role was last used; empty when never.
pub(super) fn role_last_used(view: &Snapshot, uses: &Uses, role: &Role) -> api::RoleLastUsed {
    let last = advisor::role_use(view, uses, &role.id);
    last.map_or_else(api::RoleLastUsed::default, |last| api::RoleLastUsed {
        last_used_date: Some(last.at),
        region: Some(last.region),
    })
}

/// A role as Create shows it: without last use.
pub(super) fn created_role(view: &Snapshot, role: &Role) -> api::Role {
    api::Role {
        permissions_boundary: boundary(&role.permissions),
        tags: tags(&role.tags),
        ..listed_role(view, role)
    }
}

/// A role as lists show it: without tags, boundary and last use.
pub(super) fn listed_role(view: &Snapshot, role: &Role) -> api::Role {
    api::Role {
        path: role.path.clone(),
        role_name: role.name.clone(),
        role_id: role.id.clone(),
        arn: role.arn.to_string(),
        create_date: role.created,
        assume_role_policy_document: Some(encoded(&trust::shown(view, &role.trust))),
        description: role.description.clone(),
        max_session_duration: Some(role.max_session_seconds),
        ..api::Role::default()
    }
}

/// An instance profile with its role; tags as Get and Create show them.
pub(super) fn instance_profile(view: &Snapshot, profile: &InstanceProfile) -> api::InstanceProfile {
    api::InstanceProfile {
        tags: tags(&profile.tags),
        ..listed_instance_profile(view, profile)
    }
}

/// An instance profile as lists show it: without tags.
pub(super) fn listed_instance_profile(view: &Snapshot, profile: &InstanceProfile) -> api::InstanceProfile {
    let role = profile.role.as_ref().and_then(|name| view.role(name));
    api::InstanceProfile {
        path: profile.path.clone(),
        instance_profile_name: profile.name.clone(),
        instance_profile_id: profile.id.clone(),
        arn: profile.arn.to_string(),
        create_date: profile.created,
        roles: role.map(|role| listed_role(view, role)).into_iter().collect(),
        tags: None,
    }
}

/// A virtual MFA device without its secret parts.
pub(super) fn virtual_device(view: &Snapshot, device: &MfaDevice) -> api::VirtualMFADevice {
    api::VirtualMFADevice {
        serial_number: device.serial.to_string(),
        user: device
            .user
            .as_ref()
            .and_then(|name| view.user(name))
            .map(|user| listed_user(user)),
        enable_date: device.enabled,
        ..api::VirtualMFADevice::default()
    }
}

/// An access key without its secret.
pub(super) fn access_key(key: &AccessKey) -> api::AccessKeyMetadata {
    api::AccessKeyMetadata {
        user_name: key.user.clone(),
        access_key_id: Some(key.id.clone()),
        status: Some(key_status(key).to_owned()),
        create_date: Some(key.created),
    }
}

/// `Active` or `Inactive`.
pub(super) fn key_status(key: &AccessKey) -> &'static str {
    if key.active { "Active" } else { "Inactive" }
}

/// An attached managed policy.
pub(super) fn attached(policy: &Arn) -> api::AttachedPolicy {
    api::AttachedPolicy {
        policy_name: Some(name_of(policy).to_owned()),
        policy_arn: Some(policy.to_string()),
    }
}

/// The name in a policy's ARN.
pub(super) fn name_of(policy: &Arn) -> &str {
    policy.as_str().rsplit('/').next().unwrap_or_default()
}

/// The permissions boundary.
pub(super) fn boundary(permissions: &Permissions) -> Option<api::AttachedPermissionsBoundary> {
    permissions
        .boundary
        .as_ref()
        .map(|arn| api::AttachedPermissionsBoundary {
            permissions_boundary_type: Some("Policy".to_owned()),
            permissions_boundary_arn: Some(arn.to_string()),
        })
}

/// Tags; `None` when there are none, as IAM leaves the element out.
pub(super) fn tags(tags: &Tags) -> Option<Vec<api::Tag>> {
    if tags.is_empty() {
        None
    } else {
        Some(tag_list(tags))
    }
}

/// Tags as a list.
pub(super) fn tag_list(tags: &Tags) -> Vec<api::Tag> {
    tags.iter()
        .map(|tag| api::Tag {
            key: tag.key.clone(),
            value: tag.value.clone(),
        })
        .collect()
}
