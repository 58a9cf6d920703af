//! Encrypt, Decrypt and ReEncrypt.

use std::sync::Arc;

use portcullis_api::kms::op;
use portcullis_api::kms::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, ReEncryptRequest, ReEncryptResponse,
};

use super::checks::{self, Asked};
use super::crypto::{self, Blob, EncryptionContext};
use super::errors::KmsError;
use super::grant_tokens;
use super::keys::SYMMETRIC;
use super::resolve::{Found, Takes, find, working};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::kms::Key;

/// Characters of all pairs of an encryption context.
const CONTEXT_CHARS: usize = 8_192;
/// What a history says of a ciphertext whose key is nowhere to be seen.
const OF_CIPHERTEXT: &str = "on the resource associated with this ciphertext";

/// A check of an operation that encrypts or decrypts under a key.
pub(super) fn cipher_check(
    call: &Call,
    action: &'static str,
    found: &Found<'_>,
    context: Option<&EncryptionContext>,
    algorithm: Option<&str>,
) -> Check {
    let none = EncryptionContext::new();
    let asked = Asked {
        context: Some(context.unwrap_or(&none)),
        ..Asked::default()
    };
    checks::on_key(call, action, found, asked).with("kms:EncryptionAlgorithm", algorithm.unwrap_or(SYMMETRIC))
}

/// A key that works, for encryption with this algorithm.
pub(super) fn to_encrypt<'k>(
    found: &'k Found<'_>,
    algorithm: Option<&str>,
    operation: &'static str,
) -> Result<&'k Arc<Key>, KmsError> {
    let key = found.there()?;
    working(key)?;
    if key.spec != SYMMETRIC {
        return Err(KmsError::KeyUsage {
            arn: key.arn.clone(),
            usage: key.usage.clone(),
            operation,
        });
    }
    match algorithm.filter(|algorithm| *algorithm != SYMMETRIC) {
        Some(algorithm) => Err(KmsError::Algorithm {
            algorithm: algorithm.to_owned(),
            spec: key.spec.clone(),
        }),
        None => Ok(key),
    }
}

/// The pairs of a request.
pub(super) fn context_of(pairs: Option<&EncryptionContext>) -> Result<EncryptionContext, KmsError> {
    let pairs = pairs.cloned().unwrap_or_default();
    let chars: usize = pairs
        .iter()
        .map(|(key, value)| key.chars().count() + value.chars().count())
        .sum();
    match chars <= CONTEXT_CHARS {
        true => Ok(pairs),
        false => Err(KmsError::Validation(format!(
            "The encryption context is longer than {CONTEXT_CHARS} characters."
        ))),
    }
}

/// Ends a call that only asks whether it would succeed.
pub(super) fn unless_dry(dry_run: Option<bool>) -> Result<(), KmsError> {
    match dry_run {
        Some(true) => Err(KmsError::DryRun),
        _ => Ok(()),
    }
}

/// Attested enclaves have no place here.
pub(super) fn no_recipient(recipient: Option<&portcullis_api::kms::RecipientInfo>) -> Result<(), KmsError> {
    match recipient {
        None => Ok(()),
        Some(_) => Err(KmsError::Unsupported(
            "Recipient is not supported by this server.".to_owned(),
        )),
    }
}

/// The key, and the encryption context.
pub(super) fn require_encrypt(ask: Ask<'_, EncryptRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, ask.call, &input.key_id, Takes::Any)?;
    let algorithm = input.encryption_algorithm.as_deref();
    let context = input.encryption_context.as_ref();
    Ok(vec![cipher_check(
        ask.call,
        "kms:Encrypt",
        &found,
        context,
        algorithm,
    )])
}

/// Encrypts up to 4,096 bytes.
pub(super) fn encrypt(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::Encrypt>,
) -> Result<EncryptResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Any)?;
    let key = to_encrypt(&found, input.encryption_algorithm.as_deref(), "Encrypt")?;
    let context = context_of(input.encryption_context.as_ref())?;
    unless_dry(input.dry_run)?;
    let blob = crypto::encrypt(&env.vault, env.random.as_ref(), key, &context, &input.plaintext)?;
    Ok(EncryptResponse {
        ciphertext_blob: Some(blob),
        key_id: Some(key.arn.to_string()),
        encryption_algorithm: Some(SYMMETRIC.to_owned()),
    })
}

/// The key of a request that brings a ciphertext: the one it names, else the one the ciphertext names.
fn key_of_ciphertext<'v>(
    view: &'v Snapshot,
    call: &Call,
    named: Option<&str>,
    ciphertext: Option<&Vec<u8>>,
    action: &str,
) -> Result<Found<'v>, ServiceError> {
    if let Some(named) = named {
        return Ok(find(view, call, named, Takes::Any)?);
    }
    let blob = ciphertext.and_then(|bytes| Blob::read(bytes));
    let blob = blob.ok_or(KmsError::InvalidCiphertext)?;
    match find(view, call, blob.key.as_str(), Takes::Any) {
        Ok(found) if found.key.is_some() => Ok(found),
        _ => Err(checks::out_of_sight(call, action, OF_CIPHERTEXT)),
    }
}

