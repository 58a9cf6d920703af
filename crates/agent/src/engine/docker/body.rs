//! From a container of a task to Docker's create request. The control plane has already put most of it into the two
//! JSON texts of `dockerConfig` (agent.md 5.2); what the agent itself owns is laid over them.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding};

use super::super::{EngineError, Launch};
use super::image::local_name;
use super::ports::HostPorts;
use super::{namespaces, wiring};
use crate::network::Wiring;

/// Docker refuses fewer CPU shares.
const CPU_SHARES_MIN: i64 = 2;
const MIB: i64 = 1024 * 1024;

/// The create request of a container. `cgroup_parent` holds the task's containers together.
pub(super) fn create_body(
    launch: &Launch,
    ports: &HostPorts,
    cgroup_parent: Option<String>,
) -> Result<ContainerCreateBody, EngineError> {
    let definition = &launch.definition;
    let mut body: ContainerCreateBody = parse(&definition.docker_config, "DockerClientConfigError")?;
    body.image = Some(local_name(&definition.image));
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
            .flat_map(|port| {
                port.container_ports()
                    .map(|number| port_key(number, &port.protocol))
            })
            .collect(),
    );
    body.host_config = Some(host_config(launch, ports, cgroup_parent)?);
    wiring::wire(&mut body, &launch.wiring);
    namespaces::lay_over(&mut body, &launch.namespaces);
    Ok(body)
}

/// Whether the container wants all of the host's privileges.
pub(super) fn is_privileged(launch: &Launch) -> bool {
    let by_docker = || parse::<HostConfig>(&launch.definition.docker_host_config, "HostConfigError");
    launch.definition.privileged || by_docker().is_ok_and(|host| host.privileged == Some(true))
}

fn host_config(
    launch: &Launch,
    ports: &HostPorts,
    cgroup_parent: Option<String>,
) -> Result<HostConfig, EngineError> {
    let definition = &launch.definition;
    let mut host: HostConfig = parse(&definition.docker_host_config, "HostConfigError")?;
    if definition.memory > 0 {
        host.memory = Some(definition.memory.saturating_mul(MIB));
    }
    host.cpu_shares = Some(definition.cpu.max(CPU_SHARES_MIN));
    if definition.privileged {
        host.privileged = Some(true);
    }
    if cgroup_parent.is_some() {
        host.cgroup_parent = cgroup_parent;
    }
    let own_ports = !matches!(host.network_mode.as_deref(), Some("host" | "none"))
        && matches!(launch.wiring, Wiring::AsDefined);
    if own_ports && !definition.ports.is_empty() {
        host.port_bindings = Some(port_bindings(launch, ports)?);
    }
    host.binds.get_or_insert_default().extend(binds(launch));
    let from = launch.volumes_from.iter().map(|from| {
        let mode = if from.read_only { "ro" } else { "rw" };
        format!("{}:{mode}", from.container)
    });
    host.volumes_from.get_or_insert_default().extend(from);
    if let Some(log) = &mut host.log_config {
        lay_over(log, launch);
    }
    host.links
        .get_or_insert_default()
        .extend(launch.links.iter().map(|(name, alias)| format!("{name}:{alias}")));
    Ok(host)
}

/// What the agent knows of the log driver's options: where to deliver, as whom, and secrets.
fn lay_over(log: &mut HostConfigLogConfig, launch: &Launch) {
    let is_awslogs = log.typ.as_deref() == Some("awslogs");
    let options = log.config.get_or_insert_default();
    if let Some(id) = &launch.log_credentials_id {
        let endpoint = format!("/v2/credentials/{id}");
        options.insert("awslogs-credentials-endpoint".to_owned(), endpoint);
    }
    if let Some(endpoint) = launch.log_endpoint.as_ref().filter(|_| is_awslogs) {
        options
            .entry("awslogs-endpoint".to_owned())
            .or_insert_with(|| endpoint.clone());
    }
    let secret = launch.log_options.iter();
    options.extend(secret.map(|(name, value)| (name.clone(), value.expose().to_owned())));
}

type Bindings = HashMap<String, Option<Vec<PortBinding>>>;

/// Ports that name none of the host's get what the host has: ranges a block in a row.
fn port_bindings(launch: &Launch, ports: &HostPorts) -> Result<Bindings, EngineError> {
    let none_left = |problem| EngineError::Refused(format!("CannotCreateContainerError: {problem}"));
    let mut bindings = Bindings::new();
    for port in &launch.definition.ports {
        let own = port.container_ports();
        let first = match (port.range, port.host_port) {
            (Some((first, last)), _) => {
                let count = (last - first).saturating_add(1);
                *ports.block(count, &port.protocol).map_err(none_left)?.start()
            }
            (None, 0) => ports
                .single(&port.protocol)
                .map_err(none_left)?
                .unwrap_or_default(),
            (None, chosen) => chosen,
        };
        for (offset, container_port) in (0..).zip(own) {
            let host_port = if first == 0 {
                0
            } else {
                first.saturating_add(offset)
            };
            let binding = PortBinding {
                host_ip: None,
                host_port: Some(host_port.to_string()),
            };
            let key = port_key(container_port, &port.protocol);
            bindings
                .entry(key)
                .or_default()
                .get_or_insert_default()
                .push(binding);
        }
    }
    Ok(bindings)
}

