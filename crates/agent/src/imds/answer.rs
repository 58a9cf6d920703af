//! Requests and answers of instance metadata, as EC2 gives them.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use portcullis_core::Timestamp;
use serde_json::json;

use super::facts::Facts;
use super::role::{HostRole, RoleKeeper};
use super::token::{TTL_MAX, Tokens};
use crate::Seams;
use crate::plane::InstanceCredentialsProvider;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TOKEN_TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const FORWARDED: &str = "x-forwarded-for";
/// What is said of credentials whose end nobody told: SDKs come back before.
const UNKNOWN_LIFE_SECONDS: i64 = 3_600;

/// Everything an answer is made of.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) facts: Facts,
    pub(super) roles: Arc<RoleKeeper>,
    pub(super) credentials: Arc<InstanceCredentialsProvider>,
    pub(super) tokens: Tokens,
    pub(super) seams: Seams,
    pub(super) allow_v1: bool,
}

type Answer = Response<Full<Bytes>>;

impl Service {
    /// Answers a request.
    pub(super) fn answer(&self, parts: &Parts) -> Answer {
        // Whoever forwards requests is not the host: an open proxy on it must not hand out its keys.
        if parts.headers.contains_key(FORWARDED) {
            return status(StatusCode::FORBIDDEN);
        }
        let segments: Vec<_> = parts
            .uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        match (&parts.method, segments.as_slice()) {
            (&Method::PUT, ["latest", "api", "token"]) => self.token(&parts.headers),
            (&Method::GET | &Method::HEAD, segments) => {
                if self.admits(&parts.headers) {
                    self.read(segments)
                } else {
                    status(StatusCode::UNAUTHORIZED)
                }
            }
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    fn token(&self, headers: &HeaderMap) -> Answer {
        let seconds = headers
            .get(TOKEN_TTL)
            .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok())
            .filter(|seconds| (1..=TTL_MAX).contains(seconds));
        let Some(seconds) = seconds else {
            return status(StatusCode::BAD_REQUEST);
        };
        let token = self.tokens.issue(seconds, self.now(), self.seams.random.as_ref());
        let mut answer = text(token);
        answer.headers_mut().insert(TOKEN_TTL, HeaderValue::from(seconds));
        answer
    }

    /// With a token that is good; without any only where IMDSv1 is spoken. A bad token is refused in any case.
    fn admits(&self, headers: &HeaderMap) -> bool {
        match headers.get(TOKEN) {
            Some(token) => token
                .to_str()
                .is_ok_and(|token| self.tokens.remaining(token, self.now()).is_some()),
            None => self.allow_v1,
        }
    }

    fn read(&self, segments: &[&str]) -> Answer {
        let role = self.roles.role();
        let found = match segments {
            [] => Some("latest".to_owned()),
            ["latest", "meta-data", "iam", rest @ ..] => self.iam(role.as_ref(), rest),
            ["latest", rest @ ..] => self.with_iam(role.as_ref()).get(&rest.join("/")),
            _ => None,
        };
        found.map_or_else(|| status(StatusCode::NOT_FOUND), text)
    }

    /// The tree with the names of what is below `iam`.
    fn with_iam(&self, role: Option<&HostRole>) -> super::tree::Tree {
        let mut tree = self.facts.tree(role);
        if self.has_credentials(role) {
            tree.put("meta-data/iam/info", "");
        }
        tree
    }

    /// A user's keys are no instance's: only a role's session is shown.
    fn has_credentials(&self, role: Option<&HostRole>) -> bool {
        role.is_some() && self.credentials.current().session_token.is_some()
    }

    fn iam(&self, role: Option<&HostRole>, rest: &[&str]) -> Option<String> {
        let role = role.filter(|role| self.has_credentials(Some(role)))?;
        match rest {
            [] => Some("info\nsecurity-credentials/".to_owned()),
            ["info"] => Some(self.info(role)),
            ["security-credentials"] => Some(role.name.clone()),
            ["security-credentials", name] if *name == role.name => self.keys(),
            _ => None,
        }
    }

    /// Instance profiles are named like their role where the console made them, and so is this one.
    fn info(&self, role: &HostRole) -> String {
        let (partition, account) = (&self.facts.partition, &self.facts.account);
        let profile = format!("arn:{partition}:iam::{account}:instance-profile/{}", role.name);
        pretty(&[
            ("Code", "Success"),
            ("LastUpdated", &self.now().to_iso()),
            ("InstanceProfileArn", &profile),
        ])
    }

    fn keys(&self) -> Option<String> {
        let keys = self.credentials.current();
        let now = self.now();
        let end = self
            .credentials
            .expires()
            .unwrap_or_else(|| now.plus_seconds(UNKNOWN_LIFE_SECONDS));
        let token = keys.session_token?;
        Some(pretty(&[
            ("Code", "Success"),
            ("LastUpdated", &now.to_iso()),
            ("Type", "AWS-HMAC"),
            ("AccessKeyId", &keys.access_key_id),
            ("SecretAccessKey", keys.secret_access_key.expose()),
            ("Token", token.expose()),
            ("Expiration", &end.to_iso()),
        ]))
    }
}

/// As EC2 lays JSON out.
fn pretty(members: &[(&str, &str)]) -> String {
    let lines: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("  \"{name}\" : {}", json!(value)))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn text(body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn status(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = text(format!("{} - {reason}\n", status.as_u16()));
    *answer.status_mut() = status;
    answer
}
