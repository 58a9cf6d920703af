//! Why a task did not get its network interface, in AWS's words where they are known (docs/fidelity.md).

use crate::gate::by_itself::ByItselfError;
use crate::world::records::ecs::TaskInterface;

/// EC2 made no interface.
pub(super) fn not_made(interface: &TaskInterface, error: &ByItselfError) -> String {
    let public = if interface.assign_public_ip {
        "enabled"
    } else {
        "disabled"
    };
    let subnet = interface.subnet.as_deref().unwrap_or_default();
    let doing = format!("Create Network Interface with public IP assignment {public} in subnet '{subnet}'");
    unexpected(&doing, error)
}

/// EC2 did not let the host have the interface; AWS's words are not known.
pub(super) fn not_attached(error: &ByItselfError) -> String {
    unexpected("Attach Network Interface", error)
}

/// EC2 did not let Fargate have the interface; AWS's words are not known.
pub(super) fn not_permitted(error: &ByItselfError) -> String {
    unexpected("Create Network Interface Permission", error)
}

fn unexpected(doing: &str, error: &ByItselfError) -> String {
    match error {
        ByItselfError::NoRole => error.to_string(),
        ByItselfError::Refused(refused) => {
            format!(
                "Unexpected EC2 error while attempting to {doing}: {}",
                refused.code()
            )
        }
    }
}
