//! DAEMON services: one task on each matching host; an update stops the old task, then starts the new one.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;

use super::BATCH;
use super::outcome::{Plan, Says, Start, StartPlace, Stop, StopReason};
use super::picture::{Daemon, HostState, Task};
use super::progress::Rollout;
use super::replica::{count, give_up, remember_seen, remembered, remove_old, take_in};
use super::told::tell_steady;

/// Plans a DAEMON service.
pub(super) fn plan(daemon: &Daemon<'_>, tasks: &[Task], now: Timestamp) -> Plan {
    let mut plan = Plan {
        progress: remembered(daemon.deployments),
        ..Plan::default()
    };
    take_in(&mut plan, daemon.deployments, tasks, daemon.circuit_breaker, now);
    let places = daemon.hosts.iter().filter(|host| host.state.has_place()).count();
    let desired = u32::try_from(places).unwrap_or(u32::MAX);
    if give_up(
        &mut plan,
        daemon.deployments,
        tasks,
        desired,
        daemon.circuit_breaker,
    ) {
        return plan;
    }
    let lower = count(daemon.percents.lower(desired));
    let mut field = Field::new(daemon, tasks);
    field.clear_wrong_places(&mut plan);
    let Some(primary) = plan.progress.first() else {
        return plan;
    };
    if !primary.has_failed() {
        let unhealthy = field.replace(&mut plan, lower);
        if let Some(primary) = plan.progress.first_mut() {
            primary.no_room = false;
            primary.count_unhealthy(unhealthy);
        }
    }
    if !give_up(
        &mut plan,
        daemon.deployments,
        tasks,
        desired,
        daemon.circuit_breaker,
    ) {
        field.start(&mut plan, now);
        conclude(&mut plan, &field, tasks, places, now);
    }
    remember_seen(&mut plan, tasks);
    plan
}

impl HostState {
    /// A task belongs there.
    fn has_place(self) -> bool {
        matches!(self, Self::Matching | Self::Unreachable)
    }
}

/// The tasks of one host.
struct Spot {
    state: HostState,
    /// Live and stopping tasks.
    tasks: usize,
    /// A live task of the first deployment is there, and not to be replaced.
    kept: Option<usize>,
}

/// The hosts with their tasks.
struct Field<'a> {
    tasks: &'a [Task],
    spots: BTreeMap<u32, Spot>,
    /// Live tasks to be replaced on hosts where a task belongs.
    to_replace: Vec<usize>,
    healthy: usize,
}

impl<'a> Field<'a> {
    fn new(daemon: &Daemon<'_>, tasks: &'a [Task]) -> Self {
        let spot = |state| Spot {
            state,
            tasks: 0,
            kept: None,
        };
        let spots = daemon
            .hosts
            .iter()
            .map(|host| (host.instance, spot(host.state)))
            .collect();
        Self {
            tasks,
            spots,
            to_replace: Vec::new(),
            healthy: 0,
        }
    }

    /// Sorts the tasks; those where none may be are stopped at once.
    fn clear_wrong_places(&mut self, plan: &mut Plan) {
        for (at, task) in self.tasks.iter().enumerate() {
            let spot = self.spots.get_mut(&task.instance);
            if let Some(spot) = spot {
                spot.tasks += 1;
                match spot.state {
                    _ if !task.is_live() => {}
                    HostState::DrainingOthers => {}
                    HostState::DrainingAlone => {
                        plan.stops.push(Stop {
                            task: at,
                            reason: StopReason::InstanceDraining,
                        });
                    }
                    HostState::Matching | HostState::Unreachable => {
                        self.healthy += usize::from(task.is_healthy());
                        if task.deployment == 0 && !task.is_unhealthy() && spot.kept.is_none() {
                            spot.kept = Some(at);
                        } else {
                            self.to_replace.push(at);
                        }
                    }
                }
            } else if task.is_live() {
                plan.says.push(Says::DaemonConstraintViolated { task: at });
                plan.stops.push(Stop {
                    task: at,
                    reason: StopReason::ConstraintViolated,
                });
            }
        }
    }

    /// Stops what is to be replaced, healthy tasks only above the lower bound; how many of the first deployment were unhealthy.
    fn replace(&mut self, plan: &mut Plan, lower: usize) -> u32 {
        let mut unhealthy = 0;
        let mut left = Vec::new();
        for at in std::mem::take(&mut self.to_replace) {
            let Some(task) = self.tasks.get(at) else { continue };
            if task.is_healthy() && self.healthy <= lower {
                left.push(at);
                continue;
            }
            self.healthy -= usize::from(task.is_healthy());
            unhealthy += u32::from(task.is_unhealthy() && task.deployment == 0);
            let reason = if task.is_unhealthy() {
                StopReason::Unhealthy
            } else {
                StopReason::Scaling(task.deployment)
            };
            plan.stops.push(Stop { task: at, reason });
        }
        self.to_replace = left;
        unhealthy
    }

    /// Starts on hosts that hold nothing any more, not even a task on its way out: it may hold the ports.
    fn start(&self, plan: &mut Plan, now: Timestamp) {
        let stands = plan
            .progress
            .first()
            .is_none_or(|primary| primary.has_failed() || primary.waits(now));
        if stands {
            return;
        }
        let mut empty = self.empty();
        plan.starts.extend(empty.by_ref().take(count(BATCH)));
        plan.again = empty.next().is_some();
    }

    fn empty(&self) -> impl Iterator<Item = Start> {
        self.spots
            .iter()
            .filter(|(_, spot)| spot.state == HostState::Matching && spot.tasks == 0)
            .map(|(&instance, _)| Start {
                deployment: 0,
                count: 1,
                place: StartPlace::Instance(instance),
            })
    }

    /// Hosts that hold what they should, or cannot be given it now.
    fn settled(&self) -> usize {
        let good = |at: usize| self.tasks.get(at).is_some_and(Task::is_healthy);
        self.spots
            .values()
            .filter(|spot| match spot.state {
                HostState::Matching => spot.kept.is_some_and(good),
                HostState::Unreachable => spot.kept.is_none_or(good),
                HostState::DrainingOthers | HostState::DrainingAlone => false,
            })
            .count()
    }
}

fn conclude(plan: &mut Plan, field: &Field<'_>, tasks: &[Task], places: usize, now: Timestamp) {
    let all_there = field.settled() == places && field.to_replace.is_empty() && plan.starts.is_empty();
    let Some(primary) = plan.progress.first_mut() else {
        return;
    };
    if all_there && primary.is_rolling() {
        primary.rollout = Rollout::Completed;
        plan.says.push(Says::DeploymentCompleted { deployment: 0 });
    }
    let is_completed = primary.rollout == Rollout::Completed;
    let is_over = is_completed || primary.has_failed();
    remove_old(plan, tasks, |_| is_over);
    let steady = is_completed && all_there && plan.stops.is_empty();
    let Some(primary) = plan.progress.first_mut() else {
        return;
    };
    if tell_steady(primary, steady, now) {
        plan.says.push(Says::SteadyState);
    }
    plan.wake_at = primary.wake_at(now);
}
