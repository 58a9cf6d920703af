//! What of a container definition travels as Docker Engine API JSON: `dockerConfig` (agent.md 5.2).

use portcullis_api::{acs, ecs as api};
use serde_json::{Map, Value, json};

use crate::schedule::resources::ContainerSize;
use crate::world::records::ecs::Task;

/// The version of Docker's API the two texts are written for, as AWS sends it.
const API_VERSION: &str = "1.21";
const MIB: i64 = 1024 * 1024;
const NANOSECONDS: i64 = 1_000_000_000;

/// Both texts of one container.
pub(super) fn config(
    task: &Task,
    definition: &api::TaskDefinition,
    container: &api::ContainerDefinition,
    size: ContainerSize,
) -> acs::DockerConfig {
    acs::DockerConfig {
        config: Some(container_config(container).to_string()),
        host_config: Some(host_config(task, definition, container, size).to_string()),
        version: Some(API_VERSION.to_owned()),
    }
}

/// An object of members that are there.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn put(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|value| !is_empty(value)) {
            self.0.insert(name.to_owned(), value);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn container_config(container: &api::ContainerDefinition) -> Value {
    let mut members = Members::default();
    members.put("Hostname", container.hostname.as_ref().map(|name| json!(name)));
    members.put("User", container.user.as_ref().map(|user| json!(user)));
    members.put(
        "WorkingDir",
        container.working_directory.as_ref().map(|path| json!(path)),
    );
    members.put(
        "Labels",
        container.docker_labels.as_ref().map(|labels| json!(labels)),
    );
    members.put(
        "NetworkDisabled",
        container.disable_networking.map(|off| json!(off)),
    );
    members.put("OpenStdin", container.interactive.map(|on| json!(on)));
    members.put("Tty", container.pseudo_terminal.map(|on| json!(on)));
    members.put("Healthcheck", container.health_check.as_ref().map(health_check));
    Value::Object(members.0)
}

fn health_check(check: &api::HealthCheck) -> Value {
    let nanoseconds =
        |seconds: Option<i32>, default: i32| i64::from(seconds.unwrap_or(default)) * NANOSECONDS;
    json!({
        "Test": check.command,
        "Interval": nanoseconds(check.interval, 30),
        "Timeout": nanoseconds(check.timeout, 5),
        "Retries": check.retries.unwrap_or(3),
        "StartPeriod": nanoseconds(check.start_period, 0),
    })
}

fn host_config(
    task: &Task,
    definition: &api::TaskDefinition,
    container: &api::ContainerDefinition,
    size: ContainerSize,
) -> Value {
    let mut members = Members::default();
    let mode = definition.network_mode.as_deref().unwrap_or("bridge");
    members.put("NetworkMode", (mode != "awsvpc").then(|| json!(mode)));
    members.put(
        "LogConfig",
        container
            .log_configuration
            .as_ref()
            .map(|log| log_config(task, container, log)),
    );
    members.put(
        "MemoryReservation",
        size.memory_reservation.map(|mib| json!(i64::from(mib) * MIB)),
    );
    members.put("Privileged", container.privileged.map(|on| json!(on)));
    members.put(
        "ReadonlyRootfs",
        container.readonly_root_filesystem.map(|on| json!(on)),
    );
    members.put("Dns", container.dns_servers.as_ref().map(|list| json!(list)));
    members.put(
        "DnsSearch",
        container.dns_search_domains.as_ref().map(|list| json!(list)),
    );
    members.put(
        "SecurityOpt",
        container.docker_security_options.as_ref().map(|list| json!(list)),
    );
    let hosts = container.extra_hosts.iter().flatten();
    let hosts: Vec<_> = hosts
        .map(|host| format!("{}:{}", host.hostname, host.ip_address))
        .collect();
    members.put("ExtraHosts", Some(json!(hosts)));
    let limits = container.ulimits.iter().flatten();
    let limits =
        limits.map(|one| json!({ "Name": one.name, "Soft": one.soft_limit, "Hard": one.hard_limit }));
    members.put("Ulimits", Some(limits.collect()));
    let controls = container.system_controls.iter().flatten();
    let controls = controls.filter_map(|one| Some((one.namespace.clone()?, json!(one.value.clone()?))));
    members.put("Sysctls", Some(controls.collect()));
    if let Some(linux) = &container.linux_parameters {
        linux_parameters(&mut members, linux, size);
    }
    Value::Object(members.0)
}

fn linux_parameters(members: &mut Members, linux: &api::LinuxParameters, size: ContainerSize) {
    let capabilities = linux.capabilities.as_ref();
    members.put(
        "CapAdd",
        capabilities
            .and_then(|caps| caps.add.as_ref())
            .map(|list| json!(list)),
    );
    members.put(
        "CapDrop",
        capabilities
            .and_then(|caps| caps.drop.as_ref())
            .map(|list| json!(list)),
    );
    members.put(
        "Devices",
        Some(linux.devices.iter().flatten().map(device).collect()),
    );
    members.put("Init", linux.init_process_enabled.map(|on| json!(on)));
    members.put(
        "ShmSize",
        linux.shared_memory_size.map(|mib| json!(i64::from(mib) * MIB)),
    );
    let mounts = linux
        .tmpfs
        .iter()
        .flatten()
        .map(|one| (one.container_path.clone(), json!(tmpfs_options(one))));
    members.put("Tmpfs", Some(mounts.collect()));
    // Docker counts memory and swap together.
    let swap = linux
        .max_swap
        .zip(size.memory)
        .map(|(swap, memory)| i64::from(swap) + i64::from(memory));
    members.put("MemorySwap", swap.map(|mib| json!(mib * MIB)));
    members.put("MemorySwappiness", linux.swappiness.map(|percent| json!(percent)));
}

fn device(device: &api::Device) -> Value {
    let letter = |word: &String| match word.as_str() {
        "read" => 'r',
        "write" => 'w',
        _ => 'm',
    };
    let permissions = device.permissions.as_ref().filter(|list| !list.is_empty());
    json!({
        "PathOnHost": device.host_path,
        "PathInContainer": device.container_path.as_ref().unwrap_or(&device.host_path),
        "CgroupPermissions": permissions.map_or_else(|| "rwm".to_owned(), |list| list.iter().map(letter).collect()),
    })
}

fn tmpfs_options(tmpfs: &api::Tmpfs) -> String {
    let options = tmpfs.mount_options.iter().flatten().map(String::as_str);
    let size = format!("size={}m", tmpfs.size);
    options.chain([size.as_str()]).collect::<Vec<_>>().join(",")
}

/// `awslogs-stream-prefix` is no option of Docker's: it becomes the stream's name (agent.md 6).
fn log_config(task: &Task, container: &api::ContainerDefinition, log: &api::LogConfiguration) -> Value {
    let mut options = log.options.clone().unwrap_or_default();
    if log.log_driver == "awslogs"
        && let Some(prefix) = options.remove("awslogs-stream-prefix")
    {
        let name = container.name.as_deref().unwrap_or_default();
        options.insert(
            "awslogs-stream".to_owned(),
            format!("{prefix}/{name}/{}", task.id),
        );
    }
    json!({ "Type": log.log_driver, "Config": options })
}
