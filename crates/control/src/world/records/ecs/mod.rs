//! ECS's resources, kept apart per region: every key starts with `REGION/`.

mod account_setting;
mod agent_identity;
mod agent_update;
mod board;
mod capacity_provider;
mod cluster;
mod container_instance;
mod daemon;
mod daemon_history;
mod daemon_task_definition;
mod deployment_counts;
mod group_counts;
mod kept_room;
mod known_agent;
mod restless;
mod service;
mod service_history;
mod service_parts;
mod task;
mod task_definition;
mod task_ends;
mod task_index;
mod task_interface;
mod task_status;
mod waiting;

use std::sync::Arc;

use portcullis_core::Region;
use portcullis_store::{Store, StoreError};

use super::{Record as _, load};
use crate::world::marks::Marks;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Rows, Table};

pub use account_setting::AccountSetting;
pub use agent_identity::{AgentIdentity, Alert, AlertKind, Approval, Standing};
pub use agent_update::{AgentUpdate, AgentUpdateStatus, UpdateEvent, UpdateMessage};
pub use board::{
    Board, GROUP_ATTRIBUTE, HostKind, INTERFACES_ATTRIBUTE, LAUNCH_TYPE_ATTRIBUTE, NameId,
    OWN_TASKS_ATTRIBUTE, SECURITY_GROUPS_ATTRIBUTE, Slot, ZONE_ATTRIBUTE,
};
pub use capacity_provider::{CapacityProvider, ProviderStatus};
pub use cluster::{ByLaunchType, Cluster, ClusterStatus, Counts};
pub use container_instance::{ContainerInstance, InstanceStatus, Load, RegisteredResources};
pub use daemon::{Daemon, DaemonStatus};
pub use daemon_history::{DaemonDeployment, DaemonRevision};
pub use daemon_task_definition::{DaemonFamily, DaemonTaskDefinition};
pub use deployment_counts::DeploymentCounts;
pub use group_counts::GroupCounts;
pub use kept_room::KeptRoom;
pub use known_agent::KnownAgent;
pub use restless::{Restless, Stirred};
pub use service::{Controller, SchedulingStrategy, Service, ServiceStatus};
pub use service_history::{
    Breaker, Rollback, ServiceDeployment, ServiceDeploymentStatus, ServiceRevision, history_prefix,
};
pub use service_parts::{
    Deployment, DeploymentStatus, Launches, ServiceAction, ServiceEvent, ServiceTaskSet, TaskSetStatus,
};
pub use task::{
    Binding, ClientToken, EXEC_AGENT_NAME, ExecAgent, ExecAgentStatus, FargatePlatform, Health, Reservation,
    Stop, StopCode, Task, TaskContainer, Times,
};
pub use task_definition::{DefinitionStatus, Family, TaskDefinition};
pub use task_ends::TaskEnds;
pub use task_index::{Facet, TaskSet};
pub use task_interface::{
    AttachmentStatus, INTERFACE_ATTACHMENT, InterfaceWork, MadeInterface, TaskInterface,
};
pub use task_status::{DesiredStatus, LastStatus};
pub use waiting::{Waiting, cluster_of_waiting, waiting_owner_key};

