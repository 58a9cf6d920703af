//! Services (ecs.md 11). There is no scheduler loop for them yet: a service can be made with a desired count of 0
//! only, and whatever needs more answers UnsupportedFeatureException (docs/fidelity.md).

mod create;
mod delete;
mod read;

use portcullis_api::ecs as api;

pub(super) use create::{create, require_create};
pub(super) use delete::{delete, require_delete};
pub(super) use read::{describe, list, require_describe, require_list};

use super::tags;
use crate::world::records::ecs::{Service, ServiceStatus};

/// A service as replies show it.
fn shown(service: &Service, with_tags: bool) -> api::Service {
    let deployments = match service.status {
        ServiceStatus::Inactive { .. } => Some(Vec::new()),
        _ => service.definition.deployments.clone(),
    };
    api::Service {
        status: Some(service.status.as_str().to_owned()),
        deployments,
        tags: with_tags.then(|| tags::shown(&service.tags)),
        ..service.definition.clone()
    }
}
