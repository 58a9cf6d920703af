//! The accounts of one server. Each has a world, a gate and agents of its own, so that nothing of one account can be
//! found from another but through the two doors AWS has: a role assumed across accounts, and the organization.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{HeaderMap, Uri};
use portcullis_core::{AccountId, account_of_key};
use portcullis_store::StoreError;
use portcullis_wire::{Reply, sigv4};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::acs::Agents;
use crate::advisor;
use crate::bootstrap;
use crate::federation::outbound;
use crate::gate::error::ServiceError;
use crate::gate::{Gate, Peer, unsigned};
use crate::registry;
use crate::schedule;
use crate::server::{Bodies, ordered};
use crate::services::ecr;
use crate::services::kms;
use crate::services::logs;
use crate::world::records::organization::{MemberAccount, Progress};
use crate::world::{World, WriteError};

/// Builds the doors of an account.
pub type MakeDoors = Box<dyn Fn(Arc<World>) -> Doors + Send + Sync>;

/// One account's way in.
#[derive(Debug)]
pub struct Doors {
    /// For calls.
    pub gate: Arc<Gate>,
    /// For the agents of its container instances.
    pub agents: Arc<Agents>,
}

impl Doors {
    /// The doors of a gate.
    pub fn of(gate: Gate) -> Self {
        let gate = Arc::new(gate);
        Self {
            agents: Arc::new(Agents::new(Arc::clone(&gate))),
            gate,
        }
    }
}

/// All accounts of a server.
pub struct Accounts {
    first: Arc<Doors>,
    members: ArcSwap<BTreeMap<AccountId, Arc<Doors>>>,
    make_doors: MakeDoors,
    bodies: Bodies,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accounts({} members)", self.members.load().len())
    }
}

