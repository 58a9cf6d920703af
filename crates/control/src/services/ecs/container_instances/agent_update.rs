//! UpdateContainerAgent: asks for the newest build that the operator holds ready for an instance (docs/agent-updates.md). Its
//! ACS session tells the agent.

use portcullis_api::ecs::op::UpdateContainerAgent;
use portcullis_api::ecs::{UpdateContainerAgentRequest, UpdateContainerAgentResponse};
use portcullis_wire::agent_build::SignedBuild;

use super::shown;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_instance;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::world::records::ecs::{AgentUpdate, ContainerInstance};
use crate::world::{Snapshot, Tx};

/// What our agent gives as its hash.
const OUR_AGENT: &str = "portcullis";
/// The attribute that says what builds run on.
const ARCHITECTURE: &str = "ecs.cpu-architecture";

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

/// Asks for the update, if there is one. Builds are of our agent alone: there is none for any other.
pub fn update_agent(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateContainerAgent>,
) -> Result<UpdateContainerAgentResponse, ServiceError> {
    let (cluster, reference) = named(auth.call().into(), auth.input())?;
    cluster.active(tx.view())?;
    let found = reference.container_instance(tx.view());
    let found = found
        .filter(|one| one.is_registered())
        .ok_or(EcsError::InstanceNotFound)?;
    let mut instance = ContainerInstance::clone(found);
    // Without the version it runs nobody can say whether there is a newer one.
    let Some(version) = &instance.version_info.agent_version else {
        return Err(EcsError::AgentVersionMissing.into());
    };
    if let Some(update) = &instance.agent_update
        && update.is_under_way(tx.now)
    {
        return Err(EcsError::AgentUpdateInProgress.into());
    }
    let (build, size) = newer(tx.view(), &instance, version).ok_or(EcsError::NoAgentUpdate)?;
    instance.agent_update = Some(AgentUpdate::new(build, size, tx.now));
    instance.raise_version();
    let reply = shown(tx.view(), &instance, true);
    tx.put(instance);
    Ok(UpdateContainerAgentResponse {
        container_instance: Some(reply),
    })
}

/// The newest build for the instance, and its size.
fn newer(view: &Snapshot, instance: &ContainerInstance, version: &str) -> Option<(SignedBuild, u64)> {
    let is_ours = instance.version_info.agent_hash.as_deref() == Some(OUR_AGENT);
    let version = version.parse().ok().filter(|_| is_ours)?;
    let architecture = instance.attributes.get(ARCHITECTURE)?.as_deref()?;
    view.neighbours().agent_builds().newer(architecture, version)
}
