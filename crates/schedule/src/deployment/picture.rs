//! The picture of one service: everything a plan depends on.

use super::progress::Progress;

/// One service as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Whether it is to run at all.
    pub standing: Standing,
    /// How it schedules, with its deployments or task sets.
    pub strategy: Strategy<'a>,
    /// Its tasks that have not stopped, of all deployments; plans name them by their position here.
    pub tasks: &'a [Task],
}

/// Whether a service is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Active,
    /// It was deleted: all its tasks are to stop.
    Draining,
}

/// How a service schedules its tasks.
#[derive(Debug, Clone, Copy)]
pub enum Strategy<'a> {
    /// A number of tasks.
    Replica(Replica<'a>),
    /// One task on each matching host.
    Daemon(Daemon<'a>),
    /// Task sets of the EXTERNAL or CODE_DEPLOY controller.
    TaskSets(TaskSets<'a>),
}

/// A REPLICA service of the ECS controller.
#[derive(Debug, Clone, Copy)]
pub struct Replica<'a> {
    /// Tasks wanted.
    pub desired: u32,
    /// The bounds of a deployment.
    pub percents: Percents,
    /// Its circuit breaker, when enabled.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// How tasks to stop are chosen when there are too many.
    pub scale_in: ScaleIn,
    /// The zones that have ACTIVE instances, when `availabilityZoneRebalancing` is ENABLED and applies; else `None`.
    pub rebalance: Option<&'a [u32]>,
    /// PRIMARY first, then the ACTIVE ones, newest first.
    pub deployments: &'a [Deployment],
}

/// A DAEMON service.
#[derive(Debug, Clone, Copy)]
pub struct Daemon<'a> {
    /// The bounds of a deployment, of the number of matching hosts; AWS allows only 100 as maximum.
    pub percents: Percents,
    /// The circuit breaker, when enabled.
    pub circuit_breaker: Option<CircuitBreaker>,
    /// The hosts that concern it. A task on a host that is not listed stands where it may not stand, and is stopped.
    pub hosts: &'a [Host],
    /// PRIMARY first, then the ACTIVE ones, newest first.
    pub deployments: &'a [Deployment],
}

/// A service whose task sets somebody else governs.
#[derive(Debug, Clone, Copy)]
pub struct TaskSets<'a> {
    /// Tasks wanted of the service, which each set takes its scale of.
    pub desired: u32,
    /// How tasks to stop are chosen when there are too many.
    pub scale_in: ScaleIn,
    /// The sets; a task's `deployment` and a plan's positions mean these.
    pub sets: &'a [TaskSet],
}

/// `minimumHealthyPercent` and `maximumPercent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percents {
    /// Lower bound: `ceil(desired * minimum / 100)` tasks stay healthy.
    pub minimum: u32,
    /// Upper bound: at most `floor(desired * maximum / 100)` tasks run or are pending.
    pub maximum: u32,
}

/// `deploymentCircuitBreaker` with `enable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// A failed deployment is rolled back.
    pub rollback: bool,
    /// How many failures are too many.
    pub threshold: Threshold,
    /// A healthy task forgives the failures before it (`resetOnHealthyTask`, AWS's default `true`).
    pub reset_on_healthy_task: bool,
}

/// `thresholdConfiguration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many failures.
    Count(u32),
    /// Per cent of the desired count, rounded up, at least 3, at most 200.
    BoundedPercent(u32),
    /// Per cent of the desired count, rounded up.
    UnboundedPercent(u32),
}

impl Percents {
    /// `ceil(desired * minimum / 100)`.
    pub fn lower(self, desired: u32) -> u32 {
        let scaled = u64::from(desired) * u64::from(self.minimum);
        u32::try_from(scaled.div_ceil(100)).unwrap_or(u32::MAX)
    }

    /// `floor(desired * maximum / 100)`.
    pub fn upper(self, desired: u32) -> u32 {
        let scaled = u64::from(desired) * u64::from(self.maximum);
        u32::try_from(scaled / 100).unwrap_or(u32::MAX)
    }
}

impl Threshold {
    /// AWS's default.
    pub const DEFAULT: Self = Self::BoundedPercent(50);

    /// How many failures fail a deployment of `desired` tasks.
    pub fn failures(self, desired: u32) -> u32 {
        let share = |percent| {
            Percents {
                minimum: percent,
                maximum: 0,
            }
            .lower(desired)
        };
        match self {
            Self::Count(count) => count.max(1),
            Self::BoundedPercent(percent) => share(percent).clamp(3, 200),
            Self::UnboundedPercent(percent) => share(percent).max(1),
        }
    }
}

