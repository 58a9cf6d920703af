//! What the machine remembers of a deployment between two plans.

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The memory of one deployment or task set. `Progress::default()` is a new deployment's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// `rolloutState` with its reason.
    pub rollout: Rollout,
    /// `failedTasks`: tasks that failed one after another.
    pub failed_tasks: u32,
    /// Failures that count for the circuit breaker: in a row, or all of them without `resetOnHealthyTask`.
    pub breaker_failures: u32,
    /// A task of it ran: from now on the circuit breaker counts failed health checks.
    pub ran: bool,
    /// It has been told that the deployment began.
    pub announced: bool,
    /// Rounds of failed starts in a row, which the back-off grows with.
    pub failed_rounds: u32,
    /// Nothing is started before (back-off).
    pub retry_at: Option<Timestamp>,
    /// When the steady state was last told; `None` while it is not steady. For a task set this is `stabilityStatus`.
    pub steady_told: Option<Timestamp>,
    /// When a block (percentages, protection) was last told; `None` while nothing blocks.
    pub blocked_told: Option<Timestamp>,
    /// Tasks started beyond the desired count to even out zones, not yet healthy.
    pub moving: u32,
    /// Zones are not evened out before: a move came to nothing.
    pub move_at: Option<Timestamp>,
    /// Running tasks that the last plan left.
    pub running_seen: u32,
    /// Healthy tasks that the last plan left.
    pub healthy_seen: u32,
    /// Tasks of the last plan found no room ([`Progress::found_no_room`]).
    pub no_room: bool,
    /// How its alarms are watched.
    pub alarms: AlarmWatch,
    /// Of one that was stopped or alarmed: how many tasks the service had then, which it keeps. `None`: as many as wanted.
    pub kept: Option<u32>,
    /// Somebody asked to stop it.
    pub stop_asked: Option<Cause>,
}

/// `rolloutState`, with what its reason says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollout {
    /// IN_PROGRESS: `ECS deployment ecs-svc/N in progress.`
    #[default]
    InProgress,
    /// IN_PROGRESS again after a newer deployment failed for this cause: `...: rolling back to deploymentId ecs-svc/N.`
    RollingBack(Cause),
    /// COMPLETED: `ECS deployment ecs-svc/N completed.`
    Completed,
    /// FAILED: `ECS deployment circuit breaker: task failed to start.` and its like.
    Failed(Cause),
}

/// Why a deployment failed or was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The circuit breaker: tasks fail to start.
    TasksFailedToStart,
    /// The circuit breaker: tasks fail their health checks.
    TasksFailedHealthChecks,
    /// An alarm of the deployment.
    Alarm,
    /// StopServiceDeployment with `ROLLBACK`.
    StoppedToRollBack,
    /// StopServiceDeployment with `ABORT`.
    Aborted,
}

/// How a deployment's alarms are watched (ecs.md 11: one already in ALARM at the start disables the check).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmWatch {
    /// Not looked at yet.
    #[default]
    NotYet,
    /// They were quiet at the start: an ALARM fails the deployment.
    Watching,
    /// One was in ALARM at the start: they are not heeded.
    Disabled,
}

impl Progress {
    /// A deployment that takes a service back to what ran before, after a newer one failed for `cause`.
    pub fn rolling_back(cause: Cause) -> Self {
        Self {
            rollout: Rollout::RollingBack(cause),
            ..Self::default()
        }
    }

    /// StopServiceDeployment with `ROLLBACK`: the next plan gives the deployment up and rolls back.
    pub fn ask_rollback(&mut self) {
        self.stop_asked = Some(Cause::StoppedToRollBack);
    }

    /// StopServiceDeployment with `ABORT`: the next plan gives the deployment up where it stands.
    pub fn ask_abort(&mut self) {
        self.stop_asked = Some(Cause::Aborted);
    }

    /// An update of the service (any, also of the desired count) ends the back-off of failed starts.
    pub fn forget_back_off(&mut self) {
        self.failed_rounds = 0;
        self.retry_at = None;
    }

    /// Somebody updated the service: there is no wait any more, and no longer only as many tasks as were left.
    pub fn asked_anew(&mut self) {
        self.forget_back_off();
        self.kept = None;
    }

    /// Some starts of the plan found no instance with room: say so before storing [`super::Plan::progress`]. The next plan
    /// then stops old tasks first, as far as the lower bound allows, instead of waiting for new ones.
    pub fn found_no_room(&mut self) {
        self.no_room = true;
    }

    /// `stabilityStatus` of a task set is STEADY_STATE.
    pub fn is_steady(&self) -> bool {
        self.steady_told.is_some()
    }
}
