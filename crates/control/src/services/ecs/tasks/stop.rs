//! StopTask.

use portcullis_api::ecs::op::StopTask;
use portcullis_api::ecs::{StopTaskRequest, StopTaskResponse};

use super::shown;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::schedule::life_cycle;
use crate::services::ecs::checks::on_task;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::world::Tx;
use crate::world::records::ecs::{StopCode, Task};

fn named(scope: Scope<'_>, input: &StopTaskRequest) -> Result<(ClusterRef, MemberRef), EcsError> {
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let task = MemberRef::resolve(&cluster, Kind::Task, &input.task)?;
    Ok((cluster, task))
}

/// The task itself, not its definition (R142).
pub fn require(ask: Ask<'_, StopTaskRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, task) = named(ask.call.into(), ask.input)?;
    Ok(vec![on_task(ask.view, "ecs:StopTask", &cluster, &task)])
}

/// Wants the task stopped; one that has stopped is shown as it is.
pub fn stop(tx: &mut Tx<'_>, auth: Authorized<'_, StopTask>) -> Result<StopTaskResponse, ServiceError> {
    let (cluster, reference) = named(auth.call().into(), auth.input())?;
    cluster.find(tx.view()).ok_or(EcsError::ClusterNotFound)?;
    let found = reference.task(tx.view()).ok_or(EcsError::TaskNotFound)?;
    let mut task = Task::clone(found);
    let reason = auth.input().reason.clone().filter(|reason| !reason.is_empty());
    task.ask_to_stop(
        StopCode::UserInitiated,
        reason.unwrap_or_else(|| "Task stopped by user".to_owned()),
        tx.now,
    );
    life_cycle::keep(tx, task.clone());
    Ok(StopTaskResponse {
        task: Some(shown::task(&task, true)),
    })
}
