//! Whose container instance it is: the principal that registered it speaks for it, and nobody else. Permissions alone
//! would not do: the managed policy of instance roles allows an agent's calls on every instance, so that the keys of
//! one machine would open the tasks of all (the lesson of ECScape; docs/threat-model.md). Nor would the principal alone: a
//! container that got hold of its own machine's credentials is that principal. So an agent that has a key must prove with
//! every call that it holds it, and one that cannot have any speaks from the one address that an operator approved.

use portcullis_wire::agent_proof::AgentPublicKey;

use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::operation::{Check, Owner};
use crate::world::records::ecs::ContainerInstance;

const ANOTHER_PRINCIPAL: &str = "another principal registered the container instance";
const NO_PROOF: &str = "the key of the container instance's agent did not sign the request";
const NO_KEY: &str = "an agent without a key does not deregister its container instance";
const OTHER_ADDRESS: &str = "the container instance's agent was approved for another address";

/// The caller as the record remembers it: a user's id, or a role's id and the session's name, so that an agent
/// stays itself when its credentials rotate.
pub(crate) fn registrant(call: &Call) -> String {
    call.caller.own_id()
}

/// Who alone may speak for the instance, leaving aside how this call proves it; nobody in particular for records made
/// before this was remembered: they belong to whoever registers next.
pub(crate) fn speaker(instance: &ContainerInstance) -> Option<Owner> {
    let id = instance.registered_by.clone()?;
    Some(Owner::Caller {
        id,
        resource: instance.arn.to_string(),
        because: ANOTHER_PRINCIPAL,
    })
}

/// The same, given this very call: nobody, when the right principal calls without its agent's key or from elsewhere.
pub(crate) fn owner(call: &Call, instance: &ContainerInstance) -> Option<Owner> {
    owner_as(call, instance, instance.arn.as_str())
}

/// The same for an agent that calls itself by another name than the instance's ARN, which it may not know yet.
pub(crate) fn owner_as(call: &Call, instance: &ContainerInstance, holder: &str) -> Option<Owner> {
    let speaker = speaker(instance)?;
    if !speaker.is(&call.caller) {
        return Some(speaker);
    }
    match lacks(call, instance, holder) {
        Some(because) => Some(nobody(instance, because)),
        None => Some(speaker),
    }
}

/// Keeps the sessions of instance roles from doing with the instance that they registered what policies let them do with
/// every instance, unless its agent asks. Everybody else is an operator, and policies decide.
pub(crate) fn not_behind_its_agent(check: Check, call: &Call, instance: Option<&ContainerInstance>) -> Check {
    let lacking = of_own_role(call, instance).and_then(|instance| {
        let because = lacks(call, instance, instance.arn.as_str())?;
        Some(nobody(instance, because))
    });
    check.only_for(lacking)
}

/// The same where the instance ends, whose principal could then register another. Coming from the host's address proves nothing
/// there: containers come from it too. Agents without a key leave it to operators, as the genuine one does.
pub(crate) fn not_ended_behind_its_agent(
    check: Check,
    call: &Call,
    instance: Option<&ContainerInstance>,
) -> Check {
    let lacking = of_own_role(call, instance).and_then(|instance| {
        let because = match &instance.agent.key {
            Some(_) => lacks(call, instance, instance.arn.as_str())?,
            None => NO_KEY,
        };
        Some(nobody(instance, because))
    });
    check.only_for(lacking)
}

/// The instance, if a role's session calls that registered it.
fn of_own_role<'i>(call: &Call, instance: Option<&'i ContainerInstance>) -> Option<&'i ContainerInstance> {
    let is_role = matches!(call.caller.identity, Identity::Role { .. });
    instance.filter(|instance| is_role && speaker(instance).is_some_and(|speaker| speaker.is(&call.caller)))
}

/// The key of an instance's agent.
pub(crate) fn key_of(instance: &ContainerInstance) -> Option<AgentPublicKey> {
    instance.agent.key.as_deref()?.parse().ok()
}

/// What the call lacks to be the agent's.
fn lacks(call: &Call, instance: &ContainerInstance, holder: &str) -> Option<&'static str> {
    let agent = &instance.agent;
    match (&agent.key, &agent.approval) {
        (Some(_), _) => {
            let proved = key_of(instance).and_then(|key| call.proved_by(&key, holder));
            proved.is_none().then_some(NO_PROOF)
        }
        (None, Some(approval)) => (approval.source != call.source_ip).then_some(OTHER_ADDRESS),
        (None, None) => None,
    }
}

fn nobody(instance: &ContainerInstance, because: &'static str) -> Owner {
    Owner::Nobody {
        resource: instance.arn.to_string(),
        because,
    }
}
