//! UpdateServicePrimaryTaskSet.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::UpdateServicePrimaryTaskSet;

use super::super::faults::ServiceFault;
use super::super::shown;
use super::{home, resolve, service_of_sets};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_member;
use crate::services::ecs::names::Scope;
use crate::world::Tx;
use crate::world::records::ecs::TaskSetStatus;

/// The service.
pub fn require(ask: Ask<'_, api::UpdateServicePrimaryTaskSetRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, service) = home(ask.call.into(), &ask.input.cluster, &ask.input.service)?;
    let tags = service.service(ask.view).map(|found| &found.tags);
    Ok(vec![on_member(
        "ecs:UpdateServicePrimaryTaskSet",
        &cluster,
        &service,
        tags,
    )])
}

/// Makes a task set the one that serves; the service takes over what its tasks are made of.
pub fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateServicePrimaryTaskSet>,
) -> Result<api::UpdateServicePrimaryTaskSetResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let (cluster, reference) = home(scope, &input.cluster, &input.service)?;
    cluster.active(tx.view())?;
    let mut service = service_of_sets(tx.view(), &reference)?;
    let part = resolve(scope, &cluster, &reference, &input.primary_task_set)?;
    let mut chosen = part
        .task_set(tx.view())
        .ok_or(ServiceFault::TaskSetNotFound)?
        .clone();
    if chosen.status == TaskSetStatus::Draining {
        return Err(ServiceFault::TaskSetDraining.into());
    }
    for set in &mut service.task_sets {
        let status = match (set.id == chosen.id, set.status) {
            (true, _) => TaskSetStatus::Primary,
            (false, TaskSetStatus::Primary) => TaskSetStatus::Active,
            (false, other) => other,
        };
        if set.status != status {
            set.status = status;
            set.updated = tx.now;
        }
    }
    chosen.status = TaskSetStatus::Primary;
    chosen.updated = tx.now;
    let now = &mut service.definition;
    now.task_definition = Some(chosen.task_definition.to_string());
    now.launch_type.clone_from(&chosen.chosen.launch_type);
    now.capacity_provider_strategy
        .clone_from(&chosen.chosen.capacity_provider_strategy);
    now.platform_version.clone_from(&chosen.chosen.platform_version);
    now.network_configuration
        .clone_from(&chosen.chosen.network_configuration);
    let task_set = Some(shown::task_set(tx.view(), &service, &chosen, true));
    tx.put(service);
    Ok(api::UpdateServicePrimaryTaskSetResponse { task_set })
}
