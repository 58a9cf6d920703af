//! Sealed log events. A group with a KMS key has a data key under it, bound to the group's ARN; its events are sealed with that as they
//! come, under keys derived from it, one for each batch. A batch brings the encrypted data key along, so that it is opened by the
//! key it was sealed with, whatever key the group has by then. CloudWatch Logs itself must be let by the KMS key's policy, each time;
//! KMS is asked to decrypt a data key once in a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac as _};
use portcullis_core::{AccountId, Arn, Random, Timestamp};
use portcullis_logs::{Logs, LogsError as StoreFault, Opener, StreamId};
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::errors::LogsError;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::services::kms::by_services::{self, OwnUse, Unusable};
use crate::services::kms::for_services::{self, Plaintext};
use crate::world::records::logs::{GroupKey, LogGroup, LogStream};
use crate::world::{Snapshot, Tx};

/// What KMS binds data keys to.
const BOUND_TO: &str = "aws:logs:arn";
/// How long a data key stays in the clear: AWS, too, takes up to five minutes to follow a change.
const KEPT_SECONDS: i64 = 300;
/// Most data keys in the clear at a time.
const KEPT_MAX: usize = 10_000;
const SALT_BYTES: usize = 16;
/// Each key encrypts one message.
const NONCE: [u8; 12] = [0; 12];

/// Data keys in the clear, by what KMS made of them. Whether they may be used is asked each time.
#[derive(Default)]
pub(crate) struct DataKeys(Mutex<HashMap<Vec<u8>, Kept>>);

struct Kept {
    key: Arc<Plaintext>,
    until: Timestamp,
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeys({})", self.lock().len())
    }
}

impl DataKeys {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, encrypted: &[u8], now: Timestamp) -> Option<Arc<Plaintext>> {
        let kept = self.lock();
        let found = kept.get(encrypted).filter(|kept| kept.until > now);
        found.map(|kept| Arc::clone(&kept.key))
    }

    fn keep(&self, encrypted: &[u8], key: &Arc<Plaintext>, now: Timestamp) {
        let mut kept = self.lock();
        kept.retain(|_, kept| kept.until > now);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let one = Kept {
            key: Arc::clone(key),
            until: now.plus_seconds(KEPT_SECONDS),
        };
        kept.insert(encrypted.to_vec(), one);
    }

    /// Lets go of those that were there long enough; looked after every minute.
    pub(crate) fn forget_old(&self, now: Timestamp) {
        self.lock().retain(|_, kept| kept.until > now);
    }
}

fn own_use(call: &Call, group: &Arn, key: &str) -> OwnUse {
    OwnUse {
        principal: format!("logs.{}.amazonaws.com", call.region),
        key: key.to_owned(),
        context: [(BOUND_TO.to_owned(), group.to_string())].into(),
    }
}

/// Makes the data key of a group under the KMS key with this ARN.
pub(super) fn new_key(tx: &mut Tx<'_>, call: &Call, group: &Arn, key: &str) -> Result<GroupKey, LogsError> {
    let own = own_use(call, group, key);
    let data_key =
        by_services::generate_data_key(tx, call, &own).map_err(|unusable| not_taken(unusable, group))?;
    let key = key.parse().map_err(|_| LogsError::NoKey)?;
    Ok(GroupKey { key, data_key })
}

/// A data key of a group in the clear, if its KMS key works and lets CloudWatch Logs.
fn opened(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    group: &Arn,
    encrypted: &[u8],
) -> Result<Arc<Plaintext>, Unusable> {
    let arn = for_services::key_of(encrypted).ok_or(Unusable::NotOpened)?;
    let own = own_use(call, group, arn.as_str());
    let key = by_services::usable(view, call, &own, &["kms:Decrypt"])?;
    if let Some(opened) = env.log_keys.found(encrypted, call.now) {
        return Ok(opened);
    }
    let opened = by_services::decrypt(view, env, call, &own, &key, encrypted)?;
    let opened = Arc::new(opened);
    env.log_keys.keep(encrypted, &opened, call.now);
    Ok(opened)
}

/// What a batch is bound to: nowhere else it opens.
fn binding(account: &AccountId, group: &LogGroup, stream: &StreamId) -> Vec<u8> {
    format!("{}\n{}", group.stored_as(account).as_str(), stream.as_str()).into_bytes()
}

fn cipher(key: &Plaintext, salt: &[u8]) -> Option<Aes256Gcm> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"log events");
    mac.update(salt);
    let mut derived = mac.finalize().into_bytes();
    let cipher = Aes256Gcm::new_from_slice(&derived).ok();
    derived.zeroize();
    cipher
}

