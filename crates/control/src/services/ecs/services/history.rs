//! Service deployments and revisions on the wire.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{
    ContinueServiceDeployment, DescribeServiceDeployments, DescribeServiceRevisions, ListServiceDeployments,
    StopServiceDeployment,
};

use super::faults::ServiceFault;
use super::part::{HistoryFilter, PartRef};
use super::shown_history;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::paging::{DEPLOYMENTS, Pager};
use crate::world::records::ecs::{
    DeploymentStatus, Service, ServiceDeployment, ServiceDeploymentStatus, history_prefix,
};
use crate::world::{Snapshot, Tx};

const DEPLOYMENT: &str = "service-deployment";
const REVISION: &str = "service-revision";

fn deployments(
    scope: Scope<'_>,
    input: &api::DescribeServiceDeploymentsRequest,
) -> Result<Vec<PartRef>, EcsError> {
    PartRef::batch(
        scope,
        DEPLOYMENT,
        "serviceDeploymentArns",
        &input.service_deployment_arns,
    )
}

fn revisions(
    scope: Scope<'_>,
    input: &api::DescribeServiceRevisionsRequest,
) -> Result<Vec<PartRef>, EcsError> {
    PartRef::batch(
        scope,
        REVISION,
        "serviceRevisionArns",
        &input.service_revision_arns,
    )
}

/// Each deployment asked for with its service, one by one (ecs.md 15, rule 3).
pub fn require_describe_deployments(
    ask: Ask<'_, api::DescribeServiceDeploymentsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let parts = deployments(ask.call.into(), ask.input)?;
    let checks = |part: &PartRef| part.history_checks(ask.view, "ecs:DescribeServiceDeployments");
    Ok(parts.iter().flat_map(checks).collect())
}

/// The deployments that are kept, and a failure for each that is not.
pub fn describe_deployments(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeServiceDeployments>,
) -> Result<api::DescribeServiceDeploymentsResponse, ServiceError> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for part in deployments(auth.call().into(), auth.input())? {
        match view.ecs.service_deployments.get(&part.key) {
            Some(one) => found.push(shown_history::deployment(view, one)),
            None => failures.push(missing(&part.arn)),
        }
    }
    Ok(api::DescribeServiceDeploymentsResponse {
        service_deployments: Some(found),
        failures: Some(failures),
    })
}

/// Each revision asked for with its service, one by one.
pub fn require_describe_revisions(
    ask: Ask<'_, api::DescribeServiceRevisionsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let parts = revisions(ask.call.into(), ask.input)?;
    let checks = |part: &PartRef| part.history_checks(ask.view, "ecs:DescribeServiceRevisions");
    Ok(parts.iter().flat_map(checks).collect())
}

/// The revisions that are kept, and a failure for each that is not.
pub fn describe_revisions(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeServiceRevisions>,
) -> Result<api::DescribeServiceRevisionsResponse, ServiceError> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for part in revisions(auth.call().into(), auth.input())? {
        match view.ecs.service_revisions.get(&part.key) {
            Some(one) => found.push(one.definition.clone()),
            None => failures.push(missing(&part.arn)),
        }
    }
    Ok(api::DescribeServiceRevisionsResponse {
        service_revisions: Some(found),
        failures: Some(failures),
    })
}

/// The service.
pub fn require_list_deployments(
    ask: Ask<'_, api::ListServiceDeploymentsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &ask.input.service)?;
    let tags = service.service(ask.view).map(|found| &found.tags);
    Ok(vec![on_member(
        "ecs:ListServiceDeployments",
        &cluster,
        &service,
        tags,
    )])
}

/// The deployments of a service, newest first.
pub fn list_deployments(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListServiceDeployments>,
) -> Result<api::ListServiceDeploymentsResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.known(view)?;
    let reference = MemberRef::resolve(&cluster, Kind::Service, &input.service)?;
    let service = reference.service(view).ok_or(EcsError::ServiceNotFound)?;
    let prefix = history_prefix(&service.region, &service.cluster, &service.name);
    let pager = Pager::new(
        DEPLOYMENTS,
        &prefix,
        input.next_token.as_deref(),
        input.max_results,
    )?;
    let filter = HistoryFilter {
        statuses: input.status.as_deref().unwrap_or_default(),
        created: input.created_at.as_ref(),
    };
    let wanted = |one: &ServiceDeployment| filter.accepts(one.status.as_str(), one.created);
    let rows = view.ecs.history.after(&prefix, pager.after.as_deref());
    let rows = rows.filter_map(|(key, _)| {
        let (_, id) = key.rsplit_once('/')?;
        let found = view.ecs.service_deployments.get(&format!("{prefix}{id}"))?;
        wanted(found).then(|| (key, shown_history::brief(found)))
    });
    let (page, next_token) = pager.page(rows);
    Ok(api::ListServiceDeploymentsResponse {
        service_deployments: Some(page),
        next_token,
    })
}

