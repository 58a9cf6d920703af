//! A store that keeps the little a server begins with and forgets the rest: so that what is measured is the memory of
//! the server, whose documents are on the disk, and not that of a disk played in memory.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_store::{
    Change, Entry, Epoch, LeaseId, Page, Pending, Revision, Store, StoreError, Txn, Watch,
};

/// Every write goes to this one key.
const KEY: &str = "bench";

/// Takes every write, keeps none.
#[derive(Debug)]
pub struct Forgetful(Arc<dyn Store>);

impl Forgetful {
    /// Over an empty store.
    pub fn over(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl Store for Forgetful {
    fn revision(&self) -> Revision {
        self.0.revision()
    }
    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }
    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.0.get(key)
    }
    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        self.0.range(prefix, after, limit)
    }
    fn commit(&self, txn: Txn) -> Result<Pending, StoreError> {
        drop(txn);
        self.0.commit(Txn::of(vec![Change::put(KEY, "")]))
    }
    fn watch(&self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError> {
        self.0.watch(prefix, from)
    }
    fn grant_lease(&self, ttl: Duration) -> Result<(LeaseId, Pending), StoreError> {
        self.0.grant_lease(ttl)
    }
    fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.keep_alive(lease)
    }
    fn revoke_lease(&self, lease: LeaseId) -> Result<Pending, StoreError> {
        self.0.revoke_lease(lease)
    }
    fn expire_leases(&self, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        self.0.expire_leases(now)
    }
    fn shutdown(&self) {
        self.0.shutdown();
    }
}
