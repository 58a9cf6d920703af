//! A repository of an upstream registry as it is read: with a token, by redirects that lead to known places.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_blobs::Digest;
use portcullis_core::Secret;
use serde::Deserialize;

use super::ask::{self, Answer};
use super::challenge::Challenge;
use super::{Failed, Upstream};
use crate::federation::Endpoint;

/// How often an answer may send us on.
const REDIRECTS_MAX: usize = 3;
/// Largest manifest, in bytes.
const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest answer with a token.
const TOKEN_BYTES_MAX: usize = 256 * 1024;
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// What is read as a manifest.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// User name and password at an upstream registry.
#[derive(Debug)]
pub(crate) struct Login {
    pub user: String,
    pub password: Secret,
}

/// A manifest that came.
#[derive(Debug)]
pub(crate) struct Found {
    pub manifest: String,
    pub media_type: Option<String>,
    pub digest: Digest,
}

/// The reading of one repository.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    upstream: &'a Upstream,
    name: &'a str,
    login: Option<&'a Login>,
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Session<'a> {
    /// Begins to read a repository; without a name the registry as a whole.
    pub fn new(upstream: &'a Upstream, name: &'a str, login: Option<&'a Login>) -> Self {
        Self {
            upstream,
            name,
            login,
            authorization: None,
        }
    }

    /// The manifest of a tag or digest; what it says of its own digest is true.
    pub async fn manifest(&mut self, reference: &str) -> Result<Found, Failed> {
        let path = format!("/v2/{}/manifests/{reference}", self.name);
        let answer = self.get(&path, MANIFESTS).await?;
        let said = answer.header(DIGEST).map(str::to_owned);
        let kind = answer.header(header::CONTENT_TYPE);
        let media_type = kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim().to_owned());
        let bytes = answer.small(MANIFEST_BYTES_MAX).await?;
        let digest = Digest::of(&bytes);
        let promised = [said.as_deref(), reference.contains(':').then_some(reference)];
        let is_sha256 = |promised: &&str| promised.starts_with("sha256:");
        let mut promised = promised.into_iter().flatten().filter(is_sha256);
        if promised.any(|promised| promised != digest.to_string()) {
            return Err(Failed::Unavailable);
        }
        let manifest = String::from_utf8(bytes.to_vec()).map_err(|_| Failed::Unavailable)?;
        Ok(Found {
            manifest,
            media_type,
            digest,
        })
    }

    /// Whether the registry lets us in: with the login, if there is one.
    pub async fn greet(&mut self) -> Result<(), Failed> {
        match self.get("/v2/", "*/*").await {
            Ok(_) => Ok(()),
            // What has no such page is no registry.
            Err(Failed::Missing) => Err(Failed::Unavailable),
            Err(failed) => Err(failed),
        }
    }

    /// The bytes of a layer. Nothing says yet that they are the right ones.
    pub async fn blob(&mut self, digest: &Digest) -> Result<Answer, Failed> {
        let path = format!("/v2/{}/blobs/{digest}", self.name);
        self.get(&path, "*/*").await
    }

    async fn get(&mut self, path: &str, accept: &str) -> Result<Answer, Failed> {
        let endpoint = self.upstream.at(path);
        let answer = self.follow(endpoint.clone(), accept).await?;
        if answer.head.status != StatusCode::UNAUTHORIZED {
            return judged(answer);
        }
        self.authorization = Some(self.authorize(&answer).await?);
        judged(self.follow(endpoint, accept).await?)
    }

    /// Asks, and goes where the answers send us. Only the registry itself is shown who we are.
    async fn follow(&self, mut endpoint: Endpoint, accept: &str) -> Result<Answer, Failed> {
        for _ in 0..=REDIRECTS_MAX {
            let is_registry = endpoint.is_same_server(&self.upstream.base);
            let authorization = self.authorization.as_ref().filter(|_| is_registry);
            let answer = ask::get(self.upstream, &endpoint, accept, authorization).await?;
            if !answer.head.status.is_redirection() {
                return Ok(answer);
            }
            let location = answer.header(header::LOCATION).unwrap_or_default();
            endpoint = self.upstream.sent_on(&endpoint, location).ok_or_else(|| {
                let (from, to) = (&endpoint.authority, host_of(location));
                tracing::warn!(%from, to, "an upstream registry sends to an address that --upstream-registry does not name");
                Failed::Unavailable
            })?;
        }
        Err(Failed::Unavailable)
    }

    /// What the registry wants to be shown.
    async fn authorize(&self, answer: &Answer) -> Result<HeaderValue, Failed> {
        let header = answer.header(header::WWW_AUTHENTICATE).ok_or(Failed::Denied)?;
        match Challenge::read(header).ok_or(Failed::Denied)? {
            Challenge::Basic => self.basic().ok_or(Failed::Denied),
            Challenge::Bearer { realm, service } => self.token(&realm, service.as_deref()).await,
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let login = self.login?;
        let pair = STANDARD.encode(format!("{}:{}", login.user, login.password.expose()));
        sensitive(&format!("Basic {pair}"))
    }

    async fn token(&self, realm: &str, service: Option<&str>) -> Result<HeaderValue, Failed> {
        let mut endpoint = self.upstream.sent_on(&self.upstream.base, realm).ok_or_else(|| {
            let to = host_of(realm);
            tracing::warn!(
                to,
                "an upstream registry wants a token of an address that --upstream-registry does not name"
            );
            Failed::Unavailable
        })?;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut wanted = Vec::new();
        if !self.name.is_empty() {
            let scope = format!("repository:{}:pull", self.name);
            wanted.push(format!("scope={}", encoded(&scope)));
        }
        wanted.extend(service.map(|service| format!("service={}", encoded(service))));
        if !wanted.is_empty() {
            let joint = if endpoint.target.contains('?') { '&' } else { '?' };
            endpoint.target += &format!("{joint}{}", wanted.join("&"));
        }
        let answer = ask::get(
            self.upstream,
            &endpoint,
            "application/json",
            self.basic().as_ref(),
        )
        .await?;
        let bytes = judged(answer)?.small(TOKEN_BYTES_MAX).await?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|_| Failed::Unavailable)?;
        let token = token.token.or(token.access_token).ok_or(Failed::Unavailable)?;
        sensitive(&format!("Bearer {token}")).ok_or(Failed::Unavailable)
    }
}

fn judged(answer: Answer) -> Result<Answer, Failed> {
    match answer.head.status.as_u16() {
        200 => Ok(answer),
        401 | 403 => Err(Failed::Denied),
        404 => Err(Failed::Missing),
        429 => Err(Failed::TooOften),
        _ => Err(Failed::Unavailable),
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What of an address may stand in a log: the rest may be a ticket.
fn host_of(address: &str) -> String {
    let address: Option<http::Uri> = address.parse().ok();
    address
        .and_then(|address| address.host().map(str::to_owned))
        .unwrap_or_default()
}
