//! Clusters.

use portcullis_api::ecs as api;
use portcullis_core::{Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// Where.
    pub region: Region,
    /// The name with its case.
    pub name: String,
    /// Whether it was deleted.
    pub status: ClusterStatus,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags; gone once it is deleted.
    pub tags: Tags,
    /// What of the API's shape the caller chose: `configuration`, `settings`, `capacityProviders`,
    /// `defaultCapacityProviderStrategy`, `serviceConnectDefaults`. All else there is empty.
    #[serde(with = "shape_json")]
    pub chosen: api::Cluster,
}

/// The states a cluster can be in here. There is nothing to attach, so none is ever PROVISIONING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClusterStatus {
    /// In use.
    Active,
    /// Deleted since; the name is free again.
    Inactive {
        /// When it was deleted.
        since: Timestamp,
    },
}

/// A number for each launch type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByLaunchType {
    /// `EC2`
    pub ec2: i32,
    /// `FARGATE`
    pub fargate: i32,
    /// `EXTERNAL`
    pub external: i32,
}

/// What a cluster holds (ecs.md 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Container instances that are ACTIVE or DRAINING.
    pub container_instances: i32,
    /// Tasks that run.
    pub running_tasks: ByLaunchType,
    /// Tasks on their way to run.
    pub pending_tasks: ByLaunchType,
    /// Tasks that wait for room; they are among the pending ones.
    pub waiting_tasks: i32,
    /// Services in use.
    pub active_services: ByLaunchType,
    /// Deleted services whose tasks still stop.
    pub draining_services: ByLaunchType,
}

impl ByLaunchType {
    /// The number of one launch type, to change it; EC2's when the name is unknown.
    pub fn of(&mut self, launch_type: &str) -> &mut i32 {
        match launch_type {
            "FARGATE" => &mut self.fargate,
            "EXTERNAL" => &mut self.external,
            _ => &mut self.ec2,
        }
    }

    /// All together.
    pub fn sum(self) -> i32 {
        self.ec2
            .saturating_add(self.fargate)
            .saturating_add(self.external)
    }
}

impl Cluster {
    /// `REGION/NAME`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// Whether it was not deleted.
    pub fn is_active(&self) -> bool {
        self.status == ClusterStatus::Active
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            ClusterStatus::Active => None,
            ClusterStatus::Inactive { since } => Some(expiry_key(since, Self::KIND, &self.key())),
        }
    }
}

impl Record for Cluster {
    const KIND: &'static str = "ecs-cluster";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.clusters
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.clusters
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        snapshot
            .ecs
            .expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
    }
}
