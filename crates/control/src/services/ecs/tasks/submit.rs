//! What agents report: SubmitTaskStateChange, SubmitContainerStateChange, SubmitAttachmentStateChanges. Repeated and
//! late reports are acknowledged and change nothing; a task nobody knows is an InvalidParameterException, on which
//! the agent forgets the report (agent.md 5.1). Only who registered a task's container instance reports on the task.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op;

use super::digests;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::schedule::life_cycle::{self, ContainerReport, ExecAgentReport, TaskReport};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::services::ecs::registrant::owner;
use crate::world::records::ecs::{
    Binding, ContainerInstance, EXEC_AGENT_NAME, ExecAgentStatus, LastStatus, Task,
};
use crate::world::{Snapshot, Tx};

const ACKNOWLEDGMENT: &str = "ACK";

/// The cluster, for the registrant of the task's container instance alone.
fn check(
    view: &Snapshot,
    call: &Call,
    action: &'static str,
    cluster: Option<&str>,
    task: Option<&str>,
) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(call.into(), cluster)?;
    let host = task.and_then(|task| host(view, &cluster, task));
    Ok(vec![
        on_cluster(view, action, &cluster).only_for(host.and_then(|host| owner(call, host))),
    ])
}

/// The instance a task is on. A forgotten instance's tasks have all stopped: there is nothing left to lie about.
fn host<'a>(view: &'a Snapshot, cluster: &ClusterRef, task: &str) -> Option<&'a ContainerInstance> {
    let reference = MemberRef::resolve(cluster, Kind::Task, task).ok()?;
    let task = reference.task(view)?;
    let key = ContainerInstance::key_of(&task.region, &task.cluster, &task.container_instance);
    view.ecs.container_instances.get(&key).map(AsRef::as_ref)
}

/// The cluster.
pub fn require_task(ask: Ask<'_, api::SubmitTaskStateChangeRequest>) -> Result<Vec<Check>, ServiceError> {
    check(
        ask.view,
        ask.call,
        "ecs:SubmitTaskStateChange",
        ask.input.cluster.as_deref(),
        ask.input.task.as_deref(),
    )
}

/// The cluster.
pub fn require_container(
    ask: Ask<'_, api::SubmitContainerStateChangeRequest>,
) -> Result<Vec<Check>, ServiceError> {
    check(
        ask.view,
        ask.call,
        "ecs:SubmitContainerStateChange",
        ask.input.cluster.as_deref(),
        ask.input.task.as_deref(),
    )
}

/// The cluster.
pub fn require_attachments(
    ask: Ask<'_, api::SubmitAttachmentStateChangesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    check(
        ask.view,
        ask.call,
        "ecs:SubmitAttachmentStateChanges",
        ask.input.cluster.as_deref(),
        None,
    )
}

/// Takes over the state of a task and of its containers.
pub fn task(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SubmitTaskStateChange>,
) -> Result<api::SubmitTaskStateChangeResponse, ServiceError> {
    let input = auth.input();
    let report = TaskReport {
        status: input.status.as_deref().and_then(status),
        reason: input.reason.clone().unwrap_or_default(),
        containers: input.containers.iter().flatten().map(container_report).collect(),
        exec_agents: input
            .managed_agents
            .iter()
            .flatten()
            .filter_map(exec_agent)
            .collect(),
        pull_started: input.pull_started_at,
        pull_stopped: input.pull_stopped_at,
        execution_stopped: input.execution_stopped_at,
    };
    apply(
        tx,
        auth.call(),
        input.cluster.as_deref(),
        input.task.as_deref(),
        report,
    )?;
    Ok(api::SubmitTaskStateChangeResponse {
        acknowledgment: Some(ACKNOWLEDGMENT.to_owned()),
    })
}

