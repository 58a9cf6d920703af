//! Engines: what can run a container. The agent asks for containers by name and learns what became of them by
//! looking; events only say that it is worth looking.

pub(crate) mod docker;
pub(crate) mod process;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_core::{Secret, Timestamp};
use thiserror::Error;

use crate::EngineKind;
use crate::task::model::{Definition, Health, NetworkBinding, Volume, VolumesFrom};

/// Which container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerRef {
    pub(crate) task_id: String,
    /// Name in the task definition.
    pub(crate) name: String,
    /// Name in the engine; starting the same one twice starts one container.
    pub(crate) docker_name: String,
}

/// A container to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) container: ContainerRef,
    pub(crate) definition: Definition,
    /// The whole environment, ours included.
    pub(crate) environment: Vec<(String, String)>,
    /// Variables that must not show in listings (the process engine's token).
    pub(crate) secret_environment: Vec<(String, Secret)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) volumes: Vec<Volume>,
    /// With the names the containers have in the engine.
    pub(crate) volumes_from: Vec<VolumesFrom>,
    /// `(name in the engine, alias)`.
    pub(crate) links: Vec<(String, String)>,
    /// Credentials Docker's own log driver is to use (agent.md 6).
    pub(crate) log_credentials_id: Option<String>,
}

/// A container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launched {
    pub(crate) runtime_id: String,
    pub(crate) pulled: Option<(Timestamp, Timestamp)>,
}

/// What an engine sees of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Observed {
    /// No such container.
    Missing,
    /// Made, never started.
    Created,
    /// Running.
    Running(Facts),
    /// Ended.
    Exited(Exit),
}

/// A running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) runtime_id: String,
    pub(crate) image_id: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) health: Health,
    pub(crate) bindings: Vec<NetworkBinding>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) host_network: bool,
}

/// An ended container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Exit {
    pub(crate) runtime_id: String,
    /// Absent when nobody saw it end.
    pub(crate) code: Option<i32>,
    /// Text of AWS's `reason`, when the end needs one.
    pub(crate) reason: Option<String>,
    pub(crate) finished_at: Option<Timestamp>,
}

/// Why an engine could not do it.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub(crate) enum EngineError {
    /// The container cannot be started; the text is AWS's reason, such as `CannotStartContainerError: ...`.
    #[error("{0}")]
    Refused(String),
    /// The engine does not answer now; ask again later.
    #[error("the engine does not answer: {0}")]
    Unreachable(String),
}

/// Worth looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EngineEvent {
    /// Something happened to the container of that engine name.
    Changed(String),
    /// Events may have been missed; look at everything.
    Resync,
    /// Container networks came or went.
    Networks,
}

/// A command on a terminal.
pub(crate) trait Terminal: Send + Sync {
    /// The next output; nothing at its end. May be given up at any moment without a loss.
    fn read(&self) -> BoxFuture<'_, Option<Vec<u8>>>;

    /// Types.
    fn write<'a>(&'a self, keys: &'a [u8]) -> BoxFuture<'a, std::io::Result<()>>;

    /// Gives the terminal another size.
    fn resize(&self, columns: u16, rows: u16) -> BoxFuture<'_, ()>;

    /// The status the command ended with, once there is no more output.
    fn exit_code(&self) -> BoxFuture<'_, Option<i64>>;

    /// Ends the command and what it started on this terminal.
    fn hang_up(&self) -> BoxFuture<'_, ()>;
}

/// Runs containers.
pub(crate) trait Engine: Send + Sync {
    /// Which.
    fn kind(&self) -> EngineKind;

    /// Words for the `dockerVersion` of the websocket query (agent.md 5.2).
    fn version(&self) -> String;

    /// Gets the image when it is not there, makes the container and starts it. A container of that name left by an
    /// earlier try is taken over.
    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>>;

    /// SIGTERM, and SIGKILL when `timeout` has passed. A container that has ended or is gone is fine.
    fn stop<'a>(
        &'a self,
        container: &'a ContainerRef,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Looks.
    fn inspect<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<Observed, EngineError>>;

    /// Forgets an ended container and what it wrote.
    fn remove<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<(), EngineError>>;

    /// Runs a command of a session inside a running container, on a terminal of its own.
    fn execute<'a>(
        &'a self,
        container: &'a ContainerRef,
        session: &'a str,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<Arc<dyn Terminal>, EngineError>>;

    /// Interfaces of the host behind which only containers are.
    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>>;
}
