//! What the manager does beside running tasks: images and finished tasks go, and what cannot be saved is given up.

use portcullis_core::Timestamp;

use super::super::model::{Container, Desired, Known, Task};
use super::super::plan::{self, Pulls};
use super::{Manager, Parts, work};
use crate::plane::backoff::between;
use crate::{AgentError, EngineKind};

/// How long a new task waits for room to save it.
const UNSAVED_SECONDS_MAX: i64 = 60;

impl Manager {
    /// News of a container's image.
    pub(super) fn note_image(&mut self, arn: &str, container: &str, change: impl FnOnce(&mut Container)) {
        self.pulls.remove(&(arn.to_owned(), container.to_owned()));
        let now = self.parts.clock.now();
        let Some(task) = self.tasks.get_mut(arn) else {
            return;
        };
        let Some(container) = task.container_mut(container) else {
            return;
        };
        change(container);
        self.dirty.insert(arn.to_owned());
        if let Some(id) = container.image_id.as_ref().filter(|_| container.pulled) {
            // When it was last used may be lost: only what is new is worth a write.
            if self.images.note(id, &container.definition.image, now) {
                self.save_images();
            }
        }
    }

    pub(super) fn images_removed(&mut self, ids: &[String]) {
        for id in ids {
            self.images.forget(id);
        }
        if !ids.is_empty() {
            self.save_images();
        }
    }

    fn save_images(&self) {
        if let Err(error) = self.parts.checkpoint.save_images(&self.images) {
            tracing::warn!(%error, "which images tasks brought cannot be saved");
        }
    }

    /// Removes what has been kept long enough.
    pub(super) fn clean_up(&mut self) {
        let now = self.parts.clock.now();
        for task in self.tasks.values() {
            let due = task.cleanup_at.is_some_and(|at| now >= at);
            let settled = !task.is_doubtful() && task.containers.iter().all(|container| !container.busy);
            if due && settled && task.reported == Known::Stopped && self.removing.insert(task.arn.clone()) {
                work::remove(&mut self.work, task, &self.parts);
            }
        }
        let Some(rules) = &self.parts.rules.image_cleanup else {
            return;
        };
        let interval = i64::try_from(rules.interval.as_secs()).unwrap_or(i64::MAX);
        if now.seconds_since(self.images_cleaned_at) >= interval {
            self.images_cleaned_at = now;
            let due = self.images.due(self.tasks.values(), now, rules);
            work::remove_images(&mut self.work, due, &self.parts);
        }
    }
}

impl Manager {
    /// Values are kept no longer than something may be made from them: Docker keeps what its containers were made with, a
    /// process that is started again gets them anew.
    pub(super) fn release_supplies(&self, arn: &str) {
        let Some(task) = self.tasks.get(arn) else { return };
        let made = |container: &Container| container.known != Known::None;
        let by_docker = self.parts.surroundings.kind == EngineKind::Docker;
        if task.known() == Known::Stopped || (by_docker && task.containers.iter().all(made)) {
            self.parts.supplies.forget(arn);
        }
    }
}

/// A task of an earlier agent. Docker's containers that were started have all they need.
pub(super) fn taken_over(mut task: Task, kind: EngineKind) -> Task {
    for container in &mut task.containers {
        container.supplied = kind == EngineKind::Docker && container.started;
    }
    task
}

/// Whether time alone has changed what is to be done for a task: start timeouts of dependencies pass without an event.
pub(super) fn is_due(task: &Task, now: Timestamp, pulls: Pulls) -> bool {
    let waits = |container: &Container| container.known == Known::None && !container.busy;
    if !task.containers.iter().any(waits) {
        return false;
    }
    let mut next = task.clone();
    !plan::advance(&mut next, now, pulls).is_empty() || next != *task
}

/// Says when a task that has just ended may be cleaned up.
pub(super) fn note_end(task: &mut Task, parts: &Parts) {
    if let (Some(stopped), None) = (task.stopped_at, task.cleanup_at) {
        let wait = between(
            parts.rules.cleanup_wait,
            parts.rules.cleanup_jitter,
            parts.random.as_ref(),
        );
        task.cleanup_at = Some(stopped.plus_seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)));
    }
}

/// A full disk must not leave a task waiting for ever: one of which nothing was started ends with the reason.
pub(super) fn give_up_unsaved(task: &mut Task, error: &AgentError, seconds: i64) {
    let untouched = |container: &Container| container.known == Known::None && !container.attempted;
    if seconds < UNSAVED_SECONDS_MAX || !task.containers.iter().all(untouched) {
        return;
    }
    task.desired = Desired::Stopped;
    for container in &mut task.containers {
        container.known = Known::Stopped;
        container.reason = Some(format!(
            "ResourceInitializationError: the agent cannot save its state: {error}"
        ));
    }
}

/// The process engine has no images: nothing is looked up or pulled. Nor has it namespaces: a task that asks for some is
/// refused.
pub(super) fn made_of_processes(task: &mut Task) {
    for container in &mut task.containers {
        (container.resolved, container.pulled) = (true, true);
        let asked_for = task.namespaces.named().map(str::to_owned);
        container.definition.unsupported.extend(asked_for);
    }
}
