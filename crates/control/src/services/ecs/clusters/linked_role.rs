//! The service-linked role of ECS: CreateCluster makes it for a caller who may; one who may not still gets the
//! cluster (ecs.md 2).

use portcullis_api::ecs::op::CreateCluster;

use crate::gate::call::Call;
use crate::gate::operation::{Authorized, Check};
use crate::services::iam::service_linked;
use crate::world::{Snapshot, Tx};

const SERVICE: &str = "ecs.amazonaws.com";
const ACTION: &str = "iam:CreateServiceLinkedRole";

/// The permission to make the role; nothing when it is there.
pub(super) fn wanted(view: &Snapshot, call: &Call) -> Option<Check> {
    service_linked::missing(view, call, SERVICE).map(|check| check.optional())
}

/// Makes the role if it is missing and the caller may.
pub(super) fn make(tx: &mut Tx<'_>, auth: &Authorized<'_, CreateCluster>) {
    if auth.may(ACTION) {
        service_linked::make_default(tx, SERVICE);
    }
}
