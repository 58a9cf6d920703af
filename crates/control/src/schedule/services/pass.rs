//! One pass over one service, as one change: plan, stop, start, remember, tell.

use portcullis_core::{Timestamp, uuid};
use portcullis_schedule::deployment::{self as machine, Plan, Says, StartPlace, StopReason};

use super::network::Answers;
use super::picture::Picture;
use super::texts::Saying;
use super::{rollout, rooms, texts};
use crate::schedule::life_cycle;
use crate::services::ecs::quotas::LAUNCHES_PER_MINUTE;
use crate::services::ecs::services::delete;
use crate::services::ecs::tasks::{Missing, Started, Version, Where, start};
use crate::world::Tx;
use crate::world::records::ecs::{
    SchedulingStrategy, Service, ServiceEvent, ServiceStatus, StopCode, Task, TaskEnds, TaskSetStatus,
};

/// How long the same event is not told again, in seconds (ecs.md 11).
const SILENCE_SECONDS: i64 = 6 * 3_600;

/// What a service waits for after a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// To be looked at again then, also if nothing happens.
    pub wake_at: Option<Timestamp>,
    /// Room for its tasks.
    pub room: bool,
    /// Other instances than there are now.
    pub hosts: bool,
    /// What EC2 says of its networks, at once.
    pub asks: bool,
}

/// Passes over a service. `answers` are EC2's about the networks of its tasks; without them a pass that wants to start such
/// tasks asks for them. `Err` when there was nothing to do: then nothing is kept either.
pub(super) fn pass(tx: &mut Tx<'_>, key: &str, answers: Option<Answers>) -> Result<Next, Next> {
    let found = tx.view().ecs.services.get(key).cloned();
    let Some(before) = found.filter(|found| !matches!(found.status, ServiceStatus::Inactive { .. })) else {
        return Err(Next::default());
    };
    let picture = Picture::of(tx.view(), &before, tx.now);
    let plan = machine::plan(&picture.service(&before), tx.now);
    if answers.is_none() && needs_network(&before, &plan) {
        return Err(Next {
            asks: true,
            ..Next::default()
        });
    }
    let mut work = Work {
        service: Service::clone(&before),
        picture,
        answers: answers.unwrap_or_default(),
        is_changed: false,
        without_room: Vec::new(),
        is_held: false,
    };
    work.take_note(tx);
    work.stop(tx, &plan);
    work.start(tx, &plan);
    work.is_changed |= rollout::remember(&mut work.service, &plan, &work.without_room, tx.now);
    work.count_hosts();
    work.tell_all(tx, &plan);
    work.part(tx, &plan);
    if work.service.strategy == SchedulingStrategy::Daemon {
        work.is_changed |= rooms::keep(tx, &work.service, &work.picture);
    }
    let next = work.next(&plan, tx.now);
    if work.is_changed {
        tx.put(work.service);
        Ok(next)
    } else {
        Err(next)
    }
}

/// A service in the middle of a pass.
pub(super) struct Work {
    pub service: Service,
    pub picture: Picture,
    answers: Answers,
    is_changed: bool,
    /// Positions of deployments and task sets whose tasks found no room.
    without_room: Vec<usize>,
    /// More are to be started than may be started in this minute.
    is_held: bool,
}

impl Work {
    /// The id of a deployment or task set by its position in the picture.
    pub fn id(&self, position: usize) -> String {
        self.picture.ids.get(position).cloned().unwrap_or_default()
    }

    /// What ended by itself is in the picture: it is not counted again.
    fn take_note(&mut self, tx: &mut Tx<'_>) {
        for id in self.service.version_ids() {
            let key = TaskEnds::key_of(&self.service.region, &self.service.cluster, id);
            if tx.view().ecs.task_ends.get(&key).is_some() {
                tx.delete::<TaskEnds>(&key);
                self.is_changed = true;
            }
        }
    }

