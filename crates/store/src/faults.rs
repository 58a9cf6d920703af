//! The disk engine on a disk that fails: full, broken for a moment, or without power in the middle of a write.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis_core::{FixedClock, Random, SeededRandom};
use redb::StorageBackend;

use crate::disk::{Disk, builder};
use crate::documents::Documents;
use crate::{Change, Pending, Store, StoreError, Txn};

/// Smallest part of a write that reaches the disk whole.
const SECTOR_BYTES: usize = 512;
/// Transactions of one run.
const TXNS: u64 = 24;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Nothing,
    /// The call of this number fails, the next ones do not.
    Fail(u64, io::ErrorKind),
    /// From the call of this number on there is no power.
    CutPower(u64),
    /// The file cannot grow.
    Full,
}

#[derive(Debug)]
enum Op {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

/// A disk whose caches are lost when the power goes.
#[derive(Debug)]
struct Platter {
    synced: Vec<u8>,
    /// What a reader sees: synced and not.
    seen: Vec<u8>,
    unsynced: Vec<Op>,
    calls: u64,
    plan: Plan,
    random: SeededRandom,
}

impl Platter {
    fn shared(seed: u64) -> Shared {
        Shared(Arc::new(Mutex::new(Self {
            synced: Vec::new(),
            seen: Vec::new(),
            unsynced: Vec::new(),
            calls: 0,
            plan: Plan::Nothing,
            random: SeededRandom::new(seed),
        })))
    }

    fn call(&mut self, grows: bool) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        match self.plan {
            Plan::Fail(at, kind) if number == at => Err(kind.into()),
            Plan::CutPower(at) if number >= at => Err(io::ErrorKind::NotConnected.into()),
            Plan::Full if grows => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// What is there after the caches are gone: any part of what was not synced.
    fn lose_caches(&mut self) {
        for op in std::mem::take(&mut self.unsynced) {
            match op {
                Op::SetLen(len) if coin(&self.random) => self.synced.resize(len, 0),
                Op::SetLen(_) => {}
                Op::Write(at, data) => {
                    for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                        if coin(&self.random) {
                            overwrite(&mut self.synced, at + number * SECTOR_BYTES, sector);
                        }
                    }
                }
            }
        }
        self.seen = self.synced.clone();
    }
}

fn coin(random: &SeededRandom) -> bool {
    below(random, 2) == 1
}

fn below(random: &SeededRandom, limit: u64) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes) % limit
}

fn overwrite(image: &mut Vec<u8>, at: usize, data: &[u8]) {
    if image.len() < at + data.len() {
        image.resize(at + data.len(), 0);
    }
    image[at..at + data.len()].copy_from_slice(data);
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Platter>>);

impl Shared {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    fn plan(&self, plan: Plan) {
        let mut platter = self.platter();
        platter.plan = plan;
        platter.calls = 0;
    }

    /// A store on this disk; each opening finds the caches gone.
    fn store(&self) -> Result<Documents<Disk>, String> {
        let shared = self.clone();
        let disk = Disk::with_opener(
            Box::new(move || {
                shared.platter().lose_caches();
                builder().create_with_backend(shared.clone())
            }),
            None,
        );
        let disk = disk.map_err(|error| error.to_string())?;
        Documents::with_writer(disk, Arc::new(FixedClock::default())).map_err(|error| error.to_string())
    }

    /// A disk with an empty store on it.
    fn with_store(seed: u64) -> Self {
        let shared = Platter::shared(seed);
        let disk = shared.clone();
        let disk = Disk::with_opener(
            Box::new(move || builder().create_with_backend(disk.clone())),
            None,
        )
        .unwrap();
        disk.begin().unwrap();
        drop(disk);
        shared
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let part = platter.seen.get(size(offset)..size(offset) + out.len());
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        let grows = size(len) > platter.seen.len();
        platter.call(grows)?;
        platter.seen.resize(size(len), 0);
        platter.unsynced.push(Op::SetLen(size(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.call(false)?;
        platter.synced = platter.seen.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.call(false)?;
        overwrite(&mut platter.seen, size(offset), data);
        platter.unsynced.push(Op::Write(size(offset), data.to_vec()));
        Ok(())
    }
}

/// The keys and values of transaction `number`.
fn documents(number: u64) -> Vec<(String, String)> {
    vec![
        ("last".to_owned(), number.to_string()),
        (
            format!("a/{}", number % 7),
            format!("{number} {}", "a".repeat(size(number % 5) * 900)),
        ),
        (format!("b/{}", number % 3), format!("{number} b")),
    ]
}

fn txn(number: u64) -> Txn {
    let mut changes: Vec<Change> = documents(number)
        .into_iter()
        .map(|(key, value)| Change::put(key, value))
        .collect();
    changes.push(Change::delete(format!("a/{}", (number + 3) % 7)));
    Txn::of(changes)
}

/// What the store holds when exactly these transactions were done.
fn expected(done: impl IntoIterator<Item = u64>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for number in done {
        all.extend(documents(number));
        all.remove(&format!("a/{}", (number + 3) % 7));
    }
    all
}

fn contents(store: &dyn Store) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let page = store.range(b"", None, usize::MAX).unwrap();
    page.entries
        .iter()
        .map(|entry| (text(&entry.key), text(&entry.value)))
        .collect()
}

/// Submits the transactions, several at a time, and gives the numbers of those that were acknowledged.
fn run(store: &dyn Store) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for group in (1..=TXNS).collect::<Vec<_>>().chunks(3) {
        let pending: Vec<(u64, Result<Pending, StoreError>)> = group
            .iter()
            .map(|number| (*number, store.commit(txn(*number))))
            .collect();
        for (number, pending) in pending {
            if pending.and_then(Pending::wait).is_ok() {
                acknowledged.push(number);
            }
        }
    }
    acknowledged
}

#[test]
fn a_call_that_fails_costs_only_the_writes_that_were_told() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        for at in 0..200 {
            let disk = Shared::with_store(at);
            let store = disk.store().unwrap();
            disk.plan(Plan::Fail(at, kind));
            let acknowledged = run(&store);
            let what = format!("{kind:?} at call {at}, acknowledged {acknowledged:?}");
            assert!(acknowledged.len() >= size(TXNS) - 3, "{what}");
            assert_eq!(contents(&store), expected(acknowledged.clone()), "{what}");
            drop(store);
            disk.plan(Plan::Nothing);
            assert_eq!(
                contents(&disk.store().unwrap()),
                expected(acknowledged),
                "{what}, opened anew"
            );
        }
    }
}

