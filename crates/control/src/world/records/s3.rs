//! What S3 keeps of buckets, objects and uploads in parts. The bytes are blobs, named by their digest: a row refers to blobs
//! that were whole before it was written, so that no row is ever about half an object.

use std::collections::BTreeMap;

use portcullis_blobs::Digest;
use portcullis_core::{Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PolicyText, Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

/// The tables of S3, all regions.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By name.
    pub buckets: Table<Bucket>,
    /// By [`Object::key_of`]: the objects of a bucket follow each other in the order S3 lists them.
    pub objects: Table<Object>,
    /// Uploads in parts, by [`MultipartUpload::key_of`].
    pub uploads: Table<MultipartUpload>,
    /// Their parts, by [`Part::key_of`].
    pub parts: Table<Part>,
    /// Which blobs rows refer to: `DIGEST/ROW`.
    needed: Index,
}

impl Tables {
    /// Whether a row refers to that blob. For the sweep of blobs, which asks every account.
    pub fn needs(&self, digest: &Digest) -> bool {
        self.needed.prefix(&format!("{}/", digest.hex())).next().is_some()
    }

    /// The object under that key.
    pub fn object(&self, bucket: &str, key: &str) -> Option<&std::sync::Arc<Object>> {
        self.objects.get(&Object::key_of(bucket, key))
    }

    fn note_needed<'p>(
        &mut self,
        row: &str,
        before: impl Iterator<Item = &'p Piece>,
        after: impl Iterator<Item = &'p Piece>,
    ) {
        for piece in before {
            self.needed.remove(&format!("{}/{row}", piece.digest));
        }
        for piece in after {
            self.needed.insert(&format!("{}/{row}", piece.digest), ());
        }
    }
}

/// A bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name, which no other account of the server has.
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// When it was made.
    pub created: Timestamp,
    /// Its policy.
    pub policy: Option<PolicyText>,
    /// What of its policy may not be public; `None` once somebody took that away.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Whether it still says who owns its objects; ACLs are off either way.
    pub has_ownership_controls: bool,
    /// Its tags.
    pub tags: Tags,
    /// Under which KMS key its objects rest, unless uploads say otherwise; `None` for none.
    #[serde(default)]
    pub encryption: Option<DefaultKey>,
}

/// The KMS key of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultKey {
    /// As it was named; `None` for S3's own.
    pub key: Option<String>,
    /// Whether data keys are bound to the bucket instead of the object.
    pub bucket_key: bool,
}

/// Block Public Access of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Nobody sets public ACLs.
    pub block_public_acls: bool,
    /// Public ACLs count for nothing.
    pub ignore_public_acls: bool,
    /// Nobody sets a public policy.
    pub block_public_policy: bool,
    /// A public policy counts only for the bucket's own account and for services.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What every new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// A stretch of an object's bytes: a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The blob's digest, 64 digits.
    pub digest: String,
    /// How many bytes of the object it holds; never 0.
    pub size: u64,
}

/// The data key that the bytes of an object are under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataKey {
    /// The ARN of the KMS key that it is under itself.
    pub key: String,
    /// What KMS made of it.
    pub sealed: Sealed,
    /// The pairs it is bound to.
    pub context: BTreeMap<String, String>,
    /// Whether it is bound to the bucket instead of the object.
    pub bucket_key: bool,
}

/// A checksum as S3 keeps one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// `CRC64NVME`.
    pub algorithm: String,
    /// In base 64, of composite ones with `-` and the number of parts.
    pub value: String,
    /// Whether it is the parts' checksums' and not the bytes'.
    pub composite: bool,
}

/// What an upload says of an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Headers that are given back as they came, names in lower case: `content-type`, `cache-control`.
    pub headers: BTreeMap<String, String>,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    pub metadata: BTreeMap<String, String>,
    /// The tags.
    pub tags: Tags,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The entity tag, without quotes.
    pub etag: String,
    /// Its bytes, in order.
    pub pieces: Vec<Piece>,
    /// When it was written.
    pub modified: Timestamp,
    /// What was said of it.
    pub description: Description,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// The sizes of its parts and the id of its upload, if it came in parts.
    pub parts: Option<PartsOf>,
    /// What its bytes are encrypted by.
    #[serde(default)]
    pub under: Option<DataKey>,
}

