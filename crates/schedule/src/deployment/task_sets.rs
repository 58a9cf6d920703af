//! Task sets of the EXTERNAL and CODE_DEPLOY controllers: each holds its own number of tasks; when they change is
//! somebody else's affair.

use portcullis_core::Timestamp;

use super::BATCH;
use super::outcome::{Plan, Says, Start, StartPlace, Stop, StopReason};
use super::picture::{Percents, Task, TaskSet, TaskSets};
use super::progress::Rollout;
use super::replica::{count, remember_seen};
use super::rolling::{Aim, step};
use super::told::{tell_block, tell_steady};
use super::verdict::{Seen, seen_by};

/// The bounds that task sets always have.
const PERCENTS: Percents = Percents {
    minimum: 100,
    maximum: 200,
};

/// Plans a service of task sets.
pub(super) fn plan(service: &TaskSets<'_>, tasks: &[Task], now: Timestamp) -> Plan {
    let mut plan = Plan {
        progress: service.sets.iter().map(|set| set.progress.clone()).collect(),
        ..Plan::default()
    };
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); service.sets.len()];
    for (at, task) in tasks.iter().enumerate() {
        match members.get_mut(task.deployment) {
            Some(members) => members.push(at),
            None if task.is_live() => {
                plan.stops.push(Stop {
                    task: at,
                    reason: StopReason::Scaling(task.deployment),
                });
            }
            None => {}
        }
    }
    let seen = seen_by(tasks, service.sets.len());
    let mut batch = count(BATCH);
    for (at, ((set, members), seen)) in service.sets.iter().zip(&members).zip(seen).enumerate() {
        batch -= plan_set(
            &mut plan,
            service,
            (at, set),
            (tasks, members, seen),
            (batch, now),
        );
    }
    remember_seen(&mut plan, tasks);
    plan
}

/// Plans one set with at most `batch` starts; how many it took.
fn plan_set(
    plan: &mut Plan,
    service: &TaskSets<'_>,
    (at, set): (usize, &TaskSet),
    (tasks, members, seen): (&[Task], &[usize], Seen),
    (batch, now): (usize, Timestamp),
) -> usize {
    let Some(progress) = plan.progress.get_mut(at) else {
        return 0;
    };
    plan.says.extend(progress.take_in(at, set.ended, seen, None, now));
    let desired = set.computed_desired(service.desired);
    let aim = Aim {
        deployment: at,
        beside: None,
        target: count(desired),
        extra: 0,
        lower: count(PERCENTS.lower(desired)),
        upper: count(PERCENTS.upper(desired)),
        scale_in: service.scale_in,
        batch: if progress.waits(now) { 0 } else { batch },
        no_room: std::mem::take(&mut progress.no_room),
    };
    let done = step(tasks, members, &aim);
    progress.count_unhealthy(done.unhealthy_stopped);
    let steady = done.good == aim.target
        && done.coming == 0
        && done.left == 0
        && done.starts == 0
        && done.stops.is_empty();
    if steady {
        progress.rollout = Rollout::Completed;
    }
    if tell_steady(progress, steady, now) {
        plan.says.push(Says::TaskSetSteadyState { set: at });
    }
    plan.says.extend(tell_block(progress, at, done.blocked, now));
    plan.wake_at = [plan.wake_at, progress.wake_at(now)].into_iter().flatten().min();
    let short_of_batch = batch == 0 && done.good + done.coming < aim.target && !progress.waits(now);
    plan.again |= done.again || short_of_batch;
    plan.stops.extend(done.stops);
    if done.starts > 0 {
        let count = u32::try_from(done.starts).unwrap_or(BATCH);
        plan.starts.push(Start {
            deployment: at,
            count,
            place: StartPlace::Anywhere,
        });
    }
    done.starts
}
