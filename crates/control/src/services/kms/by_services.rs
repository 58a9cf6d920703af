//! KMS as services of this server use it by themselves, for resources of theirs: the key's policy must let the service's
//! principal, and nobody's own permissions count. KMS's histories show the service as the caller.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::checks::{self, Asked};
use super::crypto::{self, Blob, EncryptionContext, Plaintext};
use super::for_services::{keep, recorded};
use super::resolve::{Takes, find};
use crate::gate::authorize::authorize;
use crate::gate::call::Call;
use crate::gate::caller::Caller;
use crate::gate::environment::Environment;
use crate::gate::record::Seams;
use crate::world::records::Sealed;
use crate::world::records::kms::{Key, State};
use crate::world::{Snapshot, Tx};

const DATA_KEY_BYTES: usize = 32;

/// A service's own use of a key.
#[derive(Debug, Clone)]
pub(crate) struct OwnUse {
    /// As which the service calls KMS: `logs.us-east-1.amazonaws.com`.
    pub principal: String,
    /// The ARN of the key.
    pub key: String,
    /// The encryption context.
    pub context: EncryptionContext,
}

/// Why a service cannot use a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is none by that ARN in the region of the call and its account. What other accounts have is told to nobody.
    Missing,
    /// Neither its policy nor a grant lets the service.
    NotAllowed,
    /// It does not work now: it is disabled, or about to be deleted.
    Disabled,
    /// It is no key to encrypt with.
    NotForEncryption,
    /// A ciphertext is none of the key's for this context, or the server cannot open the key.
    NotOpened,
}

/// The key, if the service may do all of this with it and it works.
pub(crate) fn usable(
    view: &Snapshot,
    call: &Call,
    own: &OwnUse,
    actions: &[&'static str],
) -> Result<Arc<Key>, Unusable> {
    if !own.key.starts_with("arn:") {
        return Err(Unusable::Missing);
    }
    let by_itself = by_itself(view, call, own);
    let found = find(view, &by_itself, &own.key, Takes::Id).map_err(|_| Unusable::Missing)?;
    let key = found
        .key
        .clone()
        .ok_or(match found.arn.account() == view.account.as_str() {
            true => Unusable::Missing,
            false => Unusable::NotAllowed,
        })?;
    let asked = Asked {
        context: Some(&own.context),
        ..Asked::default()
    };
    let checks = actions.iter().map(|action| {
        let check = checks::on_key(&by_itself, action, &found, asked);
        check.with("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
    });
    let checks: Vec<_> = checks.collect();
    authorize(view, &by_itself, &checks).map_err(|_| Unusable::NotAllowed)?;
    match key.state {
        _ if key.usage != "ENCRYPT_DECRYPT" => Err(Unusable::NotForEncryption),
        State::Enabled => Ok(key),
        State::Disabled | State::PendingDeletion { .. } => Err(Unusable::Disabled),
    }
}

fn by_itself(view: &Snapshot, call: &Call, own: &OwnUse) -> Call {
    Call {
        caller: Caller::service(own.principal.clone(), &view.account, call.region.partition()),
        service: &portcullis_api::kms::SERVICE,
        source_ip: own.principal.clone(),
        user_agent: Some(own.principal.clone()),
        referer: None,
        tls: None,
        host: None,
        agent: None,
        ..call.clone()
    }
}

/// A fresh data key, encrypted under a key that the service may also decrypt with; on record with the change.
pub(crate) fn generate_data_key(tx: &mut Tx<'_>, call: &Call, own: &OwnUse) -> Result<Sealed, Unusable> {
    let key = usable(tx.view(), call, own, &["kms:GenerateDataKey", "kms:Decrypt"])?;
    let mut plaintext = Zeroizing::new(vec![0; DATA_KEY_BYTES]);
    tx.random.fill(&mut plaintext);
    let sealed = crypto::encrypt(tx.vault, tx.random, &key, &own.context, &plaintext);
    let sealed = sealed.map_err(|_| Unusable::NotOpened)?;
    let seams = Seams {
        random: tx.random,
        vault: tx.vault,
    };
    let by_itself = by_itself(tx.view(), call, own);
    let used = ("GenerateDataKey", key.as_ref());
    let (by, context) = (own.principal.clone(), &own.context);
    for event in recorded(tx.view(), &by_itself, by, context, used, seams) {
        tx.append(event.key, event.document);
    }
    Ok(Sealed::new(sealed))
}

/// Decrypts what [`generate_data_key`] made, under the key that [`usable`] gave; on record at once.
pub(crate) fn decrypt(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    own: &OwnUse,
    key: &Key,
    ciphertext: &[u8],
) -> Result<Plaintext, Unusable> {
    let blob = Blob::read(ciphertext).ok_or(Unusable::NotOpened)?;
    let opened = crypto::decrypt(&env.vault, key, &blob, &own.context);
    let plaintext = opened.map_err(|_| Unusable::NotOpened)?;
    let seams = Seams {
        random: env.random.as_ref(),
        vault: &env.vault,
    };
    let by_itself = by_itself(view, call, own);
    let (by, context) = (own.principal.clone(), &own.context);
    for event in recorded(view, &by_itself, by, context, ("Decrypt", key), seams) {
        keep(env, call, event);
    }
    Ok(plaintext)
}
