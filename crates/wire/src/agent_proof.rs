//! The key by which an agent of ours is known, and proofs made with it. Ours: AWS has neither, so both travel in headers of
//! their own, which SigV4 covers like every `X-Amz-*` header (docs/threat-model.md).
//!
//! A proof is an Ed25519 signature over who proves (an instance), what for (an operation), to which host, when, with a number
//! used once, and over the request's body. Whoever has only the instance's AWS credentials cannot make one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{Random, Secret, Timestamp};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Carries the public half of an agent's key with its registration.
pub const KEY_HEADER: &str = "x-amz-portcullis-agent-key";
/// Carries a proof by that key.
pub const PROOF_HEADER: &str = "x-amz-portcullis-agent-proof";
/// How far the time of a proof may lie from the server's, in seconds: as far as that of a signature.
pub const PROOF_SKEW_SECONDS: i64 = crate::sigv4::MAX_SKEW_SECONDS;

/// The first line of what is signed: no signature made for anything else begins with it.
const DOMAIN: &str = "portcullis-agent-proof-1";
const SEED_BYTES: usize = 32;
const NONCE_BYTES: usize = 16;

/// A text that is no key, or no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it is not in the form agents write it")]
pub struct Malformed;

/// The public half of an agent's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentPublicKey([u8; 32]);

impl AgentPublicKey {
    /// Whether the key's owner signed that text.
    pub(crate) fn signed(&self, text: &str, signature: &str) -> bool {
        let signature = STANDARD.decode(signature).unwrap_or_default();
        let verified = UnparsedPublicKey::new(&ED25519, self.0).verify(text.as_bytes(), &signature);
        verified.is_ok()
    }
}

impl fmt::Display for AgentPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for AgentPublicKey {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes = STANDARD.decode(text).map_err(|_| Malformed)?;
        bytes.try_into().map(Self).map_err(|_| Malformed)
    }
}

/// An agent's key.
pub struct AgentKey {
    pair: Ed25519KeyPair,
    seed: Secret,
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({})", self.public())
    }
}

impl AgentKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Result<Self, Malformed> {
        let mut seed = [0_u8; SEED_BYTES];
        random.fill(&mut seed);
        Self::from_secret(&Secret::new(STANDARD.encode(seed)))
    }

    /// The key whose [`secret`](Self::secret) this is.
    pub fn from_secret(secret: &Secret) -> Result<Self, Malformed> {
        let seed = STANDARD.decode(secret.expose()).map_err(|_| Malformed)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Malformed)?;
        Ok(Self {
            pair,
            seed: secret.clone(),
        })
    }

    /// What has to be kept to have the key again.
    pub fn secret(&self) -> &Secret {
        &self.seed
    }

    /// The public half.
    pub fn public(&self) -> AgentPublicKey {
        // Ed25519's public keys have 32 bytes, always.
        AgentPublicKey(<[u8; 32]>::try_from(self.pair.public_key().as_ref()).unwrap_or_default())
    }

    /// The signature under a text, in base 64. The text's first line says what it is for.
    pub(crate) fn sign(&self, text: &str) -> String {
        STANDARD.encode(self.pair.sign(text.as_bytes()))
    }

    /// Proves that the holder of this key makes this request now.
    pub fn prove(&self, subject: &Subject<'_>, now: Timestamp, random: &dyn Random) -> Proof {
        let mut nonce = [0_u8; NONCE_BYTES];
        random.fill(&mut nonce);
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = subject.text(now, &nonce);
        Proof {
            holder: subject.holder.to_owned(),
            made: now,
            nonce,
            signature: self.pair.sign(text.as_bytes()).as_ref().to_vec(),
        }
    }
}

/// The request a proof is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who proves: the ARN of a container instance, or the id of a managed instance.
    pub holder: &'a str,
    /// The operation, such as `Poll`: a proof for one opens no other.
    pub operation: &'a str,
    /// The request's `Host`: a proof for one server opens no other.
    pub host: &'a str,
    /// SHA-256 of the request's body.
    pub body: [u8; 32],
}

impl<'a> Subject<'a> {
    /// The request of an operation.
    pub fn new(holder: &'a str, operation: &'a str, host: &'a str, body: &[u8]) -> Self {
        Self {
            holder,
            operation,
            host,
            body: digest(body),
        }
    }

