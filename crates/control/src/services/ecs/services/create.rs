//! CreateService.

use std::sync::Arc;

use portcullis_api::ecs::op::CreateService;
use portcullis_api::ecs::{self as api, CreateServiceRequest, CreateServiceResponse};
use portcullis_core::{Arn, Timestamp};

use super::faults::ServiceFault;
use super::keys::Said;
use super::rules::{Parts, Version, Wish, can_rebalance};
use super::{configuration, deploying, launching, shown};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::capacity_providers::{Means, in_force};
use crate::services::ecs::checks::{on_member, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, DefinitionRef, Kind, MemberRef, Scope, is_name};
use crate::services::ecs::tasks::check_network_objects;
use crate::services::ecs::{quotas, tags};
use crate::world::records::Record as _;
use crate::world::records::ecs::{Cluster, Controller, Launches, SchedulingStrategy, Service, ServiceStatus};
use crate::world::{Snapshot, Tx};

/// The service's ARN with everything the reference lists, tagging it, and passing its roles.
pub fn require_create(ask: Ask<'_, CreateServiceRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &input.service_name)?;
    let tags = tags::requested(input.tags.as_deref());
    // Of a service that is already there, its own tags decide: the call then only shows it.
    let existing = service.service(ask.view);
    let existing = existing.filter(|found| found.status == ServiceStatus::Active);
    let decisive = existing.map_or(&tags, |found| &found.tags);
    let check = on_member("ecs:CreateService", &cluster, &service, Some(decisive)).of_request(&tags);
    let strategy = in_force(
        ask.view,
        &cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    );
    let said = Said::by_create(input, strategy);
    let mut all = vec![said.add_keys(check, ask.view, scope)?];
    all.extend(tag_on_create("CreateService", service.arn.as_str(), &tags));
    all.extend(said.pass_roles(ask.view, scope)?);
    Ok(all)
}

/// Makes a service and begins its first deployment, or shows the one that is there if it was asked for the same way.
pub fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateService>,
) -> Result<CreateServiceResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    cluster.active(tx.view())?;
    if !is_name(&input.service_name) {
        return Err(EcsError::ServiceName.into());
    }
    let reference = MemberRef::resolve(&cluster, Kind::Service, &input.service_name)?;
    let token = launching::client_token(input.client_token.as_deref())?;
    let existing = reference.service(tx.view());
    let existing = existing.filter(|found| !matches!(found.status, ServiceStatus::Inactive { .. }));
    let repeated = |found: &&Arc<Service>| {
        found.status == ServiceStatus::Active && token.is_some() && found.client_token == token
    };
    if let Some(found) = existing.filter(repeated) {
        return Ok(reply(tx.view(), found));
    }
    let tags = tags::checked(input.tags.as_deref())?;
    let chosen = Chosen::new(tx.view(), scope, &cluster, input)?;
    let mut service = Service {
        region: scope.region.clone(),
        cluster: cluster.name.clone(),
        name: input.service_name.clone(),
        arn: reference.arn.clone(),
        status: ServiceStatus::Active,
        tags,
        client_token: token,
        desired: chosen.desired,
        strategy: chosen.strategy,
        controller: chosen.controller,
        deployments: Vec::new(),
        task_sets: Vec::new(),
        events: Vec::new(),
        current_deployment: None,
        completed_revision: None,
        launches: Launches::default(),
        definition: chosen.definition(input, &cluster, &reference.arn, auth.call(), tx.now),
    };
    match existing {
        Some(found) if found.status == ServiceStatus::Draining => {
            return Err(EcsError::ServiceDraining.into());
        }
        Some(found) if is_same(found, &service) => return Ok(reply(tx.view(), found)),
        Some(_) => return Err(EcsError::ServiceNotIdempotent.into()),
        None => {
            check_quotas(tx.view(), &service)?;
            deploying::forget_history(tx, &service.key());
        }
    }
    if service.controller == Controller::Ecs {
        deploying::begin(tx, &mut service);
    }
    let reply = reply(tx.view(), &service);
    tx.put(service);
    Ok(reply)
}

fn reply(view: &Snapshot, service: &Service) -> CreateServiceResponse {
    CreateServiceResponse {
        service: Some(shown::service(view, service, true)),
    }
}

/// What a request comes to, checked.
struct Chosen {
    strategy: SchedulingStrategy,
    controller: Controller,
    desired: u32,
    task_definition: Option<Arn>,
    means: Option<Means>,
    configuration: api::DeploymentConfiguration,
}

