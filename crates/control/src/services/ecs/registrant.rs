//! Whose container instance it is: the principal that registered it speaks for it, and nobody else. Permissions alone
//! would not do: the managed policy of instance roles allows an agent's calls on every instance, so that the keys of
//! one machine would open the tasks of all (the lesson of ECScape; docs/fidelity.md).

use crate::gate::call::Call;
use crate::gate::operation::Owner;
use crate::world::records::ecs::ContainerInstance;

/// The caller as the record remembers it: a user's id, or a role's id and the session's name, so that an agent
/// stays itself when its credentials rotate.
pub(crate) fn registrant(call: &Call) -> String {
    call.caller.own_id()
}

/// Who alone may speak for the instance; nobody in particular for records made before this was remembered: they belong
/// to whoever registers next.
pub(crate) fn owner(instance: &ContainerInstance) -> Option<Owner> {
    let id = instance.registered_by.clone()?;
    let because = "another principal registered the container instance";
    Some(Owner::Caller {
        id,
        resource: instance.arn.to_string(),
        because,
    })
}
