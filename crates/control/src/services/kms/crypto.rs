//! Ciphertexts of KMS keys: AES-256-GCM, each under a key of its own that is derived from the key's material and a random
//! salt, so that no number of messages wears a key out. What a ciphertext says of itself - key and material - and its
//! encryption context are authenticated with it.

use std::collections::BTreeMap;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac as _};
use portcullis_core::{AccountId, Arn, Random, Region, hex};
use portcullis_store::Vault;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

use super::errors::KmsError;
use crate::world::records::Sealed;
use crate::world::records::kms::{Key, Material, RotationType};

/// The pairs that are bound to a ciphertext.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// Secret bytes, wiped when dropped.
pub(crate) type Plaintext = Zeroizing<Vec<u8>>;

/// Ours, and the way it was made. AWS's formats are secret.
const MAGIC: [u8; 4] = [1, 2, 3, 1];
const KEY_ID_BYTES: usize = 16;
const MATERIAL_ID_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const PURPOSE: &str = "kms-key-material";

/// A ciphertext that names its key; whether it is genuine only that key tells.
#[derive(Debug)]
pub(crate) struct Blob<'b> {
    /// Its key.
    pub key: Arn,
    /// The material, as 64 hexadecimal digits.
    pub material: String,
    header: &'b [u8],
    salt: &'b [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
    sealed: &'b [u8],
}

impl<'b> Blob<'b> {
    /// Reads what a ciphertext says of itself; `None` for what is none of ours.
    pub(crate) fn read(bytes: &'b [u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        if *magic != MAGIC {
            return None;
        }
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
        let (account, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let (region, rest) = rest.split_at_checked(usize::from(*length))?;
        let (material, rest) = rest.split_first_chunk::<MATERIAL_ID_BYTES>()?;
        let header = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let account: AccountId = format!("{:012}", u64::from_be_bytes(*account)).parse().ok()?;
        let region: Region = std::str::from_utf8(region).ok()?.parse().ok()?;
        Some(Self {
            key: Arn::regional(
                "kms",
                &region,
                &account,
                format_args!("key/{}", uuid_text(key_id)),
            ),
            material: hex(material),
            header,
            salt,
            nonce: *nonce,
            sealed,
        })
    }
}

/// Makes material for a key of that kind.
pub(super) fn new_material(
    vault: &Vault,
    random: &dyn Random,
    arn: &Arn,
    spec: &str,
    since: portcullis_core::Timestamp,
    rotated: Option<RotationType>,
) -> Result<Material, KmsError> {
    let mut id = [0; MATERIAL_ID_BYTES];
    random.fill(&mut id);
    let id = hex(&id);
    let mut bytes = Zeroizing::new(vec![0_u8; material_bytes(spec)]);
    random.fill(&mut bytes);
    let binding = Key::binding(arn, &id);
    let sealed = vault.seal(PURPOSE, binding.as_bytes(), &bytes);
    Ok(Material {
        sealed: Sealed::new(sealed.map_err(|_| KmsError::Internal)?),
        id,
        since,
        rotated,
    })
}

fn material_bytes(spec: &str) -> usize {
    match spec {
        "HMAC_224" => 28,
        "HMAC_384" => 48,
        "HMAC_512" => 64,
        _ => 32,
    }
}

/// Encrypts under a key's current material.
pub(crate) fn encrypt(
    vault: &Vault,
    random: &dyn Random,
    key: &Key,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, KmsError> {
    let material = key.current().ok_or(KmsError::Internal)?;
    let mut blob = header(key, material).ok_or(KmsError::Internal)?;
    let aad = authenticated(&blob, context);
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    random.fill(&mut salt);
    random.fill(&mut nonce);
    let cipher = message_cipher(&open(vault, key, material)?, &salt)?;
    let payload = Payload {
        msg: plaintext,
        aad: &aad,
    };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload);
    blob.extend_from_slice(&salt);
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(&sealed.map_err(|_| KmsError::Internal)?);
    Ok(blob)
}

