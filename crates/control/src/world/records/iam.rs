//! IAM's identities and policies. Names are unique without case, so keys are in lower case.

use std::collections::BTreeMap;

use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PolicyText, Record, Sealed};
use crate::world::compiled::CompiledSlot;
use crate::world::snapshot::{Attachment, Snapshot, move_row};

/// What users, groups and roles share: the policies that make up their permissions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Permissions {
    /// Inline policies by name, with case.
    pub inline: BTreeMap<String, PolicyText>,
    /// Attached managed policies, in the order of attachment.
    pub attached: Vec<Arn>,
    /// The managed policy that bounds what the others may give (R120); never on groups.
    pub boundary: Option<Arn>,
    /// What they compile to.
    #[serde(skip)]
    pub compiled: CompiledSlot,
}

/// An IAM user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// `AIDA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags: `aws:PrincipalTag` of its calls.
    pub tags: Tags,
    /// Its policies.
    pub permissions: Permissions,
    /// Names of its groups, in the order of joining.
    pub groups: Vec<String>,
    /// Set while the person is away: nothing of the user works, whatever its parts say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Departure>,
    /// When the person last came back: sessions from before have ended for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_since: Option<Timestamp>,
}

/// What a user who left had that worked, to be given back if the person returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Access keys that were active.
    pub access_keys: Vec<String>,
    /// Service-specific credentials that were active.
    pub credentials: Vec<String>,
}

/// An IAM group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// `AGPA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// Its policies; never a boundary.
    pub permissions: Permissions,
}

/// An IAM role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// `AROA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// Free text; absent and empty differ.
    pub description: Option<String>,
    /// Longest session in seconds, 3,600 to 43,200.
    pub max_session_seconds: i32,
    /// Who may assume it.
    pub trust: PolicyText,
    /// Its tags: `aws:PrincipalTag` of its sessions.
    pub tags: Tags,
    /// Its policies.
    pub permissions: Permissions,
}

impl Role {
    /// Whether the role belongs to a service and only that service may change it (R133).
    pub fn is_service_linked(&self) -> bool {
        self.path.starts_with("/aws-service-role/")
    }
}

/// One version of a customer managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The document.
    pub document: PolicyText,
    /// When it was made.
    pub created: Timestamp,
}

/// A customer managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// `ANPA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// Free text.
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When a version was last made or chosen.
    pub updated: Timestamp,
    /// The number of the version in force.
    pub default_version: u32,
    /// The number the next version gets; numbers are never used again.
    pub next_version: u32,
    /// At most five versions (R26).
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// Its tags.
    pub tags: Tags,
}

/// An instance profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// `AIPA...`
    pub id: String,
    /// The name with its case, without the path.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// The ARN, path included.
    pub arn: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// At most one role, by name.
    pub role: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A virtual MFA device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MfaDevice {
    /// `arn:aws:iam::ACCOUNT:mfa/NAME`, also its serial number.
    pub serial: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// The TOTP seed.
    pub seed: Sealed,
    /// The user it belongs to, once enabled.
    pub user: Option<String>,
    /// When it was enabled.
    pub enabled: Option<Timestamp>,
    /// The last time step a code was accepted for: a code works once.
    pub last_step: i64,
    /// How many steps its clock is off, after a resync.
    pub drift_steps: i64,
    /// Its tags.
    pub tags: Tags,
}

impl MfaDevice {
    /// The purpose under which seeds are sealed, with the serial number as the record.
    pub const SEED_PURPOSE: &'static str = "iam-mfa-seed";
}

/// A long-term access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA...`
    pub id: String,
    /// The user; `None` is the root user.
    pub user: Option<String>,
    /// Whether it may sign.
    pub active: bool,
    /// When it was last activated again: sessions from before have ended for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_since: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// The secret access key.
    pub secret: Sealed,
}

/// Sessions that ended before their time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation {
    /// The role's unique id.
    pub role_id: String,
    /// The session name; of tasks the task id.
    pub session_name: String,
    /// When no token of the session can be alive any more and this record may go.
    pub expires: Timestamp,
}

impl Revocation {
    /// The key a session is looked up by.
    pub fn key_of(role_id: &str, session_name: &str) -> String {
        format!("{role_id}/{session_name}")
    }
}

