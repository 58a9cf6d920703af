//! What can go wrong, in words that say what to do next.

use std::path::PathBuf;

use portcullis_core::AccountId;
use thiserror::Error;

use crate::{LeaseId, Revision};

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A key is empty or too long.
    #[error("a key has 1 to {} bytes, not {bytes}", crate::KEY_BYTES_MAX)]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// A value is too long.
    #[error(
        "a value has at most {} bytes, not {bytes}: split the document",
        crate::VALUE_BYTES_MAX
    )]
    ValueLength {
        /// Its length.
        bytes: usize,
    },
    /// A transaction has too many conditions or changes.
    #[error(
        "a transaction has at most {} conditions and as many changes: split it",
        crate::TXN_PARTS_MAX
    )]
    TooManyParts,
    /// A branch changes the same key twice.
    #[error("the transaction changes the key `{key}` twice: say only the last change")]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// The lease was never granted, was revoked or ran out.
    #[error("there is no lease {0}: grant a new one and put its keys again")]
    NoSuchLease(LeaseId),
    /// The transaction belongs to an epoch that a failed write ended. Nothing was written.
    #[error("an earlier write failed: read the state anew and decide again")]
    Superseded,
    /// The disk is full. Nothing was written.
    #[error(
        "no space left for the store: free some disk space; writes are taken again as soon as there is some"
    )]
    DiskFull,
    /// The disk failed. Whether this write survived is known only after reading the state anew.
    #[error("the store's disk failed ({0}): read the state anew and try again")]
    Disk(String),
    /// The store file is damaged.
    #[error("the store file is damaged ({0}): stop the server and restore the data directory from a backup")]
    Corrupt(String),
    /// The store is being opened again after a failure of its disk.
    #[error("the store is recovering from a failure of its disk: try again in a moment")]
    Recovering,
    /// Too many writes wait for the disk.
    #[error("too many writes wait for the disk: try again in a moment")]
    Busy,
    /// The store was shut down.
    #[error("the store is shut down")]
    Closed,
    /// The watch asked for changes older than the history that is kept.
    #[error("changes before revision {oldest} are no longer kept: list anew and watch from there")]
    TooOld {
        /// The oldest revision a watch can start from.
        oldest: Revision,
    },
    /// The watcher did not keep up with the changes.
    #[error("the watch fell too far behind: list anew and watch from there")]
    Lagged,
    /// The store was opened again after a failure of its disk, so that the watch may have a gap.
    #[error("the store recovered from a failure of its disk: list anew and watch from there")]
    Reset,
}

/// Why a data directory could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory was made for another account.
    #[error(
        "the data directory {} belongs to account {found}, not {wanted}: start with --account {found} or choose another --data-dir",
        dir.display()
    )]
    OtherAccount {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: AccountId,
        /// Who asked for it.
        wanted: AccountId,
    },
    /// Another process works in the directory.
    #[error("the data directory {} is in use by process {holder}: stop it or choose another --data-dir", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other process's id, or `unknown`.
        holder: String,
    },
    /// The directory was written by a newer version.
    #[error("the data directory {} has format {found}, this version reads format {known}: use the version that wrote it", dir.display())]
    UnknownFormat {
        /// The directory.
        dir: PathBuf,
        /// Its format version.
        found: u64,
        /// The version this program writes.
        known: u64,
    },
    /// A file that must be there is not.
    #[error("{} is missing: restore the data directory from a backup", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be what this program wrote.
    #[error("{} is damaged ({detail}): move the data directory aside and restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Others may read a key file.
    #[error("{} can be read by others (mode {mode:03o}): run chmod 600 on it, and replace the key if strangers had access", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The master key does not open the key ring.
    #[error("the master key {} does not belong to this data directory: give the key file that was made with it", path.display())]
    WrongMasterKey {
        /// The key file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
