//! One call on its way through the gate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{AccountId, Region, Timestamp};
use portcullis_wire::Service;

use super::Tls;
use super::agent_claim::AgentClaim;
use super::along::Along;
use super::caller::Caller;
use crate::world::Snapshot;

/// Who calls what, where, when and from where.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub caller: Caller,
    /// The account whose resources are meant.
    pub account: AccountId,
    /// The region the request was signed for.
    pub region: Region,
    /// The service called.
    pub service: &'static Service,
    /// The operation called.
    pub operation: &'static str,
    /// When the request came in.
    pub now: Timestamp,
    /// The id the reply carries.
    pub request_id: String,
    /// The peer's address, or the service that calls.
    pub source_ip: String,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The `Referer` header.
    pub referer: Option<String>,
    /// What TLS agreed on; of calls by services nothing.
    pub tls: Option<Tls>,
    /// The `Host` header, for CloudTrail's `tlsDetails`.
    pub host: Option<String>,
    /// What the request says of the agent that makes it, in headers of ours.
    pub agent: Option<Arc<AgentClaim>>,
    /// The pictures of other accounts that its resources were looked up in.
    pub others: OtherPictures,
    /// The records that go into the history with its own.
    pub along: Along,
}

/// The pictures of other accounts whose resources a call names. Each is the one of the first look, so that what was decided
/// on is what is used.
#[derive(Clone, Default)]
pub struct OtherPictures(Arc<Mutex<BTreeMap<AccountId, Arc<Snapshot>>>>);

impl OtherPictures {
    /// The picture of another account of this server.
    pub(crate) fn of(&self, view: &Snapshot, account: &AccountId) -> Option<Arc<Snapshot>> {
        let mut known = self.known();
        if let Some(picture) = known.get(account) {
            return Some(Arc::clone(picture));
        }
        let picture = view.neighbours().view(account)?;
        known.insert(account.clone(), Arc::clone(&picture));
        Some(picture)
    }

    /// The picture among those looked at that has what is asked for.
    pub(crate) fn having(&self, has: impl Fn(&Snapshot) -> bool) -> Option<Arc<Snapshot>> {
        self.known().values().find(|picture| has(picture)).cloned()
    }

    /// Looks anew from now on: a new decision is made, or the call is over.
    pub(crate) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<AccountId, Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OtherPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known().keys()).finish()
    }
}

impl Call {
    /// `aws:SecureTransport`: calls by services never leave the house.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.by_service().is_some()
    }

    /// The service that makes this call by itself, as what it is or as its service-linked role.
    pub fn by_service(&self) -> Option<&str> {
        // Whoever calls from outside has an address here, not a name.
        let is_named = self.source_ip.ends_with(".amazonaws.com");
        let named = is_named.then_some(self.source_ip.as_str());
        self.caller.service_principal().or(named)
    }
}
