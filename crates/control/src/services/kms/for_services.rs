//! KMS as other services of this server use it for their callers: they name a key, an encryption context and what they do;
//! the caller's own permissions on the key decide, by way of the service (`kms:ViaService`), and KMS's histories show the
//! call with the service that made it.
//!
//! A service adds [`check`] or [`check_decrypt`] to what its operation requires, in words of its own
//! (`Check::refused_as`), and calls [`encrypt`] and [`decrypt`] in its handler.

use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region, uuid};
use portcullis_store::{Change, Txn, Vault};
use serde_json::{Value, json};

use super::aws_managed;
use super::checks::{self, Asked};
pub(crate) use super::crypto::Plaintext;
use super::crypto::{self, Blob, EncryptionContext};
use super::errors::KmsError;
use super::resolve::{Found, Takes, find, working};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::record::{self, Event, Outcome, Recipient, Seams};
use crate::services::resource_policies::Home;
use crate::world::records::kms::Key;
use crate::world::{Snapshot, Tx};

/// A service's use of a key for its caller.
#[derive(Debug, Clone)]
pub(crate) struct KmsUse {
    /// The service, as the key of `alias/aws/SERVICE` and of `SERVICE.REGION.amazonaws.com`: `secretsmanager`, `ssm`, `s3`,
    /// `ecr`.
    pub via: &'static str,
    /// Id, ARN, alias or alias's ARN; `None` for `alias/aws/VIA`.
    pub key: Option<String>,
    /// The encryption context.
    pub context: Vec<(String, String)>,
}

impl KmsUse {
    fn context(&self) -> EncryptionContext {
        self.context.iter().cloned().collect()
    }

    /// Whether it means the service's own key, by whatever name.
    fn is_managed(&self) -> bool {
        let key = self.key.as_deref();
        key.is_none_or(|key| key.is_empty() || key == aws_managed::alias(self.via))
    }
}

/// The key of a ciphertext, as it says of itself.
pub(crate) fn key_of(ciphertext: &[u8]) -> Option<Arn> {
    Blob::read(ciphertext).map(|blob| blob.key)
}

/// Whether there is a working symmetric key by that name, for services that take a key without using it yet: its ARN. The
/// service's own key counts although it may not be made yet.
pub(crate) fn key_arn(view: &Snapshot, call: &Call, used: &KmsUse) -> Result<Arn, ServiceError> {
    if used.is_managed() {
        return Ok(aws_managed::arn(&call.region, &view.account, used.via));
    }
    let found = find(view, call, used.key.as_deref().unwrap_or_default(), Takes::Any)?;
    let key = found.there()?;
    encrypting(key, "Encrypt")?;
    Ok(key.arn.clone())
}

/// The caller's permission on the key that a use names. `action` is `kms:Encrypt`, `kms:GenerateDataKey`,
/// `kms:DescribeKey` or such; for `kms:Decrypt` see [`check_decrypt`].
pub(crate) fn check(
    view: &Snapshot,
    call: &Call,
    used: &KmsUse,
    action: &'static str,
) -> Result<Check, ServiceError> {
    let context = used.context();
    let named = match used.is_managed() {
        true => aws_managed::arn(&call.region, &view.account, used.via).to_string(),
        false => used.key.clone().unwrap_or_default(),
    };
    let mut found = find(view, call, &named, Takes::Any)?;
    if used.is_managed() && found.key.is_none() {
        found = unmade(view, call, used)?;
    }
    Ok(checked(call, used, action, &found, &context))
}

/// The caller's permission to decrypt a ciphertext.
pub(crate) fn check_decrypt(
    view: &Snapshot,
    call: &Call,
    used: &KmsUse,
    ciphertext: &[u8],
) -> Result<Check, ServiceError> {
    let key = key_of(ciphertext).ok_or(KmsError::InvalidCiphertext)?;
    let found = find(view, call, key.as_str(), Takes::Any)?;
    Ok(checked(call, used, "kms:Decrypt", &found, &used.context()))
}

