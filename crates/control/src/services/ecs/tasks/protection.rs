//! GetTaskProtection and UpdateTaskProtection: keeps the scheduler's hands off tasks of services (ecs.md 9).

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{GetTaskProtection, UpdateTaskProtection};
use portcullis_core::Timestamp;

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::open_points;
use crate::schedule::life_cycle;
use crate::services::ecs::checks::on_task;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::paging::at_most;
use crate::world::records::ecs::{DesiredStatus, Facet, LastStatus, Service, Task, TaskSet};
use crate::world::{Snapshot, Tx};

const SHOWN_MAX: usize = 100;
const CHANGED_MAX: usize = 10;
/// Minutes.
const EXPIRY_DEFAULT: i32 = 120;
/// Minutes: two days.
const EXPIRY_MAX: i32 = 2_880;

fn named(
    scope: Scope<'_>,
    cluster: &str,
    tasks: &[String],
    limit: usize,
) -> Result<(ClusterRef, Vec<MemberRef>), EcsError> {
    // Before anything is looked up: without targets nothing would be authorised.
    if tasks.is_empty() {
        return Err(EcsError::TasksEmpty);
    }
    at_most("tasks", limit, tasks.len())?;
    let cluster = ClusterRef::resolve(scope, Some(cluster))?;
    let resolve = |name: &String| MemberRef::resolve(&cluster, Kind::Task, name);
    let tasks = tasks.iter().map(resolve).collect::<Result<_, _>>()?;
    Ok((cluster, tasks))
}

fn shown_of(
    scope: Scope<'_>,
    input: &api::GetTaskProtectionRequest,
) -> Result<(ClusterRef, Vec<MemberRef>), EcsError> {
    let tasks = input.tasks.as_deref().unwrap_or_default();
    named(scope, &input.cluster, tasks, SHOWN_MAX)
}

/// Each task asked for, one by one.
pub fn require_get(ask: Ask<'_, api::GetTaskProtectionRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, tasks) = shown_of(ask.call.into(), ask.input)?;
    let check = |task| on_task(ask.view, "ecs:GetTaskProtection", &cluster, task);
    Ok(tasks.iter().map(check).collect())
}

/// How each task of a service is protected now.
pub fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, GetTaskProtection>,
) -> Result<api::GetTaskProtectionResponse, ServiceError> {
    let (cluster, references) = shown_of(auth.call().into(), auth.input())?;
    cluster.known(view)?;
    let mut outcome = Outcome::default();
    for reference in references {
        match protectable(view, &reference) {
            Ok(task) => outcome.protected.push(shown(task, auth.call().now)),
            Err(failure) => outcome.failures.push(failure),
        }
    }
    Ok(api::GetTaskProtectionResponse {
        protected_tasks: Some(outcome.protected),
        failures: Some(outcome.failures),
    })
}

/// Each task to be changed, one by one.
pub fn require_update(ask: Ask<'_, api::UpdateTaskProtectionRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let (cluster, tasks) = named(ask.call.into(), &input.cluster, &input.tasks, CHANGED_MAX)?;
    let check = |task| on_task(ask.view, "ecs:UpdateTaskProtection", &cluster, task);
    Ok(tasks.iter().map(check).collect())
}

/// Protects tasks for a while, the clock starting anew, or takes their protection away.
pub fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateTaskProtection>,
) -> Result<api::UpdateTaskProtectionResponse, ServiceError> {
    let input = auth.input();
    let (cluster, references) = named(auth.call().into(), &input.cluster, &input.tasks, CHANGED_MAX)?;
    cluster.known(tx.view())?;
    let until = until(input, tx.now)?;
    let mut outcome = Outcome::default();
    for reference in references {
        let task = match protectable(tx.view(), &reference) {
            Ok(task) => task,
            Err(failure) => {
                outcome.failures.push(failure);
                continue;
            }
        };
        if until.is_some() && blocks_deployment(tx.view(), task, tx.now) {
            outcome.failures.push(failure(&reference, "DEPLOYMENT_BLOCKED"));
            continue;
        }
        let task = Task {
            protected_until: until,
            ..task.clone()
        };
        outcome.protected.push(shown(&task, tx.now));
        life_cycle::keep(tx, task);
    }
    Ok(api::UpdateTaskProtectionResponse {
        protected_tasks: Some(outcome.protected),
        failures: Some(outcome.failures),
    })
}

#[derive(Default)]
struct Outcome {
    protected: Vec<api::ProtectedTask>,
    failures: Vec<api::Failure>,
}

fn until(input: &api::UpdateTaskProtectionRequest, now: Timestamp) -> Result<Option<Timestamp>, EcsError> {
    let minutes = input.expires_in_minutes.unwrap_or(EXPIRY_DEFAULT);
    if !(1..=EXPIRY_MAX).contains(&minutes) {
        return Err(EcsError::ProtectionExpiry);
    }
    let end = now.plus_seconds(i64::from(minutes) * 60);
    Ok(input.protection_enabled.then_some(end))
}

/// A task that protection means something for: there, not ended, and of a service.
fn protectable<'v>(view: &'v Snapshot, reference: &MemberRef) -> Result<&'v Task, api::Failure> {
    let found = reference
        .task(view)
        .filter(|task| task.last != LastStatus::Stopped);
    let task = found.ok_or_else(|| missing(&reference.arn))?;
    match task.service() {
        Some(_) => Ok(task),
        None => Err(failure(reference, "TASK_NOT_VALID")),
    }
}

/// Whether protecting one more would keep more tasks than the service wants: its deployments could then never end.
fn blocks_deployment(view: &Snapshot, task: &Task, now: Timestamp) -> bool {
    let key = |name| Service::key_of(&task.region, &task.cluster, name);
    let Some(service) = task.service().and_then(|name| view.ecs.services.get(&key(name))) else {
        return false;
    };
    let makers = service.deployments.iter().map(|one| one.id.as_str());
    let makers = makers.chain(service.task_sets.iter().map(|one| one.id.as_str()));
    let others = makers
        .map(|maker| {
            let facet = Facet::StartedBy(maker);
            let set = TaskSet::new(&task.region, &task.cluster, facet, DesiredStatus::Running);
            let rows = view.ecs.tasks_of(&set, None);
            rows.filter(|(_, one)| one.id != task.id && one.group == task.group && one.is_protected(now))
                .count()
        })
        .sum();
    open_points::protection_blocks_deployment(others, service.desired)
}

fn failure(reference: &MemberRef, reason: &str) -> api::Failure {
    api::Failure {
        arn: Some(reference.arn.to_string()),
        reason: Some(reason.to_owned()),
        detail: None,
    }
}

fn shown(task: &Task, now: Timestamp) -> api::ProtectedTask {
    let until = task.protected_until.filter(|_| task.is_protected(now));
    api::ProtectedTask {
        task_arn: Some(task.arn.to_string()),
        protection_enabled: Some(until.is_some()),
        expiration_date: until,
    }
}
