//! Certificates and private keys in PEM: read, matched, and a chain followed. What the library behind TLS can check,
//! it checks.

use portcullis_core::Timestamp;
use tokio_rustls::rustls::crypto::ring::{default_provider, sign};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate as Parsed;
use x509_cert::der::asn1::{AnyRef, OctetStringRef, UintRef};
use x509_cert::der::{Decode as _, Encode as _, SliceReader};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// The OID of RSA keys, `1.2.840.113549.1.1.1`.
const RSA: &str = "1.2.840.113549.1.1.1";
/// The smallest and largest RSA modulus IAM takes, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1_024..=16_384;

/// A certificate.
pub(super) struct Certificate {
    der: Vec<u8>,
    parsed: Parsed,
}

impl Certificate {
    /// The certificate in a PEM text, if it holds exactly one; text around it does no harm.
    pub fn of_pem(text: &str) -> Option<Self> {
        let mut all = Self::all_of_pem(text)?;
        let first = all.pop()?;
        all.is_empty().then_some(first)
    }

    /// All certificates in a PEM text; `None` when one of them is none.
    pub fn all_of_pem(text: &str) -> Option<Vec<Self>> {
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
        certificates.map(|der| Self::of_der(der.ok()?.as_ref())).collect()
    }

    /// A certificate in DER.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        Some(Self {
            der: der.to_vec(),
            parsed,
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Since when it holds.
    pub fn not_before(&self) -> Timestamp {
        timestamp(&self.parsed.tbs_certificate().validity().not_before)
    }

    /// Until when it holds.
    pub fn not_after(&self) -> Timestamp {
        timestamp(&self.parsed.tbs_certificate().validity().not_after)
    }

    /// Whether this certificate's key signed another one.
    pub fn signed(&self, other: &Self) -> bool {
        let (issuer, subject) = (self.parsed.tbs_certificate(), other.parsed.tbs_certificate());
        if issuer.subject() != subject.issuer() {
            return false;
        }
        let key = issuer.subject_public_key_info();
        let (Some(key_bits), Some(signature)) = (
            key.subject_public_key.as_bytes(),
            other.parsed.signature().as_bytes(),
        ) else {
            return false;
        };
        let (Ok(message), Some(key_algorithm), Some(algorithm)) = (
            subject.to_der(),
            contents(&key.algorithm),
            contents(other.parsed.signature_algorithm()),
        ) else {
            return false;
        };
        let known = default_provider().signature_verification_algorithms.all;
        known
            .iter()
            .filter(|known| known.signature_alg_id().as_ref() == algorithm)
            .filter(|known| known.public_key_alg_id().as_ref() == key_algorithm)
            .any(|known| known.verify_signature(key_bits, &message, signature).is_ok())
    }

    /// Whether a private key belongs to the certificate.
    pub fn belongs_to(&self, key: &PrivateKey) -> bool {
        let own = self.parsed.tbs_certificate().subject_public_key_info();
        match &key.0 {
            Public::Spki(spki) => {
                own.algorithm.oid == spki.algorithm.oid && own.subject_public_key == spki.subject_public_key
            }
            Public::Rsa(key) => {
                own.algorithm.oid.to_string() == RSA
                    && own.subject_public_key.as_bytes().and_then(rsa_public) == Some(key.clone())
            }
        }
    }
}

fn timestamp(time: &x509_cert::time::Time) -> Timestamp {
    let seconds = time.to_unix_duration().as_secs();
    Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000))
}

/// What an algorithm identifier holds, without the sequence around it: how the TLS library names algorithms.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

/// Modulus and exponent of an RSA key.
#[derive(Clone, PartialEq, Eq)]
struct Rsa {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The public half of a private key.
enum Public {
    Spki(SubjectPublicKeyInfoOwned),
    Rsa(Rsa),
}

/// A private key that is not encrypted: its public half.
pub(super) struct PrivateKey(Public);

impl PrivateKey {
    /// The key in a PEM text: PKCS #1, PKCS #8 or SEC 1.
    pub fn of_pem(text: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        if let Ok(key) = sign::any_supported_type(&der) {
            let spki = SubjectPublicKeyInfoOwned::from_der(key.public_key()?.as_ref()).ok()?;
            return Some(Self(Public::Spki(spki)));
        }
        // The library behind TLS does not sign with RSA keys below 2,048 or above 4,096 bits; IAM keeps them.
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(der) => rsa_private(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => rsa_private(&inside_pkcs8(der.secret_pkcs8_der())?),
            _ => None,
        }?;
        let bits = rsa.modulus.len().saturating_mul(8);
        RSA_BITS.contains(&bits).then_some(Self(Public::Rsa(rsa)))
    }
}

/// The key inside `PrivateKeyInfo`, if it is an RSA key.
fn inside_pkcs8(der: &[u8]) -> Option<Vec<u8>> {
    let info = AnyRef::from_der(der).ok()?;
    let mut reader = SliceReader::new(info.value()).ok()?;
    UintRef::decode(&mut reader).ok()?;
    let algorithm = AlgorithmIdentifierOwned::decode(&mut reader).ok()?;
    let key = <&OctetStringRef>::decode(&mut reader).ok()?;
    (algorithm.oid.to_string() == RSA).then(|| key.as_bytes().to_vec())
}

/// Modulus and exponent in `RSAPrivateKey`, behind its version.
fn rsa_private(der: &[u8]) -> Option<Rsa> {
    let key = AnyRef::from_der(der).ok()?;
    let mut reader = SliceReader::new(key.value()).ok()?;
    UintRef::decode(&mut reader).ok()?;
    rsa(&mut reader)
}

/// Modulus and exponent in `RSAPublicKey`.
fn rsa_public(der: &[u8]) -> Option<Rsa> {
    let key = AnyRef::from_der(der).ok()?;
    rsa(&mut SliceReader::new(key.value()).ok()?)
}

fn rsa(reader: &mut SliceReader<'_>) -> Option<Rsa> {
    let modulus = UintRef::decode(reader).ok()?.as_bytes().to_vec();
    let exponent = UintRef::decode(reader).ok()?.as_bytes().to_vec();
    Some(Rsa { modulus, exponent })
}
