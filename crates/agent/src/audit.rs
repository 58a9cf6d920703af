//! The audit log of the credentials endpoint: one line a request, the genuine agent's format and rotation
//! (agent.md 2).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::Clock;

use crate::credentials::RoleKind;

/// `ECS_LOG_MAX_FILE_SIZE_MB`, in bytes.
const FILE_BYTES_MAX: u64 = 5 * 1_000_000;
/// `ECS_LOG_MAX_ROLL_COUNT`.
const HISTORY_FILES_MAX: usize = 24;
const LOG_VERSION: u8 = 2;

/// What one request leaves behind.
#[derive(Debug)]
pub(crate) struct Access<'a> {
    pub(crate) status: u16,
    /// `ip:port`.
    pub(crate) source: &'a str,
    /// Without the credentials id and without the query.
    pub(crate) path: &'a str,
    pub(crate) user_agent: &'a str,
    /// The task and role whose credentials were handed out.
    pub(crate) granted: Option<(&'a str, RoleKind)>,
}

/// The open log.
#[derive(Debug)]
pub(crate) struct AuditLog {
    clock: Arc<dyn Clock>,
    cluster: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    size: u64,
    instance_arn: String,
}

impl AuditLog {
    /// Opens or makes the log, readable by its owner only.
    pub(crate) fn open(path: &Path, cluster: &str, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (file, size) = open_append(path)?;
        let inner = Inner {
            path: path.to_owned(),
            file,
            size,
            instance_arn: String::new(),
        };
        Ok(Self {
            clock,
            cluster: cluster.to_owned(),
            inner: Mutex::new(inner),
        })
    }

    /// The container instance whose lines follow.
    pub(crate) fn set_instance(&self, arn: &str) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .instance_arn = arn.to_owned();
    }

    /// Writes one line, before the request is answered.
    pub(crate) fn record(&self, access: &Access<'_>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line(
            &self.clock.now().to_iso(),
            access,
            &self.cluster,
            &inner.instance_arn,
        );
        if let Err(error) = inner.append(&line) {
            tracing::error!(%error, path = %inner.path.display(), "audit log cannot be written: {line}");
        }
    }
}

impl Inner {
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.size > FILE_BYTES_MAX {
            rotate(&self.path)?;
            (self.file, self.size) = open_append(&self.path)?;
        }
        writeln!(self.file, "{line}")?;
        self.size += line.len() as u64 + 1;
        Ok(())
    }
}

/// Lines about refused requests end after the task field, with a space: the genuine agent does not know their event
/// type.
fn line(time: &str, access: &Access<'_>, cluster: &str, instance_arn: &str) -> String {
    let Access {
        status,
        source,
        path,
        user_agent,
        granted,
    } = access;
    // A line break of the caller's must not make a second line.
    let user_agent = user_agent.replace(['\r', '\n'], " ");
    let start = format!("{time} {status} {source} \"{path}\" \"{user_agent}\"");
    match granted {
        Some((task_arn, kind)) => {
            let cluster = if cluster.is_empty() { "-" } else { cluster };
            format!(
                "{start} {task_arn} {} {LOG_VERSION} {cluster} {instance_arn}",
                kind.event_type()
            )
        }
        None => format!("{start} - "),
    }
}

fn open_append(path: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Moves the full file to the next number and drops the oldest beyond the limit. The highest number is the newest.
fn rotate(path: &Path) -> io::Result<()> {
    let mut history = history(path)?;
    history.sort_unstable();
    let next = history.last().map_or(1, |newest| newest + 1);
    fs::rename(path, numbered(path, next))?;
    history.push(next);
    let surplus = history.len().saturating_sub(HISTORY_FILES_MAX);
    for number in history.into_iter().take(surplus) {
        fs::remove_file(numbered(path, number))?;
    }
    Ok(())
}

fn history(path: &Path) -> io::Result<Vec<u64>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file_name = entry?.file_name();
        let number = file_name
            .to_str()
            .and_then(|text| text.strip_prefix(name)?.strip_prefix('.')?.parse::<u64>().ok());
        numbers.extend(number);
    }
    Ok(numbers)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use portcullis_core::{FixedClock, Timestamp};

    use super::*;

    const TASK: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa";
    const INSTANCE: &str = "arn:aws:ecs:us-west-2:111122223333:container-instance/probe/0123";

    fn log(folder: &Path) -> AuditLog {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_795_304_278)));
        let log = AuditLog::open(&folder.join("audit.log"), "probe", clock).unwrap();
        log.set_instance(INSTANCE);
        log
    }

    #[test]
    fn agent_2_lines_are_the_genuine_agents() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let access = |status, path, user_agent, granted| Access {
            status,
            source: "172.17.0.2:38834",
            path,
            user_agent,
            granted,
        };
        log.record(&access(
            200,
            "/v2/credentials",
            "probe agent/1.0",
            Some((TASK, RoleKind::TaskApplication)),
        ));
        log.record(&access(
            200,
            "/v2/credentials",
            "",
            Some((TASK, RoleKind::TaskExecution)),
        ));
        log.record(&access(400, "/v1/credentials", "probe \"agent\"", None));
        log.record(&access(429, "/v4/zzz", "Wget\nforged", None));
        let expected = format!(
            "2026-11-21T23:37:58Z 200 172.17.0.2:38834 \"/v2/credentials\" \"probe agent/1.0\" {TASK} GetCredentials 2 probe {INSTANCE}\n\
             2026-11-21T23:37:58Z 200 172.17.0.2:38834 \"/v2/credentials\" \"\" {TASK} GetCredentialsExecutionRole 2 probe {INSTANCE}\n\
             2026-11-21T23:37:58Z 400 172.17.0.2:38834 \"/v1/credentials\" \"probe \"agent\"\" - \n\
             2026-11-21T23:37:58Z 429 172.17.0.2:38834 \"/v4/zzz\" \"Wget forged\" - \n"
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("audit.log")).unwrap(),
            expected
        );
    }

    #[test]
    fn agent_2_rotation_keeps_24_files_and_numbers_upwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for number in 7..=30 {
            fs::write(numbered(&path, number), "old").unwrap();
        }
        fs::write(&path, vec![b'x'; 5_000_001]).unwrap();
        let log = log(folder.path());
        log.record(&Access {
            status: 400,
            source: "a:1",
            path: "/",
            user_agent: "",
            granted: None,
        });
        let mut kept = history(&path).unwrap();
        kept.sort_unstable();
        assert_eq!(kept, (8..=31).collect::<Vec<_>>());
        assert_eq!(fs::metadata(numbered(&path, 31)).unwrap().len(), 5_000_001);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