/// Seals the batches of one call.
pub(super) struct Sealer<'a> {
    key: Arc<Plaintext>,
    encrypted: &'a [u8],
    binding: Vec<u8>,
    random: &'a dyn Random,
}

impl<'a> Sealer<'a> {
    /// Of a group that has a KMS key.
    pub fn of(
        view: &Snapshot,
        env: &'a Environment,
        call: &Call,
        group: &'a LogGroup,
        stream: &LogStream,
    ) -> Result<Option<Self>, LogsError> {
        let Some(own) = &group.kms_key else {
            return Ok(None);
        };
        let arn = LogGroup::arn_of(&group.region, &view.account, &group.name);
        let encrypted = own.data_key.ciphertext();
        let key =
            opened(view, env, call, &arn, encrypted).map_err(|unusable| unusable_now(unusable, &arn))?;
        Ok(Some(Self {
            key,
            encrypted,
            binding: binding(&view.account, group, &stream.stored_as()),
            random: env.random.as_ref(),
        }))
    }

    /// The encrypted data key after its length, a salt, and the ciphertext.
    pub fn seal(&self, clear: &[u8]) -> Result<Vec<u8>, StoreFault> {
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt);
        let payload = Payload {
            msg: clear,
            aad: &self.binding,
        };
        let ciphertext =
            cipher(&self.key, &salt).and_then(|cipher| cipher.encrypt(&Nonce::from(NONCE), payload).ok());
        let length = u16::try_from(self.encrypted.len()).ok();
        let (Some(ciphertext), Some(length)) = (ciphertext, length) else {
            return Err(StoreFault::Sealed("they could not be sealed".to_owned()));
        };
        Ok([&length.to_be_bytes(), self.encrypted, &salt, &ciphertext].concat())
    }
}

/// How a KMS key is refused that is chosen for a group.
fn not_taken(unusable: Unusable, group: &Arn) -> LogsError {
    match unusable {
        Unusable::Missing => LogsError::NoKey,
        Unusable::Disabled => LogsError::KeyDisabled,
        Unusable::NotForEncryption => LogsError::KeyUsage,
        Unusable::NotAllowed | Unusable::NotOpened => unusable_now(unusable, group),
    }
}

/// Where a KMS key cannot be used any more, writes and reads of what is under it fail. AWS does not say how; it is taken to be as
/// it is when a key that is not allowed is chosen.
fn unusable_now(unusable: Unusable, group: &Arn) -> LogsError {
    match unusable {
        Unusable::NotOpened => LogsError::Unavailable("The service cannot complete the request.".to_owned()),
        Unusable::Missing | Unusable::NotAllowed | Unusable::Disabled | Unusable::NotForEncryption => {
            LogsError::KeyNotAllowed(group.to_string())
        }
    }
}

/// A read that the store could not do.
pub(super) fn unread(fault: StoreFault, call: &Call, group: &LogGroup) -> LogsError {
    match fault {
        StoreFault::Sealed(_) => {
            let arn = LogGroup::arn_of(&group.region, &call.account, &group.name);
            unusable_now(Unusable::NotAllowed, &arn)
        }
        other => other.into(),
    }
}

/// The store for a call that reads a group.
pub(super) fn readable(view: &Snapshot, env: &Environment, call: &Call, group: &LogGroup) -> Logs {
    if !group.has_sealed_events {
        return Logs::clone(&env.logs);
    }
    let reading = Reading {
        view: view.clone(),
        env: env.clone(),
        call: call.clone(),
        group: group.clone(),
        known: Mutex::default(),
    };
    let opener = Opener::new(move |stream, sealed| reading.open(stream, sealed));
    env.logs.opened_by(opener)
}

/// Opens the batches that one call reads.
struct Reading {
    view: Snapshot,
    env: Environment,
    call: Call,
    group: LogGroup,
    /// Data keys that this call may use.
    known: Mutex<HashMap<Vec<u8>, Arc<Plaintext>>>,
}

impl Reading {
    fn open(&self, stream: &StreamId, sealed: &[u8]) -> Result<Vec<u8>, StoreFault> {
        let altered = || StoreFault::Disk("sealed log events are not what was written".to_owned());
        let (encrypted, salt, ciphertext) = parts(sealed).ok_or_else(altered)?;
        let key = self.key(encrypted)?;
        let binding = binding(&self.view.account, &self.group, stream);
        unsealed(&key, &binding, salt, ciphertext).ok_or_else(altered)
    }

