//! Resource tags, in the order they were given.

use serde::{Deserialize, Serialize};

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The key, with its case.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
}

impl Tag {
    /// A tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// The tags of one resource: keys are unique with case, order of first appearance is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// No tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a tag; an existing key of the same case keeps its place.
    pub fn set(&mut self, tag: Tag) {
        match self.0.iter_mut().find(|existing| existing.key == tag.key) {
            Some(existing) => existing.value = tag.value,
            None => self.0.push(tag),
        }
    }

    /// Removes the key, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|tag| tag.key != key);
    }

    /// The value of the key, compared with case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }

    /// All tags in order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> + '_ {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let mut all = Self::new();
        for tag in tags {
            all.set(tag);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_key_again_keeps_its_place_and_case_matters() {
        let mut tags: Tags = [Tag::new("a", "1"), Tag::new("b", "2"), Tag::new("A", "3")]
            .into_iter()
            .collect();
        tags.set(Tag::new("a", "9"));
        let seen: Vec<_> = tags.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect();
        assert_eq!(seen, [("a", "9"), ("b", "2"), ("A", "3")]);
        tags.remove("b");
        assert_eq!((tags.len(), tags.get("b"), tags.get("A")), (2, None, Some("3")));
    }
}
