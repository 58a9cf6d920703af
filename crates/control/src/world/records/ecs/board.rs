//! What placement looks at: the container instances of a cluster as numbers side by side, so that looking at all of
//! them costs microseconds. Derived; kept in step with instances and their loads.

use std::sync::Arc;

use super::{Cluster, ContainerInstance, InstanceStatus, Load, Tables};

/// What marks a machine that is not of EC2.
pub const EXTERNAL_ATTRIBUTE: &str = "ecs.capability.external";
/// Ours (docs/fidelity.md): a host that offers itself for `FARGATE` or `FARGATE_SPOT` tasks, and takes no others.
pub const LAUNCH_TYPE_ATTRIBUTE: &str = "portcullis.launch-type";
/// Ours (docs/fidelity.md): the name of the Auto Scaling group a host belongs to, which capacity providers refer to.
pub const GROUP_ATTRIBUTE: &str = "portcullis.auto-scaling-group";
/// Ours (docs/fidelity.md): a host whose agent makes network interfaces of tasks and filters by their security groups.
pub const SECURITY_GROUPS_ATTRIBUTE: &str = "portcullis.capability.security-groups";
/// What an agent registers with that takes no tasks but those its own principal starts, see [`super::AgentIdentity::own_tasks_only`].
pub const OWN_TASKS_ATTRIBUTE: &str = "portcullis.capability.own-tasks-only";
/// Ours (docs/fidelity.md): how many network interfaces tasks may have on a host.
pub const INTERFACES_ATTRIBUTE: &str = "portcullis.network-interfaces";
/// The attribute with the zone of an instance.
pub const ZONE_ATTRIBUTE: &str = "ecs.availability-zone";

/// Instances of one piece of a board. A change copies the pieces it touches.
const PIECE: usize = 64;

/// Which tasks a host takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostKind {
    /// Those of launch type EC2 and of Auto Scaling group providers.
    #[default]
    Ec2,
    /// Those of launch type EXTERNAL.
    External,
    /// Those of launch type FARGATE and of the provider of that name.
    Fargate,
    /// Those of the provider FARGATE_SPOT.
    FargateSpot,
}

impl HostKind {
    /// The kind of an instance.
    pub fn of(instance: &ContainerInstance) -> Self {
        let offered = instance.attributes.get(LAUNCH_TYPE_ATTRIBUTE);
        match offered.and_then(Option::as_deref) {
            Some("FARGATE") => Self::Fargate,
            Some("FARGATE_SPOT") => Self::FargateSpot,
            _ if instance.attributes.contains_key(EXTERNAL_ATTRIBUTE) => Self::External,
            _ => Self::Ec2,
        }
    }

    /// The launch type of tasks on such a host.
    pub fn launch_type(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::External => "EXTERNAL",
            Self::Fargate | Self::FargateSpot => "FARGATE",
        }
    }
}

/// A name on a board, by number; 0 is no name.
pub type NameId = u32;

/// What decides quickly about an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    /// CPU units left; negative when more is reserved than there is.
    pub cpu: i64,
    /// MiB left; negative when more is reserved than there is.
    pub memory: i64,
    /// Tasks that run or are on their way to run.
    pub tasks: i32,
    /// Which tasks it takes.
    pub kind: HostKind,
    /// Whether it is there and ACTIVE.
    pub is_open: bool,
    /// Whether its agent is connected.
    pub is_connected: bool,
    /// Its zone.
    pub zone: NameId,
    /// Its Auto Scaling group.
    pub group: NameId,
}

/// The instances of one cluster. An instance keeps its position as long as its record is there.
#[derive(Debug, Clone, Default)]
pub struct Board {
    slots: Vec<Arc<Vec<Slot>>>,
    keys: Vec<Arc<Vec<Arc<str>>>>,
    free: Vec<u32>,
    names: Names,
}

/// Names with how many slots have them.
#[derive(Debug, Clone, Default)]
struct Names(Arc<Vec<(Arc<str>, u32)>>);

impl Names {
    fn find(&self, name: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|(known, uses)| *uses > 0 && known.as_ref() == name)
    }

    fn take(&mut self, name: Option<&str>) -> NameId {
        let Some(name) = name else { return 0 };
        let known = self.find(name);
        let names = Arc::make_mut(&mut self.0);
        let at = known.or_else(|| names.iter().position(|(_, uses)| *uses == 0));
        let at = at.unwrap_or(names.len());
        match names.get_mut(at) {
            Some(entry) if entry.1 > 0 => entry.1 += 1,
            Some(entry) => *entry = (name.into(), 1),
            None => names.push((name.into(), 1)),
        }
        NameId::try_from(at + 1).unwrap_or_default()
    }

    fn give_back(&mut self, id: NameId) {
        let Some(at) = (id as usize).checked_sub(1) else {
            return;
        };
        if let Some(entry) = Arc::make_mut(&mut self.0).get_mut(at) {
            entry.1 = entry.1.saturating_sub(1);
        }
    }
}

impl Board {
    /// All slots by position; free ones are not open.
    pub fn slots(&self) -> Vec<Slot> {
        let mut all = Vec::with_capacity(self.slots.len() * PIECE);
        self.slots.iter().for_each(|piece| all.extend_from_slice(piece));
        all
    }

