//! Task metadata, versions 3 and 4: who am I, for containers (agent.md 3.1). Key order is the genuine agent's.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Answer, Metadata};
use crate::task::environment::Surroundings;
use crate::task::model::{Container, Desired, Health, Known, Task};
use crate::task::shared::SharedTasks;

/// Smallest CPU limit shown.
const CPU_MIN: i64 = 2;

/// Reads the tasks' pictures.
#[derive(Debug)]
pub(crate) struct TaskMetadata {
    tasks: Arc<SharedTasks>,
    surroundings: Surroundings,
    availability_zone: RwLock<Option<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V3,
    V4,
}

impl TaskMetadata {
    /// Over these tasks.
    pub(crate) fn new(tasks: Arc<SharedTasks>, surroundings: Surroundings) -> Self {
        Self {
            tasks,
            surroundings,
            availability_zone: RwLock::default(),
        }
    }

    /// Known once the instance is registered.
    pub(crate) fn set_availability_zone(&self, zone: Option<String>) {
        *self
            .availability_zone
            .write()
            .unwrap_or_else(PoisonError::into_inner) = zone;
    }

    fn container(&self, version: Version, id: &str) -> Answer {
        let Some((task, container)) = self.tasks.by_endpoint(id) else {
            let (status, text) = match version {
                Version::V4 => (
                    404,
                    format!(
                        "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: {id}"
                    ),
                ),
                Version::V3 => (
                    400,
                    format!(
                        "V3 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: {id}"
                    ),
                ),
            };
            return Answer::json_text(status, &text);
        };
        answer(&self.describe_container(version, &task, &container))
    }

    fn task(&self, version: Version, id: &str) -> Answer {
        let Some((task, _)) = self.tasks.by_endpoint(id) else {
            let status = if version == Version::V4 { 404 } else { 500 };
            let text = format!(
                "{version:?} task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: {id}"
            );
            return Answer::json_text(status, &text);
        };
        answer(&self.describe_task(version, &task))
    }

    fn describe_task(&self, version: Version, task: &Task) -> Value {
        let containers: Vec<_> = task
            .containers
            .iter()
            .filter(|container| container.runtime_id.is_some())
            .map(|container| self.describe_container(version, task, container))
            .collect();
        let zone = self
            .availability_zone
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut object = Object::default();
        object.put("Cluster", &self.surroundings.cluster);
        object.put("TaskARN", &task.arn);
        object.put("Family", &task.family);
        object.put("Revision", &task.version);
        object.put("DesiredStatus", task.desired.word());
        object.put("KnownStatus", task.known().word());
        if version == Version::V3 {
            object.put_some(
                "Containers",
                Some(&containers).filter(|containers| !containers.is_empty()),
            );
        }
        object.put_some(
            "Limits",
            limits(
                task.cpu.filter(|cpu| *cpu > 0.0),
                task.memory.filter(|memory| *memory > 0),
            ),
        );
        object.put_some("PullStartedAt", task.pull_started_at.map(time));
        object.put_some("PullStoppedAt", task.pull_stopped_at.map(time));
        object.put_some("ExecutionStoppedAt", task.execution_stopped_at.map(time));
        object.put_some("AvailabilityZone", zone);
        if version == Version::V4 {
            object.put_some("LaunchType", task.launch_type.as_ref());
            object.put("Containers", &containers);
            object.put_some("ServiceName", task.service_name.as_ref());
            object.put("FaultInjectionEnabled", false);
        }
        object.0.into()
    }

    fn describe_container(&self, version: Version, task: &Task, container: &Container) -> Value {
        let definition = &container.definition;
        let labels: Map<_, _> = self
            .surroundings
            .labels(task, container)
            .into_iter()
            .map(|(k, v)| (k, v.into()))
            .collect();
        let desired = if container.known == Known::Stopped {
            Desired::Stopped
        } else {
            task.desired
        };
        let mut object = Object::default();
        object.put("DockerId", container.runtime_id.as_deref().unwrap_or_default());
        object.put("Name", &definition.name);
        object.put("DockerName", &container.docker_name);
        object.put("Image", &definition.image);
        object.put("ImageID", container.image_id.as_deref().unwrap_or_default());
        object.put_some("Ports", ports(version, container));
        object.put("Labels", labels);
        object.put("DesiredStatus", desired.word());
        object.put("KnownStatus", container.known.word());
        object.put_some("ExitCode", container.exit_code);
        object.put(
            "Limits",
            json!({"CPU": definition.cpu.max(CPU_MIN), "Memory": definition.memory}),
        );
        object.put_some("CreatedAt", container.created_at.map(time));
        object.put_some("StartedAt", container.started_at.map(time));
        object.put_some("FinishedAt", container.finished_at.map(time));
        object.put("Type", "NORMAL");
        object.put_some("Health", health(container));
        if version == Version::V4 {
            object.put_some("ContainerARN", definition.arn.as_ref());
        }
        object.put_some("Networks", networks(task, container));
        object.0.into()
    }
}

