//! What principals and access keys were last used for, and the reports asked for about it.

use std::collections::BTreeMap;

use portcullis_core::{Arn, Timestamp};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::world::snapshot::{Snapshot, move_row};
use crate::world::table::Table;

/// When something was last used, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUsed {
    /// When.
    pub at: Timestamp,
    /// The region called.
    pub region: String,
}

/// What a user or role tried of one service, denied attempts included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUse {
    /// The unique id of the user or role.
    pub principal: String,
    /// The service's prefix.
    pub service: String,
    /// The last attempt of each action, by the action's name.
    pub actions: BTreeMap<String, LastUsed>,
}

impl ServiceUse {
    /// The prefix of all rows of a principal.
    pub fn prefix(principal: &str) -> String {
        format!("{principal}/")
    }

    /// The key of a row.
    pub fn key_of(principal: &str, service: &str) -> String {
        format!("{principal}/{service}")
    }
}

impl Record for ServiceUse {
    const KIND: &'static str = "iam-service-use";
    fn key(&self) -> String {
        Self::key_of(&self.principal, &self.service)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.service_uses
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.service_uses
    }
}

/// When a long-term access key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The access key's id.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// The service called.
    pub service: String,
    /// The region called.
    pub region: String,
}

impl Record for KeyUse {
    const KIND: &'static str = "iam-key-use";
    fn key(&self) -> String {
        self.key.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.key_uses
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.key_uses
    }
}

/// How fine a report of last uses is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Granularity {
    /// Services only.
    #[serde(rename = "SERVICE_LEVEL")]
    Service,
    /// Actions, too.
    #[serde(rename = "ACTION_LEVEL")]
    Action,
}

/// A report that somebody asked for. It is made anew whenever it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UseReport {
    /// The job's id.
    pub id: String,
    /// What it is about: a user, group, role or managed policy.
    pub about: Arn,
    /// How fine it is.
    pub granularity: Granularity,
    /// When it was asked for.
    pub created: Timestamp,
    /// The user id (R108) of who asked: nobody else reads it.
    pub asked_by: String,
}

impl Record for UseReport {
    const KIND: &'static str = "iam-use-report";
    fn key(&self) -> String {
        self.id.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.use_reports
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.use_reports
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let key = |report: &Self| format!("{:016}/{}", report.created.as_millis(), report.id);
        let row = after.map(|report| (key(report), report.id.clone()));
        move_row(&mut snapshot.use_reports_by_age, before.map(key), row);
    }
}