impl Chosen {
    fn new(
        view: &Snapshot,
        scope: Scope<'_>,
        cluster: &ClusterRef,
        input: &CreateServiceRequest,
    ) -> Result<Self, EcsError> {
        let strategy = match input.scheduling_strategy.as_deref() {
            Some("DAEMON") => SchedulingStrategy::Daemon,
            _ => SchedulingStrategy::Replica,
        };
        let controller = controller(input)?;
        let desired = desired(strategy, input.desired_count)?;
        let given = input.deployment_configuration.as_ref();
        let configuration = configuration::complete(strategy, controller, given, None)?;
        let mut chosen = Self {
            strategy,
            controller,
            desired,
            task_definition: None,
            means: None,
            configuration,
        };
        let launch = (controller == Controller::Ecs)
            .then(|| launch(view, scope, cluster, input))
            .transpose()?;
        let version = launch.as_ref().map(|(reference, means)| {
            Ok::<_, EcsError>(Version {
                definition: reference.active(view)?,
                means,
                network: input.network_configuration.as_ref(),
                platform_version: input.platform_version.as_deref(),
            })
        });
        let wish = Wish {
            strategy,
            controller,
            version: version.transpose()?,
            constraints: input.placement_constraints.as_deref().unwrap_or_default(),
            strategies: input.placement_strategy.as_deref().unwrap_or_default(),
            rebalancing: input.availability_zone_rebalancing.as_deref(),
            grace: input.health_check_grace_period_seconds,
            execute_command: input.enable_execute_command.unwrap_or_default(),
            parts: parts(view, cluster, input),
        };
        wish.check()?;
        check_network_objects(view, scope, input.network_configuration.as_ref())?;
        if input.role.as_deref().is_some_and(|role| !role.is_empty()) {
            return Err(ServiceFault::Role.into());
        }
        chosen.task_definition = wish.version.as_ref().map(|one| one.definition.arn.clone());
        chosen.means = launch.map(|(_, means)| means);
        Ok(chosen)
    }

    fn definition(
        &self,
        input: &CreateServiceRequest,
        cluster: &ClusterRef,
        arn: &Arn,
        call: &Call,
        now: Timestamp,
    ) -> api::Service {
        let strategies = input.placement_strategy.clone().unwrap_or_default();
        let rebalances =
            self.strategy == SchedulingStrategy::Replica && can_rebalance(self.controller, &strategies);
        let rebalancing = if rebalances { "ENABLED" } else { "DISABLED" };
        let linked = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
        let linked = Arn::global("iam", call.region.partition(), &call.account, linked);
        api::Service {
            service_arn: Some(arn.to_string()),
            service_name: Some(input.service_name.clone()),
            cluster_arn: Some(cluster.arn.to_string()),
            load_balancers: Some(Vec::new()),
            service_registries: Some(Vec::new()),
            launch_type: self.means.as_ref().and_then(launching::launch_type),
            capacity_provider_strategy: self.means.as_ref().and_then(launching::strategy),
            platform_version: input.platform_version.clone(),
            task_definition: self.task_definition.as_ref().map(Arn::to_string),
            deployment_configuration: Some(self.configuration.clone()),
            role_arn: Some(linked.to_string()),
            created_at: Some(now),
            created_by: Some(call.caller.principal_arn()),
            placement_constraints: Some(input.placement_constraints.clone().unwrap_or_default()),
            placement_strategy: Some(strategies),
            network_configuration: input.network_configuration.clone(),
            health_check_grace_period_seconds: input.health_check_grace_period_seconds,
            enable_ecs_managed_tags: Some(input.enable_ecs_managed_tags.unwrap_or_default()),
            enable_execute_command: Some(input.enable_execute_command.unwrap_or_default()),
            propagate_tags: Some(input.propagate_tags.clone().unwrap_or_else(|| "NONE".to_owned())),
            availability_zone_rebalancing: Some(
                input
                    .availability_zone_rebalancing
                    .clone()
                    .unwrap_or_else(|| rebalancing.to_owned()),
            ),
            ..api::Service::default()
        }
    }
}

