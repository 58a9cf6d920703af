//! The picture of one service that a plan is made from, and what the plan's numbers mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{Region, Timestamp};
use portcullis_schedule::deployment::{
    self as machine, AlarmState, CircuitBreaker, Daemon, Ended, Host, HostState, Percents, Replica, ScaleIn,
    Standing, Status, Strategy, TaskSets, Threshold,
};

use crate::schedule::resources::remaining;
use crate::services::ec2::{Place, for_tasks};
use crate::services::ecs::tasks::{Fit, Version, fits, zones};
use crate::world::Snapshot;
use crate::world::records::ecs::{
    Cluster, ContainerInstance, Controller, DesiredStatus, Facet, Health, InstanceStatus, LastStatus,
    SchedulingStrategy, Service, ServiceStatus, Task, TaskEnds, TaskSet, TaskSetStatus, ZONE_ATTRIBUTE,
};

/// One service as it stands, with what its numbers mean.
pub(super) struct Picture {
    /// Its tasks that have not stopped, in the order of the plan's positions.
    pub tasks: Vec<Arc<Task>>,
    /// When something becomes true by itself: a protection or a grace period ends.
    pub next: Option<Timestamp>,
    /// The ids of deployments or task sets, by the plan's positions.
    pub ids: Vec<String>,
    /// The ids of instances, by their numbers.
    pub instances: Vec<String>,
    /// The names of zones, by their numbers.
    pub zones: Vec<String>,
    shown: Vec<machine::Task>,
    deployments: Vec<machine::Deployment>,
    sets: Vec<machine::TaskSet>,
    hosts: Vec<Host>,
    open_zones: Vec<u32>,
    numbers: BTreeMap<String, u32>,
}

impl Picture {
    /// Looks at a service.
    pub fn of(view: &Snapshot, service: &Service, now: Timestamp) -> Self {
        let mut picture = Self {
            tasks: Vec::new(),
            next: None,
            ids: service
                .deployments
                .iter()
                .map(|one| &one.id)
                .chain(service.task_sets.iter().map(|one| &one.id))
                .cloned()
                .collect(),
            instances: Vec::new(),
            zones: Vec::new(),
            shown: Vec::new(),
            deployments: Vec::new(),
            sets: Vec::new(),
            hosts: Vec::new(),
            open_zones: Vec::new(),
            numbers: BTreeMap::new(),
        };
        for (at, id) in ids_by_position(service) {
            for task in tasks_of(view, service, id) {
                let shown = picture.task(view, service, &task, at, now);
                picture.shown.push(shown);
                picture.tasks.push(task);
            }
        }
        picture.deployments = deployments(view, service);
        picture.sets = sets(view, service);
        if service.strategy == SchedulingStrategy::Daemon {
            picture.hosts = picture.hosts(view, service);
        } else if rebalances(service) {
            picture.open_zones = picture.open_zones(view, service);
        }
        picture
    }

