//! Values on their way in.

use portcullis_store::Vault;
use zeroize::Zeroizing;

use super::errors::SecretsError;
use super::keys::Place;
use crate::world::records::Sealed;

const DIGEST_PURPOSE: &str = "secretsmanager-digest";
/// Bytes a value may have.
const VALUE_BYTES: usize = 65_536;

/// A value as a request brings it.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    bytes: &'a [u8],
    /// Whether it was given as bytes.
    pub is_binary: bool,
}

impl<'a> Content<'a> {
    /// The one value of a request, if it has one.
    pub fn of(text: Option<&'a String>, binary: Option<&'a Vec<u8>>) -> Result<Option<Self>, SecretsError> {
        let content = match (text, binary) {
            (Some(_), Some(_)) => return Err(SecretsError::TwoValues),
            (None, None) => return Ok(None),
            (Some(text), None) => Self {
                bytes: text.as_bytes(),
                is_binary: false,
            },
            (None, Some(bytes)) => Self {
                bytes,
                is_binary: true,
            },
        };
        match content.bytes.len() > VALUE_BYTES {
            true => Err(SecretsError::TooLong),
            false => Ok(Some(content)),
        }
    }

    /// The value itself.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What tells it from other values of the same version.
    pub fn digest(&self, vault: &Vault, place: Place<'_>) -> [u8; 32] {
        vault.derive(DIGEST_PURPOSE, &self.digested(place))
    }

    /// Whether a version's digest is that of this value.
    pub fn is_the_same(&self, vault: &Vault, place: Place<'_>, digest: &Sealed) -> bool {
        vault.is_derived(DIGEST_PURPOSE, &self.digested(place), digest.ciphertext())
    }

    fn digested(&self, place: Place<'_>) -> Zeroizing<Vec<u8>> {
        let kind = [b'\n', u8::from(self.is_binary), b'\n'];
        Zeroizing::new(
            [
                place.arn.as_bytes(),
                b"\n",
                place.version.as_bytes(),
                &kind,
                self.bytes,
            ]
            .concat(),
        )
    }
}
