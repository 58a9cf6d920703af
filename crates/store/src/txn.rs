//! The words of a transaction: keys, revisions, conditions and changes.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::StoreError;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;
/// Longest value, in bytes (etcd's request limit, so that every engine can hold it).
pub const VALUE_BYTES_MAX: usize = 1_572_864;
/// Most conditions, and most changes of one branch, in a transaction.
pub const TXN_PARTS_MAX: usize = 4096;

/// The number of a change in the one history of the store; 0 is the empty store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one: where a watch goes on after a list.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease: keys put under it vanish when it is not kept alive. Its number is the revision it was granted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stretch of the store's life without a failed write. See [`Txn::epoch`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub(crate) u64);

/// One stored document.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Arc<[u8]>,
    /// Its value.
    pub value: Arc<[u8]>,
    /// When the key was last created; a deleted and newly put key starts anew.
    pub create_revision: Revision,
    /// When the value was last put.
    pub mod_revision: Revision,
    /// The lease it lives under.
    pub lease: Option<LeaseId>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("value_bytes", &self.value.len())
            .field("create_revision", &self.create_revision.0)
            .field("mod_revision", &self.mod_revision.0)
            .field("lease", &self.lease)
            .finish()
    }
}

/// A condition on one key, as the store stands when the transaction is submitted.
#[derive(Clone, PartialEq, Eq)]
pub enum Compare {
    /// There is no such key.
    Absent(Vec<u8>),
    /// There is such a key.
    Present(Vec<u8>),
    /// The key was last put at this revision.
    ModRevision(Vec<u8>, Revision),
    /// The key was created at this revision: the fencing term of a leader's key.
    CreateRevision(Vec<u8>, Revision),
    /// The key holds exactly this value.
    Value(Vec<u8>, Vec<u8>),
}

impl Compare {
    /// The key the condition looks at.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Absent(key)
            | Self::Present(key)
            | Self::ModRevision(key, _)
            | Self::CreateRevision(key, _)
            | Self::Value(key, _) => key,
        }
    }
}

impl fmt::Debug for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(self.key());
        match self {
            Self::Absent(_) => write!(f, "Absent({key})"),
            Self::Present(_) => write!(f, "Present({key})"),
            Self::ModRevision(_, at) => write!(f, "ModRevision({key}, {at})"),
            Self::CreateRevision(_, at) => write!(f, "CreateRevision({key}, {at})"),
            Self::Value(_, value) => write!(f, "Value({key}, {} bytes)", value.len()),
        }
    }
}

/// A change of one key.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Create or replace.
    Put {
        /// The key, 1 to [`KEY_BYTES_MAX`] bytes.
        key: Vec<u8>,
        /// The value, up to [`VALUE_BYTES_MAX`] bytes.
        value: Vec<u8>,
        /// The lease the key shall live under; a put without one frees the key from its lease.
        lease: Option<LeaseId>,
    },
    /// Remove; nothing happens if there is no such key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// Creates or replaces a key that lives under no lease.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        }
    }

    /// Creates or replaces a key that lives under `lease`.
    pub fn put_leased(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, lease: LeaseId) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: Some(lease),
        }
    }

    /// Removes a key.
    pub fn delete(key: impl Into<Vec<u8>>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// The key that changes.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(self.key());
        match self {
            Self::Put { value, lease, .. } => write!(f, "Put({key}, {} bytes, {lease:?})", value.len()),
            Self::Delete { .. } => write!(f, "Delete({key})"),
        }
    }
}

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The change is on the disk (fsync) when it is acknowledged.
    #[default]
    Synced,
    /// The change is acknowledged at once and reaches the disk with the next synced commit, at the latest after
    /// [`RELAXED_DELAY`](crate::RELAXED_DELAY). A crash in between loses it; the order with other commits holds.
    Relaxed,
}

/// A transaction: if every condition holds, all changes of `then`, else all changes of `otherwise`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// The conditions; none means always.
    pub compare: Vec<Compare>,
    /// The changes when all conditions hold.
    pub then: Vec<Change>,
    /// The changes when one does not.
    pub otherwise: Vec<Change>,
    /// What the acknowledgement promises.
    pub durability: Durability,
    /// The epoch of the picture this transaction was built on ([`Store::epoch`](crate::Store::epoch)), for callers
    /// that build on writes not yet acknowledged. When an earlier write fails, the store starts a new epoch and
    /// refuses transactions of older ones with [`StoreError::Superseded`]: the caller drops its picture, takes the
    /// new epoch, reads the state anew and decides again. `None`: the transaction leans on nothing but its `compare`.
    pub epoch: Option<Epoch>,
}

impl Txn {
    /// A transaction without conditions.
    pub fn of(then: Vec<Change>) -> Self {
        Self {
            then,
            ..Self::default()
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.compare.push(compare);
        self
    }

    /// Sets the changes for when a condition does not hold.
    #[must_use]
    pub fn or_else(mut self, otherwise: Vec<Change>) -> Self {
        self.otherwise = otherwise;
        self
    }

    /// Binds the transaction to the epoch its picture belongs to.
    #[must_use]
    pub fn at(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Lets the acknowledgement come before the disk has the change.
    #[must_use]
    pub fn relaxed(mut self) -> Self {
        self.durability = Durability::Relaxed;
        self
    }

    /// Checks the limits.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.compare.len() > TXN_PARTS_MAX {
            return Err(StoreError::TooManyParts);
        }
        self.compare
            .iter()
            .try_for_each(|compare| check_key(compare.key()))?;
        check_changes(&self.then)?;
        check_changes(&self.otherwise)
    }
}

fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(StoreError::KeyLength { bytes: key.len() });
    }
    Ok(())
}

fn check_changes(changes: &[Change]) -> Result<(), StoreError> {
    if changes.len() > TXN_PARTS_MAX {
        return Err(StoreError::TooManyParts);
    }
    let mut seen = HashSet::with_capacity(changes.len());
    for change in changes {
        check_key(change.key())?;
        if !seen.insert(change.key()) {
            return Err(StoreError::KeyTwice {
                key: String::from_utf8_lossy(change.key()).into_owned(),
            });
        }
        if let Change::Put { value, .. } = change
            && value.len() > VALUE_BYTES_MAX
        {
            return Err(StoreError::ValueLength { bytes: value.len() });
        }
    }
    Ok(())
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The revision of the changes; when nothing changed, the newest revision before it.
    pub revision: Revision,
    /// Whether every condition held, so that `then` was done and not `otherwise`.
    pub succeeded: bool,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The newest revision when the page was read: a watch from [`Revision::next`] of it misses nothing.
    pub revision: Revision,
    /// The documents in the order of their keys.
    pub entries: Vec<Entry>,
    /// Whether there are more keys after the last one of this page.
    pub more: bool,
}

/// One change, as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was created or replaced.
    Put(Entry),
    /// The key was removed.
    Delete {
        /// The key.
        key: Arc<[u8]>,
    },
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &Arc<[u8]> {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key } => key,
        }
    }
}

/// All changes of one revision that a watch asked for, in the order of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The revision.
    pub revision: Revision,
    /// The changes; never empty.
    pub events: Vec<Event>,
}
