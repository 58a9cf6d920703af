//! Sealing of secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use portcullis_core::{Random, Secret};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// First byte of everything sealed: the way it was sealed.
const VERSION: u8 = 1;
/// Version and number of the data key.
const HEADER_BYTES: usize = 5;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

/// 32 secret bytes, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// Why something sealed was not opened, or could not be sealed. Says nothing about the contents.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The bytes are not something this vault sealed, or were sealed for another purpose or record.
    #[error("the sealed data does not belong here or was changed: restore the record from a backup")]
    Refused,
    /// It was sealed with a key that is not in the key ring.
    #[error(
        "the sealed data needs data key {0}, which is not in the key ring: restore keyring.json from a backup"
    )]
    UnknownKey(u32),
    /// It was sealed by a newer version.
    #[error("the sealed data has version {0}: use the version of the program that wrote it")]
    UnknownVersion(u8),
    /// It is longer than the cipher takes.
    #[error("too much data to seal at once: split it")]
    TooLong,
}

/// Seals secrets with data keys that are themselves kept only wrapped by the master key (envelope encryption).
///
/// Every message has a key of its own, derived from the data key, the purpose and a random salt, and is encrypted with
/// AES-256-GCM under a random nonce; no number of messages wears the data key out.
pub struct Vault {
    seal_keys: BTreeMap<u32, Key>,
    active: u32,
    derive_key: Key,
    random: Arc<dyn Random>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    pub(crate) fn new(
        seal_keys: BTreeMap<u32, Key>,
        active: u32,
        derive_key: Key,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            seal_keys,
            active,
            derive_key,
            random,
        }
    }

    /// A vault whose keys are made now and die with it, for stores that do not last either.
    pub fn in_memory(random: Arc<dyn Random>) -> Self {
        let (seal_key, derive_key) = (random_key(&*random), random_key(&*random));
        Self::new(BTreeMap::from([(1, seal_key)]), 1, derive_key, random)
    }

    /// Seals bytes. They open only for the same purpose and the same `record` (say, the key of the document they stand
    /// in), so that sealed values cannot be swapped.
    pub fn seal(&self, purpose: &str, record: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let data_key = self
            .seal_keys
            .get(&self.active)
            .ok_or(VaultError::UnknownKey(self.active))?;
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        self.random.fill(&mut salt);
        self.random.fill(&mut nonce);
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&self.active.to_be_bytes());
        let aad = [&sealed, record].concat();
        let cipher = message_cipher(data_key, purpose, &salt);
        let payload = Payload {
            msg: plaintext,
            aad: &aad,
        };
        let ciphertext = cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| VaultError::TooLong)?;
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) sealed for the same purpose and record.
    pub fn open(
        &self,
        purpose: &str,
        record: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (version, _) = sealed.split_first().ok_or(VaultError::Refused)?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        let (header, rest) = sealed
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(VaultError::Refused)?;
        let (salt, rest) = rest
            .split_first_chunk::<SALT_BYTES>()
            .ok_or(VaultError::Refused)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(VaultError::Refused)?;
        let [_, number @ ..] = *header;
        let number = u32::from_be_bytes(number);
        let data_key = self
            .seal_keys
            .get(&number)
            .ok_or(VaultError::UnknownKey(number))?;
        let aad = [header.as_slice(), record].concat();
        let cipher = message_cipher(data_key, purpose, salt);
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        let plaintext = cipher
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| VaultError::Refused)?;
        Ok(Zeroizing::new(plaintext))
    }

    /// Seals a secret text.
    pub fn seal_text(&self, purpose: &str, record: &[u8], secret: &Secret) -> Result<Vec<u8>, VaultError> {
        self.seal(purpose, record, secret.expose().as_bytes())
    }

    /// Opens a secret text.
    pub fn open_text(&self, purpose: &str, record: &[u8], sealed: &[u8]) -> Result<Secret, VaultError> {
        let bytes = self.open(purpose, record, sealed)?;
        std::str::from_utf8(&bytes)
            .map(Secret::new)
            .map_err(|_| VaultError::Refused)
    }

    /// 32 bytes that follow from purpose and data, and that nobody without the key ring can work out: for tokens that
    /// are recognised instead of stored. They outlast changes of the master key.
    pub fn derive(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        *keyed_hash(&self.derive_key, "derive", purpose, data)
    }

    /// Whether `presented` is what [`derive`](Self::derive) gives, found out in constant time.
    pub fn is_derived(&self, purpose: &str, data: &[u8], presented: &[u8]) -> bool {
        self.derive(purpose, data).ct_eq(presented).into()
    }
}

pub(crate) fn random_key(random: &dyn Random) -> Key {
    let mut key = Key::default();
    random.fill(&mut *key);
    key
}

fn message_cipher(data_key: &Key, purpose: &str, salt: &[u8; SALT_BYTES]) -> Aes256Gcm {
    let key = keyed_hash(data_key, "seal", purpose, salt);
    Aes256Gcm::new((&*key).into())
}

/// HMAC-SHA256 over use, purpose and data, each with its length before it where another part follows.
fn keyed_hash(key: &Key, usage: &str, purpose: &str, data: &[u8]) -> Key {
    // HMAC fills a key shorter than its block with zeros.
    let mut block = Zeroizing::new([0; 64]);
    block
        .iter_mut()
        .zip(key.iter())
        .for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in [usage, purpose] {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(data);
    let mut hash = mac.finalize().into_bytes();
    let key = Key::new(hash.into());
    hash.zeroize();
    key
}
