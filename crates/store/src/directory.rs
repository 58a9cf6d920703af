//! The data directory: whose it is, who works in it, and what lies where.
//!
//! | file | what |
//! |---|---|
//! | `FORMAT` | format version and account id; written last when the directory is made, checked first afterwards |
//! | `LOCK` | locked by the process that works here; holds its id |
//! | `state.redb` | the documents |
//! | `master.key` | the master key, unless it is kept elsewhere |
//! | `keyring.json` | the data keys, wrapped by the master key |

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use portcullis_core::AccountId;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::OpenError;
use crate::private::{read_private, write_whole};

/// The version of the layout this program reads and writes.
const FORMAT: u64 = 1;

/// A data directory that this process alone works in, as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, makes it private, and locks it.
    pub(crate) fn claim(path: &Path) -> Result<Self, OpenError> {
        let io = |action| {
            move |source| OpenError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io("create"))?;
        let mode = std::fs::metadata(path).map_err(io("open"))?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io("make private"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock(path)?,
        })
    }

    /// A file in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Checks whose directory it is; false when it was not finished yet.
    pub(crate) fn check_format(&self, wanted: &AccountId) -> Result<bool, OpenError> {
        let path = self.file("FORMAT");
        let Some(text) = read_private(&path)? else {
            return Ok(false);
        };
        let damaged = || OpenError::Damaged {
            path: path.clone(),
            detail: "it cannot be understood".to_owned(),
        };
        let format: Value = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let version = format.get("format").and_then(Value::as_u64).ok_or_else(damaged)?;
        if version != FORMAT {
            return Err(OpenError::UnknownFormat {
                dir: self.path.clone(),
                found: version,
                known: FORMAT,
            });
        }
        let account = format
            .get("account")
            .and_then(Value::as_str)
            .ok_or_else(damaged)?;
        let found: AccountId = account.parse().map_err(|_| damaged())?;
        if found != *wanted {
            return Err(OpenError::OtherAccount {
                dir: self.path.clone(),
                found,
                wanted: wanted.clone(),
            });
        }
        Ok(true)
    }

    /// Declares the directory finished.
    pub(crate) fn write_format(&self, account: &AccountId) -> Result<(), OpenError> {
        let format = json!({ "format": FORMAT, "account": account.as_str() });
        write_whole(&self.file("FORMAT"), format!("{format}\n").as_bytes())
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("LOCK");
    let io = |source| OpenError::Io {
        action: "lock",
        path: path.clone(),
        source,
    };
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known {
                holder.trim().to_owned()
            } else {
                "unknown".to_owned()
            };
            return Err(OpenError::InUse {
                dir: dir.to_owned(),
                holder,
            });
        }
        Err(error) => return Err(io(error.into())),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io)?;
    Ok(file)
}
