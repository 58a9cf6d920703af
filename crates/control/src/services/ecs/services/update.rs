//! UpdateService: what starts a deployment and what does not (ecs.md 11).

use portcullis_api::ecs::op::UpdateService;
use portcullis_api::ecs::{self as api, UpdateServiceRequest, UpdateServiceResponse};

use super::create::check_desired;
use super::faults::ServiceFault;
use super::keys::Said;
use super::rules::{Parts, Version, Wish};
use super::{configuration, deploying, launching, shown};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::Means;
use crate::services::ecs::checks::on_member;
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, DefinitionRef, Kind, MemberRef, Scope};
use crate::services::ecs::tasks::check_network_objects;
use crate::world::records::ecs::{
    Controller, DeploymentStatus, SchedulingStrategy, Service, ServiceStatus, TaskDefinition,
};
use crate::world::{Snapshot, Tx};

/// The service with everything the reference lists, and passing its roles.
pub fn require_update(ask: Ask<'_, UpdateServiceRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, ask.input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &ask.input.service)?;
    let tags = service.service(ask.view).map(|found| &found.tags);
    let check = on_member("ecs:UpdateService", &cluster, &service, tags);
    let said = Said::by_update(ask.input);
    let mut all = vec![said.add_keys(check, ask.view, scope)?];
    all.extend(said.pass_roles(ask.view, scope)?);
    Ok(all)
}

/// Changes a service; what its tasks are made of makes a new deployment.
pub fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateService>,
) -> Result<UpdateServiceResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    cluster.active(tx.view())?;
    let reference = MemberRef::resolve(&cluster, Kind::Service, &input.service)?;
    let mut service = found(tx.view(), &reference)?;
    check_controller(service.controller, input)?;
    let before = service.definition.clone();
    let change = Change::new(tx.view(), scope, &cluster, &service, input)?;
    change.apply(&mut service, input);
    let forced = input.force_new_deployment.unwrap_or_default();
    if service.controller == Controller::Ecs && (forced || is_new_version(&before, &service.definition)) {
        deploying::begin(tx, &mut service);
    } else {
        keep_deploying(tx, &mut service);
    }
    let reply = shown::service(tx.view(), &service, true);
    tx.put(service);
    Ok(UpdateServiceResponse { service: Some(reply) })
}

/// The service, which must be ACTIVE: for changes.
pub(super) fn found(view: &Snapshot, reference: &MemberRef) -> Result<Service, EcsError> {
    let found = reference.service(view).ok_or(EcsError::ServiceNotFound)?;
    if found.status == ServiceStatus::Active {
        Ok(Service::clone(found))
    } else {
        Err(ServiceFault::NotActive.into())
    }
}

/// Whether tasks are made of something else now; providers alone do not count.
fn is_new_version(before: &api::Service, after: &api::Service) -> bool {
    before.task_definition != after.task_definition
        || before.launch_type != after.launch_type
        || before.platform_version != after.platform_version
        || before.network_configuration != after.network_configuration
}

/// Without a new deployment the PRIMARY goes on with what was changed, and any back-off of failed starts ends.
fn keep_deploying(tx: &mut Tx<'_>, service: &mut Service) {
    let strategy = service.definition.capacity_provider_strategy.clone();
    for one in &mut service.deployments {
        one.progress.asked_anew();
        if one.status == DeploymentStatus::Primary && one.chosen.capacity_provider_strategy != strategy {
            one.chosen.capacity_provider_strategy.clone_from(&strategy);
            one.updated = tx.now;
        }
    }
    for set in &mut service.task_sets {
        set.progress.forget_back_off();
    }
    if let Some(mut entry) = deploying::under_way(tx, service)
        && entry.target_count != service.desired
    {
        entry.target_count = service.desired;
        entry.updated = tx.now;
        tx.put(entry);
    }
}

