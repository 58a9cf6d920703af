//! CreateCluster.

use portcullis_api::ecs::op::CreateCluster;
use portcullis_api::ecs::{self as api, CreateClusterRequest, CreateClusterResponse};

use super::{Parts, linked_role, providers, settings, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::add_key;
use crate::services::ecs::checks;
use crate::services::ecs::names::{ClusterName, ClusterRef, Scope};
use crate::services::ecs::tags;
use crate::world::Tx;
use crate::world::records::ecs::{Cluster, ClusterStatus};

const DEFAULT: &str = "default";

/// The cluster's ARN, and tagging it when the request has tags.
pub fn require_create(ask: Ask<'_, CreateClusterRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::named(scope, input.cluster_name.as_deref().unwrap_or(DEFAULT));
    let tags = tags::requested(input.tags.as_deref());
    // Of a cluster that is already there, its own tags decide: the call then only shows it.
    let existing = cluster.find(ask.view).filter(|cluster| cluster.is_active());
    let create = Check::new("ecs:CreateCluster", cluster.arn.as_str())
        .of_resource(existing.map_or(&tags, |cluster| &cluster.tags))
        .of_request(&tags)
        .with_some(
            "ecs:fargate-ephemeral-storage-kms-key",
            settings::fargate_key(input.configuration.as_ref()),
        );
    let create = add_key(create, scope, input.capacity_providers.iter().flatten())?;
    let tagging = checks::tag_on_create("CreateCluster", cluster.arn.as_str(), &tags);
    Ok([Some(create), tagging, linked_role::wanted(ask.view, ask.call)]
        .into_iter()
        .flatten()
        .collect())
}

/// Makes a cluster, or shows the one of that name as it is.
pub fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateCluster>,
) -> Result<CreateClusterResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let name = ClusterName::parse(input.cluster_name.as_deref().unwrap_or(DEFAULT))?;
    let reference = ClusterRef::named(scope, &String::from(name));
    if let Some(existing) = reference.find(tx.view()).filter(|cluster| cluster.is_active()) {
        let cluster = shown(tx.view(), &reference, existing, Parts::AFTER_CHANGE);
        return Ok(CreateClusterResponse {
            cluster: Some(cluster),
        });
    }
    linked_role::make(tx, &auth);
    settings::check_configuration(input.configuration.as_ref())?;
    let capacity_providers = input.capacity_providers.clone().unwrap_or_default();
    let strategy = input
        .default_capacity_provider_strategy
        .clone()
        .unwrap_or_default();
    let (capacity_providers, strategy) =
        providers::checked(tx.view(), scope, &capacity_providers, &strategy)?;
    let default = settings::default_insights(tx.view(), auth.call());
    let cluster = Cluster {
        region: scope.region.clone(),
        name: reference.name.clone(),
        status: ClusterStatus::Active,
        created: tx.now,
        tags: tags::checked(input.tags.as_deref())?,
        chosen: api::Cluster {
            configuration: input.configuration.clone(),
            settings: Some(settings::applied(default, input.settings.as_deref())?),
            capacity_providers: Some(capacity_providers),
            default_capacity_provider_strategy: Some(strategy),
            service_connect_defaults: settings::namespace(input.service_connect_defaults.as_ref()),
            ..api::Cluster::default()
        },
    };
    let reply = shown(tx.view(), &reference, &cluster, Parts::AFTER_CHANGE);
    tx.put(cluster);
    Ok(CreateClusterResponse { cluster: Some(reply) })
}