    fn stop(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        let mut ids = Vec::new();
        for stop in &plan.stops {
            let Some(task) = self.picture.tasks.get(stop.task) else {
                continue;
            };
            let reason = match stop.reason {
                StopReason::Unhealthy => texts::UNHEALTHY.to_owned(),
                StopReason::Scaling(by) => texts::scaled_in(&self.id(by)),
                StopReason::InstanceDraining
                | StopReason::ConstraintViolated
                | StopReason::ServiceDeleted => {
                    texts::scaled_in(task.started_by.as_deref().unwrap_or_default())
                }
            };
            let mut task = Task::clone(task);
            task.ask_to_stop(StopCode::ServiceSchedulerInitiated, reason, tx.now);
            ids.push(task.id.clone());
            life_cycle::keep(tx, task);
        }
        if !ids.is_empty() {
            self.tell(tx, texts::stopped(&self.service.name, &ids));
        }
    }

    /// How many of so many tasks may be started now; the service goes on when it may start more.
    fn bounded(&mut self, tx: &Tx<'_>, count: u32) -> u32 {
        let limit = LAUNCHES_PER_MINUTE.limit(tx.view());
        let left = self.service.launches.left(limit, tx.now);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        self.is_held |= left < count;
        count.min(left)
    }

    fn start(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        for wanted in &plan.starts {
            let count = self.bounded(tx, wanted.count);
            if count == 0 {
                continue;
            }
            let whither = match wanted.place {
                StartPlace::Anywhere => Where::Anywhere,
                StartPlace::Zone(zone) => Where::Zone(name(&self.picture.zones, zone)),
                StartPlace::Instance(instance) => Where::Instance(name(&self.picture.instances, instance)),
            };
            let Some(version) = Version::at(&self.service, wanted.deployment) else {
                continue;
            };
            let answer = self
                .answers
                .iter()
                .find(|(asked, _)| version.network == Some(asked));
            let Started { ids, missing } = match answer.map(|(_, answer)| answer) {
                None => start(tx, version, count, &whither),
                Some(Ok(zones)) => start(tx, version.within(zones), count, &whither),
                Some(Err(error)) => Started {
                    missing: Some(Missing::Launch(error.clone())),
                    ..Started::default()
                },
            };
            if !ids.is_empty() {
                self.service.launches.add(ids.len(), tx.now);
                self.tell(tx, texts::started(&self.service.name, &ids));
            }
            match missing {
                None => {}
                // Zones that cannot be evened out now are no trouble; the machine tries it again.
                Some(Missing::Room(_) | Missing::Hosts(_) | Missing::Capacity)
                    if matches!(whither, Where::Zone(_)) => {}
                Some(Missing::Capacity) => {
                    self.without_room.push(wanted.deployment);
                    self.tell_once(tx, texts::no_capacity(&self.service.name));
                }
                Some(Missing::Hosts(provider)) => {
                    self.without_room.push(wanted.deployment);
                    self.tell_once(tx, texts::no_hosts(&self.service.name, &provider));
                }
                Some(Missing::Room(closest)) => {
                    self.without_room.push(wanted.deployment);
                    let closest = closest
                        .as_ref()
                        .map(|(instance, reason)| (instance.as_str(), *reason));
                    self.tell_once(tx, texts::no_room(&self.service.name, closest));
                }
                Some(Missing::Launch(error)) => {
                    self.note_refusal(tx, wanted.deployment, count, &error);
                }
            }
        }
    }

    /// Tasks that nobody can launch have failed to start, as if they had been there.
    fn note_refusal(&mut self, tx: &mut Tx<'_>, deployment: usize, count: u32, error: &str) {
        let id = self.id(deployment);
        let home = (
            &self.service.region,
            self.service.cluster.as_str(),
            self.service.name.as_str(),
        );
        (0..count).for_each(|_| TaskEnds::add(tx, home, &id, false));
        self.is_changed = true;
        self.tell_once(tx, texts::launch_failed(&self.service.name, error));
    }

    /// A DAEMON service wants as many tasks as there are instances for it.
    fn count_hosts(&mut self) {
        let matching = self.picture.matching_hosts();
        let is_daemon = self.service.strategy == SchedulingStrategy::Daemon;
        if is_daemon && self.service.status == ServiceStatus::Active && self.service.desired != matching {
            self.service.desired = matching;
            self.is_changed = true;
        }
    }

