//! What machines call that have no credentials yet. The code of an activation lets one in, once for each place it has; from
//! then on its key does: each proof gives it new credentials of its role, as `assumed-role/ROLE/mi-...`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    RegisterManagedInstanceResult, RequestManagedInstanceRoleTokenRequest,
    RequestManagedInstanceRoleTokenResult,
};
use portcullis_core::{Timestamp, hex_id};
use portcullis_store::Vault;
use portcullis_wire::agent_proof::AgentPublicKey;

use super::errors::SsmError;
use crate::gate::assume::{Assumption, SSM};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::session::{NewSession, Session, Subject};
use crate::world::records::ssm::{Activation, ManagedInstance, role_arn};
use crate::world::{Snapshot, Tx};

/// How long the credentials of a machine are good, in seconds; its agent renews them at half of that.
pub(super) const SESSION_SECONDS: i64 = 3_600;
/// What codes are derived under.
const CODE_PURPOSE: &str = "ssm-activation-code";
/// The kind of key that agents of ours have.
const KEY_TYPE: &str = "Ed25519";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 17;

/// What is kept of a code: nobody works it out without the server's key ring, nor finds a code for it.
pub(super) fn digest(vault: &Vault, id: &str, code: &str) -> [u8; 32] {
    vault.derive(CODE_PURPOSE, format!("{id}\n{code}").as_bytes())
}

/// A machine joins.
pub(super) fn register(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RegisterManagedInstance>,
) -> Result<RegisterManagedInstanceResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let mut activation = activation(tx, &input.activation_id, &input.activation_code)?;
    let key: AgentPublicKey = input.public_key.parse().map_err(|_| SsmError::PublicKey)?;
    if input.public_key_type != KEY_TYPE || call.proved_by(&key, &activation.id).is_none() {
        return Err(SsmError::PublicKey.into());
    }
    // A machine that never heard the answer asks again.
    if let Some(instance_id) = tx.view().ssm.joined_with(&activation.id, &key.to_string()) {
        return Ok(RegisterManagedInstanceResult {
            instance_id: Some(instance_id.to_owned()),
        });
    }
    if activation.expires <= tx.now {
        return Err(SsmError::ActivationExpired.into());
    }
    if activation.count >= activation.limit {
        return Err(SsmError::LimitExceeded.into());
    }
    let digits = hex_id(tx.random);
    let id = format!("mi-{}", digits.get(..ID_DIGITS).ok_or(SsmError::Internal)?);
    tx.put(ManagedInstance {
        id: id.clone(),
        region: activation.region.clone(),
        activation_id: activation.id.clone(),
        iam_role: activation.iam_role.clone(),
        name: activation.default_instance_name.clone(),
        key: key.to_string(),
        proved: None,
        fingerprint: input.fingerprint.clone(),
        address: call.source_ip.clone(),
        registered: tx.now,
        last_ping: tx.now,
        tags: activation.tags.clone(),
    });
    activation.count += 1;
    tx.put(activation);
    Ok(RegisterManagedInstanceResult {
        instance_id: Some(id),
    })
}

/// The activation, if that is its code. As much work for one that is not there, and the same answer.
fn activation(tx: &Tx<'_>, id: &str, code: &str) -> Result<Activation, SsmError> {
    let found = tx.view().ssm.activations.get(id);
    let kept = found.and_then(|row| STANDARD.decode(&row.code_digest).ok());
    let data = format!("{id}\n{code}");
    let is_right = tx
        .vault
        .is_derived(CODE_PURPOSE, data.as_bytes(), kept.as_deref().unwrap_or_default());
    let found = found.filter(|_| is_right).ok_or(SsmError::InvalidActivation)?;
    Ok(Activation::clone(found))
}

/// The machine whose key made the call's proof, and when that was.
fn prover<'v>(view: &'v Snapshot, call: &Call) -> Result<(&'v ManagedInstance, Timestamp), SsmError> {
    let claim = call.agent.as_ref().and_then(|claim| claim.proof.as_ref());
    let holder = claim.map(|proof| proof.holder.as_str()).ok_or(SsmError::Proof)?;
    let row = view
        .ssm
        .managed_instances
        .get(holder)
        .ok_or_else(|| SsmError::NoInstance(holder.to_owned()))?;
    let key: AgentPublicKey = row.key.parse().map_err(|_| SsmError::Proof)?;
    let made = call.proved_by(&key, &row.id).ok_or(SsmError::Proof)?;
    match row.proved.is_some_and(|newest| made <= newest) {
        true => Err(SsmError::Proof),
        false => Ok((row, made)),
    }
}

/// The proof, and the role's trust in Systems Manager.
pub(super) fn require_token(
    ask: Ask<'_, RequestManagedInstanceRoleTokenRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (row, _) = prover(ask.view, ask.call)?;
    let role = role_arn(&row.region, &ask.call.account, &row.iam_role);
    let source = ManagedInstance::arn_of(&row.region, &ask.call.account, &row.id);
    let assumption = Assumption {
        principal: SSM,
        source: &source,
        session_name: &row.id,
    };
    let found = ask.view.role_by_arn(role.as_str());
    Ok(vec![assumption.check(&role, found.map(AsRef::as_ref))])
}

/// New credentials of the machine's role.
pub(super) fn token(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RequestManagedInstanceRoleToken>,
) -> Result<RequestManagedInstanceRoleTokenResult, ServiceError> {
    let call = auth.call();
    let (row, made) = prover(tx.view(), call)?;
    let mut row = row.clone();
    let arn = role_arn(&row.region, &call.account, &row.iam_role);
    let role = tx.view().role_by_arn(arn.as_str()).ok_or(SsmError::Internal)?;
    let subject = Subject::Role {
        id: role.id.clone(),
        name: role.name.clone(),
        session_name: row.id.clone(),
    };
    let new = NewSession::of(subject, SESSION_SECONDS, &call.caller);
    let session = Session::issue(new, &call.account, call.now, tx.random);
    let token = session.token(tx.vault).ok_or(SsmError::Internal)?;
    row.proved = Some(made);
    row.last_ping = tx.now;
    row.address.clone_from(&call.source_ip);
    tx.put(row);
    Ok(RequestManagedInstanceRoleTokenResult {
        access_key_id: Some(session.access_key_id.clone()),
        secret_access_key: Some(session.secret.expose().to_owned()),
        session_token: Some(token.expose().to_owned()),
        token_expiration_date: Some(session.expires),
        update_key_pair: Some(false),
    })
}
