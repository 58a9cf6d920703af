//! What KMS keeps: keys with all their material, aliases and grants. Material rests sealed and bound to its key's ARN.

use std::collections::BTreeMap;

use portcullis_core::{Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PolicyText, Record, Sealed};
use crate::world::compiled::MergedSlot;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table, move_entry};

/// More than a page of grants has.
const RETIRABLE_MAX: usize = 200;

/// The tables of KMS.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By `REGION/ID`.
    pub keys: Table<Key>,
    /// By `REGION/alias/NAME`.
    pub aliases: Table<Alias>,
    /// By `REGION/KEY/ID`.
    pub grants: Table<Grant>,
    /// `REGION/KEY/alias/NAME`
    aliases_of: Index,
    /// `REGION/KEY/GRANTEE`, a line break, and the grant's id.
    grantees: Index,
    /// The region, a slash, whoever may retire it, a line break, and `KEY/ID`.
    retirers: Index,
    /// How many grants a key has, by `REGION/KEY`.
    grant_counts: Table<usize>,
    /// `TIME/REGION/ID` of what time does to keys: deletion or rotation.
    due: Index,
}

impl Tables {
    /// The key of a region with that id.
    pub fn key(&self, region: &str, id: &str) -> Option<&std::sync::Arc<Key>> {
        self.keys.get(&format!("{region}/{id}"))
    }

    /// The alias of a region with that name, `alias/` included.
    pub fn alias(&self, region: &str, name: &str) -> Option<&std::sync::Arc<Alias>> {
        self.aliases.get(&format!("{region}/{name}"))
    }

    /// The names of a key's aliases, in order.
    pub fn aliases_of(&self, key: &Key) -> Vec<String> {
        let prefix = format!("{}/", key.key());
        let names = self.aliases_of.prefix(&prefix);
        names
            .filter_map(|(row, ())| row.get(prefix.len()..).map(str::to_owned))
            .collect()
    }

    /// How many grants a key has.
    pub fn grants_of(&self, key: &Key) -> usize {
        self.grant_counts.get(&key.key()).map_or(0, |count| **count)
    }

    /// The grants of a key to a grantee, as it is kept.
    pub fn grants_to<'t>(&'t self, key: &Key, grantee: &str) -> impl Iterator<Item = &'t Grant> + use<'t> {
        let key = key.key();
        let prefix = format!("{key}/{grantee}\n");
        let mut last: Option<String> = None;
        std::iter::from_fn(move || {
            let (row, ()) = self.grantees.after(&prefix, last.as_deref()).next()?;
            let id = row.get(prefix.len()..)?;
            last = Some(row.to_owned());
            self.grants.get(&format!("{key}/{id}")).map(AsRef::as_ref)
        })
    }

    /// The grants of a region that somebody, as it is kept, may retire, by `KEY/ID` in order, those after `last`.
    pub fn retirable_by<'t>(
        &'t self,
        region: &Region,
        who: &str,
        last: Option<&str>,
    ) -> impl Iterator<Item = (String, &'t Grant)> + use<'t> {
        let region = region.to_string();
        let prefix = format!("{region}/{who}\n");
        let last = last.map(|last| format!("{prefix}{last}"));
        let after = self.retirers.after(&prefix, last.as_deref());
        let ids: Vec<_> = after
            .take(RETIRABLE_MAX)
            .filter_map(|(row, ())| row.get(prefix.len()..).map(str::to_owned))
            .collect();
        ids.into_iter().filter_map(move |id| {
            let grant = self.grants.get(&format!("{region}/{id}"))?;
            Some((id, grant.as_ref()))
        })
    }

    /// The keys, as rows, that time does something to by `now`, the longest waiting first.
    pub fn due(&self, now: Timestamp, most: usize) -> Vec<String> {
        let rows = self.due.iter().map_while(|(row, ())| {
            let (time, key) = row.split_once('/')?;
            (time.parse::<i64>().ok()? <= now.as_millis()).then(|| key.to_owned())
        });
        rows.take(most).collect()
    }
}

/// A KMS key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// A UUID.
    pub id: String,
    /// Its ARN; its material is bound to it.
    pub arn: Arn,
    /// Where it is.
    pub region: Region,
    /// When it was made.
    pub created: Timestamp,
    /// The description.
    pub description: String,
    /// `ENCRYPT_DECRYPT` or `GENERATE_VERIFY_MAC`.
    pub usage: String,
    /// `SYMMETRIC_DEFAULT` or one of `HMAC_*`.
    pub spec: String,
    /// The service whose AWS managed key it is, such as `secretsmanager`; `None` for a customer's.
    pub managed_for: Option<String>,
    /// Its state.
    pub state: State,
    /// Its policy; users and roles by unique id (R65).
    pub policy: PolicyText,
    /// All its material, the newest last. Old material goes on to decrypt.
    pub materials: Vec<Material>,
    /// How it rotates by itself.
    pub rotation: Option<Rotation>,
    /// Its tags.
    pub tags: Tags,
}

