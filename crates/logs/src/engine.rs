//! What writer, keeper and readers share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::{Clock, Timestamp};

use crate::cache::IndexCache;
use crate::chores::Chores;
use crate::follow::Followers;
use crate::group::Group;
use crate::queue::Queue;
use crate::{GroupId, Options};

/// The store.
#[derive(Debug)]
pub(crate) struct Engine {
    /// None in memory.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) groups: RwLock<HashMap<GroupId, Arc<Group>>>,
    pub(crate) queue: Queue,
    pub(crate) chores: Chores,
    pub(crate) cache: IndexCache,
    pub(crate) followers: Followers,
    /// Bytes of all segments.
    pub(crate) segment_bytes: AtomicU64,
    /// Bytes of all journals; in memory, of events that are not in a segment yet.
    pub(crate) journal_bytes: AtomicU64,
    /// The journal that is written; 0 while there is none.
    pub(crate) journal: AtomicU64,
}

impl Engine {
    pub(crate) fn new(directory: Option<PathBuf>, options: Options, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            options,
            clock,
            groups: RwLock::default(),
            queue: Queue::default(),
            chores: Chores::default(),
            cache: IndexCache::default(),
            followers: Followers::default(),
            segment_bytes: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(0),
            journal: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn group(&self, id: &GroupId) -> Option<Arc<Group>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.get(id).cloned()
    }

    pub(crate) fn all_groups(&self) -> Vec<Arc<Group>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.values().cloned().collect()
    }

    pub(crate) fn add_group(&self, group: &Arc<Group>) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        groups.insert(group.id.clone(), Arc::clone(group));
    }

    pub(crate) fn forget_group(&self, id: &GroupId) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        groups.remove(id);
    }

    /// Bytes in use against the quota.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.segment_bytes.load(Ordering::Relaxed) + self.journal_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn groups_directory(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("groups"))
    }

    pub(crate) fn journals_directory(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("journal"))
    }
}

/// Takes bytes off a sum.
pub(crate) fn subtract(sum: &AtomicU64, bytes: u64) {
    sum.fetch_sub(bytes, Ordering::Relaxed);
}
