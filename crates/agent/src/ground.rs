//! What tasks stand on: the way to the endpoint, and the walls around it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::checkpoint::Checkpoint;
use crate::engine::Engine;
use crate::network::{self, Interface, TaskNetwork};
use crate::task::admission::{ENDPOINT_PORT, TASK_ENDPOINT_ADDRESS};
use crate::task::environment::Surroundings;
use crate::{AgentError, Config, EngineKind, InjectEndpoint, TaskApi};

/// Where the endpoint is.
pub(crate) struct Ground {
    /// Docker only.
    pub(crate) network: Option<Arc<TaskNetwork>>,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) surroundings: Surroundings,
}

impl Ground {
    /// Puts it in place; the lines to show the operator.
    pub(crate) async fn prepare(
        config: &Config,
        engine: &Arc<dyn Engine>,
        task_api: Option<TaskApi>,
        checkpoint: &Checkpoint,
    ) -> Result<(Self, Vec<String>), AgentError> {
        match engine.kind() {
            EngineKind::Docker => Self::fenced(config, engine, task_api, checkpoint).await,
            EngineKind::Process => {
                network::clear_leftovers(&config.state_dir).await;
                let ground = Self::loopback(config, checkpoint.identity()?.endpoint_port).await?;
                Ok((ground, Vec::new()))
            }
        }
    }

    async fn fenced(
        config: &Config,
        engine: &Arc<dyn Engine>,
        task_api: Option<TaskApi>,
        checkpoint: &Checkpoint,
    ) -> Result<(Self, Vec<String>), AgentError> {
        let plan = network::Plan::of(config, task_api.as_ref().map(|api| api.port));
        let running = interfaces_in_use(checkpoint)?;
        let (network, notices) =
            TaskNetwork::establish(Arc::clone(engine), &config.state_dir, plan, running).await?;
        let network = Arc::new(network);
        let opened = async {
            let api_port = task_api.as_ref().map(|api| api.port);
            if let Some(api) = task_api {
                // Nobody may have asked for it any more; then it is closed again.
                let _ = api.listener.send(network::listen(api.port).await?);
            }
            Ok((network::listen(ENDPOINT_PORT).await?, api_port))
        };
        match opened.await {
            Ok((listener, api_port)) => {
                let url = format!("http://{TASK_ENDPOINT_ADDRESS}");
                let task_side = api_port.map(|port| format!("{url}:{port}"));
                let surroundings = surroundings(config, EngineKind::Docker, url, task_side);
                let address = SocketAddr::from((TASK_ENDPOINT_ADDRESS, ENDPOINT_PORT));
                let ground = Self {
                    network: Some(network),
                    listener,
                    address,
                    surroundings,
                };
                Ok((ground, notices))
            }
            Err(error) => {
                take_down(&network, checkpoint).await;
                Err(error)
            }
        }
    }

    /// What the instance can do thanks to it.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        let network = self.network.as_ref();
        network.map(|network| network.capabilities()).unwrap_or_default()
    }

    /// At the port of the agent before, when it is free: its processes know no other.
    async fn loopback(config: &Config, before: Option<u16>) -> Result<Self, AgentError> {
        let failed =
            |error: std::io::Error| AgentError::Network(format!("cannot listen on loopback: {error}"));
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, before.unwrap_or(0))).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(failed)?,
        };
        let address = listener.local_addr().map_err(failed)?;
        let task_side = Some(config.control_url.clone());
        let surroundings = surroundings(
            config,
            EngineKind::Process,
            format!("http://{address}"),
            task_side,
        );
        Ok(Self {
            network: None,
            listener,
            address,
            surroundings,
        })
    }

    /// Takes address and fence away, unless tasks outlive the agent.
    pub(crate) async fn leave(self, checkpoint: &Checkpoint) {
        drop(self.listener);
        if let Some(network) = self.network {
            take_down(&network, checkpoint).await;
        }
    }
}

/// Takes address and fence away, unless containers may run on, whoever started them and however far this agent came: they
/// keep both.
async fn take_down(network: &TaskNetwork, checkpoint: &Checkpoint) {
    match checkpoint.has_running() {
        Ok(false) => network.remove().await,
        Ok(true) => {
            tracing::info!("tasks go on running; the task network stays for them and the next agent");
        }
        Err(error) => {
            tracing::error!(%error, "nobody knows whether tasks go on running; the task network stays");
        }
    }
}

/// Interfaces of tasks that an earlier agent left running.
fn interfaces_in_use(checkpoint: &Checkpoint) -> Result<Vec<(String, Interface)>, AgentError> {
    let tasks = checkpoint.tasks()?;
    let in_use = tasks.into_iter().filter(|task| {
        let mut containers = task.containers.iter();
        containers.any(|one| one.is_internal() && one.may_run())
    });
    let with_id = in_use.filter_map(|task| Some((task.id().to_owned(), task.interface.clone()?)));
    Ok(with_id.collect())
}

fn surroundings(
    config: &Config,
    kind: EngineKind,
    endpoint_url: String,
    task_side: Option<String>,
) -> Surroundings {
    let api_url = match &config.inject_endpoint {
        InjectEndpoint::Off => None,
        InjectEndpoint::TaskSide => task_side,
        InjectEndpoint::Url(url) => Some(url.clone()),
    };
    Surroundings {
        kind,
        cluster: config.cluster.clone(),
        region: config.region.as_str().to_owned(),
        endpoint_url,
        api_url,
        log_endpoint: (kind == EngineKind::Docker).then(|| config.control_url.clone()),
        block_imds: config.block_imds,
    }
}
