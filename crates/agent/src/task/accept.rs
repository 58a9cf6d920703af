//! From a task of an ACS payload to the agent's own picture of it (agent.md 5.2).

mod awsvpc;
mod pause;

use portcullis_api::acs;
use portcullis_core::{Random, hex_id, uuid};
use serde::Deserialize;

use super::model::{
    Condition, Container, Definition, Dependency, Desired, DockerVolume, Known, MountPoint, PortMapping,
    RestartPolicy, Task, Volume, VolumesFrom, id_of,
};
use super::namespaces::Namespaces;
use super::plan::dependencies_resolvable;
use crate::exec::EXEC_AGENT_NAME;
use crate::supplies::Wants;

/// Seconds, where a restart policy names none.
const RESTART_ATTEMPT_PERIOD_DEFAULT: u32 = 300;

/// Why a task cannot be taken; sent as the reason of its STOPPED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unacceptable(pub(crate) String);

/// Reads a task, giving its containers the names they will have.
pub(crate) fn task(wire: &acs::Task, random: &dyn Random) -> Result<Task, Unacceptable> {
    let reject = |text: &str| Unacceptable(format!("UnrecognizedTaskError: {text}"));
    if wire.arn.is_empty() {
        return Err(reject("the task has no arn"));
    }
    if !is_plain(id_of(&wire.arn)) {
        return Err(reject("the task's id is none"));
    }
    if wire.containers.is_empty() {
        return Err(reject("the task has no containers"));
    }
    if let Some(container) = wire
        .containers
        .iter()
        .find(|container| !is_plain(&container.name))
    {
        return Err(reject(&format!("`{}` is no container's name", container.name)));
    }
    let desired = match wire.desired_status.as_str() {
        "RUNNING" => Desired::Running,
        "STOPPED" => Desired::Stopped,
        other => return Err(reject(&format!("unknown desiredStatus `{other}`"))),
    };
    let namespaces = Namespaces::read(wire.pid_mode.as_deref(), wire.ipc_mode.as_deref());
    let containers = wire
        .containers
        .iter()
        .map(|container| self::container(wire, container, random));
    let mut task = Task {
        arn: wire.arn.clone(),
        cluster_arn: Some(wire.task_cluster_arn.clone()).filter(|arn| !arn.is_empty()),
        family: wire.family.clone(),
        version: wire.version.clone(),
        desired,
        launch_type: wire.launch_type.clone(),
        network_mode: wire.network_mode.clone(),
        cpu: wire.cpu,
        memory: wire.memory.map(i64::from),
        service_name: wire.service_name.clone(),
        interface: None,
        namespaces: namespaces.map_err(|text| reject(&text))?,
        volumes: wire.volumes.iter().map(volume).collect(),
        containers: containers.collect::<Result<_, _>>()?,
        credentials_id: wire
            .role_credentials
            .as_ref()
            .map(|role| role.credentials_id.clone()),
        execution_credentials_id: wire
            .execution_role_credentials
            .as_ref()
            .map(|role| role.credentials_id.clone()),
        failure: None,
        pull_started_at: None,
        pull_stopped_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        cleanup_at: None,
        pending_reported: false,
        ran: false,
        reported: Known::None,
    };
    awsvpc::give_interface(&mut task, wire)?;
    pause::give_pause(&mut task, random);
    if !dependencies_resolvable(&task) {
        return Err(Unacceptable(
            "TaskDependencyError: the containers' dependsOn, links and volumesFrom cannot be resolved"
                .to_owned(),
        ));
    }
    Ok(task)
}

fn container(
    task: &acs::Task,
    wire: &acs::Container,
    random: &dyn Random,
) -> Result<Container, Unacceptable> {
    Ok(Container {
        definition: definition(task, wire)?,
        docker_name: docker_name(&task.family, &task.version, &wire.name, random),
        endpoint_id: uuid(random),
        ..Container::default()
    })
}

/// `ecs-<family>-<revision>-<name>-<20 hex>` [M].
fn docker_name(family: &str, version: &str, name: &str, random: &dyn Random) -> String {
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let suffix: String = hex_id(random).chars().take(20).collect();
    format!("ecs-{family}-{version}-{name}-{suffix}")
}

/// Ids and names become names of files and cgroups.
fn is_plain(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The part of `overrides` the agent itself applies; the control plane has merged the rest.
#[derive(Default, Deserialize)]
struct Overrides {
    command: Option<Vec<String>>,
}

fn definition(task: &acs::Task, wire: &acs::Container) -> Result<Definition, Unacceptable> {
    let overrides: Overrides = match wire.overrides.as_str() {
        "" => Overrides::default(),
        text => serde_json::from_str(text)
            .map_err(|error| Unacceptable(format!("UnrecognizedTaskError: container overrides: {error}")))?,
    };
    let docker = wire.docker_config.clone().unwrap_or_default();
    let (supplies, mut unsupported_here) = Wants::read(wire);
    unsupported_here.extend(unsupported(task, wire));
    Ok(Definition {
        name: wire.name.clone(),
        arn: wire.container_arn.clone(),
        image: wire.image.clone(),
        essential: wire.essential,
        cpu: wire.cpu.into(),
        memory: wire.memory.into(),
        entry_point: wire.entry_point.clone(),
        command: overrides.command.or_else(|| wire.command.clone()),
        environment: wire.environment.clone(),
        ports: wire
            .port_mappings
            .iter()
            .map(port)
            .collect::<Option<_>>()
            .ok_or_else(bad_port)?,
        mounts: wire.mount_points.iter().map(mount).collect(),
        volumes_from: wire.volumes_from.iter().map(volumes_from).collect(),
        links: wire.links.clone(),
        depends_on: depends_on(wire)?,
        start_timeout: wire
            .start_timeout
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0),
        stop_timeout: wire
            .stop_timeout
            .and_then(|seconds| u32::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0),
        exec_enabled: wire
            .managed_agents
            .iter()
            .flatten()
            .any(|agent| agent.name == EXEC_AGENT_NAME),
        restart_policy: wire.restart_policy.as_ref().and_then(restart_policy),
        privileged: wire.privileged.unwrap_or_default(),
        health_check: wire.health_check_type.as_deref() == Some("docker"),
        logs_with_execution_role: wire.logs_auth_strategy.as_deref() == Some("ExecutionRole"),
        docker_config: docker.config.unwrap_or_default(),
        docker_host_config: docker.host_config.unwrap_or_default(),
        supplies,
        unsupported: unsupported_here,
    })
}

