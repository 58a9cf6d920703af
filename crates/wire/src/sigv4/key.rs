//! Signing keys.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_core::Secret;
use sha2::{Digest as _, Sha256};

use super::TERMINATOR;

/// A key derived from a secret for one day, region and service, with its HMAC state prepared.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives it. `date` is `YYYYMMDD`.
    pub fn derive(secret: &Secret, date: &str, region: &str, service: &str) -> Self {
        let start = Secret::new(format!("AWS4{}", secret.expose()));
        let mut key = prepared(start.expose().as_bytes());
        for step in [date, region, service, TERMINATOR] {
            key = prepared(&finish(key, step.as_bytes()));
        }
        Self(key)
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        finish(self.0.clone(), text.as_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// HMAC takes keys of any length by padding or hashing them to one block; doing so here leaves no error to handle.
fn prepared(key: &[u8]) -> Hmac<Sha256> {
    let digest = Sha256::digest(key);
    let mut block = [0_u8; 64];
    let source: &[u8] = if key.len() > block.len() { &digest } else { key };
    for (to, from) in block.iter_mut().zip(source) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

fn finish(mut mac: Hmac<Sha256>, text: &[u8]) -> [u8; 32] {
    mac.update(text);
    mac.finalize().into_bytes().into()
}
