//! Other registries that this server may ask for images: those an operator named, and where they send it on to. No request
//! goes anywhere else, whatever rules, redirects and challenges say.

mod ask;
mod challenge;
mod pass;
mod places;
mod session;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use portcullis_core::AccountId;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ClientConfig;

use crate::federation::{Authorities, Endpoint, tls_client};
use places::Places;

pub(crate) use ask::Body;
pub(crate) use pass::passed_on;
pub(crate) use places::Place;
pub(crate) use session::{Found, Login, Session};

/// How many images are fetched at a time; more wait.
const FETCHES_MAX: usize = 8;
/// How many images are fetched or wait for it, and how many of them for one account.
const QUEUE_MAX: usize = FETCHES_MAX + 64;
const QUEUE_SHARE_MAX: usize = QUEUE_MAX / 2;
/// How many answers are passed on at a time, of whatever size, and how many of them to one account.
const PASSES_MAX: usize = 64;
const PASSES_SHARE_MAX: usize = 16;
/// What rules and images call ECR Public.
pub(crate) const ECR_PUBLIC: &str = "public.ecr.aws";
/// Largest layer, in bytes: ECR's quota of 52,000 MiB.
pub(crate) const LAYER_BYTES_MAX: u64 = 52_000 * 1024 * 1024;

/// The registries an operator named, by the names that rules and images have for them.
#[derive(Debug)]
pub struct Upstreams {
    registries: BTreeMap<String, Arc<Upstream>>,
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    places: Arc<Semaphore>,
    queue: Places,
    passes: Places,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            registries: BTreeMap::new(),
            turns: Mutex::default(),
            places: Arc::new(Semaphore::new(FETCHES_MAX)),
            queue: Places::new(QUEUE_MAX, QUEUE_SHARE_MAX),
            passes: Places::new(PASSES_MAX, PASSES_SHARE_MAX),
        }
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Where it is; logins are shown to it alone.
    base: Endpoint,
    /// Where it may send us on to: for tokens, for layers.
    others: Vec<Endpoint>,
    tls: Arc<ClientConfig>,
}

/// Text that names no registry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not NAME=URL[,URL...] with addresses in https, or in http on this machine: such as quay.io=https://quay.io,https://cdn.quay.io"
)]
pub struct InvalidUpstream(String);

/// Why nothing came from an upstream registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It has no such thing.
    Missing,
    /// It does not let us.
    Denied,
    /// It is asked too often.
    TooOften,
    /// It cannot be reached, answers with nonsense, or sends us where we may not go.
    Unavailable,
}

impl Failed {
    /// In words, about what was asked of a registry.
    pub(crate) fn said_of(self, registry: &str, name: &str) -> String {
        let text = match self {
            Self::Denied => "denied access to",
            Self::TooOften => "was asked too often; try again later for",
            Self::Missing => "does not have",
            Self::Unavailable => "is unavailable for",
        };
        format!("The upstream registry '{registry}' {text} '{name}'.")
    }
}

impl Upstreams {
    /// Reads what an operator named: `NAME=URL[,URL...]`, the registry first, then where it may send us on to.
    pub fn parse(options: &[String], authorities: &Authorities) -> Result<Self, InvalidUpstream> {
        let mut registries = BTreeMap::new();
        for option in options {
            let invalid = || InvalidUpstream(option.clone());
            let (name, urls) = option.split_once('=').ok_or_else(invalid)?;
            let endpoints = urls.split(',').map(|url| Endpoint::with_query(url.trim()));
            let mut endpoints = endpoints.collect::<Option<Vec<_>>>().ok_or_else(invalid)?;
            if name.is_empty() || endpoints.is_empty() {
                return Err(invalid());
            }
            let base = endpoints.remove(0);
            let upstream = Upstream {
                base,
                others: endpoints,
                tls: tls_client(authorities, &[]).ok_or_else(invalid)?,
            };
            registries.insert(name.to_owned(), Arc::new(upstream));
        }
        Ok(Self {
            registries,
            ..Self::default()
        })
    }

    /// The registry of that name, if an operator named it.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.registries.get(name)
    }

    /// The turn of whoever fetches this: others who want the same wait for it, and find it there.
    pub(crate) fn turn(&self, what: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(what).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(what.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// A place among those who fetch. `None` only if the semaphore is closed, which nobody does.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// A place among those who fetch and who wait for it, if there is one for this account. Whoever has it need not be there
    /// any more, so that nothing else bounds them.
    pub(crate) fn queue(&self, account: &AccountId) -> Option<Place> {
        self.queue.take(account)
    }

    /// A place among the answers that are passed on, if there is one for this account.
    pub(crate) fn pass(&self, account: &AccountId) -> Option<Place> {
        self.passes.take(account)
    }
}

impl Upstream {
    /// Where a path of the registry is.
    fn at(&self, path: &str) -> Endpoint {
        let below = self.base.target.trim_end_matches('/');
        Endpoint {
            target: format!("{below}{path}"),
            ..self.base.clone()
        }
    }

    /// Where an answer from `from` sends us, if we may go there.
    fn sent_on(&self, from: &Endpoint, location: &str) -> Option<Endpoint> {
        let is_path = location.starts_with('/') && !location.starts_with("//");
        let to = match is_path {
            true => Endpoint {
                target: location
                    .parse::<http::uri::PathAndQuery>()
                    .ok()?
                    .as_str()
                    .to_owned(),
                ..from.clone()
            },
            false => Endpoint::with_query(location)?,
        };
        let mut known = std::iter::once(&self.base).chain(&self.others);
        known.any(|known| known.is_same_server(&to)).then_some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_read_as_an_operator_names_them() {
        let parse = |text: &str| Upstreams::parse(&[text.to_owned()], &Authorities::default());
        assert!(parse("quay.io=https://quay.io").unwrap().get("quay.io").is_some());
        assert!(parse("quay.io=https://quay.io").unwrap().get("ghcr.io").is_none());
        for good in [
            "registry-1.docker.io=https://registry-1.docker.io,https://auth.docker.io",
            "public.ecr.aws=http://127.0.0.1:5000/mirror",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "quay.io",
            "=https://quay.io",
            "quay.io=",
            "quay.io=quay.io",
            "quay.io=http://quay.io",
            "quay.io=https://me:secret@quay.io",
            "quay.io=https://quay.io,ftp://cdn.quay.io",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_is_sent_where_no_operator_said() {
        let options = ["a=https://a.example/mirror,https://cdn.example:8443".to_owned()];
        let upstreams = Upstreams::parse(&options, &Authorities::default()).unwrap();
        let upstream = upstreams.get("a").unwrap();
        let from = upstream.at("/v2/");
        assert_eq!(from.target, "/mirror/v2/");
        for good in [
            "/x?y=z",
            "https://a.example/x",
            "https://A.example:443/",
            "https://cdn.example:8443/b?c",
        ] {
            assert!(upstream.sent_on(&from, good).is_some(), "{good}");
        }
        for bad in [
            "//evil.example/x",
            "x",
            "",
            "http://a.example/x",
            "https://a.example:444/x",
            "https://cdn.example/x",
            "https://a.example.evil.example/",
            "https://a.example@evil.example/",
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:4566/",
            "file:///etc/passwd",
        ] {
            assert!(upstream.sent_on(&from, bad).is_none(), "{bad}");
        }
    }
}
