//! A task as the agent gets it: the definition with the overrides worked in (agent.md 5.2).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use portcullis_api::{acs, ecs as api};

use super::{docker, supplies};
use crate::schedule::resources::{effective, override_of};
use crate::world::records::ecs::{DesiredStatus, EXEC_AGENT_NAME, Task, TaskContainer, TaskDefinition};

/// Tells programs where they run.
const EXECUTION_ENVIRONMENT: &str = "AWS_EXECUTION_ENV";
/// CPU units of one vCPU.
const CPU_UNITS: f64 = 1024.0;

/// Credentials that travel with a task.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskCredentials {
    /// Of the task role.
    pub application: Option<acs::IAMRoleCredentials>,
    /// Of the execution role.
    pub execution: Option<acs::IAMRoleCredentials>,
}

/// The task with the status ECS wants it in.
pub(super) fn task(task: &Task, definition: &TaskDefinition, credentials: TaskCredentials) -> acs::Task {
    let shape = &definition.definition;
    let size = |own: &Option<String>| own.as_ref().and_then(|text| text.parse::<i32>().ok());
    let containers = shape.container_definitions.iter().flatten();
    let known = |name: &Option<String>| {
        task.containers
            .iter()
            .find(|one| Some(&one.name) == name.as_ref())
    };
    acs::Task {
        arn: task.arn.to_string(),
        task_cluster_arn: task.cluster_arn(),
        desired_status: task.desired.as_str().to_owned(),
        family: task.family.clone(),
        version: task.revision.to_string(),
        network_mode: Some(shape.network_mode.clone().unwrap_or_else(|| "bridge".to_owned())),
        launch_type: Some(task.launch_type.clone()),
        task_definition_account_id: Some(task.arn.account().to_owned()),
        cpu: size(&task.cpu).map(|units| f64::from(units) / CPU_UNITS),
        memory: size(&task.memory),
        overrides: "{}".to_owned(),
        containers: containers
            .filter_map(|one| Some(container(task, shape, one, known(&one.name)?)))
            .collect(),
        volumes: shape.volumes.iter().flatten().map(volume).collect(),
        elastic_network_interfaces: interface(task).map(|interface| vec![interface]),
        role_credentials: credentials.application,
        execution_role_credentials: credentials.execution,
        pid_mode: shape.pid_mode.clone(),
        ipc_mode: shape.ipc_mode.clone(),
        service_name: task.service().map(str::to_owned),
        group: Some(task.group.clone()),
        zone: task.availability_zone.clone(),
        enable_fault_injection: shape.enable_fault_injection,
        ..acs::Task::default()
    }
}

/// Containers whose images' digests are known run exactly those, whatever their tags mean by now.
pub(super) fn pin(shown: &mut acs::Task, digests: &BTreeMap<String, String>) {
    for container in &mut shown.containers {
        if let Some(digest) = digests.get(&container.name)
            && !container.image.contains('@')
        {
            let repository = match container.image.rsplit_once(':') {
                Some((repository, tag)) if !tag.contains('/') => repository,
                _ => &container.image,
            };
            container.image = format!("{repository}@{digest}");
        }
    }
}

/// The network interface of a task. There is no resolver at the VPC's address: tasks use that of their host
/// (docs/fidelity.md).
fn interface(task: &Task) -> Option<acs::ElasticNetworkInterface> {
    let made = task.interface.as_ref()?.made.as_ref()?;
    let (_, domain) = made.dns_name.split_once('.')?;
    Some(acs::ElasticNetworkInterface {
        attachment_arn: task.attachment_arn(),
        ec2_id: Some(made.id.clone()),
        mac_address: Some(made.mac.clone()),
        ipv4_addresses: Some(vec![acs::Ipv4Address {
            primary: Some(true),
            private_address: Some(made.address.clone()),
        }]),
        ipv6_addresses: Some(Vec::new()),
        domain_name: Some(vec![domain.to_owned()]),
        domain_name_servers: Some(Vec::new()),
        private_dns_name: Some(made.dns_name.clone()),
        subnet_gateway_ipv4_address: Some(made.gateway.clone()),
        index: Some(0),
        name: Some("eth0".to_owned()),
        interface_association_protocol: Some("default".to_owned()),
        ..acs::ElasticNetworkInterface::default()
    })
}

/// The name under which the agent keeps a task, for manifests.
pub(super) fn identifier(task: &Task) -> acs::TaskIdentifier {
    acs::TaskIdentifier {
        task_arn: task.arn.to_string(),
        task_cluster_arn: task.cluster_arn(),
        desired_status: task.desired.as_str().to_owned(),
    }
}

/// Whether a manifest entry would keep a task running.
pub(super) fn is_wanted(task: &Task) -> bool {
    task.desired == DesiredStatus::Running
}

