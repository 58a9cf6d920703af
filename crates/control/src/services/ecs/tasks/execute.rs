//! ExecuteCommand: makes a session with a container and orders its host to take part (ecs.md 9 and 15, rule 10).

mod logging;

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::ExecuteCommand;
use portcullis_api::ecs::{ExecuteCommandRequest, ExecuteCommandResponse};
use portcullis_wire::session::DATA_CHANNEL_PATH;

use crate::exec::{Begun, Container, NotBegun, Order, Permission, SESSIONS_MAX, Subject};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Prepared};
use crate::services::ecs::checks::{on_cluster, on_task};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::world::records::ecs::{DesiredStatus, ExecAgentStatus, LastStatus, Task, TaskContainer};
use crate::world::{Snapshot, Tx};

fn named(scope: Scope<'_>, input: &ExecuteCommandRequest) -> Result<(ClusterRef, MemberRef), EcsError> {
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let task = MemberRef::resolve(&cluster, Kind::Task, &input.task)?;
    Ok((cluster, task))
}

/// The cluster and the task: both must be allowed, each with all keys of the action.
pub fn require(ask: Ask<'_, ExecuteCommandRequest>) -> Result<Vec<Check>, ServiceError> {
    checks(ask.view, ask.call, ask.input)
}

fn checks(view: &Snapshot, call: &Call, input: &ExecuteCommandRequest) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ecs:ExecuteCommand";
    let (cluster, task) = named(call.into(), input)?;
    let found = task.task(view);
    let only = found
        .and_then(|found| only_container(found))
        .map(|one| one.name.as_str());
    let container = input.container.as_deref().or(only);
    let checks = [
        on_cluster(view, ACTION, &cluster).with("ecs:cluster", cluster.arn.as_str()),
        on_task(view, ACTION, &cluster, &task),
    ];
    let with_keys = |check: Check| {
        check
            .with("ecs:task", task.arn.as_str())
            .with_some("ecs:container-name", container)
    };
    Ok(checks.map(with_keys).into())
}

fn only_container(task: &Task) -> Option<&TaskContainer> {
    match task.containers.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Makes the session. It is in memory, and nobody has its token unless the call succeeds.
pub fn prepare(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, ExecuteCommand>,
) -> Result<Box<Prepared>, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (cluster, reference) = named(call.into(), input)?;
    if !input.interactive {
        return Err(EcsError::ExecNotInteractive.into());
    }
    if input.command.trim().is_empty() {
        return Err(EcsError::ExecCommandEmpty.into());
    }
    let cluster = cluster.active(view)?;
    let task = reference.task(view).ok_or(EcsError::TaskNotFound)?;
    let container = container(task, input.container.as_deref())?;
    is_ready(task, container)?;
    let definition = task.definition(view).map(|one| one.as_ref());
    let order = Order {
        subject: Subject {
            container: Container {
                task: Task::key_of(&task.region, &task.cluster, &task.id),
                name: container.name.clone(),
            },
            permission: permission(call.clone(), input.clone()),
        },
        command: input.command.clone(),
        owner: call.caller.arn(),
        inputs: logging::inputs(cluster, definition, &container.name, &task.region)?,
    };
    let begun = env.exec.begin(&order, call.now, env.random.as_ref());
    let begun = begun.map_err(|error| match error {
        NotBegun::NotConnected => EcsError::ExecNotConnected,
        NotBegun::TooMany => EcsError::ExecSessionLimit(SESSIONS_MAX),
        NotBegun::Heedless => EcsError::Unsupported(
            "sessions of Execute Command that are logged or encrypted as their cluster demands on this host, whose agent is too old (update it)",
        ),
    })?;
    Ok(Box::new(answer(call, task, container, &begun)?))
}

/// The same question again, of the picture that is then: tags and policies change while a session goes on.
fn permission(call: Call, input: ExecuteCommandRequest) -> Permission {
    Arc::new(move |gate| {
        let checks = checks(&gate.world().view(), &call, &input);
        checks.is_ok_and(|checks| gate.still_allows(&call, &checks))
    })
}

/// Hands the session over.
pub fn execute(
    _tx: &mut Tx<'_>,
    auth: Authorized<'_, ExecuteCommand>,
) -> Result<ExecuteCommandResponse, ServiceError> {
    let made = auth.prepared::<ExecuteCommandResponse>().cloned();
    made.ok_or_else(|| ServiceError::internal(auth.call().service))
}

fn container<'t>(task: &'t Task, name: Option<&str>) -> Result<&'t TaskContainer, EcsError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return only_container(task).ok_or(EcsError::ExecContainerMissing);
    };
    let mut containers = task.containers.iter();
    let found = containers.find(|one| one.name == name);
    found.ok_or_else(|| EcsError::ExecContainer(name.to_owned()))
}

/// Not asked for, or not there yet: wait or run another task. Asked for and failed, because the role may not or its host
/// is gone: there is nothing connected.
fn is_ready(task: &Task, container: &TaskContainer) -> Result<(), EcsError> {
    let runs = task.desired == DesiredStatus::Running && container.last == LastStatus::Running;
    match container
        .exec_agent
        .as_ref()
        .filter(|_| runs)
        .map(|agent| agent.status)
    {
        None | Some(ExecAgentStatus::Pending) => Err(EcsError::ExecNotEnabled),
        Some(ExecAgentStatus::Stopped) => Err(EcsError::ExecNotConnected),
        Some(ExecAgentStatus::Running) => Ok(()),
    }
}

fn answer(
    call: &Call,
    task: &Task,
    container: &TaskContainer,
    begun: &Begun,
) -> Result<ExecuteCommandResponse, ServiceError> {
    let scheme = if call.is_secure() { "wss" } else { "ws" };
    let host = call
        .host
        .as_deref()
        .ok_or_else(|| ServiceError::internal(call.service))?;
    let session = &begun.session_id;
    let arn = task.arn_beside(format_args!(
        "container/{}/{}/{}",
        task.cluster, task.id, container.id
    ));
    Ok(ExecuteCommandResponse {
        cluster_arn: Some(task.cluster_arn()),
        container_arn: Some(arn),
        container_name: Some(container.name.clone()),
        interactive: Some(true),
        session: Some(api::Session {
            session_id: Some(session.clone()),
            stream_url: Some(format!(
                "{scheme}://{host}{DATA_CHANNEL_PATH}{session}?role=publish_subscribe"
            )),
            token_value: Some(begun.token.expose().to_owned()),
        }),
        task_arn: Some(task.arn.to_string()),
    })
}
