//! DescribeTaskSets.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::DescribeTaskSets;

use super::super::part::PartRef;
use super::super::shown;
use super::{KIND, check, home, resolve, service_of_sets};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, MemberRef, Scope};
use crate::services::ecs::paging::at_most;
use crate::services::ecs::{missing, tags};
use crate::world::Snapshot;

/// Most task sets of one call; the model names no limit.
const BATCH_MAX: usize = 100;

fn asked(
    scope: Scope<'_>,
    input: &api::DescribeTaskSetsRequest,
) -> Result<(ClusterRef, MemberRef, Vec<PartRef>), EcsError> {
    let (cluster, service) = home(scope, &input.cluster, &input.service)?;
    let ids = input.task_sets.as_deref().unwrap_or_default();
    at_most("taskSets", BATCH_MAX, ids.len())?;
    let parts = ids.iter().map(|id| resolve(scope, &cluster, &service, id));
    let parts = parts.collect::<Result<_, _>>()?;
    Ok((cluster, service, parts))
}

/// Each task set asked for, or literally `task-set/CLUSTER/SERVICE/*` when none is named.
pub fn require(ask: Ask<'_, api::DescribeTaskSetsRequest>) -> Result<Vec<Check>, ServiceError> {
    let (cluster, service, parts) = asked(ask.call.into(), ask.input)?;
    if parts.is_empty() {
        let any = PartRef::of(&cluster, &service, KIND, "*")?;
        return Ok(vec![any.check("ecs:DescribeTaskSets", None)]);
    }
    let one = |part: &PartRef| check(ask.view, "ecs:DescribeTaskSets", part);
    Ok(parts.iter().map(one).collect())
}

/// The task sets asked for, or all of the service.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeTaskSets>,
) -> Result<api::DescribeTaskSetsResponse, ServiceError> {
    let (cluster, reference, parts) = asked(auth.call().into(), auth.input())?;
    cluster.known(view)?;
    let service = service_of_sets(view, &reference)?;
    let with_tags = tags::wanted(auth.input().include.as_deref());
    let mut failures = Vec::new();
    let mut sets = Vec::new();
    if parts.is_empty() {
        sets.extend(&service.task_sets);
    }
    for part in &parts {
        match part.task_set(view) {
            Some(set) => sets.push(set),
            None => failures.push(missing(&part.arn)),
        }
    }
    let shown = |set| shown::task_set(view, &service, set, with_tags);
    Ok(api::DescribeTaskSetsResponse {
        task_sets: Some(sets.into_iter().map(shown).collect()),
        failures: Some(failures),
    })
}
