//! REPLICA services of the ECS controller.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;

use super::BATCH;
use super::holder::{Holder, holder};
use super::outcome::{Plan, Rollback, Says, Start, StartPlace};
use super::picture::{Deployment, Replica, Task};
use super::progress::{Progress, Rollout};
use super::rolling::{Aim, Step, step};
use super::told::{announce, tell_block, tell_steady};
use super::verdict::seen_by;

/// After how many seconds zones are evened out again where it came to nothing.
const MOVED_AGAIN_AFTER: i64 = 300;

/// Plans a REPLICA service.
pub(super) fn plan(replica: &Replica<'_>, tasks: &[Task], now: Timestamp) -> Plan {
    let mut plan = Plan {
        progress: remembered(replica.deployments),
        ..Plan::default()
    };
    take_in(
        &mut plan,
        replica.deployments,
        tasks,
        replica.circuit_breaker,
        now,
    );
    if give_up(
        &mut plan,
        replica.deployments,
        tasks,
        replica.desired,
        replica.circuit_breaker,
    ) {
        return plan;
    }
    let live_or_stopping: Vec<usize> = (0..tasks.len()).collect();
    let moves = plan.progress.first().map_or(0, |primary| primary.moving);
    let holder = holder(&plan.progress, replica.desired);
    let aim = aim(replica, &plan.progress, holder, now);
    plan.progress.iter_mut().for_each(|one| one.no_room = false);
    let done = step(tasks, &live_or_stopping, &aim);
    if let Some(primary) = plan.progress.first_mut() {
        primary.count_unhealthy(done.unhealthy_stopped);
    }
    plan.stops.clone_from(&done.stops);
    if give_up(
        &mut plan,
        replica.deployments,
        tasks,
        replica.desired,
        replica.circuit_breaker,
    ) {
        remember_seen(&mut plan, tasks);
        return plan;
    }
    if done.starts > 0 {
        let count = u32::try_from(done.starts).unwrap_or(BATCH);
        plan.starts.push(Start {
            deployment: holder.map_or(0, |holder| holder.deployment),
            count,
            place: StartPlace::Anywhere,
        });
    }
    plan.again = done.again;
    conclude(&mut plan, replica, tasks, &done, now);
    if moves == 0 {
        rebalance(&mut plan, replica, tasks, &aim, &done, now);
    } else if done.coming == 0 {
        end_move(&mut plan, replica, &done, now);
    }
    remember_seen(&mut plan, tasks);
    plan
}

/// The memories of `deployments`.
pub(super) fn remembered(deployments: &[Deployment]) -> Vec<Progress> {
    deployments
        .iter()
        .map(|deployment| deployment.progress.clone())
        .collect()
}

/// Every deployment takes in what its tasks did; the first announces itself.
pub(super) fn take_in(
    plan: &mut Plan,
    deployments: &[Deployment],
    tasks: &[Task],
    breaker: Option<super::picture::CircuitBreaker>,
    now: Timestamp,
) {
    let seen = seen_by(tasks, deployments.len());
    let known = plan.progress.iter_mut().zip(deployments).zip(seen);
    for (at, ((progress, deployment), seen)) in known.enumerate() {
        if at == 0 {
            plan.says.extend(announce(progress, at));
        }
        plan.says
            .extend(progress.take_in(at, deployment.ended, seen, breaker, now));
    }
}

/// What the plan leaves running is remembered, so that the next plan sees what came to run since.
pub(super) fn remember_seen(plan: &mut Plan, tasks: &[Task]) {
    let mut left: Vec<Task> = tasks.to_vec();
    for stop in &plan.stops {
        if let Some(task) = left.get_mut(stop.task) {
            task.status = super::picture::Status::Stopping;
        }
    }
    let seen = seen_by(&left, plan.progress.len());
    for (progress, seen) in plan.progress.iter_mut().zip(seen) {
        progress.running_seen = seen.running;
        progress.healthy_seen = seen.healthy;
    }
}