    fn tell_all(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        let name = self.service.name.clone();
        for says in &plan.says {
            match *says {
                // Only events of EventBridge say so.
                Says::DeploymentInProgress { .. } => {}
                Says::DeploymentCompleted { deployment } => {
                    let id = self.id(deployment);
                    rollout::complete(tx, &mut self.service, &id);
                    self.tell(tx, texts::completed(&name, &id));
                }
                Says::DeploymentFailed {
                    deployment,
                    cause,
                    to,
                } => {
                    let (id, to) = (self.id(deployment), to.map(|to| self.id(to)));
                    rollout::fail(tx, &mut self.service, &id, cause, to.as_deref());
                    self.tell(tx, texts::failed(&name, &id, cause));
                    if let Some(to) = to {
                        self.tell(tx, texts::rolling_back(&name, &to));
                    }
                }
                Says::SteadyState => self.tell(tx, texts::steady(&name)),
                Says::TaskSetSteadyState { set } => self.tell(tx, texts::set_steady(&name, &self.id(set))),
                Says::StartImpaired { .. } => self.tell_once(tx, texts::impaired(&name)),
                Says::NothingToStart { deployment } => {
                    self.tell_once(tx, texts::nothing_to_start(&name, &self.id(deployment)));
                }
                Says::PercentsBlock { .. } => self.tell_once(tx, texts::percents_block(&name)),
                Says::ProtectionBlocks { deployment } => {
                    self.tell_once(tx, texts::protection_blocks(&name, &self.id(deployment)));
                }
                Says::DaemonConstraintViolated { task } => {
                    let task = self
                        .picture
                        .tasks
                        .get(task)
                        .map(|task| task.id.clone())
                        .unwrap_or_default();
                    self.tell_once(tx, texts::constraint_violated(&name, &task));
                }
            }
        }
    }

    /// Lets go of what is over.
    fn part(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        if !plan.removed.is_empty() {
            // A rollback may have put the deployments into another order: they go by their ids.
            let gone: Vec<String> = plan.removed.iter().map(|at| self.id(*at)).collect();
            self.service.deployments.retain(|one| !gone.contains(&one.id));
            self.service.task_sets.retain(|one| !gone.contains(&one.id));
            self.is_changed = true;
        }
        let in_use = |id: &str, picture: &Picture| {
            picture
                .tasks
                .iter()
                .any(|task| task.started_by.as_deref() == Some(id))
        };
        let sets = self.service.task_sets.len();
        self.service
            .task_sets
            .retain(|one| one.status != TaskSetStatus::Draining || in_use(&one.id, &self.picture));
        self.is_changed |= sets != self.service.task_sets.len();
        if plan.inactive {
            delete::end(&mut self.service, tx.now);
            self.is_changed = true;
        }
    }

    fn tell(&mut self, tx: &Tx<'_>, saying: impl Into<Saying>) {
        let Saying { message, action } = saying.into();
        self.service.tell(ServiceEvent {
            id: uuid(tx.random),
            at: tx.now,
            message,
            action,
        });
        self.is_changed = true;
    }

    /// Tells what may be true for long, unless it was told lately.
    fn tell_once(&mut self, tx: &Tx<'_>, saying: impl Into<Saying>) {
        let saying = saying.into();
        let mut lately = self
            .service
            .events
            .iter()
            .take_while(|event| tx.now.seconds_since(event.at) < SILENCE_SECONDS);
        if !lately.any(|event| event.message == saying.message) {
            self.tell(tx, saying);
        }
    }

    fn next(&self, plan: &Plan, now: Timestamp) -> Next {
        let is_daemon = self.service.strategy == SchedulingStrategy::Daemon;
        let lacks_room = !self.without_room.is_empty();
        let goes_on_at = self.is_held.then(|| self.service.launches.end());
        let times = [plan.wake_at, self.picture.next, goes_on_at];
        Next {
            wake_at: times.into_iter().flatten().filter(|at| *at > now).min(),
            room: lacks_room || is_daemon,
            hosts: lacks_room || is_daemon || self.picture.spreads_zones(),
            asks: false,
        }
    }
}

/// Whether a plan starts tasks with network interfaces of their own.
fn needs_network(service: &Service, plan: &Plan) -> bool {
    let network = |at: usize| Version::at(service, at)?.network?.awsvpc_configuration.as_ref();
    plan.starts
        .iter()
        .any(|start| network(start.deployment).is_some())
}

/// What a number of the picture means.
pub(super) fn name(names: &[String], number: u32) -> String {
    let found = usize::try_from(number).ok().and_then(|at| names.get(at));
    found.cloned().unwrap_or_default()
}