/// The tables of ECS.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By [`Cluster::key_of`].
    pub clusters: Table<Cluster>,
    /// By [`Family::key_of`].
    pub families: Table<Family>,
    /// By [`TaskDefinition::key_of`]: ordered by family, then revision.
    pub task_definitions: Table<TaskDefinition>,
    /// The keys of task definitions by status, by [`TaskDefinition::status_key_of`]. Derived.
    pub definitions_by_status: Index,
    /// By [`ContainerInstance::key_of`].
    pub container_instances: Table<ContainerInstance>,
    /// Ids of container instances by the token they were registered with, by [`ContainerInstance::key_of`] with the
    /// token in place of the id. Derived.
    pub registrations: Table<String>,
    /// Keys of registered container instances by who registered them, by `REGISTRANT/INSTANCE-KEY`. Derived.
    pub registrants: Index,
    /// By [`super::Record::key`]: the registrant.
    pub known_agents: Table<KnownAgent>,
    /// By [`Task::key_of`].
    pub tasks: Table<Task>,
    /// The ways to look tasks up, see [`Tables::tasks_of`]. Derived.
    pub(in crate::world) task_index: Index,
    /// The tasks that wait for room, see [`Tables::waiting_in`]. Derived.
    pub(in crate::world) waiting: Index,
    /// How many tasks of each group should run on each instance, by `INSTANCE-KEY/GROUP`. Derived.
    pub(in crate::world) task_groups: Rows<u32>,
    /// The same the other way round, by `CLUSTER-KEY/GROUP`. Derived.
    pub(in crate::world) group_counts: Table<GroupCounts>,
    /// What placement looks at, by the cluster's key. Derived.
    pub(in crate::world) boards: Table<Board>,
    /// Where instances stand on their boards, by the instance's key. Derived.
    pub(in crate::world) positions: Table<u32>,
    /// How many tasks that have not stopped each capacity provider launched, by `CLUSTER-KEY/PROVIDER`. Derived.
    pub(in crate::world) provider_tasks: Table<u32>,
    /// By [`CapacityProvider::key_of`].
    pub capacity_providers: Table<CapacityProvider>,
    /// By [`DaemonFamily::key_of`].
    pub daemon_families: Table<DaemonFamily>,
    /// By [`DaemonTaskDefinition::key_of`].
    pub daemon_task_definitions: Table<DaemonTaskDefinition>,
    /// What the tasks of daemon task definitions run, by [`DaemonTaskDefinition::key_of`]. Derived.
    pub daemon_definitions_as_tasks: Table<TaskDefinition>,
    /// By [`Daemon::key_of`].
    pub daemons: Table<Daemon>,
    /// By [`DaemonDeployment::key_of`].
    pub daemon_deployments: Table<DaemonDeployment>,
    /// By [`DaemonRevision::key_of`].
    pub daemon_revisions: Table<DaemonRevision>,
    /// By [`Service::key_of`].
    pub services: Table<Service>,
    /// By [`ServiceDeployment::key_of`].
    pub service_deployments: Table<ServiceDeployment>,
    /// By [`ServiceRevision::key_of`].
    pub service_revisions: Table<ServiceRevision>,
    /// The service deployments of each service, newest first: by `REGION/CLUSTER/SERVICE/AGE/ID`. Derived.
    pub history: Index,
    /// By [`AccountSetting::key_of`].
    pub account_settings: Table<AccountSetting>,
    /// What runs in each cluster, by the cluster's key. Derived.
    pub counts: Table<Counts>,
    /// What is reserved on each container instance, by the instance's key. Derived.
    pub loads: Table<Load>,
    /// By [`KeptRoom::key_of`].
    pub kept_rooms: Table<KeptRoom>,
    /// By [`TaskEnds::key_of`].
    pub task_ends: Table<TaskEnds>,
    /// What services may have to act upon. Derived.
    pub restless: Restless,
    /// The tasks, by their keys, for whose network interfaces something is to be done. Derived.
    pub interface_work: Marks,
    /// The keys of container instances by the ids of their hosts at EC2: `REGION/ID/KEY`. Derived.
    pub(in crate::world) hosts: Index,
    /// How many tasks each deployment has, see [`Tables::deployment_counts`]. Derived.
    deployments: Table<DeploymentCounts>,
    /// Resources that have ended and are shown for a while, by [`expiry_key`]. Derived.
    pub expiring: Index,
}

/// How long ended resources stay describable, in seconds. AWS gives no figure but "at least an hour" for tasks
/// (ecs.md 2 and 9).
pub const SHOWN_AFTER_END_SECONDS: i64 = 3_600;

