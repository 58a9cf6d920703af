//! CreateCapacityProvider, UpdateCapacityProvider and DeleteCapacityProvider.

use portcullis_api::ecs::op::{CreateCapacityProvider, DeleteCapacityProvider, UpdateCapacityProvider};
use portcullis_api::ecs::{
    CreateCapacityProviderRequest, CreateCapacityProviderResponse, DeleteCapacityProviderRequest,
    DeleteCapacityProviderResponse, UpdateCapacityProviderRequest, UpdateCapacityProviderResponse,
};
use portcullis_core::Tags;

use super::{ProviderRef, scaling, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::{pass_role, resolve_role, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{Scope, is_name};
use crate::services::ecs::tags;
use crate::world::records::ecs::{CapacityProvider, ProviderStatus};
use crate::world::{Snapshot, Tx};

/// What no provider's name may start with, in any case.
const RESERVED: [&str; 3] = ["aws", "ecs", "fargate"];
/// Who would make instances of ECS Managed Instances.
const INFRASTRUCTURE: &str = "ecs.amazonaws.com";
const MANAGED_INSTANCES: EcsError = EcsError::Unsupported("capacity providers of ECS Managed Instances");

/// The provider's ARN with the request's tags, tagging it, and the role that is passed to ECS.
pub(super) fn require_create(
    ask: Ask<'_, CreateCapacityProviderRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let arn = scope.capacity_provider(&input.name);
    let tags = tags::requested(input.tags.as_deref());
    let managed = input.managed_instances_provider.as_ref();
    let asked = managed.map(|managed| Managed {
        role: &managed.infrastructure_role_arn,
        propagates_metadata: managed
            .instance_launch_template
            .instance_metadata_tags_propagation,
        propagates: managed.propagate_tags.as_deref(),
    });
    let own = Check::new("ecs:CreateCapacityProvider", arn.as_str())
        .of_resource(&tags)
        .of_request(&tags);
    let (own, pass) = with_managed(ask.view, scope, own, asked)?;
    let mut checks = vec![own];
    checks.extend(tag_on_create("CreateCapacityProvider", arn.as_str(), &tags));
    checks.extend(pass);
    Ok(checks)
}

/// What a request says of a provider of ECS Managed Instances.
struct Managed<'a> {
    role: &'a str,
    propagates_metadata: Option<bool>,
    propagates: Option<&'a str>,
}

/// The check with the keys that such a provider fills, and that of passing its role to ECS.
fn with_managed(
    view: &Snapshot,
    scope: Scope<'_>,
    own: Check,
    asked: Option<Managed<'_>>,
) -> Result<(Check, Option<Check>), EcsError> {
    let Some(asked) = asked else {
        return Ok((own, None));
    };
    let role = resolve_role(view, scope, asked.role)?;
    let own = own
        .with_some(
            "ecs:instance-metadata-tags-propagation",
            asked.propagates_metadata.map(|on| on.to_string()),
        )
        .with_some("ecs:propagate-tags", asked.propagates);
    Ok((own, Some(pass_role(&role, INFRASTRUCTURE))))
}

/// Makes a provider of an Auto Scaling group.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateCapacityProvider>,
) -> Result<CreateCapacityProviderResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    check_name(&input.name)?;
    let group = match (
        &input.auto_scaling_group_provider,
        &input.managed_instances_provider,
    ) {
        (Some(group), None) => scaling::complete(scope, group)?,
        (None, Some(_)) => return Err(MANAGED_INSTANCES.into()),
        _ => return Err(EcsError::CapacityProviderKind.into()),
    };
    let key = CapacityProvider::key_of(scope.region, &input.name);
    let known = tx.view().ecs.capacity_providers.get(&key);
    if known.is_some_and(|known| known.is_active()) {
        return Err(EcsError::CapacityProviderExists.into());
    }
    let provider = CapacityProvider {
        region: scope.region.clone(),
        name: input.name.clone(),
        arn: CapacityProvider::arn_of(scope.region, scope.account, &input.name),
        status: ProviderStatus::Active,
        update_status: Some("CREATE_COMPLETE".to_owned()),
        group,
        tags: tags::checked(input.tags.as_deref())?,
    };
    if is_group_used(tx.view(), &provider) {
        return Err(EcsError::AutoScalingGroupUsed.into());
    }
    let reply = shown(&provider, true);
    tx.put(provider);
    Ok(CreateCapacityProviderResponse {
        capacity_provider: Some(reply),
    })
}

