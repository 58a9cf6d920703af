//! A secret from the command line or the environment.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use portcullis_core::Secret;

/// A secret that clap can read and `Debug` does not show.
#[derive(Clone)]
pub struct SecretOption(Secret);

impl SecretOption {
    /// The secret itself.
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

impl FromStr for SecretOption {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Secret::new(text)))
    }
}

impl fmt::Debug for SecretOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
