//! UpdateTaskSet and DeleteTaskSet.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{DeleteTaskSet, UpdateTaskSet};

use super::super::faults::ServiceFault;
use super::super::shown;
use super::{check, home, resolve, scale, service_of_sets};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::names::Scope;
use crate::world::Tx;
use crate::world::records::ecs::TaskSetStatus;

/// The task set.
pub fn require_update(ask: Ask<'_, api::UpdateTaskSetRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let (cluster, service) = home(scope, &input.cluster, &input.service)?;
    let part = resolve(scope, &cluster, &service, &input.task_set)?;
    Ok(vec![check(ask.view, "ecs:UpdateTaskSet", &part)])
}

/// Changes the share of a task set.
pub fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateTaskSet>,
) -> Result<api::UpdateTaskSetResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let (cluster, reference) = home(scope, &input.cluster, &input.service)?;
    cluster.active(tx.view())?;
    let mut service = service_of_sets(tx.view(), &reference)?;
    let part = resolve(scope, &cluster, &reference, &input.task_set)?;
    part.task_set(tx.view()).ok_or(ServiceFault::TaskSetNotFound)?;
    let share = scale(Some(&input.scale))?;
    let mut changed = None;
    for set in service.task_sets.iter_mut().filter(|set| set.id == part.id) {
        if set.status == TaskSetStatus::Draining {
            return Err(ServiceFault::TaskSetDraining.into());
        }
        set.scale = share;
        set.updated = tx.now;
        set.progress.forget_back_off();
        changed = Some(set.clone());
    }
    let task_set = changed.map(|set| shown::task_set(tx.view(), &service, &set, true));
    tx.put(service);
    Ok(api::UpdateTaskSetResponse { task_set })
}

/// The task set.
pub fn require_delete(ask: Ask<'_, api::DeleteTaskSetRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let (cluster, service) = home(scope, &input.cluster, &input.service)?;
    let part = resolve(scope, &cluster, &service, &input.task_set)?;
    Ok(vec![check(ask.view, "ecs:DeleteTaskSet", &part)])
}

/// Ends a task set: it is DRAINING until its tasks have stopped, and gone at once when it has none.
pub fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteTaskSet>,
) -> Result<api::DeleteTaskSetResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let (cluster, reference) = home(scope, &input.cluster, &input.service)?;
    cluster.active(tx.view())?;
    let mut service = service_of_sets(tx.view(), &reference)?;
    let part = resolve(scope, &cluster, &reference, &input.task_set)?;
    let mut set = part
        .task_set(tx.view())
        .ok_or(ServiceFault::TaskSetNotFound)?
        .clone();
    let is_scaled = set.status == TaskSetStatus::Primary || set.desired(service.desired) > 0;
    if is_scaled && input.force != Some(true) {
        return Err(ServiceFault::TaskSetScaled.into());
    }
    set.status = TaskSetStatus::Draining;
    set.updated = tx.now;
    let has_tasks = shown::counts_of(tx.view(), &service, &set.id).all() > 0;
    service.task_sets = service
        .task_sets
        .into_iter()
        .filter_map(|other| match other.id == set.id {
            false => Some(other),
            true => has_tasks.then(|| set.clone()),
        })
        .collect();
    let task_set = Some(shown::task_set(tx.view(), &service, &set, true));
    tx.put(service);
    Ok(api::DeleteTaskSetResponse { task_set })
}
