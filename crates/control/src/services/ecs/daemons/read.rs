//! DescribeDaemon and ListDaemons.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{DescribeDaemon, ListDaemons};

use super::names::DaemonRef;
use super::shown;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::ProviderRef;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Scope};
use crate::services::ecs::paging::{HUNDRED, Pager};
use crate::world::Snapshot;
use crate::world::records::ecs::Daemon;

/// The daemon.
pub(super) fn require_describe(ask: Ask<'_, api::DescribeDaemonRequest>) -> Result<Vec<Check>, ServiceError> {
    let daemon = DaemonRef::from_arn(ask.call.into(), &ask.input.daemon_arn)?;
    Ok(vec![daemon.check(ask.view, "ecs:DescribeDaemon")])
}

/// The daemon with what runs of it.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeDaemon>,
) -> Result<api::DescribeDaemonResponse, ServiceError> {
    let reference = DaemonRef::from_arn(auth.call().into(), &auth.input().daemon_arn)?;
    let found = reference.known(view)?;
    Ok(api::DescribeDaemonResponse {
        daemon: Some(shown::daemon(view, found)),
    })
}

/// Everything, with the cluster as key.
pub(super) fn require_list(ask: Ask<'_, api::ListDaemonsRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster_arn.as_deref())?;
    Ok(vec![
        Check::new("ecs:ListDaemons", "*").with("ecs:cluster", cluster.arn.as_str()),
    ])
}

/// The daemons of a cluster, of these capacity providers if any are named.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListDaemons>,
) -> Result<api::ListDaemonsResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let cluster = ClusterRef::resolve(scope, input.cluster_arn.as_deref())?;
    cluster.known(view)?;
    let providers = input.capacity_provider_arns.as_deref().unwrap_or_default().iter();
    let providers = providers.map(|text| Ok(ProviderRef::resolve(scope, text)?.arn.to_string()));
    let providers = providers.collect::<Result<Vec<_>, EcsError>>()?;
    let prefix = cluster.prefix();
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let wanted = |daemon: &Daemon| {
        providers.is_empty()
            || daemon
                .capacity_providers
                .iter()
                .any(|one| providers.contains(one))
    };
    let rows = view.ecs.daemons.after(&prefix, pager.after.as_deref());
    let rows = rows.filter(|(_, daemon)| wanted(daemon));
    let (page, next_token) = pager.page(rows.map(|(key, daemon)| (key, shown::summary(daemon))));
    Ok(api::ListDaemonsResponse {
        daemon_summaries_list: Some(page),
        next_token,
    })
}
