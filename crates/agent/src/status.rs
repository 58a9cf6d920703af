//! What the agent tells whoever started it.

use std::net::SocketAddr;

use tokio::sync::watch;

/// The engine in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker Engine.
    Docker,
    /// Child processes.
    Process,
}

impl EngineKind {
    /// One lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// How far the agent has come. Fields are filled in this order and stay.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The engine, once chosen.
    pub engine: Option<EngineKind>,
    /// Changes made to the machine and limits of the engine, one line each, to be shown to the operator.
    pub notices: Vec<String>,
    /// Where the credentials endpoint listens.
    pub credentials_endpoint: Option<SocketAddr>,
    /// ARN of the container instance, once registered.
    pub container_instance_arn: Option<String>,
    /// Whether the ACS websocket is open now: tasks can be placed here.
    pub connected: bool,
}

/// Waits until the agent is registered and connected; `None` when it ended before that.
pub async fn connected(status: &mut watch::Receiver<Status>) -> Option<Status> {
    status
        .wait_for(|status| status.connected)
        .await
        .ok()
        .map(|status| status.clone())
}