/// The deployment and its service.
pub fn require_stop_deployment(
    ask: Ask<'_, api::StopServiceDeploymentRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let part = PartRef::from_arn(ask.call.into(), DEPLOYMENT, &ask.input.service_deployment_arn)?;
    Ok(part
        .history_checks(ask.view, "ecs:StopServiceDeployment")
        .to_vec())
}

/// Asks the scheduler to give a deployment up: to go back, or with ABORT to leave things as they are.
pub fn stop_deployment(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, StopServiceDeployment>,
) -> Result<api::StopServiceDeploymentResponse, ServiceError> {
    let input = auth.input();
    let part = PartRef::from_arn(auth.call().into(), DEPLOYMENT, &input.service_deployment_arn)?;
    let (service, mut entry) = under_way(tx.view(), &part)?;
    let reply = api::StopServiceDeploymentResponse {
        service_deployment_arn: Some(part.arn.to_string()),
    };
    let is_asked = !matches!(
        entry.status,
        ServiceDeploymentStatus::Pending | ServiceDeploymentStatus::InProgress
    );
    if is_asked {
        return Ok(reply);
    }
    let mut service = service;
    let aborts = input.stop_type.as_deref() == Some("ABORT");
    let has_way_back = service.deployments.iter().any(|one| {
        one.status == DeploymentStatus::Active && Some(&one.revision) == service.completed_revision.as_ref()
    });
    if !aborts && !has_way_back {
        return Err(ServiceFault::NoWayBack.into());
    }
    for one in &mut service.deployments {
        if one.status == DeploymentStatus::Primary && aborts {
            one.progress.ask_abort();
        } else if one.status == DeploymentStatus::Primary {
            one.progress.ask_rollback();
        }
    }
    entry.status = match aborts {
        true => ServiceDeploymentStatus::StopRequested,
        false => ServiceDeploymentStatus::RollbackRequested,
    };
    entry.stopped = Some(tx.now);
    entry.updated = tx.now;
    tx.put(entry);
    tx.put(service);
    Ok(reply)
}

/// A deployment with its service; one that ended cannot be changed any more.
fn under_way(view: &Snapshot, part: &PartRef) -> Result<(Service, ServiceDeployment), EcsError> {
    let found = view.ecs.service_deployments.get(&part.key);
    let found = found.ok_or(ServiceFault::DeploymentNotFound)?;
    let service = part.service.service(view);
    let service = service.ok_or(ServiceFault::DeploymentNotFound)?;
    if found.status.is_final() {
        return Err(ServiceFault::DeploymentEnded(found.status.as_str()).into());
    }
    Ok((Service::clone(service), ServiceDeployment::clone(found)))
}

/// The deployment and its service.
pub fn require_continue_deployment(
    ask: Ask<'_, api::ContinueServiceDeploymentRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let part = PartRef::from_arn(ask.call.into(), DEPLOYMENT, &ask.input.service_deployment_arn)?;
    Ok(part
        .history_checks(ask.view, "ecs:ContinueServiceDeployment")
        .to_vec())
}

/// Nothing here pauses at a hook, so that there is nothing to continue.
pub fn continue_deployment(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ContinueServiceDeployment>,
) -> Result<api::ContinueServiceDeploymentResponse, ServiceError> {
    let input = auth.input();
    let part = PartRef::from_arn(auth.call().into(), DEPLOYMENT, &input.service_deployment_arn)?;
    tx.view()
        .ecs
        .service_deployments
        .get(&part.key)
        .ok_or(ServiceFault::DeploymentNotFound)?;
    Err(ServiceFault::NothingToContinue(input.hook_id.clone()).into())
}
