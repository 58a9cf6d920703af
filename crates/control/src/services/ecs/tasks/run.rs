//! RunTask.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::RunTask;
use portcullis_wire::json;
use sha2::{Digest as _, Sha256};

use super::launch::Launch;
use super::make::NewId;
use super::wanted::Wanted;
use super::{placing, platform, shown, waiting};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::passing;
use crate::services::ecs::capacity_providers::{add_key, in_force, means};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::Scope;
use crate::world::Tx;
use crate::world::records::ecs::{ClientToken, ContainerInstance, Task, Waiting};

/// Most tasks of one call.
const COUNT_MAX: i32 = 10;
/// How long an idempotency token is remembered, in seconds; not found in AWS's documentation (ecs.md 9).
const TOKEN_SECONDS: i64 = 24 * 3_600;
/// Longest idempotency token, in characters.
const TOKEN_CHARS_MAX: usize = 64;

fn wanted(input: &api::RunTaskRequest) -> Wanted<'_> {
    Wanted {
        operation: "RunTask",
        cluster: input.cluster.as_deref(),
        task_definition: &input.task_definition,
        overrides: input.overrides.as_ref(),
        tags: input.tags.as_deref(),
        group: input.group.as_deref(),
        started_by: input.started_by.as_deref(),
        started_by_max: 128,
        enable_execute_command: input.enable_execute_command,
        enable_managed_tags: input.enable_ecs_managed_tags,
        propagate_tags: input.propagate_tags.as_deref(),
        network: input.network_configuration.as_ref(),
        volumes: input.volume_configurations.as_deref(),
    }
}

/// The task definition with its revision, the roles, the tags (ecs.md 15).
pub fn require(ask: Ask<'_, api::RunTaskRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let wanted = wanted(input);
    let named = wanted.named(ask.view, scope)?;
    let (cpu, memory) = wanted.size(ask.view, &named);
    let own = wanted
        .own_check(ask.view, &named, "ecs:RunTask")
        .with_some("ecs:task-cpu", cpu)
        .with_some("ecs:task-memory", memory);
    let strategy = in_force(
        ask.view,
        &named.cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    );
    let own = add_key(own, scope, strategy.iter().map(|item| &item.capacity_provider))?;
    let mut checks = vec![own];
    checks.extend(wanted.dependent_checks(ask.view, &named, scope)?);
    Ok(checks)
}

/// Places and makes the tasks; what cannot be placed is told in `failures`.
pub fn run(tx: &mut Tx<'_>, auth: Authorized<'_, RunTask>) -> Result<api::RunTaskResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let token = client_token(input)?;
    if let Some(made) = repeated(tx, scope, token.as_ref())? {
        let made = made.iter().map(|task| shown::task(task, true)).collect();
        return Ok(answer(made, Vec::new()));
    }
    let view = tx.view().clone();
    let plan = wanted(input).plan(&view, scope)?;
    let count = usize::try_from(input.count.unwrap_or(1))
        .ok()
        .filter(|count| (1..=COUNT_MAX as usize).contains(count));
    let count = count.ok_or(EcsError::TaskCount)?;
    let means = means(
        &view,
        scope,
        &plan.cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    )?;
    let platform = platform::check(&plan, &means, input)?;
    let mut demand = placing::demand(&plan);
    demand.constraints = placing::constraints(&plan, input.placement_constraints.as_deref())?;
    demand.strategies = placing::strategies(input.placement_strategy.as_deref())?;
    let first = NewId::new(tx, &plan);
    plan.check_roles(tx, &first.arn, &first.id)?;
    let launch = Launch {
        plan: &plan,
        demand: &demand,
        means: &means,
        platform,
        token: token.as_ref(),
        waits: &|| Waiting {
            placement: waiting::asked(
                &plan,
                input.placement_constraints.as_deref(),
                input.placement_strategy.as_deref(),
            ),
            zones: plan.zones.clone(),
            asker: passing::keep(&view, auth.call()),
        },
    };
    let (made, failures) = launch.carry_out(tx, &view, count, first)?;
    Ok(answer(made, failures))
}

fn answer(tasks: Vec<api::Task>, failures: Vec<api::Failure>) -> api::RunTaskResponse {
    api::RunTaskResponse {
        tasks: Some(tasks),
        failures: Some(failures),
    }
}

/// What speaks against one container instance.
pub(super) fn failure(instance: &ContainerInstance, reason: &str) -> api::Failure {
    api::Failure {
        arn: Some(instance.arn.to_string()),
        reason: Some(reason.to_owned()),
        detail: None,
    }
}

/// One of so many, by chance.
pub(super) fn pick(tx: &Tx<'_>, choices: usize) -> usize {
    let mut bytes = [0_u8; 8];
    tx.random.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(choices.max(1)).unwrap_or(1))
        .unwrap_or_default()
}

fn client_token(input: &api::RunTaskRequest) -> Result<Option<ClientToken>, EcsError> {
    let Some(token) = input.client_token.as_deref().filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    if token.len() > TOKEN_CHARS_MAX || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(EcsError::ClientToken);
    }
    let digest = Sha256::digest(json::to_bytes(input));
    let parameters = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(ClientToken {
        token: token.to_owned(),
        parameters,
    }))
}

/// The tasks an earlier call with the same token made, while they exist.
fn repeated(
    tx: &Tx<'_>,
    scope: Scope<'_>,
    token: Option<&ClientToken>,
) -> Result<Option<Vec<Task>>, EcsError> {
    let Some(token) = token else { return Ok(None) };
    let remembered = |task: &Task| tx.now.seconds_since(task.times.created) < TOKEN_SECONDS;
    let made = tx.view().ecs.tasks_with_token(scope.region, &token.token);
    let made: Vec<Task> = made
        .into_iter()
        .map(|task| Task::clone(task))
        .filter(remembered)
        .collect();
    if made.iter().any(|task| task.token.as_ref() != Some(token)) {
        return Err(EcsError::Conflict {
            resource_ids: made.iter().map(|task| task.arn.to_string()).collect(),
        });
    }
    Ok((!made.is_empty()).then_some(made))
}
