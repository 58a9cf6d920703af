//! Documents that last: transactions, revisions, watches and leases over embedded engines; sealing of secrets.
//!
//! The model is etcd's: ordered byte keys in one history of revisions, transactions that compare and then change,
//! watches that start from a revision, leases that take their keys along. [`open`] gives a store on disk (one redb
//! file, group commit, fsync before any acknowledgement), [`open_in_memory`] one that ends with the process; both
//! come with a [`Vault`] that seals secrets before they are stored.
//!
//! ```
//! use std::sync::Arc;
//! use portcullis_core::{SystemClock, SystemRandom};
//! use portcullis_store::{Change, Compare, Txn, open_in_memory};
//!
//! let opened = open_in_memory(Arc::new(SystemClock), Arc::new(SystemRandom))?;
//! let store = opened.store;
//!
//! // Create a cluster and the record of it together, unless the name is taken.
//! let create = Txn::of(vec![Change::put("cluster/web", "{}"), Change::put("audit/1", "CreateCluster web")])
//!     .when(Compare::Absent(b"cluster/web".to_vec()));
//! let done = store.commit(create)?.wait()?;
//! assert!(done.succeeded);
//!
//! // List, and go on from there: nothing is missed in between.
//! let page = store.range(b"cluster/", None, 100)?;
//! let mut watch = store.watch(b"cluster/", page.revision.next())?;
//! store.commit(Txn::of(vec![Change::delete("cluster/web")]))?.wait()?;
//! let changes = watch.try_next()?;
//! assert_eq!(changes.map(|changes| changes.events.len()), Some(1));
//!
//! // Secrets are sealed for one purpose and one record.
//! let sealed = opened.vault.seal("access-key", b"user/1", b"wJalrXUtnFEMI")?;
//! assert!(opened.vault.open("access-key", b"user/2", &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What happens when the disk fails is told at [`Store`] and [`Txn::epoch`]. The code: [`Store`] is implemented once,
//! in `documents`; `ledger` decides and writes in order, `writer` groups commits, `hub` tells watchers, and an
//! `engine` (`disk`, `memory`) is nothing but ordered bytes.

mod directory;
mod disk;
mod documents;
mod draft;
mod engine;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod hub;
mod keyring;
mod lease;
mod ledger;
mod memory;
mod namespace;
mod open;
mod private;
mod queue;
mod record;
mod store;
mod txn;
mod vault;
mod writer;

pub use error::{OpenError, StoreError};
pub use hub::Watch;
pub use namespace::namespace;
pub use open::{Opened, Place, open, open_in_memory};
pub use store::{Pending, Store};
pub use txn::{
    Change, Changes, Committed, Compare, Durability, Entry, Epoch, Event, KEY_BYTES_MAX, LeaseId, Page,
    Revision, TXN_PARTS_MAX, Txn, VALUE_BYTES_MAX,
};
pub use vault::{Vault, VaultError};

/// Longest time a [`Durability::Relaxed`] write waits for the disk.
pub const RELAXED_DELAY: std::time::Duration = std::time::Duration::from_millis(100);
