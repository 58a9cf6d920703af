//! DescribeContainerInstances and ListContainerInstances.

use portcullis_api::ecs::op::{DescribeContainerInstances, ListContainerInstances};
use portcullis_api::ecs::{
    DescribeContainerInstancesRequest, DescribeContainerInstancesResponse, ListContainerInstancesRequest,
    ListContainerInstancesResponse,
};

use super::shown;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::schedule::placement::Candidate;
use crate::schedule::query::Expression;
use crate::schedule::resources;
use crate::services::ecs::checks::{on_cluster, on_instance};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::services::ecs::paging::{HUNDRED, Pager, at_most};
use crate::services::ecs::{missing, tags};
use crate::world::Snapshot;
use crate::world::records::ecs::ContainerInstance;

const BATCH_MAX: usize = 100;

/// Each instance asked for, one by one.
pub fn require_describe(ask: Ask<'_, DescribeContainerInstancesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let instances = resolve_all(&cluster, &ask.input.container_instances)?;
    let check = |one| on_instance(ask.view, "ecs:DescribeContainerInstances", &cluster, one);
    Ok(instances.iter().map(check).collect())
}

/// What a batch names, within the API's limit.
pub(super) fn resolve_all(cluster: &ClusterRef, arguments: &[String]) -> Result<Vec<MemberRef>, EcsError> {
    at_most("containerInstances", BATCH_MAX, arguments.len())?;
    arguments
        .iter()
        .map(|argument| MemberRef::resolve(cluster, Kind::ContainerInstance, argument))
        .collect()
}

/// The instances that exist, and a failure for each that does not.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeContainerInstances>,
) -> Result<DescribeContainerInstancesResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    // Before anything is looked up: without targets nothing was authorised.
    if input.container_instances.is_empty() {
        return Err(EcsError::InstancesEmpty.into());
    }
    cluster.known(view)?;
    let with_tags = tags::wanted(input.include.as_deref());
    let mut instances = Vec::new();
    let mut failures = Vec::new();
    for reference in resolve_all(&cluster, &input.container_instances)? {
        match reference.container_instance(view) {
            Some(instance) => instances.push(shown(view, instance, with_tags)),
            None => failures.push(missing(&reference.arn)),
        }
    }
    Ok(DescribeContainerInstancesResponse {
        container_instances: Some(instances),
        failures: Some(failures),
    })
}

/// The cluster.
pub fn require_list(ask: Ask<'_, ListContainerInstancesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    Ok(vec![on_cluster(ask.view, "ecs:ListContainerInstances", &cluster)])
}

/// The instances of a cluster that match; without a status all but INACTIVE ones.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListContainerInstances>,
) -> Result<ListContainerInstancesResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.known(view)?;
    let filter = input
        .filter
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(Expression::parse)
        .transpose();
    let filter = filter.map_err(|error| EcsError::Expression(error.to_string()))?;
    let prefix = cluster.prefix();
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let wanted = |key: &str, instance: &ContainerInstance| {
        let in_status = match input.status.as_deref() {
            None => instance.is_registered(),
            Some(status) => instance.status.as_str() == status,
        };
        in_status
            && filter
                .as_ref()
                .is_none_or(|filter| filter.matches(&subject(view, key, instance)))
    };
    let rows = view
        .ecs
        .container_instances
        .after(&prefix, pager.after.as_deref());
    let rows = rows.filter(|(key, instance)| wanted(key, instance));
    let (arns, next_token) = pager.page(rows.map(|(key, instance)| (key, instance.arn.to_string())));
    Ok(ListContainerInstancesResponse {
        container_instance_arns: Some(arns),
        next_token,
    })
}

/// An instance as the cluster query language sees it.
fn subject<'a>(view: &Snapshot, key: &str, instance: &'a ContainerInstance) -> Candidate<'a> {
    let load = view.ecs.loads.get(key).map(AsRef::as_ref);
    let remaining = resources::remaining(instance, load);
    Candidate {
        instance,
        remaining,
        in_group: 0,
        groups: view.ecs.groups_on(key),
    }
}
