//! Putting the rooms together: store, world, gate, agents' sessions, scheduler, listener.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::bootstrap::{self, IamQuotas, LongTermKey};
use portcullis_control::federation::Authorities;
use portcullis_control::gate::Gate;
use portcullis_control::gate::throttle::Throttle;
use portcullis_control::server;
use portcullis_control::server::TlsAcceptor;
use portcullis_control::services;
use portcullis_control::services::ssm::parameters::PublicParameters;
use portcullis_control::upstream::Upstreams;
use portcullis_control::world::World;
use portcullis_core::{AccountId, Clock, Random, SystemClock, SystemRandom};
use portcullis_logs::{self as logs, Logs};
use portcullis_store::{Place, Store, open, open_in_memory};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::blob_options::BlobOptions;
use crate::iam::managed_policies;

/// Gives the administrator's key to whoever starts the server; also gets the endpoint.
pub type HandOver = Box<dyn FnOnce(&LongTermKey, &str) -> Result<()> + Send>;

/// What a server is made of.
pub struct Plan {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where state lasts; `None` keeps it in memory.
    pub data_dir: Option<PathBuf>,
    /// The account.
    pub account: AccountId,
    /// The root user's key, if the starter chose one.
    pub root: Option<LongTermKey>,
    /// What happens with the administrator's key at the first start, before anything is kept.
    pub hand_over: HandOver,
    /// Quotas of IAM that differ from AWS's defaults.
    pub iam_quotas: IamQuotas,
    /// TLS for the listener.
    pub tls: Option<TlsAcceptor>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether identity providers may keep users and groups by SCIM.
    pub scim: bool,
    /// Where builds of the agent are.
    pub agent_builds: Option<PathBuf>,
    /// Whether calls are throttled as AWS throttles them.
    pub aws_throttling: bool,
    /// How long credentials of tasks live.
    pub task_session_seconds: i64,
    /// What everybody may read below `/aws/service/`.
    pub public_parameters: PublicParameters,
    /// Certificate authorities that are trusted when the keys of identity providers are fetched.
    pub provider_authorities: Authorities,
    /// The registries that pull-through cache rules may read, and where ECR Public's images are.
    pub upstreams: Upstreams,
    /// Where images and objects are kept.
    pub blobs: BlobOptions,
    /// How much log events may take up.
    pub logs: logs::Options,
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The gate of its first account, for explanations.
    pub gate: Arc<Gate>,
    /// The administrator's key, if this was the first start.
    pub administrator: Option<LongTermKey>,
    options: server::Options,
    accounts: Arc<Accounts>,
    store: Arc<dyn Store>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts a server; it answers when this returns.
pub async fn start(plan: Plan) -> Result<Running> {
    // The port first: a server that cannot listen must not touch any state.
    let listener = TcpListener::bind(plan.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on; choose another address with --listen",
            plan.listen
        )
    })?;
    let address = listener.local_addr()?;
    let (world, store) = open_world(plan.data_dir, plan.account, plan.logs, plan.blobs)?;
    if let Some(folder) = &plan.agent_builds {
        let read = world.view().neighbours().agent_builds().read(folder);
        read.with_context(|| {
            format!(
                "{} cannot be read; give another folder with --agent-builds",
                folder.display()
            )
        })?;
    }
    let (hand_over, endpoint) = (plan.hand_over, endpoint(plan.tls.is_some(), address));
    let hand_over = |key: &LongTermKey| hand_over(key, &endpoint).map_err(|error| format!("{error:#}"));
    let administrator = bootstrap::account(&world, plan.root, hand_over).await?;
    bootstrap::iam_quotas(&world, plan.iam_quotas).await?;
    let authorities = plan.provider_authorities;
    let public_parameters = Arc::new(plan.public_parameters);
    let upstreams = Arc::new(plan.upstreams);
    let (throttling, task_session_seconds) = (plan.aws_throttling, plan.task_session_seconds);
    let doors = move |world| {
        let gate = Gate::new(world, services::operations())
            .with_authorities(authorities.clone())
            .with_public_parameters(Arc::clone(&public_parameters))
            .with_upstreams(Arc::clone(&upstreams))
            .with_task_session_seconds(task_session_seconds);
        Doors::of(match throttling {
            true => gate.with_throttling(Throttle::default()),
            false => gate,
        })
    };
    let accounts = Arc::new(Accounts::open(world, Box::new(doors))?);
    let options = server::Options {
        tls: plan.tls,
        trusted_proxies: plan.trusted_proxies,
        scim: plan.scim,
    };
    let (stop, _) = watch::channel(false);
    let mut running = Running {
        address,
        gate: Arc::clone(&accounts.first().gate),
        administrator,
        options,
        accounts,
        store,
        stop,
        tasks: JoinSet::new(),
    };
    running.serve_also(listener);
    if let Some(folder) = plan.agent_builds {
        let stop = running.stop.subscribe();
        running
            .tasks
            .spawn(watch_builds(Arc::clone(&running.gate), folder, stop));
    }
    running
        .tasks
        .spawn(Arc::clone(&running.accounts).run(running.stop.subscribe()));
    Ok(running)
}

