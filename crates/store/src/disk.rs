//! The engine on a disk: one redb file, every write synced, every record with a checksum of its own.

use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition,
};
use sha2::{Digest, Sha256};

use crate::directory::Directory;
use crate::engine::{Engine, Snapshot, Visit, Write};
use crate::file::StoreFile;
use crate::private::{remove_if_there, sync_parent};
use crate::record::{self, REVISION_KEY};
use crate::{OpenError, Revision, StoreError};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// Bytes of the database kept in memory; the operating system caches the rest of the file.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Length of the checksum after every value.
const CHECKSUM_BYTES: usize = 8;

/// Opens the file, at the start and again after each failure.
type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

enum Handle {
    Open(Database),
    Lost,
    Closed,
}

/// Ordered bytes in a redb file.
pub(crate) struct Disk {
    opener: Opener,
    handle: RwLock<Handle>,
    /// Kept locked until the engine is dropped.
    _directory: Option<Directory>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// Makes the file of a new, empty store. It gets its name only when it is whole.
    pub(crate) fn create(path: &Path) -> Result<(), OpenError> {
        let io = |action| {
            move |source| OpenError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let unfinished = path.with_extension("new");
        remove_if_there(&unfinished).map_err(io("remove"))?;
        let disk = Self::with_opener(opener(unfinished.clone(), true), None).map_err(explain(&unfinished))?;
        disk.begin().map_err(|error| match error {
            StoreError::DiskFull => io("create")(std::io::ErrorKind::StorageFull.into()),
            error => damaged(&unfinished, error.to_string()),
        })?;
        disk.close();
        std::fs::rename(&unfinished, path).map_err(io("create"))?;
        sync_parent(path)
    }

    /// Opens an existing file and verifies all of it.
    pub(crate) fn open(path: &Path, directory: Option<Directory>) -> Result<Self, OpenError> {
        let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => OpenError::Missing {
                path: path.to_owned(),
            },
            _ => OpenError::Io {
                action: "open",
                path: path.to_owned(),
                source,
            },
        })?;
        if metadata.len() == 0 {
            return Err(damaged(path, "it is empty".to_owned()));
        }
        let disk = Self::with_opener(opener(path.to_owned(), false), directory).map_err(explain(path))?;
        let revision = disk.snapshot().and_then(|snapshot| snapshot.get(REVISION_KEY));
        match revision {
            Ok(Some(_)) => Ok(disk),
            Ok(None) => Err(damaged(path, "it holds no store".to_owned())),
            Err(error) => Err(damaged(path, error.to_string())),
        }
    }

    pub(crate) fn with_opener(opener: Opener, directory: Option<Directory>) -> Result<Self, DatabaseError> {
        let handle = RwLock::new(Handle::Open(opener()?));
        Ok(Self {
            opener,
            handle,
            _directory: directory,
        })
    }

    /// Makes an empty file a store at revision 0.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        let zero: Write = (
            REVISION_KEY.into(),
            Some(Arc::from(0_u64.to_be_bytes().as_slice())),
        );
        self.write(&mut std::iter::once(&zero))
    }

    /// The newest revision in the file.
    pub(crate) fn revision(&self) -> Result<Revision, StoreError> {
        record::revision(&*self.snapshot()?)
    }
}

impl Engine for Disk {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let database = handle.database()?;
        let reading = database.begin_read().map_err(translate)?;
        Ok(Box::new(reading.open_table(TABLE).map_err(translate)?))
    }

    fn write(&self, writes: &mut dyn Iterator<Item = &Write>) -> Result<(), StoreError> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let writing = handle.database()?.begin_write().map_err(translate)?;
        {
            let mut table = writing.open_table(TABLE).map_err(translate)?;
            for (key, value) in writes {
                match value {
                    Some(value) => table
                        .insert(&**key, guarded(key, value).as_slice())
                        .map_err(translate)?,
                    None => table.remove(&**key).map_err(translate)?,
                };
            }
        }
        writing.commit().map_err(translate)
    }

    fn recover(&self) -> Result<(), StoreError> {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*handle, Handle::Closed) {
            return Err(StoreError::Closed);
        }
        // The file is let go of before it is opened anew.
        *handle = Handle::Lost;
        *handle = Handle::Open((self.opener)().map_err(translate)?);
        Ok(())
    }

    fn close(&self) {
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = Handle::Closed;
    }
}

impl Handle {
    fn database(&self) -> Result<&Database, StoreError> {
        match self {
            Self::Open(database) => Ok(database),
            Self::Lost => Err(StoreError::Recovering),
            Self::Closed => Err(StoreError::Closed),
        }
    }
}

impl Snapshot for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        let found = ReadableTable::get(self, key).map_err(translate)?;
        found
            .map(|bytes| verified(key, bytes.value()).map(Arc::from))
            .transpose()
    }

    fn scan(&self, from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        let rows = self
            .range::<&[u8]>((Bound::Included(from), Bound::Unbounded))
            .map_err(translate)?;
        for row in rows {
            let (key, value) = row.map_err(translate)?;
            if !visit(key.value(), verified(key.value(), value.value())?)? {
                break;
            }
        }
        Ok(())
    }
}

/// The settings every opening of the file shares.
pub(crate) fn builder() -> Builder {
    let mut builder = Builder::new();
    // The whole file is verified each time it is opened: a damaged store is refused, never served.
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

fn opener(path: PathBuf, new: bool) -> Opener {
    Box::new(move || builder().create_with_backend(StoreFile::open(&path, new)?))
}

/// The value with a checksum over key and value behind it.
fn guarded(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(&checksum(key, value));
    bytes
}

fn verified<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match bytes.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((value, sum)) if *sum == checksum(key, value) => Ok(value),
        _ => Err(StoreError::Corrupt(
            "a record does not match its checksum".to_owned(),
        )),
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX);
    let digest = Sha256::new()
        .chain_update(length.to_be_bytes())
        .chain_update(key)
        .chain_update(value)
        .finalize();
    digest.first_chunk().copied().unwrap_or_default()
}

fn translate(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) if is_full(&error) => StoreError::DiskFull,
        redb::Error::Corrupted(detail) => StoreError::Corrupt(detail),
        redb::Error::DatabaseClosed => StoreError::Recovering,
        error => StoreError::Disk(error.to_string()),
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn explain(path: &Path) -> impl FnOnce(DatabaseError) -> OpenError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let path = path.to_owned();
    move |error| match redb::Error::from(error) {
        redb::Error::Io(source) if !matches!(source.kind(), InvalidData | InvalidInput | UnexpectedEof) => {
            OpenError::Io {
                action: "open",
                path,
                source,
            }
        }
        redb::Error::Corrupted(detail) => OpenError::Damaged { path, detail },
        error => OpenError::Damaged {
            path,
            detail: error.to_string(),
        },
    }
}

fn damaged(path: &Path, detail: String) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        detail,
    }
}
