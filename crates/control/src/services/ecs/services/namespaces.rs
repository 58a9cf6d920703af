//! ListServicesByNamespace. There are no namespaces but those that clusters name as their default, and no service can join
//! one (docs/fidelity.md), so that every list is empty.

use portcullis_api::ecs::op::ListServicesByNamespace;
use portcullis_api::ecs::{ListServicesByNamespaceRequest, ListServicesByNamespaceResponse};
use portcullis_core::Arn;

use super::faults::ServiceFault;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::paging::{Pager, SERVICES};
use crate::world::Snapshot;
use crate::world::records::ecs::Cluster;

/// No resource, but the namespace as a key (ecs.md 15, rule 5).
pub fn require_by_namespace(
    ask: Ask<'_, ListServicesByNamespaceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![
        Check::new("ecs:ListServicesByNamespace", "*").with("ecs:namespace", ask.input.namespace.as_str()),
    ])
}

/// The services of a namespace: none.
pub fn by_namespace(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListServicesByNamespace>,
) -> Result<ListServicesByNamespaceResponse, ServiceError> {
    let input = auth.input();
    let asked = input.namespace.as_str();
    let prefix = format!("{}/", auth.call().region);
    Pager::new(SERVICES, &prefix, input.next_token.as_deref(), input.max_results)?;
    let is_arn = |text: &str| {
        text.parse::<Arn>()
            .is_ok_and(|arn| arn.service() == "servicediscovery")
    };
    if asked.is_empty() || (asked.starts_with("arn:") && !is_arn(asked)) {
        return Err(EcsError::InvalidIdentifier(asked.to_owned()).into());
    }
    let names = |cluster: &Cluster| {
        let defaults = cluster.chosen.service_connect_defaults.as_ref();
        defaults.and_then(|defaults| defaults.namespace.as_deref()) == Some(asked)
    };
    let mut clusters = view.ecs.clusters.prefix(&prefix);
    if !clusters.any(|(_, cluster)| cluster.is_active() && names(cluster)) {
        return Err(ServiceFault::NamespaceNotFound.into());
    }
    Ok(ListServicesByNamespaceResponse {
        service_arns: Some(Vec::new()),
        next_token: None,
    })
}
