//! The history of daemons: their deployments with their ends, and immutable pictures of what was deployed.

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::service_history::HISTORY_SECONDS;
use super::{
    Breaker, Rollback, SHOWN_AFTER_END_SECONDS, ServiceDeploymentStatus, expiry_key, history_prefix,
    shape_json,
};
use crate::world::changes::{Changed, Step};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A daemon deployment: from one revision of a daemon to another, with its rollback; or to none, when it is deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonDeployment {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the daemon.
    pub daemon: String,
    /// Its id: 21 letters, digits, `-` and `_`.
    pub id: String,
    /// `.../daemon-deployment/CLUSTER/DAEMON/ID`
    pub arn: Arn,
    /// The revision it deploys; `None` when the daemon is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The revisions it replaces.
    pub sources: Vec<String>,
    /// How it goes.
    pub status: ServiceDeploymentStatus,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended without having reached its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// The way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The circuit breaker's count and threshold when it ended, and whether it broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How it was to be carried out.
    #[serde(with = "shape_json")]
    pub configuration: api::DaemonDeploymentConfiguration,
}

/// A daemon revision: what was deployed, as it was then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonRevision {
    /// Where.
    pub region: Region,
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the daemon.
    pub daemon: String,
    /// 19 digits.
    pub id: String,
    /// `.../daemon-revision/CLUSTER/DAEMON/N`
    pub arn: Arn,
    /// The ARNs of the capacity providers it was deployed to.
    pub capacity_providers: Vec<String>,
    /// All of it as DescribeDaemonRevisions shows it.
    #[serde(with = "shape_json")]
    pub definition: api::DaemonRevision,
}

impl DaemonDeployment {
    /// `REGION/CLUSTER/DAEMON/ID`
    pub fn key_of(region: &Region, cluster: &str, daemon: &str, id: &str) -> String {
        format!("{}{id}", history_prefix(region, cluster, daemon))
    }

    fn expiry(&self) -> Option<String> {
        let ended = self.finished.filter(|_| self.status.is_final())?;
        let kept = ended.plus_seconds(HISTORY_SECONDS - SHOWN_AFTER_END_SECONDS);
        Some(expiry_key(kept, Self::KIND, &self.key()))
    }
}

impl DaemonRevision {
    /// `REGION/CLUSTER/DAEMON/N`
    pub fn key_of(region: &Region, cluster: &str, daemon: &str, id: &str) -> String {
        format!("{}{id}", history_prefix(region, cluster, daemon))
    }
}

impl Record for DaemonDeployment {
    const KIND: &'static str = "ecs-daemon-deployment";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.daemon, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.daemon_deployments
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.daemon_deployments
    }
    fn changed(before: Option<&Arc<Self>>, after: Option<&Arc<Self>>) -> Option<Changed> {
        Some(Changed::DaemonDeployment(Step::new(before, after)))
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        snapshot
            .ecs
            .expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
    }
}

impl Record for DaemonRevision {
    const KIND: &'static str = "ecs-daemon-revision";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.daemon, &self.id)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.daemon_revisions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.daemon_revisions
    }
}
