//! Daemon task definitions and their families: numbered apart from those of tasks.

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DefinitionStatus, TaskDefinition, expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A family: outlives its revisions, because their numbers are never used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonFamily {
    /// Where.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// The highest revision there ever was.
    pub last_revision: i32,
}

/// One revision of a family.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonTaskDefinition {
    /// Where.
    pub region: Region,
    /// The family's name.
    pub family: String,
    /// From 1.
    pub revision: i32,
    /// `.../daemon-task-definition/FAMILY:REVISION`
    pub arn: Arn,
    /// When its deletion was asked for; it is ACTIVE until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_requested: Option<Timestamp>,
    /// When it was found to be still in use last, after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still_used: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
    /// The definition as DescribeDaemonTaskDefinition shows it, without `status` and `deleteRequestedAt`.
    #[serde(with = "shape_json")]
    pub definition: api::DaemonTaskDefinition,
    /// The same as the task definition that its tasks run.
    #[serde(with = "shape_json")]
    pub as_tasks: api::TaskDefinition,
}

impl DaemonFamily {
    /// `REGION/FAMILY`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }
}

impl DaemonTaskDefinition {
    /// `REGION/FAMILY#REVISION` with seven digits, in the order of families and their revisions.
    pub fn key_of(region: &Region, family: &str, revision: i32) -> String {
        format!("{region}/{family}#{revision:07}")
    }

    /// The ARN of a revision.
    pub fn arn_of(
        region: &Region,
        account: &AccountId,
        family: &str,
        revision: impl std::fmt::Display,
    ) -> Arn {
        let resource = format_args!("daemon-task-definition/{family}:{revision}").to_string();
        Arn::regional("ecs", region, account, resource)
    }

    /// What its tasks run.
    fn for_tasks(&self) -> TaskDefinition {
        TaskDefinition {
            region: self.region.clone(),
            family: self.family.clone(),
            revision: self.revision,
            arn: self.arn.clone(),
            status: DefinitionStatus::Active,
            tags: self.tags.clone(),
            definition: self.as_tasks.clone(),
        }
    }

    /// Whether new daemons can use it.
    pub fn is_active(&self) -> bool {
        self.delete_requested.is_none()
    }
}

impl Record for DaemonFamily {
    const KIND: &'static str = "ecs-daemon-family";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.daemon_families
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.daemon_families
    }
}

impl Record for DaemonTaskDefinition {
    const KIND: &'static str = "ecs-daemon-task-definition";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.family, self.revision)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.daemon_task_definitions
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.daemon_task_definitions
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let expiry = |row: &Self| {
            let since = row.still_used.or(row.delete_requested)?;
            Some(expiry_key(since, Self::KIND, &row.key()))
        };
        let tables = &mut snapshot.ecs;
        tables.expire(before.and_then(expiry), after.and_then(expiry));
        let derived = &mut tables.daemon_definitions_as_tasks;
        match (before, after) {
            (_, Some(row)) => derived.insert(&row.key(), Arc::new(row.for_tasks())),
            (Some(row), None) => derived.remove(&row.key()),
            (None, None) => {}
        }
    }
}
