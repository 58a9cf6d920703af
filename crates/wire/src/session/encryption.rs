//! A session that is encrypted between its ends with a data key of KMS: AES-GCM, each direction with a half of its own.
//! What is between the ends cannot read what is typed and shown.

use std::collections::BTreeMap;
use std::fmt;

use portcullis_core::Random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of the data key: two keys.
pub const DATA_KEY_BYTES: usize = 64;
/// Bytes of the challenge that proves that both ends have the key.
pub const CHALLENGE_BYTES: usize = 64;
const NONCE_BYTES: usize = 12;

/// An end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Of the container: encrypts with the first half.
    Agent,
    /// Of the person: encrypts with the second.
    Client,
}

/// The encryption context of a session's data key.
pub fn encryption_context(session: &str, target: &str) -> BTreeMap<String, String> {
    [("aws:ssm:SessionId", session), ("aws:ssm:TargetId", target)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// One end's keys.
pub struct SessionCipher {
    seals: LessSafeKey,
    opens: LessSafeKey,
}

impl fmt::Debug for SessionCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCipher").finish_non_exhaustive()
    }
}

impl SessionCipher {
    /// Of a data key; `None` when it has another length than [`DATA_KEY_BYTES`].
    pub fn new(data_key: &[u8], end: End) -> Option<Self> {
        let (first, second) = data_key.split_at_checked(DATA_KEY_BYTES / 2)?;
        let key = |half: &[u8]| Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, half).ok()?));
        let (seals, opens) = match end {
            End::Agent => (first, second),
            End::Client => (second, first),
        };
        Some(Self {
            seals: key(seals)?,
            opens: key(opens)?,
        })
    }

    /// Encrypts what goes to the other end: a nonce, then the bytes with their tag. `None` for more than the cipher takes.
    pub fn seal(&self, plain: &[u8], random: &dyn Random) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.seals
            .seal_in_place_append_tag(unique, Aad::empty(), &mut sealed)
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// Decrypts what came from the other end; `None` when that did not make it.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.opens.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    #[test]
    fn each_end_opens_what_the_other_sealed_and_nothing_else() {
        let random = SeededRandom::new(1);
        let key: Vec<u8> = (0..64).collect();
        let [agent, client] = [End::Agent, End::Client].map(|end| SessionCipher::new(&key, end).unwrap());
        for text in [&b""[..], b"ls\r", &[0xff; 1024]] {
            let shown = agent.seal(text, &random).unwrap();
            assert_eq!(shown.len(), text.len() + 12 + 16);
            assert_eq!(client.open(&shown).as_deref(), Some(text));
            assert_eq!(agent.open(&shown), None, "what it said itself");
            let typed = client.seal(text, &random).unwrap();
            assert_eq!(agent.open(&typed).as_deref(), Some(text));
            let mut changed = typed.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(agent.open(&changed), None);
            assert_eq!(agent.open(&typed[..11]), None);
        }
        for length in [0, 32, 63, 65] {
            assert!(
                SessionCipher::new(&vec![0; length], End::Agent).is_none(),
                "{length}"
            );
        }
    }

    #[test]
    fn the_agents_half_is_the_first() {
        // What other programs decrypt with the first half alone: the layout is that of their sources.
        let key: Vec<u8> = (0..64).collect();
        let agent = SessionCipher::new(&key, End::Agent).unwrap();
        let sealed = agent.seal(b"hello", &SeededRandom::new(1)).unwrap();
        let half = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..32]).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&sealed[..12]).unwrap();
        let mut rest = sealed[12..].to_vec();
        assert_eq!(
            half.open_in_place(nonce, Aad::empty(), &mut rest).unwrap(),
            b"hello"
        );
    }
}
