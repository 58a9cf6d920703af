//! The doors of channels: two signed requests that give tokens, two websockets that take them.

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use percent_encoding::percent_decode_str;
use portcullis_core::{Secret, uuid};
use portcullis_wire::Reply;
use portcullis_wire::session::{CONTROL_CHANNEL_PATH, DATA_CHANNEL_PATH};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::desk::Side;
use super::{SERVICE, Target, channel};
use crate::accounts::Accounts;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::server::plain;

/// Largest body of a request that makes a channel.
const BODY_BYTES_MAX: usize = 16 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The two kinds of channels, with the id the path names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Of a container: `ecs:CLUSTER_TASK_RUNTIMEID`.
    Control(String),
    /// Of a session.
    Data(String),
}

impl Named {
    fn of(path: &str) -> Option<Self> {
        let id = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().ok()?.into_owned();
            (!text.is_empty() && !text.contains('/')).then_some(text)
        };
        match (
            path.strip_prefix(CONTROL_CHANNEL_PATH),
            path.strip_prefix(DATA_CHANNEL_PATH),
        ) {
            (Some(rest), _) => id(rest).map(Self::Control),
            (_, Some(rest)) => id(rest).map(Self::Data),
            _ => None,
        }
    }

    fn created(&self) -> (&'static str, &'static str) {
        match self {
            Self::Control(_) => ("CreateControlChannel", "ssmmessages:CreateControlChannel"),
            Self::Data(_) => ("CreateDataChannel", "ssmmessages:CreateDataChannel"),
        }
    }

    fn opened(&self) -> (&'static str, &'static str) {
        match self {
            Self::Control(_) => ("OpenControlChannel", "ssmmessages:OpenControlChannel"),
            Self::Data(_) => ("OpenDataChannel", "ssmmessages:OpenDataChannel"),
        }
    }

    /// The container it is about, as far as `call`'s region has it.
    fn target(&self, gate: &Gate, call: &Call) -> Option<Target> {
        let view = gate.world().view();
        match self {
            Self::Control(name) => Target::find(&view, &call.region, name),
            Self::Data(session) => {
                let container = gate.exec().subject(session)?.container;
                let task = Arc::clone(view.ecs.tasks.get(&container.task)?);
                container
                    .takes_sessions(&view)
                    .then_some(Target { task, container })
            }
        }
    }
}

/// Whether a request is about a channel.
pub(crate) fn is_for(path: &str) -> bool {
    Named::of(path).is_some()
}

/// Answers a request about a channel.
pub(crate) async fn serve(
    accounts: &Accounts,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Full<Bytes>> {
    let Some(named) = Named::of(request.uri().path()) else {
        return plain(404, "404 page not found\n");
    };
    let doors = match &named {
        Named::Data(session) => accounts.with_session(session),
        Named::Control(_) => Some(accounts.called(request.headers(), request.uri())),
    };
    let Some(gate) = doors.map(|doors| Arc::clone(&doors.gate)) else {
        return plain(404, "404 page not found\n");
    };
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade(gate, named, request, peer).await;
    }
    if request.method() != Method::POST {
        return plain(405, "405 method not allowed\n");
    }
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => create(&gate, &named, &parts, &body.to_bytes(), peer).await,
        Ok(Err(_)) => plain(400, "Bad Request"),
        Err(_) => plain(408, "Request Timeout"),
    }
}

/// CreateControlChannel and CreateDataChannel.
async fn create(gate: &Gate, named: &Named, parts: &Parts, body: &[u8], peer: Peer) -> Response<Full<Bytes>> {
    let request_id = uuid(gate.world().random().as_ref());
    let (operation, action) = named.created();
    let made = async {
        let call = call(gate, operation, parts, body, peer, &request_id)?;
        let target = admit(gate, named, &call, action).await?;
        let (desk, random) = (gate.exec(), gate.world().random().as_ref());
        match named {
            Named::Control(_) => Ok(desk.channel_token(&target.container, call.now, random)),
            Named::Data(session) => desk.host_token(session, random).ok_or_else(not_found),
        }
    };
    match made.await {
        Ok(token) => token_document(operation, &token),
        Err(error) => refused(&error, &request_id),
    }
}

/// The caller and the facts, from a signed request.
fn call(
    gate: &Gate,
    operation: &'static str,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    request_id: &str,
) -> Result<Call, ServiceError> {
    let who = gate.authenticate(&gate.world().view(), &SERVICE, parts, body)?;
    Ok(gate.call(who, &SERVICE, operation, parts, peer, request_id))
}

