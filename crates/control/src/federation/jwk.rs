//! A provider's keys: JSON Web Key sets, and signatures verified with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// Most keys of a set that are looked at.
const KEYS: usize = 100;

/// How a token may be signed. Nothing else is verified: no secrets shared with the provider, and never no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
}

impl Algorithm {
    /// Reads the header's `alg`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }
}

/// One public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// `kid`.
    pub id: Option<String>,
    /// The one algorithm it is for, if the set says so.
    only: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a key set; keys of other kinds are left out. `None` when it is no key set.
pub(super) fn read_set(document: &[u8]) -> Option<Vec<Key>> {
    let set: Set = serde_json::from_slice(document).ok()?;
    let keys = set.keys.into_iter().take(KEYS);
    Some(
        keys.filter_map(|key| read(serde_json::from_value(key).ok()?))
            .collect(),
    )
}

fn read(jwk: Jwk) -> Option<Key> {
    if jwk.r#use.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let decode = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
    let point = |size: usize| {
        let (x, y) = (decode(&jwk.x)?, decode(&jwk.y)?);
        // An uncompressed point: 4, then both coordinates at full length.
        (x.len() == size && y.len() == size).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
    };
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Material::Rsa {
            n: without_zeros(decode(&jwk.n)?),
            e: without_zeros(decode(&jwk.e)?),
        },
        ("EC", Some("P-256")) => Material::P256(point(32)?),
        ("EC", Some("P-384")) => Material::P384(point(48)?),
        _ => return None,
    };
    Some(Key {
        id: jwk.kid,
        only: jwk.alg,
        material,
    })
}

/// Some providers write numbers with a leading zero byte, which ring does not take.
fn without_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

impl Key {
    /// Whether this key signed the message.
    pub(super) fn verifies(
        &self,
        algorithm: Algorithm,
        name: &str,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        if self.only.as_deref().is_some_and(|only| only != name) {
            return false;
        }
        let rsa = |parameters: &RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }
                .verify(parameters, message, signature)
                .is_ok()
        };
        match (algorithm, &self.material) {
            (Algorithm::Rs256, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA256, n, e),
            (Algorithm::Rs384, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA384, n, e),
            (Algorithm::Rs512, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA512, n, e),
            (Algorithm::Es256, Material::P256(point)) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            (Algorithm::Es384, Material::P384(point)) => {
                let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}
