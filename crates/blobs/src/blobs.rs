//! The store of blobs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use portcullis_core::{Clock, Random};

use crate::directory::Directory;
use crate::medium::Medium;
use crate::memory::Memory;
use crate::reader::Stored;
use crate::running::Running;
use crate::{BlobError, Digest, Upload, Writer};

/// The blobs of a server, for all its accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub medium: Arc<dyn Medium>,
    pub shelf: Shelf,
    pub clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    running: Mutex<HashMap<String, Arc<Mutex<Running>>>>,
    /// Held while a blob comes, is held, or goes: what somebody just made or held is not what a sweep found.
    names: Mutex<()>,
}

/// Where blobs are, as opposed to uploads.
#[derive(Debug)]
pub(crate) enum Shelf {
    /// Beside the uploads.
    Here,
    /// In an object store.
    #[cfg(feature = "s3")]
    Away(crate::away::Away),
}

/// A blob: what its bytes come to, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Blobs {
    /// Blobs that end with the process.
    pub fn in_memory(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self::on(Arc::new(Memory::default()), Shelf::Here, clock, random)
    }

    /// Blobs in a directory, which is made if it is not there. Blocks. One process at a time.
    pub fn in_directory(
        path: &Path,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, BlobError> {
        let directory = Directory::open(path)?;
        Ok(Self::on(Arc::new(directory), Shelf::Here, clock, random))
    }

    /// Blobs in an object store, below `prefix`; uploads stay in a directory until they are whole. Blocks. One process at a
    /// time: the store must not be swept by another one.
    #[cfg(feature = "s3")]
    pub fn in_object_store(
        store: Arc<dyn object_store::ObjectStore>,
        prefix: &str,
        uploads: &Path,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, BlobError> {
        let directory = Directory::open(uploads)?;
        let shelf = Shelf::Away(crate::away::Away::new(store, prefix));
        Ok(Self::on(Arc::new(directory), shelf, clock, random))
    }

    pub(crate) fn on(
        medium: Arc<dyn Medium>,
        shelf: Shelf,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let inner = Arc::new(Inner {
            medium,
            shelf,
            clock,
            random,
            running: Mutex::default(),
            names: Mutex::default(),
        });
        Self { inner }
    }

    /// Begins an upload of `owner`, whatever that is to its owner: only under the same name it is found again.
    pub async fn begin(&self, owner: &str) -> Result<Upload, BlobError> {
        let upload = Upload::new(owner, self.inner.random.as_ref());
        let name = upload.name().to_owned();
        self.aside(move |inner| {
            inner.create(&name)?;
            Ok(inner.medium.settle_uploads()?)
        })
        .await?;
        Ok(upload)
    }

    /// How many bytes an upload holds.
    pub async fn uploaded(&self, upload: &Upload) -> Result<u64, BlobError> {
        self.with(upload, |_, _, running| running.length()).await
    }

    /// Writes to an upload whose end is at `offset`. Several may try: only one is at its end.
    pub async fn writer(&self, upload: &Upload, offset: u64) -> Result<Writer, BlobError> {
        let length = self.uploaded(upload).await?;
        if offset != length {
            return Err(BlobError::WrongOffset { length });
        }
        Ok(Writer::new(self.clone(), upload.clone(), offset))
    }

    /// Appends to an upload whose end is at `offset`, and makes it last. Gives the new length.
    pub async fn append(&self, upload: &Upload, offset: u64, bytes: Bytes) -> Result<u64, BlobError> {
        self.with(upload, move |inner, name, running| {
            let medium = inner.medium.as_ref();
            running.append(medium, name, offset, &bytes)?;
            running.acknowledge(medium, name, inner.clock.now())
        })
        .await
    }

    /// Makes an upload a blob. If another digest than its own was promised nothing changes: the upload stays.
    pub async fn finish(&self, upload: &Upload, promised: Option<Digest>) -> Result<Blob, BlobError> {
        match &self.inner.shelf {
            Shelf::Here => {
                self.with(upload, move |inner, name, running| {
                    inner.finish(name, running, promised)
                })
                .await
            }
            #[cfg(feature = "s3")]
            Shelf::Away(_) => {
                // Goes on when its caller goes away: an upload that is sent halfway would be nobody's.
                let (blobs, upload) = (self.clone(), upload.clone());
                let sending = tokio::spawn(async move { blobs.send(&upload, promised).await });
                let sent = sending.await;
                sent.map_err(|error| BlobError::Io(io::Error::other(error)))?
            }
        }
    }

    /// Verifies an upload and sends it away. Meanwhile it is nobody's; if it does not arrive it is there again.
    #[cfg(feature = "s3")]
    async fn send(&self, upload: &Upload, promised: Option<Digest>) -> Result<Blob, BlobError> {
        let Shelf::Away(away) = &self.inner.shelf else {
            return Err(BlobError::NoUpload);
        };
        let verify = self.with(upload, move |inner, name, running| {
            let blob = inner.verify(name, running, promised)?;
            running.end();
            Ok(blob)
        });
        let blob = verify.await?;
        let (medium, name) = (Arc::clone(&self.inner.medium), upload.name().to_owned());
        let sent = away
            .send(medium, name.clone(), blob, self.inner.clock.now())
            .await;
        // Sending takes its time, and stores tell when it began: what is needed soon counts from now.
        away.keep(&blob.digest, self.inner.clock.now()).await;
        let settle = self.aside(move |inner| {
            // Forgotten either way: whoever goes on finds it by its file, if that is still there.
            if sent.is_ok() {
                inner.medium.discard(&name)?;
            }
            inner.running().remove(&name);
            sent
        });
        settle.await?;
        Ok(blob)
    }

    /// Gives an upload up.
    pub async fn discard(&self, upload: &Upload) -> Result<(), BlobError> {
        self.with(upload, |inner, name, running| {
            running.length()?;
            inner.medium.discard(name)?;
            running.end();
            inner.running().remove(name);
            Ok(())
        })
        .await
    }

    /// Makes a blob of bytes that are all there.
    pub async fn put(&self, bytes: Bytes) -> Result<Blob, BlobError> {
        #[cfg(feature = "s3")]
        if let Shelf::Away(_) = self.inner.shelf {
            let upload = self.begin("").await?;
            self.append(&upload, 0, bytes).await?;
            let made = self.finish(&upload, None).await;
            if made.is_err() {
                let _ = self.discard(&upload).await;
            }
            return made;
        }
        let upload = Upload::new("", self.inner.random.as_ref());
        self.aside(move |inner| {
            let name = upload.name();
            let running = inner.create(name)?;
            let mut running = lock(&running);
            let made = running
                .append(inner.medium.as_ref(), name, 0, &bytes)
                .and_then(|()| inner.finish(name, &mut running, None));
            if made.is_err() {
                inner.running().remove(name);
                let _ = inner.medium.discard(name);
            }
            made
        })
        .await
    }

    /// Opens a blob for reading; `None` if there is no such blob. It can be read to its end although it is removed.
    pub async fn open(&self, digest: &Digest) -> Result<Option<Stored>, BlobError> {
        #[cfg(feature = "s3")]
        if let Shelf::Away(away) = &self.inner.shelf {
            let size = away.size(digest).await?;
            return Ok(size.map(|size| Stored::remote(away.remote(digest, size))));
        }
        let digest = *digest;
        self.aside(move |inner| match inner.medium.open(&digest) {
            Ok(source) => Ok(Some(Stored::new(source))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// A blob's size in bytes; `None` if there is no such blob.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        Ok(self.open(digest).await?.map(|stored| stored.size()))
    }

    /// Keeps a blob from being swept for a while, because something is about to refer to it; false if it is not there. To
    /// be called before the row is written that refers to a blob which the caller has not just made.
    pub async fn hold(&self, digest: &Digest) -> Result<bool, BlobError> {
        #[cfg(feature = "s3")]
        if let Shelf::Away(away) = &self.inner.shelf {
            return away.hold(digest, self.inner.clock.now()).await;
        }
        let digest = *digest;
        self.aside(move |inner| {
            let _turn = inner.names();
            match inner.medium.hold(&digest, inner.clock.now()) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Works away from the threads that serve.
    pub(crate) async fn aside<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<R, BlobError> + Send + 'static,
    ) -> Result<R, BlobError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(error) => Err(BlobError::Io(io::Error::other(error))),
        }
    }

    /// The same with an upload that nobody else changes meanwhile.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        upload: &Upload,
        work: impl FnOnce(&Inner, &str, &mut Running) -> Result<R, BlobError> + Send + 'static,
    ) -> Result<R, BlobError> {
        let name = upload.name().to_owned();
        self.aside(move |inner| {
            let running = inner.find(&name)?;
            let mut running = lock(&running);
            work(inner, &name, &mut running)
        })
        .await
    }
}

impl Inner {
    fn create(&self, name: &str) -> Result<Arc<Mutex<Running>>, BlobError> {
        self.medium.create(name, self.clock.now())?;
        let running = Arc::new(Mutex::new(Running::empty()));
        self.running().insert(name.to_owned(), Arc::clone(&running));
        Ok(running)
    }

    fn find(&self, name: &str) -> Result<Arc<Mutex<Running>>, BlobError> {
        if let Some(running) = self.running().get(name) {
            return Ok(Arc::clone(running));
        }
        let length = self.medium.length(name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::NoUpload,
            _ => error.into(),
        })?;
        let found = || Arc::new(Mutex::new(Running::found(length)));
        Ok(match self.running().entry(name.to_owned()) {
            Entry::Occupied(other) => Arc::clone(other.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(found())),
        })
    }

    /// What an upload comes to, if that is what was promised; then all of it lasts.
    fn verify(&self, name: &str, running: &mut Running, promised: Option<Digest>) -> Result<Blob, BlobError> {
        let medium = self.medium.as_ref();
        let size = running.length()?;
        let digest = running.digest(medium, name)?;
        if promised.is_some_and(|promised| promised != digest) {
            return Err(BlobError::WrongDigest { actual: digest });
        }
        if !running.is_safe() {
            running.acknowledge(medium, name, self.clock.now())?;
        }
        Ok(Blob { digest, size })
    }

    fn finish(&self, name: &str, running: &mut Running, promised: Option<Digest>) -> Result<Blob, BlobError> {
        let blob = self.verify(name, running, promised)?;
        {
            let _turn = self.names();
            self.medium.publish(name, &blob.digest, self.clock.now())?;
        }
        running.end();
        self.running().remove(name);
        self.medium.settle(&blob.digest)?;
        Ok(blob)
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<Running>>>> {
        lock(&self.running)
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, ()> {
        lock(&self.names)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