    /// The service as the machine sees it.
    pub fn service(&self, service: &Service) -> machine::Service<'_> {
        let percents = percents(service);
        let circuit_breaker = circuit_breaker(service);
        let strategy = match (service.controller, service.strategy) {
            (Controller::Ecs, SchedulingStrategy::Daemon) => Strategy::Daemon(Daemon {
                percents,
                circuit_breaker,
                hosts: &self.hosts,
                deployments: &self.deployments,
            }),
            (Controller::Ecs, SchedulingStrategy::Replica) => Strategy::Replica(Replica {
                desired: service.desired,
                percents,
                circuit_breaker,
                scale_in: scale_in(service),
                rebalance: (self.open_zones.len() > 1).then_some(self.open_zones.as_slice()),
                deployments: &self.deployments,
            }),
            (Controller::CodeDeploy | Controller::External, _) => Strategy::TaskSets(TaskSets {
                desired: service.desired,
                scale_in: scale_in(service),
                sets: &self.sets,
            }),
        };
        machine::Service {
            standing: match service.status {
                ServiceStatus::Active => Standing::Active,
                ServiceStatus::Draining | ServiceStatus::Inactive { .. } => Standing::Draining,
            },
            strategy,
            tasks: &self.shown,
        }
    }

    /// How many instances shall have a task of a DAEMON service.
    pub fn matching_hosts(&self) -> u32 {
        let matching = |host: &&Host| matches!(host.state, HostState::Matching | HostState::Unreachable);
        u32::try_from(self.hosts.iter().filter(matching).count()).unwrap_or(u32::MAX)
    }

    /// The ids of the instances where a task of a DAEMON service belongs.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let belongs = |host: &&Host| matches!(host.state, HostState::Matching | HostState::Unreachable);
        let numbers = self.hosts.iter().filter(belongs).map(|host| host.instance);
        numbers.filter_map(|number| Some(self.instances.get(usize::try_from(number).ok()?)?.as_str()))
    }

    /// Whether the service is evened out over zones.
    pub fn spreads_zones(&self) -> bool {
        !self.open_zones.is_empty()
    }

    fn task(
        &mut self,
        view: &Snapshot,
        service: &Service,
        task: &Task,
        deployment: usize,
        now: Timestamp,
    ) -> machine::Task {
        let key = ContainerInstance::key_of(&task.region, &task.cluster, &task.container_instance);
        let instance = view.ecs.container_instances.get(&key);
        let room = match (scale_in(service), instance) {
            (ScaleIn::Binpack, Some(instance)) => room(view, service, &key, instance),
            _ => 0,
        };
        machine::Task {
            deployment,
            status: self.status(service, task, now),
            protected: self.is_protected(task, now),
            draining: instance.is_some_and(|one| one.status == InstanceStatus::Draining),
            zone: self.zone(task.availability_zone.as_deref().unwrap_or_default()),
            instance: match task.is_placed() {
                true => self.instance(&task.container_instance),
                false => u32::MAX,
            },
            room,
        }
    }

    fn status(&mut self, service: &Service, task: &Task, now: Timestamp) -> Status {
        if task.desired == DesiredStatus::Stopped {
            return Status::Stopping;
        }
        if task.last != LastStatus::Running {
            return Status::Pending;
        }
        Status::Running(match task.health_of_checks() {
            None => machine::Health::Unchecked,
            Some(Health::Healthy) => machine::Health::Healthy,
            Some(Health::Unhealthy) if self.is_in_grace(service, task, now) => machine::Health::Unknown,
            Some(Health::Unhealthy) => machine::Health::Unhealthy,
            Some(Health::Unknown) => machine::Health::Unknown,
        })
    }

    /// `healthCheckGracePeriodSeconds`: as long a task is not blamed for its health.
    fn is_in_grace(&mut self, service: &Service, task: &Task, now: Timestamp) -> bool {
        let grace = service
            .definition
            .health_check_grace_period_seconds
            .unwrap_or_default();
        let Some(started) = task.times.started else {
            return false;
        };
        self.holds_until(started.plus_seconds(i64::from(grace)), now)
    }

    fn is_protected(&mut self, task: &Task, now: Timestamp) -> bool {
        task.protected_until
            .is_some_and(|until| self.holds_until(until, now))
    }

    /// Whether something that ends by itself still holds.
    fn holds_until(&mut self, end: Timestamp, now: Timestamp) -> bool {
        if end <= now {
            return false;
        }
        self.next = Some(self.next.map_or(end, |next| next.min(end)));
        true
    }

    fn zone(&mut self, name: &str) -> u32 {
        let at = self
            .zones
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                self.zones.push(name.to_owned());
                self.zones.len() - 1
            });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn instance(&mut self, id: &str) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = u32::try_from(self.instances.len()).unwrap_or(u32::MAX);
        self.instances.push(id.to_owned());
        self.numbers.insert(id.to_owned(), number);
        number
    }

    /// The zones that have instances for the service.
    fn open_zones(&mut self, view: &Snapshot, service: &Service) -> Vec<u32> {
        let cluster = Cluster::key_of(&service.region, &service.cluster);
        let (Some(primary), Some(board)) = (service.primary(), view.ecs.board(&cluster)) else {
            return Vec::new();
        };
        let of_subnets = subnet_zones(
            view,
            &service.region,
            primary.chosen.network_configuration.as_ref(),
        );
        let version = Version::of_deployment(service, primary).within(&of_subnets);
        let slots = board.slots();
        let open = slots.iter().enumerate().filter(|(_, slot)| slot.is_open);
        let instances = open.filter_map(|(at, _)| view.ecs.container_instances.get(board.key(at)?));
        let zones = zones(view, version, instances.map(AsRef::as_ref));
        let mut numbers: Vec<u32> = zones.iter().map(|zone| self.zone(zone)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The instances that concern a DAEMON service.
    fn hosts(&mut self, view: &Snapshot, service: &Service) -> Vec<Host> {
        let Some(primary) = service.primary() else {
            return Vec::new();
        };
        let version = Version::of_deployment(service, primary);
        let prefix = format!("{}/", Cluster::key_of(&service.region, &service.cluster));
        let rows: Vec<_> = view.ecs.container_instances.prefix(&prefix).collect();
        let instances: Vec<&ContainerInstance> = rows.iter().map(|(_, instance)| instance.as_ref()).collect();
        let fits = fits(view, version, &instances);
        let mut hosts = Vec::new();
        for ((key, instance), fit) in rows.into_iter().zip(fits) {
            let own = view.ecs.group_count(key, &service.group());
            let state = match (instance.status, fit) {
                (InstanceStatus::Inactive { .. }, _) | (InstanceStatus::Active, Fit::Never) => continue,
                (InstanceStatus::Draining, _) if own == 0 => continue,
                (InstanceStatus::Draining, _) if others_on(view, key, instance) == 0 => {
                    HostState::DrainingAlone
                }
                (InstanceStatus::Draining, _) => HostState::DrainingOthers,
                (InstanceStatus::Active, Fit::Now) => HostState::Matching,
                // What it lacks, its own task may hold.
                (InstanceStatus::Active, Fit::NotNow) if own > 0 && instance.agent_connected => {
                    HostState::Matching
                }
                (InstanceStatus::Active, Fit::NotNow) => HostState::Unreachable,
            };
            let instance = self.instance(&instance.id);
            hosts.push(Host { instance, state });
        }
        hosts
    }
}

/// The zones of the subnets tasks may be in; empty when any will do.
fn subnet_zones(
    view: &Snapshot,
    region: &Region,
    network: Option<&api::NetworkConfiguration>,
) -> Vec<String> {
    let network = network.and_then(|network| network.awsvpc_configuration.as_ref());
    let Some(network) = network else { return Vec::new() };
    let place = Place {
        region,
        account: &view.account,
    };
    let found = for_tasks::network(view, place, &network.subnets, &[]);
    let subnets = found.map(|found| found.subnets).unwrap_or_default();
    subnets.into_iter().map(|(_, zone)| zone).collect()
}

/// The tasks on an instance that daemons wait for while it drains: those of no daemon. Daemons do not wait for each other.
fn others_on(view: &Snapshot, key: &str, instance: &ContainerInstance) -> i64 {
    let is_daemon = |group: &String| match group.strip_prefix("service:") {
        None => group.starts_with("daemon:"),
        Some(name) => {
            let key = Service::key_of(&instance.region, &instance.cluster, name);
            let found = view.ecs.services.get(&key);
            found.is_some_and(|found| found.strategy == SchedulingStrategy::Daemon)
        }
    };
    let groups = view.ecs.groups_on(key).into_iter().filter(is_daemon);
    let daemons: i64 = groups
        .map(|group| i64::from(view.ecs.group_count(key, &group)))
        .sum();
    let load = view.ecs.loads.get(key);
    let all = load.map_or(0, |load| {
        i64::from(load.running_tasks) + i64::from(load.pending_tasks)
    });
    all - daemons
}

/// The tasks of a deployment or task set that have not stopped.
fn tasks_of(view: &Snapshot, service: &Service, id: &str) -> Vec<Arc<Task>> {
    let facet = Facet::StartedBy(id);
    let set = |desired| TaskSet::new(&service.region, &service.cluster, facet, desired);
    let group = service.group();
    let mut tasks = Vec::new();
    for set in [set(DesiredStatus::Running), set(DesiredStatus::Stopped)] {
        let rows = view.ecs.tasks_of(&set, None).map(|(_, task)| task);
        // Those stopping stand before those stopped. Anybody may start a task with such a `startedBy`, but not in the group.
        let alive = rows.take_while(|task| task.last != LastStatus::Stopped);
        tasks.extend(alive.filter(|task| task.group == group).cloned());
    }
    tasks
}

/// `startedBy` of the tasks of each deployment and task set, with its position.
fn ids_by_position(service: &Service) -> impl Iterator<Item = (usize, &String)> {
    let deployments = service.deployments.iter().enumerate();
    let of_deployments = deployments.flat_map(|(at, one)| one.ids().map(move |id| (at, id)));
    let sets = (service.deployments.len()..).zip(&service.task_sets);
    of_deployments.chain(sets.map(|(at, one)| (at, &one.id)))
}

fn ended<'a>(view: &Snapshot, service: &Service, ids: impl Iterator<Item = &'a String>) -> Ended {
    let mut all = Ended::default();
    for id in ids {
        let key = TaskEnds::key_of(&service.region, &service.cluster, id);
        let ends = view.ecs.task_ends.get(&key).map(|ends| ends.ended());
        let ends = ends.unwrap_or_default();
        all.failed_to_start = all.failed_to_start.saturating_add(ends.failed_to_start);
        all.ran = all.ran.saturating_add(ends.ran);
    }
    all
}

