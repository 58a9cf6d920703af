//! Why a task did not get its network interface, in AWS's words where they are known (docs/fidelity.md).

use crate::gate::by_itself::ByItselfError;
use crate::world::records::ecs::TaskInterface;

/// EC2's code for a subnet it does not know.
const SUBNET_NOT_FOUND: &str = "InvalidSubnetID.NotFound";

/// EC2 made no interface.
pub(super) fn not_made(interface: &TaskInterface, error: &ByItselfError) -> String {
    unexpected(&making(interface), error)
}

/// None of the subnets that were named is there any more.
pub(super) fn without_subnet(interface: &TaskInterface) -> String {
    in_words(&making(interface), SUBNET_NOT_FOUND)
}

fn making(interface: &TaskInterface) -> String {
    let public = if interface.assign_public_ip {
        "enabled"
    } else {
        "disabled"
    };
    let subnet = interface.subnet.as_ref().or(interface.subnets.first());
    let subnet = subnet.map(String::as_str).unwrap_or_default();
    format!("Create Network Interface with public IP assignment {public} in subnet '{subnet}'")
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
        ByItselfError::NoRole | ByItselfError::NotAsked => error.to_string(),
        ByItselfError::Refused(refused) => in_words(doing, refused.code()),
    }
}

fn in_words(doing: &str, code: &str) -> String {
    format!("Unexpected EC2 error while attempting to {doing}: {code}")
}
