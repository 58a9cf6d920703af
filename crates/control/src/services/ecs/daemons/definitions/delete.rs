//! DeleteDaemonTaskDefinition.

use portcullis_api::ecs::op::DeleteDaemonTaskDefinition;
use portcullis_api::ecs::{DeleteDaemonTaskDefinitionRequest, DeleteDaemonTaskDefinitionResponse};

use super::names::DaemonDefinitionRef;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::has_revision;
use crate::world::Tx;
use crate::world::records::ecs::DaemonTaskDefinition;

/// The definition.
pub(in crate::services::ecs) fn require_delete(
    ask: Ask<'_, DeleteDaemonTaskDefinitionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let reference =
        DaemonDefinitionRef::resolve(ask.view, ask.call.into(), &ask.input.daemon_task_definition)?;
    let check = Check::new("ecs:DeleteDaemonTaskDefinition", reference.arn.as_str());
    Ok(vec![match reference.find(ask.view) {
        Some(found) => check.of_resource(&found.tags),
        None => check,
    }])
}

/// No new daemon can use it; those that do go on.
pub(in crate::services::ecs) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteDaemonTaskDefinition>,
) -> Result<DeleteDaemonTaskDefinitionResponse, ServiceError> {
    let argument = &auth.input().daemon_task_definition;
    if !has_revision(argument) {
        return Err(EcsError::RevisionMissing.into());
    }
    let reference = DaemonDefinitionRef::resolve(tx.view(), auth.call().into(), argument)?;
    let found = reference.known(tx.view())?;
    if !found.is_active() {
        return Err(EcsError::DaemonDefinitionNotActive.into());
    }
    let deleted = DaemonTaskDefinition {
        delete_requested: Some(tx.now),
        ..DaemonTaskDefinition::clone(found)
    };
    let arn = deleted.arn.to_string();
    tx.put(deleted);
    Ok(DeleteDaemonTaskDefinitionResponse {
        daemon_task_definition_arn: Some(arn),
    })
}
