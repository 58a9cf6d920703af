//! `/v2/credentials/<id>` and `/v1/credentials?id=<id>`: the answers of agent.md 1.3.

use futures_util::future::BoxFuture;
use std::net::IpAddr;

use super::Answer;
use super::go_json;
use crate::credentials::{CredentialCache, Known, RoleCredentials, RoleKind};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) address: IpAddr,
    /// The Authorization header.
    pub(crate) authorization: Option<&'a str>,
}

/// Whether the caller belongs to the task whose credentials it asks for. The genuine agent never asks.
pub(crate) trait Admission: Send + Sync {
    /// True when it does.
    fn admits<'a>(&'a self, caller: Caller<'a>, task_arn: &'a str, kind: RoleKind) -> BoxFuture<'a, bool>;
}

/// Admits everybody, as the genuine agent does: `--compat`.
#[derive(Debug)]
pub(crate) struct Anyone;

impl Admission for Anyone {
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
    pub(crate) granted: Option<Known>,
}

/// Looks the id up in the genuine agent's order: no id, keys still to come, unknown. A caller of another task gets
/// what an unknown id gets, so that it learns nothing.
pub(crate) async fn fetch(
    cache: &CredentialCache,
    admission: &dyn Admission,
    form: Form,
    id: &str,
    caller: Caller<'_>,
) -> Outcome {
    if id.is_empty() {
        return refusal(form, 400, "NoIdInRequest", "No Credential ID in the request");
    }
    let Some(known) = cache.get(id) else {
        return unknown(form);
    };
    if !admission.admits(caller, &known.task_arn, known.kind).await {
        tracing::warn!(caller = %caller.address, task = %known.task_arn, "credentials of a task were asked for by a stranger");
        return unknown(form);
    }
    match &known.credentials {
        None => refusal(
            form,
            503,
            "CredentialsUninitialized",
            "Credentials uninitialized for ID",
        ),
        Some(credentials) => Outcome {
            answer: Answer::json(200, document(credentials)),
            granted: Some(known),
        },
    }
}

fn unknown(form: Form) -> Outcome {
    refusal(form, 400, "InvalidIdInRequest", "Credentials not found")
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

fn document(credentials: &RoleCredentials) -> String {
    go_json::object(&[
        ("RoleArn", &credentials.role_arn),
        ("AccessKeyId", &credentials.access_key_id),
        ("SecretAccessKey", credentials.secret_access_key.expose()),
        ("Token", credentials.session_token.expose()),
        ("Expiration", &credentials.expiration),
    ])
}
