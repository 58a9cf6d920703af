//! Blobs that end with the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::Timestamp;

use crate::Digest;
use crate::medium::{Medium, Source};

/// Everything in memory: for tests, simulations and servers that keep nothing.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    uploads: BTreeMap<String, (Vec<u8>, Timestamp)>,
    blobs: BTreeMap<Digest, (Arc<Vec<u8>>, Timestamp)>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (uploads, blobs) = (self.uploads.len(), self.blobs.len());
        write!(f, "Contents({uploads} uploads, {blobs} blobs)")
    }
}

impl Memory {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upload<R>(&self, name: &str, work: impl FnOnce(&mut Vec<u8>) -> R) -> io::Result<R> {
        let mut contents = self.contents();
        let (bytes, _) = contents.uploads.get_mut(name).ok_or_else(missing)?;
        Ok(work(bytes))
    }
}

impl Medium for Memory {
    fn create(&self, upload: &str, now: Timestamp) -> io::Result<()> {
        let new = (Vec::new(), now);
        self.contents().uploads.insert(upload.to_owned(), new);
        Ok(())
    }

    fn settle_uploads(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self, upload: &str) -> io::Result<u64> {
        self.upload(upload, |bytes| bytes.len() as u64)
    }

    fn write(&self, upload: &str, offset: u64, new: &[u8]) -> io::Result<()> {
        self.upload(upload, |bytes| {
            bytes.truncate(position(offset));
            bytes.extend_from_slice(new);
        })
    }

    fn truncate(&self, upload: &str, length: u64) -> io::Result<()> {
        self.upload(upload, |bytes| bytes.truncate(position(length)))
    }

    fn sync(&self, upload: &str, now: Timestamp) -> io::Result<()> {
        let mut contents = self.contents();
        let (_, written) = contents.uploads.get_mut(upload).ok_or_else(missing)?;
        *written = now;
        Ok(())
    }

    fn read_upload(&self, upload: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.upload(upload, |bytes| part(bytes, offset, length))
    }

    fn discard(&self, upload: &str) -> io::Result<()> {
        self.contents().uploads.remove(upload);
        Ok(())
    }

    fn uploads(&self) -> io::Result<Vec<(String, Timestamp)>> {
        let contents = self.contents();
        let all = contents.uploads.iter();
        Ok(all.map(|(name, (_, written))| (name.clone(), *written)).collect())
    }

    fn publish(&self, upload: &str, digest: &Digest, now: Timestamp) -> io::Result<()> {
        let mut contents = self.contents();
        let (bytes, _) = contents.uploads.remove(upload).ok_or_else(missing)?;
        contents.blobs.insert(*digest, (Arc::new(bytes), now));
        Ok(())
    }

    fn settle(&self, _: &Digest) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Source>> {
        let contents = self.contents();
        let (bytes, _) = contents.blobs.get(digest).ok_or_else(missing)?;
        Ok(Box::new(Held(Arc::clone(bytes))))
    }

    fn held_at(&self, digest: &Digest) -> io::Result<Timestamp> {
        let contents = self.contents();
        let held = contents.blobs.get(digest).map(|(_, held)| *held);
        held.ok_or_else(missing)
    }

    fn hold(&self, digest: &Digest, now: Timestamp) -> io::Result<()> {
        let mut contents = self.contents();
        let (_, held) = contents.blobs.get_mut(digest).ok_or_else(missing)?;
        *held = now;
        Ok(())
    }

    fn remove(&self, digest: &Digest) -> io::Result<()> {
        let removed = self.contents().blobs.remove(digest);
        removed.map(|_| ()).ok_or_else(missing)
    }

    fn blobs(&self, shelf: u8) -> io::Result<Vec<Digest>> {
        let contents = self.contents();
        let all = contents.blobs.keys();
        Ok(all.filter(|digest| digest.shelf() == shelf).copied().collect())
    }
}

#[derive(Debug)]
struct Held(Arc<Vec<u8>>);

impl Source for Held {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        Ok(part(&self.0, offset, length))
    }
}

fn part(bytes: &[u8], offset: u64, length: usize) -> Vec<u8> {
    let rest = bytes.get(position(offset)..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest).to_vec()
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}
