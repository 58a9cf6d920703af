//! Stores to test with.

use std::path::Path;
use std::sync::Arc;

use portcullis_core::{FixedClock, SystemRandom, Timestamp};
use portcullis_store::{
    Change, Committed, Event, OpenError, Opened, Place, Revision, Store, StoreError, Txn, Watch, namespace,
    open, open_in_memory,
};
use tempfile::TempDir;

pub const ACCOUNT: &str = "123456789012";

/// An open store with a clock that the test moves.
pub struct Fixture {
    pub opened: Option<Opened>,
    pub clock: Arc<FixedClock>,
    dir: Option<TempDir>,
}

impl Fixture {
    pub fn memory() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(0)));
        let opened = open_in_memory(clock.clone(), Arc::new(SystemRandom)).unwrap();
        Self {
            opened: Some(opened),
            clock,
            dir: None,
        }
    }

    /// A part of a store in memory.
    pub fn part() -> Self {
        let mut fixture = Self::memory();
        let opened = fixture.opened.as_mut().unwrap();
        opened.store = namespace(Arc::clone(&opened.store), "n/");
        fixture
    }

    pub fn disk() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(0)));
        let opened = open(&place(dir.path()), clock.clone(), Arc::new(SystemRandom)).unwrap();
        Self {
            opened: Some(opened),
            clock,
            dir: Some(dir),
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.opened.as_ref().unwrap().store
    }

    /// Whether the store outlives its process.
    pub fn lasts(&self) -> bool {
        self.dir.is_some()
    }

    /// Closes and opens the store, if it is one that lasts.
    pub fn reopen(&mut self) {
        if let Some(dir) = &self.dir {
            self.opened = None;
            self.opened = Some(open(&place(dir.path()), self.clock.clone(), Arc::new(SystemRandom)).unwrap());
        }
    }
}

pub fn place(dir: &Path) -> Place {
    Place {
        dir: dir.to_owned(),
        account: ACCOUNT.parse().unwrap(),
        master_key: None,
    }
}

pub fn open_at(dir: &Path) -> Result<Opened, OpenError> {
    open(
        &place(dir),
        Arc::new(FixedClock::default()),
        Arc::new(SystemRandom),
    )
}

pub fn commit(store: &dyn Store, txn: Txn) -> Committed {
    store.commit(txn).unwrap().wait().unwrap()
}

pub fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    commit(store, Txn::of(vec![Change::put(key, value)])).revision
}

pub fn delete(store: &dyn Store, key: &str) -> Revision {
    commit(store, Txn::of(vec![Change::delete(key)])).revision
}

pub fn value(store: &dyn Store, key: &str) -> Option<String> {
    store
        .get(key.as_bytes())
        .unwrap()
        .map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

pub fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let page = store.range(prefix.as_bytes(), None, usize::MAX).unwrap();
    page.entries
        .iter()
        .map(|entry| String::from_utf8(entry.key.to_vec()).unwrap())
        .collect()
}

pub fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreError {
    result.expect_err("the store must refuse")
}

/// What a watch has to tell by now: `revision:key=value,-deleted key`.
pub fn told(watch: &mut Watch) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(changes) = watch.try_next().unwrap() {
        let event = |event: &Event| match event {
            Event::Put(entry) => {
                format!(
                    "{}={}",
                    String::from_utf8_lossy(&entry.key),
                    String::from_utf8_lossy(&entry.value)
                )
            }
            Event::Delete { key } => format!("-{}", String::from_utf8_lossy(key)),
        };
        let events: Vec<String> = changes.events.iter().map(event).collect();
        told.push(format!("{}:{}", changes.revision, events.join(",")));
    }
    told
}
