//! Session tokens of IMDSv2. Nothing is kept of them: a token is its end and a digest over it that only this process can
//! make. After a restart clients ask for new ones, as SDKs do on 401.

use portcullis_core::{Random, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest life in seconds, six hours.
pub(super) const TTL_MAX: i64 = 21_600;
const NONCE_BYTES: usize = 8;
const DIGEST_HEX: usize = 32;

/// Makes and recognises tokens.
pub(super) struct Tokens {
    key: [u8; 32],
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With a key of its own.
    pub(super) fn new(random: &dyn Random) -> Self {
        let mut key = [0_u8; 32];
        random.fill(&mut key);
        Self { key }
    }

    /// A token good for `seconds` from now.
    pub(super) fn issue(&self, seconds: i64, now: Timestamp, random: &dyn Random) -> String {
        let mut nonce = [0_u8; NONCE_BYTES];
        random.fill(&mut nonce);
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = format!("{:016x}{nonce}", now.plus_seconds(seconds).as_millis());
        let digest = self.digest(&body);
        format!("{body}{digest}")
    }

    /// Seconds a token still lives; `None` when it is none of ours or over.
    pub(super) fn remaining(&self, token: &str, now: Timestamp) -> Option<i64> {
        let (body, digest) = token.split_at_checked(token.len().checked_sub(DIGEST_HEX)?)?;
        if !bool::from(self.digest(body).as_bytes().ct_eq(digest.as_bytes())) {
            return None;
        }
        let end = i64::from_str_radix(body.get(..16)?, 16).ok()?;
        let left = (end - now.as_millis() + 999) / 1_000;
        (end > now.as_millis()).then_some(left)
    }

    /// Hashed twice, so that nothing can be appended to what was hashed.
    fn digest(&self, body: &str) -> String {
        let inner = Sha256::new().chain_update(self.key).chain_update(body).finalize();
        let outer = Sha256::new()
            .chain_update(self.key)
            .chain_update(inner)
            .finalize();
        let hex: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.get(..DIGEST_HEX).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::SeededRandom;

    #[test]
    fn a_token_lives_as_long_as_asked_and_cannot_be_changed_or_used_elsewhere() {
        let random = SeededRandom::new(1);
        let (tokens, others) = (Tokens::new(&random), Tokens::new(&random));
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let token = tokens.issue(60, now, &random);
        assert_eq!(token.len(), 64);
        assert_ne!(token, tokens.issue(60, now, &random));
        assert_eq!(tokens.remaining(&token, now), Some(60));
        assert_eq!(tokens.remaining(&token, now.plus_seconds(59)), Some(1));
        assert_eq!(tokens.remaining(&token, now.plus_seconds(60)), None);
        assert_eq!(others.remaining(&token, now), None);
        for position in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[position] = if forged[position] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(tokens.remaining(&forged, now), None, "{forged}");
        }
        let (shorter, longer) = (token.get(1..).unwrap(), format!("{token}0"));
        for other in ["", "x", "ä", shorter, &longer, &"é".repeat(64)] {
            assert_eq!(tokens.remaining(other, now), None, "{other}");
        }
    }
}
