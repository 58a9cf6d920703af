//! An account's identities as one file: what `portcullis iam export` writes and `portcullis iam import` reads. There
//! are no secrets in it.

mod document;
mod named;
pub mod plan;
pub mod read;
mod removal;
pub mod step;
#[cfg(test)]
mod tests;
mod who;

use std::collections::BTreeSet;

pub use document::Text;
pub use named::Named;
pub use removal::belongings;
use serde::{Deserialize, Serialize};

/// The sessions of a role end after an hour unless it says otherwise.
const SESSION_SECONDS: i32 = 3_600;

/// How files name their form.
pub const FORMAT: &str = "portcullis-iam-1";

/// All identities of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identities {
    /// Which form the file has.
    pub format: Format,
    /// The account it was read from.
    pub account: String,
    /// Customer managed policies.
    #[serde(default)]
    pub policies: Named<Policy>,
    /// Groups.
    #[serde(default)]
    pub groups: Named<Group>,
    /// Users.
    #[serde(default)]
    pub users: Named<User>,
    /// Roles but those of services.
    #[serde(default)]
    pub roles: Named<Role>,
    /// Roles that belong to services.
    #[serde(default)]
    pub service_linked_roles: BTreeSet<LinkedRole>,
    /// Instance profiles.
    #[serde(default)]
    pub instance_profiles: Named<InstanceProfile>,
}

/// The forms of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first: [`FORMAT`].
    #[default]
    #[serde(rename = "portcullis-iam-1")]
    First,
}

/// A customer managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// `/` or `/a/b/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The default version's.
    pub document: Text,
    /// Tags.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub tags: Named<String>,
    /// The versions that are not in force, the oldest first; of a policy on a server.
    #[serde(skip)]
    pub other_versions: Vec<String>,
}

/// What users, groups and roles may have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grants {
    /// Attached managed policies, by [`reference`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub attached: BTreeSet<String>,
    /// Inline policies.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub inline: Named<Text>,
}

impl Grants {
    fn is_empty(&self) -> bool {
        self.attached.is_empty() && self.inline.is_empty()
    }
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// `/` or `/a/b/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Its policies.
    #[serde(default, rename = "policies", skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// `/` or `/a/b/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// The permissions boundary, by [`reference`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// Names of its groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Its policies.
    #[serde(default, rename = "policies", skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
    /// Tags.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub tags: Named<String>,
}

/// A role that no service owns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// `/` or `/a/b/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Longest session in seconds.
    #[serde(default = "session_seconds")]
    pub max_session_duration: i32,
    /// Who may assume it.
    pub trust: Text,
    /// The permissions boundary, by [`reference`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// Its policies.
    #[serde(default, rename = "policies", skip_serializing_if = "Grants::is_empty")]
    pub grants: Grants,
    /// Tags.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub tags: Named<String>,
}

/// A role of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkedRole {
    /// Such as `ecs.amazonaws.com`.
    pub service: String,
    /// The role's name.
    pub name: String,
}

/// An instance profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceProfile {
    /// `/` or `/a/b/`.
    #[serde(default = "root_path")]
    pub path: String,
    /// The name of its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub tags: Named<String>,
}

fn root_path() -> String {
    "/".to_owned()
}

fn session_seconds() -> i32 {
    SESSION_SECONDS
}

impl Identities {
    /// The file's text.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// How the file names a managed policy: `policy/team/run-web` for the account's own, so that another account can take
/// it over, and the ARN for others.
pub fn reference(arn: &str, account: &str) -> String {
    let own = arn
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_prefix(account));
    match own.and_then(|rest| rest.strip_prefix(':')) {
        Some(own) => own.to_owned(),
        None => arn.to_owned(),
    }
}

/// The ARN of a managed policy the file names.
pub fn arn_of(reference: &str, account: &str) -> String {
    match reference.starts_with("policy/") {
        true => format!("arn:aws:iam::{account}:{reference}"),
        false => reference.to_owned(),
    }
}
