//! Pages of lists. Markers hold the last key in base 64, so the server remembers nothing.

use super::errors::IamError;
use crate::services::pages;

/// How many items a page has when the caller does not say.
const DEFAULT: usize = 100;

/// The page a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paging {
    /// The last key of the page before.
    after: Option<String>,
    limit: usize,
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub marker: Option<String>,
}

impl<T> Page<T> {
    /// Whether there is more.
    pub fn is_truncated(&self) -> Option<bool> {
        Some(self.marker.is_some())
    }
}

impl Paging {
    /// Reads `Marker` and `MaxItems`; the schema has checked the range of the latter.
    pub fn of(marker: Option<&String>, max_items: Option<i32>) -> Result<Self, IamError> {
        let invalid = || IamError::Validation("Invalid Marker.".to_owned());
        let after = marker.map(|marker| pages::opened(marker).ok_or_else(invalid));
        let limit = max_items
            .and_then(|items| usize::try_from(items).ok())
            .unwrap_or(DEFAULT);
        Ok(Self {
            after: after.transpose()?,
            limit,
        })
    }

    /// The last key of the page before, for [`Table::after`](crate::world::Table::after).
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// One page of rows that come in key order and start after the last key.
    pub fn rows<K: AsRef<str>, T>(&self, rows: impl Iterator<Item = (K, T)>) -> Page<T> {
        let (items, last) = pages::cut(rows, self.limit);
        let marker = last.map(pages::token);
        Page { items, marker }
    }

    /// One page of a short list whose keys are in any order: it is sorted first.
    pub fn sorted<T>(&self, rows: impl Iterator<Item = (String, T)>) -> Page<T> {
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let after = self.after();
        self.rows(
            rows.into_iter()
                .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)),
        )
    }

    /// One page of a short list that keeps its order: the marker counts.
    pub fn counted<T>(&self, rows: impl Iterator<Item = T>) -> Result<Page<T>, IamError> {
        let seen = match self.after() {
            None => 0,
            Some(after) => after
                .parse()
                .map_err(|_| IamError::Validation("Invalid Marker.".to_owned()))?,
        };
        Ok(self.rows(
            rows.enumerate()
                .skip(seen)
                .map(|(index, item)| ((index + 1).to_string(), item)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All pages one after the other.
    fn walk<T>(limit: i32, page: impl Fn(&Paging) -> Page<T>) -> Vec<Vec<T>> {
        let (mut pages, mut marker) = (Vec::new(), None);
        loop {
            let next = page(&Paging::of(marker.as_ref(), Some(limit)).unwrap());
            pages.push(next.items);
            marker = next.marker;
            if marker.is_none() {
                return pages;
            }
        }
    }

    proptest! {
        #[test]
        fn pages_follow_each_other_without_gap_or_repetition(keys in "[a-e]{0,12}", limit in 1_i32..6) {
            let keys: std::collections::BTreeSet<String> = keys.chars().map(String::from).collect();
            let sorted = walk(limit, |paging| paging.sorted(keys.iter().rev().map(|key| (key.clone(), key.clone()))));
            prop_assert_eq!(sorted.concat(), keys.iter().cloned().collect::<Vec<_>>());
            let backwards: Vec<_> = keys.iter().rev().cloned().collect();
            let counted = walk(limit, |paging| paging.counted(backwards.iter().cloned()).unwrap());
            prop_assert!(counted.iter().rev().skip(1).all(|page| page.len() == limit as usize));
            prop_assert_eq!(counted.concat(), backwards);
        }
    }

    #[test]
    fn a_full_last_page_has_no_marker() {
        let paging = Paging::of(None, Some(2)).unwrap();
        let page = paging.counted(["b", "a"].into_iter()).unwrap();
        assert_eq!(
            page,
            Page {
                items: vec!["b", "a"],
                marker: None
            }
        );
    }

    #[test]
    fn a_foreign_marker_is_refused() {
        assert!(Paging::of(Some(&"not base 64!".to_owned()), None).is_err());
        let word = pages::token("word");
        assert!(
            Paging::of(Some(&word), None)
                .unwrap()
                .counted(["a"].into_iter())
                .is_err()
        );
    }
}
