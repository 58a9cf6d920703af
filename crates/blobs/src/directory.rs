//! Blobs in a directory: `uploads/NAME` for what is under way, `sha256/ab/ab12...` for what is there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::Timestamp;

use crate::Digest;
use crate::medium::{Medium, Source};

/// A directory that only its owner reads.
#[derive(Debug)]
pub(crate) struct Directory {
    uploads: PathBuf,
    shelves: PathBuf,
}

impl Directory {
    /// Makes what is missing of the directory. Blocks.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (uploads, shelves) = (path.join("uploads"), path.join("sha256"));
        private_folder(&uploads)?;
        for shelf in 0..=u8::MAX {
            private_folder(&shelves.join(format!("{shelf:02x}")))?;
        }
        sync_folder(&shelves)?;
        sync_folder(path)?;
        Ok(Self { uploads, shelves })
    }

    fn upload(&self, name: &str) -> PathBuf {
        self.uploads.join(name)
    }

    fn shelf(&self, number: u8) -> PathBuf {
        self.shelves.join(format!("{number:02x}"))
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.shelf(digest.shelf()).join(digest.hex())
    }
}

impl Medium for Directory {
    fn create(&self, upload: &str, now: Timestamp) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(self.upload(upload))?.set_modified(moment(now))
    }

    fn settle_uploads(&self) -> io::Result<()> {
        sync_folder(&self.uploads)
    }

    fn length(&self, upload: &str) -> io::Result<u64> {
        Ok(self.upload(upload).metadata()?.len())
    }

    fn write(&self, upload: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.upload(upload))?;
        file.write_all_at(bytes, offset)
    }

    fn truncate(&self, upload: &str, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.upload(upload))?;
        file.set_len(length)
    }

    fn sync(&self, upload: &str, now: Timestamp) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.upload(upload))?;
        file.set_modified(moment(now))?;
        file.sync_data()
    }

    fn read_upload(&self, upload: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        read_part(File::open(self.upload(upload))?, offset, length)
    }

    fn discard(&self, upload: &str) -> io::Result<()> {
        match std::fs::remove_file(self.upload(upload)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn uploads(&self) -> io::Result<Vec<(String, Timestamp)>> {
        let mut uploads = Vec::new();
        for entry in std::fs::read_dir(&self.uploads)? {
            let entry = entry?;
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            if let (Ok(name), Ok(written)) = (entry.file_name().into_string(), written) {
                uploads.push((name, timestamp(written)));
            }
        }
        Ok(uploads)
    }

    fn publish(&self, upload: &str, digest: &Digest, now: Timestamp) -> io::Result<()> {
        let from = self.upload(upload);
        OpenOptions::new()
            .write(true)
            .open(&from)?
            .set_modified(moment(now))?;
        std::fs::rename(from, self.blob(digest))
    }

    fn settle(&self, digest: &Digest) -> io::Result<()> {
        sync_folder(&self.shelf(digest.shelf()))
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Source>> {
        let file = File::open(self.blob(digest))?;
        let size = file.metadata()?.len();
        Ok(Box::new(OpenFile { file, size }))
    }

    fn held_at(&self, digest: &Digest) -> io::Result<Timestamp> {
        Ok(timestamp(self.blob(digest).metadata()?.modified()?))
    }

    fn hold(&self, digest: &Digest, now: Timestamp) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.blob(digest))?;
        file.set_modified(moment(now))
    }

    fn remove(&self, digest: &Digest) -> io::Result<()> {
        std::fs::remove_file(self.blob(digest))
    }

    fn blobs(&self, shelf: u8) -> io::Result<Vec<Digest>> {
        let mut blobs = Vec::new();
        for entry in std::fs::read_dir(self.shelf(shelf))? {
            let name = entry?.file_name();
            blobs.extend(name.to_str().and_then(|name| Digest::from_hex(name).ok()));
        }
        Ok(blobs)
    }
}

/// A blob's file. It stays readable when its name is gone.
#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
}

impl Source for OpenFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

fn read_part(mut file: File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(offset))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the names in a folder last.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or_default())
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
