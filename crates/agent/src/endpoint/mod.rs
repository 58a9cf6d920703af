//! The task endpoint at 169.254.170.2:80 (process engine: a loopback port): credentials and metadata, with the
//! genuine agent's status codes, bodies and headers (agent.md 1.3 and 3.1).

mod credentials;
mod fault;
mod go_json;
mod introspection;
mod limiter;
mod metadata;
mod protection;
mod rehearsal;
mod remote;
mod server;
mod shares;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use portcullis_core::Clock;

pub(crate) use self::credentials::{Admission, Anyone, Caller, document as credentials_document};
use self::credentials::{Counter, Form};
pub(crate) use self::introspection::{Introspection, healthcheck};
use self::limiter::Limiter;
pub(crate) use self::metadata::{Instance, TaskMetadata};
pub(crate) use self::protection::TaskProtection;
pub use self::rehearsal::Rehearsal;
pub(crate) use self::remote::Remote;
pub(crate) use self::server::serve;
use crate::RateLimit;
use crate::audit::{Access, AuditLog};
use crate::credentials::{CredentialCache, Known};

/// Answers `/v2/metadata`, `/v2/stats`, `/v3` and `/v4` requests.
pub(crate) trait Metadata: Send + Sync {
    /// The answer for a path such as `/v4/<endpointId>/task`; `None` when nothing is served there.
    fn answer<'a>(&'a self, path: &'a str, remote: &'a Remote) -> BoxFuture<'a, Option<Answer>>;
}

/// A status, a body, and what the body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A JSON document.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: body.into(),
        }
    }

    /// A bare JSON text, the metadata endpoints' form of an error.
    pub(crate) fn json_text(status: u16, text: &str) -> Self {
        Self::json(status, go_json::quoted(text))
    }

    /// The answer with no other headers.
    fn plain_response(self) -> http::Response<Full<Bytes>> {
        let mut response = http::Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if self.status == 405 {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }

    const fn text(status: u16, body: &'static str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: Bytes::from_static(body.as_bytes()),
        }
    }
}

/// What an endpoint is made of.
pub(crate) struct EndpointParts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<CredentialCache>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) protection: Option<TaskProtection>,
    pub(crate) limit: RateLimit,
    pub(crate) compat: bool,
}

/// Everything the endpoint needs.
pub(crate) struct Endpoint {
    parts: EndpointParts,
    limiter: Limiter,
    /// `X-Rate-Limit-Limit`.
    limit_text: HeaderValue,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("compat", &self.parts.compat)
            .finish_non_exhaustive()
    }
}

/// An answer with what the audit log says of it.
struct Routed {
    answer: Answer,
    /// Present when the request belongs into the audit log.
    audit_path: Option<&'static str>,
    granted: Option<Arc<Known>>,
}

impl From<Answer> for Routed {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            audit_path: None,
            granted: None,
        }
    }
}

const NOT_FOUND: Answer = Answer::text(404, "404 page not found\n");

impl Endpoint {
    /// An endpoint over these parts.
    pub(crate) fn new(parts: EndpointParts) -> Self {
        let limiter = Limiter::new(parts.limit);
        let limit_text = HeaderValue::try_from(limiter.steady_text());
        Self {
            limit_text: limit_text.unwrap_or(HeaderValue::from_static("")),
            limiter,
            parts,
        }
    }

    /// Whether a request's body is looked at.
    pub(crate) fn takes_body(&self, parts: &Parts) -> bool {
        let path = parts.uri.path();
        match parts.method {
            Method::PUT => protection::endpoint_id(path).is_some(),
            Method::POST => fault::Wanted::of(path).is_some(),
            _ => false,
        }
    }