/// What only the ECS controller lets a caller change here.
fn check_controller(controller: Controller, input: &UpdateServiceRequest) -> Result<(), EcsError> {
    let asked = input.deployment_controller.as_ref();
    if asked.is_some_and(|asked| asked.r#type != controller.as_str()) {
        return Err(EcsError::Unsupported("changing the deployment controller"));
    }
    if controller == Controller::Ecs {
        return Ok(());
    }
    let refused = [
        ("task definition", input.task_definition.is_some()),
        ("network configuration", input.network_configuration.is_some()),
        ("platform version", input.platform_version.is_some()),
        ("load balancers", input.load_balancers.is_some()),
        ("service registries", input.service_registries.is_some()),
        (
            "capacity provider strategy",
            input.capacity_provider_strategy.is_some(),
        ),
        (
            "service connect configuration",
            input.service_connect_configuration.is_some(),
        ),
        ("volume configurations", input.volume_configurations.is_some()),
        (
            "deployment configuration",
            controller == Controller::External && input.deployment_configuration.is_some(),
        ),
        (
            "force new deployment",
            input.force_new_deployment.unwrap_or_default(),
        ),
    ];
    match (refused.into_iter().find(|(_, given)| *given), controller) {
        (None, _) => Ok(()),
        (Some((what, _)), Controller::CodeDeploy) => Err(ServiceFault::UpdateCodeDeploy(what).into()),
        (Some((what, _)), _) => Err(ServiceFault::UpdateExternal(what).into()),
    }
}

/// What a request makes of a service, checked.
struct Change {
    desired: u32,
    task_definition: Option<String>,
    means: Option<Means>,
    network: Option<api::NetworkConfiguration>,
    configuration: api::DeploymentConfiguration,
}

impl Change {
    fn new(
        view: &Snapshot,
        scope: Scope<'_>,
        cluster: &ClusterRef,
        service: &Service,
        input: &UpdateServiceRequest,
    ) -> Result<Self, EcsError> {
        let now = &service.definition;
        let desired = desired(service, input.desired_count)?;
        if desired > service.desired {
            check_desired(view, desired)?;
        }
        let configuration = configuration::complete(
            service.strategy,
            service.controller,
            input.deployment_configuration.as_ref(),
            now.deployment_configuration.as_ref(),
        )?;
        let network = input.network_configuration.clone();
        let network = network.or_else(|| now.network_configuration.clone());
        let (definition, means) = match service.controller {
            Controller::Ecs => (
                Some(definition(view, scope, service, input)?),
                Some(means(view, scope, cluster, service, input)?),
            ),
            _ => (None, None),
        };
        let version = definition.zip(means.as_ref()).map(|(definition, means)| Version {
            definition,
            means,
            network: network.as_ref(),
            platform_version: platform_version(now, input),
        });
        let constraints = input.placement_constraints.as_deref();
        let strategies = input.placement_strategy.as_deref();
        let wish = Wish {
            strategy: service.strategy,
            controller: service.controller,
            version,
            constraints: constraints
                .or(now.placement_constraints.as_deref())
                .unwrap_or_default(),
            strategies: strategies
                .or(now.placement_strategy.as_deref())
                .unwrap_or_default(),
            rebalancing: rebalancing(now, input),
            grace: input.health_check_grace_period_seconds,
            execute_command: input.enable_execute_command.unwrap_or_default(),
            parts: parts(view, cluster, input),
        };
        wish.check()?;
        // What the service has already may have been deleted since: ECS asks when tasks start.
        check_network_objects(view, scope, input.network_configuration.as_ref())?;
        let task_definition = definition.map(|definition| definition.arn.to_string());
        Ok(Self {
            desired,
            task_definition: task_definition.or_else(|| now.task_definition.clone()),
            means,
            network,
            configuration,
        })
    }