#[test]
fn without_power_nothing_acknowledged_is_lost_and_nothing_halved() {
    for seed in 0..500 {
        let disk = Shared::with_store(seed);
        let store = disk.store().unwrap();
        disk.plan(Plan::CutPower(below(&SeededRandom::new(seed), 300)));
        let acknowledged = run(&store).last().copied().unwrap_or(0);
        drop(store);
        disk.plan(Plan::Nothing);
        let store = disk
            .store()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = contents(&store);
        let last: u64 = found.get("last").map_or(0, |number| number.parse().unwrap());
        assert!(
            last >= acknowledged,
            "seed {seed}: acknowledged {acknowledged}, found {last}"
        );
        assert_eq!(found, expected(1..=last), "seed {seed}");
    }
}

#[test]
fn a_full_disk_refuses_writes_reads_go_on_and_space_heals_it() {
    let disk = Shared::with_store(1);
    let store = disk.store().unwrap();
    store.commit(txn(1)).unwrap().wait().unwrap();
    let before = contents(&store);
    let epoch = store.epoch();
    disk.plan(Plan::Full);
    let large = || {
        Txn::of(
            (0..4)
                .map(|n| Change::put(format!("large/{n}"), vec![n; 1 << 20]))
                .collect(),
        )
    };
    for _ in 0..3 {
        assert_eq!(store.commit(large()).unwrap().wait(), Err(StoreError::DiskFull));
        assert_eq!(contents(&store), before);
    }
    assert_eq!(
        store.commit(txn(2).at(epoch)).unwrap_err(),
        StoreError::Superseded
    );
    disk.plan(Plan::Nothing);
    store.commit(large().at(store.epoch())).unwrap().wait().unwrap();
    assert_eq!(contents(&store).len(), before.len() + 4);
}

#[test]
fn what_was_decided_after_a_failed_write_fails_too_and_watches_say_so() {
    let disk = Shared::with_store(2);
    let store = disk.store().unwrap();
    let mut watch = store.watch(b"", store.revision().next()).unwrap();
    let epoch = store.epoch();
    disk.plan(Plan::Full);
    let large = Txn::of(
        (0..4)
            .map(|n| Change::put(format!("large/{n}"), vec![n; 1 << 20]))
            .collect(),
    );
    let first = store.commit(large.at(epoch)).unwrap();
    // Built on the first, whether or not that has failed by now.
    let second = store.commit(txn(1).at(epoch)).and_then(Pending::wait);
    assert_eq!(first.wait(), Err(StoreError::DiskFull));
    assert!(
        matches!(
            second,
            Err(StoreError::DiskFull | StoreError::Superseded | StoreError::Recovering)
        ),
        "{second:?}"
    );
    assert_eq!(watch.try_next(), Err(StoreError::Reset));
    assert_eq!(contents(&store), BTreeMap::new());
}

#[test]
fn a_disk_that_comes_back_is_found_again() {
    let disk = Shared::with_store(3);
    let store = disk.store().unwrap();
    store.commit(txn(1)).unwrap().wait().unwrap();
    disk.plan(Plan::CutPower(0));
    assert!(matches!(
        store.commit(txn(2)).unwrap().wait(),
        Err(StoreError::Disk(_))
    ));
    assert_eq!(store.commit(txn(2)).unwrap_err(), StoreError::Recovering);
    assert_eq!(store.get(b"last").unwrap_err(), StoreError::Recovering);
    disk.plan(Plan::Nothing);
    let second = loop {
        match store.commit(txn(2)) {
            Err(StoreError::Recovering) => std::thread::yield_now(),
            other => break other,
        }
    };
    second.unwrap().wait().unwrap();
    assert_eq!(contents(&store), expected(1..=2));
}
