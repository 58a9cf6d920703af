//! What must hold in a region at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_control::world::Snapshot;
use portcullis_control::world::records::ecs::{
    DesiredStatus, Health, InstanceStatus, LastStatus, Load, SchedulingStrategy, Service, ServiceStatus, Task,
};
use portcullis_core::Timestamp;

/// What every container instance brings.
const CPU: i32 = 2048;
const MEMORY: i32 = 4096;

/// What a task of a family needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub cpu: i32,
    pub memory: i32,
    /// Its host port.
    pub port: Option<u16>,
}

/// By family.
pub type Needs = BTreeMap<String, Need>;

/// What tasks take of an instance, summed up plainly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    pub cpu: i32,
    pub memory: i32,
    pub ports: BTreeSet<u16>,
}

impl Taken {
    /// Takes what a task needs; false when its port is taken already.
    fn take(&mut self, need: Need) -> bool {
        self.cpu += need.cpu;
        self.memory += need.memory;
        need.port.is_none_or(|port| self.ports.insert(port))
    }

    /// Whether there is enough left for one more.
    pub fn leaves(&self, need: Need) -> bool {
        self.cpu + need.cpu <= CPU
            && self.memory + need.memory <= MEMORY
            && need.port.is_none_or(|port| !self.ports.contains(&port))
    }
}

/// Remembers what was seen, to see what must not happen later.
#[derive(Default)]
pub struct Watch {
    /// Where each task was placed.
    placed: BTreeMap<String, String>,
    /// Which agent has started it.
    started: BTreeMap<String, usize>,
    stopped: BTreeSet<String>,
    /// How often a service stood at exactly one of its bounds in the middle of a deployment.
    pub at_bounds: usize,
    /// Most CPU units in use on one instance.
    pub fullest: i32,
}

/// How many tasks of a service are wanted, and how many of them serve.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    wanted: u32,
    serving: u32,
}

/// By group.
type Counts = BTreeMap<String, Count>;

impl Watch {
    /// No task is on two instances or comes back from the dead, none has a role that nobody was allowed to pass, no
    /// instance has more on it than it brought or other than the scheduler thinks, and no daemon is twice on one.
    pub fn always(&mut self, view: &Snapshot, needs: &Needs) {
        let mut daemons = BTreeSet::new();
        for (_, task) in view.ecs.tasks.iter() {
            let place = self
                .placed
                .entry(task.id.clone())
                .or_insert_with(|| task.container_instance.clone());
            assert_eq!(*place, task.container_instance, "task {} moved", task.id);
            if task.last == LastStatus::Stopped {
                self.stopped.insert(task.id.clone());
            } else {
                assert!(!self.stopped.contains(&task.id), "task {} came back", task.id);
            }
            let role = task.task_role.as_ref().map(|role| role.as_str());
            assert!(
                role.is_none_or(|role| role.ends_with(":role/good")),
                "nobody may pass {role:?}"
            );
            if is_wanted(task) && task.group == super::DAEMON_GROUP {
                let is_first = daemons.insert(&task.container_instance);
                assert!(is_first, "{} has a daemon twice", task.container_instance);
            }
        }
        let taken = taken(view, needs);
        for (key, instance) in view.ecs.container_instances.iter() {
            let none = Taken::default();
            let taken = taken.get(instance.id.as_str()).unwrap_or(&none);
            self.fullest = self.fullest.max(taken.cpu);
            assert!(
                taken.cpu <= CPU && taken.memory <= MEMORY,
                "{key} holds more than it has: {taken:?}"
            );
            let kept = |load: &Arc<Load>| Taken {
                cpu: load.cpu,
                memory: load.memory,
                ports: load.ports.clone(),
            };
            let kept = view.ecs.loads.get(key).map(kept).unwrap_or_default();
            assert_eq!(kept, *taken, "{key} is thought to hold something else");
        }
    }

    /// An agent starts a task: no other one has.
    pub fn starts(&mut self, agent: usize, task: &Task) {
        let by = *self.started.entry(task.id.clone()).or_insert(agent);
        assert_eq!(by, agent, "task {} runs on two hosts", task.id);
    }

    /// The scheduler moved: it must not have broken a service's percentages, or stopped what is protected.
    pub fn scheduled(&mut self, before: &Snapshot, after: &Snapshot, now: Timestamp) {
        for (key, task) in before.ecs.tasks.iter() {
            let is_protected = task.protected_until.is_some_and(|until| until > now);
            if is_wanted(task) && task.last == LastStatus::Running && is_protected && !is_sick(task) {
                let is = after.ecs.tasks.get(key).unwrap();
                assert_eq!(is.desired, DesiredStatus::Running, "{} is protected", task.id);
            }
        }
        let (was, is) = (counts(before), counts(after));
        for (_, service) in after.ecs.services.iter() {
            if service.status != ServiceStatus::Active || service.strategy != SchedulingStrategy::Replica {
                continue;
            }
            let (lower, upper) = bounds(service);
            let (was, is) = (of(&was, service), of(&is, service));
            assert!(
                is.serving >= lower.min(was.serving),
                "{}: below {lower}: {was:?}, {is:?}",
                service.name
            );
            assert!(
                is.wanted <= upper.max(was.wanted),
                "{}: above {upper}: {was:?}, {is:?}",
                service.name
            );
            let is_at_bound = service.desired > 0 && (is.serving == lower || is.wanted == upper);
            self.at_bounds += usize::from(service.deployments.len() > 1 && is_at_bound);
        }
    }

