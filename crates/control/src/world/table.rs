//! Rows ordered by key. A persistent map: a copy costs nothing, a change costs a path of the tree, so that every
//! request can hold its own picture while writers go on.

mod node;

use std::fmt;
use std::sync::Arc;

use node::{Cursor, Node};

/// The rows of one record type.
pub type Table<T> = Rows<Arc<T>>;

/// Keys that say all. Its rows are nothing, so that a change touches the tree and no memory beside it.
pub type Index = Rows<()>;

/// Rows ordered by key, which are copied with the part of the tree they are in.
pub struct Rows<R> {
    root: Arc<Node<R>>,
    len: usize,
}

impl<R: Clone> Rows<R> {
    /// The row under `key`.
    pub fn get(&self, key: &str) -> Option<&R> {
        self.root.get(key)
    }

    /// Whether these are the same rows, and not only equal ones: nothing was changed between two copies.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &R)> {
        Cursor::before(&self.root, "")
    }

    /// The rows whose key starts with `prefix`, in key order.
    pub fn prefix<'t, 'p>(
        &'t self,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'t str, &'t R)> + use<'t, 'p, R> {
        Cursor::before(&self.root, prefix).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The rows whose key starts with `prefix` and comes after `last`, in key order: the next page.
    pub fn after<'t, 'p>(
        &'t self,
        prefix: &'p str,
        last: Option<&'p str>,
    ) -> impl Iterator<Item = (&'t str, &'t R)> + use<'t, 'p, R> {
        let last = last.filter(|last| *last >= prefix);
        Cursor::before(&self.root, last.unwrap_or(prefix))
            .skip_while(move |(key, _)| last == Some(*key))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The rows whose key starts with `prefix` and comes before `first`, in reverse order of keys.
    pub fn before(&self, prefix: &str, first: Option<&str>) -> impl Iterator<Item = (&str, &R)> + use<'_, R> {
        // No key has this character: it sorts after all that start with the prefix.
        let all = format!("{prefix}{}", char::MAX);
        let end = first.map_or(all.as_str(), |first| first.clamp(prefix, &all));
        let mut cursor = Cursor::before(&self.root, end);
        let prefix = prefix.to_owned();
        std::iter::from_fn(move || cursor.previous()).take_while(move |(key, _)| key.starts_with(&prefix))
    }

    pub(super) fn insert(&mut self, key: &str, row: R) {
        let before = Arc::make_mut(&mut self.root).insert(key, row);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.get(key).is_some() {
            self.len -= 1;
            Arc::make_mut(&mut self.root).remove(key);
        }
    }
}

impl<T> Table<T> {
    /// Changes a row in its place; nothing happens if it is not there.
    pub(super) fn edit(&mut self, key: &str, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        // Nothing is copied for a row that is not there.
        if self.get(key).is_none() {
            return;
        }
        if let Some(row) = Arc::make_mut(&mut self.root).get_mut(key) {
            change(Arc::make_mut(row));
        }
    }
}

/// Lets an entry of a row stand where the row is now.
pub(super) fn move_entry(index: &mut Index, before: Option<String>, after: Option<String>) {
    if before == after {
        return;
    }
    if let Some(before) = before {
        index.remove(&before);
    }
    if let Some(after) = after {
        index.insert(&after, ());
    }
}

impl<R> Clone for Rows<R> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            len: self.len,
        }
    }
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self {
            root: Arc::default(),
            len: 0,
        }
    }
}

