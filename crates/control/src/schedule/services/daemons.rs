//! Daemons: what the deployment machine says of one, carried out. To the machine a daemon is a DAEMON service; what it tells
//! goes into the daemon's history, since daemons have no `events[]`.

use portcullis_api::ecs as api;
use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{self as machine, Plan, Rollout, Says, StartPlace, StopReason};

use super::pass::{Next, name};
use super::picture::Picture;
use super::{rooms, texts};
use crate::open_points;
use crate::schedule::life_cycle;
use crate::services::ecs::daemons::deploying;
use crate::services::ecs::tasks::{Fit, Missing, Started, Version, Where, fits, start};
use crate::world::records::ecs::{
    Cluster, ContainerInstance, Controller, Daemon, DaemonStatus, DesiredStatus, Facet, LastStatus, Launches,
    SchedulingStrategy, Service, ServiceStatus, StopCode, Task, TaskEnds, TaskSet,
};
use crate::world::{Snapshot, Tx};

/// Passes over a daemon, by the key the scheduler knows it by. `Err` when there was nothing to do: then nothing is kept either.
pub(super) fn pass(tx: &mut Tx<'_>, key: &str) -> Result<Next, Next> {
    let key = Daemon::key_of_owner(key).unwrap_or_default();
    let Some(before) = tx.view().ecs.daemons.get(&key).cloned() else {
        return Err(Next::default());
    };
    let mut service = as_service(&before);
    let picture = Picture::of(tx.view(), &service, tx.now);
    bound(&mut service, &before, picture.matching_hosts());
    let plan = machine::plan(&picture.service(&service), tx.now);
    let mut work = Work {
        is_changed: deploying::start(tx, &before),
        daemon: Daemon::clone(&before),
        picture,
    };
    work.take_note(tx);
    work.stop(tx, &plan);
    work.start(tx, &service, &plan);
    work.remember(&plan, tx.now);
    work.conclude(tx, &plan);
    service.deployments.clone_from(&work.daemon.deployments);
    work.is_changed |= rooms::keep(tx, &service, &work.picture);
    let next = work.next(&plan, tx.now);
    if plan.inactive {
        deploying::finish(tx, &work.daemon);
        return Ok(next);
    }
    if work.is_changed {
        tx.put(work.daemon);
        Ok(next)
    } else {
        Err(next)
    }
}

/// Starts the daemons of a cluster on an instance that begins to take tasks, before anything else can be placed there.
pub(crate) fn daemons_first(tx: &mut Tx<'_>, instance: &ContainerInstance) {
    let view = tx.view().clone();
    let prefix = format!("{}/", Cluster::key_of(&instance.region, &instance.cluster));
    for (_, daemon) in view.ecs.daemons.prefix(&prefix) {
        let service = as_service(daemon);
        let Some(primary) = daemon.primary() else { continue };
        let version = Version::of_deployment(&service, primary);
        let is_held = matches!(primary.progress.rollout, Rollout::Failed(_))
            || primary.progress.retry_at.is_some_and(|at| tx.now < at);
        if daemon.status == DaemonStatus::Active
            && !is_held
            && !is_on(&view, daemon, instance)
            && fits(tx.view(), version, &[instance]) == [Fit::Now]
        {
            // Whatever is missing, the next pass over the daemon finds out.
            start(tx, version, 1, &Where::Instance(instance.id.clone()));
        }
    }
}

/// Whether an instance holds a task of a daemon, be it on its way out.
fn is_on(view: &Snapshot, daemon: &Daemon, instance: &ContainerInstance) -> bool {
    let facet = Facet::ContainerInstance(&instance.id);
    let set = |desired| TaskSet::new(&instance.region, &instance.cluster, facet, desired);
    let group = daemon.group();
    [DesiredStatus::Running, DesiredStatus::Stopped]
        .into_iter()
        .any(|desired| {
            let set = set(desired);
            let rows = view.ecs.tasks_of(&set, None).map(|(_, task)| task);
            let mut alive = rows.take_while(|task| task.last != LastStatus::Stopped);
            alive.any(|task| task.group == group)
        })
}

/// A daemon as the machine and the making of tasks know services.
fn as_service(daemon: &Daemon) -> Service {
    let chosen = &daemon.chosen;
    let propagates = chosen.propagate_tags.as_deref() == Some("DAEMON");
    Service {
        region: daemon.region.clone(),
        cluster: daemon.cluster.clone(),
        name: daemon.name.clone(),
        arn: daemon.arn.clone(),
        status: match daemon.status {
            DaemonStatus::Active => ServiceStatus::Active,
            DaemonStatus::DeleteInProgress => ServiceStatus::Draining,
        },
        tags: daemon.tags.clone(),
        client_token: None,
        desired: 0,
        strategy: SchedulingStrategy::Daemon,
        controller: Controller::Ecs,
        deployments: daemon.deployments.clone(),
        task_sets: Vec::new(),
        launches: Launches::default(),
        events: Vec::new(),
        current_deployment: None,
        completed_revision: None,
        definition: api::Service {
            propagate_tags: propagates.then(|| "SERVICE".to_owned()),
            enable_ecs_managed_tags: chosen.enable_ecs_managed_tags,
            enable_execute_command: chosen.enable_execute_command,
            ..api::Service::default()
        },
    }
}