fn checked(
    call: &Call,
    used: &KmsUse,
    action: &'static str,
    found: &Found<'_>,
    context: &EncryptionContext,
) -> Check {
    let asked = Asked {
        context: Some(context),
        ..Asked::default()
    };
    let by = format!("{}.amazonaws.com", used.via);
    checks::on_key(call, action, found, asked)
        .with("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .with("kms:ViaService", via_service(used.via, &call.region))
        .with("aws:ViaAWSService", "true")
        .with_many("aws:CalledVia", vec![by.clone()])
        .with("aws:CalledViaFirst", by.clone())
        .with("aws:CalledViaLast", by)
}

fn via_service(via: &str, region: &Region) -> String {
    format!("{via}.{region}.amazonaws.com")
}

/// The service's own key before it is made.
fn unmade<'v>(view: &'v Snapshot, call: &Call, used: &KmsUse) -> Result<Found<'v>, KmsError> {
    let key = aws_managed::unmade(&call.region, &view.account, used.via, call.now);
    let key = key.ok_or(KmsError::Internal)?;
    Ok(Found {
        arn: key.arn.clone(),
        key: Some(Arc::new(key)),
        alias: None,
        home: Some(Home::Here(view)),
    })
}

/// Encrypts any number of bytes under the key that a use names, whose check passed; makes the service's own key when it is
/// used first. `operation` is what the history of KMS shows: `Encrypt` or `GenerateDataKey`.
pub(crate) fn encrypt(
    tx: &mut Tx<'_>,
    call: &Call,
    used: &KmsUse,
    operation: &'static str,
    plaintext: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    if used.is_managed() {
        aws_managed::ensure(tx, call, used.via)?;
    }
    let key = key_to_encrypt(tx.view(), call, used, operation)?;
    let ciphertext = crypto::encrypt(tx.vault, tx.random, &key, &used.context(), plaintext)?;
    note_in(tx, call, used, operation, &key);
    Ok(ciphertext)
}

fn key_to_encrypt(
    view: &Snapshot,
    call: &Call,
    used: &KmsUse,
    operation: &'static str,
) -> Result<Arc<Key>, KmsError> {
    let named = match used.is_managed() {
        true => aws_managed::arn(&call.region, &view.account, used.via).to_string(),
        false => used.key.clone().unwrap_or_default(),
    };
    let found = find(view, call, &named, Takes::Any)?;
    let key = found.there()?;
    encrypting(key, operation)?;
    Ok(Arc::clone(key))
}

fn encrypting(key: &Key, operation: &'static str) -> Result<(), KmsError> {
    working(key)?;
    match key.usage == "ENCRYPT_DECRYPT" {
        true => Ok(()),
        false => Err(KmsError::KeyUsage {
            arn: key.arn.clone(),
            usage: key.usage.clone(),
            operation,
        }),
    }
}

/// Decrypts what [`encrypt`] made, for a caller whose [`check_decrypt`] passed.
pub(crate) fn decrypt(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    used: &KmsUse,
    ciphertext: &[u8],
) -> Result<Plaintext, ServiceError> {
    let (key, plaintext) = opened(view, call, used, &env.vault, ciphertext)?;
    let seams = Seams {
        random: env.random.as_ref(),
        vault: &env.vault,
    };
    let own = events(view, call, used, "Decrypt", &key, seams);
    own.into_iter().for_each(|event| keep(env, call, event));
    Ok(plaintext)
}

/// The same inside a change.
pub(crate) fn decrypt_in(
    tx: &mut Tx<'_>,
    call: &Call,
    used: &KmsUse,
    ciphertext: &[u8],
) -> Result<Plaintext, ServiceError> {
    let (key, plaintext) = opened(tx.view(), call, used, tx.vault, ciphertext)?;
    note_in(tx, call, used, "Decrypt", &key);
    Ok(plaintext)
}

