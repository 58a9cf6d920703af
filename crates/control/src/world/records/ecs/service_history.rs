//! The history of services: their deployments with their ends, and immutable pictures of what was deployed.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::{SHOWN_AFTER_END_SECONDS, expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// How long a service deployment is listed after its end, in seconds: AWS keeps 90 days.
pub(super) const HISTORY_SECONDS: i64 = 90 * 24 * 3_600;

/// A service deployment: from one revision of a service to another, with its rollback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceDeployment {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
    /// Its id: 21 letters, digits, `-` and `_`.
    pub id: String,
    /// `.../service-deployment/CLUSTER/SERVICE/ID`
    pub arn: Arn,
    /// The revision it deploys.
    pub target: String,
    /// How many tasks the service should have when it began or was scaled.
    pub target_count: u32,
    /// The revisions it replaces.
    pub sources: Vec<String>,
    /// How it goes.
    pub status: ServiceDeploymentStatus,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it began; a deployment that waits for another has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// When somebody stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// The way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The circuit breaker's count and threshold when it ended, and whether it broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How it was to be carried out.
    #[serde(with = "shape_json")]
    pub configuration: api::DeploymentConfiguration,
}

/// How a service deployment goes (ecs.md 11). STOP_REQUESTED and ROLLBACK_REQUESTED pass within one change here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceDeploymentStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// All tasks are of the target.
    Successful,
    /// Ended by another deployment or by somebody, without a way back.
    Stopped,
    /// To be ended.
    StopRequested,
    /// To go back.
    RollbackRequested,
    /// On the way back.
    RollbackInProgress,
    /// Back.
    RollbackSuccessful,
    /// Not even back.
    RollbackFailed,
}

/// The way back from a service deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Why.
    pub reason: String,
    /// Since when.
    pub started: Timestamp,
    /// Where to.
    pub revision: String,
}

/// What the circuit breaker counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Failed tasks.
    pub failures: u32,
    /// How many were too many.
    pub threshold: u32,
    /// Whether they were.
    pub triggered: bool,
}

/// A service revision: what was deployed, as it was then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceRevision {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the service.
    pub service: String,
    /// 19 digits: those of the first deployment of it.
    pub id: String,
    /// `.../service-revision/CLUSTER/SERVICE/N`
    pub arn: Arn,
    /// When it was made.
    pub created: Timestamp,
    /// What its tasks are made from.
    pub task_definition: Arn,
    /// The rest as DescribeServiceRevisions shows it, ARNs of cluster and service included.
    #[serde(with = "shape_json")]
    pub definition: api::ServiceRevision,
}

impl ServiceDeploymentStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::Stopped => "STOPPED",
            Self::StopRequested => "STOP_REQUESTED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Whether nothing will change it any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed
        )
    }
}

/// `REGION/CLUSTER/SERVICE/`: what the keys of a service's history start with.
pub fn history_prefix(region: &Region, cluster: &str, service: &str) -> String {
    format!("{region}/{cluster}/{service}/")
}

impl ServiceDeployment {
    /// `REGION/CLUSTER/SERVICE/ID`
    pub fn key_of(region: &Region, cluster: &str, service: &str, id: &str) -> String {
        format!("{}{id}", history_prefix(region, cluster, service))
    }

    /// Its row in [`super::Tables::history`]: the newest of a service first.
    fn history_key(&self) -> String {
        let prefix = history_prefix(&self.region, &self.cluster, &self.service);
        let age = i64::MAX.saturating_sub(self.created.as_millis());
        format!("{prefix}{age:020}/{}", self.id)
    }

    fn expiry(&self) -> Option<String> {
        let ended = self.finished.filter(|_| self.status.is_final())?;
        let kept = ended.plus_seconds(HISTORY_SECONDS - SHOWN_AFTER_END_SECONDS);
        Some(expiry_key(kept, Self::KIND, &self.key()))
    }
}

impl ServiceRevision {
    /// `REGION/CLUSTER/SERVICE/N`
    pub fn key_of(region: &Region, cluster: &str, service: &str, id: &str) -> String {
        format!("{}{id}", history_prefix(region, cluster, service))
    }
}

impl Record for ServiceDeployment {
    const KIND: &'static str = "ecs-service-deployment";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.service, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.service_deployments
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.service_deployments
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let tables = &mut snapshot.ecs;
        tables.expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
        match (before, after) {
            (None, Some(row)) => tables.history.insert(&row.history_key(), ()),
            (Some(row), None) => tables.history.remove(&row.history_key()),
            _ => {}
        }
    }
}

impl Record for ServiceRevision {
    const KIND: &'static str = "ecs-service-revision";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.service, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.service_revisions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.service_revisions
    }
}
