//! The way from containers to the agent on Docker (agent.md 1.2b, 4): the host gets the address 169.254.170.2, without
//! NAT or `route_localnet`, behind a fence that lets only containers and the host itself reach it. The fence goes up
//! before the address and comes down after it. Tasks in awsvpc mode get a namespace and an interface of their own.

mod address;
mod caller;
mod firewall;
mod host_mode;
mod interface;
mod link;
mod pause;
mod proxy;
mod rules;
mod security;
mod tasks;
mod watch;
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch as channel};
use tokio::time::timeout;

use self::address::Owner;
pub(crate) use self::caller::{SocketOwner, owner_of_socket};
use self::firewall::Firewall;
pub(crate) use self::host_mode::{CgroupDriver, HostCgroups, host_slice};
use self::interface::Cables;
pub(crate) use self::interface::{Interface, SecurityRules, Wiring};
pub(crate) use self::pause::{
    PAUSE_CONTAINER, PAUSE_PROGRAM, PAUSE_REPOSITORY, PAUSE_TAG, is_possible as pause_is_possible,
    pause_archive, pause_image,
};
pub(crate) use self::rules::Walls;
use self::rules::{Fence, HostMark};
use self::watch::{Change, Changes};
pub(crate) use self::wire::{interface_of, security_rules};
use crate::AgentError;
use crate::engine::Engine;
use crate::task::admission::TASK_ENDPOINT_ADDRESS;

/// How often it is looked for rules of which nobody tells that they are gone: with what it takes to put them back, ten
/// seconds must do (T22).
const REASSERT_INTERVAL: Duration = Duration::from_secs(6);
/// Between tries to put them back that failed: tasks wait for it.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the engine may take to tell its networks before those it told last must do.
const ENGINE_PATIENCE: Duration = Duration::from_secs(2);
/// How long Docker's rules may take before it is tried again: anybody may hold iptables' lock.
const ROUTER_PATIENCE: Duration = Duration::from_secs(1);
/// Changes come in crowds; one look does for all that come this soon after the first.
const CROWD: Duration = Duration::from_millis(50);

/// What kept the network from being set up.
#[derive(Debug, Error)]
pub(crate) enum NetworkError {
    /// The address.
    #[error("address {TASK_ENDPOINT_ADDRESS}: {0}")]
    Address(String),
    /// The fence.
    #[error("firewall: {0}")]
    Firewall(String),
    /// A tool of the fence that did not come to an end of its own: nobody knows what is there.
    #[error("firewall: {0}")]
    NoAnswer(String),
    /// A task's own interface.
    #[error("task interface: {0}")]
    Interface(String),
    /// The cgroup of host-mode tasks.
    #[error("host network mode: {0}")]
    HostMode(String),
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

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whom the instance metadata service is kept from.
    pub(crate) walls: Walls,
    /// Tasks may have an interface of their own (`ECS_ENABLE_TASK_ENI`).
    pub(crate) task_eni: bool,
    /// Host-mode tasks may have roles (`ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST`).
    pub(crate) host_task_roles: bool,
    /// Where tasks reach our server at the endpoint's address, if they do.
    pub(crate) api_port: Option<u16>,
}

impl Plan {
    /// Of the agent's configuration. The instance's role is out of reach everywhere unless the operator says
    /// otherwise; `ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false` keeps the promise of its documentation even then.
    pub(crate) fn of(config: &crate::Config, api_port: Option<u16>) -> Self {
        let walls = Walls {
            bridge: config.block_imds,
            awsvpc: config.awsvpc_block_imds.unwrap_or(config.block_imds),
            host: config.block_imds || !config.host_task_roles,
        };
        Self {
            walls,
            task_eni: config.task_eni,
            host_task_roles: config.host_task_roles && config.host.task_roles,
            api_port,
        }
    }
}

/// Address, fence and tasks' interfaces of this host.
pub(crate) struct TaskNetwork {
    engine: Arc<dyn Engine>,
    firewall: Firewall,
    plan: Plan,
    host: Option<HostCgroups>,
    marker: PathBuf,
    /// Whether the host is a router between its tasks already.
    routing: AtomicBool,
    /// Held while it is made one.
    router: tokio::sync::Mutex<()>,
    cables: Mutex<Cables>,
    /// Tasks that are over and whose interfaces could not be taken away.
    over: Mutex<BTreeSet<String>>,
    /// Counts changes of the fence that is due.
    version: AtomicU64,
    /// The change up to which the fence is up; held while it is put up.
    applied: tokio::sync::Mutex<Applied>,
    /// The last fence put up, for when the engine does not tell its networks.
    last: Mutex<Fence>,
    /// Whether it told them when it was last asked.
    told: AtomicBool,
}

