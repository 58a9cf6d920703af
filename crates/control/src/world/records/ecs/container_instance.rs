//! Container instances and what is reserved on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgentIdentity, AgentUpdate, Cluster, expiry_key, shape_json};
use crate::world::changes::{Changed, Step};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A machine whose agent has registered with a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerInstance {
    /// Where.
    pub region: Region,
    /// The name of its cluster.
    pub cluster: String,
    /// 32 hexadecimal digits.
    pub id: String,
    /// `.../container-instance/CLUSTER/ID`
    pub arn: Arn,
    /// `i-...`, from the identity document; external instances have none.
    pub ec2_instance_id: Option<String>,
    /// Whether it takes tasks.
    pub status: InstanceStatus,
    /// Whether an agent's ACS connection is open. Connections do not outlive the server, so this is not stored.
    #[serde(skip)]
    pub agent_connected: bool,
    /// Grows by one with each change of this row that raises an event (ecs.md 8). What its tasks reserve changes without this
    /// row: [`Self::shown_version`] is the number AWS means.
    pub version: i64,
    /// The highest number that may be shown before this row is written again; after a restart numbers go on behind it.
    #[serde(default)]
    pub versions_granted: i64,
    /// What the agent says of itself; empty if it says nothing.
    #[serde(with = "shape_json")]
    pub version_info: api::VersionInfo,
    /// What it brought.
    pub resources: RegisteredResources,
    /// Attributes of registration and of PutAttributes; without a value for plain capabilities.
    pub attributes: BTreeMap<String, Option<String>>,
    /// The names among `attributes` that the agent registered: their number has no limit.
    pub registered_attributes: BTreeSet<String>,
    /// When it registered first.
    pub registered_at: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// The token of the registration, to tell a repetition from a second instance.
    pub client_token: Option<String>,
    /// The `aws:userid` of who registered it; only that principal speaks for it.
    #[serde(default)]
    pub registered_by: Option<String>,
    /// How its agent shows that it is that agent.
    #[serde(default)]
    pub agent: AgentIdentity,
    /// The last update of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_update: Option<AgentUpdate>,
}

/// Whether a container instance takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// It does.
    Active,
    /// Its tasks go on, new ones are placed elsewhere.
    Draining,
    /// Deregistered.
    Inactive {
        /// When.
        since: Timestamp,
    },
}

/// What an instance registered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredResources {
    /// CPU units, 1,024 a core.
    pub cpu: i32,
    /// MiB.
    pub memory: i32,
    /// TCP ports that tasks cannot have.
    pub ports: BTreeSet<u16>,
    /// UDP ports that tasks cannot have.
    pub udp_ports: BTreeSet<u16>,
    /// Ids of GPUs.
    pub gpus: Vec<String>,
}

/// What the tasks of an instance have reserved: of those that should run and have not stopped (ecs.md 8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// CPU units.
    pub cpu: i32,
    /// MiB.
    pub memory: i32,
    /// Static TCP host ports.
    pub ports: BTreeSet<u16>,
    /// Static UDP host ports.
    pub udp_ports: BTreeSet<u16>,
    /// Tasks that run.
    pub running_tasks: i32,
    /// Tasks on their way to run.
    pub pending_tasks: i32,
    /// Network interfaces of tasks that have not stopped.
    pub interfaces: i32,
    /// Rooms that are kept for tasks of daemons, see [`super::KeptRoom`].
    pub kept_rooms: i32,
    /// CPU units of these.
    pub kept_cpu: i32,
    /// MiB of these.
    pub kept_memory: i32,
    /// How often what is reserved changed: counted from the server's start, behind all numbers of earlier lives.
    pub changes: i64,
}

impl Load {
    /// The load of an idle instance.
    pub const NONE: Self = Self {
        cpu: 0,
        memory: 0,
        ports: BTreeSet::new(),
        udp_ports: BTreeSet::new(),
        running_tasks: 0,
        pending_tasks: 0,
        interfaces: 0,
        kept_rooms: 0,
        kept_cpu: 0,
        kept_memory: 0,
        changes: 0,
    };
}

/// How many changes of what is reserved one write of an instance's row makes room for.
const VERSIONS_AT_ONCE: i64 = 1_000;

impl InstanceStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive { .. } => "INACTIVE",
        }
    }
}

