//! One call on its way through the gate.

use std::sync::Arc;

use portcullis_core::{AccountId, Region, Timestamp};
use portcullis_wire::Service;

use super::Tls;
use super::agent_claim::AgentClaim;
use super::caller::Caller;

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
