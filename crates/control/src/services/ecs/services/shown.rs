//! Services, deployments and task sets as replies show them.

use portcullis_api::ecs as api;
use portcullis_schedule::deployment::{Cause, Rollout};

use crate::services::ecs::tags;
use crate::world::Snapshot;
use crate::world::records::ecs::{
    Controller, Deployment, DeploymentCounts, DeploymentStatus, Service, ServiceEvent, ServiceStatus,
    ServiceTaskSet, TaskSetStatus,
};

/// The tasks of a deployment or task set that shall run.
pub(super) fn counts_of(view: &Snapshot, service: &Service, deployment: &str) -> DeploymentCounts {
    view.ecs
        .deployment_counts(&service.region, &service.cluster, deployment)
}

/// The tasks of a service that shall run.
pub(super) fn counts(view: &Snapshot, service: &Service) -> DeploymentCounts {
    sum_of(view, service, service.version_ids())
}

/// The tasks of a deployment that shall run.
pub(super) fn counts_of_deployment(
    view: &Snapshot,
    service: &Service,
    deployment: &Deployment,
) -> DeploymentCounts {
    sum_of(view, service, deployment.ids())
}

fn sum_of<'a>(view: &Snapshot, service: &Service, ids: impl Iterator<Item = &'a String>) -> DeploymentCounts {
    ids.fold(DeploymentCounts::default(), |sum, id| {
        sum.plus(counts_of(view, service, id))
    })
}