impl ContainerInstance {
    /// `REGION/CLUSTER/ID`
    pub fn key_of(region: &Region, cluster: &str, id: &str) -> String {
        format!("{region}/{cluster}/{id}")
    }

    /// The ARN of an instance.
    pub fn arn_of(region: &Region, account: &AccountId, cluster: &str, id: &str) -> Arn {
        Arn::regional(
            "ecs",
            region,
            account,
            format_args!("container-instance/{cluster}/{id}"),
        )
    }

    /// The id by which EC2 knows its host: the one it registered with, or for a host that is no EC2 instance one made from
    /// its own (docs/fidelity.md).
    pub fn host_id(&self) -> String {
        self.ec2_instance_id.clone().unwrap_or_else(|| {
            let digits: String = self.id.chars().take(17).collect();
            format!("i-{digits}")
        })
    }

    fn host_key(&self) -> Option<String> {
        let is_there = self.is_registered();
        is_there.then(|| format!("{}/{}/{}", self.region, self.host_id(), self.key()))
    }

    /// Whether it is not deregistered.
    pub fn is_registered(&self) -> bool {
        !matches!(self.status, InstanceStatus::Inactive { .. })
    }

    /// Counts a change of this row that raises an event.
    pub fn raise_version(&mut self) {
        self.version += 1;
        self.versions_granted += 1;
    }

    /// How many changes raised events so far: those of this row and those of what its tasks reserve.
    pub fn shown_version(&self, load: &Load) -> i64 {
        self.version + load.changes
    }

    /// The row with room for more numbers, when they are used up: it is not written with every task.
    pub fn granting_versions(&self, load: &Load) -> Option<Self> {
        let shown = self.shown_version(load);
        (shown > self.versions_granted).then(|| Self {
            versions_granted: shown + VERSIONS_AT_ONCE,
            ..self.clone()
        })
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            InstanceStatus::Inactive { since } => Some(expiry_key(since, Self::KIND, &self.key())),
            _ => None,
        }
    }

    fn registrant_key(&self) -> Option<String> {
        let id = self.registered_by.as_ref().filter(|_| self.is_registered())?;
        Some(format!("{id}/{}", self.key()))
    }

    fn token_key(&self) -> Option<String> {
        let token = self.client_token.as_ref().filter(|_| self.is_registered())?;
        Some(Self::key_of(&self.region, &self.cluster, token))
    }
}

impl Record for ContainerInstance {
    const KIND: &'static str = "ecs-container-instance";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.container_instances
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.container_instances
    }
    fn changed(before: Option<&Arc<Self>>, after: Option<&Arc<Self>>) -> Option<Changed> {
        Some(Changed::Instance(Step::new(before, after)))
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        let tables = &mut snapshot.ecs;
        tables.stir_by_instance(before, after, change);
        if let Some(key) = before.and_then(Self::host_key) {
            tables.hosts.remove(&key);
        }
        if let Some(key) = after.and_then(Self::host_key) {
            tables.hosts.insert(&key, ());
        }
        tables.expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
        if let Some(key) = before.and_then(Self::registrant_key) {
            tables.registrants.remove(&key);
        }
        if let Some(key) = after.and_then(Self::registrant_key) {
            tables.registrants.insert(&key, ());
        }
        if let Some(key) = before.and_then(Self::token_key) {
            tables.registrations.remove(&key);
        }
        if let (Some(row), Some(key)) = (after, after.and_then(Self::token_key)) {
            tables.registrations.insert(&key, Arc::new(row.id.clone()));
        }
        match (before, after) {
            // Read from the store at the start: no number is shown twice.
            (None, Some(row)) if row.versions_granted > row.version => {
                let behind = row.versions_granted - row.version;
                tables.reserve(&row.key(), |load| load.changes = behind);
            }
            (Some(row), None) => tables.loads.remove(&row.key()),
            _ => {}
        }
        if let Some(row) = after.or(before) {
            tables.board_instance(&row.key(), row, after.is_some());
        }
        for (row, step) in before
            .map(|row| (row, -1))
            .into_iter()
            .chain(after.map(|row| (row, 1)))
        {
            if row.is_registered() {
                let cluster = Cluster::key_of(&row.region, &row.cluster);
                tables.count(&cluster, |counts| counts.container_instances += step);
            }
        }
    }
}
