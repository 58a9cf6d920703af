//! The file of the log: appended to without a lock, moved away by size or by the hour (agent.md 2).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_core::Timestamp;

use crate::config::{AuditRotation, Rollover};

const SECONDS_AN_HOUR: i64 = 60 * 60;
/// `audit.log.2026-11-22-07`
const HOUR_FORMAT: &str = "%Y-%m-%d-%H";
/// Letters of that ending.
const HOUR_LETTERS: usize = 13;

/// The file that is written now, and those before it.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: AuditRotation,
    current: ArcSwap<Current>,
    /// Whoever moves the file away.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: AtomicU64,
    /// The hour of its last line, counted from the epoch.
    hour: AtomicI64,
    /// The last line was cut short (a full disk): the next begins on a line of its own.
    torn: AtomicBool,
}

impl LogFile {
    /// Opens or makes it, readable by its owner only.
    pub(super) fn open(path: &Path, rotation: AuditRotation) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            rotation,
            current: ArcSwap::from_pointee(open_append(path)?),
            turn: Mutex::default(),
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line. The kernel appends each write as one, so that requests need no turn.
    pub(super) fn append(&self, now: Timestamp, line: &str) -> io::Result<()> {
        let hour = now.as_seconds().div_euclid(SECONDS_AN_HOUR);
        if self.is_full(&self.current.load(), hour) {
            self.rotate(hour);
        }
        let current = self.current.load();
        let start = if current.torn.load(Ordering::Relaxed) {
            "\n"
        } else {
            ""
        };
        let text = format!("{start}{line}\n");
        let written = (&current.file).write(text.as_bytes());
        let whole = written.as_ref().is_ok_and(|bytes| *bytes == text.len());
        current.torn.store(
            !whole && (!start.is_empty() || written.as_ref().is_ok_and(|bytes| *bytes > 0)),
            Ordering::Relaxed,
        );
        let written = written?;
        current.bytes.fetch_add(written as u64, Ordering::Relaxed);
        current.hour.store(hour, Ordering::Relaxed);
        if whole {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::WriteZero,
                "only part of a line was written",
            ))
        }
    }

    fn is_full(&self, current: &Current, hour: i64) -> bool {
        let bytes = current.bytes.load(Ordering::Relaxed);
        match self.rotation.kind {
            Rollover::Size => bytes > self.rotation.bytes_max(),
            Rollover::Hourly => bytes > 0 && hour != current.hour.load(Ordering::Relaxed),
        }
    }

    /// Lines go on into the old file when it cannot be moved: a log that grows is better than none.
    fn rotate(&self, hour: i64) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        if !self.is_full(&current, hour) {
            return;
        }
        let moved = match self.rotation.kind {
            Rollover::Size => self.move_to_next_number(),
            Rollover::Hourly => self.move_to_hour(current.hour.load(Ordering::Relaxed)),
        };
        let moved = match moved {
            // Moved before, and no new file could be opened then; or somebody else moved it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved,
        };
        match moved.and_then(|()| open_append(&self.path)) {
            Ok(fresh) => self.current.store(Arc::new(fresh)),
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "the audit log cannot be rotated");
                // Not with every line.
                current.bytes.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The highest number is the newest.
    fn move_to_next_number(&self) -> io::Result<()> {
        let number = |ending: &str| ending.parse::<u64>().ok();
        let mut history: Vec<u64> = self
            .endings()?
            .iter()
            .filter_map(|ending| number(ending))
            .collect();
        history.sort_unstable();
        let next = history.last().map_or(1, |newest| newest + 1);
        fs::rename(&self.path, self.with_ending(&next.to_string()))?;
        history.push(next);
        self.drop_surplus(history.iter().map(ToString::to_string).collect())
    }

    fn move_to_hour(&self, hour: i64) -> io::Result<()> {
        let name = Timestamp::from_seconds(hour.saturating_mul(SECONDS_AN_HOUR)).format(HOUR_FORMAT);
        let target = self.with_ending(&name);
        if target.exists() {
            // An agent that began anew within the hour: its lines follow those that are there.
            let mut old = OpenOptions::new().append(true).open(&target)?;
            io::copy(&mut File::open(&self.path)?, &mut old)?;
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, &target)?;
        }
        let mut history: Vec<_> = self
            .endings()?
            .into_iter()
            .filter(|ending| is_hour(ending))
            .collect();
        history.sort_unstable();
        self.drop_surplus(history)
    }

    /// The oldest stand first.
    fn drop_surplus(&self, history: Vec<String>) -> io::Result<()> {
        let surplus = history.len().saturating_sub(self.rotation.files_max);
        history
            .iter()
            .take(surplus)
            .try_for_each(|ending| fs::remove_file(self.with_ending(ending)))
    }

    /// What stands behind the log's name and a dot in its folder.
    fn endings(&self) -> io::Result<Vec<String>> {
        let name = self
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut endings = Vec::new();
        for entry in fs::read_dir(folder)? {
            let found = entry?.file_name();
            let ending = found
                .to_str()
                .and_then(|text| text.strip_prefix(name)?.strip_prefix('.'));
            endings.extend(ending.map(str::to_owned));
        }
        Ok(endings)
    }

    fn with_ending(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{ending}"));
        PathBuf::from(name)
    }
}

fn is_hour(ending: &str) -> bool {
    ending.len() == HOUR_LETTERS && ending.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn open_append(path: &Path) -> io::Result<Current> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let there = file.metadata()?;
    // One that an earlier agent, or somebody else, left open to others.
    if there.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    let changed = there
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(changed.as_secs()).unwrap_or_default();
    Ok(Current {
        file,
        bytes: AtomicU64::new(there.len()),
        hour: AtomicI64::new(seconds.div_euclid(SECONDS_AN_HOUR)),
        torn: AtomicBool::new(false),
    })
}
