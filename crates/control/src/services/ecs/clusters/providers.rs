//! PutClusterCapacityProviders, and the rules of capacity providers and strategies (ecs.md 2, 3). There are the two
//! built-in providers only.

use portcullis_api::ecs::op::PutClusterCapacityProviders;
use portcullis_api::ecs::{
    self as api, PutClusterCapacityProvidersRequest, PutClusterCapacityProvidersResponse,
};

use super::{Parts, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::world::Tx;
use crate::world::records::ecs::Cluster;

/// The providers every account has.
const BUILT_IN: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// Adds `ecs:capacity-provider`, if any is named.
pub(super) fn add_key(check: Check, scope: Scope<'_>, names: Option<&[String]>) -> Check {
    match names {
        None | Some([]) => check,
        Some(names) => {
            let arn = |name: &String| match name.starts_with("arn:") {
                true => name.clone(),
                false => scope.capacity_provider(name).to_string(),
            };
            check.with_many("ecs:capacity-provider", names.iter().map(arn).collect())
        }
    }
}

/// The rules of a cluster's providers and default strategy.
pub(super) fn check(
    names: &[String],
    strategy: &[api::CapacityProviderStrategyItem],
) -> Result<(), EcsError> {
    if let Some(unknown) = names.iter().find(|name| !BUILT_IN.contains(&short(name))) {
        return Err(EcsError::CapacityProviderNotFound(unknown.clone()));
    }
    let associated = |item: &api::CapacityProviderStrategyItem| {
        names
            .iter()
            .any(|name| short(name) == short(&item.capacity_provider))
    };
    if !strategy.iter().all(associated) {
        return Err(EcsError::CapacityProviderNotAssociated);
    }
    if strategy.iter().filter(|item| item.base.unwrap_or(0) > 0).count() > 1 {
        return Err(EcsError::CapacityProviderBases);
    }
    if strategy.len() > 1 && strategy.iter().all(|item| item.weight.unwrap_or(0) == 0) {
        return Err(EcsError::CapacityProviderWeights);
    }
    Ok(())
}

fn short(name: &str) -> &str {
    name.rsplit_once("capacity-provider/")
        .map_or(name, |(_, short)| short)
}

/// The cluster, with the providers it shall have.
pub fn require_put_providers(
    ask: Ask<'_, PutClusterCapacityProvidersRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, Some(&ask.input.cluster))?;
    let check = on_cluster(ask.view, "ecs:PutClusterCapacityProviders", &cluster);
    Ok(vec![add_key(check, scope, Some(&ask.input.capacity_providers))])
}

/// Replaces the providers and the default strategy.
pub fn put_providers(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, PutClusterCapacityProviders>,
) -> Result<PutClusterCapacityProvidersResponse, ServiceError> {
    let input = auth.input();
    let reference = ClusterRef::resolve(auth.call().into(), Some(&input.cluster))?;
    let mut cluster = Cluster::clone(reference.active(tx.view())?);
    check(
        &input.capacity_providers,
        &input.default_capacity_provider_strategy,
    )?;
    cluster.chosen.capacity_providers = Some(input.capacity_providers.clone());
    cluster.chosen.default_capacity_provider_strategy =
        Some(input.default_capacity_provider_strategy.clone());
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
            assert_eq!(check(&names, &strategy).err(), expected, "{names:?} {strategy:?}");
        }
    }
}
