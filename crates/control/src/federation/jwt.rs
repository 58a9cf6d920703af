//! JSON Web Tokens in their compact form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Rejected;
use super::jwk::{Algorithm, Key};

/// A token whose signature nobody has looked at.
#[derive(Debug)]
pub struct Unverified<'t> {
    header: Header,
    algorithm: Algorithm,
    claims: Map<String, Value>,
    /// Header and claims as they were signed.
    signed: &'t str,
    signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; we understand none.
    crit: Option<Value>,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self, Rejected> {
        Self::read(token).ok_or(Rejected::Malformed)
    }

    fn read(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = part(header)?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::of(&header.alg)?,
            header,
            claims: part(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Who says it issued the token.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// The claims, on the bearer's word alone.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whether the key that the token names is among these; a token that names none may be signed by any.
    pub(super) fn has_key(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.may_be_of(key))
    }

    /// Whether one of the keys it may be signed by did sign it.
    pub(super) fn is_signed_by_one_of(&self, keys: &[Key]) -> bool {
        let mut keys = keys.iter().filter(|key| self.may_be_of(key));
        keys.any(|key| {
            key.verifies(
                self.algorithm,
                &self.header.alg,
                self.signed.as_bytes(),
                &self.signature,
            )
        })
    }

    fn may_be_of(&self, key: &Key) -> bool {
        match (&self.header.kid, &key.id) {
            (Some(wanted), Some(known)) => wanted == known,
            _ => true,
        }
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_that_is_sent_as_a_token_does_harm(token in ".*", parts in prop::collection::vec(".{0,40}", 0..5)) {
            let encoded: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            for token in [token, parts.join("."), encoded.join(".")] {
                if let Ok(token) = Unverified::parse(&token) {
                    prop_assert!(!token.is_signed_by_one_of(&[]));
                }
            }
        }
    }

    #[test]
    fn a_token_has_three_parts_and_an_algorithm_we_verify() {
        let token = |header: &str| {
            format!(
                "{}.{}.AA",
                URL_SAFE_NO_PAD.encode(header),
                URL_SAFE_NO_PAD.encode("{}")
            )
        };
        assert!(Unverified::parse(&token(r#"{"alg":"ES256"}"#)).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"es256"}"#,
            "{}",
            "[]",
            "",
        ] {
            assert!(Unverified::parse(&token(header)).is_err(), "{header}");
        }
        for not_three in ["", ".", "..", "a.b", "e30.e30", "e30.e30.e30.e30"] {
            assert!(Unverified::parse(not_three).is_err(), "{not_three}");
        }
    }
}