    /// Answers one request of `remote`.
    pub(crate) async fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        remote: &Remote,
    ) -> http::Response<Full<Bytes>> {
        let path = parts.uri.path();
        if let Some(clean) = cleaned_path(path) {
            let query = parts
                .uri
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            return moved(&format!("{clean}{query}"));
        }
        if !remote.allowed(&self.limiter, Instant::now()) {
            let throttled = Answer::text(429, "You have reached maximum request limit.");
            self.record(parts, remote, without_credentials_id(path), &throttled, None);
            return self.reply(throttled, remote);
        }
        let routed = self.route(parts, body, remote).await;
        if let Some(audit_path) = routed.audit_path {
            self.record(
                parts,
                remote,
                audit_path,
                &routed.answer,
                routed.granted.as_deref(),
            );
        }
        self.reply(routed.answer, remote)
    }

    async fn route(&self, parts: &Parts, body: &[u8], remote: &Remote) -> Routed {
        if !self.parts.compat {
            if parts.method != Method::GET && !self.takes_body(parts) {
                return Answer::text(405, "405 method not allowed\n").into();
            }
            if !names_an_address(parts) {
                return NOT_FOUND.into();
            }
        }
        let path = parts.uri.path();
        let (form, audit_path, id) = match (path.strip_prefix("/v2/credentials/"), path) {
            (Some(id), _) => (Form::V2, "/v2/credentials", Cow::Borrowed(id)),
            (None, "/v1/credentials") => (Form::V1, "/v1/credentials", query_id(parts)),
            _ => return self.other(parts, body, remote).await.into(),
        };
        let counter = Counter {
            cache: &self.parts.cache,
            admission: self.parts.admission.as_ref(),
            compat: self.parts.compat,
            now: self.parts.clock.now(),
        };
        let outcome = counter.fetch(form, &id, caller(parts, remote)).await;
        Routed {
            answer: outcome.answer,
            audit_path: Some(audit_path),
            granted: outcome.granted,
        }
    }

    /// What is no fetch of credentials.
    async fn other(&self, parts: &Parts, body: &[u8], remote: &Remote) -> Answer {
        let path = parts.uri.path();
        if let Some(protection) = &self.parts.protection {
            if let Some(id) = protection::endpoint_id(path) {
                return protection.answer(id, parts, body, caller(parts, remote)).await;
            }
            if let Some(wanted) = fault::Wanted::of(path) {
                return fault::answer(&wanted, &parts.method, body, &protection.tasks);
            }
        }
        self.parts
            .metadata
            .answer(path, remote)
            .await
            .unwrap_or(NOT_FOUND)
    }

    fn record(&self, parts: &Parts, remote: &Remote, path: &str, answer: &Answer, granted: Option<&Known>) {
        self.parts.audit.record(&Access {
            status: answer.status,
            source: remote.text(),
            path,
            user_agent: &user_agent(parts),
            granted: granted.map(|known| (known.task_arn.as_ref(), known.kind)),
        });
    }

    fn reply(&self, answer: Answer, remote: &Remote) -> http::Response<Full<Bytes>> {
        let mut response = answer.plain_response();
        let headers = response.headers_mut();
        headers.insert(DURATION, HeaderValue::from_static("1"));
        headers.insert(LIMIT, self.limit_text.clone());
        headers.insert(FORWARDED_FOR, HeaderValue::from_static(""));
        headers.insert(REMOTE_ADDR, remote.header());
        response
    }
}

const DURATION: HeaderName = HeaderName::from_static("x-rate-limit-duration");
const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-rate-limit-request-forwarded-for");
const REMOTE_ADDR: HeaderName = HeaderName::from_static("x-rate-limit-request-remote-addr");

fn caller<'a>(parts: &'a Parts, remote: &'a Remote) -> Caller<'a> {
    Caller {
        remote,
        authorization: header(parts, &AUTHORIZATION),
    }
}

/// As it was sent; what is no text is shown as far as it is.
fn user_agent(parts: &Parts) -> Cow<'_, str> {
    let sent = parts.headers.get(USER_AGENT);
    sent.map_or(Cow::Borrowed(""), |value| {
        String::from_utf8_lossy(value.as_bytes())
    })
}

/// The redirect carries no rate-limit headers, as the genuine agent's does not.
fn moved(location: &str) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A page in a browser that was talked into asking here (DNS rebinding) sends a name of its own as Host.
fn names_an_address(parts: &Parts) -> bool {
    let Some(host) = header(parts, &HOST) else {
        return false;
    };
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(without_port, "169.254.170.2" | "127.0.0.1" | "localhost")
}

fn query_id(parts: &Parts) -> Cow<'_, str> {
    query_member(parts, "id").unwrap_or_default()
}

fn query_member<'a>(parts: &'a Parts, name: &str) -> Option<Cow<'a, str>> {
    let pairs = parts.uri.query()?.split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?
        .1;
    Some(decoded(value))
}

/// `+` and `%XX` as they are meant; what is no such escape stands.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match (
            byte,
            escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()),
        ) {
            (_, Some(value)) => {
                bytes.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', None) => {
                bytes.push(b' ');
                rest = after;
            }
            (other, None) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// A throttled request's path as the audit log shows it: the id in it opens the door (docs/fidelity.md).
fn without_credentials_id(path: &str) -> &str {
    match path.strip_prefix("/v2/credentials/") {
        Some(_) => "/v2/credentials",
        None => path,
    }
}

/// Doubled slashes and dot segments taken out, a final slash kept: Go's `path.Clean` as its routers use it. `None` when
/// there are none, which is the case of nearly every request.
fn cleaned_path(path: &str) -> Option<String> {
    let is_clean = path.starts_with('/') && !path.contains("//") && !path.contains("/.");
    if is_clean {
        return None;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

#[cfg(test)]
mod tests;
