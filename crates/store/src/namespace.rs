//! A part of a store that looks like a store of its own: one prefix that its user neither writes nor sees.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;

use crate::{Change, Compare, Entry, Epoch, LeaseId, Page, Pending, Revision, Store, StoreError, Txn, Watch};

/// The keys of `store` that begin with `prefix`, as a store in which they do not begin with it. Everything else is
/// shared: the history of revisions, the epochs, the leases, the disk and its limits, which count the prefix.
pub fn namespace(store: Arc<dyn Store>, prefix: impl Into<Vec<u8>>) -> Arc<dyn Store> {
    Arc::new(Namespace {
        store,
        prefix: prefix.into(),
    })
}

#[derive(Debug)]
struct Namespace {
    store: Arc<dyn Store>,
    prefix: Vec<u8>,
}

impl Namespace {
    fn outer(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    fn compare(&self, compare: Compare) -> Compare {
        match compare {
            Compare::Absent(key) => Compare::Absent(self.outer(&key)),
            Compare::Present(key) => Compare::Present(self.outer(&key)),
            Compare::ModRevision(key, at) => Compare::ModRevision(self.outer(&key), at),
            Compare::CreateRevision(key, at) => Compare::CreateRevision(self.outer(&key), at),
            Compare::Value(key, value) => Compare::Value(self.outer(&key), value),
        }
    }

    fn changes(&self, changes: Vec<Change>) -> Vec<Change> {
        let change = |change| match change {
            Change::Put { key, value, lease } => Change::Put {
                key: self.outer(&key),
                value,
                lease,
            },
            Change::Delete { key } => Change::Delete {
                key: self.outer(&key),
            },
        };
        changes.into_iter().map(change).collect()
    }

    fn inner(&self, mut entry: Entry) -> Entry {
        entry.key = without_prefix(&entry.key, self.prefix.len());
        entry
    }
}

/// A key as the user of a namespace knows it.
pub(crate) fn without_prefix(key: &[u8], prefix_bytes: usize) -> Arc<[u8]> {
    key.get(prefix_bytes..).unwrap_or_default().into()
}

impl Store for Namespace {
    fn revision(&self) -> Revision {
        self.store.revision()
    }

    fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let entry = self.store.get(&self.outer(key))?;
        Ok(entry.map(|entry| self.inner(entry)))
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let after = after.map(|after| self.outer(after));
        let mut page = self.store.range(&self.outer(prefix), after.as_deref(), limit)?;
        page.entries = page.entries.into_iter().map(|entry| self.inner(entry)).collect();
        Ok(page)
    }

    fn commit(&self, txn: Txn) -> Result<Pending, StoreError> {
        let compare = txn.compare.into_iter().map(|compare| self.compare(compare));
        self.store.commit(Txn {
            compare: compare.collect(),
            then: self.changes(txn.then),
            otherwise: self.changes(txn.otherwise),
            ..txn
        })
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError> {
        let watch = self.store.watch(&self.outer(prefix), from)?;
        Ok(watch.hiding(self.prefix.len()))
    }

    fn grant_lease(&self, ttl: Duration) -> Result<(LeaseId, Pending), StoreError> {
        self.store.grant_lease(ttl)
    }

    fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease)
    }

    fn revoke_lease(&self, lease: LeaseId) -> Result<Pending, StoreError> {
        self.store.revoke_lease(lease)
    }

    fn expire_leases(&self, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        self.store.expire_leases(now)
    }

    /// Ends the whole store: a part cannot be closed alone.
    fn shutdown(&self) {
        self.store.shutdown();
    }
}