impl TaskSet {
    /// `computedDesiredCount`: `ceil(desired * scale / 100)`.
    pub fn computed_desired(&self, desired: u32) -> u32 {
        // Hundredths of a per cent: 33.3 % of 1000 is 333, not the 334 that the binary fraction's excess would make of it.
        let hundredths = (self.scale.clamp(0.0, 100.0) * 100.0).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 10,000 after the clamp"
        )]
        let hundredths = hundredths as u64;
        u32::try_from((u64::from(desired) * hundredths).div_ceil(10_000)).unwrap_or(u32::MAX)
    }
}

impl Task {
    /// Its desired status is RUNNING.
    pub fn is_live(&self) -> bool {
        self.status != Status::Stopping
    }

    /// It runs, whatever its health.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running(_))
    }

    /// It counts for the lower bound: RUNNING and, where something checks it, HEALTHY.
    pub fn is_healthy(&self) -> bool {
        matches!(self.status, Status::Running(Health::Unchecked | Health::Healthy))
    }

    /// Its health checks fail.
    pub fn is_unhealthy(&self) -> bool {
        self.status == Status::Running(Health::Unhealthy)
    }
}

/// Which tasks go first when there are too many (ecs.md 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleIn {
    /// No strategy, or `spread`: the zone with most tasks, there the instance with most tasks.
    Spread,
    /// `binpack`: the task whose instance has most left afterwards ([`Task::room`]).
    Binpack,
}

/// One deployment of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// What the machine remembered.
    pub progress: Progress,
    /// Its tasks that stopped since the last plan.
    pub ended: Ended,
    /// The deployment's CloudWatch alarms, when it has any and they are enabled.
    pub alarms: Option<AlarmState>,
}

/// One task set.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// What the machine remembered.
    pub progress: Progress,
    /// Its tasks that stopped since the last plan.
    pub ended: Ended,
    /// `scale`, in per cent of the service's desired count; 0 when the set is DRAINING.
    pub scale: f64,
}

/// Tasks that stopped since the last plan. Each stopped task is counted in exactly one plan; those that stopped because a plan
/// (or somebody by StopTask) asked for it are not counted at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// They never reached RUNNING, or could not be launched at all (a refused role, a rejected payload; not a lack of room).
    pub failed_to_start: u32,
    /// They ran, and then ended.
    pub ran: u32,
}

/// The state of a deployment's alarms together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// None is in ALARM.
    Quiet {
        /// `rollback`.
        rollback: bool,
    },
    /// At least one is in ALARM.
    InAlarm {
        /// `rollback`.
        rollback: bool,
    },
}

/// One task that has not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Position of its deployment (or task set); beyond the slice for one that is no longer there.
    pub deployment: usize,
    /// How far it is.
    pub status: Status,
    /// Its scale-in protection has not expired.
    pub protected: bool,
    /// Its instance is DRAINING.
    pub draining: bool,
    /// Its Availability Zone, as a number of the caller's; the same for all where zones mean nothing.
    pub zone: u32,
    /// Its instance, as a number of the caller's; `u32::MAX` while it has none.
    pub instance: u32,
    /// What its instance has left of the resource that a `binpack` strategy names; 0 otherwise.
    pub room: u64,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Desired RUNNING, not there yet.
    Pending,
    /// Desired RUNNING, and running.
    Running(Health),
    /// Desired STOPPED, not stopped yet.
    Stopping,
}

/// What is known of a running task's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing checks it: running is enough.
    Unchecked,
    /// Something checks it, and has no verdict yet.
    Unknown,
    /// The checks pass.
    Healthy,
    /// The checks fail.
    Unhealthy,
}

/// A host of a DAEMON service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The caller's number of the instance, as in [`Task::instance`].
    pub instance: u32,
    /// What the daemon does there.
    pub state: HostState,
}

/// What a daemon does on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// ACTIVE and it satisfies the constraints: one task belongs there.
    Matching,
    /// ACTIVE and matching, but its agent is not connected or it lacks room: what runs stays, nothing is started.
    Unreachable,
    /// DRAINING, with tasks of others still there: the daemon's task stays until they are gone (it is stopped last).
    DrainingOthers,
    /// DRAINING, with nothing else left: the daemon's task is stopped.
    DrainingAlone,
}
