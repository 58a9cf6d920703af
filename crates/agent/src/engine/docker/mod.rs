//! Docker Engine, through its API.

mod body;
mod errors;
mod events;
mod exec;
mod observe;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, InspectContainerOptions, ListNetworksOptions,
    RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use portcullis_core::{Clock, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::errors::{Stage, at, status, timed_out};
use super::{ContainerRef, Engine, EngineError, EngineEvent, Launch, Launched, Observed, Terminal};
use crate::EngineKind;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// No single answer of Docker takes longer; a pull is a stream of them.
const ANSWER_SECONDS_MAX: u64 = 300;
/// `ECS_CONTAINER_CREATE_TIMEOUT` and `..._START_TIMEOUT`.
const CREATE_MINUTES_MAX: u64 = 4;
const START_MINUTES_MAX: u64 = 3;
/// What Docker itself may need to end a container after SIGKILL.
const STOP_EXTRA: Duration = Duration::from_secs(60);

/// The engine.
#[derive(Debug)]
pub(crate) struct DockerEngine {
    docker: Docker,
    clock: Arc<dyn Clock>,
    version: String,
    /// Forwards events as long as the engine is in use.
    _forwarding: JoinSet<()>,
}

impl DockerEngine {
    /// Connects, checks that Docker answers, and forwards its events.
    pub(crate) async fn connect(
        host: Option<&str>,
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
        let mut forwarding = JoinSet::new();
        forwarding.spawn(events::forward(docker.clone(), Arc::clone(&clock), events));
        Ok(Self {
            docker,
            clock,
            version,
            _forwarding: forwarding,
        })
    }

    async fn look(&self, name: &str) -> Result<Observed, EngineError> {
        match self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
        {
            Ok(container) => Ok(observe::observed(&container)),
            Err(error) if status(&error) == Some(404) => Ok(Observed::Missing),
            Err(error) => Err(at(Stage::Inspect, &error)),
        }
    }

    async fn ensure_image(&self, image: &str) -> Result<Option<(Timestamp, Timestamp)>, EngineError> {
        match self.docker.inspect_image(image).await {
            Ok(_) => return Ok(None),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(at(Stage::Pull, &error)),
        }
        let started = self.clock.now();
        let options = CreateImageOptions {
            from_image: Some(with_tag(image)),
            ..CreateImageOptions::default()
        };
        let mut pull = std::pin::pin!(self.docker.create_image(Some(options), None, None));
        while let Some(progress) = pull.next().await {
            progress.map_err(|error| at(Stage::Pull, &error))?;
        }
        Ok(Some((started, self.clock.now())))
    }

    async fn create(&self, launch: &Launch) -> Result<(), EngineError> {
        let body = body::create_body(launch)?;
        let options = CreateContainerOptions {
            name: Some(launch.container.docker_name.clone()),
            ..Default::default()
        };
        within(CREATE_MINUTES_MAX, "created", async {
            let created = self.docker.create_container(Some(options), body).await;
            created.map(|_| ()).map_err(|error| at(Stage::Create, &error))
        })
        .await
    }

    async fn start(&self, name: &str) -> Result<(), EngineError> {
        within(START_MINUTES_MAX, "started", async {
            let started = self
                .docker
                .start_container(name, None::<StartContainerOptions>)
                .await;
            started.map_err(|error| at(Stage::Start, &error))
        })
        .await
    }

    /// Looks first, so that a try that was cut short is taken up where it ended.
    async fn try_launch(&self, launch: &Launch) -> Result<Launched, EngineError> {
        let name = &launch.container.docker_name;
        let mut pulled = None;
        let mut before = self.look(name).await?;
        if before == Observed::Missing {
            pulled = self.ensure_image(&launch.definition.image).await?;
            self.create(launch).await?;
            before = Observed::Created;
        }
        if before == Observed::Created {
            self.start(name).await?;
        }
        match self.look(name).await? {
            Observed::Running(facts) => Ok(Launched {
                runtime_id: facts.runtime_id,
                pulled,
            }),
            Observed::Exited(exit) => Ok(Launched {
                runtime_id: exit.runtime_id,
                pulled,
            }),
            Observed::Missing | Observed::Created => Err(EngineError::Refused(
                "ContainerVanishedError: No container matching saved ID found".to_owned(),
            )),
        }
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

    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(self.bridge_names())
    }
}

async fn within(
    minutes: u64,
    state: &str,
    work: impl Future<Output = Result<(), EngineError>>,
) -> Result<(), EngineError> {
    match tokio::time::timeout(Duration::from_secs(minutes * 60), work).await {
        Ok(done) => done,
        Err(_) => Err(timed_out(state, minutes)),
    }
}

/// Without a tag Docker would pull all of a repository's.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_repository_means_latest() {
        for (image, pulled) in [
            ("busybox", "busybox:latest"),
            ("registry:5000/app", "registry:5000/app:latest"),
            ("registry:5000/app:3", "registry:5000/app:3"),
            ("app@sha256:00", "app@sha256:00"),
        ] {
            assert_eq!(with_tag(image), pulled);
        }
    }
}
