//! RSA public keys as SSH and as PEM write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use x509_cert::der::asn1::{AnyRef, BitString, Null, ObjectIdentifier, UintRef};
use x509_cert::der::{Any, Decode as _, Encode as _, SliceReader, Tag};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::credential_errors::CredentialError;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const TYPE: &str = "ssh-rsa";
/// Modulus sizes IAM takes, in bits.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=16_384;

/// An RSA public key: big-endian numbers without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    exponent: Vec<u8>,
    modulus: Vec<u8>,
}

impl PublicKey {
    /// Reads `ssh-rsa BASE64 COMMENT` or PEM.
    pub fn of_text(text: &str) -> Result<Self, CredentialError> {
        let key = if text.contains("-----BEGIN") {
            Self::of_pem(text)
        } else {
            Self::of_ssh(text)
        };
        let key = key.ok_or(CredentialError::UnrecognizedSshKey)?;
        let bits = key.bits();
        if BITS.contains(&bits) {
            Ok(key)
        } else {
            Err(CredentialError::InvalidSshKey)
        }
    }

    fn of_ssh(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        if words.next()? != TYPE {
            return None;
        }
        Self::of_blob(&STANDARD.decode(words.next()?).ok()?)
    }

    /// Reads SSH's own format.
    fn of_blob(blob: &[u8]) -> Option<Self> {
        let (kind, rest) = field(blob)?;
        let (exponent, rest) = field(rest)?;
        let (modulus, rest) = field(rest)?;
        let is_rsa = kind == TYPE.as_bytes() && rest.is_empty();
        is_rsa.then(|| Self {
            exponent: without_zeros(exponent),
            modulus: without_zeros(modulus),
        })
    }

    fn of_pem(text: &str) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
        let spki = SubjectPublicKeyInfoOwned::from_der(der.as_ref()).ok()?;
        if spki.algorithm.oid != RSA {
            return None;
        }
        let key = AnyRef::from_der(spki.subject_public_key.as_bytes()?).ok()?;
        let mut reader = SliceReader::new(key.value()).ok()?;
        let modulus = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
        let exponent = UintRef::decode(&mut reader).ok()?.as_bytes().to_vec();
        Some(Self { exponent, modulus })
    }

    fn bits(&self) -> usize {
        let leading = self.modulus.first().map_or(0, |byte| byte.leading_zeros());
        let unused = usize::try_from(leading).unwrap_or_default();
        self.modulus.len().saturating_mul(8).saturating_sub(unused)
    }

    /// SSH's own format.
    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, TYPE.as_bytes());
        put(&mut blob, &positive(&self.exponent));
        put(&mut blob, &positive(&self.modulus));
        blob
    }

    /// The key as records keep it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.blob())
    }

    /// The key out of a record.
    pub fn of_base64(text: &str) -> Option<Self> {
        Self::of_blob(&STANDARD.decode(text).ok()?)
    }

    /// `ssh-rsa BASE64`.
    pub fn to_ssh(&self) -> String {
        format!("{TYPE} {}", self.to_base64())
    }

    /// `-----BEGIN PUBLIC KEY-----`, as OpenSSL prints it.
    pub fn to_pem(&self) -> Option<String> {
        let numbers = [
            UintRef::new(&self.modulus).ok()?.to_der().ok()?,
            UintRef::new(&self.exponent).ok()?.to_der().ok()?,
        ];
        let key = Any::new(Tag::Sequence, numbers.concat()).ok()?.to_der().ok()?;
        let spki = SubjectPublicKeyInfoOwned {
            algorithm: AlgorithmIdentifierOwned {
                oid: RSA,
                parameters: Some(Null.into()),
            },
            subject_public_key: BitString::from_bytes(&key).ok()?,
        };
        let letters = STANDARD.encode(spki.to_der().ok()?);
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in letters.as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).ok()?);
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Some(pem)
    }

    /// MD5 of SSH's own format, as `ssh-keygen -E md5` prints it.
    pub fn fingerprint(&self) -> String {
        let digest = Md5::digest(self.blob());
        let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(":")
    }
}

/// One field: four bytes of length, then as many bytes.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn put(blob: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(field);
}

fn without_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// A number whose first bit would make it negative gets a zero before it.
fn positive(number: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(number.len() + 1);
    if number.first().is_some_and(|byte| *byte >= 0x80) {
        padded.push(0);
    }
    padded.extend_from_slice(number);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = include_str!("../../../tests/data/keys/rsa2048.pub");
    const PEM: &str = include_str!("../../../tests/data/keys/rsa2048.pub.pem");

    #[test]
    fn both_writings_of_a_key_are_the_same_key() {
        let key = PublicKey::of_text(SSH).unwrap();
        assert_eq!(PublicKey::of_text(PEM).unwrap(), key);
        assert_eq!(key.to_pem().unwrap(), PEM);
        let without_comment: Vec<_> = SSH.split(' ').take(2).collect();
        assert_eq!(key.to_ssh(), without_comment.join(" "));
        assert_eq!(PublicKey::of_base64(&key.to_base64()), Some(key));
    }

    #[test]
    fn what_is_no_rsa_key_is_not_recognised() {
        let altered = SSH.replace("ssh-rsa", "ssh-dss");
        let cut: String = SSH.chars().take(200).collect();
        for text in ["", "ssh-rsa", "ssh-rsa !", "ssh-ed25519 AAAA", &altered, &cut] {
            assert_eq!(
                PublicKey::of_text(text),
                Err(CredentialError::UnrecognizedSshKey),
                "{text}"
            );
        }
    }
}
