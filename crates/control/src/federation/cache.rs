//! Providers' keys, kept for a while and within a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio_rustls::rustls::ClientConfig;

use super::Rejected;
use super::endpoint::Endpoint;
use super::fetch::{self, Failed};
use super::jwk::{self, Key};
use super::trust::{self, Authorities};
use crate::world::records::federation::OidcProvider;

/// How long keys are believed, in seconds.
const KEPT_SECONDS: i64 = 3_600;
/// How long a provider is left alone after it was asked, in seconds: nobody makes us ask more often with keys that do not
/// exist.
const PAUSE_SECONDS: i64 = 10;
/// Most providers whose keys are kept.
const PROVIDERS: usize = 256;

/// The keys of providers.
#[derive(Debug)]
pub(super) struct KeyCache {
    authorities: Arc<Authorities>,
    kept: Mutex<HashMap<String, Arc<AsyncMutex<Kept>>>>,
}

#[derive(Debug, Default)]
struct Kept {
    asked: Option<Timestamp>,
    keys: Option<Arc<Vec<Key>>>,
    failed: Option<Rejected>,
}

impl KeyCache {
    pub(super) fn new(authorities: Arc<Authorities>) -> Self {
        Self {
            authorities,
            kept: Mutex::default(),
        }
    }

    /// A provider's keys; asked for again when they are old, or when the one that is `wanted` is not among them. One
    /// question to a provider at a time.
    pub(super) async fn keys(
        &self,
        provider: &OidcProvider,
        now: Timestamp,
        wanted: impl Fn(&[Key]) -> bool,
    ) -> Result<Arc<Vec<Key>>, Rejected> {
        let kept = self.of(provider);
        let mut kept = kept.lock().await;
        let age = kept.asked.map(|asked| now.seconds_since(asked));
        if let Some(keys) = kept
            .keys
            .as_ref()
            .filter(|_| age.is_some_and(|age| age < KEPT_SECONDS))
        {
            if wanted(keys) || age.is_some_and(|age| age < PAUSE_SECONDS) {
                return Ok(Arc::clone(keys));
            }
        } else if let Some(failed) = kept
            .failed
            .as_ref()
            .filter(|_| age.is_some_and(|age| age < PAUSE_SECONDS))
        {
            return Err(failed.clone());
        }
        kept.asked = Some(now);
        match fetch_keys(provider, &self.authorities).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                kept.keys = Some(Arc::clone(&keys));
                kept.failed = None;
                Ok(keys)
            }
            Err(error) => {
                tracing::info!(
                    provider = provider.url,
                    ?error,
                    "an identity provider's keys did not come"
                );
                kept.keys = None;
                kept.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The place of a provider. Thumbprints belong to its name: with others, other certificates are trusted.
    fn of(&self, provider: &OidcProvider) -> Arc<AsyncMutex<Kept>> {
        let name = format!("{}\n{}", provider.arn, provider.thumbprints.join("\n"));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= PROVIDERS && !kept.contains_key(&name) {
            let idle = kept.iter().find(|(_, entry)| Arc::strong_count(entry) == 1);
            if let Some(idle) = idle.map(|(name, _)| name.clone()) {
                kept.remove(&idle);
            }
        }
        Arc::clone(kept.entry(name).or_default())
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// The discovery document says where the keys are; it must be the issuer's own.
async fn fetch_keys(provider: &OidcProvider, authorities: &Authorities) -> Result<Vec<Key>, Rejected> {
    let issuer = Endpoint::parse(&provider.url).ok_or(Rejected::NoKey)?;
    let tls = trust::client(authorities, &provider.thumbprints).ok_or(Rejected::Unreachable)?;
    let document = get(&issuer.discovery(), &tls).await?;
    let discovery: Discovery = serde_json::from_slice(&document).map_err(|_| Rejected::NoKey)?;
    if discovery.issuer != provider.url {
        return Err(Rejected::NoKey);
    }
    let keys = Endpoint::with_query(&discovery.jwks_uri).ok_or(Rejected::NoKey)?;
    // A provider elsewhere must not send us to services of this machine.
    if keys.is_loopback() && !issuer.is_loopback() {
        return Err(Rejected::NoKey);
    }
    jwk::read_set(&get(&keys, &tls).await?).ok_or(Rejected::NoKey)
}

async fn get(endpoint: &Endpoint, tls: &Arc<ClientConfig>) -> Result<hyper::body::Bytes, Rejected> {
    fetch::get(endpoint, tls).await.map_err(|failed| match failed {
        Failed::Unreachable => Rejected::Unreachable,
        Failed::Refused => Rejected::NoKey,
    })
}
