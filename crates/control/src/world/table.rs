//! One kind of record, ordered by key. A persistent map: a copy costs nothing, a change costs a path of the tree,
//! so that every request can hold its own picture while writers go on.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

/// The rows of one record type.
pub struct Table<T> {
    rows: RedBlackTreeMapSync<Arc<str>, Arc<T>>,
}

impl<T> Table<T> {
    /// The record under `key`.
    pub fn get(&self, key: &str) -> Option<&Arc<T>> {
        self.rows.get(key)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.rows.iter().map(|(key, row)| (key.as_ref(), row))
    }

    /// The rows whose key starts with `prefix`, in key order.
    pub fn prefix<'t, 'p>(
        &'t self,
        prefix: &'p str,
    ) -> impl Iterator<Item = (&'t str, &'t Arc<T>)> + use<'t, 'p, T> {
        self.from(Bound::Included(prefix))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The rows whose key starts with `prefix` and comes after `last`, in key order: the next page.
    pub fn after<'t, 'p>(
        &'t self,
        prefix: &'p str,
        last: Option<&'p str>,
    ) -> impl Iterator<Item = (&'t str, &'t Arc<T>)> + use<'t, 'p, T> {
        let start = match last {
            Some(last) if last >= prefix => Bound::Excluded(last),
            _ => Bound::Included(prefix),
        };
        self.from(start)
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The rows whose key starts with `prefix` and comes before `first`, in reverse order of keys.
    pub fn before(
        &self,
        prefix: &str,
        first: Option<&str>,
    ) -> impl Iterator<Item = (&str, &Arc<T>)> + use<'_, T> {
        // No key has this character: it sorts after all that start with the prefix.
        let all = format!("{prefix}{}", char::MAX);
        let end = first.map_or_else(|| all.clone(), |first| first.clamp(prefix, &all).to_owned());
        let rows = self.rows.range::<str, _>(Below {
            start: prefix.to_owned(),
            end,
        });
        rows.rev().map(|(key, row)| (key.as_ref(), row))
    }

    fn from<'t, 'p>(
        &'t self,
        start: Bound<&'p str>,
    ) -> impl Iterator<Item = (&'t str, &'t Arc<T>)> + use<'t, 'p, T> {
        self.rows
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(key, row)| (key.as_ref(), row))
    }

    pub(super) fn insert(&mut self, key: &str, row: Arc<T>) {
        self.rows.insert_mut(key.into(), row);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.rows.remove_mut(key);
    }
}

/// A range of keys that owns its bounds; the end is not part of it.
struct Below {
    start: String,
    end: String,
}

impl RangeBounds<str> for Below {
    fn start_bound(&self) -> Bound<&str> {
        Bound::Included(&self.start)
    }

    fn end_bound(&self) -> Bound<&str> {
        Bound::Excluded(&self.end)
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            rows: self.rows.clone(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: RedBlackTreeMapSync::new_sync(),
        }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} rows)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
