//! The task's and the container's document. Key order is the genuine agent's.

use std::sync::Arc;

use portcullis_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::tags::Tags;
use super::{Instance, Version, members, network};
use crate::task::environment::Surroundings;
use crate::task::model::{Container, Desired, Health, Known, Task};

/// Smallest CPU limit shown.
const CPU_MIN: i64 = 2;

/// Describes in one version.
pub(super) struct Description<'a> {
    pub(super) version: Version,
    pub(super) surroundings: &'a Surroundings,
    pub(super) instance: Arc<Instance>,
}

impl Description<'_> {
    /// A task, with its tags when they were asked for.
    pub(super) fn task(&self, task: &Task, tags: Option<&Tags>) -> Value {
        let containers: Vec<_> = task
            .containers
            .iter()
            .filter(|container| container.runtime_id.is_some())
            .map(|container| self.container(task, container))
            .collect();
        let is_v4 = self.version == Version::V4;
        let shown = Some(&containers).filter(|containers| !containers.is_empty());
        let mut object = Object::default();
        object.put("Cluster", &self.surroundings.cluster);
        object.put("TaskARN", &task.arn);
        object.put("Family", &task.family);
        object.put("Revision", &task.version);
        object.put("DesiredStatus", task.desired.word());
        object.put("KnownStatus", task.known().word());
        object.put_some("Containers", shown.filter(|_| !is_v4));
        object.put_some("Limits", limits(task));
        object.put_some("PullStartedAt", task.pull_started_at.map(time));
        object.put_some("PullStoppedAt", task.pull_stopped_at.map(time));
        object.put_some("ExecutionStoppedAt", task.execution_stopped_at.map(time));
        object.put_some("AvailabilityZone", self.instance.availability_zone.as_ref());
        if let Some(tags) = tags {
            object.put_some("TaskTags", tags.of_task());
            object.put_some("ContainerInstanceTags", tags.of_instance());
        }
        if is_v4 {
            object.put_some("LaunchType", task.launch_type.as_ref());
            object.put_some("Errors", tags.and_then(Tags::errors));
            object.put_some("Containers", shown);
            object.put_some("ServiceName", task.service_name.as_ref());
            object.put("FaultInjectionEnabled", false);
        }
        object.into_value()
    }

    /// A container.
    pub(super) fn container(&self, task: &Task, container: &Container) -> Value {
        let definition = &container.definition;
        let is_v4 = self.version == Version::V4;
        let networks = network::of(self.version, task, container);
        let mut object = Object::default();
        object.put("DockerId", container.runtime_id.as_deref().unwrap_or_default());
        object.put("Name", &definition.name);
        object.put("DockerName", &container.docker_name);
        object.put("Image", &definition.image);
        object.put("ImageID", container.image_id.as_deref().unwrap_or_default());
        object.put_some("Ports", self.ports(task, container));
        object.put_some("Labels", self.labels(task, container));
        object.put("DesiredStatus", desired(task, container).word());
        object.put("KnownStatus", container.known.word());
        object.put_some("ExitCode", container.exit_code);
        object.put(
            "Limits",
            json!({"CPU": definition.cpu.max(CPU_MIN), "Memory": definition.memory}),
        );
        object.put_some("CreatedAt", container.created_at.map(time));
        object.put_some("StartedAt", container.started_at.map(time));
        object.put_some("FinishedAt", container.finished_at.map(time));
        object.put(
            "Type",
            if container.is_internal() {
                "CNI_PAUSE"
            } else {
                "NORMAL"
            },
        );
        object.put_some("Networks", networks.as_ref().filter(|_| !is_v4));
        object.put_some("Health", health(container));
        object.put_some("Volumes", volumes(task, container));
        if is_v4 {
            let log = LogConfig::of(&definition.docker_host_config);
            object.put_some("LogDriver", log.driver);
            object.put_some("LogOptions", log.options);
            object.put_some("ContainerARN", definition.arn.as_ref());
            object.put_some("Networks", networks.as_ref());
            let restarts = definition
                .restart_policy
                .as_ref()
                .map(|_| container.restart_count);
            object.put_some("RestartCount", restarts);
        }
        object.into_value()
    }

    /// A container as introspection shows it (agent.md 3.2).
    pub(super) fn introspected(&self, task: &Task, container: &Container) -> Value {
        let definition = &container.definition;
        let mut object = Object::default();
        object.put("DockerId", container.runtime_id.as_deref().unwrap_or_default());
        object.put("DockerName", &container.docker_name);
        object.put("Name", &definition.name);
        object.put("Image", &definition.image);
        object.put("ImageID", container.image_id.as_deref().unwrap_or_default());
        object.put_some("CreatedAt", container.created_at.map(time));
        object.put_some("StartedAt", container.started_at.map(time));
        object.put_some("Ports", self.ports(task, container));
        object.put_some("Networks", network::of(self.version, task, container));
        object.put_some("Volumes", volumes(task, container));
        let restarts = definition
            .restart_policy
            .as_ref()
            .map(|_| container.restart_count);
        object.put_some("RestartCount", restarts);
        object.into_value()
    }

    /// The user's own, then ours.
    fn labels(&self, task: &Task, container: &Container) -> Option<Map<String, Value>> {
        if container.is_internal() {
            return None;
        }
        let mut labels = match members(&container.definition.docker_config).remove("Labels") {
            Some(Value::Object(labels)) => labels,
            _ => Map::new(),
        };
        for (name, value) in self.surroundings.labels(task, container) {
            labels.insert(name, value.into());
        }
        let mut sorted: Vec<_> = labels.into_iter().collect();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        Some(sorted.into_iter().collect())
    }

    /// As they are bound; before that, and where the task has an address of its own, as they were wished.
    fn ports(&self, task: &Task, container: &Container) -> Option<Vec<Value>> {
        let own_address = task.network_mode.as_deref() == Some("awsvpc");
        let port = |container_port: u16, protocol: &str, host_port: u16, host_ip: Option<&str>| {
            let mut object = Object::default();
            object.put_some("ContainerPort", Some(container_port).filter(|port| *port > 0));
            object.put("Protocol", protocol);
            object.put_some("HostPort", Some(host_port).filter(|port| *port > 0));
            object.put_some("HostIp", host_ip.filter(|_| self.version == Version::V4));
            object.into_value()
        };
        let bound = container.bindings.iter().map(|one| {
            port(
                one.container_port,
                &one.protocol,
                one.host_port,
                Some(&one.bind_ip),
            )
        });
        let wished = container.definition.ports.iter().map(|one| {
            let host_port = if own_address {
                one.container_port
            } else {
                one.host_port
            };
            port(one.container_port, &one.protocol, host_port, None)
        });
        let ports: Vec<_> = if container.bindings.is_empty() {
            wished.collect()
        } else {
            bound.collect()
        };
        Some(ports).filter(|ports| !ports.is_empty())
    }
}

