//! Docker Engine, through its API.

mod body;
mod cgroup;
mod errors;
mod events;
mod exec;
mod image;
mod namespaces;
mod observe;
mod pause;
mod ports;
mod stats;
mod volume;
mod wiring;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::SystemInfoCgroupDriverEnum;
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListNetworksOptions, RemoveContainerOptions,
    StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::future::BoxFuture;
use portcullis_core::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::cgroup::{Limits, TaskCgroups};
use self::errors::{Stage, at, status, timed_out};
use self::ports::HostPorts;
use self::stats::Statistics;
use super::{
    ContainerRef, Engine, EngineError, EngineEvent, Launch, Launched, Observed, Pulled, Resolved, Terminal,
};
use crate::network::{CgroupDriver, PAUSE_CONTAINER, Wiring};
use crate::supplies::ImageAccess;
use crate::{ContainerSettings, EngineKind, ImageSettings};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// No single answer of Docker takes longer; a pull is a stream of them.
const ANSWER_SECONDS_MAX: u64 = 300;
/// What Docker itself may need to end a container after SIGKILL.
const STOP_EXTRA: Duration = Duration::from_secs(60);

const REASON_PRIVILEGED: &str =
    "CannotCreateContainerError: privileged containers are disabled on this host (ECS_DISABLE_PRIVILEGED)";

/// The engine.
#[derive(Debug)]
pub(crate) struct DockerEngine {
    docker: Docker,
    clock: Arc<dyn Clock>,
    version: String,
    images: ImageSettings,
    containers: ContainerSettings,
    ports: HostPorts,
    cgroups: TaskCgroups,
    statistics: Statistics,
    /// Forwards events as long as the engine is in use.
    _forwarding: JoinSet<()>,
}

impl DockerEngine {
    /// Connects, checks that Docker answers, and forwards its events.
    pub(crate) async fn connect(
        host: Option<&str>,
        images: &ImageSettings,
        containers: &ContainerSettings,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<EngineEvent>,
    ) -> Result<Self, String> {
        let host = host.unwrap_or(DEFAULT_HOST);
        if !host.starts_with("unix://") {
            return Err(format!("`{host}` is not a unix:// socket"));
        }
        let docker = Docker::connect_with_unix(host, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION)
            .map_err(|error| format!("{host}: {error}"))?;
        // Newer clients of Docker refuse what an older daemon does not speak unless they agree first.
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| format!("{host}: {error}"))?;
        let version = docker
            .version()
            .await
            .map_err(|error| format!("{host}: {error}"))?;
        let version = format!("DockerVersion: {}", version.version.unwrap_or_default());
        let cgroups = TaskCgroups::detect(&docker, containers).await;
        let mut forwarding = JoinSet::new();
        forwarding.spawn(events::forward(docker.clone(), Arc::clone(&clock), events));
        Ok(Self {
            statistics: Statistics::new(host, docker.client_version()),
            docker,
            clock,
            version,
            images: images.clone(),
            containers: containers.clone(),
            ports: HostPorts::new(containers.dynamic_ports),
            cgroups,
            _forwarding: forwarding,
        })
    }

    async fn look(&self, name: &str) -> Result<Observed, EngineError> {
        match self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
        {
            Ok(container) => Ok(observe::observed(
                &container,
                self.containers.exclude_ipv6_bindings,
            )),
            Err(error) if status(&error) == Some(404) => Ok(Observed::Missing),
            Err(error) => Err(at(Stage::Inspect, &error)),
        }
    }

    async fn create(&self, launch: &Launch) -> Result<(), EngineError> {
        if self.containers.privileged_disabled && body::is_privileged(launch) {
            return Err(EngineError::Refused(REASON_PRIVILEGED.to_owned()));
        }
        if launch.container.name == PAUSE_CONTAINER {
            self.ensure_pause_image().await?;
        }
        self.ensure_volumes(launch).await?;
        // A task that shares the host's network has a cgroup already, by which it is known there.
        let own = match &launch.wiring {
            Wiring::Host(group) => group.as_deref(),
            _ => None,
        };
        let limits = Limits::of(launch.task_limits);
        let parent = self.cgroups.parent(&launch.container.task_id, limits, own).await;
        let body = body::create_body(launch, &self.ports, parent)?;
        let options = CreateContainerOptions {
            name: Some(launch.container.docker_name.clone()),
            ..Default::default()
        };
        let created = self.docker.create_container(Some(options), body).await;
        created.map(|_| ()).map_err(|error| at(Stage::Create, &error))
    }

    async fn start(&self, name: &str) -> Result<Launched, EngineError> {
        let started = self
            .docker
            .start_container(name, None::<StartContainerOptions>)
            .await;
        started.map_err(|error| at(Stage::Start, &error))?;
        launched(self.look(name).await?)
    }

    /// Looks first, so that a try that was cut short is taken up where it ended.
    async fn try_launch(&self, launch: &Launch) -> Result<Launched, EngineError> {
        let name = &launch.container.docker_name;
        let made = within(self.containers.create_timeout, "created", async {
            match self.look(name).await? {
                Observed::Missing => self.create(launch).await.map(|()| Observed::Created),
                seen => Ok(seen),
            }
        });
        match made.await? {
            Observed::Created => within(self.containers.start_timeout, "started", self.start(name)).await,
            seen => launched(seen),
        }
    }

    /// One that runs already was started by an agent that did not live to note it.
    async fn try_restart(&self, launch: &Launch) -> Result<Launched, EngineError> {
        let name = &launch.container.docker_name;
        let work = async {
            match self.look(name).await? {
                seen @ (Observed::Running(_) | Observed::Missing) => launched(seen),
                Observed::Created | Observed::Exited(_) => self.start(name).await,
            }
        };
        within(self.containers.start_timeout, "started", work).await
    }

    async fn end(&self, name: &str, timeout: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            ..StopContainerOptions::default()
        };
        let patient = self.docker.clone().with_timeout(timeout + STOP_EXTRA);
        match patient.stop_container(name, Some(options)).await {
            Err(error) if !matches!(status(&error), Some(304 | 404)) => Err(at(Stage::Stop, &error)),
            _ => Ok(()),
        }
    }

    async fn forget(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptions {
            v: true,
            ..RemoveContainerOptions::default()
        };
        match self.docker.remove_container(name, Some(options)).await {
            Err(error) if status(&error) != Some(404) => Err(at(Stage::Remove, &error)),
            _ => Ok(()),
        }
    }

    async fn first_process(&self, name: &str) -> Result<Option<i32>, EngineError> {
        let inspected = self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await;
        let container = match inspected {
            Ok(container) => container,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(at(Stage::Inspect, &error)),
        };
        let pid = container
            .state
            .and_then(|state| state.pid)
            .and_then(|pid| i32::try_from(pid).ok());
        Ok(pid.filter(|pid| *pid > 0))
    }

    async fn bridge_names(&self) -> Result<Vec<String>, EngineError> {
        let networks = self.docker.list_networks(None::<ListNetworksOptions>).await;
        let networks = networks.map_err(|error| EngineError::Unreachable(error.to_string()))?;
        let bridges = networks
            .into_iter()
            .filter(|network| network.driver.as_deref() == Some("bridge"));
        let names = bridges.filter_map(|network| {
            let named = network
                .options
                .as_ref()
                .and_then(|options| options.get("com.docker.network.bridge.name"));
            let by_id = || {
                network
                    .id
                    .as_ref()
                    .map(|id| format!("br-{}", id.chars().take(12).collect::<String>()))
            };
            named.cloned().or_else(by_id)
        });
        Ok(names.collect())
    }
}

