//! Where bytes are kept.

use std::fmt::Debug;
use std::io;

use portcullis_core::Timestamp;

use crate::Digest;

/// What keeps bytes. Everything blocks. Uploads are called by names that are safe as file names.
pub(crate) trait Medium: Send + Sync + Debug {
    /// Makes an empty upload.
    fn create(&self, upload: &str, now: Timestamp) -> io::Result<()>;
    /// Makes last that an upload was made.
    fn settle_uploads(&self) -> io::Result<()>;
    /// How many bytes an upload holds; `NotFound` if there is none.
    fn length(&self, upload: &str) -> io::Result<u64>;
    /// Writes at the end of an upload, which is at `offset`.
    fn write(&self, upload: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Takes back what is beyond `length`.
    fn truncate(&self, upload: &str, length: u64) -> io::Result<()>;
    /// Makes an upload's bytes last.
    fn sync(&self, upload: &str, now: Timestamp) -> io::Result<()>;
    /// Up to `length` bytes of an upload.
    fn read_upload(&self, upload: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Removes an upload, if there is one.
    fn discard(&self, upload: &str) -> io::Result<()>;
    /// All uploads, and when they were written to last.
    fn uploads(&self) -> io::Result<Vec<(String, Timestamp)>>;
    /// Makes an upload a blob, in one step.
    fn publish(&self, upload: &str, digest: &Digest, now: Timestamp) -> io::Result<()>;
    /// Makes last that a blob was made.
    fn settle(&self, digest: &Digest) -> io::Result<()>;
    /// A blob's bytes, which stay readable although the blob is removed.
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Source>>;
    /// When a blob was made or held last.
    fn held_at(&self, digest: &Digest) -> io::Result<Timestamp>;
    /// Makes a blob young again.
    fn hold(&self, digest: &Digest, now: Timestamp) -> io::Result<()>;
    /// Removes a blob.
    fn remove(&self, digest: &Digest) -> io::Result<()>;
    /// The blobs whose digest begins with this byte.
    fn blobs(&self, shelf: u8) -> io::Result<Vec<Digest>>;
}

/// The bytes of a blob.
pub(crate) trait Source: Send + Sync + Debug {
    /// How many there are.
    fn size(&self) -> u64;
    /// `length` bytes from `offset` on; fewer only at the end.
    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}