/// Opens a ciphertext under the key that was found for it.
fn open(
    env: &Environment,
    key: &Key,
    ciphertext: Option<&Vec<u8>>,
    context: &EncryptionContext,
) -> Result<(crypto::Plaintext, String), KmsError> {
    let bytes = ciphertext.ok_or(KmsError::InvalidCiphertext)?;
    let blob = Blob::read(bytes).ok_or(KmsError::InvalidCiphertext)?;
    if blob.key != key.arn {
        return Err(KmsError::IncorrectKey);
    }
    let plaintext = crypto::decrypt(&env.vault, key, &blob, context)?;
    Ok((plaintext, blob.material))
}

/// Whether a dry run does without a ciphertext; without one there is nothing else to do.
fn ignores_ciphertext(modifiers: Option<&Vec<String>>, dry_run: Option<bool>) -> bool {
    let ignores = |modifier: &String| modifier == "IGNORE_CIPHERTEXT";
    dry_run == Some(true) && modifiers.is_some_and(|all| all.iter().any(ignores))
}

/// The key, and the encryption context.
pub(super) fn require_decrypt(ask: Ask<'_, DecryptRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let blob = input.ciphertext_blob.as_ref();
    let found = key_of_ciphertext(ask.view, call, input.key_id.as_deref(), blob, "kms:Decrypt")?;
    let algorithm = input.encryption_algorithm.as_deref();
    let context = input.encryption_context.as_ref();
    Ok(vec![cipher_check(
        call,
        "kms:Decrypt",
        &found,
        context,
        algorithm,
    )])
}

/// Decrypts what a key of ours encrypted.
pub(super) fn decrypt(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::Decrypt>,
) -> Result<DecryptResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    no_recipient(input.recipient.as_ref())?;
    let blob = input.ciphertext_blob.as_ref();
    let found = key_of_ciphertext(view, call, input.key_id.as_deref(), blob, "kms:Decrypt")?;
    let key = to_encrypt(&found, input.encryption_algorithm.as_deref(), "Decrypt")?;
    let context = context_of(input.encryption_context.as_ref())?;
    if blob.is_none() && ignores_ciphertext(input.dry_run_modifiers.as_ref(), input.dry_run) {
        return Err(KmsError::DryRun.into());
    }
    let (plaintext, material) = open(env, key, blob, &context)?;
    unless_dry(input.dry_run)?;
    Ok(DecryptResponse {
        key_id: Some(key.arn.to_string()),
        plaintext: Some(plaintext.to_vec()),
        encryption_algorithm: Some(SYMMETRIC.to_owned()),
        ciphertext_for_recipient: None,
        key_material_id: Some(material),
    })
}

/// Both keys, each with its encryption context.
pub(super) fn require_re_encrypt(ask: Ask<'_, ReEncryptRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let (from, to) = both(ask.view, call, input)?;
    let same = (from.arn == to.arn).to_string();
    let from = cipher_check(
        call,
        "kms:ReEncryptFrom",
        &from,
        input.source_encryption_context.as_ref(),
        input.source_encryption_algorithm.as_deref(),
    );
    let to = cipher_check(
        call,
        "kms:ReEncryptTo",
        &to,
        input.destination_encryption_context.as_ref(),
        input.destination_encryption_algorithm.as_deref(),
    );
    let with_same = |check: Check| check.with("kms:ReEncryptOnSameKey", same.clone());
    Ok([from, to].map(with_same).into())
}

fn both<'v>(
    view: &'v Snapshot,
    call: &Call,
    input: &ReEncryptRequest,
) -> Result<(Found<'v>, Found<'v>), ServiceError> {
    let (named, blob) = (input.source_key_id.as_deref(), input.ciphertext_blob.as_ref());
    let from = key_of_ciphertext(view, call, named, blob, "kms:ReEncryptFrom")?;
    let to = find(view, call, &input.destination_key_id, Takes::Any)?;
    Ok((from, to))
}

/// Decrypts under one key and encrypts under another; the plaintext never leaves.
pub(super) fn re_encrypt(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::ReEncrypt>,
) -> Result<ReEncryptResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (from, to) = both(view, call, input)?;
    let from = to_encrypt(&from, input.source_encryption_algorithm.as_deref(), "ReEncrypt")?;
    let to = to_encrypt(
        &to,
        input.destination_encryption_algorithm.as_deref(),
        "ReEncrypt",
    )?;
    let source_context = context_of(input.source_encryption_context.as_ref())?;
    let context = context_of(input.destination_encryption_context.as_ref())?;
    let blob = input.ciphertext_blob.as_ref();
    if blob.is_none() && ignores_ciphertext(input.dry_run_modifiers.as_ref(), input.dry_run) {
        return Err(KmsError::DryRun.into());
    }
    let (plaintext, material) = open(env, from, blob, &source_context)?;
    unless_dry(input.dry_run)?;
    let blob = crypto::encrypt(&env.vault, env.random.as_ref(), to, &context, &plaintext)?;
    Ok(ReEncryptResponse {
        ciphertext_blob: Some(blob),
        source_key_id: Some(from.arn.to_string()),
        key_id: Some(to.arn.to_string()),
        source_encryption_algorithm: Some(SYMMETRIC.to_owned()),
        destination_encryption_algorithm: Some(SYMMETRIC.to_owned()),
        source_key_material_id: Some(material),
        destination_key_material_id: to.current().map(|material| material.id.clone()),
    })
}
