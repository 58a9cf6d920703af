//! What the agent is told when it starts. The binary fills this in; the agent itself reads no environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::{Region, Secret, Tags};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{Activation, InstanceMetadata, RegistryLogins, UpdateSettings};

/// Settings of one agent. [`Config::new`] fills in the defaults of agent.md 7.
#[derive(Debug)]
pub struct Config {
    /// Cluster to join, name or ARN; shown to tasks and to the control plane exactly as written here.
    pub cluster: String,
    /// Region whose control plane the agent belongs to; also `AWS_REGION` of its tasks.
    pub region: Region,
    /// Control plane, `http://host:port`. Websocket endpoints come from DiscoverPollEndpoint (agent.md 5.1).
    pub control_url: String,
    /// Credentials of the container instance.
    pub credentials: CredentialsSource,
    /// Folder of the checkpoint, of process tasks' output and of the network marker. Made with mode 0700.
    pub state_dir: PathBuf,
    /// Audit log of the credentials endpoint (agent.md 2, `ECS_AUDIT_LOGFILE`).
    pub audit_log: PathBuf,
    /// Keep no such file (`ECS_AUDIT_LOGFILE_DISABLED`); fetches still go to a control plane that takes them.
    pub audit_log_disabled: bool,
    /// When it is moved away.
    pub audit_rotation: AuditRotation,
    /// Loopback port of the introspection API (agent.md 3.2); not served when absent.
    pub introspection_port: Option<u16>,
    /// Send no metrics (`ECS_DISABLE_METRICS`).
    pub disable_metrics: bool,
    /// Between two looks at what containers use (`ECS_POLLING_METRICS_WAIT_DURATION`).
    pub metrics_wait: Duration,
    /// Whether task metadata names the availability zone (not `ECS_DISABLE_TASK_METADATA_AZ`).
    pub show_availability_zone: bool,
    /// Which engine runs the containers.
    pub engine: EngineChoice,
    /// The one command the process engine starts, and no session in it: for a machine that is no host for others' tasks.
    pub only_command: Option<Vec<String>>,
    /// Docker Engine to use, `unix:///path`; the default socket when absent.
    pub docker_host: Option<String>,
    /// Whether tasks are told where their AWS API is (extension, docs/fidelity.md).
    pub inject_endpoint: InjectEndpoint,
    /// The API for tasks, served beside the credentials endpoint.
    pub task_api: Option<TaskApi>,
    /// Answer exactly as the genuine agent does, weaknesses included: any HTTP method, no check of the caller.
    pub compat: bool,
    /// Requests a caller may make to the task endpoints.
    pub rate_limit: RateLimit,
    /// Custom instance attributes, sent at the first registration.
    pub attributes: BTreeMap<String, String>,
    /// The zone the host says it stands in, such as `us-east-1b`; the region's first when absent.
    pub availability_zone: Option<String>,
    /// Tags of the container instance, sent at registration.
    pub tags: Tags,
    /// Keep containers from the instance's own metadata service (reliability-and-security.md 4.7).
    pub block_imds: bool,
    /// The same for tasks with an interface of their own (`ECS_AWSVPC_BLOCK_IMDS`); as `block_imds` when absent.
    pub awsvpc_block_imds: Option<bool>,
    /// Host-mode tasks may have roles (`ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST`). Off, they are kept from the instance's
    /// metadata service even without `block_imds`.
    pub host_task_roles: bool,
    /// Tasks may have an interface of their own, mode awsvpc (`ECS_ENABLE_TASK_ENI`).
    pub task_eni: bool,
    /// VPC and subnet this host is in (`ecs.vpc-id`, `ecs.subnet-id`), where it has been told.
    pub vpc: Option<(String, String)>,
    /// What the task network can do on this host; the agent finds it out.
    pub(crate) network_capabilities: Vec<&'static str>,
    /// Memory offered to tasks, in MiB; what the machine has when absent.
    pub memory_mib: Option<i32>,
    /// CPU units offered to tasks, 1024 for a core; what the machine has when absent.
    pub cpu_units: Option<i32>,
    /// Time between SIGTERM and SIGKILL where the container names none (`ECS_CONTAINER_STOP_TIMEOUT`).
    pub stop_timeout: Duration,
    /// How long a stopped task's containers are kept (`ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`).
    pub cleanup_wait: Duration,
    /// Up to this much longer, at random (`ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER`).
    pub cleanup_jitter: Duration,
    /// How images come and go.
    pub images: ImageSettings,
    /// Logins at registries, for tasks that bring none of their own; never Fargate's (`ECS_ENGINE_AUTH_TYPE`, `_DATA`).
    pub registry_logins: RegistryLogins,
    /// How containers are made.
    pub containers: ContainerSettings,
    /// What the host keeps for itself, and log drivers it has.
    pub host: HostSettings,
    /// Serve instance metadata to this host's own programs (fidelity.md).
    pub instance_metadata: Option<InstanceMetadata>,
    /// Whether and how newer builds of the agent are taken.
    pub updates: UpdateSettings,
    /// How long the control plane may say nothing on a websocket before it is opened anew, by chance up to twice as long
    /// (agent.md 5.2).
    pub silence_max: Duration,
    /// Stop and report every task before the agent ends. Off, tasks outlive the agent as they do on AWS.
    pub stop_tasks_on_shutdown: bool,
}

