//! What can go wrong with blobs.

use std::io;

use thiserror::Error;

use crate::Digest;

/// Why something was not done. Nothing of it is left then.
#[derive(Debug, Error)]
pub enum BlobError {
    /// There is no such upload: never was, ended, given up, or left alone for too long.
    #[error("there is no such upload: begin another one")]
    NoUpload,
    /// The bytes do not go on where the upload ends: a part is missing, or was sent already.
    #[error("the upload holds {length} bytes: go on from there")]
    WrongOffset {
        /// How many bytes the upload holds.
        length: u64,
    },
    /// The bytes are not those that were promised.
    #[error("the bytes have the digest {actual}, not the one that was promised")]
    WrongDigest {
        /// What the bytes come to.
        actual: Digest,
    },
    /// A blob is larger than its reader takes.
    #[error("the blob has {size} bytes, which is more than is read at once")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// There is no room left.
    #[error("no room is left for blobs: make some and try again")]
    NoSpace,
    /// The disk or the object store failed.
    #[error("blobs cannot be kept or read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace
            }
            _ => Self::Io(error),
        }
    }
}