#[derive(Default)]
struct Applied {
    version: u64,
    /// The kernel's number of the rule set, when nobody else had a hand in it.
    generation: Option<u32>,
}

impl TaskNetwork {
    /// Puts fence and address in place; the lines to show the operator. `running` are the awsvpc tasks an earlier agent
    /// left running: their interfaces stay, all others' go.
    pub(crate) async fn establish(
        engine: Arc<dyn Engine>,
        state_dir: &Path,
        plan: Plan,
        running: Vec<(String, Interface)>,
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
        let host = match firewall {
            Firewall::Nft => engine.cgroup_driver().await.and_then(HostCgroups::detect),
            Firewall::Iptables => None,
        };
        if let Some(host) = &host {
            caller::read_callers_from(host.clone());
        }
        let cables = running
            .into_iter()
            .map(|(id, interface)| (interface::cable(&id), interface));
        let network = Self {
            engine,
            firewall,
            plan,
            host,
            marker,
            routing: AtomicBool::default(),
            router: tokio::sync::Mutex::default(),
            cables: Mutex::new(cables.collect()),
            over: Mutex::default(),
            version: AtomicU64::new(1),
            applied: tokio::sync::Mutex::default(),
            last: Mutex::default(),
            told: AtomicBool::new(true),
        };
        let owner = network.assert().await?;
        network.stay_router().await;
        network.clear_other_cables().await?;
        let notices = network.notices(owner);
        Ok((network, notices))
    }

    fn notices(&self, owner: Owner) -> Vec<String> {
        let address = match owner {
            Owner::Ours => {
                format!("address {TASK_ENDPOINT_ADDRESS}/32 added to lo; removed when the agent ends")
            }
            Owner::Foreign => {
                format!("address {TASK_ENDPOINT_ADDRESS} was there already; it will not be removed")
            }
        };
        let place = self.firewall.place();
        let rules = format!(
            "{place} added, removed when the agent ends: {}",
            self.last_fence().summary()
        );
        let mut notices = vec![address, rules];
        if self.plan.walls.host && self.host.is_none() {
            notices.push(
                "host-mode tasks cannot be told from the host here (they need nft, and cgroup v2 or net_cls of cgroup v1): \
                 none is started"
                    .to_owned(),
            );
        }
        notices
    }

    /// Puts back what is missing.
    async fn assert(&self) -> Result<Owner, NetworkError> {
        let bridges = self.bridges().await?;
        self.version.fetch_add(1, Ordering::SeqCst);
        self.put_up(bridges).await?;
        address::ensure().await
    }

    /// What the engine tells now. Without it no container can start, but those that run keep what they have, and their
    /// walls do not wait for an engine that hangs.
    async fn bridges(&self) -> Result<Option<Vec<String>>, NetworkError> {
        let asked = self.engine.bridges();
        if self.last_fence() == Fence::default() {
            let told = asked.await;
            return told
                .map(Some)
                .map_err(|error| NetworkError::Bridges(error.to_string()));
        }
        let told = timeout(ENGINE_PATIENCE, asked).await.ok().and_then(Result::ok);
        self.told.store(told.is_some(), Ordering::SeqCst);
        Ok(told)
    }

