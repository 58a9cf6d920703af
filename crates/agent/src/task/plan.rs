//! What to do next for a task: pure functions from its picture to steps, and from what happened to its new picture
//! (agent.md 8). The manager performs the steps.

use std::collections::HashSet;

use portcullis_core::Timestamp;

use super::model::{Condition, Container, Dependency, Desired, Health, Known, Task};

/// Exit code of a container whose dependency failed, although it never ran [M].
const EXIT_DEPENDENCY_FAILED: i32 = 143;

/// One thing the engine is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make and start the container.
    Start(String),
    /// Stop the container.
    Stop(String),
}

/// Whether a dependency lets its dependent start.
#[derive(Debug, PartialEq, Eq)]
enum Readiness {
    Ready,
    Waiting,
    Failed(String),
}

/// Applies the rules that follow from the containers' states: essential containers, failed dependencies, containers
/// that need not start any more. Repeats until nothing changes; returns the steps due now.
pub(crate) fn advance(task: &mut Task, now: Timestamp) -> Vec<Step> {
    note_ran(task);
    while settle(task, now) {}
    note_times(task, now);
    task.containers
        .iter()
        .filter_map(|container| step(task, container, now))
        .collect()
}

/// Notes that all containers are up at once: the task has reached RUNNING.
pub(crate) fn note_ran(task: &mut Task) {
    task.ran |= task.desired == Desired::Running && task.known() == Known::Running;
}

fn settle(task: &mut Task, now: Timestamp) -> bool {
    if task.desired == Desired::Running
        && task
            .containers
            .iter()
            .any(|c| c.known == Known::Stopped && c.definition.essential)
    {
        task.desired = Desired::Stopped;
        return true;
    }
    let given_up: Vec<_> = task
        .containers
        .iter()
        .filter(|container| container.known == Known::None && !container.busy)
        .filter_map(|container| {
            give_up(task, container, now).map(|end| (container.definition.name.clone(), end))
        })
        .collect();
    for (name, end) in &given_up {
        if let Some(container) = task.container_mut(name) {
            container.known = Known::Stopped;
            container.exit_code = end.exit_code;
            container.reason.clone_from(&end.reason);
            container.finished_at = Some(now);
        }
    }
    !given_up.is_empty()
}

struct End {
    exit_code: Option<i32>,
    reason: Option<String>,
}

/// Whether a container that has not started never will.
fn give_up(task: &Task, container: &Container, now: Timestamp) -> Option<End> {
    if task.desired == Desired::Stopped {
        return Some(End {
            exit_code: None,
            reason: None,
        });
    }
    container.definition.depends_on.iter().find_map(|dependency| {
        match readiness(task, container, dependency, now) {
            Readiness::Failed(reason) => Some(End {
                exit_code: Some(EXIT_DEPENDENCY_FAILED),
                reason: Some(reason),
            }),
            Readiness::Ready | Readiness::Waiting => None,
        }
    })
}

fn note_times(task: &mut Task, now: Timestamp) {
    if task.execution_stopped_at.is_none() {
        let ended = |c: &&Container| c.definition.essential && c.known == Known::Stopped;
        task.execution_stopped_at = task
            .containers
            .iter()
            .find(ended)
            .map(|c| c.finished_at.unwrap_or(now));
    }
    if task.stopped_at.is_none() && task.known() == Known::Stopped {
        task.stopped_at = Some(now);
        task.execution_stopped_at.get_or_insert(now);
    }
}

fn step(task: &Task, container: &Container, now: Timestamp) -> Option<Step> {
    if container.busy {
        return None;
    }
    let name = &container.definition.name;
    match (task.desired, container.known) {
        (Desired::Running, Known::None) => {
            let ready = |dependency| readiness(task, container, dependency, now) == Readiness::Ready;
            container
                .definition
                .depends_on
                .iter()
                .all(ready)
                .then(|| Step::Start(name.clone()))
        }
        (Desired::Stopped, Known::Running) => {
            let dependents_ended = task
                .containers
                .iter()
                .filter(|other| {
                    other
                        .definition
                        .depends_on
                        .iter()
                        .any(|dependency| dependency.container == *name)
                })
                .all(|other| other.known == Known::Stopped);
            dependents_ended.then(|| Step::Stop(name.clone()))
        }
        _ => None,
    }
}

fn readiness(task: &Task, target: &Container, dependency: &Dependency, now: Timestamp) -> Readiness {
    let Some(on) = task.container(&dependency.container) else {
        return Readiness::Failed(cannot_resolve(target, dependency, "does not exist."));
    };
    let succeeded = on.known == Known::Stopped && on.exit_code == Some(0);
    let met = match dependency.condition {
        Condition::Start => on.known >= Known::Running,
        Condition::Complete => on.known == Known::Stopped,
        Condition::Success => succeeded,
        Condition::Healthy => on.known == Known::Running && on.health == Health::Healthy,
    };
    if met {
        return Readiness::Ready;
    }
    let failed = match dependency.condition {
        Condition::Success if on.known == Known::Stopped => Some("did not exit successfully."),
        Condition::Healthy if on.known == Known::Stopped => Some("exited before becoming healthy."),
        Condition::Start => None,
        _ if timed_out(on, now) => Some("has timed out."),
        _ => None,
    };
    match failed {
        Some(how) => Readiness::Failed(cannot_resolve(target, dependency, how)),
        None => Readiness::Waiting,
    }
}

fn timed_out(on: &Container, now: Timestamp) -> bool {
    match (on.started_at, on.definition.start_timeout) {
        (Some(started), Some(limit)) => now.seconds_since(started) >= i64::from(limit),
        _ => false,
    }
}

fn cannot_resolve(target: &Container, dependency: &Dependency, how: &str) -> String {
    format!(
        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [{}] for target \
         [{}] as dependency {how}",
        dependency.container, target.definition.name
    )
}

/// Whether the `dependsOn` entries can ever be met: no circle, no unknown name.
pub(crate) fn dependencies_resolvable(task: &Task) -> bool {
    let mut resolved: HashSet<&str> = HashSet::new();
    loop {
        let before = resolved.len();
        for container in &task.containers {
            if container
                .definition
                .depends_on
                .iter()
                .all(|d| resolved.contains(d.container.as_str()))
            {
                resolved.insert(&container.definition.name);
            }
        }
        if resolved.len() == before {
            return task
                .containers
                .iter()
                .all(|c| resolved.contains(c.definition.name.as_str()));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
