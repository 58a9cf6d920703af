//! UpdateCluster and UpdateClusterSettings.

use portcullis_api::ecs::op::{UpdateCluster, UpdateClusterSettings};
use portcullis_api::ecs::{
    UpdateClusterRequest, UpdateClusterResponse, UpdateClusterSettingsRequest, UpdateClusterSettingsResponse,
};

use super::{Parts, settings, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::on_cluster;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::ClusterRef;
use crate::world::Tx;
use crate::world::records::ecs::Cluster;

/// The cluster.
pub fn require_update(ask: Ask<'_, UpdateClusterRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), Some(&ask.input.cluster))?;
    let key = settings::fargate_key(ask.input.configuration.as_ref());
    let check = on_cluster(ask.view, "ecs:UpdateCluster", &cluster);
    Ok(vec![
        check.with_some("ecs:fargate-ephemeral-storage-kms-key", key),
    ])
}

/// Replaces what the request names and leaves the rest.
pub fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateCluster>,
) -> Result<UpdateClusterResponse, ServiceError> {
    let input = auth.input();
    let reference = ClusterRef::resolve(auth.call().into(), Some(&input.cluster))?;
    let mut cluster = Cluster::clone(reference.active(tx.view())?);
    settings::check_configuration(input.configuration.as_ref())?;
    let current = settings::current(cluster.chosen.settings.as_deref());
    cluster.chosen.settings = Some(settings::applied(current, input.settings.as_deref())?);
    if input.configuration.is_some() {
        cluster.chosen.configuration.clone_from(&input.configuration);
    }
    if let Some(defaults) = &input.service_connect_defaults {
        cluster.chosen.service_connect_defaults = settings::namespace(Some(defaults));
    }
    let reply = shown(tx.view(), &reference, &cluster, Parts::AFTER_CHANGE);
    tx.put(cluster);
    Ok(UpdateClusterResponse { cluster: Some(reply) })
}

/// The cluster.
pub fn require_update_settings(
    ask: Ask<'_, UpdateClusterSettingsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), Some(&ask.input.cluster))?;
    Ok(vec![on_cluster(ask.view, "ecs:UpdateClusterSettings", &cluster)])
}

/// Changes settings only.
pub fn update_settings(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateClusterSettings>,
) -> Result<UpdateClusterSettingsResponse, ServiceError> {
    let input = auth.input();
    let reference = ClusterRef::resolve(auth.call().into(), Some(&input.cluster))?;
    let mut cluster = Cluster::clone(reference.active(tx.view())?);
    if input.settings.is_empty() {
        return Err(EcsError::ClusterSettingsEmpty.into());
    }
    let current = settings::current(cluster.chosen.settings.as_deref());
    cluster.chosen.settings = Some(settings::applied(current, Some(&input.settings))?);
    let reply = shown(tx.view(), &reference, &cluster, Parts::AFTER_CHANGE);
    tx.put(cluster);
    Ok(UpdateClusterSettingsResponse { cluster: Some(reply) })
}