fn binds(launch: &Launch) -> impl Iterator<Item = String> + '_ {
    let mounts = launch.definition.mounts.iter().filter_map(|mount| {
        let volume = launch.volumes.iter().find(|volume| volume.name == mount.volume)?;
        // One volume of the engine for all containers of the task.
        let source = match &volume.host_path {
            Some(path) => path.clone(),
            None => volume.engine_name(&launch.container.task_id)?,
        };
        let mode = if mount.read_only { ":ro" } else { "" };
        Some(format!("{source}:{}{mode}", mount.path))
    });
    let about_itself = launch.metadata_folder.iter();
    mounts.chain(about_itself.map(|(host, inside)| format!("{host}:{inside}:ro")))
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
    use crate::task::namespaces::{ContainerNamespaces, Namespace};

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
                range: None,
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
            docker: None,
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
            log_options: Vec::new(),
            log_endpoint: None,
            labels: vec![("com.amazonaws.ecs.cluster".into(), "probe".into())],
            volumes: vec![volume("host", Some("/srv")), volume("own", None)],
            volumes_from: vec![VolumesFrom {
                container: "ecs-fam-1-side-00".into(),
                read_only: true,
            }],
            links: vec![("ecs-fam-1-side-00".into(), "side".into())],
            log_credentials_id: Some("EXECUTION".into()),
            task_limits: (None, None),
            metadata_folder: None,
            wiring: crate::network::Wiring::default(),
            namespaces: ContainerNamespaces::default(),
        }
    }

    fn create_body(launch: &Launch) -> Result<ContainerCreateBody, EngineError> {
        super::create_body(launch, &HostPorts::new(None), None)
    }

    #[test]
    fn agent_5_2_a_port_range_gets_a_block_of_the_hosts_ports() {
        let mut launch = launch();
        let port = &mut launch.definition.ports[0];
        (port.range, port.container_port) = (Some((8080, 8082)), 8080);
        let body = create_body(&launch).unwrap();
        assert_eq!(body.exposed_ports.unwrap().len(), 3);
        let bindings = body.host_config.unwrap().port_bindings.unwrap();
        let host = |port: u16| -> u16 {
            let binding = bindings[&format!("{port}/tcp")].as_ref().unwrap()[0].clone();
            binding.host_port.unwrap().parse().unwrap()
        };
        assert_eq!((host(8081), host(8082)), (host(8080) + 1, host(8080) + 2));
    }

    #[test]
    fn privileges_are_seen_wherever_they_are_asked_for() {
        let mut launch = launch();
        assert!(!is_privileged(&launch));
        launch.definition.privileged = true;
        assert!(is_privileged(&launch));
        launch.definition.privileged = false;
        launch.definition.docker_host_config = r#"{"Privileged":true}"#.into();
        assert!(is_privileged(&launch));
    }

    #[test]
    fn agent_5_2_docker_config_is_the_base_and_the_agents_labels_win() {
        let mut body = serde_json::to_value(create_body(&launch()).unwrap()).unwrap();
        body.sort_all_objects();
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn a_log_drivers_options_are_the_definitions_the_agents_and_secrets() {
        let options = |driver: &str, own: &str| {
            let mut launch = launch();
            launch.definition.docker_host_config =
                format!(r#"{{"LogConfig":{{"Type":"{driver}","Config":{{{own}}}}}}}"#);
            launch.log_options = vec![("token".into(), Secret::new("of-a-secret"))];
            launch.log_endpoint = Some("http://server".into());
            launch.log_credentials_id = launch.log_credentials_id.filter(|_| driver == "awslogs");
            let host = create_body(&launch).unwrap().host_config.unwrap();
            let mut options: Vec<_> = host.log_config.unwrap().config.unwrap().into_iter().collect();
            options.sort();
            options
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let credentials = "awslogs-credentials-endpoint=/v2/credentials/EXECUTION";
        assert_eq!(
            options("awslogs", r#""awslogs-group":"g""#),
            format!("{credentials} awslogs-endpoint=http://server awslogs-group=g token=of-a-secret")
        );
        // What the definition says of the endpoint stays; a secret is in the place of an option of its name.
        assert_eq!(
            options("awslogs", r#""awslogs-endpoint":"http://mine","token":"plain""#),
            format!("{credentials} awslogs-endpoint=http://mine token=of-a-secret")
        );
        assert_eq!(
            options("splunk", ""),
            "token=of-a-secret",
            "the endpoint is of awslogs alone"
        );
    }

    #[test]
    fn namespaces_are_said_in_dockers_words() {
        let modes = |pid, ipc| {
            let mut launch = launch();
            launch.namespaces = ContainerNamespaces { pid, ipc };
            let host = create_body(&launch).unwrap().host_config.unwrap();
            let ipc = host.ipc_mode.unwrap_or_default();
            format!("{}/{ipc}", host.pid_mode.unwrap_or_default())
        };
        let of = || Namespace::Of("ecs-fam-1-pause-00".into());
        assert_eq!(modes(Namespace::Unsaid, Namespace::Unsaid), "/");
        assert_eq!(modes(Namespace::Host, Namespace::Host), "host/host");
        assert_eq!(modes(Namespace::Unsaid, Namespace::Nobody), "/none");
        assert_eq!(modes(Namespace::Unsaid, Namespace::Shareable), "/shareable");
        assert_eq!(
            modes(of(), of()),
            "container:ecs-fam-1-pause-00/container:ecs-fam-1-pause-00"
        );
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
