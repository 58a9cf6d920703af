//! Engines: what can run a container. The agent asks for containers by name and learns what became of them by
//! looking; events only say that it is worth looking.

pub(crate) mod choice;
pub(crate) mod docker;
mod patience;
pub(crate) mod process;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_core::{Secret, Timestamp};
use thiserror::Error;

pub(crate) use self::patience::{patiently, pause};
use crate::EngineKind;
use crate::network::{CgroupDriver, Wiring};
use crate::supplies::ImageAccess;
use crate::task::model::{Definition, Health, NetworkBinding, Volume, VolumesFrom};
use crate::task::namespaces::ContainerNamespaces;

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
    /// Variables that must not show in listings: secrets, and the process engine's token.
    pub(crate) secret_environment: Vec<(String, Secret)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) volumes: Vec<Volume>,
    /// With the names the containers have in the engine.
    pub(crate) volumes_from: Vec<VolumesFrom>,
    /// `(name in the engine, alias)`.
    pub(crate) links: Vec<(String, String)>,
    /// Options of the log driver that hold a secret.
    pub(crate) log_options: Vec<(String, Secret)>,
    /// Where the `awslogs` driver delivers to, unless the definition says otherwise.
    pub(crate) log_endpoint: Option<String>,
    /// Credentials Docker's own log driver is to use (agent.md 6).
    pub(crate) log_credentials_id: Option<String>,
    /// vCPU and MiB of the whole task.
    pub(crate) task_limits: (Option<f64>, Option<i64>),
    /// A folder of the host with the container's metadata file, and where the container sees it.
    pub(crate) metadata_folder: Option<(String, String)>,
    /// Its place in the network.
    pub(crate) wiring: Wiring,
    /// Whose processes and shared memory it sees.
    pub(crate) namespaces: ContainerNamespaces,
}

/// What the engine knows of an image on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ImageFacts {
    /// Absent where there are no images.
    pub(crate) id: Option<String>,
    /// Its own environment has `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub(crate) names_region: bool,
}

/// What is to be done about an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// What the registry says it is.
    pub(crate) digest: Option<String>,
    /// Present when the image on the host is the one to use: nothing is to be pulled.
    pub(crate) cached: Option<ImageFacts>,
}

/// An image that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pulled {
    pub(crate) image: ImageFacts,
    /// Absent when the one on the host had to do.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
}

/// A container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launched {
    pub(crate) runtime_id: String,
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
    /// It did not happen in time, and may still happen; the text is AWS's reason.
    #[error("{0}")]
    TimedOut(String),
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

    /// Finds out which image a name means and whether it has to be pulled. `pulled_before`: an earlier task did.
    fn resolve_image<'a>(
        &'a self,
        _image: &'a str,
        _access: &'a ImageAccess,
        _pulled_before: bool,
    ) -> BoxFuture<'a, Result<Resolved, EngineError>> {
        let here = Resolved {
            digest: None,
            cached: Some(ImageFacts::default()),
        };
        Box::pin(std::future::ready(Ok(here)))
    }

    /// Brings an image to the host, exactly the one of that digest when there is one.
    fn pull_image<'a>(
        &'a self,
        _image: &'a str,
        _access: &'a ImageAccess,
        _digest: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Pulled, EngineError>> {
        let nothing = Pulled {
            image: ImageFacts::default(),
            times: None,
        };
        Box::pin(std::future::ready(Ok(nothing)))
    }

    /// Removes an image's name, and the image with its last name. One in use stays, and so it is answered: false.
    fn remove_image<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Removes what a task alone had: volumes, its cgroup.
    fn remove_task<'a>(
        &'a self,
        _task_id: &'a str,
        _volumes: &'a [String],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Starts a container again that has ended.
    fn restart<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>>;

    /// Makes the container and starts it; its image is here. A container of that name left by an earlier try is
    /// taken over.
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

    /// What a container uses, as Docker's statistics document.
    fn stats<'a>(&'a self, _runtime_id: &'a str) -> BoxFuture<'a, Result<serde_json::Value, EngineError>> {
        let none = "this engine has no statistics".to_owned();
        Box::pin(std::future::ready(Err(EngineError::Refused(none))))
    }

    /// The first process of a running container, where containers have namespaces.
    fn process_id<'a>(
        &'a self,
        _container: &'a ContainerRef,
    ) -> BoxFuture<'a, Result<Option<i32>, EngineError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Who makes the containers' cgroups, where they have any.
    fn cgroup_driver(&self) -> BoxFuture<'_, Option<CgroupDriver>> {
        Box::pin(std::future::ready(None))
    }

    /// Interfaces of the host behind which only containers are.
    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>>;
}
