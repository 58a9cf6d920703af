//! From a task of an ACS payload to the agent's own picture of it (agent.md 5.2).

mod awsvpc;

use portcullis_api::acs;
use portcullis_core::{Random, hex_id, uuid};
use serde::Deserialize;

use super::model::{
    Condition, Container, Definition, Dependency, Desired, DockerVolume, Known, MountPoint, PortMapping,
    RestartPolicy, Task, Volume, VolumesFrom, id_of,
};
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
    awsvpc::give_interface(&mut task, wire, random)?;
    if !dependencies_resolvable(&task) {
        return Err(Unacceptable(
            "TaskDependencyError: the containers' dependsOn cannot be resolved".to_owned(),
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
        depends_on: wire
            .depends_on
            .iter()
            .flatten()
            .map(dependency)
            .collect::<Result<_, _>>()?,
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
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    fn wire() -> acs::Task {
        acs::Task {
            arn: "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa".into(),
            desired_status: "RUNNING".into(),
            family: "fam".into(),
            version: "3".into(),
            containers: vec![acs::Container {
                name: "my_app".into(),
                overrides: "{}".into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn accept(change: impl FnOnce(&mut acs::Task)) -> Result<Task, Unacceptable> {
        let mut wire = wire();
        change(&mut wire);
        task(&wire, &SeededRandom::new(1))
    }

    #[test]
    fn agent_1_1_docker_names_and_endpoint_ids() {
        let task = accept(|_| {}).unwrap();
        let container = &task.containers[0];
        let suffix = container.docker_name.strip_prefix("ecs-fam-3-myapp-").unwrap();
        assert!(
            suffix.len() == 20 && suffix.bytes().all(|b| b.is_ascii_hexdigit()),
            "{suffix}"
        );
        assert_eq!(container.endpoint_id.len(), 36);
    }

    #[test]
    fn agent_5_2_command_override_wins() {
        let task = accept(|task| {
            task.containers[0].command = Some(vec!["a".into()]);
            task.containers[0].overrides = r#"{"command":["b"]}"#.into();
        });
        assert_eq!(
            task.unwrap().containers[0].definition.command,
            Some(vec!["b".to_owned()])
        );
    }

    #[test]
    fn agent_5_2_bad_tasks_are_refused_with_a_reason() {
        let dependency = |on: &str, condition: &str| acs::ContainerDependency {
            container_name: on.into(),
            condition: condition.into(),
        };
        type Change = Box<dyn FnOnce(&mut acs::Task)>;
        let cases: [(Change, &str); 8] = [
            (
                Box::new(|task| task.arn.clear()),
                "UnrecognizedTaskError: the task has no arn",
            ),
            (
                Box::new(|task| task.arn.push_str("/..")),
                "UnrecognizedTaskError: the task's id is none",
            ),
            (
                Box::new(|task| task.containers[0].name = "/etc".into()),
                "UnrecognizedTaskError: `/etc` is no container's name",
            ),
            (
                Box::new(|task| task.containers.clear()),
                "UnrecognizedTaskError: the task has no containers",
            ),
            (
                Box::new(|task| task.desired_status = "X".into()),
                "UnrecognizedTaskError: unknown desiredStatus `X`",
            ),
            (
                Box::new(move |task| {
                    task.containers[0].depends_on = Some(vec![dependency("my_app", "LATER")])
                }),
                "UnrecognizedTaskError: unknown condition `LATER`",
            ),
            (
                Box::new(move |task| {
                    task.containers[0].depends_on = Some(vec![dependency("my_app", "START")])
                }),
                "TaskDependencyError: the containers' dependsOn cannot be resolved",
            ),
            (
                Box::new(|task| {
                    let port = acs::PortMapping {
                        container_port: Some(70_000),
                        ..Default::default()
                    };
                    task.containers[0].port_mappings = vec![port];
                }),
                "UnrecognizedTaskError: a port is out of range",
            ),
        ];
        for (change, text) in cases {
            assert_eq!(accept(change).unwrap_err(), Unacceptable(text.to_owned()));
        }
    }

    #[test]
    fn agent_5_2_restart_policies_port_ranges_and_volumes_are_read() {
        let task = accept(|task| {
            task.volumes = vec![acs::Volume {
                name: "data".into(),
                r#type: Some("docker".into()),
                docker_volume_configuration: Some(acs::DockerVolumeConfiguration {
                    scope: Some("shared".into()),
                    autoprovision: Some(true),
                    driver: Some("local".into()),
                    ..Default::default()
                }),
                ..Default::default()
            }];
            let container = &mut task.containers[0];
            container.restart_policy = Some(acs::RestartPolicy {
                enabled: true,
                ignored_exit_codes: Some(vec![0]),
                restart_attempt_period: None,
            });
            container.port_mappings = vec![acs::PortMapping {
                container_port_range: Some("8080-8090".into()),
                ..Default::default()
            }];
        })
        .unwrap();
        let definition = &task.containers[0].definition;
        assert_eq!(
            definition.restart_policy,
            Some(RestartPolicy {
                ignored_exit_codes: vec![0],
                attempt_period: 300
            })
        );
        assert_eq!(definition.ports[0].container_ports(), 8080..=8090);
        assert!(definition.unsupported.is_empty(), "{:?}", definition.unsupported);
        assert_eq!(task.volumes[0].engine_name("t").as_deref(), Some("data"));
        assert!(
            task.volumes[0]
                .docker
                .as_ref()
                .is_some_and(|docker| docker.autoprovision)
        );
    }

    #[test]
    fn a_port_range_that_is_none_refuses_the_task() {
        for bad in ["x", "90-80", "0-3", "1-70000", "5"] {
            let refused = accept(|task| {
                task.containers[0].port_mappings = vec![acs::PortMapping {
                    container_port_range: Some(bad.into()),
                    ..Default::default()
                }];
            });
            assert_eq!(refused.unwrap_err(), bad_port(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_named() {
        let task = accept(|task| {
            task.containers[0].firelens_configuration = Some(acs::FirelensConfiguration::default());
            task.containers[0].secrets = Some(vec![acs::Secret {
                name: "S".into(),
                ..acs::Secret::default()
            }]);
        });
        assert_eq!(
            task.unwrap().containers[0].definition.unsupported,
            ["the secret S of this kind", "firelensConfiguration"]
        );
    }
}
