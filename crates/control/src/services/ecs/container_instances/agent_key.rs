//! What a registration says of the agent's key (reliability-and-security.md 4.9).

use portcullis_api::ecs::RegisterContainerInstanceRequest;

use crate::gate::call::Call;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::registrant::registrant;
use crate::world::records::ecs::{ContainerInstance, KnownAgent, OWN_TASKS_ATTRIBUTE, Standing};
use crate::world::{Snapshot, Tx};

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
/// for another instance already or is known by another agent, lets nobody in by itself: whoever got hold of a machine's credentials could bring one. It does
/// where there is nothing to get hold of: an instance for its registrant's own tasks gives nobody what StartTask and PassRole do
/// not give him anyway.
pub(super) fn keep_identity(
    view: &Snapshot,
    instance: &mut ContainerInstance,
    call: &Call,
    input: &RegisterContainerInstanceRequest,
) -> Result<(), EcsError> {
    let is_known = instance.registered_by.is_some();
    let registrant = registrant(call);
    let speaks_for_another = speaks_for_another(view, instance, &registrant);
    let agent = &mut instance.agent;
    if !is_known {
        let mut sent = input.attributes.iter().flatten();
        agent.own_tasks_only = sent.any(|one| one.name == OWN_TASKS_ATTRIBUTE);
    }
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
    let is_another = view
        .ecs
        .known_agents
        .get(&registrant)
        .is_some_and(|known| known.key.as_ref() != Some(&text));
    agent.key = Some(text);
    agent.held = is_known || ((speaks_for_another || is_another) && !agent.own_tasks_only);
    Ok(())
}

/// Remembers by which agent a principal is known. One that waits takes nobody's place, least of all with a key of its own; nor
/// does one for its registrant's own tasks, who brings a new key every time.
pub(crate) fn remember(tx: &mut Tx<'_>, instance: &ContainerInstance) {
    let agent = &instance.agent;
    let Some(registrant) = instance.registered_by.clone().filter(|_| !agent.own_tasks_only) else {
        return;
    };
    let known = tx.view().ecs.known_agents.get(&registrant);
    let takes_its_place = match (agent.standing(), &agent.key) {
        (Standing::Waiting, Some(_)) => false,
        (Standing::Waiting, None) => known.is_none(),
        _ => known.is_none_or(|known| known.key != agent.key),
    };
    if takes_its_place {
        let key = agent.key.clone();
        tx.put(KnownAgent { registrant, key });
    }
}

/// Whether a principal has registered another instance that is not deregistered.
fn speaks_for_another(view: &Snapshot, instance: &ContainerInstance, registrant: &str) -> bool {
    let prefix = format!("{registrant}/");
    let own = ContainerInstance::key_of(&instance.region, &instance.cluster, &instance.id);
    let mut others = view.ecs.registrants.prefix(&prefix).map(|(key, _)| key);
    others.any(|key| key.strip_prefix(&prefix) != Some(own.as_str()))
}