/// How an object came in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsOf {
    /// The upload.
    pub upload_id: String,
    /// The sizes of the parts in bytes.
    pub sizes: Vec<u64>,
}

impl Object {
    /// `BUCKET/KEY`
    pub fn key_of(bucket: &str, key: &str) -> String {
        format!("{bucket}/{key}")
    }
}

/// An upload in parts that is not complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MultipartUpload {
    /// Its id.
    pub id: String,
    /// The bucket.
    pub bucket: String,
    /// The key of the object it will be.
    pub key: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// The ARN of who began it.
    pub initiator: String,
    /// What was said of the object.
    pub description: Description,
    /// `CRC64NVME`.
    pub checksum_algorithm: String,
    /// Whether the object's checksum is that of the parts' checksums.
    pub composite_checksum: bool,
    /// Whether the algorithm was named: parts' checksums are by no other then.
    pub checksum_named: bool,
    /// What the bytes of its parts are encrypted by.
    #[serde(default)]
    pub under: Option<DataKey>,
}

impl MultipartUpload {
    /// `BUCKET/KEY`, and the id after what no key can hold.
    pub fn key_of(bucket: &str, key: &str, id: &str) -> String {
        format!("{bucket}/{key}\0{id}")
    }
}

/// A part of an upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// The upload.
    pub upload_id: String,
    /// 1 to 10,000.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5, 32 digits.
    pub etag: String,
    /// Its bytes; `None` when there are none.
    pub piece: Option<Piece>,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// When it was written.
    pub modified: Timestamp,
}

impl Part {
    /// `UPLOAD/NUMBER`, in the order of numbers.
    pub fn key_of(upload_id: &str, number: u32) -> String {
        format!("{upload_id}/{number:05}")
    }
}

impl Record for Bucket {
    const KIND: &'static str = "s3-bucket";
    fn key(&self) -> String {
        self.name.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.s3.buckets
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.s3.buckets
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        if let (None, Some(bucket)) = (before, after) {
            let neighbours = snapshot.neighbours();
            neighbours.note_bucket(&bucket.name, &snapshot.account);
        }
    }
}

impl Record for Object {
    const KIND: &'static str = "s3-object";
    fn key(&self) -> String {
        Self::key_of(&self.bucket, &self.key)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.s3.objects
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.s3.objects
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let Some(row) = before.or(after) else { return };
        let pieces = |row: Option<&'_ Self>| row.map(|row| row.pieces.clone()).unwrap_or_default();
        let (gone, come) = (pieces(before), pieces(after));
        let row = format!("o/{}", row.key());
        snapshot.s3.note_needed(&row, gone.iter(), come.iter());
    }
}

impl Record for MultipartUpload {
    const KIND: &'static str = "s3-upload";
    fn key(&self) -> String {
        Self::key_of(&self.bucket, &self.key, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.s3.uploads
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.s3.uploads
    }
}

impl Record for Part {
    const KIND: &'static str = "s3-part";
    fn key(&self) -> String {
        Self::key_of(&self.upload_id, self.number)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.s3.parts
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.s3.parts
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let Some(row) = before.or(after) else { return };
        let row = format!("p/{}", row.key());
        let piece = |row: Option<&'_ Self>| row.and_then(|row| row.piece.clone());
        let (gone, come) = (piece(before), piece(after));
        snapshot.s3.note_needed(&row, gone.iter(), come.iter());
    }
}

/// Fills the picture from the store.
pub(super) fn load_all(
    snapshot: &mut Snapshot,
    store: &dyn portcullis_store::Store,
) -> Result<(), portcullis_store::StoreError> {
    super::load::<Bucket>(snapshot, store)?;
    super::load::<Object>(snapshot, store)?;
    super::load::<MultipartUpload>(snapshot, store)?;
    super::load::<Part>(snapshot, store)
}
