//! The accounts of one server as they see each other: pictures to look at, nothing to change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use arc_swap::ArcSwap;
use portcullis_core::{AccountId, Arn};
use portcullis_store::Store;
use tokio::sync::Mutex;

use super::{Snapshot, State};
use crate::agents::builds::AgentBuilds;

/// The published pictures of all accounts of a server.
#[derive(Debug, Default)]
pub struct Neighbours {
    accounts: ArcSwap<BTreeMap<AccountId, Weak<State>>>,
    agent_builds: AgentBuilds,
    bucket_names: Mutex<()>,
    /// Whose bucket has a name, if it has been published; whoever looks here looks there too.
    bucket_owners: RwLock<HashMap<String, AccountId>>,
}

impl Neighbours {
    /// The builds that agents of all accounts are updated to.
    pub fn agent_builds(&self) -> &AgentBuilds {
        &self.agent_builds
    }

    /// Held by whoever makes a bucket: its name must be nobody's in any account.
    pub(crate) fn bucket_names(&self) -> &Mutex<()> {
        &self.bucket_names
    }

    /// The account that has a bucket of that name: one look-up, for requests that nobody signed ask it.
    pub(crate) fn bucket_owner(&self, name: &str) -> Option<AccountId> {
        let owners = self.bucket_owners.read().unwrap_or_else(PoisonError::into_inner);
        let owner = owners.get(name)?.clone();
        drop(owners);
        let state = self.accounts.load().get(&owner)?.upgrade()?;
        let is_there = state.published.load().s3.buckets.get(name).is_some();
        is_there.then_some(owner)
    }

    /// A bucket is being made or read from the store.
    pub(super) fn note_bucket(&self, name: &str, owner: &AccountId) {
        let mut owners = self.bucket_owners.write().unwrap_or_else(PoisonError::into_inner);
        owners.insert(name.to_owned(), owner.clone());
    }

    /// A bucket has been removed; whoever says so holds [`Self::bucket_names`], so that nobody is making it again.
    pub(crate) fn forget_bucket(&self, name: &str) {
        if self.bucket_owner(name).is_none() {
            let mut owners = self.bucket_owners.write().unwrap_or_else(PoisonError::into_inner);
            owners.remove(name);
        }
    }

    /// The picture of an account of this server.
    pub fn view(&self, account: &AccountId) -> Option<Arc<Snapshot>> {
        let state = self.accounts.load().get(account)?.upgrade()?;
        Some(state.published.load_full())
    }

    /// Where an account of this server keeps what its picture does not hold: its event history.
    pub(crate) fn store(&self, account: &AccountId) -> Option<Arc<dyn Store>> {
        let state = self.accounts.load().get(account)?.upgrade()?;
        Some(Arc::clone(&state.store))
    }

    /// The present ARN of the user or role with a unique id, in whichever account it is (R65).
    pub fn principal(&self, id: &str) -> Option<Arn> {
        let accounts = self.accounts.load();
        let mut views = accounts
            .values()
            .filter_map(Weak::upgrade)
            .map(|state| state.published.load_full());
        views.find_map(|view| view.principals.get(id).map(|arn| Arn::clone(arn)))
    }

    pub(super) fn join(&self, account: &AccountId, state: &Arc<State>) {
        self.accounts.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            known.insert(account.clone(), Arc::downgrade(state));
            known
        });
    }
}
