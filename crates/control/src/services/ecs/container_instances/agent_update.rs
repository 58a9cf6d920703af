//! UpdateContainerAgent. A new agent has to be staged on its machine before an update can begin; until one can be
//! (docs/fidelity.md) there is none to update to, and nothing is pretended.

use portcullis_api::ecs::op::UpdateContainerAgent;
use portcullis_api::ecs::{UpdateContainerAgentRequest, UpdateContainerAgentResponse};

use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_instance;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::world::Tx;

fn named(scope: Scope<'_>, input: &UpdateContainerAgentRequest) -> Result<(ClusterRef, MemberRef), EcsError> {
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let instance = MemberRef::resolve(&cluster, Kind::ContainerInstance, &input.container_instance)?;
    Ok((cluster, instance))
}

/// The instance.
pub fn require_update_agent(ask: Ask<'_, UpdateContainerAgentRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, instance) = named(ask.call.into(), ask.input)?;
    let check = on_instance(ask.view, "ecs:UpdateContainerAgent", &cluster, &instance);
    Ok(vec![check])
}

/// Says why there is nothing to update to.
pub fn update_agent(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateContainerAgent>,
) -> Result<UpdateContainerAgentResponse, ServiceError> {
    let (cluster, reference) = named(auth.call().into(), auth.input())?;
    cluster.active(tx.view())?;
    let instance = reference.container_instance(tx.view());
    let instance = instance
        .filter(|one| one.is_registered())
        .ok_or(EcsError::InstanceNotFound)?;
    // Without the version it runs nobody can say whether there is a newer one.
    match instance.version_info.agent_version {
        None => Err(EcsError::AgentVersionMissing.into()),
        Some(_) => Err(EcsError::NoAgentUpdate.into()),
    }
}