    fn key(&self, encrypted: &[u8]) -> Result<Arc<Plaintext>, StoreFault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(encrypted) {
            return Ok(Arc::clone(key));
        }
        let arn = LogGroup::arn_of(&self.group.region, &self.view.account, &self.group.name);
        let key = opened(&self.view, &self.env, &self.call, &arn, encrypted);
        let key = key.map_err(|unusable| match unusable {
            Unusable::NotOpened => StoreFault::Disk("a data key of log events cannot be opened".to_owned()),
            unusable => StoreFault::Sealed(format!("{unusable:?}")),
        })?;
        known.insert(encrypted.to_vec(), Arc::clone(&key));
        Ok(key)
    }
}

fn unsealed(key: &Plaintext, binding: &[u8], salt: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload {
        msg: ciphertext,
        aad: binding,
    };
    cipher(key, salt)?.decrypt(&Nonce::from(NONCE), payload).ok()
}

fn parts(sealed: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = sealed.split_first_chunk::<2>()?;
    let (encrypted, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (salt, ciphertext) = rest.split_at_checked(SALT_BYTES)?;
    Some((encrypted, salt, ciphertext))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{SeededRandom, Tags};
    use zeroize::Zeroizing;

    use super::*;
    use crate::world::records::logs::LogGroupClass;

    fn key(byte: u8) -> Arc<Plaintext> {
        Arc::new(Zeroizing::new(vec![byte; 32]))
    }

    #[test]
    fn a_batch_opens_in_its_place_under_its_key_and_as_it_was_sealed() {
        let random = SeededRandom::new(1);
        let sealer = Sealer {
            key: key(7),
            encrypted: b"encrypted",
            binding: b"group\nstream".to_vec(),
            random: &random,
        };
        let sealed = sealer.seal(b"events").unwrap();
        let opened = |sealed: &[u8], key: &Plaintext, binding: &[u8]| {
            let (encrypted, salt, ciphertext) = parts(sealed)?;
            let is_own = encrypted == b"encrypted";
            unsealed(key, binding, salt, ciphertext).filter(|_| is_own)
        };
        assert_eq!(opened(&sealed, &key(7), b"group\nstream").unwrap(), b"events");
        assert_eq!(opened(&sealed, &key(8), b"group\nstream"), None);
        assert_eq!(opened(&sealed, &key(7), b"group\nother"), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(opened(&altered, &key(7), b"group\nstream"), None, "{at}");
            assert_eq!(opened(&sealed[..at], &key(7), b"group\nstream"), None, "{at}");
        }
        assert_ne!(
            sealer.seal(b"events").unwrap(),
            sealed,
            "each batch has a key of its own"
        );
    }

    #[test]
    fn a_batch_is_bound_to_its_account_group_and_stream() {
        let bound = |account: &str, id: &str, stream: &str| {
            let group = LogGroup {
                id: id.to_owned(),
                region: "us-east-1".parse().unwrap(),
                name: "g".to_owned(),
                class: LogGroupClass::Standard,
                created: Timestamp::from_millis(0),
                retention_days: None,
                is_protected: false,
                kms_key: None,
                has_sealed_events: true,
                tags: Tags::new(),
            };
            binding(&account.parse().unwrap(), &group, &StreamId::new(stream))
        };
        let own = bound("123456789012", "one", "s:1");
        // A group or stream that is made anew under its name has another id.
        for other in [
            bound("123456789013", "one", "s:1"),
            bound("123456789012", "two", "s:1"),
            bound("123456789012", "one", "s:2"),
        ] {
            assert_ne!(other, own);
        }
    }

    #[test]
    fn data_keys_are_let_go_after_their_time() {
        let keys = DataKeys::default();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        keys.keep(b"one", &key(1), at(0));
        keys.keep(b"two", &key(2), at(100));
        assert_eq!(keys.found(b"one", at(299)), Some(key(1)));
        assert_eq!(keys.found(b"one", at(300)), None);
        keys.forget_old(at(300));
        assert_eq!(format!("{keys:?}"), "DataKeys(1)");
        keys.keep(b"three", &key(3), at(399));
        assert_eq!(format!("{keys:?}"), "DataKeys(2)");
        keys.keep(b"three", &key(3), at(400));
        assert_eq!(format!("{keys:?}"), "DataKeys(1)");
        assert_eq!(keys.found(b"three", at(699)), Some(key(3)));
    }

    #[test]
    fn a_key_that_the_server_cannot_open_is_no_refusal_wherever_it_is_used() {
        let group = LogGroup::arn_of(
            &"us-east-1".parse().unwrap(),
            &"123456789012".parse().unwrap(),
            "g",
        );
        for refused in [not_taken, unusable_now] {
            let unopened = refused(Unusable::NotOpened, &group);
            assert!(matches!(unopened, LogsError::Unavailable(_)), "{unopened:?}");
            let closed = refused(Unusable::NotAllowed, &group);
            assert_eq!(closed, LogsError::KeyNotAllowed(group.to_string()));
        }
    }
}
