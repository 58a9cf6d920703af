//! What can go wrong, in words that say what to do next.

use std::path::PathBuf;

use thiserror::Error;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogsError {
    /// The disk is full. Nothing was written.
    #[error(
        "no space left for log events: free some disk space; events are taken again as soon as there is some"
    )]
    DiskFull,
    /// As much is stored as may be. Acknowledged events are never dropped to make room.
    #[error(
        "log events take up their quota of {quota_bytes} bytes: delete groups or streams, shorten retention, or raise the quota"
    )]
    QuotaReached {
        /// The quota.
        quota_bytes: u64,
    },
    /// More waits for the disk than is good.
    #[error("too many log events wait for the disk: try again in a moment")]
    Busy,
    /// The disk failed. Nothing of this call was acknowledged.
    #[error("the disk of the log events failed ({0}): look at the disk and try again")]
    Disk(String),
    /// A file is not as it was written.
    #[error("{} is damaged ({detail}): restore it from a backup, or delete it to go on without its events", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Sealed events were asked for that cannot be opened; the text says why.
    #[error("the log events are sealed and cannot be opened: {0}")]
    Sealed(String),
    /// The store was shut down.
    #[error("the store of log events is shut down")]
    Closed,
}

/// Why a directory of log events could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process works in the directory.
    #[error("the log events in {} are in use by another process: stop it or choose another directory", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// A file cannot be what this program wrote.
    #[error("{} is damaged ({detail}): restore it from a backup, or move it away to go on without its events", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
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