/// Takes over the state of one container.
pub fn container(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SubmitContainerStateChange>,
) -> Result<api::SubmitContainerStateChangeResponse, ServiceError> {
    let input = auth.input();
    let container = ContainerReport {
        name: input.container_name.clone().unwrap_or_default(),
        status: input.status.as_deref().and_then(status),
        image_digest: None,
        runtime_id: input.runtime_id.clone(),
        exit_code: input.exit_code,
        reason: input.reason.clone(),
        network_bindings: input.network_bindings.as_deref().map(bindings),
    };
    let report = TaskReport {
        containers: vec![container],
        ..TaskReport::default()
    };
    apply(
        tx,
        auth.call(),
        input.cluster.as_deref(),
        input.task.as_deref(),
        report,
    )?;
    Ok(api::SubmitContainerStateChangeResponse {
        acknowledgment: Some(ACKNOWLEDGMENT.to_owned()),
    })
}

/// Acknowledged: what is attached says EC2, not an agent (docs/fidelity.md).
pub fn attachments(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SubmitAttachmentStateChanges>,
) -> Result<api::SubmitAttachmentStateChangesResponse, ServiceError> {
    let cluster = ClusterRef::resolve(auth.call().into(), auth.input().cluster.as_deref())?;
    cluster.find(tx.view()).ok_or(EcsError::ClusterNotFound)?;
    Ok(api::SubmitAttachmentStateChangesResponse {
        acknowledgment: Some(ACKNOWLEDGMENT.to_owned()),
    })
}

fn apply(
    tx: &mut Tx<'_>,
    call: &Call,
    cluster: Option<&str>,
    task: Option<&str>,
    report: TaskReport,
) -> Result<(), EcsError> {
    let cluster = ClusterRef::resolve(call.into(), cluster)?;
    cluster.find(tx.view()).ok_or(EcsError::ClusterNotFound)?;
    let reference = MemberRef::resolve(&cluster, Kind::Task, task.ok_or(EcsError::TaskNotFound)?)?;
    let found = reference.task(tx.view()).filter(|task| task.is_placed());
    let mut task = Task::clone(found.ok_or(EcsError::TaskNotFound)?);
    task.report(report, tx.now);
    digests::learn(tx, &task);
    life_cycle::keep(tx, task);
    Ok(())
}

/// Agents' states before RUNNING are all PENDING here (agent.md 8).
fn status(text: &str) -> Option<LastStatus> {
    match text {
        "PENDING" | "NONE" | "MANIFEST_PULLED" | "PULLED" | "CREATED" => Some(LastStatus::Pending),
        "RUNNING" | "RESOURCES_PROVISIONED" => Some(LastStatus::Running),
        "STOPPED" => Some(LastStatus::Stopped),
        _ => None,
    }
}

fn container_report(change: &api::ContainerStateChange) -> ContainerReport {
    ContainerReport {
        name: change.container_name.clone().unwrap_or_default(),
        status: change.status.as_deref().and_then(status),
        image_digest: change.image_digest.clone(),
        runtime_id: change.runtime_id.clone(),
        exit_code: change.exit_code,
        reason: change.reason.clone(),
        network_bindings: change.network_bindings.as_deref().map(bindings),
    }
}

/// The one managed agent there is.
fn exec_agent(change: &api::ManagedAgentStateChange) -> Option<(String, ExecAgentReport)> {
    if change.managed_agent_name != EXEC_AGENT_NAME {
        return None;
    }
    let status = match change.status.as_str() {
        "PENDING" => ExecAgentStatus::Pending,
        "RUNNING" => ExecAgentStatus::Running,
        "STOPPED" => ExecAgentStatus::Stopped,
        _ => return None,
    };
    let reason = change.reason.clone();
    Some((change.container_name.clone(), ExecAgentReport { status, reason }))
}

fn bindings(list: &[api::NetworkBinding]) -> Vec<Binding> {
    let one = |binding: &api::NetworkBinding| Binding {
        bind_ip: binding.bind_ip.clone(),
        container_port: binding.container_port,
        host_port: binding.host_port,
        protocol: binding.protocol.clone(),
    };
    list.iter().map(one).collect()
}
