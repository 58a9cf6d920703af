//! The request context: what is known about one call, as condition keys (R105-R112).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use hashbrown::HashTable;
use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{open_points, text};

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A single-valued key.
    One(String),
    /// A multi-valued key such as `aws:TagKeys`; an empty list counts as a missing key (R96). Without a set
    /// operator it never matches, however many values it holds (R89).
    Many(Vec<String>),
}

impl Value {
    /// All values, in order.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(value) => serializer.serialize_str(value),
            Self::Many(values) => serializer.collect_seq(values),
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::One(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::One(value)
    }
}

impl From<&Arn> for Value {
    fn from(arn: &Arn) -> Self {
        Self::One(arn.as_str().to_owned())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::One(value.to_string())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::One(value.to_string())
    }
}

impl From<Timestamp> for Value {
    fn from(instant: Timestamp) -> Self {
        Self::One(instant.to_iso())
    }
}

impl From<Vec<String>> for Value {
    fn from(values: Vec<String>) -> Self {
        Self::Many(values)
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(values: [&str; N]) -> Self {
        Self::Many(values.iter().map(|value| (*value).to_owned()).collect())
    }
}

/// Condition keys with their values. Keys keep their spelling for display and are looked up without case,
/// tag-key part included (R75, R105, R163).
///
/// ```
/// use portcullis_policy::Context;
/// let mut context = Context::new();
/// context.insert("aws:SecureTransport", true);
/// context.insert("aws:TagKeys", ["Owner", "Team"]);
/// assert!(context.get("AWS:securetransport").is_some());
/// ```
#[derive(Clone, Default)]
pub struct Context {
    entries: Vec<Entry>,
    /// Hashes of the keys and their places in `entries`.
    places: HashTable<(u64, u32)>,
}

/// A key with its value, both hashed when they came in: policies look them up many times.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    key_hash: u64,
    /// The hash of a single value; of several, nothing.
    pub(crate) value_hash: u64,
}

/// Room for a request's usual keys.
const USUAL_KEYS: usize = 28;

impl Context {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    fn place(&self, key_hash: u64, key: &str) -> Option<usize> {
        let is_it = |(hash, place): &(u64, u32)| {
            // Other keys may have the same hash: the text decides.
            *hash == key_hash
                && self
                    .entry_at(*place)
                    .is_some_and(|entry| text::same(&entry.key, key))
        };
        let (_, place) = self.places.find(key_hash, is_it)?;
        usize::try_from(*place).ok()
    }

    fn entry_at(&self, place: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The entry of a key whose hash without case is known.
    #[inline]
    pub(crate) fn entry(&self, key_hash: u64, key: &str) -> Option<&Entry> {
        self.entries.get(self.place(key_hash, key)?)
    }

    /// Sets a key; what it held before, in whatever spelling, is replaced.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        let key_hash = text::hash_without_case(&key);
        let value_hash = match &value {
            Value::One(single) => text::hash(single),
            Value::Many(_) => 0,
        };
        let known = self.place(key_hash, &key);
        let entry = Entry {
            key,
            value,
            key_hash,
            value_hash,
        };
        match known.and_then(|place| self.entries.get_mut(place)) {
            Some(slot) => *slot = entry,
            None => self.append(entry),
        }
    }

