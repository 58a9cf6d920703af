//! Data keys and random bytes.

use portcullis_api::kms::op;
use portcullis_api::kms::{
    GenerateDataKeyRequest, GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse, GenerateRandomResponse,
};
use zeroize::Zeroizing;

use super::ciphers::{cipher_check, context_of, no_recipient, to_encrypt, unless_dry};
use super::crypto::{self, EncryptionContext, Plaintext};
use super::errors::KmsError;
use super::grant_tokens;
use super::resolve::{Takes, find};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;

/// What is asked of a data key.
struct Wanted<'a> {
    key: &'a str,
    context: Option<&'a EncryptionContext>,
    spec: Option<&'a str>,
    bytes: Option<i32>,
    dry_run: Option<bool>,
}

/// A data key, in the clear and encrypted.
struct DataKey {
    plaintext: Plaintext,
    ciphertext: Vec<u8>,
    key: String,
    material: Option<String>,
}

fn length(spec: Option<&str>, bytes: Option<i32>) -> Result<usize, KmsError> {
    match (spec, bytes.and_then(|bytes| usize::try_from(bytes).ok())) {
        (Some("AES_128"), None) => Ok(16),
        (Some(_), None) => Ok(32),
        (None, Some(bytes)) => Ok(bytes),
        _ => Err(KmsError::Validation(
            "Please specify either number of bytes or key spec.".to_owned(),
        )),
    }
}

fn make(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    wanted: &Wanted<'_>,
    operation: &'static str,
) -> Result<DataKey, KmsError> {
    let found = find(view, call, wanted.key, Takes::Any)?;
    let length = length(wanted.spec, wanted.bytes)?;
    let key = to_encrypt(&found, None, operation)?;
    let context = context_of(wanted.context)?;
    unless_dry(wanted.dry_run)?;
    let mut plaintext = Zeroizing::new(vec![0_u8; length]);
    env.random.fill(&mut plaintext);
    Ok(DataKey {
        ciphertext: crypto::encrypt(&env.vault, env.random.as_ref(), key, &context, &plaintext)?,
        plaintext,
        key: key.arn.to_string(),
        material: key.current().map(|material| material.id.clone()),
    })
}

/// The key, and the encryption context.
pub(super) fn require_data_key(ask: Ask<'_, GenerateDataKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, ask.call, &input.key_id, Takes::Any)?;
    let context = input.encryption_context.as_ref();
    Ok(vec![cipher_check(
        ask.call,
        "kms:GenerateDataKey",
        &found,
        context,
        None,
    )])
}

/// A data key, in the clear and encrypted.
pub(super) fn data_key(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GenerateDataKey>,
) -> Result<GenerateDataKeyResponse, ServiceError> {
    let input = auth.input();
    no_recipient(input.recipient.as_ref())?;
    let wanted = Wanted {
        key: &input.key_id,
        context: input.encryption_context.as_ref(),
        spec: input.key_spec.as_deref(),
        bytes: input.number_of_bytes,
        dry_run: input.dry_run,
    };
    let made = make(view, env, auth.call(), &wanted, "GenerateDataKey")?;
    Ok(GenerateDataKeyResponse {
        ciphertext_blob: Some(made.ciphertext),
        plaintext: Some(made.plaintext.to_vec()),
        key_id: Some(made.key),
        ciphertext_for_recipient: None,
        key_material_id: made.material,
    })
}

/// The key, and the encryption context.
pub(super) fn require_data_key_without_plaintext(
    ask: Ask<'_, GenerateDataKeyWithoutPlaintextRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    grant_tokens::check(ask.env, input.grant_tokens.as_ref())?;
    let found = find(ask.view, ask.call, &input.key_id, Takes::Any)?;
    let action = "kms:GenerateDataKeyWithoutPlaintext";
    let context = input.encryption_context.as_ref();
    Ok(vec![cipher_check(ask.call, action, &found, context, None)])
}

/// A data key, encrypted only.
pub(super) fn data_key_without_plaintext(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GenerateDataKeyWithoutPlaintext>,
) -> Result<GenerateDataKeyWithoutPlaintextResponse, ServiceError> {
    let input = auth.input();
    let wanted = Wanted {
        key: &input.key_id,
        context: input.encryption_context.as_ref(),
        spec: input.key_spec.as_deref(),
        bytes: input.number_of_bytes,
        dry_run: input.dry_run,
    };
    let made = make(view, env, auth.call(), &wanted, "GenerateDataKeyWithoutPlaintext")?;
    Ok(GenerateDataKeyWithoutPlaintextResponse {
        ciphertext_blob: Some(made.ciphertext),
        key_id: Some(made.key),
        key_material_id: made.material,
    })
}

/// Random bytes.
pub(super) fn random(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GenerateRandom>,
) -> Result<GenerateRandomResponse, ServiceError> {
    let input = auth.input();
    no_recipient(input.recipient.as_ref())?;
    if input.custom_key_store_id.is_some() {
        return Err(
            KmsError::Unsupported("Custom key stores are not supported by this server.".to_owned()).into(),
        );
    }
    let length = input
        .number_of_bytes
        .and_then(|bytes| usize::try_from(bytes).ok());
    let length = length.ok_or_else(|| KmsError::Validation("NumberOfBytes is required.".to_owned()))?;
    let mut bytes = vec![0; length];
    env.random.fill(&mut bytes);
    Ok(GenerateRandomResponse {
        plaintext: Some(bytes),
        ciphertext_for_recipient: None,
    })
}