fn deployments(view: &Snapshot, service: &Service) -> Vec<machine::Deployment> {
    let each = service.deployments.iter().map(|one| machine::Deployment {
        progress: one.progress.clone(),
        ended: ended(view, service, one.ids()),
        alarms: alarms(service),
    });
    each.collect()
}

fn sets(view: &Snapshot, service: &Service) -> Vec<machine::TaskSet> {
    let each = service.task_sets.iter().map(|one| machine::TaskSet {
        progress: one.progress.clone(),
        ended: ended(view, service, std::iter::once(&one.id)),
        scale: if one.status == TaskSetStatus::Draining {
            0.0
        } else {
            one.scale
        },
    });
    each.collect()
}

fn configuration(service: &Service) -> Option<&api::DeploymentConfiguration> {
    service.definition.deployment_configuration.as_ref()
}

fn percents(service: &Service) -> Percents {
    let (least, most) = match service.strategy {
        SchedulingStrategy::Replica => (100, 200),
        SchedulingStrategy::Daemon => (0, 100),
    };
    let chosen = configuration(service);
    let percent =
        |own: Option<i32>, default: u32| own.and_then(|own| u32::try_from(own).ok()).unwrap_or(default);
    Percents {
        minimum: percent(chosen.and_then(|one| one.minimum_healthy_percent), least),
        maximum: percent(chosen.and_then(|one| one.maximum_percent), most),
    }
}

