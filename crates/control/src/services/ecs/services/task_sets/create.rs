//! CreateTaskSet.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::CreateTaskSet;
use portcullis_schedule::deployment::Progress;

use super::super::faults::ServiceFault;
use super::super::keys::{with_definition, with_strategy};
use super::super::part::PartRef;
use super::super::rules::{Parts, Version};
use super::super::{deploying, launching, shown};
use super::{KIND, home, scale, service_of_sets};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::{Means, in_force};
use crate::services::ecs::checks::tag_on_create;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, DefinitionRef, Scope};
use crate::services::ecs::tags;
use crate::services::ecs::tasks::check_network_objects;
use crate::world::records::ecs::{Service, ServiceTaskSet, TaskSetStatus};
use crate::world::{Snapshot, Tx};

/// Most task sets of a service (ecs.md 14 has no figure; AWS's quota page says 5).
const SETS_MAX: usize = 5;

/// Literally `task-set/CLUSTER/SERVICE/*`: the id is not known yet; with every key the reference lists.
pub fn require(ask: Ask<'_, api::CreateTaskSetRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let scope = Scope::from(ask.call);
    let (cluster, service) = home(scope, &input.cluster, &input.service)?;
    let part = PartRef::of(&cluster, &service, KIND, "*")?;
    let tags = tags::requested(input.tags.as_deref());
    let check = part.check("ecs:CreateTaskSet", Some(&tags)).of_request(&tags);
    let check = with_definition(check, ask.view, scope, Some(&input.task_definition), false)?;
    let strategy = in_force(
        ask.view,
        &cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    );
    let mut all = vec![with_strategy(check, scope, strategy)?];
    all.extend(tag_on_create("CreateTaskSet", part.arn.as_str(), &tags));
    Ok(all)
}

/// Adds a version to a service, with its share of the tasks.
pub fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateTaskSet>,
) -> Result<api::CreateTaskSetResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let (cluster, reference) = home(scope, &input.cluster, &input.service)?;
    cluster.active(tx.view())?;
    let mut service = service_of_sets(tx.view(), &reference)?;
    let token = launching::client_token(input.client_token.as_deref())?;
    let made = service.task_sets.iter();
    let made = made
        .clone()
        .find(|set| token.is_some() && set.client_token == token);
    if let Some(made) = made {
        return Ok(reply(tx.view(), &service, made));
    }
    let tags = tags::checked(input.tags.as_deref())?;
    let share = scale(input.scale.as_ref())?;
    let launch = launch(tx.view(), scope, &cluster, input)?;
    if service.task_sets.len() >= SETS_MAX {
        return Err(ServiceFault::TaskSetLimit.into());
    }
    let id = format!("ecs-svc/{}", deploying::number(tx.random));
    let set = ServiceTaskSet {
        arn: PartRef::of(&cluster, &reference, KIND, &id)?.arn,
        id,
        status: TaskSetStatus::Active,
        task_definition: launch.definition,
        scale: share,
        created: tx.now,
        updated: tx.now,
        client_token: token,
        tags,
        progress: Progress::default(),
        chosen: api::TaskSet {
            external_id: input.external_id.clone(),
            launch_type: launching::launch_type(&launch.means),
            capacity_provider_strategy: launching::strategy(&launch.means),
            platform_version: input.platform_version.clone(),
            network_configuration: input.network_configuration.clone(),
            ..api::TaskSet::default()
        },
    };
    let reply = reply(tx.view(), &service, &set);
    service.task_sets.push(set);
    tx.put(service);
    Ok(reply)
}

fn reply(view: &Snapshot, service: &Service, set: &ServiceTaskSet) -> api::CreateTaskSetResponse {
    api::CreateTaskSetResponse {
        task_set: Some(shown::task_set(view, service, set, true)),
    }
}

/// What the tasks of a set are made of.
struct Launch {
    definition: portcullis_core::Arn,
    means: Means,
}

fn launch(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    input: &api::CreateTaskSetRequest,
) -> Result<Launch, EcsError> {
    let reference = DefinitionRef::resolve(view, scope, &input.task_definition)?;
    let definition = reference.active(view)?;
    let means = launching::means(
        view,
        scope,
        cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    )?;
    let version = Version {
        definition,
        means: &means,
        network: input.network_configuration.as_ref(),
        platform_version: input.platform_version.as_deref(),
    };
    let parts = Parts {
        load_balancers: input.load_balancers.as_deref(),
        registries: input.service_registries.as_deref(),
        ..Parts::default()
    };
    parts.check(Some(&version))?;
    version.check()?;
    check_network_objects(view, scope, version.network)?;
    Ok(Launch {
        definition: definition.arn.clone(),
        means,
    })
}
