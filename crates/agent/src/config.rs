//! What the agent is told when it starts. The binary fills this in; the agent itself reads no environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::{Region, Secret, Tags};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

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
    /// Audit log of the credentials endpoint (agent.md 2).
    pub audit_log: PathBuf,
    /// Which engine runs the containers.
    pub engine: EngineChoice,
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
    /// Tags of the container instance, sent at registration.
    pub tags: Tags,
    /// Keep containers from the instance's own metadata service (reliability-and-security.md 4.7).
    pub block_imds: bool,
    /// Memory offered to tasks, in MiB; what the machine has when absent.
    pub memory_mib: Option<i32>,
    /// CPU units offered to tasks, 1024 for a core; what the machine has when absent.
    pub cpu_units: Option<i32>,
    /// Time between SIGTERM and SIGKILL where the container names none (`ECS_CONTAINER_STOP_TIMEOUT`).
    pub stop_timeout: Duration,
    /// How long a stopped task's containers are kept (`ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`).
    pub cleanup_wait: Duration,
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
        Self {
            cluster: cluster.into(),
            region,
            control_url: control_url.into(),
            credentials,
            audit_log: state_dir.join("audit.log"),
            state_dir,
            engine: EngineChoice::Auto,
            docker_host: None,
            inject_endpoint: InjectEndpoint::TaskSide,
            task_api: None,
            compat: false,
            rate_limit: RateLimit::default(),
            attributes: BTreeMap::new(),
            tags: Tags::default(),
            block_imds: true,
            memory_mib: None,
            cpu_units: None,
            stop_timeout: Duration::from_secs(30),
            cleanup_wait: Duration::from_secs(3 * 60 * 60),
            stop_tasks_on_shutdown: false,
        }
    }
}

/// Where the container instance's own credentials come from.
#[derive(Debug, Clone)]
pub enum CredentialsSource {
    /// These, for ever.
    Static(InstanceCredentials),
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
