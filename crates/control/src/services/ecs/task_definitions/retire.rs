//! DeregisterTaskDefinition and DeleteTaskDefinitions.

use portcullis_api::ecs::op::{DeleteTaskDefinitions, DeregisterTaskDefinition};
use portcullis_api::ecs::{
    self as api, DeleteTaskDefinitionsRequest, DeleteTaskDefinitionsResponse,
    DeregisterTaskDefinitionRequest, DeregisterTaskDefinitionResponse, Failure,
};

use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::{DefinitionRef, Scope, has_revision};
use crate::world::Tx;
use crate::world::records::ecs::{DefinitionStatus, TaskDefinition};

const BATCH_MAX: usize = 10;
const STILL_ACTIVE: &str =
    "The specified task definition is still in ACTIVE status. Please deregister the target and try again.";

/// No resource: only `Resource: "*"` matches (rule 6).
pub fn require_deregister(
    _ask: Ask<'_, DeregisterTaskDefinitionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:DeregisterTaskDefinition", "*")])
}

/// Makes a revision INACTIVE at once; AWS takes up to ten minutes.
pub fn deregister(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeregisterTaskDefinition>,
) -> Result<DeregisterTaskDefinitionResponse, ServiceError> {
    let argument = &auth.input().task_definition;
    if !has_revision(argument) {
        return Err(EcsError::RevisionMissing.into());
    }
    let reference = DefinitionRef::resolve(tx.view(), auth.call().into(), argument)?;
    let found = reference.find(tx.view()).ok_or(EcsError::DefinitionNotFound)?;
    if !found.is_active() {
        return Err(EcsError::DefinitionNotDeregisterable.into());
    }
    let record = TaskDefinition {
        status: DefinitionStatus::Inactive { since: tx.now },
        ..TaskDefinition::clone(found)
    };
    let reply = DeregisterTaskDefinitionResponse {
        task_definition: Some(record.shown()),
    };
    tx.put(record);
    Ok(reply)
}

/// Each definition asked for, one by one.
pub fn require_delete(ask: Ask<'_, DeleteTaskDefinitionsRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let check = |argument: &String| {
        let reference = DefinitionRef::resolve(ask.view, scope, argument)?;
        let check = Check::new("ecs:DeleteTaskDefinitions", reference.arn.as_str());
        Ok(match reference.find(ask.view) {
            Some(found) => check.of_resource(&found.tags),
            None => check,
        })
    };
    ask.input.task_definitions.iter().map(check).collect()
}

/// Marks INACTIVE revisions for deletion; the sweep forgets them once nothing uses them.
pub fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteTaskDefinitions>,
) -> Result<DeleteTaskDefinitionsResponse, ServiceError> {
    let asked = &auth.input().task_definitions;
    match asked.len() {
        0 => return Err(EcsError::DefinitionsEmpty.into()),
        1..=BATCH_MAX => {}
        _ => return Err(EcsError::DefinitionsTooMany.into()),
    }
    let mut deleted = Vec::new();
    let mut failures = Vec::new();
    for argument in asked {
        match delete_one(tx, auth.call().into(), argument)? {
            Ok(definition) => deleted.push(definition),
            Err(failure) => failures.push(failure),
        }
    }
    Ok(DeleteTaskDefinitionsResponse {
        task_definitions: Some(deleted),
        failures: Some(failures),
    })
}

fn delete_one(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    argument: &str,
) -> Result<Result<api::TaskDefinition, Failure>, EcsError> {
    if !has_revision(argument) {
        return Err(EcsError::RevisionMissing);
    }
    let reference = DefinitionRef::resolve(tx.view(), scope, argument)?;
    let Some(found) = reference.find(tx.view()) else {
        return Ok(Err(missing(&reference.arn)));
    };
    let mut record = TaskDefinition::clone(found);
    match record.status {
        DefinitionStatus::Active => {
            let arn = Some(reference.arn.to_string());
            return Ok(Err(Failure {
                arn,
                reason: Some(STILL_ACTIVE.to_owned()),
                detail: None,
            }));
        }
        DefinitionStatus::Inactive { since } => {
            record.status = DefinitionStatus::DeleteInProgress {
                inactive_since: since,
                since: tx.now,
                still_used: None,
            };
            tx.put(record.clone());
        }
        DefinitionStatus::DeleteInProgress { .. } => {}
    }
    Ok(Ok(record.shown()))
}
