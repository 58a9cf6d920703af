//! What the end of something the manager started changes.

use portcullis_core::Timestamp;

use super::super::model::Task;
use super::super::report::acknowledge;
use super::super::{observation, plan};
use super::{Done, Manager};
use crate::engine::{EngineError, Launched, Observed};

impl Manager {
    /// Puts it into the picture.
    pub(super) fn note(&mut self, done: Done) {
        let now = self.parts.clock.now();
        match done {
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
            } => self.change(&task, |task| launched(task, &container, result, seen, now)),
            Done::Restarted {
                task,
                container,
                result,
                seen,
            } => self.change(&task, |task| {
                let desired = task.desired;
                if let Some(container) = task.container_mut(&container) {
                    observation::restarted(container, result, now);
                    if let Some(seen) = seen {
                        observation::observed(container, seen, desired, now);
                    }
                }
            }),
            Done::Stopped {
                task,
                container,
                seen,
            } => self.change(&task, |task| {
                if let Some(container) = task.container_mut(&container) {
                    observation::stopped(container, seen, now);
                }
            }),
            Done::Observed {
                task,
                container,
                seen,
            } => self.note_seen(task, &container, seen, now),
            Done::Reported { task, report } => {
                self.reporting.remove(&task);
                self.change(&task, |task| acknowledge(task, &report));
            }
            Done::Removed { task } => self.forget(&task),
            Done::ImagesRemoved(ids) => self.images_removed(&ids),
        }
    }

    fn note_seen(&mut self, arn: String, container: &str, seen: Observed, now: Timestamp) {
        let Some(task) = self.tasks.get_mut(&arn) else {
            return;
        };
        let desired = task.desired;
        if let Some(container) = task.container_mut(container)
            && observation::observed(container, seen, desired, now)
        {
            self.dirty.insert(arn);
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
