//! Account settings.

use portcullis_core::{Arn, Region};
use serde::{Deserialize, Serialize};

use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A setting of one principal; the root user's is the account's default (ecs.md 4).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountSetting {
    /// Where.
    pub region: Region,
    /// Whose.
    pub principal: Arn,
    /// Such as `containerInsights`.
    pub name: String,
    /// Such as `enabled`.
    pub value: String,
}

impl AccountSetting {
    /// `REGION/PRINCIPAL#NAME`
    pub fn key_of(region: &Region, principal: &Arn, name: &str) -> String {
        format!("{region}/{principal}#{name}")
    }
}

impl Record for AccountSetting {
    const KIND: &'static str = "ecs-account-setting";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.principal, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.account_settings
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.account_settings
    }
}
