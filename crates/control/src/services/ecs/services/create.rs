//! CreateService.

use portcullis_api::ecs::op::CreateService;
use portcullis_api::ecs::{self as api, CreateServiceRequest, CreateServiceResponse};
use portcullis_core::{Arn, Random, Timestamp};

use super::shown;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::{on_member, pass_role, resolve_role, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, DefinitionRef, Kind, MemberRef, Scope, is_name};
use crate::services::ecs::tags;
use crate::world::records::ecs::{Service, ServiceStatus, TaskDefinition};
use crate::world::{Snapshot, Tx};

/// Who assumes the roles of services.
const PRINCIPAL: &str = "ecs.amazonaws.com";

/// The service's ARN with everything the reference lists, tagging it, and passing its role.
pub fn require_create(ask: Ask<'_, CreateServiceRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let scope = Scope::from(ask.call);
    let cluster = ClusterRef::resolve(scope, input.cluster.as_deref())?;
    let service = MemberRef::resolve(&cluster, Kind::Service, &input.service_name)?;
    let tags = tags::requested(input.tags.as_deref());
    let check = on_member("ecs:CreateService", &cluster, &service, Some(&tags)).of_request(&tags);
    let check = with_definition(check, ask.view, scope, input)?;
    let mut all = vec![with_network(with_options(check, scope, input), input)];
    all.extend(tag_on_create("CreateService", service.arn.as_str(), &tags));
    if let Some(role) = input.role.as_deref().filter(|role| !role.is_empty()) {
        all.push(pass_role(&resolve_role(ask.view, scope, role)?, PRINCIPAL));
    }
    Ok(all)
}

/// The definition's ARN with its revision, and the size of its tasks.
fn with_definition(
    check: Check,
    view: &Snapshot,
    scope: Scope<'_>,
    input: &CreateServiceRequest,
) -> Result<Check, EcsError> {
    let Some(argument) = input.task_definition.as_deref() else {
        return Ok(check);
    };
    let reference = DefinitionRef::resolve(view, scope, argument)?;
    let definition = reference.find(view).map(|found| &found.definition);
    Ok(check
        .with("ecs:task-definition", reference.arn.as_str())
        .with_some(
            "ecs:task-cpu",
            definition.and_then(|definition| definition.cpu.clone()),
        )
        .with_some(
            "ecs:task-memory",
            definition.and_then(|definition| definition.memory.clone()),
        ))
}

/// Keys of options; absent when the request does not say (rule 11).
fn with_options(check: Check, scope: Scope<'_>, input: &CreateServiceRequest) -> Check {
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    let connect = input.service_connect_configuration.as_ref();
    let check = check
        .with_some(
            "ecs:enable-ebs-volumes",
            flag(input.volume_configurations.as_ref().map(|list| !list.is_empty())),
        )
        .with_some("ecs:enable-ecs-managed-tags", flag(input.enable_ecs_managed_tags))
        .with_some("ecs:enable-execute-command", flag(input.enable_execute_command))
        .with_some(
            "ecs:enable-service-connect",
            flag(connect.map(|connect| connect.enabled)),
        )
        .with_some(
            "ecs:enable-vpc-lattice",
            flag(input.vpc_lattice_configurations.as_ref().map(|l| !l.is_empty())),
        )
        .with_some(
            "ecs:namespace",
            connect.and_then(|connect| connect.namespace.clone()),
        )
        .with_some("ecs:propagate-tags", input.propagate_tags.clone());
    match input.capacity_provider_strategy.as_deref() {
        None | Some([]) => check,
        Some(items) => {
            let arn = |item: &api::CapacityProviderStrategyItem| {
                scope.capacity_provider(&item.capacity_provider).to_string()
            };
            check.with_many("ecs:capacity-provider", items.iter().map(arn).collect())
        }
    }
}

fn with_network(check: Check, input: &CreateServiceRequest) -> Check {
    let network = input
        .network_configuration
        .as_ref()
        .and_then(|network| network.awsvpc_configuration.as_ref());
    let Some(network) = network else { return check };
    let public = network
        .assign_public_ip
        .as_deref()
        .map(|assign| (assign == "ENABLED").to_string());
    let check = check.with_some("ecs:auto-assign-public-ip", public);
    check.with_many("ecs:subnet", network.subnets.clone())
}

