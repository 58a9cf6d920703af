//! RegisterDaemonTaskDefinition.

use portcullis_api::ecs::op::RegisterDaemonTaskDefinition;
use portcullis_api::ecs::{
    self as api, RegisterDaemonTaskDefinitionRequest, RegisterDaemonTaskDefinitionResponse,
};
use portcullis_core::Arn;

use super::as_tasks::as_tasks;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::{pass_roles_of_tasks, roles_of_tasks, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::Scope;
use crate::services::ecs::tags;
use crate::services::ecs::task_definitions::{self, TaskSize};
use crate::world::records::ecs::{DaemonFamily, DaemonTaskDefinition};
use crate::world::{Snapshot, Tx};

/// Most revisions of a family, as of task definitions (ecs.md 7).
const REVISIONS_MAX: i32 = 1_000_000;

/// The family, tagging it when the request has tags, and passing each of its roles to ECS's tasks.
pub(in crate::services::ecs) fn require_register(
    ask: Ask<'_, RegisterDaemonTaskDefinitionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let arn = DaemonTaskDefinition::arn_of(scope.region, scope.account, &input.family, "*");
    let tags = tags::requested(input.tags.as_deref());
    let size = TaskSize::parse(input.cpu.as_deref(), input.memory.as_deref()).unwrap_or_default();
    let said = input
        .container_definitions
        .iter()
        .filter_map(|one| one.privileged);
    let privileged = said.reduce(|one, other| one || other);
    let register = Check::new("ecs:RegisterDaemonTaskDefinition", arn.as_str())
        .of_resource(&tags)
        .of_request(&tags)
        .with_some("ecs:task-cpu", size.cpu.map(|cpu| cpu.to_string()))
        .with_some("ecs:task-memory", size.memory.map(|memory| memory.to_string()))
        .with_some("ecs:privileged", privileged.map(|yes| yes.to_string()));
    let mut all = vec![register];
    all.extend(tag_on_create("RegisterDaemonTaskDefinition", arn.as_str(), &tags));
    let (task, execution) = roles(ask.view, scope, input)?;
    all.extend(pass_roles_of_tasks(task.as_ref(), execution.as_ref()));
    Ok(all)
}

/// The ARNs of the task role and the execution role.
fn roles(
    view: &Snapshot,
    scope: Scope<'_>,
    input: &RegisterDaemonTaskDefinitionRequest,
) -> Result<(Option<Arn>, Option<Arn>), EcsError> {
    let (task, execution) = (
        input.task_role_arn.as_deref(),
        input.execution_role_arn.as_deref(),
    );
    roles_of_tasks(view, scope, task, execution)
}

/// Makes the next revision of a family, by the rules of task definitions.
pub(in crate::services::ecs) fn register(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, RegisterDaemonTaskDefinition>,
) -> Result<RegisterDaemonTaskDefinitionResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let mut as_tasks = task_definitions::checked(&as_tasks(input))?;
    let tags = tags::checked(input.tags.as_deref())?;
    let (task_role, execution_role) = roles(tx.view(), scope, input)?;
    let revision = next_revision(tx, scope, &input.family)?;
    let arn = DaemonTaskDefinition::arn_of(scope.region, scope.account, &input.family, revision);
    as_tasks.task_definition_arn = Some(arn.to_string());
    as_tasks.revision = Some(revision);
    as_tasks.task_role_arn = task_role.as_ref().map(Arn::to_string);
    as_tasks.execution_role_arn = execution_role.as_ref().map(Arn::to_string);
    let definition = api::DaemonTaskDefinition {
        daemon_task_definition_arn: Some(arn.to_string()),
        family: Some(input.family.clone()),
        revision: Some(revision),
        task_role_arn: task_role.map(|role| role.to_string()),
        execution_role_arn: execution_role.map(|role| role.to_string()),
        container_definitions: Some(input.container_definitions.clone()),
        volumes: Some(input.volumes.clone().unwrap_or_default()),
        cpu: as_tasks.cpu.clone(),
        memory: as_tasks.memory.clone(),
        registered_at: Some(tx.now),
        registered_by: Some(auth.call().caller.arn()),
        pid_mode: input.pid_mode.clone(),
        ipc_mode: input.ipc_mode.clone(),
        status: None,
        delete_requested_at: None,
    };
    tx.put(DaemonTaskDefinition {
        region: scope.region.clone(),
        family: input.family.clone(),
        revision,
        arn: arn.clone(),
        delete_requested: None,
        still_used: None,
        tags,
        definition,
        as_tasks,
    });
    Ok(RegisterDaemonTaskDefinitionResponse {
        daemon_task_definition_arn: Some(arn.to_string()),
    })
}

/// Takes the next number of a family; numbers are never used again.
fn next_revision(tx: &mut Tx<'_>, scope: Scope<'_>, family: &str) -> Result<i32, EcsError> {
    let key = DaemonFamily::key_of(scope.region, family);
    let known = tx.view().ecs.daemon_families.get(&key);
    let last_revision = known.map_or(0, |family| family.last_revision).saturating_add(1);
    if last_revision > REVISIONS_MAX {
        return Err(EcsError::RevisionLimit);
    }
    tx.put(DaemonFamily {
        region: scope.region.clone(),
        name: family.to_owned(),
        last_revision,
    });
    Ok(last_revision)
}
