//! Services.

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Cluster, expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Service {
    /// Where.
    pub region: Region,
    /// The name of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// `.../service/CLUSTER/NAME`
    pub arn: Arn,
    /// Whether it was deleted.
    pub status: ServiceStatus,
    /// Its tags; gone once it is deleted.
    pub tags: Tags,
    /// The token of its creation, to tell a repetition from a second service.
    pub client_token: Option<String>,
    /// The service as DescribeServices shows it, without `status` and `tags`.
    #[serde(with = "shape_json")]
    pub definition: api::Service,
}

/// Where in its life a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceStatus {
    /// In use.
    Active,
    /// Deleted; its tasks still stop.
    Draining,
    /// Deleted; the name is free again.
    Inactive {
        /// When.
        since: Timestamp,
    },
}

impl ServiceStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive { .. } => "INACTIVE",
        }
    }
}

impl Service {
    /// `REGION/CLUSTER/NAME`
    pub fn key_of(region: &Region, cluster: &str, name: &str) -> String {
        format!("{region}/{cluster}/{name}")
    }

    /// The ARN of a service.
    pub fn arn_of(region: &Region, account: &AccountId, cluster: &str, name: &str) -> Arn {
        Arn::regional("ecs", region, account, format_args!("service/{cluster}/{name}"))
    }

    /// The launch type, EC2 when a capacity provider decides.
    pub fn launch_type(&self) -> &str {
        self.definition.launch_type.as_deref().unwrap_or("EC2")
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            ServiceStatus::Inactive { since } => Some(expiry_key(since, Self::KIND, &self.key())),
            _ => None,
        }
    }
}

impl Record for Service {
    const KIND: &'static str = "ecs-service";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.services
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.services
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let tables = &mut snapshot.ecs;
        tables.expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
        for (row, step) in before
            .map(|row| (row, -1))
            .into_iter()
            .chain(after.map(|row| (row, 1)))
        {
            let cluster = Cluster::key_of(&row.region, &row.cluster);
            tables.count(&cluster, |counts| match row.status {
                ServiceStatus::Active => *counts.active_services.of(row.launch_type()) += step,
                ServiceStatus::Draining => *counts.draining_services.of(row.launch_type()) += step,
                ServiceStatus::Inactive { .. } => {}
            });
        }
    }
}
