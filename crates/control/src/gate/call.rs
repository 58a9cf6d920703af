//! One call on its way through the gate.

use portcullis_core::{AccountId, Region, Timestamp};
use portcullis_wire::Service;

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
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The `Host` header, for CloudTrail's `tlsDetails`.
    pub host: Option<String>,
}
