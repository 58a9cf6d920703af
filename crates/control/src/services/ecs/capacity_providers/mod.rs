//! Capacity providers (ecs.md 3): FARGATE and FARGATE_SPOT, which are always there, and those of Auto Scaling groups.
//! There is no Auto Scaling service here: a host belongs to a group by an attribute (docs/fidelity.md).

mod change;
mod read;
mod scaling;
mod strategy;

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_api::ecs::op;
use portcullis_core::Arn;

pub(super) use strategy::{BUILT_IN, add_key, by_name, check_items, check_launch_type, in_force, short};
pub(crate) use strategy::{Means, Provider, means};

use super::errors::EcsError;
use super::names::{Scope, is_name, parse_arn};
use super::tags;
use crate::gate::operation::{Row, read, write};
use crate::world::Snapshot;
use crate::world::records::ecs::CapacityProvider;

/// The operations on capacity providers.
pub(super) fn table() -> Vec<Row> {
    const CREATE: &[&str] = &["ecs:CreateCapacityProvider", "ecs:TagResource", "iam:PassRole"];
    const UPDATE: &[&str] = &["ecs:UpdateCapacityProvider", "iam:PassRole"];
    vec![
        write::<op::CreateCapacityProvider>(CREATE, change::require_create, change::create),
        write::<op::UpdateCapacityProvider>(UPDATE, change::require_update, change::update),
        write::<op::DeleteCapacityProvider>(
            &["ecs:DeleteCapacityProvider"],
            change::require_delete,
            change::delete,
        ),
        read::<op::DescribeCapacityProviders>(
            &["ecs:DescribeCapacityProviders"],
            read::require,
            read::describe,
        ),
    ]
}

/// A capacity provider that a request names.
#[derive(Debug, Clone)]
pub(super) struct ProviderRef {
    /// The short name.
    pub name: String,
    /// The full ARN.
    pub arn: Arn,
    /// Where the picture keeps it; `None` for an ARN of another region or account.
    key: Option<String>,
}

impl ProviderRef {
    /// What a name or ARN names: for reading and changing the provider itself.
    pub fn resolve(scope: Scope<'_>, argument: &str) -> Result<Self, EcsError> {
        let (arn, name) = if argument.starts_with("arn:") {
            parse_arn(argument, "capacity-provider")?
        } else {
            (scope.capacity_provider(argument), argument.to_owned())
        };
        let key = scope
            .owns(&arn)
            .then(|| CapacityProvider::key_of(scope.region, &name));
        Ok(Self { name, arn, key })
    }

    /// What a name or ARN names: for having tasks on its hosts. The condition key and the action both come from here, so that
    /// no spelling means one provider to a policy and another to the scheduler: what is neither a name nor an ARN of this
    /// region and account is refused before it is authorised.
    pub fn usable(scope: Scope<'_>, argument: &str) -> Result<Self, EcsError> {
        let found = Self::resolve(scope, argument)?;
        if found.key.is_none() || !is_name(&found.name) {
            return Err(EcsError::CapacityProviderNotFound(argument.to_owned()));
        }
        Ok(found)
    }

    /// The provider in any state; built-in ones have no record.
    pub fn find<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<CapacityProvider>> {
        view.ecs.capacity_providers.get(self.key.as_deref()?)
    }

    /// Whether it is one of those every account has.
    pub fn is_built_in(&self) -> bool {
        self.key.is_some() && BUILT_IN.contains(&self.name.as_str())
    }
}

/// A provider as replies show it.
fn shown(provider: &CapacityProvider, with_tags: bool) -> api::CapacityProvider {
    let status = if provider.is_active() {
        "ACTIVE"
    } else {
        "INACTIVE"
    };
    api::CapacityProvider {
        capacity_provider_arn: Some(provider.arn.to_string()),
        name: Some(provider.name.clone()),
        status: Some(status.to_owned()),
        auto_scaling_group_provider: Some(provider.group.clone()),
        update_status: provider.update_status.clone(),
        tags: Some(if with_tags {
            tags::shown(&provider.tags)
        } else {
            Vec::new()
        }),
        r#type: Some("EC2_AUTOSCALING".to_owned()),
        ..api::CapacityProvider::default()
    }
}

/// A built-in provider as replies show it.
fn shown_built_in(scope: Scope<'_>, name: &str) -> api::CapacityProvider {
    api::CapacityProvider {
        capacity_provider_arn: Some(scope.capacity_provider(name).to_string()),
        name: Some(name.to_owned()),
        status: Some("ACTIVE".to_owned()),
        tags: Some(Vec::new()),
        r#type: Some(name.to_owned()),
        ..api::CapacityProvider::default()
    }
}
