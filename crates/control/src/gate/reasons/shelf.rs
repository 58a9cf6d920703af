//! Refusals in the store: sealed, bounded in number and weight, the oldest dropped first.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_store::{Change, Store, StoreError, TXN_PARTS_MAX, Txn, Vault};

use super::details::Kept;
use super::id;

/// How long a refusal can be asked about, in seconds: a week. AWS promises a day (policy-language R175).
pub(super) const KEPT_SECONDS: i64 = 7 * 24 * 3_600;

const PURPOSE: &str = "authorization-details";
const PREFIX: &str = "authorization/";
/// Documents read at a time when the shelf is counted.
const PAGE: usize = 256;

/// How much is kept. Under a flood of refusals these limits go before the time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most refusals.
    pub count: usize,
    /// Most bytes of all together, as they are stored.
    pub bytes: usize,
}

impl Default for Limits {
    /// 100,000 refusals, 128 MiB.
    fn default() -> Self {
        Self {
            count: 100_000,
            bytes: 128 * 1024 * 1024,
        }
    }
}

/// The refusals of one store.
pub(super) struct Shelf {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    limits: Limits,
    /// What is there; counted when the first refusal is put.
    index: Option<Index>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Ids and weights, oldest first.
#[derive(Default)]
struct Index {
    refusals: VecDeque<(Box<str>, usize)>,
    bytes: usize,
}

impl Index {
    fn push(&mut self, id: &str, bytes: usize) {
        self.refusals.push_back((id.into(), bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes out the oldest if there is too much or if it is too old.
    fn pop_surplus(&mut self, limits: Limits, oldest: Timestamp) -> Option<Box<str>> {
        let (first, _) = self.refusals.front()?;
        let is_old = id::time(first).is_none_or(|time| time < oldest);
        if !is_old && self.refusals.len() <= limits.count && self.bytes <= limits.bytes {
            return None;
        }
        let (id, bytes) = self.refusals.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(id)
    }
}

impl Shelf {
    pub(super) fn new(store: Arc<dyn Store>, vault: Arc<Vault>, limits: Limits) -> Self {
        Self {
            store,
            vault,
            limits,
            index: None,
        }
    }

    /// A refusal by its id.
    pub(super) fn get(&self, id: &str) -> Option<Kept> {
        let key = key(id);
        let entry = self.store.get(key.as_bytes());
        let entry = entry
            .inspect_err(|error| tracing::error!(%error, "a refusal could not be read"))
            .ok()??;
        let plain = self.vault.open(PURPOSE, key.as_bytes(), &entry.value);
        let plain = plain
            .inspect_err(|error| tracing::error!(%error, "a refusal could not be opened"))
            .ok()?;
        Kept::unpack(&plain)
    }

    /// Puts refusals on the shelf and drops what is too much or too old.
    pub(super) fn put(&mut self, refusals: Vec<(String, Kept)>, now: Timestamp) {
        if let Err(error) = self.try_put(refusals, now) {
            // The shelf is counted anew: what is there only the store can tell.
            self.index = None;
            tracing::error!(%error, "refusals were not kept: their authorization ids lead nowhere");
        }
    }

    fn try_put(&mut self, refusals: Vec<(String, Kept)>, now: Timestamp) -> Result<(), StoreError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => self.count()?,
        };
        let mut changes = Vec::new();
        for (id, kept) in refusals {
            let key = key(&id);
            let sealed = kept
                .pack()
                .and_then(|plain| self.vault.seal(PURPOSE, key.as_bytes(), &plain).ok());
            let Some(sealed) = sealed else {
                tracing::error!(id, "a refusal is too heavy to be kept");
                continue;
            };
            index.push(&id, key.len() + sealed.len());
            changes.push(Change::put(key, sealed));
        }
        let oldest = now.plus_seconds(-KEPT_SECONDS);
        while changes.len() < TXN_PARTS_MAX
            && let Some(id) = index.pop_surplus(self.limits, oldest)
        {
            let key = key(&id);
            // What is dropped at once was never there.
            let put = changes.iter().position(|change| change.key() == key.as_bytes());
            match put {
                Some(at) => drop(changes.remove(at)),
                None => changes.push(Change::delete(key)),
            }
        }
        self.store.commit(Txn::of(changes).relaxed())?.wait()?;
        self.index = Some(index);
        Ok(())
    }

    fn count(&self) -> Result<Index, StoreError> {
        let mut index = Index::default();
        let mut last: Option<Arc<[u8]>> = None;
        loop {
            let page = self.store.range(PREFIX.as_bytes(), last.as_deref(), PAGE)?;
            for entry in &page.entries {
                let id = std::str::from_utf8(&entry.key)
                    .ok()
                    .and_then(|key| key.strip_prefix(PREFIX));
                index.push(id.unwrap_or_default(), entry.key.len() + entry.value.len());
            }
            last = page.entries.last().map(|entry| Arc::clone(&entry.key));
            if !page.more {
                return Ok(index);
            }
        }
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_core::{FixedClock, SeededRandom};
    use portcullis_store::open_in_memory;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_764_000_000_000;

    struct Room {
        shelf: Shelf,
        random: SeededRandom,
    }

    impl Room {
        fn new(limits: Limits) -> Self {
            let clock = Arc::new(FixedClock::at(Timestamp::from_millis(NOW)));
            let opened = open_in_memory(clock, Arc::new(SeededRandom::new(1))).unwrap();
            let shelf = Shelf::new(opened.store, opened.vault, limits);
            let random = SeededRandom::new(2);
            Self { shelf, random }
        }

        /// Puts refusals of a moment, `millis` after the beginning.
        fn put(&mut self, count: usize, millis: i64, weight: usize) -> Vec<String> {
            let at = Timestamp::from_millis(NOW + millis);
            let ids: Vec<String> = (0..count).map(|_| id::new(at, &self.random)).collect();
            let refusals = ids.iter().map(|id| (id.clone(), kept(id, at, weight)));
            self.shelf.put(refusals.collect(), at);
            ids
        }

        /// The shelf as another server finds it.
        fn reopen(&mut self) {
            let Shelf {
                store, vault, limits, ..
            } = &self.shelf;
            self.shelf = Shelf::new(Arc::clone(store), Arc::clone(vault), *limits);
        }

        fn there(&self, ids: &[String]) -> usize {
            ids.iter().filter(|id| self.shelf.get(id).is_some()).count()
        }
    }

    /// A refusal whose packed form weighs about as much as told.
    fn kept(id: &str, at: Timestamp, weight: usize) -> Kept {
        let noise = SeededRandom::new(u64::try_from(at.as_millis()).unwrap());
        let text: Vec<String> = (0..weight / 16).map(|_| id::new(at, &noise)).collect();
        Kept {
            account: "123456789012".parse().unwrap(),
            user_id: id.to_owned(),
            at,
            request_id: "r".to_owned(),
            details: json!({ "noise": text }),
            policies: BTreeMap::new(),
            is_cross_account: false,
        }
    }

    #[test]
    fn r175_the_oldest_go_when_there_are_too_many() {
        let mut room = Room::new(Limits {
            count: 5,
            bytes: usize::MAX,
        });
        let first = room.put(3, 0, 0);
        let second = room.put(4, 1, 0);
        assert_eq!((room.there(&first), room.there(&second)), (1, 4));
        room.reopen();
        let third = room.put(2, 2, 0);
        assert_eq!(
            (room.there(&first), room.there(&second), room.there(&third)),
            (0, 3, 2)
        );
    }

    #[test]
    fn r175_more_than_the_limit_at_once_keeps_the_newest() {
        let mut room = Room::new(Limits {
            count: 2,
            bytes: usize::MAX,
        });
        let all = room.put(5, 0, 0);
        assert_eq!(room.there(&all), 2);
        assert_eq!(room.there(&all[3..]), 2);
    }

    #[test]
    fn r175_the_oldest_go_when_they_weigh_too_much() {
        let mut room = Room::new(Limits {
            count: usize::MAX,
            bytes: 40_000,
        });
        let all: Vec<String> = (0..20).flat_map(|at| room.put(1, at, 4_000)).collect();
        let there = room.there(&all);
        assert!((5..20).contains(&there), "{there}");
        assert_eq!(room.there(&all[20 - there..]), there);
        let page = room.shelf.store.range(PREFIX.as_bytes(), None, 100).unwrap();
        let bytes: usize = page
            .entries
            .iter()
            .map(|entry| entry.key.len() + entry.value.len())
            .sum();
        assert!(bytes <= 40_000, "{bytes}");
    }

    #[test]
    fn r175_a_week_is_kept_and_no_more() {
        let mut room = Room::new(Limits::default());
        let first = room.put(1, 0, 0);
        room.put(1, KEPT_SECONDS * 1_000, 0);
        assert_eq!(room.there(&first), 1);
        room.put(1, KEPT_SECONDS * 1_000 + 1, 0);
        assert_eq!(room.there(&first), 0);
    }

    #[test]
    fn what_is_stored_is_sealed_and_belongs_to_its_id() {
        let mut room = Room::new(Limits::default());
        let ids = room.put(2, 0, 0);
        let page = room.shelf.store.range(PREFIX.as_bytes(), None, 10).unwrap();
        let [one, other] = page.entries.as_slice() else {
            panic!("two are there")
        };
        assert!(!one.value.windows(12).any(|window| window == b"123456789012"));
        let swapped = Change::put(one.key.to_vec(), other.value.to_vec());
        room.shelf
            .store
            .commit(Txn::of(vec![swapped]))
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(room.there(&ids), 1);
    }
}