    /// Puts the fence up that is due, unless somebody did since it became due: many tasks that start at once wait for
    /// one and the same transaction.
    async fn put_up(&self, bridges: Option<Vec<String>>) -> Result<(), NetworkError> {
        let due = self.version.load(Ordering::SeqCst);
        let mut applied = self.applied.lock().await;
        if applied.version >= due {
            return Ok(());
        }
        let version = self.version.load(Ordering::SeqCst);
        let bridges = bridges.unwrap_or_else(|| self.last_fence().bridges());
        let fence = Fence::new(bridges, self.plan.walls.clone())
            .with_host(self.host_mark()?)
            .with_api(self.plan.api_port)
            .with_cables(self.cables());
        let before = watch::generation().ok();
        self.firewall.apply(&fence).await?;
        let after = watch::generation().ok();
        let ours = before.map(|number| number.wrapping_add(1)) == after;
        *applied = Applied {
            version,
            generation: after.filter(|_| ours && self.firewall == Firewall::Nft),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.summary() != fence.summary() {
            tracing::info!(rules = fence.summary(), "fence is up");
        }
        *last = fence;
        Ok(())
    }

    fn host_mark(&self) -> Result<Option<HostMark>, NetworkError> {
        let wanted = self.host.as_ref().filter(|_| self.plan.walls.host);
        let Some(host) = wanted else { return Ok(None) };
        let inode = host
            .ensure_group()
            .map_err(|error| NetworkError::HostMode(error.to_string()))?;
        Ok(Some(HostMark {
            mark: host.mark,
            group: host.group(),
            inode,
        }))
    }

    fn last_fence(&self) -> Fence {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cables(&self) -> Cables {
        self.cables.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps it all in place until dropped. `ready` is false while it is not: no task starts then.
    pub(crate) async fn keep(&self, ready: channel::Sender<bool>, networks_changed: Arc<Notify>) {
        let looked = Notify::new();
        // Beside each other: a wall that goes is heard of also while iptables hangs.
        let keep_router = async {
            loop {
                looked.notified().await;
                self.stay_router().await;
            }
        };
        tokio::join!(self.keep_walls(ready, networks_changed, &looked), keep_router);
    }

    /// Tells each time it looked.
    async fn keep_walls(&self, ready: channel::Sender<bool>, networks_changed: Arc<Notify>, looked: &Notify) {
        let mut changes = Changes::watch().ok().filter(|_| self.firewall == Firewall::Nft);
        loop {
            let rules_changed = async {
                match &mut changes {
                    Some(changes) => changes.next().await,
                    None => std::future::pending().await,
                }
            };
            let pause = match *ready.borrow() && !self.owes_the_way() {
                true => REASSERT_INTERVAL,
                false => RETRY_INTERVAL,
            };
            let all = tokio::select! {
                () = networks_changed.notified() => true,
                change = rules_changed => {
                    let missed = change == Change::Missed && !self.has_its_rules().await;
                    if change == Change::Lost || missed {
                        ready.send_replace(false);
                    }
                    tokio::time::sleep(CROWD).await;
                    false
                }
                () = tokio::time::sleep(pause) => false,
            };
            if all || !*ready.borrow() || !self.is_untouched().await {
                let result = self.assert().await;
                if let Err(error) = &result {
                    tracing::error!(%error, "the task network is not in place; no task starts until it is");
                }
                ready.send_replace(result.is_ok());
            }
            looked.notify_one();
            self.detach_what_stayed().await;
        }
    }

    /// Whether nobody but us changed the packet filter since the fence was put up, and the rest is there. While the engine
    /// owes its networks it is asked again.
    async fn is_untouched(&self) -> bool {
        let same_group = match self.host_mark() {
            Ok(Some(mark)) => self.last_fence().holds_back(&mark),
            Ok(None) => true,
            Err(_) => false,
        };
        let known = same_group && self.told.load(Ordering::SeqCst) && self.has_its_rules().await;
        known && address::ensure().await.is_ok()
    }

    async fn has_its_rules(&self) -> bool {
        let generation = self.applied.lock().await.generation;
        generation.is_some() && watch::generation().ok() == generation
    }

    /// Takes everything of ours away, the address first.
    pub(crate) async fn remove(&self) {
        let address = address::remove().await;
        self.cables.lock().unwrap_or_else(PoisonError::into_inner).clear();
        clear_cables(self.firewall, &[]).await;
        self.firewall.remove().await;
        if let Some(host) = &self.host {
            host.remove_all();
        }
        match address {
            Ok(()) => forget_marker(&self.marker),
            Err(error) => tracing::error!(%error, "left for the next start to remove"),
        }
    }
}

/// Removes the tasks' cables except these, and what belongs to them.
async fn clear_cables(firewall: Firewall, keep: &[String]) {
    let found = link::cables().await.unwrap_or_default();
    for cable in found.iter().filter(|cable| !keep.contains(cable)) {
        tracing::info!(cable, "removing the interface of a task that is gone");
        if let Err(error) = link::cut(cable).await {
            tracing::warn!(%error, cable, "an interface stays");
        }
    }
    if keep.is_empty() {
        if let Err(error) = proxy::answer_for(&[]).await {
            tracing::warn!(%error, "the host goes on answering for addresses of tasks");
        }
        firewall.stop_letting_cables_through().await;
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
    clear_cables(Firewall::Iptables, &[]).await;
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
