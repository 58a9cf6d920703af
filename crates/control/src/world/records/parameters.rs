//! What Parameter Store keeps: parameters, and the versions of their values. What is secret is here as ciphertext only.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::secrets::moment;
use super::{Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

/// The tables of Parameter Store.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By [`Parameter::key_of`].
    pub parameters: Table<Parameter>,
    /// By [`ParameterVersion::key_of`].
    pub versions: Table<ParameterVersion>,
    /// Parameters that expire, by when and their key. Derived.
    expiring: Index,
    /// How many parameters a region has of each tier. Derived.
    counts: BTreeMap<(Region, Tier), usize>,
}

impl Tables {
    /// The versions of a parameter, the oldest first.
    pub fn versions_of<'t>(
        &'t self,
        parameter: &Parameter,
    ) -> impl Iterator<Item = &'t Arc<ParameterVersion>> + use<'t> {
        let prefix = format!("{}:", parameter.key());
        let rows: Vec<_> = self.versions.prefix(&prefix).map(|(_, row)| row).collect();
        rows.into_iter()
    }

    /// A version of a parameter.
    pub fn version(&self, parameter: &Parameter, number: i64) -> Option<&Arc<ParameterVersion>> {
        let key = ParameterVersion::key_of(&parameter.region, &parameter.name, number);
        self.versions.get(&key)
    }

    /// How many parameters of a tier a region has.
    pub fn count(&self, region: &Region, tier: Tier) -> usize {
        let count = self.counts.get(&(region.clone(), tier));
        count.copied().unwrap_or_default()
    }

    /// Keys of the parameters that have expired, the first to expire first.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let now = moment(now);
        self.expiring.iter().map_while(move |(key, ())| {
            let (due, parameter) = key.split_once('/')?;
            (due <= now.as_str()).then_some(parameter)
        })
    }
}

/// What a parameter may be and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// Up to 4 KB, without policies.
    Standard,
    /// Up to 8 KB, with policies.
    Advanced,
}

impl Tier {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
        }
    }
}

/// A parameter without its values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parameter {
    /// The name: one word, or a path that begins with a slash.
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// Its tier.
    pub tier: Tier,
    /// The number of its newest version.
    pub latest: i64,
    /// Which version each label is on: a label is on one version only.
    pub labels: BTreeMap<String, i64>,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

impl Parameter {
    /// `REGION/NAME`; a path has a second slash.
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// `arn:aws:ssm:REGION:ACCOUNT:parameter/NAME`: a path keeps one slash.
    pub fn arn_of(region: &Region, account: &AccountId, name: &str) -> Arn {
        let name = name.strip_prefix('/').unwrap_or(name);
        Arn::regional("ssm", region, account, format_args!("parameter/{name}"))
    }

    /// The labels of a version, in alphabetical order.
    pub fn labels_of(&self, version: i64) -> Vec<String> {
        let labels = self.labels.iter().filter(|(_, number)| **number == version);
        labels.map(|(label, _)| label.clone()).collect()
    }

    /// Whether its time is over: then it is as if it had never been.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// A value as it is kept. What is no secret to AWS may be one to its owner: every value rests sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ParameterValue {
    /// Of a string: sealed by the server.
    Plain(Sealed),
    /// Of a secure string: sealed under its KMS key.
    Secure(Sealed),
}

/// One value that a parameter has or had, with what was said of it then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParameterVersion {
    /// The parameter's region.
    pub region: Region,
    /// The parameter's name.
    pub name: String,
    /// The version's number, from 1.
    pub number: i64,
    /// The value.
    pub value: ParameterValue,
    /// The KMS key of a secure string as it was named.
    pub key_id: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// What values must match.
    pub allowed_pattern: Option<String>,
    /// The tier it was made with.
    pub tier: Tier,
    /// Its policies, each as its caller wrote it.
    pub policies: Vec<ParameterPolicy>,
    /// When it was made.
    pub modified: Timestamp,
    /// The ARN of who made it.
    pub modified_by: String,
}

/// A policy of an advanced parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterPolicy {
    /// Such as `Expiration`.
    pub kind: String,
    /// Its JSON.
    pub text: String,
}

impl ParameterVersion {
    /// `REGION/NAME:NUMBER`; names have no colons, and numbers sort as text.
    pub fn key_of(region: &Region, name: &str, number: i64) -> String {
        format!("{region}/{name}:{number:019}")
    }
}

impl Record for Parameter {
    const KIND: &'static str = "ssm-parameter";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.parameters.parameters
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.parameters.parameters
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let expiring = |row: &Self| row.expires.map(|at| format!("{}/{}", moment(at), row.key()));
        let tables = &mut snapshot.parameters;
        if let Some(before) = before {
            if let Some(key) = expiring(before) {
                tables.expiring.remove(&key);
            }
            let count = tables.counts.entry((before.region.clone(), before.tier));
            count.and_modify(|count| *count = count.saturating_sub(1));
        }
        if let Some(after) = after {
            if let Some(key) = expiring(after) {
                tables.expiring.insert(&key, ());
            }
            *tables
                .counts
                .entry((after.region.clone(), after.tier))
                .or_default() += 1;
        }
    }
}

impl Record for ParameterVersion {
    const KIND: &'static str = "ssm-parameter-version";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name, self.number)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.parameters.versions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.parameters.versions
    }
}
