//! What must hold in a region at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_control::world::Snapshot;
use portcullis_control::world::records::ecs::{
    DesiredStatus, Health, InstanceStatus, LastStatus, Load, SchedulingStrategy, Service, ServiceStatus, Task,
};
use portcullis_core::Timestamp;

/// How long a task waits for room.
const WAITING_SECONDS: i64 = 900;
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
    /// Tasks that waited for room.
    pub waited: BTreeSet<String>,
    /// How many waited until they were given up.
    pub gave_up: usize,
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
    /// instance has more on it or kept on it than it brought or other than the scheduler thinks, and no daemon is twice on one.
    pub fn always(&mut self, view: &Snapshot, needs: &Needs) {
        let mut daemons = BTreeSet::new();
        for (_, task) in view.ecs.tasks.iter() {
            if task.is_placed() || self.placed.contains_key(&task.id) {
                let place = self
                    .placed
                    .entry(task.id.clone())
                    .or_insert_with(|| task.container_instance.clone());
                assert_eq!(*place, task.container_instance, "task {} moved", task.id);
            } else {
                self.waited.insert(task.id.clone());
            }
            if task.last == LastStatus::Stopped {
                let is_new = self.stopped.insert(task.id.clone());
                let reason = task.stop.as_ref().map_or("", |stop| stop.reason.as_str());
                self.gave_up += usize::from(is_new && reason.starts_with("TaskFailedToStart: "));
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
        for (key, taken) in taken_or_kept(view, needs) {
            assert!(
                taken.cpu <= CPU && taken.memory <= MEMORY,
                "{key} has more kept than there is: {taken:?}"
            );
        }
    }

    /// An agent starts a task: no other one has.
    pub fn starts(&mut self, agent: usize, task: &Task) {
        let by = *self.started.entry(task.id.clone()).or_insert(agent);
        assert_eq!(by, agent, "task {} runs on two hosts", task.id);
    }

    /// The scheduler moved: it must not have broken a service's percentages, or stopped what is protected.
    pub fn scheduled(&mut self, before: &Snapshot, after: &Snapshot, needs: &Needs, now: Timestamp) {
        for (key, task) in before.ecs.tasks.iter() {
            let is_protected = task.protected_until.is_some_and(|until| until > now);
            if is_wanted(task) && task.last == LastStatus::Running && is_protected && !is_sick(task) {
                let is = after.ecs.tasks.get(key).unwrap();
                assert_eq!(is.desired, DesiredStatus::Running, "{} is protected", task.id);
            }
        }
        self.nobody_waits_in_vain(after, needs, now);
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

    /// No task waits for room that there is, or longer than it may.
    fn nobody_waits_in_vain(&self, view: &Snapshot, needs: &Needs, now: Timestamp) {
        let taken = taken_or_kept(view, needs);
        let none = Taken::default();
        for task in waiting(view) {
            for (key, instance) in view.ecs.container_instances.iter() {
                let group = instance.attributes.get("portcullis.auto-scaling-group");
                let is_of_group = group.is_some_and(|group| group.as_deref() == Some(super::PROVIDER));
                let is_open = instance.status == InstanceStatus::Active && instance.agent_connected;
                let left = taken.get(instance.id.as_str()).unwrap_or(&none);
                let has_room = is_of_group && is_open && left.leaves(needs[&task.family]);
                assert!(!has_room, "task {} waits although {key} has room", task.id);
            }
            let waited = now.seconds_since(task.times.created);
            assert!(waited < WAITING_SECONDS, "task {} waits for {waited} s", task.id);
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
    let wanted = view.ecs.tasks.iter().map(|(_, task)| task);
    for task in wanted.filter(|task| is_wanted(task) && task.is_placed()) {
        let is_free = all
            .entry(task.container_instance.as_str())
            .or_default()
            .take(needs[&task.family]);
        assert!(is_free, "the port of task {} is taken", task.id);
    }
    all
}

/// The same with what is kept for daemons whose task is missing.
pub fn taken_or_kept<'a>(view: &'a Snapshot, needs: &Needs) -> BTreeMap<&'a str, Taken> {
    let mut all = taken(view, needs);
    for (_, room) in view.ecs.kept_rooms.iter() {
        assert_eq!(room.group, super::DAEMON_GROUP, "no daemon's room is kept");
        all.entry(room.instance.as_str())
            .or_default()
            .take(needs[super::DAEMON]);
    }
    all
}

/// The tasks that wait for room.
pub fn waiting(view: &Snapshot) -> Vec<Arc<Task>> {
    let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
    tasks
        .filter(|task| task.last != LastStatus::Stopped && !task.is_placed())
        .cloned()
        .collect()
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
        // [`daemons_are_everywhere`] looks at each instance.
        SchedulingStrategy::Daemon => count.serving,
    };
    service.deployments.len() == 1 && steady && count.wanted == wanted && count.serving == wanted
}

/// When all is quiet, the daemon is on every active instance.
pub fn daemons_are_everywhere(view: &Snapshot) {
    let without = without_daemon(view);
    assert!(without.is_empty(), "{without:?} have no daemon");
}

/// The active instances without the daemon.
pub fn without_daemon(view: &Snapshot) -> Vec<String> {
    let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
    let on: BTreeSet<&str> = tasks
        .filter(|task| is_wanted(task) && task.group == super::DAEMON_GROUP)
        .map(|task| task.container_instance.as_str())
        .collect();
    let instances = view.ecs.container_instances.iter();
    let without = instances.filter(|(_, instance)| {
        instance.status == InstanceStatus::Active && !on.contains(instance.id.as_str())
    });
    without.map(|(key, _)| key.to_string()).collect()
}
