//! Task definitions and their families.

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A family: outlives its revisions, because their numbers are never used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Family {
    /// Where.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// The highest revision there ever was.
    pub last_revision: i32,
}

/// One revision of a family.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Where.
    pub region: Region,
    /// The family's name.
    pub family: String,
    /// From 1.
    pub revision: i32,
    /// `.../task-definition/FAMILY:REVISION`
    pub arn: Arn,
    /// Where in its life.
    pub status: DefinitionStatus,
    /// Its tags.
    pub tags: Tags,
    /// The definition as DescribeTaskDefinition shows it; `status`, `deregisteredAt` and `deleteRequestedAt` are
    /// filled from `status` when shown.
    #[serde(with = "shape_json")]
    pub definition: api::TaskDefinition,
}

/// Where in its life a task definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DefinitionStatus {
    /// New tasks can use it.
    Active,
    /// Deregistered: only what already uses it may go on.
    Inactive {
        /// When it was deregistered.
        since: Timestamp,
    },
    /// Forgotten as soon as nothing uses it.
    DeleteInProgress {
        /// When it was deregistered.
        inactive_since: Timestamp,
        /// When its deletion was asked for.
        since: Timestamp,
        /// When it was found to be still in use last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        still_used: Option<Timestamp>,
    },
}

impl DefinitionStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive { .. } => "INACTIVE",
            Self::DeleteInProgress { .. } => "DELETE_IN_PROGRESS",
        }
    }
}

impl Family {
    /// `REGION/FAMILY`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }
}

impl TaskDefinition {
    /// `REGION/FAMILY#REVISION` with seven digits: `#` sorts before every character of a family name, so that keys
    /// are in the order of families and their revisions.
    pub fn key_of(region: &Region, family: &str, revision: i32) -> String {
        format!("{region}/{family}#{revision:07}")
    }

    /// The key in `definitions_by_status`: `REGION/STATUS/FAMILY#REVISION`.
    pub fn status_key_of(region: &Region, status: &str, family: &str, revision: i32) -> String {
        format!("{region}/{status}/{family}#{revision:07}")
    }

    /// The ARN of a revision.
    pub fn arn_of(
        region: &Region,
        account: &AccountId,
        family: &str,
        revision: impl std::fmt::Display,
    ) -> Arn {
        Arn::regional(
            "ecs",
            region,
            account,
            format_args!("task-definition/{family}:{revision}"),
        )
    }

    /// The revision an ARN of this account names; of a daemon task definition what its tasks run.
    pub fn by_arn<'v>(snapshot: &'v Snapshot, arn: &Arn) -> Option<&'v Arc<Self>> {
        let (kind, name) = arn.resource().split_once('/')?;
        let (family, revision) = name.split_once(':')?;
        let region: Region = arn.region().parse().ok()?;
        let key = Self::key_of(&region, family, revision.parse().ok()?);
        match kind {
            "task-definition" => snapshot.ecs.task_definitions.get(&key),
            "daemon-task-definition" => snapshot.ecs.daemon_definitions_as_tasks.get(&key),
            _ => None,
        }
    }

    /// Whether new tasks can use it.
    pub fn is_active(&self) -> bool {
        self.status == DefinitionStatus::Active
    }

    /// The definition as the API shows it.
    pub fn shown(&self) -> api::TaskDefinition {
        let mut shown = self.definition.clone();
        shown.status = Some(self.status.as_str().to_owned());
        match self.status {
            DefinitionStatus::Active => {}
            DefinitionStatus::Inactive { since } => shown.deregistered_at = Some(since),
            DefinitionStatus::DeleteInProgress {
                inactive_since,
                since,
                ..
            } => {
                shown.deregistered_at = Some(inactive_since);
                shown.delete_requested_at = Some(since);
            }
        }
        shown
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            DefinitionStatus::DeleteInProgress {
                since, still_used, ..
            } => Some(expiry_key(still_used.unwrap_or(since), Self::KIND, &self.key())),
            _ => None,
        }
    }

    fn status_key(&self) -> String {
        Self::status_key_of(&self.region, self.status.as_str(), &self.family, self.revision)
    }
}

impl Record for Family {
    const KIND: &'static str = "ecs-family";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.families
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.families
    }
}

impl Record for TaskDefinition {
    const KIND: &'static str = "ecs-task-definition";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.family, self.revision)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.task_definitions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.task_definitions
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let index = &mut snapshot.ecs.definitions_by_status;
        if let Some(row) = before {
            index.remove(&row.status_key());
        }
        if let Some(row) = after {
            index.insert(&row.status_key(), ());
        }
        snapshot
            .ecs
            .expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
    }
}