impl Engine for DockerEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn resolve_image<'a>(
        &'a self,
        image: &'a str,
        access: &'a ImageAccess,
        pulled_before: bool,
    ) -> BoxFuture<'a, Result<Resolved, EngineError>> {
        Box::pin(self.resolve(image, access, pulled_before))
    }

    fn pull_image<'a>(
        &'a self,
        image: &'a str,
        access: &'a ImageAccess,
        digest: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Pulled, EngineError>> {
        Box::pin(self.bring(image, access, digest))
    }

    fn remove_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(self.discard_image(name))
    }

    fn remove_task<'a>(
        &'a self,
        task_id: &'a str,
        volumes: &'a [String],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let volumes = self.discard_volumes(volumes).await;
            self.cgroups.remove(task_id).await;
            volumes
        })
    }

    fn restart<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(self.try_restart(launch))
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(self.try_launch(launch))
    }

    fn stop<'a>(
        &'a self,
        container: &'a ContainerRef,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(self.end(&container.docker_name, timeout))
    }

    fn inspect<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<Observed, EngineError>> {
        Box::pin(self.look(&container.docker_name))
    }

    fn remove<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(self.forget(&container.docker_name))
    }

    fn execute<'a>(
        &'a self,
        container: &'a ContainerRef,
        session: &'a str,
        command: &'a [String],
    ) -> BoxFuture<'a, Result<Arc<dyn Terminal>, EngineError>> {
        Box::pin(exec::execute(
            &self.docker,
            &container.docker_name,
            session,
            command,
        ))
    }

    fn stats<'a>(&'a self, runtime_id: &'a str) -> BoxFuture<'a, Result<serde_json::Value, EngineError>> {
        Box::pin(self.statistics.of(runtime_id))
    }

    fn process_id<'a>(
        &'a self,
        container: &'a ContainerRef,
    ) -> BoxFuture<'a, Result<Option<i32>, EngineError>> {
        Box::pin(self.first_process(&container.docker_name))
    }

    fn cgroup_driver(&self) -> BoxFuture<'_, Option<CgroupDriver>> {
        Box::pin(async {
            match self.docker.info().await.ok()?.cgroup_driver? {
                SystemInfoCgroupDriverEnum::CGROUPFS => Some(CgroupDriver::Cgroupfs),
                SystemInfoCgroupDriverEnum::SYSTEMD => Some(CgroupDriver::Systemd),
                _ => None,
            }
        })
    }

    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(self.bridge_names())
    }
}

/// A container that was told to start, as it is seen then.
fn launched(seen: Observed) -> Result<Launched, EngineError> {
    match seen {
        Observed::Running(facts) => Ok(Launched {
            runtime_id: facts.runtime_id,
        }),
        Observed::Exited(exit) => Ok(Launched {
            runtime_id: exit.runtime_id,
        }),
        Observed::Missing | Observed::Created => Err(EngineError::Refused(
            "ContainerVanishedError: No container matching saved ID found".to_owned(),
        )),
    }
}

async fn within<T>(
    limit: Duration,
    state: &str,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(timed_out(state, limit)),
    }
}