fn opened(
    view: &Snapshot,
    call: &Call,
    used: &KmsUse,
    vault: &Vault,
    ciphertext: &[u8],
) -> Result<(Arc<Key>, Plaintext), KmsError> {
    let blob = Blob::read(ciphertext).ok_or(KmsError::InvalidCiphertext)?;
    let found = find(view, call, blob.key.as_str(), Takes::Any)?;
    let key = found.there()?;
    working(key)?;
    let plaintext = crypto::decrypt(vault, key, &blob, &used.context())?;
    Ok((Arc::clone(key), plaintext))
}

/// KMS's own records of what a service did for its caller: in the caller's history, and in that of the key's owner if that is
/// another. Gives back those of the account that `view` shows; the others are kept already.
fn events(
    view: &Snapshot,
    call: &Call,
    used: &KmsUse,
    operation: &'static str,
    key: &Key,
    seams: Seams<'_>,
) -> Vec<Event> {
    let by = format!("{}.amazonaws.com", used.via);
    recorded(view, call, by, &used.context(), (operation, key), seams)
}

/// The same of what a service did, under the name by which it calls KMS.
pub(super) fn recorded(
    view: &Snapshot,
    call: &Call,
    by: String,
    context: &EncryptionContext,
    (operation, key): (&'static str, &Key),
    seams: Seams<'_>,
) -> Vec<Event> {
    let kms_call = Call {
        service: &portcullis_api::kms::SERVICE,
        operation,
        request_id: uuid(seams.random),
        source_ip: by.clone(),
        user_agent: Some(by),
        referer: None,
        tls: None,
        host: None,
        ..call.clone()
    };
    let owner = key.arn.account().parse::<AccountId>().ok();
    let owner = owner.filter(|owner| *owner != call.caller.account);
    let shared = owner.as_ref().map(|_| uuid(seams.random));
    let mut own = Vec::new();
    for account in [Some(&call.caller.account), owner.as_ref()].into_iter().flatten() {
        let recipient = Recipient {
            account,
            shared: shared.as_deref(),
            resources: &[key.arn.to_string()],
        };
        let parameters = Some(parameters(operation, key, context));
        let outcome = Outcome::Answered(&|| Value::Null);
        let event = record::event(&kms_call, recipient, false, parameters, &outcome, seams);
        match *account == view.account {
            true => own.push(event),
            false => keep_elsewhere(view, account, event),
        }
    }
    own
}

/// Notes a use inside a change, with which the records of its account go.
fn note_in(tx: &mut Tx<'_>, call: &Call, used: &KmsUse, operation: &'static str, key: &Key) {
    let seams = Seams {
        random: tx.random,
        vault: tx.vault,
    };
    for event in events(tx.view(), call, used, operation, key, seams) {
        tx.append(event.key, event.document);
    }
}

/// A use is on record where the key is, whatever becomes of the change it was for, as on AWS.
fn keep_elsewhere(view: &Snapshot, account: &AccountId, event: Event) {
    let Some(store) = view.neighbours().store(account) else {
        return;
    };
    let txn = Txn::of(vec![Change::put(event.key, event.document)]).relaxed();
    if let Err(error) = store.commit(txn) {
        tracing::error!(%error, %account, "an event of KMS was not kept");
    }
}

fn parameters(operation: &str, key: &Key, context: &EncryptionContext) -> Value {
    let mut shown = json!({ "EncryptionContext": context });
    if let Some(members) = shown.as_object_mut() {
        match operation {
            "Decrypt" => members.insert("EncryptionAlgorithm".to_owned(), json!("SYMMETRIC_DEFAULT")),
            "GenerateDataKey" => {
                members.insert("KeySpec".to_owned(), json!("AES_256"));
                members.insert("KeyId".to_owned(), json!(key.arn.as_str()))
            }
            _ => members.insert("KeyId".to_owned(), json!(key.arn.as_str())),
        };
    }
    shown
}

/// In order with all other records, without waiting for the disk: with the call's own, if that is to come at once.
pub(super) fn keep(env: &Environment, call: &Call, event: Event) {
    let Some(change) = call.along.take_in(event) else {
        return;
    };
    if let Err(error) = env.store.commit(Txn::of(vec![change]).relaxed()) {
        tracing::error!(%error, "an event of KMS was not kept");
    }
}