    fn append(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            self.entries.reserve(USUAL_KEYS);
            self.places.reserve(USUAL_KEYS, |(hash, _)| *hash);
        }
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.places
            .insert_unique(entry.key_hash, (entry.key_hash, place), |(hash, _)| *hash);
        self.entries.push(entry);
    }

    /// Looks at these keys with those of `over` on top, which replace what they held. Afterwards they are as before: several
    /// questions with the same keys below need no copy of them each.
    pub fn with_over<R>(&mut self, over: &Self, look: impl FnOnce(&Self) -> R) -> R {
        let own = self.entries.len();
        let mut replaced = Vec::new();
        for entry in &over.entries {
            let known = self.place(entry.key_hash, &entry.key);
            match known.and_then(|place| Some((place, self.entries.get_mut(place)?))) {
                Some((place, slot)) => replaced.push((place, std::mem::replace(slot, entry.clone()))),
                None => self.append(entry.clone()),
            }
        }
        let seen = look(self);
        for (place, entry) in replaced {
            if let Some(slot) = self.entries.get_mut(place) {
                *slot = entry;
            }
        }
        let places = &mut self.places;
        for (index, entry) in self.entries.iter().enumerate().skip(own) {
            let is_it = |(_, place): &(u64, u32)| usize::try_from(*place).ok() == Some(index);
            if let Ok(place) = places.find_entry(entry.key_hash, is_it) {
                place.remove();
            }
        }
        self.entries.truncate(own);
        seen
    }

    /// Sets `PREFIX/KEY` for every tag, for example with the prefix `aws:ResourceTag`. Two tags whose keys
    /// differ only in case make one multi-valued key, which plain operators do not match (R164).
    pub fn insert_tags(&mut self, prefix: &str, tags: &Tags) {
        let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
        for tag in tags.iter() {
            let key = format!("{prefix}/{}", tag.key);
            match grouped.iter_mut().find(|(known, _)| text::same(known, &key)) {
                Some((_, values)) => values.push(tag.value.clone()),
                None => grouped.push((key, vec![tag.value.clone()])),
            }
        }
        for (key, mut values) in grouped {
            match (values.pop(), values.is_empty()) {
                (Some(single), true) => self.insert(key, single),
                (Some(last), false) => {
                    values.push(last);
                    self.insert(key, open_points::r164_value_of_same_keys(values));
                }
                (None, _) => {}
            }
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        let Some(place) = self.place(text::hash_without_case(key), key) else {
            return;
        };
        let mut entries = std::mem::take(&mut self.entries);
        entries.remove(place);
        *self = Self::new();
        entries.into_iter().for_each(|entry| self.append(entry));
    }

    /// The value of a key, looked up without case.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(text::hash_without_case(key), key)
            .map(|entry| &entry.value)
    }

    /// The values of a key, or nothing when it is absent or an empty list (R96).
    pub(crate) fn present(&self, key: &str) -> Option<&Value> {
        self.get(key)
            .filter(|value| !open_points::r96_counts_as_missing(value))
    }

    /// The keys that can be present when an action is decided: a service key that the reference lists neither for the
    /// action nor for one of its resource types is absent (R112). Every key applies to an action it does not know.
    pub(crate) fn applying_to(&self, action: &str) -> Cow<'_, Self> {
        let Some(action) = portcullis_reference::action(action) else {
            return Cow::Borrowed(self);
        };
        let absent: Vec<&str> = self
            .iter()
            .filter_map(|(key, _)| (!action.applies(key)).then_some(key))
            .collect();
        if absent.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut applying = self.clone();
        for key in absent {
            applying.remove(key);
        }
        Cow::Owned(applying)
    }

    /// All keys, ordered without case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> + '_ {
        let mut sorted: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
            .collect();
        sorted.sort_by(|(a, _), (b, _)| text::compare(a, b));
        sorted.into_iter()
    }
}

impl Entry {
    /// Whether the key counts as present (R96).
    pub(crate) fn is_present(&self) -> bool {
        !open_points::r96_counts_as_missing(&self.value)
    }
}

/// Keys and values in the same spelling; the order in which they came does not matter.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        let holds = |entry: &Entry| {
            let found = other.entry(entry.key_hash, &entry.key);
            found.is_some_and(|found| found.key == entry.key && found.value == entry.value)
        };
        self.entries.len() == other.entries.len() && self.entries.iter().all(holds)
    }
}

impl Eq for Context {}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<String, Value>::deserialize(deserializer)?;
        Ok(entries.into_iter().collect())
    }
}

impl<K: Into<String>, V: Into<Value>> Extend<(K, V)> for Context {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, entries: T) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Context {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut context = Self::new();
        context.extend(entries);
        context
    }
}
