//! DescribeDaemonDeployments, ListDaemonDeployments and DescribeDaemonRevisions.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{DescribeDaemonDeployments, DescribeDaemonRevisions, ListDaemonDeployments};

use super::names::DaemonRef;
use super::shown;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::Scope;
use crate::services::ecs::paging::{DEPLOYMENTS, Pager};
use crate::services::ecs::services::part::{HistoryFilter, PartRef};
use crate::world::Snapshot;
use crate::world::records::ecs::{DaemonDeployment, history_prefix};

const DEPLOYMENT: &str = "daemon-deployment";
const REVISION: &str = "daemon-revision";

fn deployments(scope: Scope<'_>, arns: &[String]) -> Result<Vec<PartRef>, EcsError> {
    PartRef::batch(scope, DEPLOYMENT, "daemonDeploymentArns", arns)
}

fn revisions(scope: Scope<'_>, arns: &[String]) -> Result<Vec<PartRef>, EcsError> {
    PartRef::batch(scope, REVISION, "daemonRevisionArns", arns)
}

/// Each deployment asked for with its daemon, one by one (ecs.md 15, rule 3).
pub(super) fn require_describe_deployments(
    ask: Ask<'_, api::DescribeDaemonDeploymentsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let parts = deployments(ask.call.into(), &ask.input.daemon_deployment_arns)?;
    let checks = |part: &PartRef| part.history_checks(ask.view, "ecs:DescribeDaemonDeployments");
    Ok(parts.iter().flat_map(checks).collect())
}

/// The deployments that are kept, and a failure for each that is not.
pub(super) fn describe_deployments(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeDaemonDeployments>,
) -> Result<api::DescribeDaemonDeploymentsResponse, ServiceError> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for part in deployments(auth.call().into(), &auth.input().daemon_deployment_arns)? {
        match view.ecs.daemon_deployments.get(&part.key) {
            Some(one) => found.push(shown::deployment(view, one)),
            None => failures.push(missing(&part.arn)),
        }
    }
    Ok(api::DescribeDaemonDeploymentsResponse {
        daemon_deployments: Some(found),
        failures: Some(failures),
    })
}

/// Each revision asked for with its daemon, one by one.
pub(super) fn require_describe_revisions(
    ask: Ask<'_, api::DescribeDaemonRevisionsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let parts = revisions(ask.call.into(), &ask.input.daemon_revision_arns)?;
    let checks = |part: &PartRef| part.history_checks(ask.view, "ecs:DescribeDaemonRevisions");
    Ok(parts.iter().flat_map(checks).collect())
}

/// The revisions that are kept, and a failure for each that is not.
pub(super) fn describe_revisions(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeDaemonRevisions>,
) -> Result<api::DescribeDaemonRevisionsResponse, ServiceError> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for part in revisions(auth.call().into(), &auth.input().daemon_revision_arns)? {
        match view.ecs.daemon_revisions.get(&part.key) {
            Some(one) => found.push(one.definition.clone()),
            None => failures.push(missing(&part.arn)),
        }
    }
    Ok(api::DescribeDaemonRevisionsResponse {
        daemon_revisions: Some(found),
        failures: Some(failures),
    })
}

/// The daemon.
pub(super) fn require_list_deployments(
    ask: Ask<'_, api::ListDaemonDeploymentsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let daemon = DaemonRef::from_arn(ask.call.into(), &ask.input.daemon_arn)?;
    Ok(vec![daemon.check(ask.view, "ecs:ListDaemonDeployments")])
}

/// The deployments of a daemon, newest first; not those of one that had its name before.
pub(super) fn list_deployments(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListDaemonDeployments>,
) -> Result<api::ListDaemonDeploymentsResponse, ServiceError> {
    let input = auth.input();
    let reference = DaemonRef::from_arn(auth.call().into(), &input.daemon_arn)?;
    let daemon = reference.known(view)?;
    let prefix = history_prefix(&daemon.region, &daemon.cluster, &daemon.name);
    let (token, count) = (input.next_token.as_deref(), input.max_results);
    let pager = Pager::new(DEPLOYMENTS, &prefix, token, count)?;
    let filter = HistoryFilter {
        statuses: input.status.as_deref().unwrap_or_default(),
        created: input.created_at.as_ref(),
    };
    let wanted = |one: &DaemonDeployment| {
        one.created >= daemon.created && filter.accepts(one.status.as_str(), one.created)
    };
    let rows = view.ecs.daemon_deployments.prefix(&prefix);
    let mut rows: Vec<_> = rows
        .map(|(_, one)| (age_key(&prefix, one), one))
        .filter(|(key, one)| pager.after.as_ref().is_none_or(|after| key > after) && wanted(one))
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (page, next_token) = pager.page(rows.into_iter().map(|(key, one)| (key, shown::brief(one))));
    Ok(api::ListDaemonDeploymentsResponse {
        daemon_deployments: Some(page),
        next_token,
    })
}

/// What puts the newest first.
fn age_key(prefix: &str, one: &DaemonDeployment) -> String {
    let age = i64::MAX.saturating_sub(one.created.as_millis());
    format!("{prefix}{age:020}/{}", one.id)
}
