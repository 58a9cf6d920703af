//! Files of the state folder: for their owner's eyes only, and there as a whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AgentError;

/// What a file holds; `None` when it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AgentError> {
    let file_error = |source| AgentError::File {
        path: path.to_owned(),
        source,
    };
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(file_error)?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        file_error(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{error}; remove it to start without it"),
        ))
    })
}

/// Makes a file hold a value.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), AgentError> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::from);
    let written = bytes.and_then(|bytes| replace(path, &bytes));
    written.map_err(|source| AgentError::File {
        path: path.to_owned(),
        source,
    })
}

/// Makes a file hold these bytes: a new file, flushed, then renamed over the old one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let replaced = fill(Path::new(&draft), bytes).and_then(|()| fs::rename(&draft, path));
    if replaced.is_err() {
        // What a full disk cut short gives its room back; there may be nothing.
        let _ = fs::remove_file(&draft);
    }
    replaced
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