/// Makes a service without tasks.
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
    let tags = tags::checked(input.tags.as_deref())?;
    check(input)?;
    let definition = definition(tx.view(), scope, input)?.arn.clone();
    let service = Service {
        region: scope.region.clone(),
        cluster: cluster.name.clone(),
        name: input.service_name.clone(),
        arn: reference.arn.clone(),
        status: ServiceStatus::Active,
        tags,
        client_token: input.client_token.clone(),
        definition: new_service(
            input,
            &cluster,
            &reference.arn,
            &definition,
            auth.call(),
            tx.now,
            tx.random,
        ),
    };
    if let Some(existing) = reference.service(tx.view()) {
        match existing.status {
            ServiceStatus::Active if is_same(existing, &service) => {
                return Ok(CreateServiceResponse {
                    service: Some(shown(existing, true)),
                });
            }
            ServiceStatus::Active => return Err(EcsError::ServiceNotIdempotent.into()),
            ServiceStatus::Draining => return Err(EcsError::ServiceDraining.into()),
            ServiceStatus::Inactive { .. } => {}
        }
    }
    let reply = CreateServiceResponse {
        service: Some(shown(&service, true)),
    };
    tx.put(service);
    Ok(reply)
}

/// The rules of a request, then what this server cannot do yet.
fn check(input: &CreateServiceRequest) -> Result<(), EcsError> {
    if input.scheduling_strategy.as_deref() == Some("DAEMON") {
        return Err(EcsError::Unsupported("the DAEMON scheduling strategy"));
    }
    if input.launch_type.is_some() && some(&input.capacity_provider_strategy) {
        return Err(EcsError::LaunchTypeAndStrategy);
    }
    let desired = input
        .desired_count
        .filter(|count| *count >= 0)
        .ok_or(EcsError::ServiceDesiredCount)?;
    if let Some(deployment) = &input.deployment_configuration {
        let (least, most) = percents(deployment);
        if !(0..=100).contains(&least) || most < 100 {
            return Err(EcsError::ServicePercents);
        }
    }
    let controller = input
        .deployment_controller
        .as_ref()
        .map(|controller| controller.r#type.as_str());
    let unsupported = [
        ("services with a desired count above 0", desired > 0),
        (
            "deployment controllers other than ECS",
            controller.is_some_and(|controller| controller != "ECS"),
        ),
        ("load balancers", some(&input.load_balancers)),
        ("service registries", some(&input.service_registries)),
        (
            "Service Connect",
            input
                .service_connect_configuration
                .as_ref()
                .is_some_and(|connect| connect.enabled),
        ),
        ("volumes configured at launch", some(&input.volume_configurations)),
        ("VPC Lattice", some(&input.vpc_lattice_configurations)),
        ("gateways", some(&input.gateway_connectors)),
        (
            "capacity provider strategies of services",
            some(&input.capacity_provider_strategy),
        ),
    ];
    match unsupported.into_iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(EcsError::Unsupported(what)),
        None => Ok(()),
    }
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

/// The ACTIVE definition, which must support the launch type.
fn definition<'v>(
    view: &'v Snapshot,
    scope: Scope<'_>,
    input: &CreateServiceRequest,
) -> Result<&'v TaskDefinition, EcsError> {
    let argument = input
        .task_definition
        .as_deref()
        .ok_or(EcsError::ServiceDefinitionMissing)?;
    let reference = DefinitionRef::resolve(view, scope, argument)?;
    let found = reference.active(view)?;
    let launch_type = launch_type(input);
    let supported = found
        .definition
        .compatibilities
        .iter()
        .flatten()
        .any(|known| known == launch_type);
    if supported {
        Ok(found)
    } else {
        Err(EcsError::LaunchTypeUnsupported(launch_type.to_owned()))
    }
}

fn launch_type(input: &CreateServiceRequest) -> &str {
    input.launch_type.as_deref().unwrap_or("EC2")
}

