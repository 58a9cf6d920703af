//! `/v2/credentials/<id>` and `/v1/credentials?id=<id>`: the answers of agent.md 1.3.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use portcullis_core::Timestamp;

use super::{Answer, Remote, go_json};
use crate::credentials::{CredentialCache, Known, RoleCredentials, RoleKind};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) remote: &'a Remote,
    /// The Authorization header.
    pub(crate) authorization: Option<&'a str>,
}

impl Caller<'_> {
    /// The address it asks from.
    pub(crate) fn address(&self) -> IpAddr {
        self.remote.address.ip().to_canonical()
    }
}

/// Whether the caller belongs to the task whose credentials it asks for. The genuine agent never asks.
pub(crate) trait Admission: Send + Sync {
    /// The answer, when it takes nothing but what is in memory.
    fn at_once(&self, _: Caller<'_>, _task_arn: &str, _: RoleKind) -> Option<bool> {
        None
    }

    /// True when it does.
    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, kind: RoleKind) -> BoxFuture<'a, bool>;
}

/// Admits everybody, as the genuine agent does: `--compat`.
#[derive(Debug)]
pub(crate) struct Anyone;

impl Admission for Anyone {
    fn at_once(&self, _: Caller<'_>, _: &str, _: RoleKind) -> Option<bool> {
        Some(true)
    }

    fn admits<'a>(&'a self, _: Caller<'a>, _: &'a str, _: RoleKind) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }
}

/// The form of the request; decides the prefix of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `/v1/credentials?id=`
    V1,
    /// `/v2/credentials/`
    V2,
}

/// The answer, and whom it served.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) granted: Option<Arc<Known>>,
}

/// Hands out what the cache holds.
pub(crate) struct Counter<'a> {
    pub(crate) cache: &'a CredentialCache,
    pub(crate) admission: &'a dyn Admission,
    /// Credentials that have ended are handed out on, as the genuine agent does.
    pub(crate) compat: bool,
    pub(crate) now: Timestamp,
}

impl Counter<'_> {
    /// Looks the id up in the genuine agent's order: no id, keys still to come, unknown. A caller of another task gets
    /// what an unknown id gets, so that it learns nothing.
    pub(crate) async fn fetch(&self, form: Form, id: &str, caller: Caller<'_>) -> Outcome {
        if id.is_empty() {
            return refusal(form, 400, "NoIdInRequest", "No Credential ID in the request");
        }
        let Some(known) = self.cache.get(id) else {
            return unknown(form);
        };
        let admitted = match self.admission.at_once(caller, &known.task_arn, known.kind) {
            Some(admitted) => admitted,
            None => self.admission.admits(caller, &known.task_arn, known.kind).await,
        };
        if !admitted {
            tracing::warn!(caller = %caller.address(), task = %known.task_arn, "credentials of a task were asked for by a stranger");
            return unknown(form);
        }
        let body = match known.held().as_ref() {
            Some(held) if self.compat || !held.is_expired(self.now) => held.body.clone(),
            _ => return uninitialized(form),
        };
        Outcome {
            answer: Answer::json(200, body),
            granted: Some(known),
        }
    }
}

fn unknown(form: Form) -> Outcome {
    refusal(form, 400, "InvalidIdInRequest", "Credentials not found")
}

/// Also what keys get that have ended while the control plane is away: they are to be sent again.
fn uninitialized(form: Form) -> Outcome {
    let text = "Credentials uninitialized for ID";
    refusal(form, 503, "CredentialsUninitialized", text)
}

fn refusal(form: Form, status: u16, code: &str, text: &str) -> Outcome {
    let code = go_json::quoted(code);
    let message = go_json::quoted(&format!("Credentials{form:?}Request: {text}"));
    let body = format!("{{\"code\":{code},\"message\":{message},\"HTTPErrorCode\":{status}}}");
    Outcome {
        answer: Answer::json(status, body),
        granted: None,
    }
}

/// The document a fetch gets, made once for all fetches.
pub(crate) fn document(credentials: &RoleCredentials) -> Bytes {
    let text = go_json::object(&[
        ("RoleArn", &credentials.role_arn),
        ("AccessKeyId", &credentials.access_key_id),
        ("SecretAccessKey", credentials.secret_access_key.expose()),
        ("Token", credentials.session_token.expose()),
        ("Expiration", &credentials.expiration),
    ]);
    Bytes::from(text)
}
