//! The account's own tokens for others: its keys, what it publishes about them, and how a token is signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Random, Secret, uuid};
use portcullis_store::Vault;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::world::records::Sealed;
use crate::world::records::federation::{OutboundFederation, SigningKey};

/// The algorithm tokens are signed with.
pub const ES384: &str = "ES384";

/// Where the documents of issuers start on this server: `/federation/ID`.
pub const PATH: &str = "/federation/";

/// Length of a coordinate on P-384, in bytes.
const COORDINATE: usize = 48;

/// A new key. `None` only if ring or the vault fails.
pub fn new_key(random: &dyn Random, vault: &Vault) -> Option<SigningKey> {
    // ring takes no other source: the Random seam gives ids, not this key.
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).ok()?;
    let pair = key_pair(pkcs8.as_ref())?;
    let id = uuid(random);
    let point = pair.public_key().as_ref().get(1..)?;
    let (x, y) = point.split_at_checked(COORDINATE)?;
    let public = json!({
        "kty": "EC", "use": "sig", "alg": ES384, "kid": id, "crv": "P-384",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    let private = vault
        .seal(OutboundFederation::KEY_PURPOSE, id.as_bytes(), pkcs8.as_ref())
        .ok()?;
    Some(SigningKey {
        id,
        algorithm: ES384.to_owned(),
        public,
        private: Sealed::new(private),
    })
}

fn key_pair(pkcs8: &[u8]) -> Option<EcdsaKeyPair> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8, &SystemRandom::new()).ok()
}

/// A token of these claims. `None` only if ring or the vault fails.
pub fn sign(key: &SigningKey, vault: &Vault, claims: &Value) -> Option<Secret> {
    let purpose = OutboundFederation::KEY_PURPOSE;
    let pkcs8 = vault
        .open(purpose, key.id.as_bytes(), key.private.ciphertext())
        .ok()?;
    let header = json!({ "alg": key.algorithm, "typ": "JWT", "kid": key.id });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = key_pair(&pkcs8)?
        .sign(&SystemRandom::new(), signed.as_bytes())
        .ok()?;
    let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
    Some(Secret::new(format!("{signed}.{signature}")))
}

/// The document at a path below the issuer; `None` when there is none.
pub fn document(federation: &OutboundFederation, below: &str) -> Option<Value> {
    match below {
        ".well-known/openid-configuration" => Some(discovery(federation)),
        ".well-known/jwks.json" => {
            let keys: Vec<_> = federation.keys.iter().map(|key| key.public.clone()).collect();
            Some(json!({ "keys": keys }))
        }
        _ => None,
    }
}

fn discovery(federation: &OutboundFederation) -> Value {
    let issuer = &federation.issuer;
    let algorithms: Vec<_> = federation.keys.iter().map(|key| key.algorithm.as_str()).collect();
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti"],
    })
}
