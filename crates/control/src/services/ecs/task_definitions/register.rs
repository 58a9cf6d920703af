//! RegisterTaskDefinition.

use portcullis_api::ecs::op::RegisterTaskDefinition;
use portcullis_api::ecs::{self as api, RegisterTaskDefinitionRequest, RegisterTaskDefinitionResponse};
use portcullis_core::Arn;

use super::DefinitionFault;
use super::normal::normal;
use super::rules::{self, Draft};
use super::size::TaskSize;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::Scope;
use crate::services::ecs::tags;
use crate::world::records::ecs::{DefinitionStatus, Family, TaskDefinition};
use crate::world::{Snapshot, Tx};

const REVISIONS_MAX: i32 = 1_000_000;
const BYTES_MAX: usize = 64 * 1024;

/// The family, tagging it when the request has tags, and passing each of its roles to ECS's tasks.
pub fn require_register(ask: Ask<'_, RegisterTaskDefinitionRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let scope = Scope::from(ask.call);
    let arn = TaskDefinition::arn_of(scope.region, scope.account, &input.family, "*");
    let tags = tags::requested(input.tags.as_deref());
    let size = TaskSize::of(input).unwrap_or_default();
    let register = Check::new("ecs:RegisterTaskDefinition", arn.as_str())
        .of_resource(&tags)
        .of_request(&tags)
        .with_some("ecs:task-cpu", size.cpu.map(|cpu| cpu.to_string()))
        .with_some("ecs:task-memory", size.memory.map(|memory| memory.to_string()))
        .with_some("ecs:privileged", privileged(input));
    let register = match &input.requires_compatibilities {
        Some(wanted) if !wanted.is_empty() => register.with_many("ecs:compute-compatibility", wanted.clone()),
        _ => register,
    };
    let mut all = vec![register];
    all.extend(checks::tag_on_create(
        "RegisterTaskDefinition",
        arn.as_str(),
        &tags,
    ));
    let (task, execution) = roles(ask.view, scope, input)?;
    all.extend(checks::pass_roles_of_tasks(task.as_ref(), execution.as_ref()));
    Ok(all)
}

/// The ARNs of the task role and the execution role.
fn roles(
    view: &Snapshot,
    scope: Scope<'_>,
    input: &RegisterTaskDefinitionRequest,
) -> Result<(Option<Arn>, Option<Arn>), EcsError> {
    let (task, execution) = (
        input.task_role_arn.as_deref(),
        input.execution_role_arn.as_deref(),
    );
    checks::roles_of_tasks(view, scope, task, execution)
}

/// The value of `ecs:privileged`: absent when no container says (rule 11).
fn privileged(input: &RegisterTaskDefinitionRequest) -> Option<String> {
    let said = input
        .container_definitions
        .iter()
        .filter_map(|container| container.privileged);
    said.reduce(|one, other| one || other)
        .map(|privileged| privileged.to_string())
}

/// Makes the next revision of a family.
pub fn register(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, RegisterTaskDefinition>,
) -> Result<RegisterTaskDefinitionResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let draft = Draft {
        input,
        size: TaskSize::of(input)?,
    };
    rules::check(draft)?;
    let tags = tags::checked(input.tags.as_deref())?;
    let (task_role, execution_role) = roles(tx.view(), scope, input)?;
    let revision = next_revision(tx, scope, &input.family)?;
    let arn = TaskDefinition::arn_of(scope.region, scope.account, &input.family, revision);
    let mut definition = normal(draft);
    check_bytes(&definition)?;
    definition.task_definition_arn = Some(arn.to_string());
    definition.revision = Some(revision);
    definition.task_role_arn = task_role.map(|role| role.to_string());
    definition.execution_role_arn = execution_role.map(|role| role.to_string());
    definition.registered_at = Some(tx.now);
    definition.registered_by = Some(auth.call().caller.arn());
    let record = TaskDefinition {
        region: scope.region.clone(),
        family: input.family.clone(),
        revision,
        arn,
        status: DefinitionStatus::Active,
        tags,
        definition,
    };
    let reply = RegisterTaskDefinitionResponse {
        task_definition: Some(record.shown()),
        tags: Some(tags::shown(&record.tags)),
    };
    tx.put(record);
    Ok(reply)
}

/// The normal form of a definition that keeps all rules, by somebody else than RegisterTaskDefinition.
pub(in crate::services::ecs) fn checked(
    input: &RegisterTaskDefinitionRequest,
) -> Result<api::TaskDefinition, DefinitionFault> {
    let draft = Draft {
        input,
        size: TaskSize::of(input)?,
    };
    rules::check(draft)?;
    let definition = normal(draft);
    check_bytes(&definition)?;
    Ok(definition)
}

/// Takes the next number of a family; numbers are never used again.
fn next_revision(tx: &mut Tx<'_>, scope: Scope<'_>, family: &str) -> Result<i32, EcsError> {
    let known = tx.view().ecs.families.get(&Family::key_of(scope.region, family));
    let last_revision = known.map_or(0, |family| family.last_revision).saturating_add(1);
    if last_revision > REVISIONS_MAX {
        return Err(EcsError::RevisionLimit);
    }
    tx.put(Family {
        region: scope.region.clone(),
        name: family.to_owned(),
        last_revision,
    });
    Ok(last_revision)
}

fn check_bytes(definition: &api::TaskDefinition) -> Result<(), DefinitionFault> {
    let bytes = portcullis_wire::json::to_value(definition).to_string().len();
    if bytes > BYTES_MAX {
        Err(DefinitionFault::TooLarge)
    } else {
        Ok(())
    }
}
