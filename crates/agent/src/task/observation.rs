//! What a look at a container, or the end of a try, changes in its picture.

use portcullis_core::Timestamp;

use super::model::{Container, Desired, Health, Known, Task};
use crate::engine::{EngineError, Exit, Facts, ImageFacts, Launched, Observed, Pulled, Resolved};

/// A container that should be there and is not [S].
const REASON_VANISHED: &str = "ContainerVanishedError: No container matching saved ID found";

/// What it wants from elsewhere was fetched, or ends the task.
pub(super) fn supplied(task: &mut Task, container: &str, result: Result<(), String>) {
    // The task may have been stopped meanwhile.
    let Some(container) = task
        .container_mut(container)
        .filter(|one| one.known != Known::Stopped)
    else {
        return;
    };
    container.busy = false;
    match result {
        Ok(()) => container.supplied = true,
        Err(reason) => {
            task.failure.get_or_insert(reason);
            task.desired = Desired::Stopped;
        }
    }
}

/// It is known what its image is.
pub(super) fn resolved(container: &mut Container, result: Result<Resolved, EngineError>, now: Timestamp) {
    // The task may have been stopped meanwhile.
    if container.known != Known::None {
        return;
    }
    container.busy = false;
    match result {
        Ok(resolved) => {
            container.resolved = true;
            container.image_digest = resolved.digest;
            if let Some(image) = resolved.cached {
                image_is_here(container, image);
            }
        }
        Err(error) => failed(container, &error, now),
    }
}

/// Its image came, or did not.
pub(super) fn pulled(container: &mut Container, result: Result<Pulled, EngineError>, now: Timestamp) {
    if container.known != Known::None {
        return;
    }
    container.busy = false;
    match result {
        Ok(pulled) => image_is_here(container, pulled.image),
        Err(error) => failed(container, &error, now),
    }
}

fn image_is_here(container: &mut Container, image: ImageFacts) {
    container.pulled = true;
    container.image_names_region = image.names_region;
    container.image_id = image.id;
}

/// The try to start it is over.
pub(super) fn launched(container: &mut Container, result: Result<Launched, EngineError>, now: Timestamp) {
    container.busy = false;
    match result {
        Ok(launched) => {
            container.runtime_id = Some(launched.runtime_id);
            container.started = true;
            container.known = container.known.max(Known::Running);
            container.started_at.get_or_insert(now);
        }
        Err(error) => failed(container, &error, now),
    }
}

/// The try to start it again is over.
pub(super) fn restarted(container: &mut Container, result: Result<Launched, EngineError>, now: Timestamp) {
    container.busy = false;
    container.restart_due = false;
    match result {
        Ok(launched) => {
            container.runtime_id = Some(launched.runtime_id);
            container.restart_count = container.restart_count.saturating_add(1);
            container.started_at = Some(now);
        }
        Err(error) => failed(container, &error, now),
    }
}

fn failed(container: &mut Container, error: &EngineError, now: Timestamp) {
    container.doubtful = container.attempted && matches!(error, EngineError::TimedOut(_));
    let exit = Exit {
        reason: Some(error.to_string()),
        ..Exit::default()
    };
    ended(container, exit, now);
}

/// It was told to stop, and has.
pub(super) fn stopped(container: &mut Container, seen: Observed, now: Timestamp) {
    container.busy = false;
    container.doubtful = false;
    match (container.known, seen) {
        // Also an end that a restart was to follow: nothing else is under way any more.
        (Known::Running, Observed::Exited(exit)) => ended(container, exit, now),
        // The engine had started it after all, or had not.
        (Known::None, Observed::Exited(exit)) => {
            container.started = true;
            ended(container, exit, now);
        }
        (Known::None, _) => ended(container, Exit::default(), now),
        (_, seen) => {
            observed(container, seen, Desired::Stopped, now);
        }
    }
}

/// Somebody looked. True when anything changed.
pub(super) fn observed(container: &mut Container, seen: Observed, desired: Desired, now: Timestamp) -> bool {
    // While it is being started only the end of that try counts.
    if container.known != Known::Running {
        return false;
    }
    let before = container.clone();
    match seen {
        Observed::Running(facts) => running(container, facts, now),
        Observed::Exited(exit) if is_stale(container, &exit) => {}
        Observed::Exited(exit) if desired == Desired::Running && may_restart(container, &exit, now) => {
            await_restart(container, exit.finished_at);
        }
        Observed::Exited(exit) => ended(container, exit, now),
        Observed::Missing => {
            ended(
                container,
                Exit {
                    reason: Some(REASON_VANISHED.to_owned()),
                    ..Exit::default()
                },
                now,
            );
        }
        Observed::Created => {}
    }
    *container != before
}

/// An end that is being dealt with, or was.
fn is_stale(container: &Container, exit: &Exit) -> bool {
    let known_end = exit.finished_at.is_some() && exit.finished_at == container.restarted_after;
    known_end || (container.restart_due && container.busy)
}

/// Whether the restart policy starts it again: it ended with a code that is not ignored, and had run long enough
/// (agent.md 8).
fn may_restart(container: &Container, exit: &Exit, now: Timestamp) -> bool {
    let (Some(policy), Some(code)) = (&container.definition.restart_policy, exit.code) else {
        return false;
    };
    let ended = exit.finished_at.unwrap_or(now);
    // The engine's end may be a little before the start, which is noted when its answer has come.
    let ran = container
        .started_at
        .map_or(0, |started| ended.seconds_since(started).max(0));
    !policy.ignored_exit_codes.contains(&code) && ran >= i64::from(policy.attempt_period)
}

fn await_restart(container: &mut Container, ended: Option<Timestamp>) {
    container.restart_due = true;
    container.restarted_after = ended;
    container.health = Health::Unknown;
    // Docker gives the address to the next container.
    container.addresses.clear();
}

fn running(container: &mut Container, facts: Facts, now: Timestamp) {
    if container.health != facts.health {
        container.health = facts.health;
        container.health_since = Some(now);
    }
    container.runtime_id = Some(facts.runtime_id);
    container.image_id = facts.image_id;
    container.created_at = facts.created_at;
    container.started_at = facts.started_at.or(container.started_at);
    container.bindings = facts.bindings;
    container.addresses = match container.interface_addresses.is_empty() {
        true => facts.addresses,
        false => container.interface_addresses.clone(),
    };
    container.host_network = facts.host_network;
}

fn ended(container: &mut Container, exit: Exit, now: Timestamp) {
    container.known = Known::Stopped;
    container.restart_due = false;
    container.exit_code = exit.code;
    container.reason = exit.reason;
    container.finished_at = Some(exit.finished_at.unwrap_or(now));
    // Docker gives the address to the next container.
    container.addresses.clear();
    if !exit.runtime_id.is_empty() {
        container.runtime_id = Some(exit.runtime_id);
    }
}

#[cfg(test)]
mod tests;
