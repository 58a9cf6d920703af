//! RegisterContainerInstance.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_api::ecs::op::RegisterContainerInstance;
use portcullis_api::ecs::{RegisterContainerInstanceRequest, RegisterContainerInstanceResponse};
use portcullis_core::{Region, hex_id};
use serde::Deserialize;

use super::agent_key::{holder, keep_identity, remember};
use super::{resources, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::{on_cluster, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::registrant::{owner_as, registrant};
use crate::services::ecs::tags;
use crate::world::records::ecs::{ContainerInstance, InstanceStatus};
use crate::world::{Snapshot, Tx};

const INSTANCE_TYPE: &str = "ecs.instance-type";

/// The cluster, and tagging an instance in it when the request has tags.
pub fn require_register(ask: Ask<'_, RegisterContainerInstanceRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, ask.input.cluster.as_deref())?;
    let tags = tags::requested(ask.input.tags.as_deref());
    let any = scope.arn(format_args!("container-instance/{}/*", cluster.name));
    // An instance that is not there is the handler's to report.
    let known = known(ask.view, &cluster, ask.input).ok().flatten();
    let register = on_cluster(ask.view, "ecs:RegisterContainerInstance", &cluster)
        .of_request(&tags)
        .only_for(
            known
                .as_ref()
                .and_then(|known| owner_as(ask.call, known, holder(ask.input))),
        );
    let mut checks = vec![register];
    checks.extend(tag_on_create("RegisterContainerInstance", any.as_str(), &tags));
    Ok(checks)
}

/// What of the identity document of an EC2 instance is of use. Its signature is AWS's and cannot be checked here: who
/// may register is the decision of `ecs:RegisterContainerInstance` alone (docs/fidelity.md).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    instance_id: Option<String>,
    instance_type: Option<String>,
    image_id: Option<String>,
    availability_zone: Option<String>,
}

impl Identity {
    fn parse(document: Option<&str>) -> Result<Self, EcsError> {
        match document {
            None | Some("") => Ok(Self::default()),
            Some(text) => serde_json::from_str(text).map_err(|_| EcsError::IdentityDocument),
        }
    }

    /// A machine of another type is another instance; on this text the genuine agent ends for good (agent.md 5.1).
    fn must_fit(&self, instance: &ContainerInstance) -> Result<(), EcsError> {
        let before = instance.attributes.get(INSTANCE_TYPE).and_then(Option::as_ref);
        match (before, &self.instance_type) {
            (Some(before), Some(now)) if before != now => Err(EcsError::InstanceType {
                id: instance.id.clone(),
                before: before.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Attributes the service adds to those the agent sends.
    fn attributes(&self, region: &Region) -> [(&'static str, Option<String>); 3] {
        // The agent reads its zone from the reply; a machine outside EC2 has none of its own.
        let zone = self
            .availability_zone
            .clone()
            .unwrap_or_else(|| format!("{region}a"));
        [
            ("ecs.availability-zone", Some(zone)),
            (INSTANCE_TYPE, self.instance_type.clone()),
            ("ecs.ami-id", self.image_id.clone()),
        ]
    }
}

/// Makes an instance, or brings a known one up to date: known by its ARN, or by the token of its registration. Only
/// whoever registered it first may do so again.
pub fn register(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, RegisterContainerInstance>,
) -> Result<RegisterContainerInstanceResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    cluster.active(tx.view())?;
    let identity = Identity::parse(input.instance_identity_document.as_deref())?;
    let known = known(tx.view(), &cluster, input)?;
    let mut instance = match known {
        Some(instance) => instance,
        None => new_instance(tx, scope, &cluster, input)?,
    };
    identity.must_fit(&instance)?;
    instance.resources = resources::parse(
        input.total_resources.as_deref(),
        input.platform_devices.as_deref(),
    )?;
    instance.version_info = input.version_info.clone().unwrap_or_default();
    instance.ec2_instance_id = identity.instance_id.clone();
    keep_identity(tx.view(), &mut instance, auth.call(), input)?;
    instance.registered_by = Some(registrant(auth.call()));
    replace_attributes(&mut instance, input, &identity);
    remember(tx, &instance);
    let reply = shown(tx.view(), &instance, true);
    tx.put(instance);
    Ok(RegisterContainerInstanceResponse {
        container_instance: Some(reply),
    })
}

fn known(
    view: &Snapshot,
    cluster: &ClusterRef,
    input: &RegisterContainerInstanceRequest,
) -> Result<Option<ContainerInstance>, EcsError> {
    if let Some(arn) = input
        .container_instance_arn
        .as_deref()
        .filter(|arn| !arn.is_empty())
    {
        let found = MemberRef::resolve(cluster, Kind::ContainerInstance, arn)?;
        let found = found
            .container_instance(view)
            .filter(|instance| instance.is_registered());
        let instance = found.ok_or_else(|| EcsError::InstanceNotRegistered(arn.to_owned()))?;
        let mut again = ContainerInstance::clone(instance);
        again.raise_version();
        return Ok(Some(again));
    }
    let Some(token) = input.client_token.as_deref().filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let id = view
        .ecs
        .registrations
        .get(&format!("{}{token}", cluster.prefix()));
    let found = id.and_then(|id| {
        view.ecs
            .container_instances
            .get(&format!("{}{id}", cluster.prefix()))
    });
    Ok(found.map(|instance| ContainerInstance::clone(instance)))
}

fn new_instance(
    tx: &Tx<'_>,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    input: &RegisterContainerInstanceRequest,
) -> Result<ContainerInstance, EcsError> {
    let id = hex_id(tx.random);
    Ok(ContainerInstance {
        region: scope.region.clone(),
        cluster: cluster.name.clone(),
        arn: ContainerInstance::arn_of(scope.region, scope.account, &cluster.name, &id),
        id,
        ec2_instance_id: None,
        status: InstanceStatus::Active,
        agent_connected: false,
        version: 1,
        versions_granted: 1,
        version_info: input.version_info.clone().unwrap_or_default(),
        resources: resources::parse(None, None).unwrap_or_default(),
        attributes: BTreeMap::new(),
        registered_attributes: BTreeSet::new(),
        registered_at: tx.now,
        tags: tags::checked(input.tags.as_deref())?,
        client_token: input.client_token.clone().filter(|token| !token.is_empty()),
        registered_by: None,
        agent: Default::default(),
        agent_update: None,
    })
}

/// Whether an agent finds an attribute out anew at every start. Those that its operator chose it sends at the first
/// registration alone (agent.md 5.1).
fn is_found_out(name: &str) -> bool {
    ["ecs.", "com.amazonaws.", "portcullis.capability."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// What the agent finds out replaces what it found out before; what its operator chose, or PutAttributes set, stays.
fn replace_attributes(
    instance: &mut ContainerInstance,
    input: &RegisterContainerInstanceRequest,
    identity: &Identity,
) {
    let before = std::mem::take(&mut instance.registered_attributes);
    let (found_out, custom): (BTreeSet<_>, BTreeSet<_>) =
        before.into_iter().partition(|name| is_found_out(name));
    for name in found_out {
        instance.attributes.remove(&name);
    }
    let added = identity.attributes(&instance.region).into_iter();
    let mut registered: BTreeMap<String, Option<String>> = added
        .filter(|(_, value)| value.is_some())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    // The agent stops unless every attribute it sent comes back with its value: its own win.
    let sent = input.attributes.iter().flatten();
    registered.extend(sent.map(|attribute| (attribute.name.clone(), attribute.value.clone())));
    instance.registered_attributes = registered.keys().cloned().chain(custom).collect();
    instance.attributes.extend(registered);
}