impl Metadata for TaskMetadata {
    fn answer(&self, path: &str) -> Option<Answer> {
        let (version, rest) = match (path.strip_prefix("/v4/"), path.strip_prefix("/v3/")) {
            (Some(rest), _) => (Version::V4, rest),
            (_, Some(rest)) => (Version::V3, rest),
            _ => return None,
        };
        match rest.split_once('/') {
            None if !rest.is_empty() => Some(self.container(version, rest)),
            Some((id, "task" | "task/")) => Some(self.task(version, id)),
            _ => None,
        }
    }
}

/// An object whose keys keep their order.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, key: &str, value: impl Serialize) {
        self.0
            .insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }

    fn put_some(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
}

/// Go's encoder escapes these three; JSON has them only inside texts.
fn answer(value: &Value) -> Answer {
    let text = value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    Answer::json(200, text)
}

fn time(time: Timestamp) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.fZ")
}

fn limits(cpu: Option<f64>, memory: Option<i64>) -> Option<Value> {
    let mut object = Object::default();
    object.put_some("CPU", cpu);
    object.put_some("Memory", memory);
    (!object.0.is_empty()).then(|| object.0.into())
}

fn ports(version: Version, container: &Container) -> Option<Vec<Value>> {
    let ports = container.bindings.iter().map(|binding| {
        let mut object = Object::default();
        object.put("ContainerPort", binding.container_port);
        object.put("Protocol", &binding.protocol);
        object.put("HostPort", binding.host_port);
        if version == Version::V4 {
            object.put("HostIp", &binding.bind_ip);
        }
        object.0.into()
    });
    Some(ports.collect::<Vec<_>>()).filter(|ports| !ports.is_empty())
}

fn health(container: &Container) -> Option<Value> {
    let since = container.health_since.or(container.started_at);
    (container.definition.health_check && container.health != Health::Unknown).then(|| {
        let mut object = Object::default();
        object.put("status", container.health.word());
        object.put_some("statusSince", since.map(time));
        object.0.into()
    })
}

fn networks(task: &Task, container: &Container) -> Option<Vec<Value>> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) =
        container.addresses.iter().partition(|address| address.is_ipv4());
    let mode = match (container.host_network, &task.network_mode) {
        (true, _) => "host",
        (false, Some(mode)) if !mode.is_empty() => mode,
        _ => "bridge",
    };
    let mut object = Object::default();
    object.put("NetworkMode", mode);
    object.put_some("IPv4Addresses", Some(v4).filter(|all| !all.is_empty()));
    object.put_some("IPv6Addresses", Some(v6).filter(|all| !all.is_empty()));
    (container.known == Known::Running).then(|| vec![object.0.into()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineKind;
    use crate::task::model::NetworkBinding;
    use crate::task::plan::tests::{container, task};

    fn metadata() -> TaskMetadata {
        let mut app = container("app", true, &[]);
        app.endpoint_id = "ENDPOINT".into();
        app.docker_name = "ecs-fam-1-app-00".into();
        app.definition.image = "local/probe:1".into();
        app.definition.memory = 64;
        app.runtime_id = Some("9e8f".into());
        app.image_id = Some("sha256:7c".into());
        app.known = Known::Running;
        app.started_at = Some(Timestamp::from_millis(1_795_304_356_034));
        app.addresses = vec!["172.17.0.2".parse().unwrap()];
        app.bindings = vec![NetworkBinding {
            bind_ip: "0.0.0.0".into(),
            container_port: 80,
            host_port: 32768,
            protocol: "tcp".into(),
        }];
        let mut task = task(vec![app]);
        task.family = "a<b".into();
        (task.cpu, task.memory, task.launch_type) = (Some(0.25), Some(128), Some("EXTERNAL".into()));
        let tasks = Arc::new(SharedTasks::default());
        tasks.publish(task);
        let surroundings = Surroundings {
            kind: EngineKind::Docker,
            cluster: "probe".into(),
            region: "us-west-2".into(),
            endpoint_url: String::new(),
            api_url: None,
            block_imds: true,
        };
        let metadata = TaskMetadata::new(tasks, surroundings);
        metadata.set_availability_zone(Some("us-west-2a".into()));
        metadata
    }

    #[test]
    fn agent_3_1_documents_and_errors() {
        let metadata = metadata();
        let shown: Vec<_> = [
            "/v4/ENDPOINT",
            "/v4/ENDPOINT/task",
            "/v3/ENDPOINT/task",
            "/v4/zzz",
            "/v4/zzz/task",
            "/v3/zzz/task",
        ]
        .iter()
        .map(|path| {
            let answer = metadata.answer(path).unwrap();
            format!("{path} {} {}", answer.status, answer.body)
        })
        .collect();
        insta::assert_snapshot!(shown.join("\n"));
        for path in ["/v4/", "/v4/ENDPOINT/stats", "/v2/metadata", "/"] {
            assert_eq!(metadata.answer(path), None, "{path}");
        }
    }
}