fn container(
    task: &Task,
    definition: &api::TaskDefinition,
    container: &api::ContainerDefinition,
    record: &TaskContainer,
) -> acs::Container {
    let own = override_of(&task.overrides, &record.name);
    let size = effective(container, &task.overrides);
    let uses_awslogs = container
        .log_configuration
        .as_ref()
        .is_some_and(|log| log.log_driver == "awslogs");
    let arn = task.arn_beside(format_args!(
        "container/{}/{}/{}",
        task.cluster, task.id, record.id
    ));
    acs::Container {
        name: record.name.clone(),
        container_arn: Some(arn),
        image: record.image.clone(),
        essential: record.essential,
        cpu: size.cpu,
        memory: size.memory.unwrap_or_default(),
        command: own
            .and_then(|own| own.command.clone())
            .or_else(|| container.command.clone()),
        entry_point: container.entry_point.clone(),
        environment: environment(task, container, own),
        environment_files: supplies::environment_files(container, own),
        port_mappings: container.port_mappings.iter().flatten().map(port).collect(),
        mount_points: container.mount_points.iter().flatten().map(mount).collect(),
        volumes_from: container.volumes_from.iter().flatten().map(volume_from).collect(),
        links: container.links.clone().unwrap_or_default(),
        depends_on: container
            .depends_on
            .as_ref()
            .map(|list| list.iter().map(dependency).collect()),
        start_timeout: container.start_timeout,
        stop_timeout: container.stop_timeout,
        secrets: supplies::secrets(task, container),
        registry_authentication: supplies::registry_authentication(task, container, &record.image),
        logs_auth_strategy: (uses_awslogs && task.execution_role.is_some())
            .then(|| "ExecutionRole".to_owned()),
        health_check_type: container.health_check.as_ref().map(|_| "docker".to_owned()),
        firelens_configuration: supplies::firelens(container),
        restart_policy: container.restart_policy.as_ref().map(restart_policy),
        managed_agents: record.exec_agent.as_ref().map(|_| vec![exec_agent()]),
        overrides: "{}".to_owned(),
        privileged: container.privileged,
        docker_config: Some(docker::config(task, definition, container, size)),
    }
}

fn exec_agent() -> acs::ManagedAgent {
    let limit = crate::exec::SESSIONS_MAX.to_string();
    acs::ManagedAgent {
        name: EXEC_AGENT_NAME.to_owned(),
        properties: Some(BTreeMap::from([("sessionLimit".to_owned(), limit)])),
    }
}

/// By the launch type. AWS documents no value for external instances: their agent is EC2's.
fn execution_environment(launch_type: &str) -> &'static str {
    if launch_type == "FARGATE" {
        "AWS_ECS_FARGATE"
    } else {
        "AWS_ECS_EC2"
    }
}

/// The definition's variables, the overrides' over them; what ECS adds gives way to both.
fn environment(
    task: &Task,
    container: &api::ContainerDefinition,
    own: Option<&api::ContainerOverride>,
) -> BTreeMap<String, String> {
    let place = execution_environment(&task.launch_type);
    let mut environment = BTreeMap::from([(EXECUTION_ENVIRONMENT.to_owned(), place.to_owned())]);
    let overriding = own.iter().flat_map(|own| own.environment.iter().flatten());
    for pair in container.environment.iter().flatten().chain(overriding) {
        environment.insert(
            pair.name.clone().unwrap_or_default(),
            pair.value.clone().unwrap_or_default(),
        );
    }
    environment
}

fn port(port: &api::PortMapping) -> acs::PortMapping {
    acs::PortMapping {
        container_port: port.container_port,
        host_port: Some(port.host_port.unwrap_or_default()),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "tcp".to_owned())),
        container_port_range: port.container_port_range.clone(),
    }
}

fn mount(mount: &api::MountPoint) -> acs::MountPoint {
    acs::MountPoint {
        source_volume: mount.source_volume.clone(),
        container_path: mount.container_path.clone(),
        read_only: Some(mount.read_only.unwrap_or_default()),
    }
}

fn volume_from(source: &api::VolumeFrom) -> acs::VolumeFrom {
    acs::VolumeFrom {
        source_container: source.source_container.clone(),
        read_only: Some(source.read_only.unwrap_or_default()),
    }
}

fn dependency(dependency: &api::ContainerDependency) -> acs::ContainerDependency {
    acs::ContainerDependency {
        container_name: dependency.container_name.clone(),
        condition: dependency.condition.clone(),
    }
}

fn restart_policy(policy: &api::ContainerRestartPolicy) -> acs::RestartPolicy {
    acs::RestartPolicy {
        enabled: policy.enabled,
        ignored_exit_codes: policy.ignored_exit_codes.clone(),
        restart_attempt_period: policy.restart_attempt_period,
    }
}

fn volume(volume: &api::Volume) -> acs::Volume {
    let name = volume.name.clone().unwrap_or_default();
    match &volume.docker_volume_configuration {
        Some(docker) => acs::Volume {
            name,
            r#type: Some("docker".to_owned()),
            host: None,
            docker_volume_configuration: Some(acs::DockerVolumeConfiguration {
                scope: docker.scope.clone(),
                autoprovision: docker.autoprovision,
                driver: docker.driver.clone(),
                driver_opts: docker.driver_opts.clone(),
                labels: docker.labels.clone(),
            }),
        },
        None => {
            let path = volume
                .host
                .as_ref()
                .and_then(|host| host.source_path.clone())
                .unwrap_or_default();
            let host = acs::HostVolume {
                source_path: Some(path),
            };
            acs::Volume {
                name,
                r#type: Some("host".to_owned()),
                host: Some(host),
                docker_volume_configuration: None,
            }
        }
    }
}
