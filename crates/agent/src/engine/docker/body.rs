//! From a container of a task to Docker's create request. The control plane has already put most of it into the two
//! JSON texts of `dockerConfig` (agent.md 5.2); what the agent itself owns is laid over them.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};

use super::super::{EngineError, Launch};

/// Docker refuses fewer CPU shares.
const CPU_SHARES_MIN: i64 = 2;
const MIB: i64 = 1024 * 1024;

/// The create request of a container.
pub(super) fn create_body(launch: &Launch) -> Result<ContainerCreateBody, EngineError> {
    let definition = &launch.definition;
    let mut body: ContainerCreateBody = parse(&definition.docker_config, "DockerClientConfigError")?;
    body.image = Some(definition.image.clone());
    if let Some(command) = definition.command.clone().filter(|words| !words.is_empty()) {
        body.cmd = Some(command);
    }
    if let Some(entry_point) = definition.entry_point.clone().filter(|words| !words.is_empty()) {
        body.entrypoint = Some(entry_point);
    }
    let secrets = launch
        .secret_environment
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose()));
    body.env = Some(
        launch
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .chain(secrets)
            .collect(),
    );
    body.labels
        .get_or_insert_default()
        .extend(launch.labels.iter().cloned());
    body.exposed_ports = Some(
        definition
            .ports
            .iter()
            .map(|port| port_key(port.container_port, &port.protocol))
            .collect(),
    );
    body.host_config = Some(host_config(launch)?);
    Ok(body)
}

fn host_config(launch: &Launch) -> Result<HostConfig, EngineError> {
    let definition = &launch.definition;
    let mut host: HostConfig = parse(&definition.docker_host_config, "HostConfigError")?;
    if definition.memory > 0 {
        host.memory = Some(definition.memory.saturating_mul(MIB));
    }
    host.cpu_shares = Some(definition.cpu.max(CPU_SHARES_MIN));
    let own_ports = !matches!(host.network_mode.as_deref(), Some("host" | "none"));
    if own_ports && !definition.ports.is_empty() {
        host.port_bindings = Some(port_bindings(launch));
    }
    host.binds.get_or_insert_default().extend(binds(launch));
    let from = launch.volumes_from.iter().map(|from| {
        let mode = if from.read_only { "ro" } else { "rw" };
        format!("{}:{mode}", from.container)
    });
    host.volumes_from.get_or_insert_default().extend(from);
    if let (Some(id), Some(log)) = (&launch.log_credentials_id, &mut host.log_config) {
        let endpoint = format!("/v2/credentials/{id}");
        log.config
            .get_or_insert_default()
            .insert("awslogs-credentials-endpoint".to_owned(), endpoint);
    }
    host.links
        .get_or_insert_default()
        .extend(launch.links.iter().map(|(name, alias)| format!("{name}:{alias}")));
    Ok(host)
}

fn port_bindings(launch: &Launch) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &launch.definition.ports {
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(port.host_port.to_string()),
        };
        let key = port_key(port.container_port, &port.protocol);
        bindings
            .entry(key)
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    bindings
}

fn binds(launch: &Launch) -> impl Iterator<Item = String> + '_ {
    launch.definition.mounts.iter().filter_map(|mount| {
        let volume = launch.volumes.iter().find(|volume| volume.name == mount.volume)?;
        let source = match &volume.host_path {
            Some(path) => path.clone(),
            // One volume of the engine for all containers of the task.
            None => format!("ecs-{}-{}", launch.container.task_id, volume.name),
        };
        let mode = if mount.read_only { ":ro" } else { "" };
        Some(format!("{source}:{}{mode}", mount.path))
    })
}

fn port_key(port: u16, protocol: &str) -> String {
    format!("{port}/{protocol}")
}

fn parse<T: serde::de::DeserializeOwned + Default>(text: &str, code: &str) -> Result<T, EngineError> {
    if text.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(text).map_err(|error| EngineError::Refused(format!("{code}: {error}")))
}

#[cfg(test)]
mod tests {
    use portcullis_core::Secret;

    use super::super::super::ContainerRef;
    use super::*;
    use crate::task::model::{Definition, MountPoint, PortMapping, Volume, VolumesFrom};

    fn launch() -> Launch {
        let definition = Definition {
            image: "local/probe:1".into(),
            cpu: 0,
            memory: 64,
            command: Some(vec!["sleep".into(), "1".into()]),
            ports: vec![PortMapping {
                container_port: 8080,
                host_port: 0,
                protocol: "tcp".into(),
            }],
            mounts: vec![
                MountPoint {
                    volume: "host".into(),
                    path: "/in".into(),
                    read_only: true,
                },
                MountPoint {
                    volume: "own".into(),
                    path: "/out".into(),
                    read_only: false,
                },
            ],
            docker_config: r#"{"Labels":{"mine":"1","com.amazonaws.ecs.cluster":"forged"},"User":"1000"}"#
                .into(),
            docker_host_config: r#"{"NetworkMode":"bridge","LogConfig":{"Type":"json-file"}}"#.into(),
            ..Definition::default()
        };
        let volume = |name: &str, host_path: Option<&str>| Volume {
            name: name.into(),
            host_path: host_path.map(Into::into),
        };
        Launch {
            container: ContainerRef {
                task_id: "aaaa".into(),
                name: "app".into(),
                docker_name: "ecs-fam-1-app-00".into(),
            },
            definition,
            environment: vec![("A".into(), "b=c".into())],
            secret_environment: vec![("T".into(), Secret::new("s"))],
            labels: vec![("com.amazonaws.ecs.cluster".into(), "probe".into())],
            volumes: vec![volume("host", Some("/srv")), volume("own", None)],
            volumes_from: vec![VolumesFrom {
                container: "ecs-fam-1-side-00".into(),
                read_only: true,
            }],
            links: vec![("ecs-fam-1-side-00".into(), "side".into())],
            log_credentials_id: Some("EXECUTION".into()),
        }
    }

    #[test]
    fn agent_5_2_docker_config_is_the_base_and_the_agents_labels_win() {
        let mut body = serde_json::to_value(create_body(&launch()).unwrap()).unwrap();
        body.sort_all_objects();
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn host_mode_publishes_no_ports() {
        let mut launch = launch();
        launch.definition.docker_host_config = r#"{"NetworkMode":"host"}"#.into();
        assert_eq!(
            create_body(&launch).unwrap().host_config.unwrap().port_bindings,
            None
        );
    }

    #[test]
    fn agent_8_broken_configuration_names_its_half() {
        let mut broken = launch();
        broken.definition.docker_config = "{".into();
        assert!(
            create_body(&broken)
                .unwrap_err()
                .to_string()
                .starts_with("DockerClientConfigError: ")
        );
        let mut broken = launch();
        broken.definition.docker_host_config = r#"{"Memory":"lots"}"#.into();
        assert!(
            create_body(&broken)
                .unwrap_err()
                .to_string()
                .starts_with("HostConfigError: ")
        );
    }
}