fn desired(task: &Task, container: &Container) -> Desired {
    match container.known {
        Known::Stopped => Desired::Stopped,
        _ => task.desired,
    }
}

/// Docker's log driver of a container and its options.
struct LogConfig {
    driver: Option<Value>,
    options: Option<Value>,
}

impl LogConfig {
    fn of(host_config: &str) -> Self {
        let mut config = match members(host_config).remove("LogConfig") {
            Some(Value::Object(config)) => config,
            _ => Map::new(),
        };
        let some = |value: &Value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => false,
        };
        Self {
            driver: config.remove("Type").filter(some),
            options: config.remove("Config").filter(some),
        }
    }
}

fn limits(task: &Task) -> Option<Value> {
    let mut object = Object::default();
    object.put_some("CPU", task.cpu.filter(|cpu| *cpu > 0.0));
    object.put_some("Memory", task.memory.filter(|memory| *memory > 0));
    object.into_some()
}

fn health(container: &Container) -> Option<Value> {
    let since = container.health_since.or(container.started_at);
    let is_shown = container.definition.health_check && container.health != Health::Unknown;
    let mut object = Object::default();
    object.put("status", container.health.word());
    object.put_some("statusSince", since.map(time));
    object.into_some().filter(|_| is_shown)
}

fn volumes(task: &Task, container: &Container) -> Option<Vec<Value>> {
    let mounted = container.definition.mounts.iter().filter_map(|mount| {
        let volume = task.volumes.iter().find(|volume| volume.name == mount.volume)?;
        let mut object = Object::default();
        object.put_some("DockerName", volume.engine_name(task.id()));
        object.put_some("Source", volume.host_path.as_ref());
        object.put("Destination", &mount.path);
        Some(object.into_value())
    });
    Some(mounted.collect::<Vec<_>>()).filter(|volumes| !volumes.is_empty())
}

fn time(time: Timestamp) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.fZ")
}

/// An object whose keys keep their order.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn put(&mut self, key: &str, value: impl Serialize) {
        self.0
            .insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    pub(super) fn put_some(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }

    /// Nothing when it has no members.
    pub(super) fn into_some(self) -> Option<Value> {
        (!self.0.is_empty()).then(|| self.0.into())
    }
}
