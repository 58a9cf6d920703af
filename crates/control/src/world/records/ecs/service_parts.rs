//! What services consist of: deployments, task sets, events.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Tags, Timestamp};
use portcullis_schedule::deployment::Progress;
use serde::{Deserialize, Serialize};

use super::shape_json;

/// One version of a service that has tasks, or shall have them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/` and 19 digits: `startedBy` of its tasks.
    pub id: String,
    /// The ids of earlier deployments of the same revision whose tasks are its own now, the latest first: a rollback goes on
    /// with what still runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took_over: Vec<String>,
    /// The id of its [`super::ServiceRevision`].
    pub revision: String,
    /// The id of the [`super::ServiceDeployment`] it is part of; a rollback is part of the one it ends.
    pub service_deployment: String,
    /// Whether it shall remain.
    pub status: DeploymentStatus,
    /// What its tasks are made from.
    pub task_definition: Arn,
    /// When it began.
    pub created: Timestamp,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// The scheduler's memory of it: rollout state, failures, back-off.
    pub progress: Progress,
    /// What of the API's shape was chosen: `launchType` or `capacityProviderStrategy`, `platformVersion`,
    /// `platformFamily`, `networkConfiguration`.
    #[serde(with = "shape_json")]
    pub chosen: api::Deployment,
}

/// Whether a deployment shall remain. A third state of AWS's, INACTIVE, is that of deployments nobody sees any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentStatus {
    /// The newest.
    Primary,
    /// Being replaced.
    Active,
}

/// A task set: a version of a service whose share somebody else decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceTaskSet {
    /// `ecs-svc/` and 19 digits: `startedBy` of its tasks.
    pub id: String,
    /// `.../task-set/CLUSTER/SERVICE/ecs-svc/N`
    pub arn: Arn,
    /// Its part in the service.
    pub status: TaskSetStatus,
    /// What its tasks are made from.
    pub task_definition: Arn,
    /// Percent of the service's desired count, 0 to 100.
    pub scale: f64,
    /// When it was made.
    pub created: Timestamp,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// The token of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The scheduler's memory of it.
    pub progress: Progress,
    /// What of the API's shape was chosen: `externalId`, `launchType` or `capacityProviderStrategy`,
    /// `platformVersion`, `networkConfiguration`.
    #[serde(with = "shape_json")]
    pub chosen: api::TaskSet,
}

/// How many tasks a service started in the minute that began with the first of them (ecs.md 11: so many a minute).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launches {
    /// When that minute began.
    since: Timestamp,
    /// How many since.
    count: usize,
}

impl Launches {
    const MINUTE: i64 = 60;

    pub(super) fn is_none(&self) -> bool {
        self.count == 0
    }

    /// How many more may be started now, of so many a minute.
    pub fn left(&self, limit: usize, now: Timestamp) -> usize {
        match self.is_over(now) {
            true => limit,
            false => limit.saturating_sub(self.count),
        }
    }

    /// When the minute is over.
    pub fn end(&self) -> Timestamp {
        self.since.plus_seconds(Self::MINUTE)
    }

    /// So many more were started.
    pub fn add(&mut self, count: usize, now: Timestamp) {
        if self.is_over(now) {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(count);
    }

    /// A clock that was set back must not hold anybody up.
    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.end() || now < self.since
    }
}

/// What part a task set has in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskSetStatus {
    /// The one that serves.
    Primary,
    /// One beside it.
    Active,
    /// Deleted; its tasks still stop.
    Draining,
}

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// A UUID.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// In AWS's words.
    pub message: String,
    /// What EventBridge is told of it; most events stand only here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ServiceAction>,
}

/// What an event of a service is to EventBridge: the `eventName` of an `ECS Service Action` (ecs.md 12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAction {
    /// `SERVICE_STEADY_STATE`
    SteadyState,
    /// `TASKSET_STEADY_STATE`
    TaskSetSteadyState,
    /// `SERVICE_DESIRED_COUNT_UPDATED`
    DesiredCountUpdated,
    /// `SERVICE_TASK_START_IMPAIRED`
    StartImpaired,
    /// `SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED`
    DaemonConstraintViolated,
    /// `SERVICE_TASK_PLACEMENT_FAILURE`
    PlacementFailure {
        /// What was missing, such as `RESOURCE:CPU`.
        reason: String,
    },
    /// `SERVICE_TASK_CONFIGURATION_FAILURE`
    ConfigurationFailure,
}

impl Deployment {
    /// `startedBy` of all its tasks: its own id first.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.id).chain(&self.took_over)
    }
}

impl DeploymentStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
        }
    }
}

impl TaskSetStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

impl ServiceTaskSet {
    /// How many tasks it shall have, of the service's desired count; none while it drains.
    pub fn desired(&self, of: u32) -> u32 {
        if self.status == TaskSetStatus::Draining {
            return 0;
        }
        let count = (f64::from(of) * self.scale / 100.0).ceil();
        // A share of a u32 fits into one; the conversion keeps what fits anyway.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and a scale is 0 to 100"
        )]
        let count = count as u32;
        count
    }
}
