//! What the end of something the manager started changes.

use std::collections::hash_map::Entry;

use portcullis_core::Timestamp;

use super::super::model::Task;
use super::super::report::acknowledge;
use super::super::{observation, plan};
use super::work::{self, Undertaking};
use super::{Done, Manager};
use crate::engine::{EngineError, Launched, Observed};

impl Manager {
    /// Puts it into the picture.
    pub(super) fn note(&mut self, done: Done) {
        let now = self.parts.clock.now();
        match done {
            Done::Supplied {
                task,
                container,
                result,
            } => self.note_supplied(&task, &container, result),
            Done::Resolved {
                task,
                container,
                result,
            } => self.note_image(&task, &container, |one| observation::resolved(one, result, now)),
            Done::Pulled {
                task,
                container,
                result,
            } => {
                let times = result.as_ref().ok().and_then(|pulled| pulled.times);
                if let (Some((started, stopped)), Some(task)) = (times, self.tasks.get_mut(&task)) {
                    task.pull_started_at.get_or_insert(started);
                    task.pull_stopped_at = Some(stopped);
                }
                self.note_image(&task, &container, |one| observation::pulled(one, result, now));
            }
            Done::Launched {
                task,
                container,
                result,
                seen,
            } => {
                let unseen = result.is_ok() && seen.is_none();
                let start = |task: &mut Task| launched(task, &container, result, seen, now);
                self.note_start(&task, &container, unseen, start);
            }
            Done::NotStarted {
                task,
                container,
                first_try,
            } => self.change(&task, |task| not_started(task, &container, first_try)),
            Done::Restarted {
                task,
                container,
                result,
                seen,
            } => {
                let unseen = result.is_ok() && seen.is_none();
                let start = |task: &mut Task| restarted(task, &container, result, seen, now);
                self.note_start(&task, &container, unseen, start);
            }
            Done::Stopped {
                task,
                container,
                seen,
            } => self.change(&task, |task| stopped(task, &container, seen, now)),
            Done::Observed {
                task,
                container,
                seen,
            } => self.note_seen(&task, &container, seen, now),
            Done::Broken(what) => self.note_broken(what),
            Done::Reported { task, report } => {
                self.reporting.remove(&task);
                self.change(&task, |task| acknowledge(task, &report));
            }
            Done::Removed { task } => self.forget(&task),
            Done::ImagesRemoved(ids) => self.images_removed(&ids),
        }
    }

    fn note_start(&mut self, task: &str, container: &str, unseen: bool, start: impl FnOnce(&mut Task)) {
        self.change(task, start);
        if unseen {
            self.look(task, container);
        }
    }

    fn note_supplied(&mut self, task: &str, container: &str, result: Result<(), String>) {
        self.pulls.remove(&(task.to_owned(), container.to_owned()));
        self.change(task, |task| observation::supplied(task, container, result));
    }

    /// Work that failed for a reason of its own is due again, with the next tick: not in a circle as fast as it fails.
    fn note_broken(&mut self, what: Undertaking) {
        tracing::error!(?what, "work of the agent failed; please report this");
        match what {
            Undertaking::Step { task, container } => {
                self.pulls.remove(&(task.clone(), container.clone()));
                let found = self.tasks.get_mut(&task);
                if let Some(container) = found.and_then(|task| task.container_mut(&container)) {
                    container.busy = false;
                }
                self.again.insert(task);
            }
            Undertaking::Look { task, container } => {
                self.looks.remove(&(task, container));
            }
            Undertaking::Report { task } => {
                self.reporting.remove(&task);
            }
            Undertaking::Removal { task } => {
                self.removing.remove(&task);
            }
            Undertaking::Images => {}
        }
    }

    /// One look at a time: what happens meanwhile is worth one more.
    pub(super) fn look(&mut self, arn: &str, container: &str) {
        let Some(task) = self.tasks.get(arn) else { return };
        let Some(found) = task.container(container) else {
            return;
        };
        match self.looks.entry((arn.to_owned(), container.to_owned())) {
            Entry::Occupied(mut looking) => {
                looking.insert(true);
            }
            Entry::Vacant(free) => {
                free.insert(false);
                work::look(&mut self.work, task, found, &self.parts);
            }
        }
    }

    fn note_seen(&mut self, arn: &str, container: &str, seen: Observed, now: Timestamp) {
        let again = self.looks.remove(&(arn.to_owned(), container.to_owned())) == Some(true);
        let Some(task) = self.tasks.get_mut(arn) else {
            return;
        };
        let desired = task.desired;
        if let Some(found) = task.container_mut(container)
            && observation::observed(found, seen, desired, now)
        {
            self.dirty.insert(arn.to_owned());
        }
        if again {
            self.look(arn, container);
        }
    }
}

fn launched(
    task: &mut Task,
    name: &str,
    result: Result<Launched, EngineError>,
    seen: Option<Observed>,
    now: Timestamp,
) {
    if let Some(container) = task.container_mut(name) {
        observation::launched(container, result, now);
    }
    // A container may be over before it was looked at; it ran all the same.
    plan::note_ran(task);
    let desired = task.desired;
    if let (Some(container), Some(seen)) = (task.container_mut(name), seen) {
        observation::observed(container, seen, desired, now);
    }
}

fn not_started(task: &mut Task, name: &str, first_try: bool) {
    if let Some(container) = task.container_mut(name) {
        container.busy = false;
        container.attempted &= !first_try;
    }
}

fn stopped(task: &mut Task, name: &str, seen: Observed, now: Timestamp) {
    if let Some(container) = task.container_mut(name) {
        observation::stopped(container, seen, now);
    }
}

fn restarted(
    task: &mut Task,
    name: &str,
    result: Result<Launched, EngineError>,
    seen: Option<Observed>,
    now: Timestamp,
) {
    let desired = task.desired;
    if let Some(container) = task.container_mut(name) {
        observation::restarted(container, result, now);
        if let Some(seen) = seen {
            observation::observed(container, seen, desired, now);
        }
    }
}
