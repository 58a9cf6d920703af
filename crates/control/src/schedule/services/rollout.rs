//! What a plan says of deployments, in the record of their service and in its history.

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{Cause, Plan, Progress};

use super::picture::circuit_breaker;
use crate::services::ecs::services::deploying::{self, End};
use crate::world::Tx;
use crate::world::records::ecs::{Breaker, Deployment, Service, ServiceTaskSet};

/// Keeps the machine's memory; says whether it changed. `without_room` are those whose tasks found no place.
pub(super) fn remember(service: &mut Service, plan: &Plan, without_room: &[usize], now: Timestamp) -> bool {
    let mut progress = plan.progress.clone();
    for at in without_room {
        progress
            .get_mut(*at)
            .into_iter()
            .for_each(Progress::found_no_room);
    }
    let mut is_changed = false;
    let mut memory = progress.iter();
    for (deployment, progress) in service.deployments.iter_mut().zip(&mut memory) {
        is_changed |= remember_deployment(deployment, progress, now);
    }
    for (set, progress) in service.task_sets.iter_mut().zip(&mut memory) {
        is_changed |= remember_set(set, progress, now);
    }
    is_changed
}

fn remember_deployment(deployment: &mut Deployment, progress: &Progress, now: Timestamp) -> bool {
    if deployment.progress == *progress {
        return false;
    }
    if deployment.progress.rollout != progress.rollout {
        deployment.updated = now;
    }
    deployment.progress = progress.clone();
    true
}

fn remember_set(set: &mut ServiceTaskSet, progress: &Progress, now: Timestamp) -> bool {
    if set.progress == *progress {
        return false;
    }
    if set.progress.is_steady() != progress.is_steady() {
        set.updated = now;
    }
    set.progress = progress.clone();
    true
}

/// A deployment is complete.
pub(super) fn complete(tx: &mut Tx<'_>, service: &mut Service, id: &str) {
    deploying::end(tx, service, id, End::Completed, None);
}

/// A deployment failed for a cause. The service goes back to the deployment `to`, if there is one.
pub(super) fn fail(tx: &mut Tx<'_>, service: &mut Service, id: &str, cause: Cause, to: Option<&str>) {
    let breaker = breaker(service, id, cause);
    match to {
        Some(to) => deploying::roll_back(tx, service, to, cause, breaker),
        None => deploying::end(tx, service, id, End::Failed, breaker),
    }
}

fn breaker(service: &Service, id: &str, cause: Cause) -> Option<Breaker> {
    let deployment = service.deployments.iter().find(|one| one.id == id)?;
    let limit = circuit_breaker(service)?.threshold.failures(service.desired);
    Some(Breaker {
        failures: deployment.progress.breaker_failures,
        threshold: limit,
        triggered: matches!(cause, Cause::TasksFailedToStart | Cause::TasksFailedHealthChecks),
    })
}
