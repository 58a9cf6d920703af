//! Policies: of repositories, and of the registry as a whole.

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    DeleteRegistryPolicyResponse, DeleteRepositoryPolicyResponse, GetRegistryPolicyResponse,
    GetRepositoryPolicyResponse, PutRegistryPolicyResponse, SetRepositoryPolicyResponse,
};

use super::errors::EcrError;
use super::names::Named;
use super::registry;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::services::resource_policies;
use crate::world::records::PolicyText;
use crate::world::records::ecr::Repository;
use crate::world::{Snapshot, Tx};

/// A policy that can be set. The users and roles it names must be there.
pub(super) fn accepted(view: &Snapshot, text: &str) -> Result<PolicyText, EcrError> {
    resource_policies::accept(view, text).map_err(|error| {
        EcrError::parameter(
            "PolicyText",
            format!("Invalid repository policy provided: {error}"),
        )
    })
}

/// Sets the policy of a repository.
pub(super) fn set(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SetRepositoryPolicy>,
) -> Result<SetRepositoryPolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    let policy = accepted(tx.view(), &input.policy_text)?;
    let shown = resource_policies::shown(tx.view(), &policy);
    row.policy = Some(policy);
    tx.put(row);
    Ok(SetRepositoryPolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        policy_text: Some(shown),
    })
}

/// The policy of a repository.
pub(super) fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetRepositoryPolicy>,
) -> Result<GetRepositoryPolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let policy = named.found(view, call)?.policy.as_ref();
    let policy = policy.ok_or_else(|| EcrError::NoRepositoryPolicy(named.place(call)))?;
    Ok(GetRepositoryPolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        policy_text: Some(resource_policies::shown(view, policy)),
    })
}

/// Takes the policy from a repository.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRepositoryPolicy>,
) -> Result<DeleteRepositoryPolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    let policy = row.policy.take();
    let policy = policy.ok_or_else(|| EcrError::NoRepositoryPolicy(named.place(call)))?;
    let shown = resource_policies::shown(tx.view(), &policy);
    tx.put(row);
    Ok(DeleteRepositoryPolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        policy_text: Some(shown),
    })
}

/// Sets the policy of the registry.
pub(super) fn put_of_registry(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutRegistryPolicy>,
) -> Result<PutRegistryPolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let policy = accepted(tx.view(), &input.policy_text)?;
    let shown = resource_policies::shown(tx.view(), &policy);
    let mut row = registry::row(tx.view(), &call.region);
    row.policy = Some(policy);
    tx.put(row);
    Ok(PutRegistryPolicyResponse {
        registry_id: Some(call.account.to_string()),
        policy_text: Some(shown),
    })
}

/// The policy of the registry.
pub(super) fn get_of_registry(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetRegistryPolicy>,
) -> Result<GetRegistryPolicyResponse, ServiceError> {
    let call = auth.call();
    let registry = call.account.to_string();
    let row = view.ecr.registries.get(call.region.as_str());
    let policy = row.and_then(|row| row.policy.as_ref());
    let policy = policy.ok_or_else(|| EcrError::NoRegistryPolicy(registry.clone()))?;
    Ok(GetRegistryPolicyResponse {
        registry_id: Some(registry),
        policy_text: Some(resource_policies::shown(view, policy)),
    })
}

/// Takes the policy from the registry.
pub(super) fn delete_of_registry(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRegistryPolicy>,
) -> Result<DeleteRegistryPolicyResponse, ServiceError> {
    let call = auth.call();
    let account = call.account.to_string();
    let mut row = registry::row(tx.view(), &call.region);
    let policy = row.policy.take();
    let policy = policy.ok_or_else(|| EcrError::NoRegistryPolicy(account.clone()))?;
    let shown = resource_policies::shown(tx.view(), &policy);
    tx.put(row);
    Ok(DeleteRegistryPolicyResponse {
        registry_id: Some(account),
        policy_text: Some(shown),
    })
}
