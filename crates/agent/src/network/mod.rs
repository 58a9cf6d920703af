//! The way from containers to the agent on Docker (agent.md 1.2b): the host gets the address 169.254.170.2, without
//! NAT or `route_localnet`, behind a fence that lets only containers and the host itself reach it. The fence goes up
//! before the address and comes down after it.

mod address;
mod firewall;
mod rules;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use self::address::Owner;
use self::firewall::Firewall;
use self::rules::Fence;
use crate::AgentError;
use crate::engine::Engine;
use crate::task::admission::TASK_ENDPOINT_ADDRESS;

/// Rules that something else removed are back this soon.
const REASSERT_INTERVAL: Duration = Duration::from_secs(10);

/// What kept the network from being set up.
#[derive(Debug, Error)]
pub(crate) enum NetworkError {
    /// The address.
    #[error("address {TASK_ENDPOINT_ADDRESS}: {0}")]
    Address(String),
    /// The fence.
    #[error("firewall: {0}")]
    Firewall(String),
    /// The engine does not tell its networks.
    #[error("container networks: {0}")]
    Bridges(String),
    /// The marker file.
    #[error("{}: {source}", path.display())]
    Marker {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl From<NetworkError> for AgentError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error.to_string())
    }
}

/// Address and fence of this host.
pub(crate) struct TaskNetwork {
    engine: Arc<dyn Engine>,
    firewall: Firewall,
    block_imds: bool,
    marker: PathBuf,
    /// The last fence put up, for when the engine does not tell its networks.
    last: Mutex<Fence>,
}

impl TaskNetwork {
    /// Puts fence and address in place; the lines to show the operator.
    pub(crate) async fn establish(
        engine: Arc<dyn Engine>,
        state_dir: &Path,
        block_imds: bool,
    ) -> Result<(Self, Vec<String>), NetworkError> {
        let firewall = Firewall::detect().await?;
        let marker = marker_path(state_dir);
        // Before anything is changed: what a killed agent leaves behind is known to be ours.
        fs::write(
            &marker,
            "{\"address\":\"169.254.170.2/32\",\"interface\":\"lo\"}\n",
        )
        .map_err(|source| NetworkError::Marker {
            path: marker.clone(),
            source,
        })?;
        let network = Self {
            engine,
            firewall,
            block_imds,
            marker,
            last: Mutex::default(),
        };
        let owner = network.assert().await?;
        let fence = network.last_fence();
        let address = match owner {
            Owner::Ours => {
                format!("address {TASK_ENDPOINT_ADDRESS}/32 added to lo; removed when the agent ends")
            }
            Owner::Foreign => {
                format!("address {TASK_ENDPOINT_ADDRESS} was there already; it will not be removed")
            }
        };
        let rules = format!(
            "{} added, removed when the agent ends: {}",
            firewall.place(),
            fence.summary()
        );
        Ok((network, vec![address, rules]))
    }

    /// Puts back what is missing.
    async fn assert(&self) -> Result<Owner, NetworkError> {
        let fence = match self.engine.bridges().await {
            Ok(bridges) => Fence::new(bridges, self.block_imds),
            // Without Docker no container can start, but those that run keep what they have.
            Err(error) if self.last_fence() == Fence::default() => {
                return Err(NetworkError::Bridges(error.to_string()));
            }
            Err(_) => self.last_fence(),
        };
        self.firewall.apply(&fence).await?;
        let owner = address::ensure().await?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != fence {
            tracing::info!(rules = fence.summary(), "fence is up");
            *last = fence;
        }
        Ok(owner)
    }

    fn last_fence(&self) -> Fence {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps it all in place until dropped. `ready` is false while it is not: no task starts then.
    pub(crate) async fn keep(&self, ready: watch::Sender<bool>, networks_changed: Arc<Notify>) {
        loop {
            let _ = tokio::time::timeout(REASSERT_INTERVAL, networks_changed.notified()).await;
            let result = self.assert().await;
            if let Err(error) = &result {
                tracing::error!(%error, "the task network is not in place; no task starts until it is");
            }
            ready.send_replace(result.is_ok());
        }
    }

    /// Takes everything of ours away, the address first.
    pub(crate) async fn remove(&self) {
        let address = address::remove().await;
        self.firewall.remove().await;
        match address {
            Ok(()) => forget_marker(&self.marker),
            Err(error) => tracing::error!(%error, "left for the next start to remove"),
        }
    }
}

/// Removes what a killed agent of this state folder left, when this one will not use it.
pub(crate) async fn clear_leftovers(state_dir: &Path) {
    let marker = marker_path(state_dir);
    if !marker.exists() {
        return;
    }
    tracing::info!("removing the address and rules an earlier agent left");
    if let Err(error) = address::remove().await {
        tracing::error!(%error, "the address of an earlier agent stays");
        return;
    }
    for firewall in [Firewall::Nft, Firewall::Iptables] {
        firewall.remove().await;
    }
    forget_marker(&marker);
}

/// A listener behind the fence.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, AgentError> {
    let address = SocketAddr::from((TASK_ENDPOINT_ADDRESS, port));
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; another agent, or a server that listens on every address, has it",
            _ => "",
        };
        AgentError::Network(format!("cannot listen on {address}: {error}{hint}"))
    })
}

fn marker_path(state_dir: &Path) -> PathBuf {
    state_dir.join("network.json")
}

fn forget_marker(marker: &Path) {
    if let Err(error) = fs::remove_file(marker)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "network marker stays");
    }
}