    fn apply(self, service: &mut Service, input: &UpdateServiceRequest) {
        service.desired = self.desired;
        let now = &mut service.definition;
        now.platform_version = platform_version(now, input).map(str::to_owned);
        now.availability_zone_rebalancing = rebalancing(now, input).map(str::to_owned);
        now.task_definition = self.task_definition;
        now.network_configuration = self.network;
        now.deployment_configuration = Some(self.configuration);
        if let Some(means) = &self.means {
            now.launch_type = launching::launch_type(means);
            now.capacity_provider_strategy = launching::strategy(means);
        }
        replace(&mut now.placement_constraints, &input.placement_constraints);
        replace(&mut now.placement_strategy, &input.placement_strategy);
        replace(
            &mut now.health_check_grace_period_seconds,
            &input.health_check_grace_period_seconds,
        );
        replace(&mut now.enable_execute_command, &input.enable_execute_command);
        replace(&mut now.enable_ecs_managed_tags, &input.enable_ecs_managed_tags);
        replace(&mut now.propagate_tags, &input.propagate_tags);
    }
}

/// What a request does not name stays; an empty list takes away.
fn replace<T: Clone>(now: &mut Option<T>, asked: &Option<T>) {
    if asked.is_some() {
        now.clone_from(asked);
    }
}

fn desired(service: &Service, asked: Option<i32>) -> Result<u32, EcsError> {
    match (service.strategy, asked) {
        (_, None) => Ok(service.desired),
        (SchedulingStrategy::Daemon, Some(_)) => Err(ServiceFault::DaemonDesiredCount.into()),
        (SchedulingStrategy::Replica, Some(count)) => {
            u32::try_from(count).map_err(|_| EcsError::ServiceDesiredCount)
        }
    }
}

/// The definition that tasks shall be made from. One that is only kept may have been deregistered since.
fn definition<'v>(
    view: &'v Snapshot,
    scope: Scope<'_>,
    service: &Service,
    input: &UpdateServiceRequest,
) -> Result<&'v TaskDefinition, EcsError> {
    if let Some(asked) = input.task_definition.as_deref().filter(|text| !text.is_empty()) {
        let reference = DefinitionRef::resolve(view, scope, asked)?;
        return reference.active(view).map(AsRef::as_ref);
    }
    let kept = service.definition.task_definition.as_deref().unwrap_or_default();
    let found = DefinitionRef::resolve(view, scope, kept)?.find(view);
    found.map(AsRef::as_ref).ok_or(EcsError::DefinitionNotFound)
}

/// What tasks get their hosts through. An empty strategy takes the service's strategy away.
fn means(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    service: &Service,
    input: &UpdateServiceRequest,
) -> Result<Means, EcsError> {
    let now = &service.definition;
    let (launch_type, strategy) = match input.capacity_provider_strategy.as_deref() {
        Some([]) => (Some(now.launch_type.as_deref().unwrap_or("EC2")), None),
        Some(asked) => (None, Some(asked)),
        None => (
            now.launch_type.as_deref(),
            now.capacity_provider_strategy.as_deref(),
        ),
    };
    launching::means(view, scope, cluster, launch_type, strategy)
}

fn platform_version<'a>(now: &'a api::Service, input: &'a UpdateServiceRequest) -> Option<&'a str> {
    let asked = input.platform_version.as_deref();
    asked.or(now.platform_version.as_deref())
}

/// An update that does not name it leaves it; one whose strategies no longer allow it switches it off.
fn rebalancing<'a>(now: &'a api::Service, input: &'a UpdateServiceRequest) -> Option<&'a str> {
    let asked = input.availability_zone_rebalancing.as_deref();
    let kept = now.availability_zone_rebalancing.as_deref();
    let strategies = input.placement_strategy.as_deref().unwrap_or_default();
    let allowed = super::rules::can_rebalance(Controller::Ecs, strategies);
    match asked {
        None if !allowed => Some("DISABLED"),
        None => kept,
        asked => asked,
    }
}

fn parts<'a>(view: &Snapshot, cluster: &ClusterRef, input: &'a UpdateServiceRequest) -> Parts<'a> {
    Parts {
        load_balancers: input.load_balancers.as_deref(),
        registries: input.service_registries.as_deref(),
        connect: input.service_connect_configuration.as_ref(),
        volumes: input.volume_configurations.as_deref(),
        lattice: input.vpc_lattice_configurations.as_deref(),
        gateways: input.gateway_connectors.as_deref(),
        monitoring: input.monitoring.is_some(),
        has_namespace: launching::has_namespace(view, cluster),
    }
}
