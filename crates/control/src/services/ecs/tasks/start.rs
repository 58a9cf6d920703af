//! StartTask: tasks on chosen container instances, without the scheduler.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::StartTask;

use super::make::{self, NewId, Place};
use super::run::failure;
use super::wanted::Wanted;
use super::{overrides, placing, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::open_points;
use crate::schedule::life_cycle;
use crate::schedule::placement::Candidate;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::paging::at_most;
use crate::services::ecs::registrant::registrant;
use crate::world::Tx;
use crate::world::records::ecs::HostKind;

/// Most container instances of one call.
const INSTANCES_MAX: usize = 10;

fn wanted(input: &api::StartTaskRequest) -> Wanted<'_> {
    Wanted {
        operation: "StartTask",
        cluster: input.cluster.as_deref(),
        task_definition: &input.task_definition,
        overrides: input.overrides.as_ref(),
        tags: input.tags.as_deref(),
        group: input.group.as_deref(),
        started_by: input.started_by.as_deref(),
        started_by_max: 36,
        enable_execute_command: input.enable_execute_command,
        enable_managed_tags: input.enable_ecs_managed_tags,
        propagate_tags: input.propagate_tags.as_deref(),
        network: input.network_configuration.as_ref(),
        volumes: input.volume_configurations.as_deref(),
    }
}

fn instances(cluster: &ClusterRef, input: &api::StartTaskRequest) -> Result<Vec<MemberRef>, EcsError> {
    at_most(
        "containerInstances",
        INSTANCES_MAX,
        input.container_instances.len(),
    )?;
    if input.container_instances.is_empty() {
        return Err(EcsError::InstancesEmpty);
    }
    let named = input.container_instances.iter();
    named
        .map(|name| MemberRef::resolve(cluster, Kind::ContainerInstance, name))
        .collect()
}

/// One check for each container instance (R146), the roles, the tags.
pub fn require(ask: Ask<'_, api::StartTaskRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let wanted = wanted(input);
    let named = wanted.named(ask.view, scope)?;
    let own = wanted.own_check(ask.view, &named, "ecs:StartTask");
    let instances = instances(&named.cluster, input)?;
    let mut checks = open_points::r146_check_for_each(&own, instances.into_iter().map(|one| one.arn));
    checks.extend(wanted.dependent_checks(ask.view, &named, scope)?);
    Ok(checks)
}

/// Makes one task on each instance that can take it.
pub fn start(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, StartTask>,
) -> Result<api::StartTaskResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let view = tx.view().clone();
    let plan = wanted(input).plan(&view, scope)?;
    overrides::check_storage(&plan.overrides, false)?;
    let mut demand = placing::demand(&plan);
    demand.starter = Some(registrant(auth.call()));
    let mut id = NewId::new(tx, &plan);
    plan.check_roles(tx, &id.arn, &id.id)?;
    let mut tasks = Vec::new();
    let mut failures = Vec::new();
    for reference in instances(&plan.cluster, input)? {
        let Some(instance) = reference.container_instance(&view) else {
            failures.push(crate::services::ecs::missing(&reference.arn));
            continue;
        };
        // The picture of this change, not of its start: one instance may be named twice.
        let candidate = Candidate::of(tx.view(), &reference.key, &demand, instance);
        if !instance.is_registered() {
            failures.push(failure(instance, "INACTIVE"));
        } else if let Some(reason) = candidate.refuses(&demand) {
            failures.push(failure(instance, reason.as_str()));
        } else {
            let launch_type = HostKind::of(instance).launch_type();
            let task = make::task(
                tx,
                &plan,
                Place {
                    id,
                    instance,
                    launch_type,
                },
                None,
            );
            tasks.push(shown::task(&task, true));
            life_cycle::keep(tx, task);
            id = NewId::new(tx, &plan);
        }
    }
    Ok(api::StartTaskResponse {
        tasks: Some(tasks),
        failures: Some(failures),
    })
}