/// Gives the first deployment up when it must be; whether it was.
pub(super) fn give_up(
    plan: &mut Plan,
    deployments: &[Deployment],
    tasks: &[Task],
    desired: u32,
    breaker: Option<super::picture::CircuitBreaker>,
) -> bool {
    let completed = |progress: &Progress| progress.rollout == Rollout::Completed;
    let earlier = plan.progress.iter().skip(1).position(completed).map(|at| at + 1);
    let alarms = deployments.first().and_then(|deployment| deployment.alarms);
    let Some(primary) = plan.progress.first_mut() else {
        return false;
    };
    let Some((cause, goes_back)) = primary.fails(desired, breaker, alarms) else {
        return false;
    };
    primary.rollout = Rollout::Failed(cause);
    primary.moving = 0;
    primary.kept = u32::try_from(tasks.iter().filter(|task| task.is_live()).count()).ok();
    let to = earlier.filter(|_| goes_back);
    plan.says.push(Says::DeploymentFailed {
        deployment: 0,
        cause,
        to,
    });
    plan.rollback = to.map(|to| Rollback { from: 0, to, cause });
    plan.again = true;
    true
}

fn aim(replica: &Replica<'_>, progress: &[Progress], holder: Option<Holder>, now: Timestamp) -> Aim {
    let deployment = holder.map_or(0, |holder| holder.deployment);
    let starter = progress.get(deployment).filter(|_| holder.is_some());
    let may_start = starter.is_some_and(|starter| !starter.waits(now));
    Aim {
        deployment: 0,
        beside: (deployment > 0).then_some(deployment),
        target: count(holder.map_or(replica.desired, |holder| holder.target)),
        extra: count(progress.first().map_or(0, |primary| primary.moving)),
        lower: count(replica.percents.lower(replica.desired)),
        upper: count(replica.percents.upper(replica.desired)),
        scale_in: replica.scale_in,
        batch: if may_start { count(BATCH) } else { 0 },
        no_room: starter.is_some_and(|starter| starter.no_room),
    }
}

/// A `u32` as a length.
pub(super) fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Completion, removal of old deployments, steadiness, blocks, and when to look again.
fn conclude(plan: &mut Plan, replica: &Replica<'_>, tasks: &[Task], done: &Step, now: Timestamp) {
    let desired = count(replica.desired);
    let all_there = done.good >= desired && done.left == 0 && done.starts == 0;
    let Some(primary) = plan.progress.first_mut() else {
        return;
    };
    if all_there && primary.is_rolling() {
        primary.rollout = Rollout::Completed;
        plan.says.push(Says::DeploymentCompleted { deployment: 0 });
    }
    let is_completed = primary.rollout == Rollout::Completed;
    let rests = primary.has_failed();
    let holder = holder(&plan.progress, replica.desired);
    let is_full = done.good + done.coming >= desired && done.starts == 0;
    remove_old(plan, tasks, |at| {
        is_completed || rests && (is_full || holder.is_none_or(|holder| holder.deployment != at))
    });
    if holder.is_none() && done.good + done.coming < desired {
        plan.says.push(Says::NothingToStart { deployment: 0 });
    }
    let alone = plan.removed.len() + 1 == plan.progress.len();
    let steady = is_completed && alone && all_there && done.good == desired && done.coming == 0;
    let Some(primary) = plan.progress.first_mut() else {
        return;
    };
    if tell_steady(primary, steady && done.stops.is_empty(), now) {
        plan.says.push(Says::SteadyState);
    }
    plan.says
        .extend(tell_block(primary, 0, done.blocked.filter(|_| !rests), now));
    plan.wake_at = plan.progress.iter().filter_map(|one| one.wake_at(now)).min();
}

