//! DescribeClusters and ListClusters.

use portcullis_api::ecs::op::{DescribeClusters, ListClusters};
use portcullis_api::ecs::{
    DescribeClustersRequest, DescribeClustersResponse, Failure, ListClustersRequest, ListClustersResponse,
};

use super::{Parts, shown};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::missing;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::paging::{HUNDRED, Pager, at_most};
use crate::world::Snapshot;

const BATCH_MAX: usize = 100;

/// Each cluster asked for, one by one.
pub fn require_describe(ask: Ask<'_, DescribeClustersRequest>) -> Result<Vec<Check>, ServiceError> {
    let clusters = asked(ask.call.into(), ask.input)?;
    Ok(clusters
        .iter()
        .map(|cluster| on_cluster(ask.view, "ecs:DescribeClusters", cluster))
        .collect())
}

fn asked(scope: Scope<'_>, input: &DescribeClustersRequest) -> Result<Vec<ClusterRef>, EcsError> {
    match input.clusters.as_deref() {
        None | Some([]) => Ok(vec![ClusterRef::resolve(scope, None)?]),
        Some(names) => {
            at_most("clusters", BATCH_MAX, names.len())?;
            names
                .iter()
                .map(|name| ClusterRef::resolve(scope, Some(name)))
                .collect()
        }
    }
}

/// The clusters that exist, INACTIVE ones included, and a failure for each that does not.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeClusters>,
) -> Result<DescribeClustersResponse, ServiceError> {
    let parts = Parts::asked(auth.input().include.as_deref());
    let mut clusters = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    for reference in asked(auth.call().into(), auth.input())? {
        match reference.find(view) {
            Some(cluster) => clusters.push(shown(view, &reference, cluster, parts)),
            None => failures.push(missing(&reference.arn)),
        }
    }
    Ok(DescribeClustersResponse {
        clusters: Some(clusters),
        failures: Some(failures),
    })
}

/// No resource: only `Resource: "*"` matches (rule 5).
pub fn require_list(_ask: Ask<'_, ListClustersRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:ListClusters", "*")])
}

/// The ACTIVE clusters of the region.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListClusters>,
) -> Result<ListClustersResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let prefix = format!("{}/", scope.region);
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let rows = view.ecs.clusters.after(&prefix, pager.after.as_deref());
    let active = rows.filter(|(_, cluster)| cluster.is_active());
    let arns = active.map(|(key, cluster)| (key, ClusterRef::named(scope, &cluster.name).arn.to_string()));
    let (cluster_arns, next_token) = pager.page(arns);
    Ok(ListClustersResponse {
        cluster_arns: Some(cluster_arns),
        next_token,
    })
}