/// Why an account could not be made; it is tried again.
#[derive(Debug, Error)]
enum NotMade {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("its first role could not be made: {0}")]
    Role(#[from] WriteError<ServiceError>),
    #[error("that it is there could not be noted: {0}")]
    NotNoted(#[from] WriteError<Infallible>),
}

impl Accounts {
    /// Opens every account that was made, beside the server's first.
    pub fn open(first: Arc<World>, make_doors: MakeDoors) -> Result<Self, StoreError> {
        let accounts = Self {
            first: Arc::new(make_doors(first)),
            members: ArcSwap::default(),
            make_doors,
            bodies: Bodies::default(),
        };
        let view = accounts.first.gate.world().view();
        for (_, member) in view.member_accounts.iter() {
            if matches!(member.progress, Progress::Made(_)) {
                accounts.open_member(&member.id)?;
            }
        }
        Ok(accounts)
    }

    /// The server's first account.
    pub fn first(&self) -> &Arc<Doors> {
        &self.first
    }

    /// The account with that id.
    pub fn get(&self, account: &AccountId) -> Option<Arc<Doors>> {
        if self.first.gate.world().account() == account {
            return Some(Arc::clone(&self.first));
        }
        self.members.load().get(account).cloned()
    }

    /// The room for bodies of requests, one for all listeners.
    pub(crate) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Serves one request at the door of the account whose credentials signed it.
    pub async fn serve(&self, parts: &Parts, body: &[u8], peer: Peer) -> Reply {
        let doors = match self.named_without_signature(parts, body) {
            Some(doors) => doors,
            None => self.called(&parts.headers, &parts.uri),
        };
        match self.visited(parts, body) {
            Some(owner) => owner.gate.serve_of(&doors.gate, parts, body, peer).await,
            None => doors.gate.serve(parts, body, peer).await,
        }
    }

    /// The account of this server whose registry a call names, or whose key's grants it changes, whoever signed it.
    fn visited(&self, parts: &Parts, body: &[u8]) -> Option<Arc<Doors>> {
        if self.members.load().is_empty() {
            return None;
        }
        let account = ecr::visits::registry(parts, body).or_else(|| kms::visits::account(parts, body));
        self.get(&account?)
    }

    /// The account of the role that a call without signature asks for.
    fn named_without_signature(&self, parts: &Parts, body: &[u8]) -> Option<Arc<Doors>> {
        if self.members.load().is_empty() {
            return None;
        }
        if let Some(joining) = unsigned::joining(parts, body) {
            let knows = |doors: &Arc<Doors>| joining.region(&doors.gate.world().view()).is_some();
            return self.all().into_iter().find(knows);
        }
        self.get(&unsigned::account_of(parts, body)?)
    }

    /// What an account publishes for those who verify its tokens; `None` when the path is none of its documents.
    pub fn federation_document(&self, path: &str) -> Option<String> {
        if !path.starts_with(outbound::PATH) {
            return None;
        }
        self.all()
            .iter()
            .find_map(|doors| doors.gate.federation_document(path))
    }

    /// The account whose credentials a request claims to be signed with. Access key ids hold their account's number;
    /// those that the starter of the server chose do not, and are the first account's.
    pub fn called(&self, headers: &HeaderMap, uri: &Uri) -> Arc<Doors> {
        let members = self.members.load();
        let claimed = || members.get(&account_of_key(&sigv4::claimed_key(headers, uri)?)?);
        let member = if members.is_empty() { None } else { claimed() };
        Arc::clone(member.unwrap_or(&self.first))
    }

    /// The account that has that session of Execute Command: its client brings no credentials that would say so.
    pub(crate) fn with_session(&self, session: &str) -> Option<Arc<Doors>> {
        self.all()
            .into_iter()
            .find(|doors| doors.gate.exec().knows(session))
    }

    /// Runs what every account does by itself, and makes the accounts that are asked for, until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changes = self.first.gate.world().changes();
        let mut running = JoinSet::new();
        running.spawn(registry::run(Arc::clone(&self), stop.clone()));
        let mut known = BTreeSet::new();
        loop {
            self.settle().await;
            for doors in self.all() {
                let gate = &doors.gate;
                if known.insert(gate.world().account().clone()) {
                    running.spawn(schedule::run(Arc::clone(gate), stop.clone()));
                    running.spawn(schedule::services::run(Arc::clone(gate), stop.clone()));
                    running.spawn(schedule::interfaces::run(Arc::clone(gate), stop.clone()));
                    running.spawn(advisor::run(Arc::clone(gate), stop.clone()));
                    running.spawn(kms::run(Arc::clone(gate), stop.clone()));
                    running.spawn(logs::keep::run(Arc::clone(gate), stop.clone()));
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                () = ordered(&mut stop) => break,
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Writes down what calls have left to be written; for an orderly end, when no call runs any more.
    pub async fn keep(&self) {
        for doors in self.all() {
            advisor::keep(doors.gate.world()).await;
            let gate = Arc::clone(&doors.gate);
            if tokio::task::spawn_blocking(move || gate.settle()).await.is_err() {
                tracing::error!("the reasons of the last calls could not be kept");
            }
        }
    }

    /// All accounts that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Doors>> {
        let members = self.members.load();
        [&self.first]
            .into_iter()
            .chain(members.values())
            .map(Arc::clone)
            .collect()
    }

    /// Makes the accounts that were asked for.
    pub async fn settle(&self) {
        let view = self.first.gate.world().view();
        for (_, member) in view.member_accounts.iter() {
            if member.progress == Progress::Requested
                && let Err(error) = self.make(member).await
            {
                tracing::error!(%error, account = %member.id, "an account could not be made; it is tried again");
            }
        }
    }

    /// First the account with its role, then the word that it is there: a crash between makes it again.
    async fn make(&self, member: &MemberAccount) -> Result<(), NotMade> {
        let doors = self.open_member(&member.id)?;
        let world = self.first.gate.world();
        bootstrap::member(doors.gate.world(), member, world.account()).await?;
        world
            .write::<_, Infallible>(|tx| {
                tx.put(MemberAccount {
                    progress: Progress::Made(tx.now),
                    ..member.clone()
                });
                Ok(())
            })
            .await?;
        Ok(())
    }

    fn open_member(&self, account: &AccountId) -> Result<Arc<Doors>, StoreError> {
        if let Some(open) = self.members.load().get(account) {
            return Ok(Arc::clone(open));
        }
        let world = self.first.gate.world().open_account(account.clone())?;
        let doors = Arc::new((self.make_doors)(Arc::new(world)));
        self.members.rcu(|members| {
            let mut members = BTreeMap::clone(members);
            members.insert(account.clone(), Arc::clone(&doors));
            members
        });
        Ok(doors)
    }
}
