//! What Systems Manager keeps of machines outside EC2: activations, the one-time tokens by which they join, and the machines
//! that did.

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

/// The tables of Systems Manager.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By id: whoever uses one says nothing of its region.
    pub activations: Table<Activation>,
    /// By id.
    pub managed_instances: Table<ManagedInstance>,
    /// Which machine joined by which activation with which key.
    joined: Index,
}

impl Tables {
    /// The id of the machine that joined by an activation with a key.
    pub fn joined_with(&self, activation_id: &str, key: &str) -> Option<&str> {
        let prefix = joined_key(activation_id, key, "");
        let (joined, ()) = self.joined.prefix(&prefix).next()?;
        joined.get(prefix.len()..)
    }
}

/// `ACTIVATION/KEY/ID`
fn joined_key(activation_id: &str, key: &str, id: &str) -> String {
    format!("{activation_id}/{key}/{id}")
}

/// A token by which machines join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Activation {
    /// A UUID.
    pub id: String,
    /// Where it was made.
    pub region: Region,
    /// What follows from id and code; the code itself is not kept.
    pub code_digest: String,
    /// The description.
    pub description: Option<String>,
    /// The name its machines get.
    pub default_instance_name: Option<String>,
    /// The role of its machines, as it was given: a name, with its path.
    pub iam_role: String,
    /// How many machines may join.
    pub limit: u32,
    /// How many have.
    pub count: u32,
    /// From when on none may.
    pub expires: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// Its machines' tags.
    pub tags: Tags,
}

/// A machine that joined by an activation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManagedInstance {
    /// `mi-` and 17 hexadecimal digits; the name of its role's sessions.
    pub id: String,
    /// Where it joined.
    pub region: Region,
    /// The activation it joined by.
    pub activation_id: String,
    /// Its role, as the activation had it.
    pub iam_role: String,
    /// Its name.
    pub name: Option<String>,
    /// The public half of its agent's key, in base 64.
    pub key: String,
    /// When the newest proof that gave it credentials was made: an older one is a replay.
    pub proved: Option<Timestamp>,
    /// What it says its hardware is.
    pub fingerprint: String,
    /// Where its last request came from.
    pub address: String,
    /// When it joined.
    pub registered: Timestamp,
    /// When it was last heard of.
    pub last_ping: Timestamp,
    /// Its tags.
    pub tags: Tags,
}

impl ManagedInstance {
    /// `arn:aws:ssm:REGION:ACCOUNT:managed-instance/ID`
    pub fn arn_of(region: &Region, account: &AccountId, id: &str) -> Arn {
        Arn::regional("ssm", region, account, format_args!("managed-instance/{id}"))
    }
}

impl Record for Activation {
    const KIND: &'static str = "ssm-activation";
    fn key(&self) -> String {
        self.id.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ssm.activations
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ssm.activations
    }
}

impl Record for ManagedInstance {
    const KIND: &'static str = "ssm-managed-instance";
    fn key(&self) -> String {
        self.id.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ssm.managed_instances
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ssm.managed_instances
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let key = |row: &Self| joined_key(&row.activation_id, &row.key, &row.id);
        let (before, after) = (before.map(key), after.map(key));
        if before == after {
            return;
        }
        if let Some(before) = before {
            snapshot.ssm.joined.remove(&before);
        }
        if let Some(after) = after {
            snapshot.ssm.joined.insert(&after, ());
        }
    }
}

/// The ARN of the role that is called so, path included.
pub fn role_arn(region: &Region, account: &AccountId, name: &str) -> Arn {
    Arn::global("iam", region.partition(), account, format_args!("role/{name}"))
}