/// The key of an ended resource in [`Tables::expiring`]: ordered by the moment it may be forgotten.
pub fn expiry_key(ended: portcullis_core::Timestamp, kind: &str, key: &str) -> String {
    let at = ended.plus_seconds(SHOWN_AFTER_END_SECONDS).as_millis();
    format!("{at:016}/{kind}/{key}")
}

impl Tables {
    /// Changes the counts of a cluster.
    pub(in crate::world) fn count(&mut self, cluster_key: &str, change: impl FnOnce(&mut Counts)) {
        let mut counts = self
            .counts
            .get(cluster_key)
            .map(|counts| **counts)
            .unwrap_or_default();
        change(&mut counts);
        if counts == Counts::default() {
            self.counts.remove(cluster_key);
        } else {
            self.counts.insert(cluster_key, Arc::new(counts));
        }
    }

    /// Changes what is reserved on a container instance.
    pub(in crate::world) fn reserve(&mut self, instance_key: &str, change: impl FnOnce(&mut Load)) {
        let mut load = self
            .loads
            .get(instance_key)
            .map(|load| Load::clone(load))
            .unwrap_or_default();
        change(&mut load);
        self.board_load(instance_key, &load);
        if load == Load::NONE {
            self.loads.remove(instance_key);
        } else {
            self.loads.insert(instance_key, Arc::new(load));
        }
    }

    /// Keeps [`Tables::interface_work`] in step with one task.
    pub(in crate::world) fn mark_interface_work(
        &mut self,
        before: Option<&Task>,
        after: Option<&Task>,
        change: u64,
    ) {
        match (after, before) {
            (Some(task), _) if task.interface_work().is_some() => {
                self.interface_work.touch(&task.key(), change);
            }
            (Some(task), _) | (None, Some(task)) => self.interface_work.remove(&task.key()),
            (None, None) => {}
        }
    }

    /// Whether a container instance is on the host that EC2 knows by this id.
    pub fn has_host(&self, region: &Region, id: &str) -> bool {
        self.hosts.prefix(&format!("{region}/{id}/")).next().is_some()
    }

    /// Keeps [`Tables::expiring`] in step with one resource.
    pub(in crate::world) fn expire(&mut self, before: Option<String>, after: Option<String>) {
        if let Some(key) = before {
            self.expiring.remove(&key);
        }
        if let Some(key) = after {
            self.expiring.insert(&key, ());
        }
    }
}

/// Fills ECS's tables from the store.
pub(super) fn load_all(snapshot: &mut Snapshot, store: &dyn Store) -> Result<(), StoreError> {
    load::<Cluster>(snapshot, store)?;
    load::<Family>(snapshot, store)?;
    load::<DaemonFamily>(snapshot, store)?;
    load::<DaemonTaskDefinition>(snapshot, store)?;
    load::<TaskDefinition>(snapshot, store)?;
    load::<CapacityProvider>(snapshot, store)?;
    load::<ContainerInstance>(snapshot, store)?;
    load::<Task>(snapshot, store)?;
    load::<Service>(snapshot, store)?;
    load::<Daemon>(snapshot, store)?;
    load::<DaemonDeployment>(snapshot, store)?;
    load::<DaemonRevision>(snapshot, store)?;
    load::<TaskEnds>(snapshot, store)?;
    load::<KeptRoom>(snapshot, store)?;
    load::<ServiceDeployment>(snapshot, store)?;
    load::<ServiceRevision>(snapshot, store)?;
    load::<KnownAgent>(snapshot, store)?;
    load::<AccountSetting>(snapshot, store)
}

/// Shapes of the API inside records, as the JSON they have on the wire: `#[serde(with = "shape_json")]`.
pub mod shape_json {
    use portcullis_wire::{Shape, json};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes a shape.
    pub fn serialize<T: Shape, S: Serializer>(shape: &T, serializer: S) -> Result<S::Ok, S::Error> {
        json::to_value(shape).serialize(serializer)
    }

    /// Reads a shape.
    pub fn deserialize<'de, T: Shape, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        json::from_value(&value).map_err(serde::de::Error::custom)
    }
}
