//! Tasks and containers as the agent remembers them; everything here is saved, so no secret may be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::namespaces::Namespaces;
use crate::network::{Interface, PAUSE_CONTAINER};
use crate::supplies::Wants;

/// What the control plane wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum Desired {
    /// All containers run.
    #[default]
    Running,
    /// None does.
    Stopped,
}

impl Desired {
    /// AWS's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// How far a container has come; a task is as far as the last of its containers (agent.md 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum Known {
    /// Nothing was done yet.
    #[default]
    None,
    /// Running.
    Running,
    /// Ended, or given up before it ran.
    Stopped,
}

impl Known {
    /// AWS's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Docker's opinion of a container with a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Health {
    /// No check, or none has ended yet.
    #[default]
    Unknown,
    /// The last check passed.
    Healthy,
    /// Too many checks failed.
    Unhealthy,
}

impl Health {
    /// AWS's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

/// When a dependency counts as met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    /// Running, or already stopped.
    Start,
    /// Stopped with any exit code.
    Complete,
    /// Stopped with exit code 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// One `dependsOn` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) container: String,
    pub(crate) condition: Condition,
}

/// One port of a container that is reachable from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkBinding {
    pub(crate) bind_ip: String,
    pub(crate) container_port: u16,
    pub(crate) host_port: u16,
    pub(crate) protocol: String,
}

/// One `portMappings` entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct PortMapping {
    pub(crate) container_port: u16,
    /// 0 lets the host choose.
    pub(crate) host_port: u16,
    pub(crate) protocol: String,
    /// `containerPortRange`, first and last; `container_port` is the first then.
    #[serde(default)]
    pub(crate) range: Option<(u16, u16)>,
}

impl PortMapping {
    /// The container's ports it is about.
    pub(crate) fn container_ports(&self) -> std::ops::RangeInclusive<u16> {
        let (first, last) = self.range.unwrap_or((self.container_port, self.container_port));
        first..=last
    }
}

/// One `mountPoints` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountPoint {
    pub(crate) volume: String,
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

/// One volume of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// A path of the host; a volume of the engine when absent.
    pub(crate) host_path: Option<String>,
    /// How the engine is to make it.
    #[serde(default)]
    pub(crate) docker: Option<DockerVolume>,
}

/// `dockerVolumeConfiguration`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DockerVolume {
    /// Outlives the task, under its own name; else it belongs to one task and goes with it.
    pub(crate) shared: bool,
    /// A shared volume is made when it is not there.
    pub(crate) autoprovision: bool,
    pub(crate) driver: Option<String>,
    pub(crate) driver_opts: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Volume {
    /// Whether it outlives the task.
    pub(crate) fn is_shared(&self) -> bool {
        self.docker.as_ref().is_some_and(|docker| docker.shared)
    }

    /// Its name in the engine; nothing for a path of the host.
    pub(crate) fn engine_name(&self, task_id: &str) -> Option<String> {
        match &self.host_path {
            Some(_) => None,
            None if self.is_shared() => Some(self.name.clone()),
            None => Some(format!("ecs-{task_id}-{}", self.name)),
        }
    }
}

/// `restartPolicy` of a container that has one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RestartPolicy {
    pub(crate) ignored_exit_codes: Vec<i32>,
    /// Seconds a container must have run to be started again.
    pub(crate) attempt_period: u32,
}

/// One `volumesFrom` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumesFrom {
    pub(crate) container: String,
    pub(crate) read_only: bool,
}

/// What a container is to be, as the control plane sent it (agent.md 5.2).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) arn: Option<String>,
    pub(crate) image: String,
    pub(crate) essential: bool,
    /// CPU units.
    pub(crate) cpu: i64,
    /// MiB.
    pub(crate) memory: i64,
    pub(crate) entry_point: Option<Vec<String>>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) ports: Vec<PortMapping>,
    pub(crate) mounts: Vec<MountPoint>,
    pub(crate) volumes_from: Vec<VolumesFrom>,
    pub(crate) links: Vec<String>,
    pub(crate) depends_on: Vec<Dependency>,
    /// Seconds a dependent waits for this container.
    pub(crate) start_timeout: Option<u32>,
    /// Seconds between SIGTERM and SIGKILL.
    pub(crate) stop_timeout: Option<u32>,
    /// Commands may be run in it from outside (Execute Command).
    #[serde(default)]
    pub(crate) exec_enabled: bool,
    /// Started again when it ends by itself.
    #[serde(default)]
    pub(crate) restart_policy: Option<RestartPolicy>,
    #[serde(default)]
    pub(crate) privileged: bool,
    /// Docker checks its health.
    pub(crate) health_check: bool,
    /// Docker's own log driver fetches the execution role's credentials from the host.
    pub(crate) logs_with_execution_role: bool,
    /// `dockerConfig.config`: Docker Engine API JSON.
    pub(crate) docker_config: String,
    /// `dockerConfig.hostConfig`: Docker Engine API JSON.
    pub(crate) docker_host_config: String,
    /// What is fetched for it as the execution role.
    #[serde(default)]
    pub(crate) supplies: Wants,
    /// Parts of the definition this agent cannot honour; the container is refused when it names any.
    pub(crate) unsupported: Vec<String>,
}

