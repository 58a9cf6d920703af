//! Services.

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::service_parts::{Deployment, DeploymentStatus, Launches, ServiceEvent, ServiceTaskSet};
use super::{Cluster, expiry_key, shape_json};
use crate::world::changes::{Changed, Step};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// Most events a service shows (ecs.md 11).
const EVENTS_MAX: usize = 100;

/// A service. What its tasks are is in its deployments (controller ECS) or task sets (the other controllers).
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
    /// How many tasks it shall have. Of DAEMON services the scheduler writes it: how many instances match.
    pub desired: u32,
    /// Where its tasks go.
    pub strategy: SchedulingStrategy,
    /// Who carries out its deployments.
    pub controller: Controller,
    /// The PRIMARY deployment first, then those it replaces, newest first. Empty unless the controller is ECS, and
    /// once the service is INACTIVE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<Deployment>,
    /// Task sets in the order they were made; only of other controllers than ECS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_sets: Vec<ServiceTaskSet>,
    /// What it started lately.
    #[serde(default, skip_serializing_if = "Launches::is_none")]
    pub launches: Launches,
    /// What happened, newest first; see [`Service::tell`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ServiceEvent>,
    /// The id of the [`super::ServiceDeployment`] that is under way or was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_deployment: Option<String>,
    /// The revision of the last deployment that completed: where a rollback goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_revision: Option<String>,
    /// All else as DescribeServices shows it: without `status`, `tags`, counts, `deployments`, `taskSets`, `events`,
    /// `schedulingStrategy`, `deploymentController` and `current*`. Its `taskDefinition`, `launchType`,
    /// `capacityProviderStrategy`, `platformVersion` and `networkConfiguration` are those of the PRIMARY deployment.
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

/// Where the tasks of a service go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchedulingStrategy {
    /// So many, where there is place.
    Replica,
    /// One on each instance that matches.
    Daemon,
}

/// Who carries out the deployments of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Controller {
    /// ECS.
    Ecs,
    /// CodeDeploy, through task sets.
    CodeDeploy,
    /// Somebody, through task sets.
    External,
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

impl SchedulingStrategy {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "REPLICA",
            Self::Daemon => "DAEMON",
        }
    }
}

impl Controller {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::CodeDeploy => "CODE_DEPLOY",
            Self::External => "EXTERNAL",
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

    /// Another ARN of the same account and region.
    pub fn arn_beside(&self, resource: std::fmt::Arguments<'_>) -> String {
        let arn = self.arn.as_str();
        let head = arn.strip_suffix(self.arn.resource()).unwrap_or(arn);
        format!("{head}{resource}")
    }

    /// Whether it is a daemon that the scheduler sees as a service.
    pub fn is_daemon(&self) -> bool {
        self.arn.resource().starts_with("daemon/")
    }

    /// The group of its tasks.
    pub fn group(&self) -> String {
        let kind = if self.is_daemon() { "daemon" } else { "service" };
        format!("{kind}:{}", self.name)
    }

    /// The launch type, EC2 when a capacity provider decides.
    pub fn launch_type(&self) -> &str {
        self.definition.launch_type.as_deref().unwrap_or("EC2")
    }

    /// The deployment that shall remain.
    pub fn primary(&self) -> Option<&Deployment> {
        let mut all = self.deployments.iter();
        all.find(|one| one.status == DeploymentStatus::Primary)
    }

    /// Whether a deployment or task set of that id belongs to it.
    pub fn has_version(&self, id: &str) -> bool {
        self.version_ids().any(|one| one == id)
    }

    /// `startedBy` of all its tasks: the ids of its deployments and task sets.
    pub fn version_ids(&self) -> impl Iterator<Item = &String> {
        let deployments = self.deployments.iter().flat_map(Deployment::ids);
        deployments.chain(self.task_sets.iter().map(|one| &one.id))
    }

    /// A task set by its id, `ecs-svc/N`.
    pub fn task_set(&self, id: &str) -> Option<&ServiceTaskSet> {
        self.task_sets.iter().find(|set| set.id == id)
    }

    /// The task definitions its tasks are made from.
    pub fn task_definitions(&self) -> impl Iterator<Item = &Arn> {
        let deployed = self.deployments.iter().map(|one| &one.task_definition);
        deployed.chain(self.task_sets.iter().map(|one| &one.task_definition))
    }

    /// Adds an event; the oldest goes when there are too many.
    pub fn tell(&mut self, event: ServiceEvent) {
        self.events.insert(0, event);
        self.events.truncate(EVENTS_MAX);
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
    fn changed(before: Option<&Arc<Self>>, after: Option<&Arc<Self>>) -> Option<Changed> {
        Some(Changed::Service(Step::new(before, after)))
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let change = snapshot.sequence;
        let tables = &mut snapshot.ecs;
        match (before, after) {
            (_, Some(row)) => tables.restless.service(row, change),
            (Some(row), None) => tables.restless.without_service(row),
            (None, None) => {}
        }
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