impl Config {
    /// The defaults, for what has none given.
    pub fn new(
        cluster: impl Into<String>,
        region: Region,
        control_url: impl Into<String>,
        credentials: CredentialsSource,
        state_dir: impl Into<PathBuf>,
    ) -> Self {
        let state_dir = state_dir.into();
        let updates = UpdateSettings::new(state_dir.join("updates"));
        Self {
            cluster: cluster.into(),
            region,
            control_url: control_url.into(),
            credentials,
            audit_log: state_dir.join("audit.log"),
            audit_log_disabled: false,
            audit_rotation: AuditRotation::default(),
            introspection_port: None,
            disable_metrics: false,
            metrics_wait: Duration::from_secs(10),
            show_availability_zone: true,
            state_dir,
            engine: EngineChoice::Auto,
            only_command: None,
            docker_host: None,
            inject_endpoint: InjectEndpoint::TaskSide,
            task_api: None,
            compat: false,
            rate_limit: RateLimit::default(),
            attributes: BTreeMap::new(),
            availability_zone: None,
            tags: Tags::default(),
            block_imds: true,
            awsvpc_block_imds: None,
            host_task_roles: true,
            task_eni: true,
            vpc: None,
            network_capabilities: Vec::new(),
            memory_mib: None,
            cpu_units: None,
            stop_timeout: Duration::from_secs(30),
            cleanup_wait: Duration::from_secs(3 * 60 * 60),
            cleanup_jitter: Duration::ZERO,
            images: ImageSettings::default(),
            registry_logins: RegistryLogins::default(),
            containers: ContainerSettings::default(),
            host: HostSettings::default(),
            instance_metadata: None,
            updates,
            silence_max: Duration::from_secs(60),
            stop_tasks_on_shutdown: false,
        }
    }
}

/// When images are pulled (`ECS_IMAGE_PULL_BEHAVIOR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullBehavior {
    /// For every task; what is on the host will do when that fails.
    #[default]
    Default,
    /// For every task, or the task fails.
    Always,
    /// Unless an earlier task of this host pulled it and it is still here.
    Once,
    /// Unless it is here.
    PreferCached,
}

/// How images come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// When they are pulled.
    pub behavior: PullBehavior,
    /// A whole pull (`ECS_IMAGE_PULL_TIMEOUT`).
    pub pull_timeout: Duration,
    /// A pull without progress (`ECS_IMAGE_PULL_INACTIVITY_TIMEOUT`).
    pub inactivity_timeout: Duration,
    /// Asking a registry what an image is (`ECS_MANIFEST_PULL_TIMEOUT`).
    pub manifest_timeout: Duration,
    /// Pull images of containers that still wait for others (`ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT`).
    pub dependents_upfront: bool,
    /// When unused ones are removed; never when absent (`ECS_DISABLE_IMAGE_CLEANUP`).
    pub cleanup: Option<ImageCleanup>,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            behavior: PullBehavior::Default,
            pull_timeout: Duration::from_secs(2 * 60 * 60),
            inactivity_timeout: Duration::from_secs(60),
            manifest_timeout: Duration::from_secs(60),
            dependents_upfront: false,
            cleanup: Some(ImageCleanup::default()),
        }
    }
}

