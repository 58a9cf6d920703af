//! DescribeServices and ListServices.

use portcullis_api::ecs::op::{DescribeServices, ListServices};
use portcullis_api::ecs::{
    DescribeServicesRequest, DescribeServicesResponse, ListServicesRequest, ListServicesResponse,
};

use super::shown;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::check_launch_type;
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::services::ecs::paging::{Pager, SERVICES, at_most};
use crate::services::ecs::{missing, tags};
use crate::world::Snapshot;
use crate::world::records::ecs::{Service, ServiceStatus};

const BATCH_MAX: usize = 10;

/// Each service asked for, one by one.
pub fn require_describe(ask: Ask<'_, DescribeServicesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let services = resolve_all(&cluster, &ask.input.services)?;
    let check = |one: &MemberRef| {
        let tags = one.service(ask.view).map(|found| &found.tags);
        on_member("ecs:DescribeServices", &cluster, one, tags)
    };
    Ok(services.iter().map(check).collect())
}

fn resolve_all(cluster: &ClusterRef, arguments: &[String]) -> Result<Vec<MemberRef>, EcsError> {
    at_most("services", BATCH_MAX, arguments.len())?;
    arguments
        .iter()
        .map(|argument| MemberRef::resolve(cluster, Kind::Service, argument))
        .collect()
}

/// The services that exist, deleted ones included for a while, and a failure for each that does not.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeServices>,
) -> Result<DescribeServicesResponse, ServiceError> {
    let input = auth.input();
    // Before anything is looked up: without targets nothing was authorised.
    if input.services.is_empty() {
        return Err(EcsError::ServicesEmpty.into());
    }
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.known(view)?;
    let with_tags = tags::wanted(input.include.as_deref());
    let mut services = Vec::new();
    let mut failures = Vec::new();
    for reference in resolve_all(&cluster, &input.services)? {
        match reference.service(view) {
            Some(service) => services.push(shown::service(view, service, with_tags)),
            None => failures.push(missing(&reference.arn)),
        }
    }
    Ok(DescribeServicesResponse {
        services: Some(services),
        failures: Some(failures),
    })
}

/// No resource, but the cluster as a key (rule 5).
pub fn require_list(ask: Ask<'_, ListServicesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    Ok(vec![
        Check::new("ecs:ListServices", "*").with("ecs:cluster", cluster.arn.as_str()),
    ])
}

/// The ACTIVE services of a cluster.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListServices>,
) -> Result<ListServicesResponse, ServiceError> {
    let input = auth.input();
    check_launch_type(input.launch_type.as_deref())?;
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.known(view)?;
    let prefix = cluster.prefix();
    let pager = Pager::new(SERVICES, &prefix, input.next_token.as_deref(), input.max_results)?;
    let wanted = |service: &Service| {
        let strategy = service.strategy.as_str();
        service.status == ServiceStatus::Active
            && input
                .launch_type
                .as_deref()
                .is_none_or(|wanted| wanted == service.launch_type())
            && input
                .scheduling_strategy
                .as_deref()
                .is_none_or(|wanted| wanted == strategy)
            && input
                .resource_management_type
                .as_deref()
                .is_none_or(|wanted| wanted == "CUSTOMER")
    };
    let rows = view.ecs.services.after(&prefix, pager.after.as_deref());
    let rows = rows
        .filter(|(_, service)| wanted(service))
        .map(|(key, service)| (key, service.arn.to_string()));
    let (service_arns, next_token) = pager.page(rows);
    Ok(ListServicesResponse {
        service_arns: Some(service_arns),
        next_token,
    })
}
