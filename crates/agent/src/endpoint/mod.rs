//! The task endpoint at 169.254.170.2:80 (process engine: a loopback port): credentials and metadata, with the
//! genuine agent's status codes, bodies and headers (agent.md 1.3 and 3.1).

mod credentials;
mod go_json;
mod limiter;
mod metadata;
mod protection;
mod server;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

pub(crate) use self::credentials::{Admission, Anyone, Caller};
use self::credentials::{Form, fetch};
use self::limiter::Limiter;
pub(crate) use self::metadata::TaskMetadata;
pub(crate) use self::protection::TaskProtection;
pub(crate) use self::server::serve;
use crate::RateLimit;
use crate::audit::{Access, AuditLog};
use crate::credentials::{CredentialCache, Known};

/// Answers `/v3` and `/v4` requests.
pub(crate) trait Metadata: Send + Sync {
    /// The answer for a path such as `/v4/<endpointId>/task`; `None` when nothing is served there.
    fn answer(&self, path: &str) -> Option<Answer>;
}

/// A status, a body, and what the body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    content_type: &'static str,
    body: Cow<'static, str>,
}

impl Answer {
    /// A JSON document.
    pub(crate) fn json(status: u16, body: String) -> Self {
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

    const fn text(status: u16, body: &'static str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: Cow::Borrowed(body),
        }
    }
}

/// Everything the endpoint needs.
pub(crate) struct Endpoint {
    cache: Arc<CredentialCache>,
    audit: Arc<AuditLog>,
    admission: Arc<dyn Admission>,
    metadata: Arc<dyn Metadata>,
    protection: Option<TaskProtection>,
    limiter: Limiter,
    compat: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("compat", &self.compat)
            .finish_non_exhaustive()
    }
}

/// An answer with what the audit log says of it.
struct Routed {
    answer: Answer,
    /// Present when the request belongs into the audit log.
    audit_path: Option<&'static str>,
    granted: Option<Known>,
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
    pub(crate) fn new(
        cache: Arc<CredentialCache>,
        audit: Arc<AuditLog>,
        admission: Arc<dyn Admission>,
        metadata: Arc<dyn Metadata>,
        limit: RateLimit,
        compat: bool,
    ) -> Self {
        Self {
            cache,
            audit,
            admission,
            metadata,
            protection: None,
            limiter: Limiter::new(limit),
            compat,
        }
    }

    /// Lets tasks protect themselves.
    pub(crate) fn with_protection(mut self, protection: TaskProtection) -> Self {
        self.protection = Some(protection);
        self
    }

    /// Whether a request's body is looked at.
    pub(crate) fn takes_body(&self, parts: &Parts) -> bool {
        parts.method == Method::PUT && protection::endpoint_id(parts.uri.path()).is_some()
    }

    /// Answers one request of `remote`.
    pub(crate) async fn answer(
        &self,
        parts: &Parts,
        body: &[u8],
        remote: SocketAddr,
    ) -> http::Response<Full<Bytes>> {
        let path = parts.uri.path();
        let clean = clean_path(path);
        if clean != path {
            let query = parts
                .uri
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            return moved(&format!("{clean}{query}"));
        }
        if !self.limiter.allow(remote.ip(), Instant::now()) {
            let throttled = Answer::text(429, "You have reached maximum request limit.");
            self.record(parts, remote, path, &throttled, None);
            return self.reply(throttled, remote);
        }
        let routed = self.route(parts, body, remote).await;
        if let Some(audit_path) = routed.audit_path {
            self.record(parts, remote, audit_path, &routed.answer, routed.granted.as_ref());
        }
        self.reply(routed.answer, remote)
    }

    async fn route(&self, parts: &Parts, body: &[u8], remote: SocketAddr) -> Routed {
        if !self.compat {
            if parts.method != Method::GET && !self.takes_body(parts) {
                return Answer::text(405, "405 method not allowed\n").into();
            }
            if !names_an_address(parts) {
                return NOT_FOUND.into();
            }
        }
        let path = parts.uri.path();
        if let (Some(protection), Some(id)) = (&self.protection, protection::endpoint_id(path)) {
            let caller = remote.ip().to_canonical();
            return protection.answer(id, parts, body, caller).await.into();
        }
        let (form, audit_path, id) = match (path.strip_prefix("/v2/credentials/"), path) {
            (Some(id), _) => (Form::V2, "/v2/credentials", Cow::Borrowed(id)),
            (None, "/v1/credentials") => (Form::V1, "/v1/credentials", query_id(parts)),
            _ => return self.metadata.answer(path).unwrap_or(NOT_FOUND).into(),
        };
        let caller = Caller {
            address: remote.ip().to_canonical(),
            authorization: header(parts, &AUTHORIZATION),
        };
        let outcome = fetch(&self.cache, self.admission.as_ref(), form, &id, caller).await;
        Routed {
            answer: outcome.answer,
            audit_path: Some(audit_path),
            granted: outcome.granted,
        }
    }

    fn record(
        &self,
        parts: &Parts,
        remote: SocketAddr,
        path: &str,
        answer: &Answer,
        granted: Option<&Known>,
    ) {
        self.audit.record(&Access {
            status: answer.status,
            source: &remote.to_string(),
            path,
            user_agent: header(parts, &USER_AGENT).unwrap_or_default(),
            granted: granted.map(|known| (known.task_arn.as_ref(), known.kind)),
        });
    }

    fn reply(&self, answer: Answer, remote: SocketAddr) -> http::Response<Full<Bytes>> {
        let mut response = http::Response::new(Full::new(Bytes::from(answer.body.into_owned())));
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert("x-rate-limit-duration", HeaderValue::from_static("1"));
        headers.insert("x-rate-limit-request-forwarded-for", HeaderValue::from_static(""));
        for (name, value) in [
            ("x-rate-limit-limit", self.limiter.steady_text()),
            ("x-rate-limit-request-remote-addr", remote.to_string()),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        if answer.status == 405 {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
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
    let query = parts.uri.query().unwrap_or_default();
    let id = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("id="))
        .unwrap_or_default();
    Cow::Borrowed(id)
}

/// Doubled slashes and dot segments taken out, a final slash kept: Go's `path.Clean` as its routers use it.
fn clean_path(path: &str) -> String {
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
    clean
}

#[cfg(test)]
mod tests;
