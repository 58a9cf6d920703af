//! What belongs to a registry as a whole: its policy and settings, pull-through rules, templates of repositories.

use std::collections::BTreeMap;

use portcullis_core::{Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Encryption, TagMutability};
use crate::world::records::{PolicyText, Record};
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// What an account's registry of one region has set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registry {
    /// Where.
    pub region: Region,
    /// Its policy.
    pub policy: Option<PolicyText>,
    /// Which repositories are to be scanned; `None` until somebody says.
    pub scanning: Option<Vec<ScanningRule>>,
    /// Settings of the account, by name.
    pub settings: BTreeMap<String, String>,
}

/// Which repositories are to be scanned when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanningRule {
    /// `SCAN_ON_PUSH`, `CONTINUOUS_SCAN` or `MANUAL`.
    pub frequency: String,
    /// Patterns of names.
    pub filters: Vec<String>,
}

/// Where the images below a prefix come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullThroughRule {
    /// Where.
    pub region: Region,
    /// With which names of repositories begin; `ROOT` are all.
    pub prefix: String,
    /// The host of the other registry.
    pub upstream_url: String,
    /// Its kind, such as `docker-hub`.
    pub upstream: Option<String>,
    /// With which names begin there; `ROOT` are all.
    pub upstream_prefix: Option<String>,
    /// The secret with the login.
    pub credential_arn: Option<String>,
    /// The role by which another registry of ECR is read.
    pub custom_role_arn: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What repositories get that ECR makes by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreationTemplate {
    /// Where.
    pub region: Region,
    /// With which names begin; `ROOT` are all that no other template fits.
    pub prefix: String,
    /// The description.
    pub description: Option<String>,
    /// How their images are said to be encrypted.
    pub encryption: Option<Encryption>,
    /// Their tags.
    pub tags: Tags,
    /// Which tags of images stay.
    pub mutability: TagMutability,
    /// Their resource policy.
    pub policy: Option<String>,
    /// Their lifecycle policy.
    pub lifecycle: Option<String>,
    /// `REPLICATION`, `PULL_THROUGH_CACHE`, `CREATE_ON_PUSH`.
    pub applied_for: Vec<String>,
    /// The role ECR takes to set tags and keys.
    pub custom_role_arn: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Registry {
    /// A registry in which nothing is set.
    pub fn new(region: Region) -> Self {
        Self {
            region,
            policy: None,
            scanning: None,
            settings: BTreeMap::new(),
        }
    }
}

impl Record for Registry {
    const KIND: &'static str = "ecr-registry";
    fn key(&self) -> String {
        self.region.to_string()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.registries
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.registries
    }
}

impl PullThroughRule {
    /// `REGION/PREFIX`
    pub fn key_of(region: &Region, prefix: &str) -> String {
        format!("{region}/{prefix}")
    }
}

impl Record for PullThroughRule {
    const KIND: &'static str = "ecr-pull-through-rule";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.prefix)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.pull_through_rules
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.pull_through_rules
    }
}

impl CreationTemplate {
    /// `REGION/PREFIX`
    pub fn key_of(region: &Region, prefix: &str) -> String {
        format!("{region}/{prefix}")
    }
}

impl Record for CreationTemplate {
    const KIND: &'static str = "ecr-creation-template";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.prefix)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.templates
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.templates
    }
}
