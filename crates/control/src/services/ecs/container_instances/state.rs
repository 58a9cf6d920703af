//! UpdateContainerInstancesState and DeregisterContainerInstance.

use portcullis_api::ecs::op::{DeregisterContainerInstance, UpdateContainerInstancesState};
use portcullis_api::ecs::{
    DeregisterContainerInstanceRequest, DeregisterContainerInstanceResponse, Failure,
    UpdateContainerInstancesStateRequest, UpdateContainerInstancesStateResponse,
};

use super::agent_key::remember;
use super::read::resolve_all;
use super::shown;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::schedule::life_cycle;
use crate::schedule::services::daemons_first;
use crate::services::ecs::checks::{on_cluster, on_instance};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::services::ecs::paging::at_most;
use crate::services::ecs::registrant::{not_behind_its_agent, not_ended_behind_its_agent};
use crate::world::Tx;
use crate::world::records::ecs::{ContainerInstance, InstanceStatus};

const BATCH_MAX: usize = 10;

/// Each instance, one by one.
pub fn require_update_state(
    ask: Ask<'_, UpdateContainerInstancesStateRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let instances = resolve_all(&cluster, &ask.input.container_instances)?;
    let check = |one: &MemberRef| {
        let check = on_instance(ask.view, "ecs:UpdateContainerInstancesState", &cluster, one);
        not_behind_its_agent(
            check,
            ask.call,
            one.container_instance(ask.view).map(AsRef::as_ref),
        )
    };
    Ok(instances.iter().map(check).collect())
}

/// Makes instances ACTIVE or DRAINING.
pub fn update_state(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateContainerInstancesState>,
) -> Result<UpdateContainerInstancesStateResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    // Before anything is looked up: without targets nothing was authorised.
    if input.container_instances.is_empty() {
        return Err(EcsError::InstancesEmpty.into());
    }
    cluster.active(tx.view())?;
    at_most("containerInstances", BATCH_MAX, input.container_instances.len())?;
    let status = match input.status.as_str() {
        "ACTIVE" => InstanceStatus::Active,
        "DRAINING" => InstanceStatus::Draining,
        _ => return Err(EcsError::InstanceState.into()),
    };
    let mut instances = Vec::new();
    let mut failures = Vec::new();
    for reference in resolve_all(&cluster, &input.container_instances)? {
        match reference.container_instance(tx.view()) {
            None => failures.push(missing(&reference.arn)),
            Some(instance) if !instance.is_registered() => failures.push(Failure {
                arn: Some(reference.arn.to_string()),
                reason: Some("INACTIVE".to_owned()),
                detail: None,
            }),
            Some(instance) => {
                let mut instance = ContainerInstance::clone(instance);
                if instance.status != status {
                    instance.status = status;
                    instance.raise_version();
                }
                instances.push(shown(tx.view(), &instance, true));
                tx.put(instance.clone());
                if status == InstanceStatus::Active {
                    daemons_first(tx, &instance);
                }
            }
        }
    }
    Ok(UpdateContainerInstancesStateResponse {
        container_instances: Some(instances),
        failures: Some(failures),
    })
}

/// The cluster; of the instance's own role also its agent's proof.
pub fn require_deregister(
    ask: Ask<'_, DeregisterContainerInstanceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let check = on_cluster(ask.view, "ecs:DeregisterContainerInstance", &cluster);
    // An instance that is not there is the handler's to report.
    let reference = MemberRef::resolve(&cluster, Kind::ContainerInstance, &ask.input.container_instance).ok();
    let instance = reference
        .as_ref()
        .and_then(|one| one.container_instance(ask.view));
    let check = not_ended_behind_its_agent(check, ask.call, instance.map(AsRef::as_ref));
    Ok(vec![check])
}

/// Makes an instance INACTIVE; with force also when tasks are on it.
pub fn deregister(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeregisterContainerInstance>,
) -> Result<DeregisterContainerInstanceResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.active(tx.view())?;
    let reference = MemberRef::resolve(&cluster, Kind::ContainerInstance, &input.container_instance)?;
    let found = reference
        .container_instance(tx.view())
        .filter(|instance| instance.is_registered());
    let mut instance = ContainerInstance::clone(found.ok_or(EcsError::InstanceNotFound)?);
    let load = tx.view().ecs.loads.get(&reference.key);
    let has_tasks = load.is_some_and(|load| load.running_tasks > 0 || load.pending_tasks > 0);
    if has_tasks && input.force != Some(true) {
        return Err(EcsError::InstanceHasTasks.into());
    }
    life_cycle::orphan(tx, &instance);
    remember(tx, &instance);
    instance.status = InstanceStatus::Inactive { since: tx.now };
    instance.agent_connected = false;
    instance.raise_version();
    let reply = shown(tx.view(), &instance, true);
    tx.put(instance);
    Ok(DeregisterContainerInstanceResponse {
        container_instance: Some(reply),
    })
}
