//! The request context: what is known about one call, as condition keys (R105-R112).

use portcullis_core::{Arn, Tags, Timestamp};
use serde::{Serialize, Serializer};

use crate::text;

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(Vec<(String, Value)>);

impl Context {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| text::compare(known, key))
    }

    /// Sets a key; what it held before, in whatever spelling, is replaced.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let entry = (key.into(), value.into());
        match self.find(&entry.0) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    *slot = entry;
                }
            }
            Err(at) => self.0.insert(at, entry),
        }
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
                    self.insert(key, values);
                }
                (None, _) => {}
            }
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
        }
    }

    /// The value of a key, looked up without case.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key)
            .ok()
            .and_then(|at| self.0.get(at))
            .map(|(_, value)| value)
    }

    /// The values of a key, or nothing when it is absent or an empty list (R96).
    pub(crate) fn present(&self, key: &str) -> Option<&Value> {
        self.get(key).filter(|value| !value.values().is_empty())
    }

    /// All keys, ordered without case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> + '_ {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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
