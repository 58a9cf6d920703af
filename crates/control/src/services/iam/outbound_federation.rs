//! The account as an issuer of tokens: enable, disable, look.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::uuid;
use portcullis_wire::Empty;

use super::checks::one;
use super::errors::IamError;
use crate::federation::outbound;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read, write};
use crate::world::records::federation::OutboundFederation;
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::EnableOutboundWebIdentityFederation>(
            &["iam:EnableOutboundWebIdentityFederation"],
            |_| one(Check::new("iam:EnableOutboundWebIdentityFederation", "*")),
            enable,
        ),
        write::<op::DisableOutboundWebIdentityFederation>(
            &["iam:DisableOutboundWebIdentityFederation"],
            |_| one(Check::new("iam:DisableOutboundWebIdentityFederation", "*")),
            disable,
        ),
        read::<op::GetOutboundWebIdentityFederationInfo>(
            &["iam:GetOutboundWebIdentityFederationInfo"],
            |_| one(Check::new("iam:GetOutboundWebIdentityFederationInfo", "*")),
            get,
        ),
    ]
}

fn row(view: &Snapshot) -> Option<OutboundFederation> {
    let row = view.outbound_federation.get(OutboundFederation::KEY)?;
    Some(OutboundFederation::clone(row))
}

fn enable(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::EnableOutboundWebIdentityFederation>,
) -> Result<api::EnableOutboundWebIdentityFederationResponse, ServiceError> {
    let mut federation = match row(tx.view()) {
        Some(federation) if federation.enabled => return Err(IamError::FeatureEnabled.into()),
        Some(federation) => federation,
        None => new(tx, auth.call())?,
    };
    federation.enabled = true;
    let issuer_identifier = Some(federation.issuer.clone());
    tx.put(federation);
    Ok(api::EnableOutboundWebIdentityFederationResponse { issuer_identifier })
}

/// The issuer is this server, as the caller reaches it.
fn new(tx: &Tx<'_>, call: &Call) -> Result<OutboundFederation, IamError> {
    let scheme = if call.tls.is_some() { "https" } else { "http" };
    let host = call.host.as_deref().ok_or(IamError::Internal)?;
    let id = uuid(tx.random);
    let key = outbound::new_key(tx.random, tx.vault).ok_or(IamError::Internal)?;
    Ok(OutboundFederation {
        issuer: format!("{scheme}://{host}{}{id}", outbound::PATH),
        id,
        enabled: true,
        keys: vec![key],
    })
}

fn disable(
    tx: &mut Tx<'_>,
    _auth: Authorized<'_, op::DisableOutboundWebIdentityFederation>,
) -> Result<Empty, ServiceError> {
    let federation = row(tx.view()).filter(|federation| federation.enabled);
    let mut federation = federation.ok_or(IamError::FeatureDisabled)?;
    federation.enabled = false;
    tx.put(federation);
    Ok(Empty {})
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    _auth: Authorized<'_, op::GetOutboundWebIdentityFederationInfo>,
) -> Result<api::GetOutboundWebIdentityFederationInfoResponse, ServiceError> {
    let federation = row(view).filter(|federation| federation.enabled);
    let federation = federation.ok_or(IamError::FeatureDisabled)?;
    Ok(api::GetOutboundWebIdentityFederationInfoResponse {
        issuer_identifier: Some(federation.issuer),
        jwt_vending_enabled: Some(true),
    })
}