/// How many of the daemon's tasks may be away at once during a deployment.
fn bound(service: &mut Service, daemon: &Daemon, hosts: u32) {
    let kept = open_points::daemon_kept_percent(daemon.configuration.drain_percent, hosts);
    service.definition.deployment_configuration = Some(api::DeploymentConfiguration {
        minimum_healthy_percent: i32::try_from(kept).ok(),
        maximum_percent: Some(100),
        deployment_circuit_breaker: Some(open_points::daemon_circuit_breaker()),
        ..api::DeploymentConfiguration::default()
    });
}

/// A daemon in the middle of a pass.
struct Work {
    daemon: Daemon,
    picture: Picture,
    is_changed: bool,
}

impl Work {
    /// The id of a deployment by its position in the picture.
    fn id(&self, position: usize) -> String {
        self.picture.ids.get(position).cloned().unwrap_or_default()
    }

    /// What ended by itself is in the picture: it is not counted again.
    fn take_note(&mut self, tx: &mut Tx<'_>) {
        for id in &self.picture.ids {
            let key = TaskEnds::key_of(&self.daemon.region, &self.daemon.cluster, id);
            if tx.view().ecs.task_ends.get(&key).is_some() {
                tx.delete::<TaskEnds>(&key);
                self.is_changed = true;
            }
        }
    }

    fn stop(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        for stop in &plan.stops {
            let Some(task) = self.picture.tasks.get(stop.task) else {
                continue;
            };
            let reason = match stop.reason {
                StopReason::Unhealthy => texts::UNHEALTHY.to_owned(),
                _ => texts::scaled_in(task.started_by.as_deref().unwrap_or_default()),
            };
            let mut task = Task::clone(task);
            task.ask_to_stop(StopCode::ServiceSchedulerInitiated, reason, tx.now);
            life_cycle::keep(tx, task);
            self.is_changed = true;
        }
    }

    fn start(&mut self, tx: &mut Tx<'_>, service: &Service, plan: &Plan) {
        for wanted in &plan.starts {
            let StartPlace::Instance(instance) = wanted.place else {
                continue;
            };
            let Some(version) = Version::at(service, wanted.deployment) else {
                continue;
            };
            let whither = Where::Instance(name(&self.picture.instances, instance));
            let Started { ids, missing } = start(tx, version, wanted.count, &whither);
            self.is_changed |= !ids.is_empty();
            if let Some(Missing::Launch(error)) = missing {
                self.note_refusal(tx, wanted.deployment, &error);
            }
        }
    }

    /// A task that nobody can launch has failed to start, as if it had been there.
    fn note_refusal(&mut self, tx: &mut Tx<'_>, deployment: usize, error: &str) {
        let group = self.daemon.group();
        let home = (&self.daemon.region, self.daemon.cluster.as_str(), group.as_str());
        TaskEnds::add(tx, home, &self.id(deployment), false);
        deploying::explain(tx, &self.daemon, error);
        self.is_changed = true;
    }

    fn remember(&mut self, plan: &Plan, now: Timestamp) {
        for (deployment, progress) in self.daemon.deployments.iter_mut().zip(&plan.progress) {
            if deployment.progress == *progress {
                continue;
            }
            if deployment.progress.rollout != progress.rollout {
                deployment.updated = now;
            }
            deployment.progress = progress.clone();
            self.is_changed = true;
        }
    }

    /// Writes what ended into the history and lets go of what is over.
    fn conclude(&mut self, tx: &mut Tx<'_>, plan: &Plan) {
        for says in &plan.says {
            match *says {
                Says::DeploymentCompleted { deployment } => {
                    let id = self.id(deployment);
                    deploying::complete(tx, &self.daemon, &id);
                }
                Says::DeploymentFailed {
                    deployment,
                    cause,
                    to,
                } => {
                    let hosts = self.picture.matching_hosts();
                    let (id, to) = (self.id(deployment), to.map(|to| self.id(to)));
                    deploying::fail(tx, &mut self.daemon, &id, (cause, hosts), to.as_deref());
                    self.is_changed = true;
                }
                _ => {}
            }
        }
        if !plan.removed.is_empty() {
            // A rollback may have put the deployments into another order: they go by their ids.
            let gone: Vec<String> = plan.removed.iter().map(|at| self.id(*at)).collect();
            self.daemon.deployments.retain(|one| !gone.contains(&one.id));
            self.is_changed = true;
        }
    }

    fn next(&self, plan: &Plan, now: Timestamp) -> Next {
        let times = [plan.wake_at, self.picture.next];
        Next {
            wake_at: times.into_iter().flatten().filter(|at| *at > now).min(),
            room: true,
            hosts: true,
            asks: false,
        }
    }
}
