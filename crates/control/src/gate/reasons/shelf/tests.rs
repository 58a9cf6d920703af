//! Refusals in the store.

use std::collections::BTreeMap;

use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::open_in_memory;
use serde_json::json;

use super::*;

const NOW: i64 = 1_764_000_000_000;

struct Room {
    shelf: Shelf,
    random: SeededRandom,
    /// What the next refusals need.
    file: Option<Arc<File>>,
}

impl Room {
    fn new(limits: Limits) -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(NOW)));
        let opened = open_in_memory(clock, Arc::new(SeededRandom::new(1))).unwrap();
        let shelf = Shelf::new(Drawer::new(opened.store, opened.vault), limits);
        let random = SeededRandom::new(2);
        Self {
            shelf,
            random,
            file: None,
        }
    }

    /// Puts refusals of a moment, `millis` after the beginning.
    fn put(&mut self, count: usize, millis: i64, weight: usize) -> Vec<String> {
        let at = Timestamp::from_millis(NOW + millis);
        let ids: Vec<String> = (0..count).map(|_| id::new(at, &self.random)).collect();
        let refusals = ids.iter().map(|id| (id.clone(), kept(id, at, weight)));
        let sheets = refusals.map(|(id, kept)| Sheet {
            id,
            bytes: sheet::of_kept(&kept).unwrap(),
            file: self.file.clone(),
        });
        self.shelf.put(sheets.collect(), at);
        ids
    }

    /// The shelf as another server finds it.
    fn reopen(&mut self) {
        self.shelf = Shelf::new(self.shelf.drawer.clone(), self.shelf.limits);
    }

    fn documents(&self, prefix: &str) -> Vec<portcullis_store::Entry> {
        let store = &self.shelf.drawer.store;
        store.range(prefix.as_bytes(), None, 100).unwrap().entries
    }

    fn bytes(&self) -> usize {
        let all = [self.documents(PREFIX), self.documents(FILES)].concat();
        all.iter().map(|entry| entry.key.len() + entry.value.len()).sum()
    }

    fn there(&self, ids: &[String]) -> usize {
        ids.iter()
            .filter(|id| self.shelf.drawer.whose(id).is_some())
            .count()
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
        is_told: true,
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
    assert!(room.bytes() <= 40_000, "{}", room.bytes());
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

/// A file of so many random words.
fn file(room: &Room, words: usize) -> Option<Arc<File>> {
    let noise: Vec<String> = (0..words)
        .map(|_| id::new(Timestamp::from_millis(NOW), &room.random))
        .collect();
    let texts = json!({ "identity": [{ "name": "p", "kind": "Identity", "text": noise.concat() }] });
    let dossier: Dossier<'_> = serde_json::from_value(texts).unwrap();
    File::of(&dossier, &room.shelf.drawer.vault).map(Arc::new)
}

#[test]
fn policies_are_kept_once_for_all_refusals_that_need_them_and_go_with_the_last() {
    let mut room = Room::new(Limits {
        count: 4,
        bytes: usize::MAX,
    });
    room.file = file(&room, 10);
    room.put(3, 0, 0);
    assert_eq!(room.documents(FILES).len(), 1);
    // Also another server knows them again.
    room.reopen();
    room.put(1, 1, 0);
    assert_eq!(room.documents(FILES).len(), 1);
    room.file = file(&room, 10);
    room.put(3, 2, 0);
    assert_eq!(
        (room.documents(PREFIX).len(), room.documents(FILES).len()),
        (4, 2)
    );
    room.reopen();
    room.put(1, 3, 0);
    assert_eq!(
        (room.documents(PREFIX).len(), room.documents(FILES).len()),
        (4, 1)
    );
    room.file = None;
    room.put(4, 4, 0);
    assert_eq!(
        (room.documents(PREFIX).len(), room.documents(FILES).len()),
        (4, 0)
    );
}

#[test]
fn policies_weigh_as_refusals_do() {
    let mut room = Room::new(Limits {
        count: usize::MAX,
        bytes: 40_000,
    });
    for at in 0..20 {
        room.file = file(&room, 200);
        room.put(1, at, 0);
        room.reopen();
    }
    let (refusals, files) = (room.documents(PREFIX).len(), room.documents(FILES).len());
    assert!(room.bytes() <= 40_000, "{}", room.bytes());
    assert!(
        (5..20).contains(&refusals) && refusals == files,
        "{refusals} {files}"
    );
}

#[test]
fn a_refusal_belongs_to_its_policies() {
    let mut room = Room::new(Limits::default());
    room.file = file(&room, 10);
    let ids = room.put(1, 0, 0);
    let [entry] = room.documents(PREFIX).try_into().unwrap();
    let mut value = entry.value.to_vec();
    value[0] ^= 1;
    let store = &room.shelf.drawer.store;
    let change = Txn::of(vec![Change::put(entry.key.to_vec(), value)]);
    store.commit(change).unwrap().wait().unwrap();
    assert_eq!(room.there(&ids), 0);
}

#[test]
fn too_many_policies_make_no_file() {
    let room = Room::new(Limits::default());
    assert!(file(&room, 40_000).is_none());
}

#[test]
fn what_is_stored_is_sealed_and_belongs_to_its_id() {
    let mut room = Room::new(Limits::default());
    let ids = room.put(2, 0, 0);
    let entries = room.documents(PREFIX);
    let [one, other] = entries.as_slice() else {
        panic!("two are there")
    };
    assert!(!one.value.windows(12).any(|window| window == b"123456789012"));
    let swapped = Change::put(one.key.to_vec(), other.value.to_vec());
    let store = &room.shelf.drawer.store;
    store.commit(Txn::of(vec![swapped])).unwrap().wait().unwrap();
    assert_eq!(room.there(&ids), 1);
}