/// Old deployments without tasks are over; one that the service could still go back to stays until `is_over` says otherwise.
pub(super) fn remove_old(plan: &mut Plan, tasks: &[Task], is_over: impl Fn(usize) -> bool) {
    let mut has_tasks = vec![false; plan.progress.len()];
    let mut stopped = vec![false; tasks.len()];
    for stop in &plan.stops {
        if let Some(stopped) = stopped.get_mut(stop.task) {
            *stopped = true;
        }
    }
    for (task, stopped) in tasks.iter().zip(stopped) {
        if let Some(has) = has_tasks.get_mut(task.deployment)
            && task.is_live()
            && !stopped
        {
            *has = true;
        }
    }
    plan.removed = (1..)
        .zip(plan.progress.iter().zip(&has_tasks).skip(1))
        .filter(|(at, (progress, has_tasks))| {
            !**has_tasks && (progress.rollout != Rollout::Completed || is_over(*at))
        })
        .map(|(at, _)| at)
        .collect();
}

/// What was started to even out the zones is there: the next pass takes the surplus away. Where it came to nothing, it is tried
/// again only after a while: nothing else would end the attempts in a zone that has no room.
fn end_move(plan: &mut Plan, replica: &Replica<'_>, done: &Step, now: Timestamp) {
    let Some(primary) = plan.progress.first_mut() else {
        return;
    };
    primary.moving = 0;
    if done.good > count(replica.desired) {
        plan.again = true;
    } else {
        primary.move_at = Some(now.plus_seconds(MOVED_AGAIN_AFTER));
        plan.wake_at = primary.wake_at(now);
    }
}

/// Evens out the zones of a service that is otherwise at rest: what the poorest zone lacks is started there first, and the
/// surplus that follows is then taken from the richest.
fn rebalance(plan: &mut Plan, replica: &Replica<'_>, tasks: &[Task], aim: &Aim, done: &Step, now: Timestamp) {
    let rests = done.stops.is_empty() && done.starts == 0 && done.coming == 0 && done.left == 0;
    let [primary] = plan.progress.as_mut_slice() else {
        return;
    };
    // A time too far away was set before the clock was set back.
    let waits = primary
        .move_at
        .is_some_and(|at| at > now && at <= now.plus_seconds(MOVED_AGAIN_AFTER));
    let may = rests && !waits && primary.rollout == Rollout::Completed;
    let Some(zones) = replica.rebalance.filter(|_| may) else {
        return;
    };
    let mut held: BTreeMap<u32, Held> = zones.iter().map(|&zone| (zone, Held::default())).collect();
    for task in tasks.iter().filter(|task| task.is_live()) {
        if let Some(held) = held.get_mut(&task.zone) {
            held.tasks += 1;
            held.movable += u32::from(!task.protected);
        }
    }
    let room = aim.upper.saturating_sub(done.good).min(aim.batch);
    let mut starts: BTreeMap<u32, u32> = BTreeMap::new();
    while starts.values().sum::<u32>() < u32::try_from(room).unwrap_or(BATCH)
        && let Some(poorest) = move_one(&mut held)
    {
        *starts.entry(poorest).or_default() += 1;
    }
    primary.moving = starts.values().sum();
    plan.starts.extend(starts.into_iter().map(|(zone, count)| Start {
        deployment: 0,
        count,
        place: StartPlace::Zone(zone),
    }));
}

/// The tasks of one zone.
#[derive(Default)]
struct Held {
    tasks: u32,
    /// Of these, those that are not protected: only they can give way.
    movable: u32,
}

/// Moves one task from the richest zone that can give one to the poorest, where that evens them out; the poorest.
fn move_one(held: &mut BTreeMap<u32, Held>) -> Option<u32> {
    let (&poorest, few) = held
        .iter()
        .min_by_key(|(zone, held)| (held.tasks, **zone))
        .map(|(zone, held)| (zone, held.tasks))?;
    let (_, richest) = held
        .iter_mut()
        .filter(|(_, held)| held.movable > 0 && held.tasks >= few + 2)
        .max_by_key(|(zone, held)| (held.tasks, **zone))?;
    richest.tasks -= 1;
    richest.movable -= 1;
    held.get_mut(&poorest)?.tasks += 1;
    Some(poorest)
}