/// Minimum and maximum with their defaults for REPLICA.
fn percents(deployment: &api::DeploymentConfiguration) -> (i32, i32) {
    (
        deployment.minimum_healthy_percent.unwrap_or(100),
        deployment.maximum_percent.unwrap_or(200),
    )
}

fn new_service(
    input: &CreateServiceRequest,
    cluster: &ClusterRef,
    arn: &Arn,
    task_definition: &Arn,
    call: &crate::gate::call::Call,
    now: Timestamp,
    random: &dyn Random,
) -> api::Service {
    let deployment = input.deployment_configuration.clone().unwrap_or_default();
    let (least, most) = percents(&deployment);
    api::Service {
        service_arn: Some(arn.to_string()),
        service_name: Some(input.service_name.clone()),
        cluster_arn: Some(cluster.arn.to_string()),
        load_balancers: Some(Vec::new()),
        service_registries: Some(Vec::new()),
        desired_count: Some(0),
        running_count: Some(0),
        pending_count: Some(0),
        launch_type: Some(launch_type(input).to_owned()),
        platform_version: input.platform_version.clone(),
        task_definition: Some(task_definition.to_string()),
        deployment_configuration: Some(api::DeploymentConfiguration {
            minimum_healthy_percent: Some(least),
            maximum_percent: Some(most),
            ..deployment
        }),
        deployments: Some(vec![first_deployment(input, task_definition, now, random)]),
        events: Some(Vec::new()),
        created_at: Some(now),
        created_by: Some(call.caller.principal_arn()),
        placement_constraints: Some(input.placement_constraints.clone().unwrap_or_default()),
        placement_strategy: Some(input.placement_strategy.clone().unwrap_or_default()),
        network_configuration: input.network_configuration.clone(),
        health_check_grace_period_seconds: input.health_check_grace_period_seconds,
        scheduling_strategy: Some("REPLICA".to_owned()),
        deployment_controller: input.deployment_controller.clone(),
        enable_ecs_managed_tags: Some(input.enable_ecs_managed_tags.unwrap_or(false)),
        enable_execute_command: Some(input.enable_execute_command.unwrap_or(false)),
        propagate_tags: Some(input.propagate_tags.clone().unwrap_or_else(|| "NONE".to_owned())),
        availability_zone_rebalancing: input.availability_zone_rebalancing.clone(),
        ..api::Service::default()
    }
}

/// With nothing to start, the first deployment is complete at once.
fn first_deployment(
    input: &CreateServiceRequest,
    task_definition: &Arn,
    now: Timestamp,
    random: &dyn Random,
) -> api::Deployment {
    let id = deployment_id(random);
    api::Deployment {
        rollout_state_reason: Some(format!("ECS deployment {id} completed.")),
        id: Some(id),
        status: Some("PRIMARY".to_owned()),
        task_definition: Some(task_definition.to_string()),
        desired_count: Some(0),
        pending_count: Some(0),
        running_count: Some(0),
        failed_tasks: Some(0),
        created_at: Some(now),
        updated_at: Some(now),
        launch_type: Some(launch_type(input).to_owned()),
        platform_version: input.platform_version.clone(),
        network_configuration: input.network_configuration.clone(),
        rollout_state: Some("COMPLETED".to_owned()),
        ..api::Deployment::default()
    }
}

/// `ecs-svc/` and 19 digits.
fn deployment_id(random: &dyn Random) -> String {
    const LEAST: u64 = 1_000_000_000_000_000_000;
    let mut bytes = [0_u8; 8];
    random.fill(&mut bytes);
    format!("ecs-svc/{}", LEAST + u64::from_le_bytes(bytes) % (9 * LEAST))
}

/// Whether a second request asks for the service that is there: the same token, or the same in everything chosen.
fn is_same(existing: &Service, asked: &Service) -> bool {
    let same_token = asked.client_token.is_some() && existing.client_token == asked.client_token;
    let chosen = |service: &Service| api::Service {
        deployments: None,
        created_at: None,
        created_by: None,
        ..service.definition.clone()
    };
    same_token || (chosen(existing) == chosen(asked) && existing.tags == asked.tags)
}
