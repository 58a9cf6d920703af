//! Room on a container instance that is kept for the task of a DAEMON service or a daemon while it is replaced, or waits to be
//! started again (ecs.md 11: daemons reserve their resources). Written with the end of the task, taken away with its return.

use std::sync::Arc;

use portcullis_core::Region;
use serde::{Deserialize, Serialize};

use super::daemon::owner_key;
use super::{
    Cluster, ContainerInstance, Daemon, DaemonStatus, InstanceStatus, Load, Reservation, SchedulingStrategy,
    ServiceStatus, Tables, Task,
};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// Room for one task on one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRoom {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The id of the instance.
    pub instance: String,
    /// Whose: `service:NAME` or `daemon:NAME`.
    pub group: String,
    /// How much.
    pub reservation: Reservation,
}

impl KeptRoom {
    /// `INSTANCE-KEY/GROUP`
    pub fn key_of(instance_key: &str, group: &str) -> String {
        format!("{instance_key}/{group}")
    }

    /// The room that a task gives up.
    pub fn of(task: &Task) -> Self {
        Self {
            region: task.region.clone(),
            cluster: task.cluster.clone(),
            instance: task.container_instance.clone(),
            group: task.group.clone(),
            reservation: task.reservation.clone(),
        }
    }

    fn instance_key(&self) -> String {
        ContainerInstance::key_of(&self.region, &self.cluster, &self.instance)
    }

    fn add_to(&self, load: &mut Load) {
        load.kept_rooms += 1;
        load.kept_cpu = load.kept_cpu.saturating_add(self.reservation.cpu);
        load.kept_memory = load.kept_memory.saturating_add(self.reservation.memory);
    }

    fn take_from(&self, load: &mut Load) {
        load.kept_rooms -= 1;
        load.kept_cpu = load.kept_cpu.saturating_sub(self.reservation.cpu);
        load.kept_memory = load.kept_memory.saturating_sub(self.reservation.memory);
    }
}

impl Tables {
    /// The room that is kept on an instance for others than a group.
    pub fn kept_for_others(&self, instance_key: &str, group: &str) -> Vec<Arc<KeptRoom>> {
        let load = self.loads.get(instance_key);
        if load.is_none_or(|load| load.kept_rooms == 0) {
            return Vec::new();
        }
        let prefix = format!("{instance_key}/");
        let rooms = self.kept_rooms.prefix(&prefix).map(|(_, room)| room);
        rooms.filter(|room| room.group != group).cloned().collect()
    }

    /// The rooms that are kept for a group in a cluster.
    pub fn rooms_of(&self, cluster_key: &str, group: &str) -> Vec<Arc<KeptRoom>> {
        let prefix = format!("{cluster_key}/");
        let rooms = self.kept_rooms.prefix(&prefix).map(|(_, room)| room);
        rooms.filter(|room| room.group == group).cloned().collect()
    }

    /// Whether the room of a task that ends is kept: one like it shall come back to its instance.
    pub fn keeps_room_of(&self, task: &Task) -> bool {
        let owner = owner_key(&task.region, &task.cluster, &task.group);
        let is_wanted = owner.is_some_and(|key| match Daemon::key_of_owner(&key) {
            Some(key) => {
                let daemon = self.daemons.get(&key);
                daemon.is_some_and(|daemon| daemon.status == DaemonStatus::Active)
            }
            None => self.services.get(&key).is_some_and(|service| {
                service.strategy == SchedulingStrategy::Daemon && service.status == ServiceStatus::Active
            }),
        });
        let instance = task.instance_key();
        let instance = instance.and_then(|key| self.container_instances.get(&key));
        is_wanted && instance.is_some_and(|instance| instance.status == InstanceStatus::Active)
    }
}

impl Record for KeptRoom {
    const KIND: &'static str = "ecs-kept-room";
    fn key(&self) -> String {
        Self::key_of(&self.instance_key(), &self.group)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.kept_rooms
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.kept_rooms
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        let Some(room) = after.or(before) else { return };
        let tables = &mut snapshot.ecs;
        tables.reserve(&room.instance_key(), |load| {
            before.into_iter().for_each(|room| room.take_from(load));
            after.into_iter().for_each(|room| room.add_to(load));
        });
        if before.is_some() {
            let cluster = Cluster::key_of(&room.region, &room.cluster);
            tables.restless.room(&cluster, change);
        }
    }
}
