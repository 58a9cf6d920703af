//! The store file below redb: private, grown with real disk space, read back from the real disk after a failure.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use redb::StorageBackend;
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::io::Errno;

/// A file redb works in. It is not locked itself: the data directory is.
#[derive(Debug)]
pub(crate) struct StoreFile(File);

impl StoreFile {
    /// Opens the file, or makes it if it is to be `new`.
    pub(crate) fn open(path: &Path, new: bool) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(new)
            .mode(0o600)
            .open(path)?;
        // After a failed fsync the system may show pages that never reached the disk. What cannot be synced now is
        // not trusted, and what is cached is forgotten, so that the check of the file sees the disk's own bytes.
        file.sync_data()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
        Ok(Self(file))
    }
}

impl StorageBackend for StoreFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    /// Takes the disk space now, so that a full disk is met here, before anything is half written.
    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.len()?;
        if len > now {
            match fallocate(&self.0, FallocateFlags::empty(), now, len - now) {
                Ok(()) => return Ok(()),
                // The file system cannot reserve space; growing must do.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
