//! The accounts of one server as they see each other: pictures to look at, nothing to change.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

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

    /// The account that has a bucket of that name.
    pub(crate) fn bucket_owner(&self, name: &str) -> Option<AccountId> {
        let accounts = self.accounts.load();
        let has = |state: &Weak<State>| {
            let state = state.upgrade()?;
            state.published.load().s3.buckets.get(name).map(|_| ())
        };
        let found = accounts.iter().find(|(_, state)| has(state).is_some());
        found.map(|(account, _)| account.clone())
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
