//! DeleteService.

use portcullis_api::ecs::op::DeleteService;
use portcullis_api::ecs::{DeleteServiceRequest, DeleteServiceResponse};
use portcullis_core::{Tags, Timestamp};

use super::{deploying, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::schedule::life_cycle::give_up_rooms;
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::world::Tx;
use crate::world::records::ecs::{Cluster, SchedulingStrategy, Service, ServiceStatus, TaskSetStatus};

/// The service.
pub fn require_delete(ask: Ask<'_, DeleteServiceRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &ask.input.service)?;
    let tags = service.service(ask.view).map(|found| &found.tags);
    Ok(vec![on_member("ecs:DeleteService", &cluster, &service, tags)])
}

/// Ends a service. With tasks it is DRAINING until the scheduler has stopped them, without it is INACTIVE at once.
pub fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteService>,
) -> Result<DeleteServiceResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(auth.call().into(), input.cluster.as_deref())?;
    cluster.active(tx.view())?;
    let reference = MemberRef::resolve(&cluster, Kind::Service, &input.service)?;
    let mut service = Service::clone(reference.service(tx.view()).ok_or(EcsError::ServiceNotFound)?);
    if service.status == ServiceStatus::Active {
        let is_scaled = service.strategy == SchedulingStrategy::Replica && service.desired > 0;
        if is_scaled && input.force != Some(true) {
            return Err(EcsError::ServiceScaled.into());
        }
        deploying::supersede(tx, &service);
        service.desired = 0;
        give_up_rooms(
            tx,
            &Cluster::key_of(&service.region, &service.cluster),
            &service.group(),
        );
        if shown::counts(tx.view(), &service).all() == 0 {
            end(&mut service, tx.now);
        } else {
            drain(&mut service, tx.now);
        }
        tx.put(service.clone());
    }
    Ok(DeleteServiceResponse {
        service: Some(shown::service(tx.view(), &service, true)),
    })
}

fn drain(service: &mut Service, now: Timestamp) {
    service.status = ServiceStatus::Draining;
    for set in &mut service.task_sets {
        set.status = TaskSetStatus::Draining;
        set.updated = now;
    }
}

/// A deleted service whose tasks have all been told to stop is INACTIVE: its name is free, its tags are gone.
pub(crate) fn end(service: &mut Service, now: Timestamp) {
    service.status = ServiceStatus::Inactive { since: now };
    service.tags = Tags::new();
    service.deployments.clear();
    service.task_sets.clear();
}
