//! Blobs in an object store, such as S3. Uploads stay in a directory of the server, where they can go on at any offset;
//! what is complete and verified goes away.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, MultipartUpload as _, ObjectStore, ObjectStoreExt as _, PutPayload,
};
use portcullis_core::{Secret, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::blobs::lock;
use crate::medium::Medium;
use crate::{Blob, BlobError, Digest};

/// How much goes away at once.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Where in S3, or in something that speaks as S3 does.
#[derive(Debug)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// What keys begin with, without a slash at its end; may be empty.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// The address, if it is not AWS's; `http://` only where nobody listens.
    pub endpoint: Option<String>,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
}

impl Bucket {
    /// A client of the bucket.
    pub fn open(&self) -> Result<AmazonS3, BlobError> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(self.secret_access_key.expose());
        if let Some(endpoint) = &self.endpoint {
            builder = builder
                .with_endpoint(endpoint)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        builder.build().map_err(failed)
    }
}

/// An object store.
#[derive(Debug)]
pub(crate) struct Away {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// When blobs were made or held, as far as this process knows: stores tell only when they were made.
    held: Mutex<HashMap<Digest, Timestamp>>,
    /// Held while a blob is held or goes.
    turn: tokio::sync::Mutex<()>,
}

impl Away {
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: prefix.trim_matches('/').to_owned(),
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn folder(&self) -> String {
        match self.prefix.is_empty() {
            true => "sha256".to_owned(),
            false => format!("{}/sha256", self.prefix),
        }
    }

    fn key(&self, digest: &Digest) -> Key {
        Key::from(format!("{}/{}", self.folder(), digest.hex()))
    }

    /// Sends an upload that was verified. What arrives is verified once more on its way; the store shows it whole or not at
    /// all.
    pub async fn send(
        &self,
        medium: Arc<dyn Medium>,
        name: String,
        blob: Blob,
        now: Timestamp,
    ) -> Result<(), BlobError> {
        self.keep(&blob.digest, now).await;
        let mut parts = UploadParts {
            medium,
            name,
            hasher: Sha256::new(),
            left: blob.size,
            at: 0,
        };
        let key = self.key(&blob.digest);
        if blob.size <= PART_BYTES as u64 {
            let all = parts.next().await?.unwrap_or_default();
            parts.check(&blob.digest)?;
            self.store
                .put(&key, PutPayload::from_bytes(all))
                .await
                .map_err(failed)?;
            return Ok(());
        }
        let mut upload = self.store.put_multipart(&key).await.map_err(failed)?;
        let sent = async {
            while let Some(part) = parts.next().await? {
                upload
                    .put_part(PutPayload::from_bytes(part))
                    .await
                    .map_err(failed)?;
            }
            parts.check(&blob.digest)
        };
        match sent.await {
            Ok(()) => upload.complete().await.map(|_| ()).map_err(failed),
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "a broken upload stays in the object store");
                }
                Err(error)
            }
        }
    }

    /// Keeps a blob that is there, or will be in a moment, from being swept for a while. Waits for a sweep that is about to
    /// remove it.
    pub async fn keep(&self, digest: &Digest, now: Timestamp) {
        let _turn = self.turn.lock().await;
        lock(&self.held).insert(*digest, now);
    }

    /// A blob's size.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        match self.store.head(&self.key(digest)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// A blob for reading.
    pub fn remote(&self, digest: &Digest, size: u64) -> Remote {
        Remote {
            store: Arc::clone(&self.store),
            key: self.key(digest),
            size,
        }
    }

    /// Keeps a blob from being swept for a while.
    pub async fn hold(&self, digest: &Digest, now: Timestamp) -> Result<bool, BlobError> {
        let _turn = self.turn.lock().await;
        let is_there = self.size(digest).await?.is_some();
        if is_there {
            lock(&self.held).insert(*digest, now);
        }
        Ok(is_there)
    }

    /// Removes the blobs that were neither made nor held for `grace` and that nothing needs.
    pub async fn sweep(
        &self,
        grace: Duration,
        now: Timestamp,
        needed: &(impl Fn(&Digest) -> bool + Sync),
    ) -> Result<u64, BlobError> {
        let oldest = now.as_millis() - i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let folder = Key::from(self.folder());
        let mut objects = self.store.list(Some(&folder));
        let mut swept = 0;
        while let Some(object) = objects.next().await {
            let object = object.map_err(failed)?;
            let digest = object
                .location
                .filename()
                .and_then(|name| Digest::from_hex(name).ok());
            let is_old = object.last_modified.timestamp_millis() < oldest;
            let Some(digest) = digest.filter(|digest| is_old && !needed(digest)) else {
                continue;
            };
            let _turn = self.turn.lock().await;
            let held = lock(&self.held).get(&digest).copied();
            if held.is_none_or(|held| held.as_millis() < oldest) && !needed(&digest) {
                self.store.delete(&object.location).await.map_err(failed)?;
                swept += 1;
            }
        }
        lock(&self.held).retain(|_, held| held.as_millis() >= oldest);
        Ok(swept)
    }
}

/// An upload in parts.
struct UploadParts {
    medium: Arc<dyn Medium>,
    name: String,
    hasher: Sha256,
    at: u64,
    left: u64,
}

impl UploadParts {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        let wanted = usize::try_from(self.left).unwrap_or(PART_BYTES).min(PART_BYTES);
        if wanted == 0 {
            return Ok(None);
        }
        let (medium, name, at) = (Arc::clone(&self.medium), self.name.clone(), self.at);
        let read = tokio::task::spawn_blocking(move || medium.read_upload(&name, at, wanted)).await;
        let part = read.map_err(|error| BlobError::Io(io::Error::other(error)))??;
        if part.len() < wanted {
            return Err(BlobError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        self.hasher.update(&part);
        self.at += part.len() as u64;
        self.left -= part.len() as u64;
        Ok(Some(part.into()))
    }

    fn check(&self, digest: &Digest) -> Result<(), BlobError> {
        let actual = Digest::finish(self.hasher.clone());
        match actual == *digest {
            true => Ok(()),
            false => Err(BlobError::WrongDigest { actual }),
        }
    }
}

/// A blob in an object store.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    key: Key,
    pub size: u64,
}

impl Remote {
    /// Its bytes in a range that is not beyond its end.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = async move {
            match store.get_opts(&key, options).await {
                Ok(found) => found.into_stream().map(|part| part.map_err(failed)).boxed(),
                Err(error) => stream::iter([Err(failed(error))]).boxed(),
            }
        };
        stream::once(found).flatten().boxed()
    }
}

fn failed(error: object_store::Error) -> BlobError {
    BlobError::Io(io::Error::other(error))
}
