//! DescribeCapacityProviders.

use portcullis_api::ecs::op::DescribeCapacityProviders;
use portcullis_api::ecs::{DescribeCapacityProvidersRequest, DescribeCapacityProvidersResponse};

use super::{BUILT_IN, ProviderRef, short, shown, shown_built_in};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::paging::{PageSize, Pager, at_most};
use crate::services::ecs::{missing, tags};
use crate::world::Snapshot;

const BATCH_MAX: usize = 100;
const PAGE: PageSize = PageSize { default: 10, max: 10 };

/// Each provider asked for, one by one; all of them when none is named.
pub(super) fn require(ask: Ask<'_, DescribeCapacityProvidersRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let named = ask.input.capacity_providers.as_deref().unwrap_or_default();
    at_most("capacityProviders", BATCH_MAX, named.len())?;
    if named.is_empty() {
        let any = scope.capacity_provider("*");
        return Ok(vec![Check::new("ecs:DescribeCapacityProviders", any.as_str())]);
    }
    let check = |name: &String| -> Result<Check, ServiceError> {
        let provider = ProviderRef::resolve(scope, name)?;
        let check = Check::new("ecs:DescribeCapacityProviders", provider.arn.as_str());
        Ok(match provider.find(ask.view) {
            Some(found) => check.of_resource(&found.tags),
            None => check,
        })
    };
    named.iter().map(check).collect()
}

/// The providers that exist, and a failure for each that does not.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeCapacityProviders>,
) -> Result<DescribeCapacityProvidersResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let with_tags = tags::wanted(input.include.as_deref());
    let of_cluster = input.cluster.as_deref().filter(|name| !name.is_empty());
    let associated = match of_cluster {
        None => None,
        Some(name) => {
            let cluster = ClusterRef::resolve(scope, Some(name))?.known(view)?.clone();
            Some(cluster.chosen.capacity_providers.clone().unwrap_or_default())
        }
    };
    let accepts = |name: &str| {
        let named = |one: &String| short(one) == name;
        associated.as_ref().is_none_or(|names| names.iter().any(named))
    };
    let named = input.capacity_providers.as_deref().unwrap_or_default();
    if named.is_empty() {
        return Ok(all(view, scope, input, &accepts)?);
    }
    let mut providers = Vec::new();
    let mut failures = Vec::new();
    for name in named {
        let reference = ProviderRef::resolve(scope, name)?;
        match reference.find(view) {
            _ if !accepts(&reference.name) => failures.push(missing(&reference.arn)),
            _ if reference.is_built_in() => providers.push(shown_built_in(scope, &reference.name)),
            Some(found) => providers.push(shown(found, with_tags)),
            None => failures.push(missing(&reference.arn)),
        }
    }
    Ok(DescribeCapacityProvidersResponse {
        capacity_providers: Some(providers),
        failures: Some(failures),
        next_token: None,
    })
}

/// A page of all providers: the built-in ones first, then those in use by name.
fn all(
    view: &Snapshot,
    scope: Scope<'_>,
    input: &DescribeCapacityProvidersRequest,
    accepts: &dyn Fn(&str) -> bool,
) -> Result<DescribeCapacityProvidersResponse, EcsError> {
    let with_tags = tags::wanted(input.include.as_deref());
    // `!` sorts before every character of a name, so that built-in providers come first and pages go on behind them.
    let prefix = format!("{}/", scope.region);
    let pager = Pager::new(PAGE, &prefix, input.next_token.as_deref(), input.max_results)?;
    let built_in = BUILT_IN
        .iter()
        .map(|name| (format!("{prefix}!{name}"), shown_built_in(scope, name)));
    let after = pager.after.clone().unwrap_or_default();
    let built_in = built_in.filter(|(key, _)| *key > after);
    let own = view
        .ecs
        .capacity_providers
        .after(&prefix, pager.after.as_deref())
        .filter(|(_, provider)| provider.is_active());
    let own = own.map(|(key, provider)| (key.to_owned(), shown(provider, with_tags)));
    let rows = built_in.chain(own);
    let rows = rows.filter(|(_, row)| row.name.as_deref().is_some_and(accepts));
    let (providers, next_token) = pager.page(rows);
    Ok(DescribeCapacityProvidersResponse {
        capacity_providers: Some(providers),
        failures: Some(Vec::new()),
        next_token,
    })
}
