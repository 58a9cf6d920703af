//! Federation with identity providers: tokens of others verified, and tokens of our own signed.
//!
//! Nothing but the registered providers is ever contacted: no redirect is followed, no link-local address is called, every
//! answer has a limit in bytes and in time.

mod cache;
mod claims;
mod endpoint;
mod fetch;
mod jwk;
mod jwt;
pub mod outbound;
mod trust;

use std::sync::Arc;

use portcullis_core::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

pub use claims::Claims;
pub use endpoint::Endpoint;
pub(crate) use fetch::connect;
pub use jwt::Unverified;
pub(crate) use trust::client as tls_client;
pub use trust::{Authorities, NoCertificate};

use crate::world::records::federation::OidcProvider;
use cache::KeyCache;

/// How far a provider's clock may be off, in seconds.
const SKEW_SECONDS: i64 = 300;

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejected {
    /// No JSON Web Token of a kind we verify.
    #[error("not a token that can be verified")]
    Malformed,
    /// A claim that must be there is not.
    #[error("the claim {0} is missing")]
    MissingClaim(&'static str),
    /// The account has no such provider.
    #[error("no provider {0}")]
    UnknownIssuer(String),
    /// Meant for somebody else.
    #[error("meant for another audience")]
    Audience,
    /// Too late.
    #[error("expired at {expires}")]
    Expired {
        /// The time it came, in seconds since 1970.
        now: i64,
        /// When it ended, in seconds since 1970.
        expires: i64,
    },
    /// Too early.
    #[error("not valid yet")]
    NotYetValid,
    /// The provider could not be reached.
    #[error("the provider could not be reached")]
    Unreachable,
    /// The provider answered, but not with the key.
    #[error("the provider has no such key")]
    NoKey,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
}

/// Verifies the tokens of registered providers; remembers their keys.
#[derive(Debug)]
pub struct Federation {
    cache: KeyCache,
}

impl Default for Federation {
    fn default() -> Self {
        Self::new(Authorities::default())
    }
}

impl Federation {
    /// Trusts these certificate authorities when it fetches keys.
    pub fn new(authorities: Authorities) -> Self {
        Self {
            cache: KeyCache::new(Arc::new(authorities)),
        }
    }

    /// The claims of a token, once the provider's key, its audience and its times have spoken for it.
    pub async fn verify(
        &self,
        provider: &OidcProvider,
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<Claims, Rejected> {
        let claims = Claims::read(token.claims(), provider)?;
        in_time(token.claims(), now)?;
        self.signed(provider, token, now).await?;
        Ok(claims)
    }

    /// Whether one of the provider's keys signed the token. A key that is not known yet is asked for once.
    async fn signed(
        &self,
        provider: &OidcProvider,
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<(), Rejected> {
        let keys = self.cache.keys(provider, now, |keys| token.has_key(keys)).await?;
        if !token.has_key(&keys) {
            return Err(Rejected::NoKey);
        }
        if token.is_signed_by_one_of(&keys) {
            Ok(())
        } else {
            Err(Rejected::Signature)
        }
    }
}

/// Whether now lies within the token's times.
fn in_time(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Rejected> {
    let now = now.as_seconds();
    let expires = seconds(claims, "exp")?.ok_or(Rejected::MissingClaim("exp"))?;
    let issued = seconds(claims, "iat")?.ok_or(Rejected::MissingClaim("iat"))?;
    let from = seconds(claims, "nbf")?.unwrap_or(issued);
    if now >= expires {
        return Err(Rejected::Expired { now, expires });
    }
    if issued.max(from) > now.saturating_add(SKEW_SECONDS) {
        return Err(Rejected::NotYetValid);
    }
    Ok(())
}

/// A NumericDate: seconds since 1970, perhaps with a fraction.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Rejected> {
    let Some(claim) = claims.get(name) else {
        return Ok(None);
    };
    let number = claim.as_i64().or_else(|| {
        let number = claim.as_f64().filter(|number| number.abs() < 1e15)?;
        Some(Timestamp::from_fractional_seconds(number).as_seconds())
    });
    number.map(Some).ok_or(Rejected::Malformed)
}