/// The circuit breaker of a service, when it is enabled.
pub(super) fn circuit_breaker(service: &Service) -> Option<CircuitBreaker> {
    let chosen = configuration(service)?.deployment_circuit_breaker.as_ref();
    chosen.and_then(breaker_of)
}

/// A circuit breaker as it was configured, when it is enabled.
pub(crate) fn breaker_of(chosen: &api::DeploymentCircuitBreaker) -> Option<CircuitBreaker> {
    if !chosen.enable {
        return None;
    }
    let threshold = match &chosen.threshold_configuration {
        None => Threshold::BoundedPercent(50),
        Some(given) => {
            let value = u32::try_from(given.value).unwrap_or_default();
            match given.r#type.as_str() {
                "COUNT" => Threshold::Count(value),
                "UNBOUNDED_PERCENT" => Threshold::UnboundedPercent(value),
                _ => Threshold::BoundedPercent(value),
            }
        }
    };
    Some(CircuitBreaker {
        rollback: chosen.rollback,
        threshold,
        reset_on_healthy_task: chosen.reset_on_healthy_task.unwrap_or(true),
    })
}

/// The alarms of a service's deployments. There is no CloudWatch here that could raise one: they are always quiet.
fn alarms(service: &Service) -> Option<AlarmState> {
    let alarms = configuration(service)?.alarms.as_ref().filter(|one| one.enable)?;
    Some(AlarmState::Quiet {
        rollback: alarms.rollback,
    })
}

fn first_strategy(service: &Service) -> Option<&api::PlacementStrategy> {
    service.definition.placement_strategy.iter().flatten().next()
}

fn scale_in(service: &Service) -> ScaleIn {
    match first_strategy(service).and_then(|one| one.r#type.as_deref()) {
        Some("binpack") => ScaleIn::Binpack,
        _ => ScaleIn::Spread,
    }
}

/// What an instance has left of what the service is packed by.
fn room(view: &Snapshot, service: &Service, key: &str, instance: &ContainerInstance) -> u64 {
    let left = remaining(instance, view.ecs.loads.get(key).map(AsRef::as_ref));
    let field = first_strategy(service)
        .and_then(|one| one.field.as_deref())
        .unwrap_or_default();
    let room = if field.eq_ignore_ascii_case("cpu") {
        left.cpu
    } else {
        left.memory
    };
    u64::try_from(room).unwrap_or_default()
}

/// Zones are evened out unless something else comes first (ecs.md 10).
fn rebalances(service: &Service) -> bool {
    let by_zone = |one: &api::PlacementStrategy| {
        let field = one.field.as_deref().unwrap_or_default();
        one.r#type.as_deref() == Some("spread") && field == format!("attribute:{ZONE_ATTRIBUTE}")
    };
    service.definition.availability_zone_rebalancing.as_deref() == Some("ENABLED")
        && service.controller == Controller::Ecs
        && first_strategy(service).is_none_or(by_zone)
}
