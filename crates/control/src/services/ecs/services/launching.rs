//! How the tasks of services are launched: by a launch type or through capacity providers.

use portcullis_api::ecs as api;

use super::faults::ServiceFault;
use crate::services::ecs::capacity_providers::{self, Means, Provider};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::world::Snapshot;

/// Longest idempotency token of a service or task set, in characters.
const TOKEN_CHARS_MAX: usize = 36;

/// What tasks get their hosts through.
pub(super) fn means(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    launch_type: Option<&str>,
    strategy: Option<&[api::CapacityProviderStrategyItem]>,
) -> Result<Means, EcsError> {
    let means = capacity_providers::means(view, scope, cluster, launch_type, strategy);
    means.map_err(|error| match error {
        EcsError::LaunchType => ServiceFault::LaunchType.into(),
        other => other,
    })
}

/// `launchType` as it is shown: absent where providers decide.
pub(super) fn launch_type(means: &Means) -> Option<String> {
    match means {
        Means::LaunchType(_) => Some(means.launch_type().to_owned()),
        Means::Providers(_) => None,
    }
}

/// `capacityProviderStrategy` as it is shown.
pub(super) fn strategy(means: &Means) -> Option<Vec<api::CapacityProviderStrategyItem>> {
    let Means::Providers(providers) = means else {
        return None;
    };
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let item = |one: &Provider| api::CapacityProviderStrategyItem {
        capacity_provider: one.name.clone(),
        weight: Some(number(one.part.weight)),
        base: Some(number(one.part.base)),
    };
    Some(providers.iter().map(item).collect())
}

/// Whether the cluster has a namespace of its own for Service Connect.
pub(super) fn has_namespace(view: &Snapshot, cluster: &ClusterRef) -> bool {
    let found = cluster.find(view);
    found.is_some_and(|found| found.chosen.service_connect_defaults.is_some())
}

/// An idempotency token, checked; an empty one is none.
pub(in crate::services::ecs) fn client_token(given: Option<&str>) -> Result<Option<String>, EcsError> {
    match given {
        None | Some("") => Ok(None),
        Some(token)
            if token.len() <= TOKEN_CHARS_MAX && token.bytes().all(|byte| (33..=126).contains(&byte)) =>
        {
            Ok(Some(token.to_owned()))
        }
        Some(_) => Err(EcsError::ClientToken),
    }
}