/// Decrypts what [`encrypt`] made of a key under any of its material.
pub(crate) fn decrypt(
    vault: &Vault,
    key: &Key,
    blob: &Blob<'_>,
    context: &EncryptionContext,
) -> Result<Plaintext, KmsError> {
    let mut materials = key.materials.iter();
    let material = materials.find(|material| material.id == blob.material);
    let material = material.ok_or(KmsError::InvalidCiphertext)?;
    let cipher = message_cipher(&open(vault, key, material)?, blob.salt)?;
    let aad = authenticated(blob.header, context);
    let payload = Payload {
        msg: blob.sealed,
        aad: &aad,
    };
    let plaintext = cipher.decrypt(&Nonce::from(blob.nonce), payload);
    plaintext
        .map(Zeroizing::new)
        .map_err(|_| KmsError::InvalidCiphertext)
}

/// The code of a message by an HMAC key; `None` for an algorithm that is none.
pub(super) fn mac(
    vault: &Vault,
    key: &Key,
    algorithm: &str,
    message: &[u8],
) -> Result<Option<Vec<u8>>, KmsError> {
    let material = key.current().ok_or(KmsError::Internal)?;
    let secret = open(vault, key, material)?;
    macro_rules! code {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(&secret).map_err(|_| KmsError::Internal)?;
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    Ok(Some(match algorithm {
        "HMAC_SHA_224" => code!(Sha224),
        "HMAC_SHA_256" => code!(Sha256),
        "HMAC_SHA_384" => code!(Sha384),
        "HMAC_SHA_512" => code!(Sha512),
        _ => return Ok(None),
    }))
}

fn open(vault: &Vault, key: &Key, material: &Material) -> Result<Plaintext, KmsError> {
    let binding = Key::binding(&key.arn, &material.id);
    let opened = vault.open(PURPOSE, binding.as_bytes(), material.sealed.ciphertext());
    opened.map_err(|error| {
        tracing::error!(key = %key.arn, %error, "the material of a KMS key cannot be opened");
        KmsError::Internal
    })
}

fn message_cipher(secret: &Plaintext, salt: &[u8; SALT_BYTES]) -> Result<Aes256Gcm, KmsError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| KmsError::Internal)?;
    mac.update(b"kms message key");
    mac.update(salt);
    let mut derived = mac.finalize().into_bytes();
    let cipher = Aes256Gcm::new_from_slice(&derived).map_err(|_| KmsError::Internal);
    derived.zeroize();
    cipher
}

/// What a ciphertext says of itself.
fn header(key: &Key, material: &Material) -> Option<Vec<u8>> {
    let account: u64 = key.arn.account().parse().ok()?;
    let region = key.region.as_str().as_bytes();
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&uuid_bytes(&key.id)?);
    header.extend_from_slice(&account.to_be_bytes());
    header.push(u8::try_from(region.len()).ok()?);
    header.extend_from_slice(region);
    header.extend_from_slice(&from_hex::<MATERIAL_ID_BYTES>(&material.id)?);
    Some(header)
}

