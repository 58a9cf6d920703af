//! ListPoliciesGrantingServiceAccess: which policies of a user, group or role grant any action of a service.

use std::collections::BTreeMap;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_reference::ServiceId;

use super::about::About;
use crate::advisor::Grants;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::services::iam::errors::IamError;
use crate::services::iam::managed_policies;
use crate::services::iam::paging::Paging;
use crate::services::iam::simulate::attached::{self, Attached, Place};
use crate::world::Snapshot;

/// The service with that namespace.
pub(super) fn service(namespace: &str) -> Result<ServiceId, IamError> {
    portcullis_reference::service(namespace)
        .ok_or_else(|| IamError::InvalidInput(format!("There is no service with the namespace {namespace}.")))
}

pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListPoliciesGrantingServiceAccess>,
) -> Result<api::ListPoliciesGrantingServiceAccessResponse, ServiceError> {
    let input = auth.input();
    let arn = managed_policies::parse(&input.arn)?;
    let About::Entity(subject) = About::find(view, &arn)? else {
        return Err(managed_policies::invalid_arn(&input.arn).into());
    };
    let services = input
        .service_namespaces
        .iter()
        .map(|namespace| service(namespace));
    let services = services.collect::<Result<Vec<_>, _>>()?;
    let policies = attached::policies(view, &subject)?;
    let policies: Vec<_> = policies
        .iter()
        .map(|policy| (policy, Grants::of(std::iter::once(policy.document))))
        .collect();
    let entries = services.into_iter().map(|service| {
        let granting = policies.iter().filter(|(_, grants)| grants.has_service(service));
        // A managed policy may come directly and by a group.
        let granting: BTreeMap<_, _> = granting.map(|(policy, _)| (key(policy), shown(policy))).collect();
        api::ListPoliciesGrantingServiceAccessEntry {
            service_namespace: Some(service.prefix().to_owned()),
            policies: Some(granting.into_values().collect()),
        }
    });
    let page = Paging::of(input.marker.as_ref(), None)?.counted(entries)?;
    Ok(api::ListPoliciesGrantingServiceAccessResponse {
        is_truncated: page.is_truncated(),
        policies_granting_service_access: page.items,
        marker: page.marker,
    })
}

fn key<'p>(policy: &'p Attached<'_>) -> (&'p str, &'p str, &'p str) {
    match policy.place {
        Place::Managed(arn) => (arn.as_str(), "", ""),
        Place::Inline { kind, holder, name } => (name, kind, holder),
    }
}

fn shown(policy: &Attached<'_>) -> api::PolicyGrantingServiceAccess {
    match policy.place {
        Place::Managed(arn) => api::PolicyGrantingServiceAccess {
            policy_name: policy.id.clone(),
            policy_type: "MANAGED".to_owned(),
            policy_arn: Some(arn.to_string()),
            ..Default::default()
        },
        Place::Inline { kind, holder, name } => api::PolicyGrantingServiceAccess {
            policy_name: name.to_owned(),
            policy_type: "INLINE".to_owned(),
            entity_type: Some(kind.to_ascii_uppercase()),
            entity_name: Some(holder.to_owned()),
            ..Default::default()
        },
    }
}
