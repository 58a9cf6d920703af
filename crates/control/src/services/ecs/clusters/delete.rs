//! DeleteCluster.

use portcullis_api::ecs::op::DeleteCluster;
use portcullis_api::ecs::{DeleteClusterRequest, DeleteClusterResponse};
use portcullis_core::Tags;

use super::{Parts, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::ClusterRef;
use crate::world::Tx;
use crate::world::records::ecs::{Cluster, ClusterStatus, Counts};

/// The cluster.
pub fn require_delete(ask: Ask<'_, DeleteClusterRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), Some(&ask.input.cluster))?;
    Ok(vec![on_cluster(ask.view, "ecs:DeleteCluster", &cluster)])
}

/// Makes an empty cluster INACTIVE; one that already is stays as it is.
pub fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteCluster>,
) -> Result<DeleteClusterResponse, ServiceError> {
    let reference = ClusterRef::resolve(auth.call().into(), Some(&auth.input().cluster))?;
    let cluster = reference.find(tx.view()).ok_or(EcsError::ClusterNotFound)?;
    let mut cluster = Cluster::clone(cluster);
    if cluster.is_active() {
        let key = Cluster::key_of(&cluster.region, &cluster.name);
        check_empty(
            tx.view()
                .ecs
                .counts
                .get(&key)
                .map(|counts| **counts)
                .unwrap_or_default(),
        )?;
        if tx.view().ecs.daemons.prefix(&format!("{key}/")).next().is_some() {
            return Err(EcsError::ClusterContainsServices.into());
        }
        cluster.status = ClusterStatus::Inactive { since: tx.now };
        cluster.tags = Tags::new();
        tx.put(cluster.clone());
    }
    let reply = shown(tx.view(), &reference, &cluster, Parts::AFTER_CHANGE);
    Ok(DeleteClusterResponse { cluster: Some(reply) })
}

/// The preconditions in AWS's order.
fn check_empty(counts: Counts) -> Result<(), EcsError> {
    if counts.container_instances > 0 {
        return Err(EcsError::ClusterContainsContainerInstances);
    }
    if counts.active_services.sum() > 0 {
        return Err(EcsError::ClusterContainsServices);
    }
    if counts.running_tasks.sum() > 0 || counts.pending_tasks.sum() > 0 {
        return Err(EcsError::ClusterContainsTasks);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::records::ecs::ByLaunchType;

    #[test]
    fn what_a_cluster_holds_is_named_in_awss_order() {
        let some = ByLaunchType {
            external: 1,
            ..ByLaunchType::default()
        };
        let cases = [
            (Counts::default(), None),
            (
                Counts {
                    draining_services: some,
                    ..Counts::default()
                },
                None,
            ),
            (
                Counts {
                    pending_tasks: some,
                    ..Counts::default()
                },
                Some(EcsError::ClusterContainsTasks),
            ),
            (
                Counts {
                    active_services: some,
                    running_tasks: some,
                    ..Counts::default()
                },
                Some(EcsError::ClusterContainsServices),
            ),
            (
                Counts {
                    container_instances: 1,
                    active_services: some,
                    ..Counts::default()
                },
                Some(EcsError::ClusterContainsContainerInstances),
            ),
        ];
        for (counts, expected) in cases {
            assert_eq!(check_empty(counts).err(), expected, "{counts:?}");
        }
    }
}