impl<R> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    /// Few enough that they meet, in names of all lengths and characters of several bytes.
    fn keys() -> impl Strategy<Value = String> {
        prop_oneof![
            (0..3_000_u32).prop_map(|number| format!("a/{number:04}")),
            (0..600_u32).prop_map(|number| format!("a/{number:04}/b")),
            "[abé\u{10000}]{0,4}",
        ]
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(String, u16),
        Edit(String, u16),
        Remove(String),
        RemoveAll(String),
        Keep,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            60 => (keys(), 0..9_u16).prop_map(|(key, row)| Step::Insert(key, row)),
            5 => (keys(), 0..9_u16).prop_map(|(key, row)| Step::Edit(key, row)),
            20 => keys().prop_map(Step::Remove),
            1 => "a/[012][0-9]".prop_map(Step::RemoveAll),
            2 => prop::strategy::Just(Step::Keep),
        ];
        prop::collection::vec(step, 0..4_000)
    }

    fn rows<'a>(all: impl Iterator<Item = (&'a str, &'a Arc<u16>)>) -> Vec<(&'a str, u16)> {
        all.map(|(key, row)| (key, **row)).collect()
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn a_table_is_a_plain_map_that_can_be_copied(
            steps in steps(), looks in prop::collection::vec((keys(), keys()), 20),
        ) {
            let mut table = Table::default();
            let mut plain = BTreeMap::new();
            let mut kept = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(key, row) => {
                        table.insert(&key, Arc::new(row));
                        plain.insert(key, row);
                    }
                    Step::Edit(key, row) => {
                        table.edit(&key, |old| *old += row);
                        plain.entry(key).and_modify(|old| *old += row);
                    }
                    Step::Remove(key) => {
                        table.remove(&key);
                        plain.remove(&key);
                    }
                    Step::RemoveAll(prefix) => {
                        let gone: Vec<_> = table.prefix(&prefix).map(|(key, _)| key.to_owned()).collect();
                        gone.iter().for_each(|key| table.remove(key));
                        plain.retain(|key, _| !key.starts_with(&prefix));
                    }
                    Step::Keep => kept.push((table.clone(), plain.clone())),
                }
            }
            kept.push((table, plain));
            for (table, plain) in &kept {
                prop_assert_eq!(table.len(), plain.len());
                let all: Vec<_> = plain.iter().map(|(key, row)| (key.as_str(), *row)).collect();
                prop_assert_eq!(&rows(table.iter()), &all);
                prop_assert!(table.root.is_in_shape());
                for (key, other) in &looks {
                    prop_assert_eq!(table.get(key).map(|row| **row), plain.get(key).copied());
                    let prefix = key.chars().take(3).collect::<String>();
                    let with = |is: &dyn Fn(&str) -> bool| {
                        let found = all.iter().filter(|(key, _)| key.starts_with(&prefix) && is(key));
                        found.copied().collect::<Vec<_>>()
                    };
                    prop_assert_eq!(rows(table.prefix(&prefix)), with(&|_| true));
                    prop_assert_eq!(rows(table.after(&prefix, Some(other))), with(&|key| key > other.as_str()));
                    let mut before = with(&|key| key < other.as_str());
                    before.reverse();
                    prop_assert_eq!(rows(table.before(&prefix, Some(other))), before);
                }
            }
        }
    }

    fn table(keys: &[&str]) -> Table<u8> {
        let mut table = Table::default();
        for key in keys {
            table.insert(key, Arc::new(0));
        }
        table
    }

    #[test]
    fn a_prefix_shows_its_rows_and_no_neighbour() {
        let table = table(&["a/1", "a/2", "ab/1", "b/1"]);
        let keys = |prefix| {
            table
                .prefix(prefix)
                .map(|(k, _)| k.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys("a/"), ["a/1", "a/2"]);
        assert_eq!(keys("b"), ["b/1"]);
        assert!(keys("c").is_empty());
    }

    #[test]
    fn a_page_goes_on_after_the_last_key_even_when_that_row_is_gone() {
        let mut table = table(&["a/1", "a/2", "a/3", "b/1"]);
        table.remove("a/2");
        let after = |last| {
            table
                .after("a/", last)
                .map(|(k, _)| k.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(after(None), ["a/1", "a/3"]);
        assert_eq!(after(Some("a/2")), ["a/3"]);
        assert!(after(Some("a/3")).is_empty());
    }

    #[test]
    fn rows_before_a_key_come_in_reverse() {
        let table = table(&["a/1", "a/2", "a/3", "b/1"]);
        let before = |first| {
            table
                .before("a/", first)
                .map(|(k, _)| k.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(before(None), ["a/3", "a/2", "a/1"]);
        assert_eq!(before(Some("a/3")), ["a/2", "a/1"]);
        assert_eq!(before(Some("b/1")), ["a/3", "a/2", "a/1"]);
        assert!(before(Some("a/1")).is_empty());
        assert!(before(Some("A")).is_empty());
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut table = table(&["a"]);
        let copy = table.clone();
        table.remove("a");
        assert!(table.is_empty());
        assert_eq!(copy.len(), 1);
    }
}