/// What is authenticated beside the plaintext: the header and the pairs in order, each with its length before it.
fn authenticated(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut aad = header.to_vec();
    for part in context.iter().flat_map(|(key, value)| [key, value]) {
        aad.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn uuid_bytes(id: &str) -> Option<[u8; KEY_ID_BYTES]> {
    from_hex(&id.replace('-', ""))
}

fn uuid_text(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use portcullis_core::{SeededRandom, Tags, Timestamp};
    use portcullis_policy::{Document, Kind};
    use proptest::prelude::{
        Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, proptest,
    };

    use super::*;
    use crate::world::records::PolicyText;
    use crate::world::records::kms::State;

    fn key(vault: &Vault, random: &SeededRandom, spec: &str) -> Key {
        let region: Region = "eu-west-1".parse().unwrap();
        let id = portcullis_core::uuid(random);
        let account: AccountId = "012345678901".parse().unwrap();
        let arn = Arn::regional("kms", &region, &account, format_args!("key/{id}"));
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
        let material = new_material(vault, random, &arn, spec, Timestamp::default(), None).unwrap();
        Key {
            id,
            arn,
            region,
            created: Timestamp::default(),
            description: String::new(),
            usage: String::new(),
            spec: spec.to_owned(),
            managed_for: None,
            state: State::Enabled,
            policy: PolicyText::new(&Document::parse(text, Kind::Resource).unwrap()),
            materials: vec![material],
            rotation: None,
            tags: Tags::new(),
        }
    }

    fn vault() -> (Vault, SeededRandom) {
        let vault = Vault::in_memory(std::sync::Arc::new(SeededRandom::new(7)));
        (vault, SeededRandom::new(8))
    }

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        prop::collection::btree_map("[ab]{0,3}", "[ab]{0,3}", 0..4)
    }

    proptest! {
        #[test]
        fn a_ciphertext_opens_with_its_own_context_and_no_other(
            plaintext in prop::collection::vec(any::<u8>(), 0..300), context in contexts(), other in contexts(),
        ) {
            let (vault, random) = vault();
            let key = key(&vault, &random, "SYMMETRIC_DEFAULT");
            let bytes = encrypt(&vault, &random, &key, &context, &plaintext).unwrap();
            let blob = Blob::read(&bytes).unwrap();
            prop_assert_eq!(&blob.key, &key.arn);
            let opened = decrypt(&vault, &key, &blob, &other);
            if other == context {
                let opened = opened.unwrap();
                prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
            } else {
                prop_assert_eq!(opened.unwrap_err(), KmsError::InvalidCiphertext);
            }
        }

        #[test]
        fn no_altered_ciphertext_opens(
            plaintext in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8_u32,
            cut in prop::bool::ANY, context in Just(EncryptionContext::new()),
        ) {
            let (vault, random) = vault();
            let key = key(&vault, &random, "SYMMETRIC_DEFAULT");
            let bytes = encrypt(&vault, &random, &key, &context, &plaintext).unwrap();
            let mut altered = bytes.clone();
            let at = at.index(altered.len());
            if cut {
                altered.truncate(at);
            } else {
                altered[at] ^= 1 << bit;
            }
            prop_assert_ne!(&altered, &bytes);
            // It may name another key by now; even that one does not open it.
            if let Some(blob) = Blob::read(&altered) {
                prop_assert!(decrypt(&vault, &key, &blob, &context).is_err());
            }
        }

        #[test]
        fn anything_can_be_read_as_a_ciphertext_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Blob::read(&bytes).is_none());
            let _ = Blob::read(&[&MAGIC, bytes.as_slice()].concat());
        }
    }

    #[test]
    fn material_opens_for_its_own_key_alone() {
        let (vault, random) = vault();
        let [one, other] = [(); 2].map(|()| key(&vault, &random, "SYMMETRIC_DEFAULT"));
        let stolen = Key {
            materials: one.materials.clone(),
            ..other
        };
        let context = EncryptionContext::new();
        let refused = encrypt(&vault, &random, &stolen, &context, b"x").unwrap_err();
        assert_eq!(refused, KmsError::Internal);
    }

    #[test]
    fn a_code_has_its_algorithms_size_and_differs_by_message() {
        let (vault, random) = vault();
        let key = key(&vault, &random, "HMAC_512");
        let sizes = [
            ("HMAC_SHA_224", 28),
            ("HMAC_SHA_256", 32),
            ("HMAC_SHA_384", 48),
            ("HMAC_SHA_512", 64),
        ];
        for (algorithm, size) in sizes {
            let code = mac(&vault, &key, algorithm, b"message").unwrap().unwrap();
            assert_eq!(code.len(), size);
            assert_ne!(code, mac(&vault, &key, algorithm, b"massage").unwrap().unwrap());
        }
        assert!(mac(&vault, &key, "HMAC_MD5", b"message").unwrap().is_none());
    }
}
