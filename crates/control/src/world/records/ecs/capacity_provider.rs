//! Capacity providers of Auto Scaling groups. FARGATE and FARGATE_SPOT are always there and have no record.

use portcullis_api::ecs as api;
use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{expiry_key, shape_json};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A capacity provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CapacityProvider {
    /// Where.
    pub region: Region,
    /// The name with its case.
    pub name: String,
    /// `.../capacity-provider/NAME`
    pub arn: Arn,
    /// Whether it was deleted.
    pub status: ProviderStatus,
    /// What became of the last change, in AWS's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_status: Option<String>,
    /// The Auto Scaling group and how it shall be scaled, with all defaults filled in.
    #[serde(with = "shape_json")]
    pub group: api::AutoScalingGroupProvider,
    /// Its tags; gone once it is deleted.
    pub tags: Tags,
}

/// The states a capacity provider can be in here: there is nothing to provision, so it is ACTIVE at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProviderStatus {
    /// In use.
    Active,
    /// Deleted since; the name is free again.
    Inactive {
        /// When it was deleted.
        since: Timestamp,
    },
}

impl CapacityProvider {
    /// `REGION/NAME`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// The ARN of a provider.
    pub fn arn_of(region: &Region, account: &AccountId, name: &str) -> Arn {
        Arn::regional("ecs", region, account, format_args!("capacity-provider/{name}"))
    }

    /// Whether it was not deleted.
    pub fn is_active(&self) -> bool {
        self.status == ProviderStatus::Active
    }

    /// The name of its Auto Scaling group: the last part of the group's ARN, or of the name given in its place.
    pub fn group_name(&self) -> &str {
        let arn = self.group.auto_scaling_group_arn.as_str();
        arn.rsplit('/').next().unwrap_or(arn)
    }

    /// Whether managed scaling is on.
    pub fn scales(&self) -> bool {
        let scaling = self.group.managed_scaling.as_ref();
        scaling.and_then(|scaling| scaling.status.as_deref()) == Some("ENABLED")
    }

    fn expiry(&self) -> Option<String> {
        match self.status {
            ProviderStatus::Active => None,
            ProviderStatus::Inactive { since } => Some(expiry_key(since, Self::KIND, &self.key())),
        }
    }
}

impl Record for CapacityProvider {
    const KIND: &'static str = "ecs-capacity-provider";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.capacity_providers
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.capacity_providers
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        snapshot
            .ecs
            .expire(before.and_then(Self::expiry), after.and_then(Self::expiry));
    }
}
