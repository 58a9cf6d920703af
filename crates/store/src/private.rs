//! Small files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::OpenError;

/// Longest small file; a longer one is not ours.
const BYTES_MAX: u64 = 1024 * 1024;

/// Writes a file with mode 0600 so that it is either there whole, also after a power loss, or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let unfinished = path.with_extension("new");
    remove_if_there(&unfinished).map_err(io)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&unfinished, path).map_err(io)?;
    sync_parent(path)
}

/// Removes what an interrupted start may have left.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a file's directory last.
pub(crate) fn sync_parent(path: &Path) -> Result<(), OpenError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|source| OpenError::Io {
        action: "sync",
        path: parent.to_owned(),
        source,
    })
}

/// The bytes of a file, or `None` if there is none. Refuses a file that others may read.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, OpenError> {
    let io = |source| OpenError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(OpenError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}
