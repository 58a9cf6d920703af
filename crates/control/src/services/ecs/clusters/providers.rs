//! PutClusterCapacityProviders, and the rules of a cluster's capacity providers and default strategy (ecs.md 2, 3).

use portcullis_api::ecs::op::PutClusterCapacityProviders;
use portcullis_api::ecs::{
    self as api, PutClusterCapacityProvidersRequest, PutClusterCapacityProvidersResponse,
};

use super::{Parts, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::{ProviderRef, add_key, by_name, check_items, short};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::paging::at_most;
use crate::world::records::ecs::{Cluster, ServiceStatus};
use crate::world::{Snapshot, Tx};

/// Most providers of a cluster (ecs.md 14).
const PROVIDERS_MAX: usize = 20;

/// A cluster's providers and default strategy, by name, when they keep the rules.
pub(super) fn checked(
    view: &Snapshot,
    scope: Scope<'_>,
    names: &[String],
    strategy: &[api::CapacityProviderStrategyItem],
) -> Result<(Vec<String>, Vec<api::CapacityProviderStrategyItem>), EcsError> {
    at_most("capacityProviders", PROVIDERS_MAX, names.len())?;
    let mut found = Vec::new();
    for name in names {
        let provider = ProviderRef::usable(scope, name)?;
        let is_active = provider.find(view).is_some_and(|found| found.is_active());
        if !provider.is_built_in() && !is_active {
            return Err(EcsError::CapacityProviderNotFound(name.clone()));
        }
        found.push(provider.name);
    }
    let strategy = by_name(scope, strategy)?;
    let associated = |item: &api::CapacityProviderStrategyItem| found.contains(&item.capacity_provider);
    if !strategy.iter().all(associated) {
        return Err(EcsError::CapacityProviderNotAssociated);
    }
    check_items(&strategy, EcsError::CapacityProviderBases)?;
    Ok((found, strategy))
}

/// Whether tasks that have not stopped, or services, of a cluster get their hosts through a provider.
fn is_in_use(view: &Snapshot, cluster: &Cluster, provider: &str) -> bool {
    let key = Cluster::key_of(&cluster.region, &cluster.name);
    if view.ecs.tasks_of_provider(&key, provider) > 0 {
        return true;
    }
    let prefix = format!("{key}/");
    let mut daemons = view.ecs.daemons.prefix(&prefix);
    if daemons.any(|(_, daemon)| daemon.capacity_providers.iter().any(|one| short(one) == provider)) {
        return true;
    }
    let mut services = view.ecs.services.prefix(&prefix).map(|(_, service)| service);
    services.any(|service| {
        let strategy = service.definition.capacity_provider_strategy.iter().flatten();
        let mut names = strategy.map(|item| short(&item.capacity_provider));
        service.status == ServiceStatus::Active && names.any(|name| name == provider)
    })
}

/// The cluster, with the providers it shall have.
pub fn require_put_providers(
    ask: Ask<'_, PutClusterCapacityProvidersRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, Some(&ask.input.cluster))?;
    let check = on_cluster(ask.view, "ecs:PutClusterCapacityProviders", &cluster);
    Ok(vec![add_key(check, scope, ask.input.capacity_providers.iter())?])
}

/// Replaces the providers and the default strategy.
pub fn put_providers(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, PutClusterCapacityProviders>,
) -> Result<PutClusterCapacityProvidersResponse, ServiceError> {
    let input = auth.input();
    let reference = ClusterRef::resolve(auth.call().into(), Some(&input.cluster))?;
    let mut cluster = Cluster::clone(reference.active(tx.view())?);
    let (names, strategy) = checked(
        tx.view(),
        auth.call().into(),
        &input.capacity_providers,
        &input.default_capacity_provider_strategy,
    )?;
    let stays = |name: &String| names.contains(name);
    let mut leaving = cluster
        .chosen
        .capacity_providers
        .iter()
        .flatten()
        .filter(|name| !stays(name));
    if leaving.any(|name| is_in_use(tx.view(), &cluster, name)) {
        return Err(EcsError::CapacityProviderInUse.into());
    }
    cluster.chosen.capacity_providers = Some(names);
    cluster.chosen.default_capacity_provider_strategy = Some(strategy);
    let reply = shown(tx.view(), &reference, &cluster, Parts::AFTER_CHANGE);
    tx.put(cluster);
    Ok(PutClusterCapacityProvidersResponse { cluster: Some(reply) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, weight: i32, base: i32) -> api::CapacityProviderStrategyItem {
        api::CapacityProviderStrategyItem {
            capacity_provider: name.to_owned(),
            weight: Some(weight),
            base: Some(base),
        }
    }

    #[test]
    fn strategies_name_associated_providers_with_one_base_and_some_weight() {
        let account: portcullis_core::AccountId = "123456789012".parse().unwrap();
        let region: portcullis_core::Region = "us-east-1".parse().unwrap();
        let view = Snapshot::empty(account.clone());
        let scope = Scope {
            region: &region,
            account: &account,
        };
        let both = ["FARGATE", "FARGATE_SPOT"];
        let cases: [(&[&str], Vec<_>, _); 7] = [
            (
                &both,
                vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 0)],
                None,
            ),
            (&["FARGATE"], vec![item("FARGATE", 0, 0)], None),
            (&[], vec![], None),
            (
                &["mine"],
                vec![],
                Some(EcsError::CapacityProviderNotFound("mine".to_owned())),
            ),
            (
                &["FARGATE"],
                vec![item("FARGATE_SPOT", 1, 0)],
                Some(EcsError::CapacityProviderNotAssociated),
            ),
            (
                &both,
                vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1)],
                Some(EcsError::CapacityProviderBases),
            ),
            (
                &both,
                vec![item("FARGATE", 0, 0), item("FARGATE_SPOT", 0, 0)],
                Some(EcsError::CapacityProviderWeights),
            ),
        ];
        for (names, strategy, expected) in cases {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(
                checked(&view, scope, &names, &strategy).err(),
                expected,
                "{names:?} {strategy:?}"
            );
        }
    }
}
