//! What Secrets Manager keeps: secrets, and the versions of their values. A value is here as ciphertext only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PolicyText, Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Rows, Table, move_entry};

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
    /// Secrets by region, when they were made, and name. Derived.
    by_creation: Index,
    /// Secrets by region, when they were last changed, and name. Derived.
    by_change: Index,
}

/// By what lists of secrets are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By name.
    Name,
    /// By when they were made.
    Creation,
    /// By when they were last changed.
    Change,
    /// By the day they were last read, which no row keeps in order: all of them are looked at.
    Access,
}

impl Order {
    /// Text that sorts as a secret does, its own.
    pub fn key(self, row: &StoredSecret) -> String {
        let time = match self {
            Self::Name => return row.name.clone(),
            Self::Creation => Some(row.created),
            Self::Change => Some(row.changed),
            Self::Access => row.accessed.day(),
        };
        format!("{}/{}", moment(time.unwrap_or_default()), row.name)
    }
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

    /// The secrets of a region in order, or in the opposite one, with their sorting keys: those that come after one.
    pub fn listed<'t>(
        &'t self,
        region: &Region,
        order: Order,
        is_backwards: bool,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = (String, &'t Arc<StoredSecret>)> + 't> {
        let prefix = StoredSecret::key_of(region, "");
        let last = after.map(|after| format!("{prefix}{after}"));
        let index = match order {
            Order::Creation => &self.by_creation,
            Order::Change => &self.by_change,
            Order::Name => return in_order(&self.secrets, prefix, last, is_backwards),
            Order::Access => return self.all_by_access(&prefix, is_backwards, after),
        };
        let keys = in_order(index, prefix.clone(), last, is_backwards);
        Box::new(keys.filter_map(move |(key, ())| {
            let (_, name) = key.split_once('/')?;
            let row = self.secrets.get(&format!("{prefix}{name}"))?;
            Some((key, row))
        }))
    }

    fn all_by_access<'t>(
        &'t self,
        prefix: &str,
        is_backwards: bool,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = (String, &'t Arc<StoredSecret>)> + 't> {
        let rows = self.secrets.prefix(prefix).map(|(_, row)| row);
        let mut rows: Vec<_> = rows.map(|row| (Order::Access.key(row), row)).collect();
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        match is_backwards {
            true => {
                rows.retain(|(key, _)| after.is_none_or(|after| key.as_str() < after));
                Box::new(rows.into_iter().rev())
            }
            false => {
                rows.retain(|(key, _)| after.is_none_or(|after| key.as_str() > after));
                Box::new(rows.into_iter())
            }
        }
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
        let key = |order: Order| move |row: &Self| Self::key_of(&row.region, &order.key(row));
        let (creation, change) = (key(Order::Creation), key(Order::Change));
        let tables = &mut snapshot.secrets;
        move_entry(&mut tables.by_creation, before.map(creation), after.map(creation));
        move_entry(&mut tables.by_change, before.map(change), after.map(change));
    }
}

/// The rows below a prefix and after a key, by what their keys say beside the prefix.
fn in_order<R: Clone>(
    rows: &Rows<R>,
    prefix: String,
    mut last: Option<String>,
    is_backwards: bool,
) -> Box<dyn Iterator<Item = (String, &R)> + '_> {
    Box::new(std::iter::from_fn(move || {
        let (key, row) = match is_backwards {
            true => rows.before(&prefix, last.as_deref()).next()?,
            false => rows.after(&prefix, last.as_deref()).next()?,
        };
        last = Some(key.to_owned());
        Some((key.get(prefix.len()..)?.to_owned(), row))
    }))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::world::tx::replace;

    fn region() -> Region {
        "eu-west-1".parse().unwrap()
    }

    fn secret(name: &str, created: i64, changed: i64) -> StoredSecret {
        StoredSecret {
            name: name.to_owned(),
            region: region(),
            suffix: "AbCdEf".to_owned(),
            description: None,
            kms_key_id: None,
            created: Timestamp::from_seconds(created),
            changed: Timestamp::from_seconds(changed),
            accessed: LastRead::default(),
            deleted: None,
            tags: Tags::new(),
            policy: None,
            stages: BTreeMap::new(),
            rotation_enabled: None,
        }
    }

    fn order() -> impl Strategy<Value = Order> {
        prop::sample::select(vec![Order::Name, Order::Creation, Order::Change, Order::Access])
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
        #[test]
        fn lists_go_on_in_order_where_they_ended(
            steps in prop::collection::vec(("[ab/]{1,3}", prop::option::of((1..5_i64, 1..5_i64))), 0..30),
            order in order(), is_backwards in prop::bool::ANY, start in prop::option::of(("[ab/]{1,3}", 1..5_i64, 1..5_i64)),
        ) {
            let mut view = Snapshot::empty("123456789012".parse().unwrap());
            for (name, times) in steps {
                let row = times.map(|(created, changed)| Arc::new(secret(&name, created, changed)));
                replace(&mut view, &StoredSecret::key_of(&region(), &name), row);
            }
            let start = start.map(|(name, created, changed)| order.key(&secret(&name, created, changed)));
            let listed = view.secrets.listed(&region(), order, is_backwards, start.as_deref());
            let listed: Vec<_> = listed.map(|(key, row)| (key, row.name.clone())).collect();
            let all = view.secrets.secrets.iter().map(|(_, row)| (order.key(row), row.name.clone()));
            let mut naive: Vec<_> = all.collect();
            naive.sort();
            if is_backwards {
                naive.reverse();
            }
            naive.retain(|(key, _)| start.as_ref().is_none_or(|start| (key < start) == is_backwards && key != start));
            prop_assert_eq!(listed, naive);
        }
    }
}
