//! What Secrets Manager keeps: secrets, and the versions of their values. A value is here as ciphertext only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PolicyText, Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// The tables of Secrets Manager.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By [`StoredSecret::key_of`].
    pub secrets: Table<StoredSecret>,
    /// By [`SecretVersion::key_of`].
    pub versions: Table<SecretVersion>,
    /// Secrets whose recovery window runs, by its end and their key. Derived.
    leaving: Index,
}

impl Tables {
    /// The versions of a secret, by their ids.
    pub fn versions_of<'t>(
        &'t self,
        region: &Region,
        name: &str,
    ) -> impl Iterator<Item = &'t Arc<SecretVersion>> + use<'t> {
        let prefix = SecretVersion::key_of(region, name, "");
        let rows: Vec<_> = self.versions.prefix(&prefix).map(|(_, row)| row).collect();
        rows.into_iter()
    }

    /// A version of a secret.
    pub fn version(&self, secret: &StoredSecret, id: &str) -> Option<&Arc<SecretVersion>> {
        self.versions
            .get(&SecretVersion::key_of(&secret.region, &secret.name, id))
    }

    /// Keys of the secrets whose recovery window has ended, the first to end first.
    pub fn gone(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let now = moment(now);
        self.leaving.iter().map_while(move |(key, ())| {
            let (due, secret) = key.split_once('/')?;
            (due <= now.as_str()).then_some(secret)
        })
    }
}

/// The day a secret was last read, which the readers of a picture note without changing it. It rests with the row's next
/// change: AWS promises a day, not more.
#[derive(Debug, Clone, Default)]
pub struct LastRead(Arc<AtomicI64>);

impl LastRead {
    /// Notes that it is read now.
    pub fn note(&self, now: Timestamp) {
        let day = now.as_millis().div_euclid(DAY_MILLIS);
        self.0.fetch_max(day, Ordering::Relaxed);
    }

    /// The beginning of that day.
    pub fn day(&self) -> Option<Timestamp> {
        let day = self.0.load(Ordering::Relaxed);
        (day > 0).then(|| Timestamp::from_millis(day.saturating_mul(DAY_MILLIS)))
    }
}

impl Serialize for LastRead {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.load(Ordering::Relaxed).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LastRead {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let day = i64::deserialize(deserializer)?;
        Ok(Self(Arc::new(AtomicI64::new(day))))
    }
}

/// A secret without its values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredSecret {
    /// The name, which may have slashes.
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// The six letters at the end of its ARN: a secret made anew under an old name is another one.
    pub suffix: String,
    /// The description.
    pub description: Option<String>,
    /// The KMS key as it was named; none for `alias/aws/secretsmanager`.
    pub kms_key_id: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When anything about it was last changed.
    pub changed: Timestamp,
    /// When a value of it was last read.
    pub accessed: LastRead,
    /// When it goes, if it was deleted.
    pub deleted: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
    /// Its resource policy.
    pub policy: Option<PolicyText>,
    /// Which version each staging label is on: a label is on one version only.
    pub stages: BTreeMap<String, String>,
    /// Whether it rotates; not set before somebody spoke of it.
    pub rotation_enabled: Option<bool>,
}

impl StoredSecret {
    /// `REGION/NAME`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`
    pub fn arn(&self, account: &AccountId) -> Arn {
        let (name, suffix) = (&self.name, &self.suffix);
        Arn::regional(
            "secretsmanager",
            &self.region,
            account,
            format_args!("secret:{name}-{suffix}"),
        )
    }

    /// The labels of a version, in alphabetical order.
    pub fn stages_of(&self, version_id: &str) -> Vec<String> {
        let labels = self.stages.iter().filter(|(_, id)| *id == version_id);
        labels.map(|(label, _)| label.clone()).collect()
    }

    /// Whether its recovery window has ended: then it is as if it had never been.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.deleted.is_some_and(|due| due <= now)
    }
}

/// One value that a secret has or had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretVersion {
    /// The secret's region.
    pub region: Region,
    /// The secret's name.
    pub name: String,
    /// The version's id: the caller's request token, or a UUID.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last read.
    pub accessed: LastRead,
    /// The KMS key as it was named when the value was sealed.
    pub kms_key_id: Option<String>,
    /// Whether the value was given as bytes.
    pub is_binary: bool,
    /// The value, sealed.
    pub value: Sealed,
    /// What tells whether another value is the same, worthless without the server's key ring.
    pub digest: Sealed,
}

impl SecretVersion {
    /// `REGION/NAME:ID`; names have no colons.
    pub fn key_of(region: &Region, name: &str, id: &str) -> String {
        format!("{region}/{name}:{id}")
    }
}

impl Record for StoredSecret {
    const KIND: &'static str = "secretsmanager-secret";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.secrets.secrets
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.secrets.secrets
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let key = |row: &Self| row.deleted.map(|due| format!("{}/{}", moment(due), row.key()));
        if let Some(before) = before.and_then(key) {
            snapshot.secrets.leaving.remove(&before);
        }
        if let Some(after) = after.and_then(key) {
            snapshot.secrets.leaving.insert(&after, ());
        }
    }
}

impl Record for SecretVersion {
    const KIND: &'static str = "secretsmanager-version";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.secrets.versions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.secrets.versions
    }
}

/// A time that sorts as text.
pub(super) fn moment(time: Timestamp) -> String {
    format!("{:016}", time.as_millis().max(0))
}
