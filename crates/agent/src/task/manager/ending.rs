//! When an agent that stops its tasks may end.

use std::time::Duration;

use tokio::time::Instant;

use super::Manager;
use crate::task::model::Known;

/// How long an ending agent waits for the control plane to take the last reports.
const REPORT_PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for an engine that does not say what became of a container it was to bring up.
const DOUBT_PATIENCE: Duration = Duration::from_secs(30);

/// Since when an ending agent waits, and for what.
#[derive(Debug, Default)]
pub(super) struct Waits {
    doubts: Option<Instant>,
    reports: Option<Instant>,
}

fn is_over(since: &mut Option<Instant>, patience: Duration) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() > patience
}

impl Manager {
    /// Whether every task is stopped and the control plane knows it, or it has been waited for long enough.
    pub(super) fn may_end(&self, waits: &mut Waits) -> bool {
        let tasks = || self.tasks.values();
        if !tasks().all(|task| task.known() == Known::Stopped) {
            return false;
        }
        // What the engine may still bring up, nobody would stop after the agent's end.
        let is_doubtful = tasks().any(|task| task.is_doubtful());
        if is_doubtful && !is_over(&mut waits.doubts, DOUBT_PATIENCE) {
            return false;
        }
        let is_reported = tasks().all(|task| task.reported == Known::Stopped);
        if !is_reported && !is_over(&mut waits.reports, REPORT_PATIENCE) {
            return false;
        }
        if is_doubtful {
            tracing::warn!(
                "the engine does not answer: a container it was to bring up may run after the agent's end"
            );
        }
        if !is_reported {
            tracing::warn!(
                "the control plane does not take the last state changes; they are sent at the next start"
            );
        }
        true
    }
}
