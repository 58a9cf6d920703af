//! What became of the tasks of a deployment: failures, back-off, circuit breaker, alarms.

use portcullis_core::Timestamp;

use super::outcome::Says;
use super::picture::{AlarmState, CircuitBreaker, Ended, Task};
use super::progress::{AlarmWatch, Cause, Progress, Rollout};

/// The first wait after tasks failed to start, in seconds; each further round doubles it.
const FIRST_WAIT: i64 = 5;
/// The longest wait: 15 minutes (ecs.md 11).
pub(super) const LONGEST_WAIT: i64 = 900;
/// Rounds of failures in a row after which the service is told to be unable to start tasks consistently.
const IMPAIRED_AFTER: u32 = 3;

/// What the picture shows of one deployment's tasks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) running: u32,
    pub(super) healthy: u32,
}

impl Progress {
    /// The deployment is still to be proved.
    pub(super) fn is_rolling(&self) -> bool {
        matches!(self.rollout, Rollout::InProgress | Rollout::RollingBack(_))
    }

    /// It was given up: nothing of it is started any more.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.rollout, Rollout::Failed(_))
    }

    /// Starts wait for the back-off to end.
    pub(super) fn waits(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| now < at)
    }

    /// Takes in what happened since the last plan. `breaker` only says whether a healthy task forgives.
    pub(super) fn take_in(
        &mut self,
        at: usize,
        ended: Ended,
        seen: Seen,
        breaker: Option<CircuitBreaker>,
        now: Timestamp,
    ) -> Option<Says> {
        let forgives = breaker.is_none_or(|breaker| breaker.reset_on_healthy_task);
        if seen.running > self.running_seen || ended.ran > 0 {
            self.failed_tasks = 0;
            self.forget_back_off();
            if forgives && !self.ran {
                self.breaker_failures = 0;
            }
            self.ran = true;
        }
        if forgives && seen.healthy > self.healthy_seen {
            self.breaker_failures = 0;
        }
        // A clock set back must not make the wait longer than the longest.
        self.retry_at = self.retry_at.map(|at| at.min(now.plus_seconds(LONGEST_WAIT)));
        if ended.failed_to_start == 0 {
            return None;
        }
        self.failed_tasks = self.failed_tasks.saturating_add(ended.failed_to_start);
        if self.is_rolling() && !(self.ran && forgives) {
            self.breaker_failures = self.breaker_failures.saturating_add(ended.failed_to_start);
        }
        self.back_off(at, now)
    }

    /// Tasks failed: the next ones wait. Those of one round fail one after another and lengthen the wait only once.
    fn back_off(&mut self, at: usize, now: Timestamp) -> Option<Says> {
        if self.waits(now) {
            return None;
        }
        self.failed_rounds = self.failed_rounds.saturating_add(1);
        let doublings = self.failed_rounds.saturating_sub(1).min(16);
        self.retry_at = Some(now.plus_seconds((FIRST_WAIT << doublings).min(LONGEST_WAIT)));
        (self.failed_rounds >= IMPAIRED_AFTER).then_some(Says::StartImpaired { deployment: at })
    }

    /// `count` of its tasks are stopped because their health checks fail.
    pub(super) fn count_unhealthy(&mut self, count: u32) {
        self.failed_tasks = self.failed_tasks.saturating_add(count);
        if self.is_rolling() {
            self.breaker_failures = self.breaker_failures.saturating_add(count);
        }
    }

    /// Whether the deployment must be given up now: why, and whether the service is to go back.
    pub(super) fn fails(
        &mut self,
        desired: u32,
        breaker: Option<CircuitBreaker>,
        alarms: Option<AlarmState>,
    ) -> Option<(Cause, bool)> {
        let asked = self.stop_asked.take();
        if !self.is_rolling() {
            return None;
        }
        if let Some(cause) = asked {
            return Some((cause, cause == Cause::StoppedToRollBack));
        }
        if let Some(breaker) = breaker
            && self.breaker_failures >= breaker.threshold.failures(desired)
        {
            let cause = if self.ran {
                Cause::TasksFailedHealthChecks
            } else {
                Cause::TasksFailedToStart
            };
            return Some((cause, breaker.rollback));
        }
        self.alarmed(alarms).map(|rollback| (Cause::Alarm, rollback))
    }

    /// An alarm that was quiet when the deployment began went off: whether it asks for a rollback.
    fn alarmed(&mut self, alarms: Option<AlarmState>) -> Option<bool> {
        match (self.alarms, alarms?) {
            (AlarmWatch::NotYet, AlarmState::InAlarm { .. }) => self.alarms = AlarmWatch::Disabled,
            (AlarmWatch::NotYet, AlarmState::Quiet { .. }) => self.alarms = AlarmWatch::Watching,
            (AlarmWatch::Watching, AlarmState::InAlarm { rollback }) => return Some(rollback),
            (AlarmWatch::Watching, AlarmState::Quiet { .. }) | (AlarmWatch::Disabled, _) => {}
        }
        None
    }
}

/// What the picture shows of each of `deployments` deployments.
pub(super) fn seen_by(tasks: &[Task], deployments: usize) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); deployments];
    for task in tasks {
        if let Some(seen) = seen.get_mut(task.deployment) {
            seen.running += u32::from(task.is_running());
            seen.healthy += u32::from(task.is_healthy());
        }
    }
    seen
}
