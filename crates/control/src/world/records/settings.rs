//! What an account has once: its alias, password policy and quotas, its credential report, and what became of
//! requests to delete service-linked roles.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::world::snapshot::Snapshot;

/// What was chosen for the account as a whole: one row, once something is. Its name in the store is from when IAM alone had any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountProfile {
    /// Another name of the account.
    pub alias: Option<String>,
    /// What passwords must be like.
    pub password_policy: Option<PasswordPolicy>,
    /// The version of the tokens that STS's global endpoint gives, once somebody chose one.
    pub global_token_version: Option<u8>,
    /// Quotas that differ from AWS's defaults: of IAM by the name of their option, of other services with `SERVICE:` before it.
    pub quotas: BTreeMap<String, usize>,
}

impl AccountProfile {
    /// The key of the one row.
    pub const KEY: &'static str = "settings";

    /// The settings of the account.
    pub fn of(snapshot: &Snapshot) -> Self {
        let row = snapshot.account_profiles.get(Self::KEY);
        row.map_or_else(Self::default, |row| Self::clone(row))
    }
}

/// What passwords must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// At least so many characters.
    pub minimum_length: usize,
    /// At least one of `! @ # $ % ^ & * ( ) _ + - = [ ] { } | '`.
    pub symbols: bool,
    /// At least one of 0 to 9.
    pub numbers: bool,
    /// At least one of A to Z.
    pub uppercase: bool,
    /// At least one of a to z.
    pub lowercase: bool,
    /// Whether all users may change their own.
    pub users_may_change: bool,
    /// After how many days a password ends.
    pub max_age_days: Option<i32>,
    /// How many of the last passwords must not come again.
    pub remembered: Option<usize>,
    /// Whether only an administrator can renew a password that has ended.
    pub hard_expiry: Option<bool>,
}

/// The account's credential report: one row, once it was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialReport {
    /// When it was made.
    pub generated: Timestamp,
    /// The table, comma-separated.
    pub content: String,
}

impl CredentialReport {
    /// The key of the one row.
    pub const KEY: &'static str = "report";
}

/// What became of a request to delete a service-linked role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleDeletion {
    /// `task/aws-service-role/SERVICE/ROLE/UUID`.
    pub task: String,
    /// When it was asked for.
    pub requested: Timestamp,
    /// The resources that use the role, by region; empty when the role is gone.
    pub used_by: BTreeMap<String, Vec<String>>,
}

record!(AccountProfile, "iam-settings", account_profiles, |_row| Self::KEY
    .to_owned());
record!(
    CredentialReport,
    "iam-credential-report",
    credential_reports,
    |_row| Self::KEY.to_owned()
);
record!(RoleDeletion, "iam-role-deletion", role_deletions, |row| row
    .task
    .clone());