/// May it: the task's own credentials, with the permission. Recorded either way.
async fn admit(
    gate: &Gate,
    named: &Named,
    call: &Call,
    action: &'static str,
) -> Result<Target, ServiceError> {
    let target = named.target(gate, call);
    let check = match &target {
        Some(target) => target.check(action),
        None => crate::gate::operation::Check::new(action, "*"),
    };
    gate.check(call, std::slice::from_ref(&check)).await?;
    let found = target.ok_or_else(not_found);
    let nothing = || serde_json::Value::Null;
    let outcome = match &found {
        Ok(_) => Outcome::Answered(&nothing),
        Err(error) => Outcome::Refused(error),
    };
    gate.record(call, true, Some(parameters(named)), &outcome).await;
    found
}

fn parameters(named: &Named) -> serde_json::Value {
    match named {
        Named::Control(id) => json!({ "channelId": id }),
        Named::Data(id) => json!({ "sessionId": id }),
    }
}

fn not_found() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 404, "The channel does not exist.")
}

/// Opens a channel. Who signs as the task is its host; everybody else must be the client a session was made for, which
/// only its token can tell.
async fn upgrade(
    gate: Arc<Gate>,
    named: Named,
    mut request: Request<Incoming>,
    peer: Peer,
) -> Response<Full<Bytes>> {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let Some(key) = parts.headers.get(header::SEC_WEBSOCKET_KEY) else {
        return plain(400, "Bad Request");
    };
    let response = switching(key);
    let request_id = uuid(gate.world().random().as_ref());
    let (operation, action) = named.opened();
    let call = call(&gate, operation, &parts, b"", peer, &request_id);
    let host = match (&named, call) {
        (Named::Control(_), Err(error)) => return refused(&error, &request_id),
        (Named::Control(_), Ok(call)) => Some(call),
        (Named::Data(_), call) => call.ok().filter(|call| {
            let target = named.target(&gate, call);
            target.is_some_and(|target| target.is_own(call))
        }),
    };
    let side = match host {
        None => None,
        Some(call) => match admit(&gate, &named, &call, action).await {
            Ok(target) => Some((target, call)),
            Err(error) => return refused(&error, &request_id),
        },
    };
    tokio::spawn(async move {
        let Ok(upgraded) = on_upgrade.await else { return };
        let socket = super::socket(upgraded).await;
        match (named, side) {
            (Named::Control(_), Some((target, call))) => channel::control(&gate, &target, call, socket).await,
            (Named::Data(session), Some(_)) => channel::data(&gate, &session, Side::Host, socket).await,
            (Named::Data(session), None) => channel::data(&gate, &session, Side::Client, socket).await,
            (Named::Control(_), None) => {}
        }
    });
    response
}

fn switching(key: &HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The answer that carries a token; AWS's agent reads XML here.
fn token_document(operation: &str, token: &Secret) -> Response<Full<Bytes>> {
    let text = format!(
        "<{operation}Response><MessageSchemaVersion>1.0</MessageSchemaVersion><TokenValue>{}</TokenValue></{operation}Response>",
        token.expose()
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::CREATED;
    let kind = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// With the code in the body too: who opens a websocket sees little else.
fn refused(error: &ServiceError, request_id: &str) -> Response<Full<Bytes>> {
    let reply: Reply = portcullis_wire::encode_error(&SERVICE, &error.reply(), request_id);
    let body = json!({ "__type": error.code(), "message": error.message() }).to_string();
    Response::<Vec<u8>>::from(reply).map(|_| Full::new(Bytes::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_the_channel() {
        let control = |id: &str| Some(Named::Control(id.to_owned()));
        let data = |id: &str| Some(Named::Data(id.to_owned()));
        for (path, named) in [
            ("/v1/control-channel/ecs:a_b_c", control("ecs:a_b_c")),
            ("/v1/control-channel/ecs%3Aa_b_c", control("ecs:a_b_c")),
            (
                "/v1/data-channel/ecs-execute-command-0",
                data("ecs-execute-command-0"),
            ),
            ("/v1/data-channel/", None),
            ("/v1/data-channel/a/b", None),
            ("/v1/data-channel/a%2Fb", None),
            ("/v1/data-channel/%ff", None),
            ("/v2/data-channel/a", None),
            ("/acs/ws", None),
        ] {
            assert_eq!(Named::of(path), named, "{path}");
        }
    }
}
