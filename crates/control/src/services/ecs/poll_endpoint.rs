//! DiscoverPollEndpoint: where agents open their connections.

use portcullis_api::ecs::op::DiscoverPollEndpoint;
use portcullis_api::ecs::{DiscoverPollEndpointRequest, DiscoverPollEndpointResponse};

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;

/// No resource.
pub fn require(_ask: Ask<'_, DiscoverPollEndpointRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:DiscoverPollEndpoint", "*")])
}

/// Endpoints under the address the agent has reached us by. There is none for Service Connect.
pub fn discover(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DiscoverPollEndpoint>,
) -> Result<DiscoverPollEndpointResponse, ServiceError> {
    let call = auth.call();
    let scheme = if call.is_secure() { "https" } else { "http" };
    let host = call
        .host
        .as_deref()
        .ok_or_else(|| ServiceError::internal(call.service))?;
    Ok(DiscoverPollEndpointResponse {
        endpoint: Some(format!("{scheme}://{host}/acs/")),
        telemetry_endpoint: Some(format!("{scheme}://{host}/tcs/")),
        service_connect_endpoint: None,
    })
}
