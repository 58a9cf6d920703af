//! Opening a store: the front door of the room.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::{AccountId, Clock, Random};

use crate::directory::Directory;
use crate::disk::Disk;
use crate::documents::Documents;
use crate::memory::Memory;
use crate::{OpenError, Store, StoreError, Vault, keyring};

/// Where a lasting store lives and whose it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data directory; it is made, and made private, if need be.
    pub dir: PathBuf,
    /// The account whose documents it holds.
    pub account: AccountId,
    /// The master key's file, `master.key` in the data directory if not given. It is made with a new directory if it
    /// is not there.
    pub master_key: Option<PathBuf>,
}

/// An open store and the vault for the secrets in it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The keys.
    pub vault: Arc<Vault>,
}

/// Opens the store in a data directory, or makes a new one. Verifies the whole store file.
pub fn open(place: &Place, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Opened, OpenError> {
    let directory = Directory::claim(&place.dir)?;
    let state = directory.file("state.redb");
    let finished = directory.check_format(&place.account)?;
    if !finished && state.exists() && !is_empty(&state)? {
        return Err(OpenError::Missing {
            path: directory.file("FORMAT"),
        });
    }
    let master_key = place
        .master_key
        .clone()
        .unwrap_or_else(|| directory.file("master.key"));
    let vault = keyring::open(&directory.file("keyring.json"), &master_key, finished, random)?;
    if !finished {
        if !state.exists() {
            Disk::create(&state)?;
        }
        directory.write_format(&place.account)?;
    }
    let documents = Documents::with_writer(Disk::open(&state, Some(directory))?, clock);
    let documents = documents.map_err(|error| damaged(&state, &error))?;
    Ok(Opened {
        store: Arc::new(documents),
        vault: Arc::new(vault),
    })
}

/// A store in memory that ends with the process, and a vault that ends with it.
pub fn open_in_memory(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Opened, StoreError> {
    let documents = Documents::inline(Memory::new(), clock)?;
    Ok(Opened {
        store: Arc::new(documents),
        vault: Arc::new(Vault::in_memory(random)),
    })
}

/// Whether the store file is one that was made and never written to.
fn is_empty(state: &Path) -> Result<bool, OpenError> {
    let documents = Disk::open(state, None)?;
    documents
        .revision()
        .map(|revision| revision.0 == 0)
        .map_err(|error| damaged(state, &error))
}

fn damaged(path: &Path, error: &StoreError) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}
