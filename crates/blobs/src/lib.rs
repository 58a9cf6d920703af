//! Bytes by their digest: what images and objects are made of.
//!
//! An upload grows by appending at an exact offset, survives the process, and becomes a blob only when its bytes have
//! the digest that was promised; nobody sees it before. What was acknowledged is on the disk. Blobs that nothing needs
//! are found by mark and sweep ([`Blobs::sweep`]), which spares what is young: between a blob and the row that refers
//! to it there is always a moment.

#[cfg(feature = "s3")]
mod away;
mod blobs;
mod digest;
mod directory;
mod error;
#[cfg(test)]
mod faults;
mod medium;
mod memory;
mod reader;
mod running;
mod sweep;
mod upload;
mod writer;

#[cfg(feature = "s3")]
pub use away::Bucket;
pub use blobs::{Blob, Blobs};
pub use bytes::Bytes;
pub use digest::{Digest, InvalidDigest};
pub use error::BlobError;
#[cfg(feature = "s3")]
pub use object_store;
pub use reader::Stored;
pub use sweep::{Swept, UPLOAD_LIFE};
pub use upload::Upload;
pub use writer::Writer;
