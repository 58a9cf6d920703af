//! Daemons: one task on each container instance of their capacity providers.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::service_parts::{Deployment, DeploymentStatus};
use super::{Service, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// What the groups of daemons' tasks start with. No service's name has a `:`, so that among services and daemons a group
/// says which.
const GROUP: &str = "daemon:";

/// A daemon. When it is deleted and nothing of it runs any more, its record is gone; its history stays for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Daemon {
    /// Where.
    pub region: Region,
    /// The name of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// `.../daemon/CLUSTER/NAME`
    pub arn: Arn,
    /// Whether it was deleted.
    pub status: DaemonStatus,
    /// Its tags.
    pub tags: Tags,
    /// The token of its creation, to tell a repetition from a second daemon.
    pub client_token: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// The PRIMARY deployment first, then those it replaces, newest first. Their ids are those of [`super::DaemonDeployment`]s.
    pub deployments: Vec<Deployment>,
    /// The id of the [`super::DaemonDeployment`] that is under way or was the last.
    pub current_deployment: String,
    /// The ARNs of the capacity providers whose instances it runs on.
    pub capacity_providers: Vec<String>,
    /// How deployments of it are carried out, with all defaults filled in.
    #[serde(with = "shape_json")]
    pub configuration: api::DaemonDeploymentConfiguration,
    /// What the PRIMARY deployment's revision says. Its ARN, time and images stand there.
    #[serde(with = "shape_json")]
    pub chosen: api::DaemonRevision,
}

/// Where in its life a daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DaemonStatus {
    /// In use.
    Active,
    /// Deleted; its tasks still stop.
    DeleteInProgress,
}

impl DaemonStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
        }
    }
}

/// The key the scheduler knows the owner of a group of tasks by, when a service or a daemon owns it.
pub(super) fn owner_key(region: &Region, cluster: &str, group: &str) -> Option<String> {
    match group.strip_prefix("service:") {
        Some(service) => Some(Service::key_of(region, cluster, service)),
        None => group
            .starts_with(GROUP)
            .then(|| format!("{region}/{cluster}/{group}")),
    }
}

impl Daemon {
    /// `REGION/CLUSTER/NAME`
    pub fn key_of(region: &Region, cluster: &str, name: &str) -> String {
        format!("{region}/{cluster}/{name}")
    }

    /// The key of the daemon that the scheduler knows by this key; `None` for a service's.
    pub fn key_of_owner(owner_key: &str) -> Option<String> {
        let (home, name) = owner_key.split_once("/daemon:")?;
        Some(format!("{home}/{name}"))
    }

    /// The group of its tasks.
    pub fn group(&self) -> String {
        format!("{GROUP}{}", self.name)
    }

    /// The key the scheduler knows it by: `REGION/CLUSTER/daemon:NAME`.
    pub fn owner_key(&self) -> String {
        format!("{}/{}/{}", self.region, self.cluster, self.group())
    }

    /// Another ARN of the same account and region.
    pub fn arn_beside(&self, resource: std::fmt::Arguments<'_>) -> Arn {
        let arn = self.arn.as_str();
        let head = arn.strip_suffix(self.arn.resource()).unwrap_or(arn);
        format!("{head}{resource}")
            .parse()
            .unwrap_or_else(|_| self.arn.clone())
    }

    /// Whether a deployment of that id belongs to it.
    pub fn has_version(&self, id: &str) -> bool {
        self.deployments.iter().any(|one| one.id == id)
    }

    /// The deployment that shall remain.
    pub fn primary(&self) -> Option<&Deployment> {
        let mut all = self.deployments.iter();
        all.find(|one| one.status == DeploymentStatus::Primary)
    }
}

impl Record for Daemon {
    const KIND: &'static str = "ecs-daemon";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.cluster, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.daemons
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.daemons
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        let restless = &mut snapshot.ecs.restless;
        match (before, after) {
            (_, Some(row)) => restless.owner(&row.owner_key(), change),
            (Some(row), None) => restless.without_owner(&row.owner_key()),
            (None, None) => {}
        }
    }
}
