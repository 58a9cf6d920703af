//! DeleteService.

use portcullis_api::ecs::op::DeleteService;
use portcullis_api::ecs::{DeleteServiceRequest, DeleteServiceResponse};
use portcullis_core::Tags;

use super::shown;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef};
use crate::world::Tx;
use crate::world::records::ecs::{Service, ServiceStatus};

/// The service.
pub fn require_delete(ask: Ask<'_, DeleteServiceRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &ask.input.service)?;
    let tags = service.service(ask.view).map(|found| &found.tags);
    Ok(vec![on_member("ecs:DeleteService", &cluster, &service, tags)])
}

/// Ends a service that is scaled to 0; without tasks that could drain it is INACTIVE at once.
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
        if service.definition.desired_count.unwrap_or(0) > 0 && input.force != Some(true) {
            return Err(EcsError::ServiceScaled.into());
        }
        service.status = ServiceStatus::Inactive { since: tx.now };
        service.tags = Tags::new();
        tx.put(service.clone());
    }
    Ok(DeleteServiceResponse {
        service: Some(shown(&service, true)),
    })
}
