//! How the deployments of a service proceed (ecs.md 11): [`plan`] looks at the picture of one service and says what to
//! start, what to stop, what to remember and what to tell. It knows no identifiers and no texts: tasks and deployments are
//! positions in the picture's slices, everything to tell is data.
//!
//! One pass is bounded ([`BATCH`] starts) and idempotent: carried out, or only partly carried out, the next picture leads to
//! the next pass. Who calls it stores [`Plan::progress`] with the deployments; that is the machine's whole memory.

mod choice;
mod daemon;
mod holder;
mod outcome;
mod picture;
mod progress;
mod replica;
mod rolling;
mod task_sets;
mod told;
mod verdict;

pub use outcome::{Plan, Rollback, Says, Start, StartPlace, Stop, StopReason};
pub use picture::{
    AlarmState, CircuitBreaker, Daemon, Deployment, Ended, Health, Host, HostState, Percents, Replica,
    ScaleIn, Service, Standing, Status, Strategy, Task, TaskSet, TaskSets, Threshold,
};
pub use progress::{AlarmWatch, Cause, Progress, Rollout};

use portcullis_core::Timestamp;

/// Most tasks one pass starts (ecs.md 11).
pub const BATCH: u32 = 10;

/// What to do now for `service`.
pub fn plan(service: &Service<'_>, now: Timestamp) -> Plan {
    if service.standing == Standing::Draining {
        return plan_end(service);
    }
    match &service.strategy {
        Strategy::Replica(replica) => replica::plan(replica, service.tasks, now),
        Strategy::Daemon(daemon) => daemon::plan(daemon, service.tasks, now),
        Strategy::TaskSets(sets) => task_sets::plan(sets, service.tasks, now),
    }
}

/// A deleted service stops all it has; it is over when nothing is to run any more (ecs.md 11).
fn plan_end(service: &Service<'_>) -> Plan {
    let progress = match &service.strategy {
        Strategy::Replica(replica) => replica::remembered(replica.deployments),
        Strategy::Daemon(daemon) => replica::remembered(daemon.deployments),
        Strategy::TaskSets(sets) => sets.sets.iter().map(|set| set.progress.clone()).collect(),
    };
    let live = service
        .tasks
        .iter()
        .enumerate()
        .filter(|(_, task)| task.is_live());
    let stops = live
        .map(|(task, _)| Stop {
            task,
            reason: StopReason::ServiceDeleted,
        })
        .collect::<Vec<_>>();
    Plan {
        inactive: stops.is_empty(),
        again: !stops.is_empty(),
        stops,
        progress,
        ..Plan::default()
    }
}
