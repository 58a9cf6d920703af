//! Putting the rooms together: store, world, gate, agents' sessions, scheduler, listener.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::bootstrap::{self, IamQuotas, LongTermKey};
use portcullis_control::federation::Authorities;
use portcullis_control::gate::Gate;
use portcullis_control::gate::throttle::Throttle;
use portcullis_control::server;
use portcullis_control::server::TlsAcceptor;
use portcullis_control::services;
use portcullis_control::world::World;
use portcullis_core::{AccountId, Clock, Random, SystemClock, SystemRandom};
use portcullis_store::{Place, Store, open, open_in_memory};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

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
    /// Whether calls are throttled as AWS throttles them.
    pub aws_throttling: bool,
    /// How long credentials of tasks live.
    pub task_session_seconds: i64,
    /// Certificate authorities that are trusted when the keys of identity providers are fetched.
    pub provider_authorities: Authorities,
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
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let opened = match plan.data_dir {
        Some(dir) => {
            managed_policies::install(&dir)?;
            let place = Place {
                dir,
                account: plan.account.clone(),
                master_key: None,
            };
            open(&place, Arc::clone(&clock), Arc::clone(&random))?
        }
        None => open_in_memory(Arc::clone(&clock), Arc::clone(&random))?,
    };
    let world = World::open(
        plan.account,
        Arc::clone(&opened.store),
        opened.vault,
        clock,
        random,
    )?;
    let world = Arc::new(world);
    let (hand_over, endpoint) = (plan.hand_over, endpoint(plan.tls.is_some(), address));
    let hand_over = |key: &LongTermKey| hand_over(key, &endpoint).map_err(|error| format!("{error:#}"));
    let administrator = bootstrap::account(&world, plan.root, hand_over).await?;
    bootstrap::iam_quotas(&world, plan.iam_quotas).await?;
    let authorities = plan.provider_authorities;
    let (throttling, task_session_seconds) = (plan.aws_throttling, plan.task_session_seconds);
    let doors = move |world| {
        let gate = Gate::new(world, services::operations())
            .with_authorities(authorities.clone())
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
        store: opened.store,
        stop,
        tasks: JoinSet::new(),
    };
    running.serve_also(listener);
    running
        .tasks
        .spawn(Arc::clone(&running.accounts).run(running.stop.subscribe()));
    Ok(running)
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