/// Whether the group has a provider already: its hosts cannot be counted twice.
fn is_group_used(view: &Snapshot, provider: &CapacityProvider) -> bool {
    let prefix = format!("{}/", provider.region);
    let mut known = view.ecs.capacity_providers.prefix(&prefix);
    known.any(|(_, known)| known.is_active() && known.group_name() == provider.group_name())
}

fn check_name(name: &str) -> Result<(), EcsError> {
    let lower = name.to_ascii_lowercase();
    let is_reserved = RESERVED.iter().any(|reserved| lower.starts_with(reserved));
    if is_reserved || !is_name(name) {
        return Err(EcsError::CapacityProviderName);
    }
    Ok(())
}

/// The provider with its tags.
fn on_provider(view: &Snapshot, action: &'static str, provider: &ProviderRef) -> Check {
    let check = Check::new(action, provider.arn.as_str());
    match provider.find(view) {
        Some(found) => check.of_resource(&found.tags),
        None => check,
    }
}

/// The provider, and the role that is passed to ECS.
pub(super) fn require_update(
    ask: Ask<'_, UpdateCapacityProviderRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let provider = ProviderRef::resolve(scope, &input.name)?;
    let managed = input.managed_instances_provider.as_ref();
    let asked = managed.map(|managed| Managed {
        role: &managed.infrastructure_role_arn,
        propagates_metadata: managed
            .instance_launch_template
            .instance_metadata_tags_propagation,
        propagates: managed.propagate_tags.as_deref(),
    });
    let own = on_provider(ask.view, "ecs:UpdateCapacityProvider", &provider);
    let (own, pass) = with_managed(ask.view, scope, own, asked)?;
    Ok(std::iter::once(own).chain(pass).collect())
}

/// Changes how a provider's group is scaled.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateCapacityProvider>,
) -> Result<UpdateCapacityProviderResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let mut provider = changeable(tx.view(), scope, &input.name)?;
    let asked = match (
        &input.auto_scaling_group_provider,
        &input.managed_instances_provider,
    ) {
        (Some(group), None) => group,
        (None, Some(_)) => return Err(MANAGED_INSTANCES.into()),
        _ => return Err(EcsError::CapacityProviderKind.into()),
    };
    provider.group = scaling::changed(&provider.group, asked)?;
    provider.update_status = Some("UPDATE_COMPLETE".to_owned());
    let reply = shown(&provider, true);
    tx.put(provider);
    Ok(UpdateCapacityProviderResponse {
        capacity_provider: Some(reply),
    })
}

/// A provider that is in use and not built in.
fn changeable(view: &Snapshot, scope: Scope<'_>, argument: &str) -> Result<CapacityProvider, EcsError> {
    let reference = ProviderRef::resolve(scope, argument)?;
    if reference.is_built_in() {
        return Err(EcsError::CapacityProviderReserved);
    }
    let found = reference.find(view).filter(|found| found.is_active());
    found
        .map(|found| CapacityProvider::clone(found))
        .ok_or(EcsError::CapacityProviderUnknown)
}

/// The provider.
pub(super) fn require_delete(
    ask: Ask<'_, DeleteCapacityProviderRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let provider = ProviderRef::resolve(ask.call.into(), &ask.input.capacity_provider)?;
    Ok(vec![on_provider(
        ask.view,
        "ecs:DeleteCapacityProvider",
        &provider,
    )])
}

/// Makes a provider INACTIVE that no cluster is associated with.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteCapacityProvider>,
) -> Result<DeleteCapacityProviderResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let mut provider = changeable(tx.view(), scope, &input.capacity_provider)?;
    if let Some(cluster) = associated(tx.view(), &provider) {
        return Err(EcsError::CapacityProviderAssociated(cluster).into());
    }
    provider.status = ProviderStatus::Inactive { since: tx.now };
    provider.update_status = Some("DELETE_COMPLETE".to_owned());
    provider.tags = Tags::new();
    let reply = shown(&provider, true);
    tx.put(provider);
    Ok(DeleteCapacityProviderResponse {
        capacity_provider: Some(reply),
    })
}

/// The name of a cluster the provider is associated with.
fn associated(view: &Snapshot, provider: &CapacityProvider) -> Option<String> {
    let prefix = format!("{}/", provider.region);
    let mut clusters = view.ecs.clusters.prefix(&prefix);
    let names = |providers: &Vec<String>| providers.iter().any(|name| super::short(name) == provider.name);
    let found = clusters.find(|(_, cluster)| {
        cluster.is_active() && cluster.chosen.capacity_providers.as_ref().is_some_and(names)
    });
    found.map(|(_, cluster)| cluster.name.clone())
}