/// The key of a derived row: whose it is, then what it is.
fn owned(owner: &str, name: &str) -> String {
    format!("{owner}/{name}").to_ascii_lowercase()
}

record!(
    User,
    "iam-user",
    users,
    |row| row.name.to_ascii_lowercase(),
    reindex_user
);
record!(
    Group,
    "iam-group",
    groups,
    |row| row.name.to_ascii_lowercase(),
    reindex_group
);
record!(
    Role,
    "iam-role",
    roles,
    |row| row.name.to_ascii_lowercase(),
    reindex_role
);
record!(
    ManagedPolicy,
    "iam-policy",
    policies,
    |row| row.name.to_ascii_lowercase(),
    reindex_policy
);
record!(
    InstanceProfile,
    "iam-instance-profile",
    instance_profiles,
    |row| row.name.to_ascii_lowercase(),
    reindex_instance_profile
);
record!(
    MfaDevice,
    "iam-mfa",
    mfa_devices,
    |row| row.serial.to_string(),
    reindex_device
);
record!(
    AccessKey,
    "iam-access-key",
    access_keys,
    |row| row.id.clone(),
    reindex_key
);
record!(Revocation, "revocation", revocations, |row| Self::key_of(
    &row.role_id,
    &row.session_name
));

fn reindex_user(snapshot: &mut Snapshot, before: Option<&User>, after: Option<&User>) {
    let of = |user: &User| Attachment {
        kind: "user",
        name: user.name.clone(),
    };
    snapshot.reindex_attachments(
        before.map(|user| (of(user), &user.permissions)),
        after.map(|user| (of(user), &user.permissions)),
    );
    snapshot.reindex_memberships(before, after);
    let principal = |user: &User| (user.id.clone(), user.arn.clone());
    move_row(
        &mut snapshot.principals,
        before.map(|user| user.id.clone()),
        after.map(principal),
    );
}

fn reindex_group(snapshot: &mut Snapshot, before: Option<&Group>, after: Option<&Group>) {
    let of = |group: &Group| Attachment {
        kind: "group",
        name: group.name.clone(),
    };
    snapshot.reindex_attachments(
        before.map(|group| (of(group), &group.permissions)),
        after.map(|group| (of(group), &group.permissions)),
    );
    if let Some(group) = before {
        snapshot.recompile_members(&group.name);
    }
}

fn reindex_policy(snapshot: &mut Snapshot, before: Option<&ManagedPolicy>, _after: Option<&ManagedPolicy>) {
    if let Some(policy) = before {
        snapshot.recompile_users_of(&policy.arn);
    }
}

fn reindex_role(snapshot: &mut Snapshot, before: Option<&Role>, after: Option<&Role>) {
    let of = |role: &Role| Attachment {
        kind: "role",
        name: role.name.clone(),
    };
    snapshot.reindex_attachments(
        before.map(|role| (of(role), &role.permissions)),
        after.map(|role| (of(role), &role.permissions)),
    );
    let principal = |role: &Role| (role.id.clone(), role.arn.clone());
    move_row(
        &mut snapshot.principals,
        before.map(|role| role.id.clone()),
        after.map(principal),
    );
}

fn reindex_instance_profile(
    snapshot: &mut Snapshot,
    before: Option<&InstanceProfile>,
    after: Option<&InstanceProfile>,
) {
    let key = |profile: &InstanceProfile| profile.role.as_ref().map(|role| owned(role, &profile.name));
    let row = after.and_then(|profile| Some((key(profile)?, profile.name.clone())));
    move_row(&mut snapshot.role_profiles, before.and_then(key), row);
}

fn reindex_device(snapshot: &mut Snapshot, before: Option<&MfaDevice>, after: Option<&MfaDevice>) {
    let key = |device: &MfaDevice| {
        device
            .user
            .as_ref()
            .map(|user| owned(user, device.serial.as_str()))
    };
    let row = after.and_then(|device| Some((key(device)?, device.serial.to_string())));
    move_row(&mut snapshot.user_devices, before.and_then(key), row);
}

fn reindex_key(snapshot: &mut Snapshot, before: Option<&AccessKey>, after: Option<&AccessKey>) {
    let key = |key: &AccessKey| owned(key.user.as_deref().unwrap_or_default(), &key.id);
    let row = after.map(|row| (key(row), row.id.clone()));
    move_row(&mut snapshot.user_keys, before.map(key), row);
}