/// Removal of images no task uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageCleanup {
    /// Between two rounds (`ECS_IMAGE_CLEANUP_INTERVAL`).
    pub interval: Duration,
    /// Since it was pulled (`ECS_IMAGE_MINIMUM_CLEANUP_AGE`).
    pub minimum_age: Duration,
    /// Most removed in one round, least recently used first (`ECS_NUM_IMAGES_DELETE_PER_CYCLE`).
    pub per_cycle: usize,
}

impl Default for ImageCleanup {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            minimum_age: Duration::from_secs(60 * 60),
            per_cycle: 5,
        }
    }
}

/// How containers are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSettings {
    /// `ECS_CONTAINER_CREATE_TIMEOUT`.
    pub create_timeout: Duration,
    /// `ECS_CONTAINER_START_TIMEOUT`.
    pub start_timeout: Duration,
    /// Refuse privileged containers (`ECS_DISABLE_PRIVILEGED`).
    pub privileged_disabled: bool,
    /// Ports of the host for mappings that name none; the host's own range when absent
    /// (`ECS_DYNAMIC_HOST_PORT_RANGE`).
    pub dynamic_ports: Option<(u16, u16)>,
    /// Leave bindings to `::` out of what the control plane is told (`ECS_EXCLUDE_IPV6_PORTBINDING`).
    pub exclude_ipv6_bindings: bool,
    /// Hold whole tasks to their CPU and memory (`ECS_ENABLE_TASK_CPU_MEM_LIMIT`).
    pub task_limits: bool,
    /// Cgroup below which each task has its own.
    pub cgroup_parent: String,
    /// Where cgroups are mounted (`ECS_CGROUP_PATH`).
    pub cgroup_path: PathBuf,
    /// Give each container a file about itself (`ECS_ENABLE_CONTAINER_METADATA`).
    pub metadata_file: bool,
}

impl Default for ContainerSettings {
    fn default() -> Self {
        Self {
            create_timeout: Duration::from_secs(4 * 60),
            start_timeout: Duration::from_secs(3 * 60),
            privileged_disabled: false,
            dynamic_ports: None,
            exclude_ipv6_bindings: true,
            task_limits: true,
            cgroup_parent: "ecs".to_owned(),
            cgroup_path: PathBuf::from("/sys/fs/cgroup"),
            metadata_file: false,
        }
    }
}

/// What the host keeps for itself, and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// TCP ports no task may be given (`ECS_RESERVED_PORTS`).
    pub reserved_ports: Vec<u16>,
    /// UDP ports no task may be given (`ECS_RESERVED_PORTS_UDP`).
    pub reserved_ports_udp: Vec<u16>,
    /// MiB not offered to tasks (`ECS_RESERVED_MEMORY`).
    pub reserved_memory_mib: u32,
    /// Log drivers of the Docker Engine (`ECS_AVAILABLE_LOGGING_DRIVERS`).
    pub logging_drivers: Vec<String>,
    /// Take tasks of launch type EXTERNAL, not EC2 (`ECS_EXTERNAL`).
    pub external: bool,
    /// Offer task roles (`ECS_ENABLE_TASK_IAM_ROLE`).
    pub task_roles: bool,
    /// The host confines containers with SELinux (`ECS_SELINUX_CAPABLE`).
    pub selinux: bool,
    /// Or with AppArmor (`ECS_APPARMOR_CAPABLE`).
    pub apparmor: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        let drivers = ["json-file", "syslog", "awslogs", "fluentd", "none"];
        Self {
            reserved_ports: vec![22, 2375, 2376, 51678, 51679],
            reserved_ports_udp: Vec::new(),
            reserved_memory_mib: 0,
            logging_drivers: drivers.map(str::to_owned).into(),
            external: false,
            task_roles: true,
            selinux: false,
            apparmor: false,
        }
    }
}

/// Where the container instance's own credentials come from.
#[derive(Debug, Clone)]
pub enum CredentialsSource {
    /// These, for ever.
    Static(InstanceCredentials),
    /// A one-time registration token: the agent joins by it, and its key gives it credentials from then on.
    Activation(Activation),
    /// A file read again every minute: JSON as the credentials endpoint answers, or a `[default]` section of the
    /// AWS shared-credentials format.
    File(PathBuf),
}