    /// The key of the instance at a position.
    pub fn key(&self, at: usize) -> Option<&Arc<str>> {
        self.keys.get(at / PIECE)?.get(at % PIECE)
    }

    /// The number of a name that some instance has.
    pub fn name_id(&self, name: &str) -> Option<NameId> {
        NameId::try_from(self.names.find(name)? + 1).ok()
    }

    /// Whether one of the slots that are open satisfies a condition.
    pub fn any(&self, accept: impl Fn(&Slot) -> bool) -> bool {
        let mut slots = self.slots.iter().flat_map(|piece| piece.iter());
        slots.any(|slot| slot.is_open && accept(slot))
    }

    fn slot_mut(&mut self, at: usize) -> Option<&mut Slot> {
        Arc::make_mut(self.slots.get_mut(at / PIECE)?).get_mut(at % PIECE)
    }

    fn add(&mut self, key: &str) -> u32 {
        if let Some(at) = self.free.pop() {
            let position = at as usize;
            let entry = self.keys.get_mut(position / PIECE);
            if let Some(entry) = entry.and_then(|piece| Arc::make_mut(piece).get_mut(position % PIECE)) {
                *entry = key.into();
            }
            return at;
        }
        if self.slots.last().is_none_or(|piece| piece.len() == PIECE) {
            self.slots.push(Arc::default());
            self.keys.push(Arc::default());
        }
        let before = (self.slots.len() - 1) * PIECE;
        let (Some(slots), Some(keys)) = (self.slots.last_mut(), self.keys.last_mut()) else {
            return 0;
        };
        let slots = Arc::make_mut(slots);
        slots.push(Slot::default());
        Arc::make_mut(keys).push(key.into());
        u32::try_from(before + slots.len() - 1).unwrap_or_default()
    }

    fn set(&mut self, at: u32, instance: &ContainerInstance, load: &Load) {
        let before = self.slot_mut(at as usize).map(|slot| *slot).unwrap_or_default();
        let value = |name: &str| instance.attributes.get(name).and_then(Option::as_deref);
        let zone = self.names.take(value(ZONE_ATTRIBUTE));
        let group = self.names.take(value(GROUP_ATTRIBUTE));
        self.names.give_back(before.zone);
        self.names.give_back(before.group);
        if let Some(slot) = self.slot_mut(at as usize) {
            *slot = Slot {
                kind: HostKind::of(instance),
                is_open: instance.status == InstanceStatus::Active,
                is_connected: instance.agent_connected,
                zone,
                group,
                ..*slot
            };
            slot.hold(instance, load);
        }
    }

    fn remove(&mut self, at: u32) {
        let Some(slot) = self.slot_mut(at as usize) else {
            return;
        };
        let before = std::mem::take(slot);
        self.names.give_back(before.zone);
        self.names.give_back(before.group);
        self.free.push(at);
    }
}

impl Slot {
    fn hold(&mut self, instance: &ContainerInstance, load: &Load) {
        // What is kept for daemons is not for the tasks that are placed by this board: they never are.
        self.cpu = i64::from(instance.resources.cpu) - i64::from(load.cpu) - i64::from(load.kept_cpu);
        self.memory =
            i64::from(instance.resources.memory) - i64::from(load.memory) - i64::from(load.kept_memory);
        self.tasks = load.running_tasks.saturating_add(load.pending_tasks);
    }
}

impl Tables {
    /// What placement looks at in a cluster, by the cluster's key; `None` when it never had an instance.
    pub fn board(&self, cluster_key: &str) -> Option<&Board> {
        self.boards.get(cluster_key).map(AsRef::as_ref)
    }

    /// Where an instance stands on its cluster's board.
    pub(super) fn position(&self, instance_key: &str) -> Option<u32> {
        self.positions.get(instance_key).map(|at| **at)
    }

    /// Keeps the board in step with an instance.
    pub(super) fn board_instance(&mut self, key: &str, row: &ContainerInstance, is_there: bool) {
        let home = Cluster::key_of(&row.region, &row.cluster);
        let position = self.position(key);
        if !is_there {
            if let Some(at) = position {
                self.boards.edit(&home, |board| board.remove(at));
                self.positions.remove(key);
            }
            return;
        }
        if self.boards.get(&home).is_none() {
            self.boards.insert(&home, Arc::default());
        }
        let load = self.loads.get(key).cloned();
        let load: &Load = load.as_deref().unwrap_or(const { &Load::NONE });
        let mut at = position;
        self.boards.edit(&home, |board| {
            let place = *at.get_or_insert_with(|| board.add(key));
            board.set(place, row, load);
        });
        if let (None, Some(at)) = (position, at) {
            self.positions.insert(key, Arc::new(at));
        }
    }

    /// Keeps the board in step with what is reserved on an instance.
    pub(super) fn board_load(&mut self, key: &str, load: &Load) {
        let Some(at) = self.position(key) else { return };
        let Some(instance) = self.container_instances.get(key).cloned() else {
            return;
        };
        let home = Cluster::key_of(&instance.region, &instance.cluster);
        self.boards.edit(&home, |board| {
            if let Some(slot) = board.slot_mut(at as usize) {
                slot.hold(&instance, load);
            }
        });
    }
}
