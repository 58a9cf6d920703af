//! Codes by HMAC keys.

use std::sync::Arc;

use portcullis_api::kms::op;
use portcullis_api::kms::{GenerateMacRequest, GenerateMacResponse, VerifyMacRequest, VerifyMacResponse};
use subtle::ConstantTimeEq as _;

use super::checks::{self, Asked};
use super::ciphers::unless_dry;
use super::crypto;
use super::errors::KmsError;
use super::grant_tokens;
use super::resolve::{Found, Takes, find, working};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::kms::Key;

fn to_code<'k>(
    found: &'k Found<'_>,
    algorithm: &str,
    operation: &'static str,
) -> Result<&'k Arc<Key>, KmsError> {
    let key = found.there()?;
    working(key)?;
    if key.usage != "GENERATE_VERIFY_MAC" {
        return Err(KmsError::KeyUsage {
            arn: key.arn.clone(),
            usage: key.usage.clone(),
            operation,
        });
    }
    match key.spec.replace("HMAC_", "HMAC_SHA_") == algorithm {
        true => Ok(key),
        false => Err(KmsError::Algorithm {
            algorithm: algorithm.to_owned(),
            spec: key.spec.clone(),
        }),
    }
}

/// The key.
pub(super) fn require_generate(ask: Ask<'_, GenerateMacRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, ask.call, &input.key_id, Takes::Any)?;
    let check = checks::on_key(ask.call, "kms:GenerateMac", &found, Asked::default());
    Ok(vec![check.with("kms:MacAlgorithm", input.mac_algorithm.as_str())])
}

/// The code of a message.
pub(super) fn generate(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GenerateMac>,
) -> Result<GenerateMacResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Any)?;
    let key = to_code(&found, &input.mac_algorithm, "GenerateMac")?;
    unless_dry(input.dry_run)?;
    let code = crypto::mac(&env.vault, key, &input.mac_algorithm, &input.message)?;
    Ok(GenerateMacResponse {
        mac: code,
        mac_algorithm: Some(input.mac_algorithm.clone()),
        key_id: Some(key.arn.to_string()),
    })
}

/// The key.
pub(super) fn require_verify(ask: Ask<'_, VerifyMacRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, ask.call, &input.key_id, Takes::Any)?;
    let check = checks::on_key(ask.call, "kms:VerifyMac", &found, Asked::default());
    Ok(vec![check.with("kms:MacAlgorithm", input.mac_algorithm.as_str())])
}

/// Whether a code is that of a message.
pub(super) fn verify(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::VerifyMac>,
) -> Result<VerifyMacResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Any)?;
    let key = to_code(&found, &input.mac_algorithm, "VerifyMac")?;
    unless_dry(input.dry_run)?;
    let code = crypto::mac(&env.vault, key, &input.mac_algorithm, &input.message)?;
    let is_right = code.is_some_and(|code| bool::from(code.ct_eq(&input.mac)));
    if !is_right {
        return Err(KmsError::InvalidMac.into());
    }
    Ok(VerifyMacResponse {
        key_id: Some(key.arn.to_string()),
        mac_valid: Some(true),
        mac_algorithm: Some(input.mac_algorithm.clone()),
    })
}
