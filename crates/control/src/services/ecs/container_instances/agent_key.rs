//! What a registration says of the agent's key (reliability-and-security.md 4.9).

use portcullis_api::ecs::RegisterContainerInstanceRequest;

use crate::gate::call::Call;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::registrant::registrant;
use crate::world::Snapshot;
use crate::world::records::ecs::{ContainerInstance, Standing};

/// What an agent calls itself when it registers: its instance, or, at the first time, the registration's own token.
pub(super) fn holder(input: &RegisterContainerInstanceRequest) -> &str {
    let given = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let named = if given(&input.container_instance_arn) {
        &input.container_instance_arn
    } else {
        &input.client_token
    };
    named.as_deref().unwrap_or_default()
}

/// Keeps the key and the address of a registration. A key that comes later than its instance, or to a principal that speaks
/// for another instance already, lets nobody in by itself: whoever got hold of a machine's credentials could bring one.
pub(super) fn keep_identity(
    view: &Snapshot,
    instance: &mut ContainerInstance,
    call: &Call,
    input: &RegisterContainerInstanceRequest,
) -> Result<(), EcsError> {
    let is_known = instance.registered_by.is_some();
    let speaks_for_another = speaks_for_another(view, instance, &registrant(call));
    let agent = &mut instance.agent;
    agent.registered_from.clone_from(&call.source_ip);
    let Some(key) = call.agent_key() else {
        return Ok(());
    };
    let text = key.to_string();
    match &agent.key {
        // That the agent holds it was checked with the call's permissions.
        Some(known) if *known == text => return Ok(()),
        Some(_) => return Err(EcsError::AgentKeyChanged),
        None if agent.standing() == Standing::Approved => return Err(EcsError::AgentKeyTooLate),
        None => {}
    }
    if call.proved_by(&key, holder(input)).is_none() {
        return Err(EcsError::AgentKeyNotProven);
    }
    agent.key = Some(text);
    agent.held = is_known || speaks_for_another;
    Ok(())
}

/// Whether a principal has registered another instance that is not deregistered.
fn speaks_for_another(view: &Snapshot, instance: &ContainerInstance, registrant: &str) -> bool {
    let prefix = format!("{registrant}/");
    let own = ContainerInstance::key_of(&instance.region, &instance.cluster, &instance.id);
    let mut others = view.ecs.registrants.prefix(&prefix).map(|(key, _)| key);
    others.any(|key| key.strip_prefix(&prefix) != Some(own.as_str()))
}
