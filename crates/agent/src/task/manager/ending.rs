//! When an agent that stops its tasks may end.

use std::time::Duration;

use tokio::time::Instant;

use super::Manager;
use super::launching::stop_timeout;
use crate::task::model::Known;

/// How long an ending agent waits for the control plane to take the last reports.
const REPORT_PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for an engine that stops no container any more, beyond what containers have for their end.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits for an engine that does not say what became of a container it was to bring up.
const DOUBT_PATIENCE: Duration = Duration::from_secs(30);

/// Since when an ending agent waits, and for what.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// With how many containers are left.
    stops: Option<(usize, Instant)>,
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
            let is_stuck = self.is_stuck(waits);
            if is_stuck {
                tracing::warn!(
                    "the engine stops nothing any more: containers may run on after the agent's end; the next start takes them over"
                );
            }
            return is_stuck;
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

    /// Whether no container has ended for longer than any of those that are left may take.
    fn is_stuck(&self, waits: &mut Waits) -> bool {
        let containers = self.tasks.values().flat_map(|task| &task.containers);
        let left: Vec<_> = containers.filter(|one| one.known != Known::Stopped).collect();
        let longest = left.iter().map(|one| stop_timeout(one, &self.parts)).max();
        let since = match waits.stops {
            Some((before, since)) if before == left.len() => since,
            _ => Instant::now(),
        };
        waits.stops = Some((left.len(), since));
        since.elapsed() > longest.unwrap_or_default() + STOP_PATIENCE
    }
}