/// A key of the container instance.
#[derive(Debug, Clone)]
pub struct InstanceCredentials {
    /// `AKIA...` or `ASIA...`.
    pub access_key_id: String,
    /// Signs; never sent.
    pub secret_access_key: Secret,
    /// Present with temporary credentials.
    pub session_token: Option<Secret>,
}

impl InstanceCredentials {
    /// Of a machine that has not joined yet: nothing is signed with them.
    pub(crate) fn none() -> Self {
        Self {
            access_key_id: String::new(),
            secret_access_key: Secret::default(),
            session_token: None,
        }
    }
}

/// Which engine runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineChoice {
    /// Docker when it is reachable and the agent is root, else processes.
    #[default]
    Auto,
    /// Docker, or an error that says what is missing.
    Docker,
    /// Child processes of the agent.
    Process,
}

/// What tasks get as `AWS_ENDPOINT_URL`, unless their definition sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectEndpoint {
    /// Nothing.
    Off,
    /// The task-side API where there is one, else (process engine only) the control plane's address.
    TaskSide,
    /// This address.
    Url(String),
}

/// The AWS API for tasks on Docker: the agent binds 169.254.170.2 at this port, inside the fence, and hands the
/// listener over, so that the server sees each container's own address as the caller's.
#[derive(Debug)]
pub struct TaskApi {
    /// TCP port.
    pub port: u16,
    /// Receives the bound listener; dropped unused on the process engine.
    pub listener: oneshot::Sender<TcpListener>,
}

/// When the audit log is moved away (agent.md 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRotation {
    /// By what (`ECS_LOG_ROLLOVER_TYPE`).
    pub kind: Rollover,
    /// Size of a file, in millions of bytes (`ECS_LOG_MAX_FILE_SIZE_MB`).
    pub file_mb_max: u64,
    /// Files kept beside the one in use (`ECS_LOG_MAX_ROLL_COUNT`).
    pub files_max: usize,
}

impl AuditRotation {
    /// Size of a file, in bytes.
    pub(crate) fn bytes_max(self) -> u64 {
        self.file_mb_max.saturating_mul(1_000_000)
    }
}

impl Default for AuditRotation {
    fn default() -> Self {
        Self {
            kind: Rollover::Size,
            file_mb_max: 5,
            files_max: 24,
        }
    }
}

/// What a log is moved away by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rollover {
    /// Its size: `audit.log.1`, `audit.log.2`, the highest is the newest.
    #[default]
    Size,
    /// The hour: `audit.log.YYYY-MM-DD-HH`.
    Hourly,
}

impl Rollover {
    /// The word of `ECS_LOG_ROLLOVER_TYPE`; any other means the size, as with the genuine agent.
    pub fn from_word(word: &str) -> Self {
        match word {
            "hourly" => Self::Hourly,
            _ => Self::Size,
        }
    }
}

/// Token bucket per caller address (`ECS_TASK_METADATA_RPS_LIMIT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second.
    pub steady: u32,
    /// Requests at once.
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            steady: 40,
            burst: 60,
        }
    }
}

impl RateLimit {
    /// Reads `steady,burst`. Anything that is not two numbers above zero means both defaults, as with the genuine agent.
    pub fn from_words(text: &str) -> Self {
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
        let given = text
            .split_once(',')
            .and_then(|(steady, burst)| Some((number(steady)?, number(burst)?)));
        given.map_or_else(Self::default, |(steady, burst)| Self { steady, burst })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_1_3_a_bad_limit_falls_back_to_both_defaults() {
        let read = |text| {
            let limit = RateLimit::from_words(text);
            (limit.steady, limit.burst)
        };
        assert_eq!(read("100,200"), (100, 200));
        assert_eq!(read(" 1 , 2 "), (1, 2));
        for bad in [
            "",
            "100",
            "100,",
            "0,5",
            "5,0",
            "-1,5",
            "1,2,3",
            "a,b",
            "99999999999,1",
        ] {
            assert_eq!(read(bad), (40, 60), "{bad}");
        }
    }

    #[test]
    fn agent_7_an_unknown_rollover_is_by_size() {
        assert_eq!(Rollover::from_word("hourly"), Rollover::Hourly);
        assert_eq!(Rollover::from_word("Hourly"), Rollover::Size);
    }
}
