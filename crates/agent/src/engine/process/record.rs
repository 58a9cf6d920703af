//! What is kept on disk of a process, so that an agent that starts again finds it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use portcullis_core::Timestamp;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// A process, named so that a later owner of its number is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pid: i32,
    /// Start time in clock ticks since boot, as the kernel counts it.
    start_ticks: u64,
    pub(super) started_at: Timestamp,
}

impl Record {
    /// The record of a process that was just started.
    pub(super) fn of(pid: u32, started_at: Timestamp) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self {
            pid,
            start_ticks: start_ticks(pid)?,
            started_at,
        })
    }

    pub(super) fn pid(self) -> Option<Pid> {
        Pid::from_raw(self.pid)
    }

    /// Whether that very process is still there, dead or alive.
    pub(super) fn is_present(self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    pub(super) fn runtime_id(self) -> String {
        format!("process-{}-{}", self.pid, self.start_ticks)
    }

    pub(super) fn save(self, path: &Path) -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&serde_json::to_vec(&self)?)
    }

    pub(super) fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// Field 22 of `/proc/<pid>/stat`; the name in field 2 may hold spaces and brackets.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let own = Record::of(std::process::id(), Timestamp::from_seconds(5)).unwrap();
        own.save(&path).unwrap();
        assert_eq!(Record::load(&path), Some(own));
        assert!(own.is_present());
        assert!(
            !Record {
                start_ticks: own.start_ticks + 1,
                ..own
            }
            .is_present()
        );
    }
}