/// The controller; one that leaves deployments to task sets takes none of their parameters.
fn controller(input: &CreateServiceRequest) -> Result<Controller, EcsError> {
    let has_balancers = input.load_balancers.as_ref().is_some_and(|list| !list.is_empty());
    let some = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let given = input.deployment_controller.as_ref();
    match given.map(|controller| controller.r#type.as_str()) {
        Some("CODE_DEPLOY") if has_balancers => {
            Err(EcsError::Unsupported("the CODE_DEPLOY deployment controller"))
        }
        Some("CODE_DEPLOY") => Err(ServiceFault::CodeDeployBalancer.into()),
        Some("EXTERNAL") => {
            let refused = [
                ("TaskDefinition must be blank", some(&input.task_definition)),
                ("LoadBalancers must be empty or null", has_balancers),
                (
                    "ServiceRegistries must be empty or null",
                    input
                        .service_registries
                        .as_ref()
                        .is_some_and(|list| !list.is_empty()),
                ),
                ("LaunchType must be blank", some(&input.launch_type)),
                (
                    "CapacityProviderStrategy must be empty or null",
                    input
                        .capacity_provider_strategy
                        .as_ref()
                        .is_some_and(|list| !list.is_empty()),
                ),
                ("PlatformVersion must be blank", some(&input.platform_version)),
                (
                    "NetworkConfiguration must be empty or null",
                    input.network_configuration.is_some(),
                ),
            ];
            match refused.into_iter().find(|(_, given)| *given) {
                Some((text, _)) => Err(ServiceFault::ExternalService(text).into()),
                None => Ok(Controller::External),
            }
        }
        _ => Ok(Controller::Ecs),
    }
}

/// A cluster holds so many services and no more.
fn check_quotas(view: &Snapshot, service: &Service) -> Result<(), EcsError> {
    let counts = view
        .ecs
        .counts
        .get(&Cluster::key_of(&service.region, &service.cluster));
    let active = counts.map_or(0, |counts| counts.active_services.sum());
    if usize::try_from(active).unwrap_or_default() >= quotas::SERVICES_PER_CLUSTER.limit(view) {
        return Err(ServiceFault::ServiceLimit.into());
    }
    check_desired(view, service.desired)
}

/// A service can want so many tasks and no more.
pub(super) fn check_desired(view: &Snapshot, desired: u32) -> Result<(), EcsError> {
    let desired = usize::try_from(desired).unwrap_or(usize::MAX);
    if desired > quotas::TASKS_PER_SERVICE.limit(view) {
        return Err(ServiceFault::DesiredCountLimit.into());
    }
    Ok(())
}

/// REPLICA needs a number, DAEMON takes none, not even 0.
fn desired(strategy: SchedulingStrategy, given: Option<i32>) -> Result<u32, EcsError> {
    match (strategy, given) {
        (SchedulingStrategy::Daemon, None) => Ok(0),
        (SchedulingStrategy::Daemon, Some(_)) => Err(ServiceFault::DaemonDesiredCount.into()),
        (SchedulingStrategy::Replica, given) => {
            let count = given.and_then(|count| u32::try_from(count).ok());
            count.ok_or(EcsError::ServiceDesiredCount)
        }
    }
}

fn launch(
    view: &Snapshot,
    scope: Scope<'_>,
    cluster: &ClusterRef,
    input: &CreateServiceRequest,
) -> Result<(DefinitionRef, Means), EcsError> {
    let argument = input.task_definition.as_deref().filter(|text| !text.is_empty());
    let argument = argument.ok_or(EcsError::ServiceDefinitionMissing)?;
    let means = launching::means(
        view,
        scope,
        cluster,
        input.launch_type.as_deref(),
        input.capacity_provider_strategy.as_deref(),
    )?;
    Ok((DefinitionRef::resolve(view, scope, argument)?, means))
}

fn parts<'a>(view: &Snapshot, cluster: &ClusterRef, input: &'a CreateServiceRequest) -> Parts<'a> {
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

/// Whether a second request asks for just the service that is there.
fn is_same(existing: &Service, asked: &Service) -> bool {
    let chosen = |service: &Service| api::Service {
        created_at: None,
        created_by: None,
        ..service.definition.clone()
    };
    let kind = |service: &Service| (service.strategy, service.controller);
    let desired = |service: &Service| match service.strategy {
        SchedulingStrategy::Replica => Some(service.desired),
        SchedulingStrategy::Daemon => None,
    };
    kind(existing) == kind(asked)
        && desired(existing) == desired(asked)
        && chosen(existing) == chosen(asked)
        && existing.tags == asked.tags
}