/// The state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Enabled,
    /// It does nothing until it is enabled.
    Disabled,
    /// It is destroyed when its window is over.
    PendingDeletion {
        /// When that is.
        at: Timestamp,
        /// How long the window is, in days.
        days: i32,
    },
}

/// One key material.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Material {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The bytes, for [`Key::binding`].
    pub sealed: Sealed,
    /// Since when it is the current one.
    pub since: Timestamp,
    /// What brought it; `None` for the first.
    pub rotated: Option<RotationType>,
}

/// What made a key rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationType {
    /// Its period.
    Automatic,
    /// RotateKeyOnDemand.
    OnDemand,
}

/// Automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The period, in days.
    pub days: i32,
    /// When it rotates next.
    pub next: Timestamp,
}

impl Key {
    /// `REGION/ID`
    pub fn row(region: &Region, id: &str) -> String {
        format!("{region}/{id}")
    }

    /// What the material of this id is sealed for: it opens for no other key.
    pub fn binding(arn: &Arn, material: &str) -> String {
        format!("{arn}\n{material}")
    }

    /// The material that encrypts.
    pub fn current(&self) -> Option<&Material> {
        self.materials.last()
    }

    /// Whether its window is over, whether or not it was cleared away already.
    pub fn is_destroyed(&self, now: Timestamp) -> bool {
        matches!(self.state, State::PendingDeletion { at, .. } if at <= now)
    }

    /// When time does something to it.
    fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::PendingDeletion { at, .. } => Some(at),
            State::Enabled => self.rotation.map(|rotation| rotation.next),
            State::Disabled => None,
        }
    }
}

/// A name of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Alias {
    /// `alias/NAME`
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// The id of its key.
    pub target: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last given another key.
    pub updated: Timestamp,
}

/// Permissions on a key that one principal was granted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Where its key is.
    pub region: Region,
    /// The id of its key.
    pub key: String,
    /// The name, by which making it is repeated safely.
    pub name: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Who may: a unique id (R65), an ARN, or a service principal.
    pub grantee: Grantee,
    /// Who may retire it.
    pub retiring: Option<Grantee>,
    /// The account that made it.
    pub issuer: String,
    /// What may be done.
    pub operations: Vec<String>,
    /// The encryption context must be these pairs.
    pub context_equals: Option<BTreeMap<String, String>>,
    /// The encryption context must hold these pairs.
    pub context_subset: Option<BTreeMap<String, String>>,
    /// Its key's policy with what it grants. Derived.
    #[serde(skip)]
    pub with_key: MergedSlot,
}

/// Somebody a grant names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// A user or role by its unique id, or an ARN.
    Principal(String),
    /// A service principal.
    Service(String),
}

impl Grantee {
    /// As it is kept.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Principal(name) | Self::Service(name) => name,
        }
    }
}

impl Record for Key {
    const KIND: &'static str = "kms-key";
    fn key(&self) -> String {
        Self::row(&self.region, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.kms.keys
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.kms.keys
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let due = |row: &Self| Some(format!("{:013}/{}", row.due()?.as_millis().max(0), row.key()));
        move_entry(&mut snapshot.kms.due, before.and_then(due), after.and_then(due));
    }
}

impl Record for Alias {
    const KIND: &'static str = "kms-alias";
    fn key(&self) -> String {
        format!("{}/{}", self.region, self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.kms.aliases
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.kms.aliases
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let entry = |row: &Self| format!("{}/{}/{}", row.region, row.target, row.name);
        move_entry(&mut snapshot.kms.aliases_of, before.map(entry), after.map(entry));
    }
}

impl Record for Grant {
    const KIND: &'static str = "kms-grant";
    fn key(&self) -> String {
        format!("{}/{}/{}", self.region, self.key, self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.kms.grants
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.kms.grants
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        count(&mut snapshot.kms.grant_counts, before, after);
        let grantee = |row: &Self| format!("{}/{}/{}\n{}", row.region, row.key, row.grantee.as_str(), row.id);
        move_entry(
            &mut snapshot.kms.grantees,
            before.map(grantee),
            after.map(grantee),
        );
        let retirer = |row: &Self| {
            let who = row.retiring.as_ref()?.as_str();
            Some(format!("{}/{who}\n{}/{}", row.region, row.key, row.id))
        };
        move_entry(
            &mut snapshot.kms.retirers,
            before.and_then(retirer),
            after.and_then(retirer),
        );
    }
}

/// Grants never change their key.
fn count(counts: &mut Table<usize>, before: Option<&Grant>, after: Option<&Grant>) {
    let Some(grant) = before.xor(after) else { return };
    let key = Key::row(&grant.region, &grant.key);
    let known = counts.get(&key).map_or(0, |count| **count);
    let now = match after {
        Some(_) => known + 1,
        None => known.saturating_sub(1),
    };
    match now {
        0 => counts.remove(&key),
        now => counts.insert(&key, std::sync::Arc::new(now)),
    }
}
