//! What a plan says is to be done.

use portcullis_core::Timestamp;

use super::progress::{Cause, Progress};

/// What to do now. Stops come before starts: a start may need the room of a stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Tasks to stop.
    pub stops: Vec<Stop>,
    /// Tasks to start, in this order; at most [`super::BATCH`] together. What finds no room is simply asked for again by a
    /// later plan.
    pub starts: Vec<Start>,
    /// What to remember, one for each deployment (or task set) in the picture's order.
    pub progress: Vec<Progress>,
    /// Positions of old deployments that are over: take them out of the service.
    pub removed: Vec<usize>,
    /// The PRIMARY failed and the service goes back.
    pub rollback: Option<Rollback>,
    /// What to tell, in order. Starts and stops are told by who carries them out.
    pub says: Vec<Says>,
    /// Plan again then, also if nothing happens until then.
    pub wake_at: Option<Timestamp>,
    /// There is more to do at once than one pass may: plan again after this one is carried out.
    pub again: bool,
    /// The service was DRAINING and nothing of it runs any more: it is INACTIVE.
    pub inactive: bool,
}

/// Start tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Position of the deployment (or task set).
    pub deployment: usize,
    /// How many.
    pub count: u32,
    /// Where.
    pub place: StartPlace,
}

/// Where tasks are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPlace {
    /// As the service's constraints and strategy say.
    Anywhere,
    /// In this zone only (rebalancing).
    Zone(u32),
    /// On this instance only (DAEMON).
    Instance(u32),
}

/// Stop one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Position in the picture's tasks.
    pub task: usize,
    /// Why.
    pub reason: StopReason,
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// There are more than wanted, or a newer deployment takes its place: `Scaling activity initiated by (deployment ...)`
    /// of the deployment that is scaled in: the task's own, at this position.
    Scaling(usize),
    /// Its health checks fail.
    Unhealthy,
    /// Its instance is DRAINING.
    InstanceDraining,
    /// DAEMON: it stands on a host that does not satisfy the constraints.
    ConstraintViolated,
    /// The service was deleted.
    ServiceDeleted,
}

/// The service goes back to an earlier deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollback {
    /// Position of the deployment that failed (the PRIMARY).
    pub from: usize,
    /// Position of the last COMPLETED deployment. Make it (or a new deployment of its revision) the first, with
    /// [`Progress::rolling_back`] as its progress; the failed one stays behind it as ACTIVE until its tasks are gone.
    pub to: usize,
    /// Why.
    pub cause: Cause,
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// SERVICE_DEPLOYMENT_IN_PROGRESS.
    DeploymentInProgress {
        /// Position of the deployment.
        deployment: usize,
    },
    /// `... deployment completed.`, SERVICE_DEPLOYMENT_COMPLETED.
    DeploymentCompleted {
        /// Position of the deployment.
        deployment: usize,
    },
    /// `... deployment failed: ...`, SERVICE_DEPLOYMENT_FAILED; with `to`, `rolling back to ...`.
    DeploymentFailed {
        /// Position of the deployment.
        deployment: usize,
        /// Why.
        cause: Cause,
        /// Position of the deployment it goes back to.
        to: Option<usize>,
    },
    /// `... has reached a steady state.`, SERVICE_STEADY_STATE.
    SteadyState,
    /// TASKSET_STEADY_STATE.
    TaskSetSteadyState {
        /// Position of the task set.
        set: usize,
    },
    /// `... is unable to consistently start tasks successfully.`, SERVICE_TASK_START_IMPAIRED.
    StartImpaired {
        /// Position of the deployment or task set.
        deployment: usize,
    },
    /// `... was unable to stop or start tasks during a deployment because of the service deployment configuration.`
    PercentsBlock {
        /// Position of the deployment.
        deployment: usize,
    },
    /// The PRIMARY was given up, and nothing else can be started: tasks are missing.
    NothingToStart {
        /// Position of the deployment.
        deployment: usize,
    },
    /// `... was unable to reach steady state because ... The number of protected tasks are more than the desired count`.
    ProtectionBlocks {
        /// Position of the deployment (or task set) whose protected tasks stay.
        deployment: usize,
    },
    /// SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED for one task.
    DaemonConstraintViolated {
        /// Position of the task.
        task: usize,
    },
}