    /// How many tasks there have been.
    pub fn tasks(&self) -> usize {
        self.placed.len()
    }
}

/// Should run, and has not stopped.
pub fn is_wanted(task: &Task) -> bool {
    task.desired == DesiredStatus::Running && task.last != LastStatus::Stopped
}

/// Neither where it was told to be nor gone.
pub fn is_on_its_way(task: &Task) -> bool {
    task.last != LastStatus::Stopped && !(is_wanted(task) && serves(task))
}

/// Whether the definition has a health check.
pub fn is_checked(task: &Task) -> bool {
    task.containers[0].has_health_check
}

fn is_sick(task: &Task) -> bool {
    is_checked(task) && task.containers[0].health == Health::Unhealthy
}

fn serves(task: &Task) -> bool {
    task.last == LastStatus::Running && (!is_checked(task) || task.containers[0].health == Health::Healthy)
}

/// What is taken of each instance, by id. Panics where two tasks have one port.
pub fn taken<'a>(view: &'a Snapshot, needs: &Needs) -> BTreeMap<&'a str, Taken> {
    let mut all: BTreeMap<&str, Taken> = BTreeMap::new();
    for (_, task) in view.ecs.tasks.iter().filter(|(_, task)| is_wanted(task)) {
        let is_free = all
            .entry(task.container_instance.as_str())
            .or_default()
            .take(needs[&task.family]);
        assert!(is_free, "the port of task {} is taken", task.id);
    }
    all
}

fn counts(view: &Snapshot) -> Counts {
    let mut counts = Counts::new();
    for (_, task) in view.ecs.tasks.iter().filter(|(_, task)| is_wanted(task)) {
        if !counts.contains_key(&task.group) {
            counts.insert(task.group.clone(), Count::default());
        }
        let count = counts.get_mut(&task.group).unwrap();
        count.wanted += 1;
        count.serving += u32::from(serves(task));
    }
    counts
}

fn of(counts: &Counts, service: &Service) -> Count {
    counts.get(&service.group()).copied().unwrap_or_default()
}

/// The formulas of ecs.md 11, plainly.
pub fn bounds(service: &Service) -> (u32, u32) {
    let chosen = service.definition.deployment_configuration.as_ref().unwrap();
    let percent = |value: Option<i32>| f64::from(value.unwrap()) / 100.0 * f64::from(service.desired);
    let lower = percent(chosen.minimum_healthy_percent).ceil() as u32;
    let upper = percent(chosen.maximum_percent).floor() as u32;
    (lower, upper)
}

/// The services that are not what was wanted of them.
pub fn unfinished(view: &Snapshot) -> Vec<Arc<Service>> {
    let counts = counts(view);
    let services = view.ecs.services.iter().map(|(_, service)| service);
    services
        .filter(|service| !is_done(of(&counts, service), service))
        .cloned()
        .collect()
}

fn is_done(count: Count, service: &Service) -> bool {
    let steady = service
        .deployments
        .first()
        .is_some_and(|one| one.progress.is_steady());
    let wanted = match service.strategy {
        SchedulingStrategy::Replica => service.desired,
        // Others may have taken the room on an instance; [`daemons_are_everywhere`] looks at each.
        SchedulingStrategy::Daemon => count.serving,
    };
    service.deployments.len() == 1 && steady && count.wanted == wanted && count.serving == wanted
}

/// When all is quiet, the daemon is on every active instance that has room for it. How many had none.
pub fn daemons_are_everywhere(view: &Snapshot, needs: &Needs) -> usize {
    let without = without_daemon(view, needs);
    for (key, taken) in &without {
        assert!(!taken.leaves(needs[super::DAEMON]), "{key} has no daemon");
    }
    without.len()
}

/// The active instances without the daemon, and what is taken of each.
pub fn without_daemon(view: &Snapshot, needs: &Needs) -> Vec<(String, Taken)> {
    let taken = taken(view, needs);
    let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
    let on: BTreeSet<&str> = tasks
        .filter(|task| is_wanted(task) && task.group == super::DAEMON_GROUP)
        .map(|task| task.container_instance.as_str())
        .collect();
    let instances = view.ecs.container_instances.iter();
    let without = instances.filter(|(_, instance)| {
        instance.status == InstanceStatus::Active && !on.contains(instance.id.as_str())
    });
    without
        .map(|(key, instance)| {
            let taken = taken.get(instance.id.as_str()).cloned().unwrap_or_default();
            (key.to_string(), taken)
        })
        .collect()
}
