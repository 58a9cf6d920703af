//! Whose container instance it is: the principal that registered it speaks for it, and nobody else. Permissions alone
//! would not do: the managed policy of instance roles allows an agent's calls on every instance, so that the keys of
//! one machine would open the tasks of all (the lesson of ECScape; docs/fidelity.md).

use super::errors::EcsError;
use crate::gate::call::Call;
use crate::world::records::ecs::ContainerInstance;

/// The caller as the record remembers it: a user's id, or a role's id and the session's name, so that an agent
/// stays itself when its credentials rotate.
pub(crate) fn registrant(call: &Call) -> String {
    call.caller.user_id()
}

/// Refuses whoever did not register the instance; `action` is what the caller wants to do for it.
pub(crate) fn by_registrant(
    call: &Call,
    action: &'static str,
    instance: &ContainerInstance,
) -> Result<(), EcsError> {
    // Records made before this was remembered belong to whoever registers next.
    let is_own = instance
        .registered_by
        .as_ref()
        .is_none_or(|owner| *owner == registrant(call));
    if is_own {
        return Ok(());
    }
    Err(EcsError::OtherRegistrant {
        caller: call.caller.arn(),
        action,
        instance: instance.arn.to_string(),
    })
}
