//! Service deployments as replies show them.

use portcullis_api::ecs as api;

use super::shown::{counts_of_deployment, number};
use crate::schedule::services::breaker_of;
use crate::world::Snapshot;
use crate::world::records::ecs::{Breaker, DeploymentStatus, Rollback, Service, ServiceDeployment};

/// The ARN of a revision of the same service.
fn revision_arn(one: &ServiceDeployment, id: &str) -> String {
    beside(
        one,
        format_args!("service-revision/{}/{}/{id}", one.cluster, one.service),
    )
}

fn beside(one: &ServiceDeployment, resource: std::fmt::Arguments<'_>) -> String {
    let arn = one.arn.as_str();
    let head = arn.strip_suffix(one.arn.resource()).unwrap_or(arn);
    format!("{head}{resource}")
}

fn service_arn(one: &ServiceDeployment) -> String {
    beside(one, format_args!("service/{}/{}", one.cluster, one.service))
}

fn cluster_arn(one: &ServiceDeployment) -> String {
    beside(one, format_args!("cluster/{}", one.cluster))
}

/// A deployment as ListServiceDeployments shows it.
pub(super) fn brief(one: &ServiceDeployment) -> api::ServiceDeploymentBrief {
    api::ServiceDeploymentBrief {
        service_deployment_arn: Some(one.arn.to_string()),
        service_arn: Some(service_arn(one)),
        cluster_arn: Some(cluster_arn(one)),
        started_at: one.started,
        created_at: Some(one.created),
        finished_at: one.finished,
        target_service_revision_arn: Some(revision_arn(one, &one.target)),
        status: Some(one.status.as_str().to_owned()),
        status_reason: one.reason.clone(),
    }
}

/// A deployment whole.
pub(super) fn deployment(view: &Snapshot, one: &ServiceDeployment) -> api::ServiceDeployment {
    let key = Service::key_of(&one.region, &one.cluster, &one.service);
    let service = view.ecs.services.get(&key).map(AsRef::as_ref);
    let target = api::ServiceRevisionSummary {
        requested_task_count: Some(number(one.target_count)),
        ..summary(view, service, one, &one.target)
    };
    let sources = one.sources.iter();
    api::ServiceDeployment {
        service_deployment_arn: Some(one.arn.to_string()),
        service_arn: Some(service_arn(one)),
        cluster_arn: Some(cluster_arn(one)),
        created_at: Some(one.created),
        started_at: one.started,
        finished_at: one.finished,
        stopped_at: one.stopped,
        updated_at: Some(one.updated),
        source_service_revisions: Some(sources.map(|id| summary(view, service, one, id)).collect()),
        target_service_revision: Some(target),
        status: Some(one.status.as_str().to_owned()),
        status_reason: one.reason.clone(),
        deployment_configuration: Some(one.configuration.clone()),
        rollback: one.rollback.as_ref().map(|back| rollback(one, back)),
        deployment_circuit_breaker: breaker(service, one),
        alarms: alarms(one),
        ..api::ServiceDeployment::default()
    }
}

/// A revision with the tasks it has now.
fn summary<'s>(
    view: &Snapshot,
    service: Option<&'s Service>,
    one: &ServiceDeployment,
    id: &str,
) -> api::ServiceRevisionSummary {
    let mut counts = (0, 0, 0);
    let each = |service: &'s Service| service.deployments.iter().map(move |one| (service, one));
    let deployments = service.into_iter().flat_map(each);
    for (service, deployment) in deployments.filter(|(_, deployment)| deployment.revision == id) {
        let found = counts_of_deployment(view, service, deployment);
        let requested = match deployment.status {
            DeploymentStatus::Primary => service.desired,
            DeploymentStatus::Active => found.all(),
        };
        counts = (
            counts.0 + requested,
            counts.1 + found.running,
            counts.2 + found.pending,
        );
    }
    api::ServiceRevisionSummary {
        arn: Some(revision_arn(one, id)),
        requested_task_count: Some(number(counts.0)),
        running_task_count: Some(number(counts.1)),
        pending_task_count: Some(number(counts.2)),
        ..api::ServiceRevisionSummary::default()
    }
}

fn rollback(one: &ServiceDeployment, back: &Rollback) -> api::Rollback {
    api::Rollback {
        reason: Some(back.reason.clone()),
        started_at: Some(back.started),
        service_revision_arn: Some(revision_arn(one, &back.revision)),
    }
}

/// What the circuit breaker counts: as it was at the end, else as it is.
fn breaker(
    service: Option<&Service>,
    one: &ServiceDeployment,
) -> Option<api::ServiceDeploymentCircuitBreaker> {
    let configured = one.configuration.deployment_circuit_breaker.as_ref();
    let Some(active) = configured.and_then(breaker_of) else {
        return Some(api::ServiceDeploymentCircuitBreaker {
            status: Some("DISABLED".to_owned()),
            ..api::ServiceDeploymentCircuitBreaker::default()
        });
    };
    let mut deployments = service.iter().flat_map(|service| &service.deployments);
    let failures = deployments.find(|deployment| deployment.revision == one.target);
    let counted = one.breaker.unwrap_or(Breaker {
        failures: failures.map_or(0, |deployment| deployment.progress.breaker_failures),
        threshold: active.threshold.failures(one.target_count),
        triggered: false,
    });
    let status = match (counted.triggered, one.status.is_final()) {
        (true, _) => "TRIGGERED",
        (false, true) => "MONITORING_COMPLETE",
        (false, false) => "MONITORING",
    };
    Some(api::ServiceDeploymentCircuitBreaker {
        status: Some(status.to_owned()),
        failure_count: Some(number(counted.failures)),
        threshold: Some(number(counted.threshold)),
    })
}

/// No alarm can be watched here, so that none ever triggers.
fn alarms(one: &ServiceDeployment) -> Option<api::ServiceDeploymentAlarms> {
    let configured = one.configuration.alarms.as_ref()?;
    let status = match (configured.enable, one.status.is_final()) {
        (false, _) => "DISABLED",
        (true, true) => "MONITORING_COMPLETE",
        (true, false) => "MONITORING",
    };
    Some(api::ServiceDeploymentAlarms {
        status: Some(status.to_owned()),
        alarm_names: Some(configured.alarm_names.clone()),
        triggered_alarm_names: Some(Vec::new()),
    })
}
