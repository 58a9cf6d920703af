//! What to do next for a task: pure functions from its picture to steps, and from what happened to its new picture
//! (agent.md 8). The manager performs the steps.

use std::collections::HashSet;

use portcullis_core::Timestamp;

use super::model::{Condition, Container, Dependency, Desired, Health, Known, Task};

/// Exit code of a container whose dependency failed, although it never ran [M].
const EXIT_DEPENDENCY_FAILED: i32 = 143;

/// One thing the engine is to do, to the container of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Fetch what it wants from elsewhere.
    Supply(String),
    /// Find out what its image is.
    Resolve(String),
    /// Bring its image.
    Pull(String),
    /// Make and start it.
    Start(String),
    /// Start it again.
    Restart(String),
    /// Stop it.
    Stop(String),
}

impl Step {
    /// The container.
    pub(crate) fn container(&self) -> &str {
        match self {
            Self::Supply(name)
            | Self::Resolve(name)
            | Self::Pull(name)
            | Self::Start(name)
            | Self::Restart(name)
            | Self::Stop(name) => name,
        }
    }
}

/// When images of containers that wait for others are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulls {
    /// When the container's turn has come.
    InOrder,
    /// At once.
    Upfront,
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
pub(crate) fn advance(task: &mut Task, now: Timestamp, pulls: Pulls) -> Vec<Step> {
    note_ran(task);
    while settle(task, now) {}
    note_times(task, now);
    task.containers
        .iter()
        .filter_map(|container| step(task, container, now, pulls))
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
        // What the engine was told to start is stopped, not given up.
        .filter(|container| container.known == Known::None && !container.busy && !container.attempted)
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
            reason: task.pause_failure().map(ToOwned::to_owned),
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

fn step(task: &Task, container: &Container, now: Timestamp, pulls: Pulls) -> Option<Step> {
    if container.busy {
        return None;
    }
    let name = &container.definition.name;
    match (task.desired, container.known) {
        (_, Known::Stopped) => container.doubtful.then(|| Step::Stop(name.clone())),
        (Desired::Running, Known::None) => towards_running(task, container, now, pulls),
        (Desired::Running, Known::Running) if !container.restart_due => None,
        // It starts with the same values again; those of its first start may be gone.
        (Desired::Running, Known::Running) => Some(match task.awaits_supplies(container) {
            true => Step::Supply(name.clone()),
            false => Step::Restart(name.clone()),
        }),
        (Desired::Stopped, _) => dependents_ended(task, name).then(|| Step::Stop(name.clone())),
    }
}

/// First what is fetched from elsewhere, then images: those of all containers are looked up before anything is pulled
/// (agent.md 8).
fn towards_running(task: &Task, container: &Container, now: Timestamp, pulls: Pulls) -> Option<Step> {
    let name = container.definition.name.clone();
    if task.awaits_supplies(container) {
        return Some(Step::Supply(name));
    }
    if !container.resolved {
        return Some(Step::Resolve(name));
    }
    let looked_up = |other: &Container| other.resolved || other.known != Known::None;
    if !task.containers.iter().all(looked_up) {
        return None;
    }
    let mut dependencies = container.definition.depends_on.iter();
    let ready = dependencies.all(|on| readiness(task, container, on, now) == Readiness::Ready);
    match (container.pulled, ready) {
        (false, ready) => (ready || pulls == Pulls::Upfront).then_some(Step::Pull(name)),
        (true, ready) => ready.then_some(Step::Start(name)),
    }
}

fn dependents_ended(task: &Task, name: &str) -> bool {
    let depends = |other: &&Container| other.definition.depends_on.iter().any(|on| on.container == name);
    let mut dependents = task.containers.iter().filter(depends);
    dependents.all(|other| other.known == Known::Stopped)
}

/// The task is to stop while this container's image, or what comes before it, is still being brought: that need not be
/// waited for. True when there was such a container; its work is to be cut short.
pub(crate) fn cut_pull(container: &mut Container, task: &Brought<'_>, now: Timestamp) -> bool {
    let fetching = !container.supplied && container.definition.supplies.come_first(task.is_fargate);
    let bringing = container.busy && (!container.pulled || fetching) && container.known == Known::None;
    if bringing {
        container.busy = false;
        container.known = Known::Stopped;
        container.finished_at = Some(now);
        let arn = task.arn;
        container.reason = (!task.has_failed).then(|| {
            format!(
                "TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for task: {arn}"
            )
        });
    }
    bringing
}

/// What [`cut_pull`] has to know of the task.
#[derive(Debug)]
pub(crate) struct Brought<'a> {
    pub(crate) arn: &'a str,
    pub(crate) is_fargate: bool,
    /// It says itself why it ends.
    pub(crate) has_failed: bool,
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
