//! Container instances and what is reserved on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Cluster, expiry_key, shape_json};
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
    /// Grows by one with each change that raises an event (ecs.md 8).
    pub version: i64,
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
    };
}

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

    /// Whether it is not deregistered.
    pub fn is_registered(&self) -> bool {
        !matches!(self.status, InstanceStatus::Inactive { .. })
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            InstanceStatus::Inactive { since } => Some(expiry_key(since, Self::KIND, &self.key())),
            _ => None,
        }
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
        tables.expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
        if let Some(key) = before.and_then(Self::token_key) {
            tables.registrations.remove(&key);
        }
        if let (Some(row), Some(key)) = (after, after.and_then(Self::token_key)) {
            tables.registrations.insert(&key, Arc::new(row.id.clone()));
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