/// A container and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) definition: Definition,
    /// Name in the engine. Made when the task is accepted, so that a container started just before a crash is found.
    pub(crate) docker_name: String,
    /// UUID in the metadata URIs (agent.md 1.1).
    pub(crate) endpoint_id: String,
    pub(crate) known: Known,
    /// What it wants from elsewhere was fetched. Values are only in memory, so this is not saved either.
    #[serde(skip)]
    pub(crate) supplied: bool,
    /// Its image was looked up: it is known what is to be pulled, if anything.
    #[serde(default)]
    pub(crate) resolved: bool,
    /// Its image is here.
    #[serde(default)]
    pub(crate) pulled: bool,
    /// What the registry said the image is.
    #[serde(default)]
    pub(crate) image_digest: Option<String>,
    /// The image itself says which region it is for (agent.md 1.1).
    #[serde(default)]
    pub(crate) image_names_region: bool,
    /// The engine was told to start it, and may have done so without our learning of it.
    #[serde(default)]
    pub(crate) attempted: bool,
    /// Given up, yet the engine may still bring it up: to be stopped to make sure.
    #[serde(default)]
    pub(crate) doubtful: bool,
    /// It ended and its restart policy starts it again.
    #[serde(default)]
    pub(crate) restart_due: bool,
    #[serde(default)]
    pub(crate) restart_count: u32,
    /// The end its last restart followed.
    #[serde(default)]
    pub(crate) restarted_after: Option<Timestamp>,
    /// Whether it ever ran.
    pub(crate) started: bool,
    pub(crate) runtime_id: Option<String>,
    pub(crate) image_id: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) health: Health,
    pub(crate) health_since: Option<Timestamp>,
    pub(crate) bindings: Vec<NetworkBinding>,
    /// Those of its task's own interface, where the task has one.
    #[serde(default)]
    pub(crate) interface_addresses: Vec<IpAddr>,
    /// Addresses of its own inside the host's container networks.
    pub(crate) addresses: Vec<IpAddr>,
    /// Shares the host's network.
    pub(crate) host_network: bool,
    /// SHA-256 of the tokens a process may present (one for each try to start it); the token itself is only in the
    /// process's environment.
    pub(crate) token_digests: Vec<String>,
    /// The state the control plane has acknowledged.
    pub(crate) reported: Known,
    /// An operation of the engine is under way.
    #[serde(skip)]
    pub(crate) busy: bool,
}

/// A task and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) arn: String,
    pub(crate) cluster_arn: Option<String>,
    pub(crate) family: String,
    pub(crate) version: String,
    pub(crate) desired: Desired,
    pub(crate) launch_type: Option<String>,
    pub(crate) network_mode: Option<String>,
    /// vCPU.
    pub(crate) cpu: Option<f64>,
    /// MiB.
    pub(crate) memory: Option<i64>,
    pub(crate) service_name: Option<String>,
    /// Its own, in mode awsvpc.
    #[serde(default)]
    pub(crate) interface: Option<Interface>,
    #[serde(default)]
    pub(crate) namespaces: Namespaces,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) containers: Vec<Container>,
    pub(crate) credentials_id: Option<String>,
    pub(crate) execution_credentials_id: Option<String>,
    pub(crate) pull_started_at: Option<Timestamp>,
    pub(crate) pull_stopped_at: Option<Timestamp>,
    /// Why it ends before any of its containers ran, where no container is to blame.
    #[serde(default)]
    pub(crate) failure: Option<String>,
    /// When its first essential container ended.
    pub(crate) execution_stopped_at: Option<Timestamp>,
    /// When the last container ended.
    pub(crate) stopped_at: Option<Timestamp>,
    /// When its containers may be removed.
    #[serde(default)]
    pub(crate) cleanup_at: Option<Timestamp>,
    /// The control plane has the images' digests.
    #[serde(default)]
    pub(crate) pending_reported: bool,
    /// Whether all containers were ever up: the control plane must learn of RUNNING before STOPPED.
    pub(crate) ran: bool,
    /// The state the control plane has acknowledged.
    pub(crate) reported: Known,
}

impl Container {
    /// Whether it is the agent's own: nobody outside is told of it.
    pub(crate) fn is_internal(&self) -> bool {
        self.definition.name == PAUSE_CONTAINER
    }

    /// Whether the engine may be running it: it was told to start it, and has not been seen to be rid of it.
    pub(crate) fn may_run(&self) -> bool {
        self.attempted && (self.known != Known::Stopped || self.doubtful)
    }
}

impl Task {
    /// Whether it belongs to Fargate: nothing an operator gave the agent is for it.
    pub(crate) fn is_fargate(&self) -> bool {
        self.launch_type.as_deref() == Some("FARGATE")
    }

    /// Whether something is to be fetched for that container before its image.
    pub(crate) fn awaits_supplies(&self, container: &Container) -> bool {
        !container.supplied && container.definition.supplies.come_first(self.is_fargate())
    }

    /// Why the task never had what its containers share, if that is why it ends.
    pub(crate) fn pause_failure(&self) -> Option<&str> {
        let pause = self.container(PAUSE_CONTAINER)?;
        let failed = pause.known == Known::Stopped && !pause.started;
        pause.reason.as_deref().filter(|_| failed)
    }

    /// As far as the last of its containers.
    pub(crate) fn known(&self) -> Known {
        self.containers
            .iter()
            .map(|container| container.known)
            .min()
            .unwrap_or(Known::Stopped)
    }

    /// Whether the engine may still bring up a container that was given up.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.containers.iter().any(|container| container.doubtful)
    }

    /// Whether nothing of it runs, or ever will.
    pub(crate) fn is_over(&self) -> bool {
        self.known() == Known::Stopped && !self.is_doubtful()
    }

    /// The container of that name.
    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.containers
            .iter()
            .find(|container| container.definition.name == name)
    }

    /// The container of that name, to change it.
    pub(crate) fn container_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.containers
            .iter_mut()
            .find(|container| container.definition.name == name)
    }

    /// Last part of the ARN.
    pub(crate) fn id(&self) -> &str {
        id_of(&self.arn)
    }
}

/// Last part of a task ARN.
pub(crate) fn id_of(task_arn: &str) -> &str {
    task_arn.rsplit('/').next().unwrap_or(task_arn)
}
