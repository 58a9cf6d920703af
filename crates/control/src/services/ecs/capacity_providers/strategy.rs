//! What a launch type or capacity provider strategy comes to: which hosts, through which providers.

use portcullis_api::ecs as api;

use super::ProviderRef;
use crate::gate::operation::Check;
use crate::schedule::placement::{Hosts, has_hosts};
use crate::schedule::providers::Part;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::world::Snapshot;
use crate::world::records::ecs::{Cluster, HostKind};

/// The providers every account has.
pub(in crate::services::ecs) const BUILT_IN: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];
/// Most providers of a strategy (ecs.md 3).
const ITEMS_MAX: usize = 20;

/// Through what tasks get their hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Means {
    /// A launch type.
    LaunchType(HostKind),
    /// Capacity providers, in the order of the strategy.
    Providers(Vec<Provider>),
}

/// A provider of a strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Its short name.
    pub name: String,
    /// Its part of the tasks.
    pub part: Part,
    /// Its hosts.
    pub hosts: Hosts,
    /// Whether it scales its group by itself: then tasks wait for room (ecs.md 3).
    pub scales: bool,
}

impl Means {
    /// The launch type its tasks show: a strategy never mixes Fargate with others.
    pub fn launch_type(&self) -> &'static str {
        match self {
            Self::LaunchType(kind) => kind.launch_type(),
            Self::Providers(providers) => {
                let first = providers.first().map(|one| &one.hosts);
                match first {
                    Some(Hosts::Kind(kind)) => kind.launch_type(),
                    _ => HostKind::Ec2.launch_type(),
                }
            }
        }
    }

    /// Whether its tasks run on Fargate.
    pub fn is_fargate(&self) -> bool {
        self.launch_type() == "FARGATE"
    }
}

/// The name of a provider that a record holds by its name or by its ARN. What requests say goes through
/// [`ProviderRef::usable`].
pub(in crate::services::ecs) fn short(name: &str) -> &str {
    name.rsplit_once("capacity-provider/")
        .map_or(name, |(_, short)| short)
}

/// The strategy in force, as it was said: the request's own, or the cluster's when the request names no launch type.
pub(in crate::services::ecs) fn in_force<'a>(
    view: &'a Snapshot,
    cluster: &ClusterRef,
    launch_type: Option<&str>,
    own: Option<&'a [api::CapacityProviderStrategyItem]>,
) -> &'a [api::CapacityProviderStrategyItem] {
    match own {
        Some(own) if !own.is_empty() => own,
        _ if launch_type.is_some_and(|text| !text.is_empty()) => &[],
        _ => {
            let found = cluster.find(view);
            let default = found.and_then(|found| found.chosen.default_capacity_provider_strategy.as_deref());
            default.unwrap_or_default()
        }
    }
}

/// A strategy with every provider by its name.
pub(in crate::services::ecs) fn by_name(
    scope: Scope<'_>,
    items: &[api::CapacityProviderStrategyItem],
) -> Result<Vec<api::CapacityProviderStrategyItem>, EcsError> {
    let named = |item: &api::CapacityProviderStrategyItem| {
        let provider = ProviderRef::usable(scope, &item.capacity_provider)?;
        Ok(api::CapacityProviderStrategyItem {
            capacity_provider: provider.name,
            ..item.clone()
        })
    };
    items.iter().map(named).collect()
}

/// Adds `ecs:capacity-provider`, the ARNs of the providers that a request names, if it names any.
pub(in crate::services::ecs) fn add_key<'a>(
    check: Check,
    scope: Scope<'_>,
    named: impl Iterator<Item = &'a String>,
) -> Result<Check, EcsError> {
    let arns = named.map(|text| Ok(ProviderRef::usable(scope, text)?.arn.to_string()));
    let arns = arns.collect::<Result<Vec<_>, EcsError>>()?;
    Ok(if arns.is_empty() {
        check
    } else {
        check.with_many("ecs:capacity-provider", arns)
    })
}

/// Refuses what is no launch type, in ECS's own words rather than those of a broken schema. Filters of lists may also name
/// one that nothing here has.
pub(in crate::services::ecs) fn check_launch_type(text: Option<&str>) -> Result<(), EcsError> {
    match text {
        None | Some("" | "EC2" | "FARGATE" | "EXTERNAL" | "MANAGED_INSTANCES") => Ok(()),
        Some(_) => Err(EcsError::LaunchType),
    }
}