    fn text(&self, made: Timestamp, nonce: &str) -> String {
        let Self {
            holder,
            operation,
            host,
            ..
        } = self;
        let made = made.as_millis();
        let body: String = self.body.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{DOMAIN}\n{operation}\n{holder}\n{host}\n{made}\n{nonce}\n{body}")
    }
}

/// SHA-256 of a body.
pub fn digest(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// A proof as it travels; not believed before [`holds`](Self::holds).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who proves.
    pub holder: String,
    /// When it was made.
    pub made: Timestamp,
    nonce: String,
    signature: Vec<u8>,
}

impl Proof {
    /// Whether the key made it for exactly this request, and not long ago.
    pub fn holds(&self, key: &AgentPublicKey, subject: &Subject<'_>, now: Timestamp) -> bool {
        let age = now.as_millis().saturating_sub(self.made.as_millis()).abs();
        let in_time = age <= PROOF_SKEW_SECONDS * 1_000;
        let text = subject.text(self.made, &self.nonce);
        let verified = UnparsedPublicKey::new(&ED25519, key.0).verify(text.as_bytes(), &self.signature);
        in_time && self.holder == subject.holder && verified.is_ok()
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = STANDARD.encode(&self.signature);
        let made = self.made.as_millis();
        write!(f, "1 {} {made} {} {signature}", self.holder, self.nonce)
    }
}

impl FromStr for Proof {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts: Vec<&str> = text.split(' ').collect();
        let ["1", holder, made, nonce, signature] = parts.as_slice() else {
            return Err(Malformed);
        };
        let is_nonce = nonce.len() == 2 * NONCE_BYTES && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
        let made = made.parse::<i64>().map_err(|_| Malformed)?;
        if !is_nonce {
            return Err(Malformed);
        }
        Ok(Self {
            holder: (*holder).to_owned(),
            made: Timestamp::from_millis(made),
            nonce: (*nonce).to_owned(),
            signature: STANDARD.decode(signature).map_err(|_| Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_795_304_278)
    }

    #[test]
    fn t20_a_proof_is_for_one_request_of_one_holder_to_one_host() {
        let random = SeededRandom::new(3);
        let key = AgentKey::generate(&random).unwrap();
        let made_for = Subject::new("arn:a", "Poll", "host:1", b"body");
        let proof = key.prove(&made_for, now(), &random);
        let read: Proof = proof.to_string().parse().unwrap();
        assert_eq!(read, proof);
        assert!(read.holds(&key.public(), &made_for, now()));
        let others = [
            Subject::new("arn:b", "Poll", "host:1", b"body"),
            Subject::new("arn:a", "StartTelemetrySession", "host:1", b"body"),
            Subject::new("arn:a", "Poll", "host:2", b"body"),
            Subject::new("arn:a", "Poll", "host:1", b"other"),
        ];
        for other in others {
            assert!(!read.holds(&key.public(), &other, now()), "{other:?}");
        }
        let stranger = AgentKey::generate(&random).unwrap();
        assert!(!read.holds(&stranger.public(), &made_for, now()));
        for (seconds, holds) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let then = now().plus_seconds(seconds);
            assert_eq!(read.holds(&key.public(), &made_for, then), holds, "{seconds}");
        }
    }

    #[test]
    fn t20_whoever_changes_a_letter_of_a_proof_has_none() {
        let random = SeededRandom::new(4);
        let key = AgentKey::generate(&random).unwrap();
        let subject = Subject::new("arn:a", "Poll", "host:1", b"");
        let text = key.prove(&subject, now(), &random).to_string();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            let read: Result<Proof, _> = changed.parse();
            let holds = read.is_ok_and(|proof| proof.holds(&key.public(), &subject, now()));
            assert!(!holds, "{changed}");
        }
    }

    #[test]
    fn a_key_comes_back_from_its_secret_and_shows_only_its_public_half() {
        let key = AgentKey::generate(&SeededRandom::new(5)).unwrap();
        let again = AgentKey::from_secret(key.secret()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!(!format!("{key:?}").contains(key.secret().expose()));
        for bad in ["", "AAAA", "!"] {
            assert!(AgentKey::from_secret(&Secret::new(bad)).is_err());
            assert!(bad.parse::<AgentPublicKey>().is_err());
        }
    }
}