/// What would run otherwise than asked for. Such a container is refused with these names instead.
fn unsupported(task: &acs::Task, wire: &acs::Container) -> Vec<String> {
    let found = [
        (wire.firelens_configuration.is_some(), "firelensConfiguration"),
        (
            task.volumes.iter().any(|volume| !is_supported(volume)),
            "volumes other than host and docker ones",
        ),
    ];
    found
        .into_iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn is_supported(volume: &acs::Volume) -> bool {
    matches!(volume.r#type.as_deref(), None | Some("" | "host" | "docker"))
}

fn volume(wire: &acs::Volume) -> Volume {
    let host_path = wire
        .host
        .as_ref()
        .and_then(|host| host.source_path.clone())
        .filter(|path| !path.is_empty());
    Volume {
        name: wire.name.clone(),
        host_path,
        docker: wire.docker_volume_configuration.as_ref().map(docker_volume),
    }
}

fn docker_volume(wire: &acs::DockerVolumeConfiguration) -> DockerVolume {
    DockerVolume {
        shared: wire.scope.as_deref() == Some("shared"),
        autoprovision: wire.autoprovision.unwrap_or_default(),
        driver: wire.driver.clone().filter(|driver| !driver.is_empty()),
        driver_opts: wire.driver_opts.clone().unwrap_or_default(),
        labels: wire.labels.clone().unwrap_or_default(),
    }
}

fn restart_policy(wire: &acs::RestartPolicy) -> Option<RestartPolicy> {
    let period = wire
        .restart_attempt_period
        .and_then(|seconds| u32::try_from(seconds).ok());
    wire.enabled.then(|| RestartPolicy {
        ignored_exit_codes: wire.ignored_exit_codes.clone().unwrap_or_default(),
        attempt_period: period.unwrap_or(RESTART_ATTEMPT_PERIOD_DEFAULT),
    })
}

fn port(wire: &acs::PortMapping) -> Option<PortMapping> {
    let range = match wire
        .container_port_range
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        Some(text) => Some(port_range(text)?),
        None => None,
    };
    let given = u16::try_from(wire.container_port.unwrap_or_default()).ok()?;
    Some(PortMapping {
        container_port: range.map_or(given, |(first, _)| first),
        host_port: u16::try_from(wire.host_port.unwrap_or_default()).ok()?,
        protocol: wire.protocol.clone().unwrap_or_else(|| "tcp".to_owned()),
        range,
    })
}

/// `8080-8090`.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (
        first.trim().parse::<u16>().ok()?,
        last.trim().parse::<u16>().ok()?,
    );
    (0 < first && first <= last).then_some((first, last))
}

fn bad_port() -> Unacceptable {
    Unacceptable("UnrecognizedTaskError: a port is out of range".to_owned())
}

fn mount(wire: &acs::MountPoint) -> MountPoint {
    MountPoint {
        volume: wire.source_volume.clone().unwrap_or_default(),
        path: wire.container_path.clone().unwrap_or_default(),
        read_only: wire.read_only.unwrap_or_default(),
    }
}

fn volumes_from(wire: &acs::VolumeFrom) -> VolumesFrom {
    VolumesFrom {
        container: wire.source_container.clone().unwrap_or_default(),
        read_only: wire.read_only.unwrap_or_default(),
    }
}

/// What a container names as its dependencies, and those whose address or volumes it gets: the engine has to know them
/// before it (agent.md 8). The agent has no state between nothing and started, so CREATE is START here.
fn depends_on(wire: &acs::Container) -> Result<Vec<Dependency>, Unacceptable> {
    let linked = wire
        .links
        .iter()
        .map(|link| link.split_once(':').map_or(link.as_str(), |(name, _)| name));
    let sources = wire
        .volumes_from
        .iter()
        .map(|from| from.source_container.as_deref().unwrap_or_default());
    let started = |name: &str| {
        Ok(Dependency {
            container: name.to_owned(),
            condition: Condition::Start,
        })
    };
    let named = wire.depends_on.iter().flatten().map(dependency);
    named.chain(linked.chain(sources).map(started)).collect()
}

fn dependency(wire: &acs::ContainerDependency) -> Result<Dependency, Unacceptable> {
    let condition = match wire.condition.as_str() {
        "START" => Condition::Start,
        "COMPLETE" => Condition::Complete,
        "SUCCESS" => Condition::Success,
        "HEALTHY" => Condition::Healthy,
        other => {
            return Err(Unacceptable(format!(
                "UnrecognizedTaskError: unknown condition `{other}`"
            )));
        }
    };
    Ok(Dependency {
        container: wire.container_name.clone(),
        condition,
    })
}

#[cfg(test)]
mod tests;