/// Between two looks into the folder of builds.
const BUILDS_EVERY: Duration = Duration::from_secs(5);

/// Builds that are put into the folder later are found without a restart.
async fn watch_builds(gate: Arc<Gate>, folder: PathBuf, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(BUILDS_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (gate, folder) = (Arc::clone(&gate), folder.clone());
        let read = tokio::task::spawn_blocking(move || {
            let view = gate.world().view();
            view.neighbours().agent_builds().read(&folder)
        });
        if let Ok(Err(error)) = read.await {
            tracing::warn!(%error, "the folder of agents' builds cannot be read");
        }
    }
}

/// The state as it was left, or that of a new account.
fn open_world(
    data_dir: Option<PathBuf>,
    account: AccountId,
    logs: logs::Options,
    blobs: BlobOptions,
) -> Result<(Arc<World>, Arc<dyn Store>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let blobs_dir = data_dir.as_ref().map(|dir| dir.join("blobs"));
    let logs_dir = data_dir.as_ref().map(|dir| dir.join("logs"));
    let opened = match data_dir {
        Some(dir) => {
            managed_policies::install(&dir)?;
            let place = Place {
                dir,
                account: account.clone(),
                master_key: None,
            };
            open(&place, Arc::clone(&clock), Arc::clone(&random))?
        }
        None => open_in_memory(Arc::clone(&clock), Arc::clone(&random))?,
    };
    let world = World::open(account, Arc::clone(&opened.store), opened.vault, clock, random)?;
    let blobs = match blobs_dir {
        Some(dir) => Arc::new(blobs.open(&dir, &world)?),
        None => Arc::clone(world.blobs()),
    };
    let logs = match logs_dir {
        Some(dir) => Logs::in_directory(&dir, Arc::clone(world.clock()), logs)
            .with_context(|| format!("{} cannot be used for log events", dir.display()))?,
        None => Logs::in_memory(Arc::clone(world.clock()), logs),
    };
    Ok((Arc::new(world.with_stores(blobs, Arc::new(logs))), opened.store))
}

impl Running {
    /// The endpoint for clients on this machine.
    pub fn endpoint(&self) -> String {
        endpoint(self.options.tls.is_some(), self.address)
    }

    /// Serves one more listener, such as the tasks' side of the agent.
    pub fn serve_also(&mut self, listener: TcpListener) {
        self.tasks.spawn(server::serve(
            listener,
            self.options.clone(),
            Arc::clone(&self.accounts),
            self.stop.subscribe(),
        ));
    }

    /// Lets running requests finish, for less than a second, writes down what they used and closes the store.
    pub async fn end(mut self) -> Result<()> {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.accounts.keep().await;
        let store = self.store;
        tokio::task::spawn_blocking(move || store.shutdown())
            .await
            .context("the store could not be closed")
    }
}

fn endpoint(tls: bool, address: SocketAddr) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}
