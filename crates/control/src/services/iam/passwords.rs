//! What is left of a password: a sealed hash. It takes long to make, so it is made before the writers' queue.

use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_store::Vault;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::errors::IamError;
use crate::world::records::Sealed;
use crate::world::records::credentials::LoginProfile;

/// Memory of one hash, in KiB, and passes over it: what OWASP asks of argon2id at least.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// The hash of a user's password. Comparable with any other of the same user: their salt is the same, since it is made
/// of the user's id, so that one hash tells whether a password was used before.
#[derive(Clone)]
pub(super) struct Hash {
    user_id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl Hash {
    /// Hashes a password of a user.
    pub fn of(vault: &Vault, user_id: &str, password: &str) -> Result<Self, IamError> {
        let failed = |error: argon2::Error| {
            tracing::error!(%error, "a password could not be hashed");
            IamError::Internal
        };
        let salt = vault.derive("iam-password-salt", user_id.as_bytes());
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(failed)?;
        let mut bytes = Zeroizing::new([0_u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &salt, bytes.as_mut())
            .map_err(failed)?;
        Ok(Self {
            user_id: user_id.to_owned(),
            bytes,
        })
    }

    /// Whether it is one of that user's passwords.
    pub fn is_of(&self, user_id: &str) -> bool {
        self.user_id == user_id
    }

    /// The hash as it rests.
    pub fn seal(&self, vault: &Vault) -> Result<Sealed, IamError> {
        let sealed = vault.seal(
            LoginProfile::PURPOSE,
            self.user_id.as_bytes(),
            self.bytes.as_slice(),
        );
        sealed.map(Sealed::new).map_err(|error| {
            tracing::error!(%error, "the hash of a password could not be sealed");
            IamError::Internal
        })
    }

    /// Whether it is the same as one that rests.
    pub fn matches(&self, vault: &Vault, sealed: &Sealed) -> bool {
        let opened = vault.open(
            LoginProfile::PURPOSE,
            self.user_id.as_bytes(),
            sealed.ciphertext(),
        );
        opened.is_ok_and(|kept| self.bytes.ct_eq(kept.as_slice()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::SeededRandom;

    use super::*;

    #[test]
    fn a_hash_knows_its_password_and_its_user() {
        let vault = Vault::in_memory(Arc::new(SeededRandom::new(1)));
        let kept = Hash::of(&vault, "AIDA1", "Correct-1")
            .unwrap()
            .seal(&vault)
            .unwrap();
        let again = |user: &str, password: &str| Hash::of(&vault, user, password).unwrap();
        assert!(again("AIDA1", "Correct-1").matches(&vault, &kept));
        assert!(!again("AIDA1", "Correct-2").matches(&vault, &kept));
        assert!(!again("AIDA2", "Correct-1").matches(&vault, &kept));
        assert!(again("AIDA1", "x").is_of("AIDA1") && !again("AIDA1", "x").is_of("AIDA2"));
    }
}