/// A service; its tags only where they were asked for.
pub(super) fn service(view: &Snapshot, service: &Service, with_tags: bool) -> api::Service {
    let counted = counts(view, service);
    let deployments = service.deployments.iter();
    let current = service.current_deployment.as_deref().map(|id| {
        service.arn_beside(format_args!(
            "service-deployment/{}/{}/{id}",
            service.cluster, service.name
        ))
    });
    let task_sets = (service.controller != Controller::Ecs).then(|| {
        let sets = service.task_sets.iter();
        sets.map(|set| task_set(view, service, set, with_tags)).collect()
    });
    let controller = service.controller.as_str().to_owned();
    api::Service {
        status: Some(service.status.as_str().to_owned()),
        desired_count: Some(number(service.desired)),
        running_count: Some(number(counted.running)),
        pending_count: Some(number(counted.pending)),
        deployments: Some(deployments.map(|one| deployment(view, service, one)).collect()),
        task_sets,
        events: Some(service.events.iter().map(event).collect()),
        current_service_deployment: current,
        current_service_revisions: revisions(view, service),
        scheduling_strategy: Some(service.strategy.as_str().to_owned()),
        deployment_controller: Some(api::DeploymentController { r#type: controller }),
        tags: with_tags.then(|| tags::shown(&service.tags)),
        ..service.definition.clone()
    }
}

/// The revisions that have tasks or shall have them; only the controller ECS makes any.
fn revisions(view: &Snapshot, service: &Service) -> Option<Vec<api::ServiceCurrentRevisionSummary>> {
    if service.controller != Controller::Ecs || matches!(service.status, ServiceStatus::Inactive { .. }) {
        return None;
    }
    let summary = |one: &Deployment| {
        let counted = counts_of_deployment(view, service, one);
        api::ServiceCurrentRevisionSummary {
            arn: Some(service.arn_beside(format_args!(
                "service-revision/{}/{}/{}",
                service.cluster, service.name, one.revision
            ))),
            requested_task_count: Some(number(requested(service, one, counted))),
            running_task_count: Some(number(counted.running)),
            pending_task_count: Some(number(counted.pending)),
        }
    };
    Some(service.deployments.iter().map(summary).collect())
}

/// How many tasks a deployment shall have. One that is being replaced keeps what it has until that is stopped.
fn requested(service: &Service, deployment: &Deployment, counted: DeploymentCounts) -> u32 {
    match deployment.status {
        DeploymentStatus::Primary => service.desired,
        DeploymentStatus::Active => counted.all(),
    }
}

fn deployment(view: &Snapshot, service: &Service, one: &Deployment) -> api::Deployment {
    let counted = counts_of_deployment(view, service, one);
    let rollout = match one.progress.rollout {
        Rollout::InProgress | Rollout::RollingBack(_) => "IN_PROGRESS",
        Rollout::Completed => "COMPLETED",
        Rollout::Failed(_) => "FAILED",
    };
    api::Deployment {
        id: Some(one.id.clone()),
        status: Some(one.status.as_str().to_owned()),
        task_definition: Some(one.task_definition.to_string()),
        desired_count: Some(number(requested(service, one, counted))),
        pending_count: Some(number(counted.pending)),
        running_count: Some(number(counted.running)),
        failed_tasks: Some(number(one.progress.failed_tasks)),
        created_at: Some(one.created),
        updated_at: Some(one.updated),
        rollout_state: Some(rollout.to_owned()),
        rollout_state_reason: Some(reason(one)),
        ..one.chosen.clone()
    }
}

/// `rolloutStateReason` of a deployment.
pub(crate) fn reason(one: &Deployment) -> String {
    let id = &one.id;
    match one.progress.rollout {
        Rollout::InProgress => format!("ECS deployment {id} in progress."),
        Rollout::Completed => format!("ECS deployment {id} completed."),
        Rollout::RollingBack(cause) => {
            let to = one.took_over.first().unwrap_or(id);
            format!("{}: rolling back to deploymentId {to}.", blamed(cause))
        }
        Rollout::Failed(cause) => match cause {
            Cause::TasksFailedToStart => format!("{}: task failed to start.", blamed(cause)),
            Cause::TasksFailedHealthChecks => format!("{}: task failed health checks.", blamed(cause)),
            Cause::Alarm => format!("{}: alarm detected.", blamed(cause)),
            Cause::StoppedToRollBack | Cause::Aborted => format!("ECS deployment {id} stopped."),
        },
    }
}

/// What gave a deployment up.
fn blamed(cause: Cause) -> &'static str {
    match cause {
        Cause::TasksFailedToStart | Cause::TasksFailedHealthChecks => "ECS deployment circuit breaker",
        Cause::Alarm => "ECS deployment alarm",
        Cause::StoppedToRollBack | Cause::Aborted => "ECS deployment stopped",
    }
}

/// A task set; its tags only where they were asked for.
pub(super) fn task_set(
    view: &Snapshot,
    service: &Service,
    set: &ServiceTaskSet,
    with_tags: bool,
) -> api::TaskSet {
    let counted = counts_of(view, service, &set.id);
    // Only CodeDeploy's sets say who started them.
    let started_by = (service.controller == Controller::CodeDeploy).then(|| "CODE_DEPLOY".to_owned());
    let status = set.status;
    let stability = match set.progress.is_steady() {
        true => "STEADY_STATE",
        false => "STABILIZING",
    };
    api::TaskSet {
        id: Some(set.id.clone()),
        task_set_arn: Some(set.arn.to_string()),
        service_arn: Some(service.arn.to_string()),
        cluster_arn: service.definition.cluster_arn.clone(),
        started_by,
        status: Some(status.as_str().to_owned()),
        task_definition: Some(set.task_definition.to_string()),
        computed_desired_count: Some(number(set.desired(service.desired))),
        pending_count: Some(number(counted.pending)),
        running_count: Some(number(counted.running)),
        created_at: Some(set.created),
        updated_at: Some(set.updated),
        load_balancers: Some(Vec::new()),
        service_registries: Some(Vec::new()),
        scale: Some(api::Scale {
            value: Some(if status == TaskSetStatus::Draining {
                0.0
            } else {
                set.scale
            }),
            unit: Some("PERCENT".to_owned()),
        }),
        stability_status: Some(stability.to_owned()),
        stability_status_at: Some(set.progress.steady_told.unwrap_or(set.updated)),
        tags: with_tags.then(|| tags::shown(&set.tags)),
        ..set.chosen.clone()
    }
}

fn event(event: &ServiceEvent) -> api::ServiceEvent {
    api::ServiceEvent {
        id: Some(event.id.clone()),
        created_at: Some(event.at),
        message: Some(event.message.clone()),
    }
}

/// A count as the wire has it.
pub(super) fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
