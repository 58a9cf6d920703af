//! Task sets: the versions of services whose deployments somebody else carries out (ecs.md 11).

mod change;
mod create;
mod primary;
mod read;

use portcullis_api::ecs as api;
use portcullis_api::ecs::op;

use super::faults::ServiceFault;
use super::part::PartRef;
use crate::gate::operation::{Check, Row, read, write};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::world::Snapshot;
use crate::world::records::ecs::{Controller, Service};

const KIND: &str = "task-set";

/// The operations on task sets.
pub(super) fn rows() -> Vec<Row> {
    const CREATE: &[&str] = &["ecs:CreateTaskSet", "ecs:TagResource"];
    const PRIMARY: &[&str] = &["ecs:UpdateServicePrimaryTaskSet"];
    vec![
        write::<op::CreateTaskSet>(CREATE, create::require, create::create),
        write::<op::DeleteTaskSet>(&["ecs:DeleteTaskSet"], change::require_delete, change::delete),
        read::<op::DescribeTaskSets>(&["ecs:DescribeTaskSets"], read::require, read::describe),
        write::<op::UpdateServicePrimaryTaskSet>(PRIMARY, primary::require, primary::update),
        write::<op::UpdateTaskSet>(&["ecs:UpdateTaskSet"], change::require_update, change::update),
    ]
}

/// The cluster and service of a call.
fn home(scope: Scope<'_>, cluster: &str, service: &str) -> Result<(ClusterRef, MemberRef), EcsError> {
    let cluster = ClusterRef::resolve(scope, Some(cluster))?;
    let service = MemberRef::resolve(&cluster, Kind::Service, service)?;
    Ok((cluster, service))
}

/// What an id or ARN in a call about a service names.
fn resolve(
    scope: Scope<'_>,
    cluster: &ClusterRef,
    service: &MemberRef,
    argument: &str,
) -> Result<PartRef, EcsError> {
    if !argument.starts_with("arn:") {
        return PartRef::of(cluster, service, KIND, argument);
    }
    let found = PartRef::from_arn(scope, KIND, argument)?;
    if found.cluster.name == cluster.name && found.service.id == service.id {
        Ok(found)
    } else {
        Err(EcsError::InvalidIdentifier(argument.to_owned()))
    }
}

/// The check on a task set, with its tags.
fn check(view: &Snapshot, action: &'static str, part: &PartRef) -> Check {
    part.check(action, part.task_set(view).map(|set| &set.tags))
}

/// The service, which must be ACTIVE and leave its deployments to task sets.
fn service_of_sets(view: &Snapshot, reference: &MemberRef) -> Result<Service, EcsError> {
    let service = super::update::found(view, reference)?;
    if service.controller == Controller::Ecs {
        Err(ServiceFault::TaskSetController.into())
    } else {
        Ok(service)
    }
}

/// Percent of the service's desired count; none given is 0.
fn scale(given: Option<&api::Scale>) -> Result<f64, EcsError> {
    let value = given.and_then(|scale| scale.value).unwrap_or_default();
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err(ServiceFault::TaskSetScale.into())
    }
}