/// What tasks of a request in a cluster get their hosts through: its strategy, its launch type, the cluster's default
/// strategy, or EC2. Where a cluster has external instances only, EC2 could never be meant (docs/fidelity.md).
pub(crate) fn means(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    launch_type: Option<&str>,
    strategy: Option<&[api::CapacityProviderStrategyItem]>,
) -> Result<Means, EcsError> {
    check_launch_type(launch_type)?;
    let launch_type = launch_type.filter(|text| !text.is_empty());
    let own = strategy.unwrap_or_default();
    if launch_type.is_some() && !own.is_empty() {
        return Err(EcsError::LaunchTypeAndStrategy);
    }
    let found = cluster.find(view);
    match launch_type {
        Some("EC2") => return Ok(Means::LaunchType(HostKind::Ec2)),
        Some("FARGATE") => return Ok(Means::LaunchType(HostKind::Fargate)),
        Some("EXTERNAL") => return Ok(Means::LaunchType(HostKind::External)),
        Some(_) => return Err(EcsError::LaunchType),
        None => {}
    }
    let effective = by_name(scope, in_force(view, cluster, launch_type, strategy))?;
    if effective.is_empty() {
        let kind = if is_external_only(view, scope, cluster) {
            HostKind::External
        } else {
            HostKind::Ec2
        };
        return Ok(Means::LaunchType(kind));
    }
    providers(view, scope, found.map(AsRef::as_ref), &effective).map(Means::Providers)
}

/// Whether all instances of a cluster that take tasks are external.
fn is_external_only(view: &Snapshot, scope: Scope<'_>, cluster: &ClusterRef) -> bool {
    let key = Cluster::key_of(scope.region, &cluster.name);
    has_hosts(view, &key, &Hosts::Kind(HostKind::External))
        && !has_hosts(view, &key, &Hosts::Kind(HostKind::Ec2))
}

fn providers(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: Option<&Cluster>,
    items: &[api::CapacityProviderStrategyItem],
) -> Result<Vec<Provider>, EcsError> {
    check_items(items, EcsError::StrategyBases)?;
    let associated = cluster.and_then(|cluster| cluster.chosen.capacity_providers.as_deref());
    let associated = associated.unwrap_or_default();
    let mut found = Vec::new();
    for item in items {
        let name = item.capacity_provider.as_str();
        if !associated.iter().any(|one| short(one) == name) {
            return Err(EcsError::CapacityProviderNotAssociated);
        }
        let mut part = part(item);
        if items.len() == 1 {
            // Of one provider alone a weight of 0, the default, says nothing (ecs.md 3).
            part.weight = part.weight.max(1);
        }
        let (hosts, scales) = hosts(view, scope, name)?;
        found.push(Provider {
            name: name.to_owned(),
            part,
            hosts,
            scales,
        });
    }
    Ok(found)
}

fn part(item: &api::CapacityProviderStrategyItem) -> Part {
    let number = |given: Option<i32>| u32::try_from(given.unwrap_or_default()).unwrap_or_default();
    Part {
        base: number(item.base),
        weight: number(item.weight),
    }
}

/// The hosts of a provider, which must be there and not deleted, and whether it scales them.
fn hosts(view: &Snapshot, scope: Scope<'_>, name: &str) -> Result<(Hosts, bool), EcsError> {
    match name {
        "FARGATE" => Ok((Hosts::Kind(HostKind::Fargate), false)),
        "FARGATE_SPOT" => Ok((Hosts::Kind(HostKind::FargateSpot), false)),
        other => {
            let reference = ProviderRef::usable(scope, other)?;
            let found = reference.find(view).filter(|found| found.is_active());
            found
                .map(|found| (Hosts::Group(found.group_name().to_owned()), found.scales()))
                .ok_or_else(|| EcsError::CapacityProviderNotFound(other.to_owned()))
        }
    }
}

/// The rules of a strategy by itself, its providers by their names; AWS words the one on bases differently for clusters and for tasks.
pub(in crate::services::ecs) fn check_items(
    items: &[api::CapacityProviderStrategyItem],
    bases: EcsError,
) -> Result<(), EcsError> {
    if items.len() > ITEMS_MAX {
        return Err(EcsError::TooMany {
            what: "capacityProviderStrategy",
            limit: ITEMS_MAX,
        });
    }
    for (at, item) in items.iter().enumerate() {
        let name = &item.capacity_provider;
        if items
            .iter()
            .take(at)
            .any(|other| other.capacity_provider == *name)
        {
            return Err(EcsError::StrategyDuplicate(name.clone()));
        }
    }
    if items.iter().filter(|item| item.base.unwrap_or(0) > 0).count() > 1 {
        return Err(bases);
    }
    if items.len() > 1 && items.iter().all(|item| item.weight.unwrap_or(0) == 0) {
        return Err(EcsError::CapacityProviderWeights);
    }
    let is_fargate =
        |item: &&api::CapacityProviderStrategyItem| BUILT_IN.contains(&item.capacity_provider.as_str());
    let on_fargate = items.iter().filter(is_fargate).count();
    if on_fargate > 0 && on_fargate < items.len() {
        return Err(EcsError::StrategyMixed);
    }
    Ok(())
}
