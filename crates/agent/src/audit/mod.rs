//! The audit log of the credentials endpoint: one line a request, the genuine agent's format (agent.md 2), written before
//! the request is answered; and a copy of each line's facts for the control plane.
//!
//! A line that cannot be written does not hold credentials back: tasks would stop because a log is full. It goes to the
//! agent's own log and, like every other, to the control plane; the first line written after a gap says nothing of it,
//! for the format has no room (docs/audit.md).

mod file;
mod outbox;
mod repeats;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, Timestamp};

use self::file::LogFile;
pub(crate) use self::outbox::{Fetch, Outbox, Shipment};
use self::repeats::Repeats;
use crate::config::AuditRotation;
use crate::credentials::RoleKind;

const LOG_VERSION: u8 = 2;
/// Most of what a caller sent that a line holds, in bytes: a header may be 64 KiB.
const CALLERS_TEXT_MAX: usize = 1024;

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

/// How the log is kept.
#[derive(Debug, Clone)]
pub(crate) struct AuditSettings {
    /// No file when absent (`ECS_AUDIT_LOGFILE_DISABLED`): lines go to the control plane alone.
    pub(crate) path: Option<PathBuf>,
    pub(crate) rotation: AuditRotation,
    /// As configured.
    pub(crate) cluster: String,
    /// Whether user agents are logged as the genuine agent does, inner quotes and all.
    pub(crate) compat: bool,
}

/// The open log.
#[derive(Debug)]
pub(crate) struct AuditLog {
    clock: Arc<dyn Clock>,
    cluster: String,
    compat: bool,
    file: Option<LogFile>,
    instance_arn: ArcSwap<String>,
    outbox: Outbox,
    repeats: Repeats,
}

impl AuditLog {
    /// Opens or makes the log, readable by its owner only. What an earlier agent could not ship waits in `outbox_path`.
    pub(crate) fn open(
        settings: AuditSettings,
        outbox_path: &Path,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let file = match &settings.path {
            Some(path) => Some(LogFile::open(path, settings.rotation)?),
            None => None,
        };
        Ok(Self {
            outbox: Outbox::open(outbox_path, clock.now()),
            clock,
            cluster: settings.cluster,
            compat: settings.compat,
            file,
            instance_arn: ArcSwap::default(),
            repeats: Repeats::default(),
        })
    }

    /// The container instance whose lines follow.
    pub(crate) fn set_instance(&self, arn: &str) {
        self.instance_arn.store(Arc::new(arn.to_owned()));
    }

    /// What waits for the control plane.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Writes one line, before the request is answered.
    pub(crate) fn record(&self, access: &Access<'_>) {
        let now = self.clock.now();
        let user_agent = self.user_agent(access.user_agent);
        let path = loggable_path(access.path);
        if let Some(file) = &self.file {
            let line = self.line(now, access, &path, &user_agent);
            if let Err(error) = file.append(now, &line) {
                tracing::error!(%error, path = %file.path().display(), "audit log cannot be written: {line}");
            }
        }
        self.copy(now, access, path, user_agent);
    }

    /// For the control plane.
    fn copy(&self, now: Timestamp, access: &Access<'_>, path: String, user_agent: String) {
        let address = access.source.rsplit_once(':').map_or(access.source, |(ip, _)| ip);
        let task_arn = access.granted.map(|(task, _)| task.to_owned());
        let kind = (address.to_owned(), access.status, task_arn.clone());
        if !self.repeats.allow(kind, now) {
            return;
        }
        self.outbox.add(Fetch {
            at: now,
            status: access.status,
            source: access.source.to_owned(),
            path,
            user_agent,
            task_arn,
            event_type: access.granted.map(|(_, kind)| kind.event_type().to_owned()),
        });
    }

    /// Lines about refused requests end after the task field, with a space: the genuine agent does not know their event
    /// type.
    fn line(&self, now: Timestamp, access: &Access<'_>, path: &str, user_agent: &str) -> String {
        let (status, source, time) = (access.status, access.source, now.to_iso());
        let start = format!("{time} {status} {source} \"{path}\" \"{user_agent}\"");
        match access.granted {
            Some((task_arn, kind)) => {
                let cluster = if self.cluster.is_empty() {
                    "-"
                } else {
                    &self.cluster
                };
                let instance_arn = self.instance_arn.load();
                format!(
                    "{start} {task_arn} {} {LOG_VERSION} {cluster} {instance_arn}",
                    kind.event_type()
                )
            }
            None => format!("{start} - "),
        }
    }

    /// What a caller says of itself must neither end the line nor look like its other fields, nor be obeyed by a terminal.
    fn user_agent(&self, said: &str) -> String {
        let end = said.floor_char_boundary(CALLERS_TEXT_MAX);
        let said = said.get(..end).unwrap_or_default();
        let shown = |letter: char| match letter {
            '"' if !self.compat => '\'',
            letter if letter.is_control() => ' ',
            letter => letter,
        };
        said.chars().map(shown).collect()
    }
}

/// A path that a caller chose (throttled requests log theirs), without what would end its quotes.
fn loggable_path(path: &str) -> String {
    let end = path.floor_char_boundary(CALLERS_TEXT_MAX);
    let path = path.get(..end).unwrap_or_default();
    path.replace('"', "%22")
        .replace(|letter: char| letter.is_control() || letter == ' ', "+")
}

#[cfg(test)]
mod tests;
