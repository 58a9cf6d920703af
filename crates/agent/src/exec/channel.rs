//! The control channel of one container: opened with the task's credentials, kept open, reported when it comes and goes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt as _;
use portcullis_core::{Secret, uuid};
use portcullis_wire::session::document::{
    AgentTask, CreateChannel, Document as _, HEEDS_INPUTS, OpenChannel, SCHEMA_VERSION, SessionOrder,
};
use portcullis_wire::session::{
    AgentMessage, CONTROL_CHANNEL_PATH, DATA_CHANNEL_PATH, MessageType, SIGNING_NAME,
};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::{Parts, Place, presence, session};
use crate::plane::backoff::Backoff;
use crate::plane::{CallError, Refusal, Signing, Socket, open_path};

const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// A role may be given its permissions later; AWS's agent tries for ever too.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Between looks for the task's credentials.
const KEYS_PAUSE: Duration = Duration::from_millis(500);

/// Why a channel did not open.
#[derive(Debug, Error)]
pub(super) enum NoChannel {
    #[error("the task has no role, or its credentials are not there yet")]
    Keys,
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    #[error("{0}")]
    Socket(#[from] Refusal),
    #[error("the channel's token cannot be read")]
    Answer,
    #[error("the channel broke")]
    Broken,
}

/// Holds the container's channel until dropped. Sessions end with it.
pub(super) async fn hold(parts: Arc<Parts>, place: Place) {
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, 2.0);
    let mut told = String::new();
    loop {
        let failure = match open(&parts, &place, CONTROL_CHANNEL_PATH, &place.target()).await {
            Ok(socket) => {
                told.clear();
                backoff.reset();
                let report = parts.report(&place, "RUNNING", None);
                let served = serve(&parts, &place, socket);
                tokio::join!(report, served).1.to_string()
            }
            Err(NoChannel::Keys) => {
                tokio::time::sleep(KEYS_PAUSE).await;
                continue;
            }
            Err(failure) => failure.to_string(),
        };
        tracing::warn!(
            task = place.task_arn,
            container = place.container.name,
            failure,
            "Execute Command is not available"
        );
        if told != failure {
            parts.report(&place, "STOPPED", Some(failure.clone())).await;
            told = failure;
        }
        tokio::time::sleep(backoff.pause(parts.random.as_ref())).await;
    }
}

/// Opens a channel: a signed request for a token, a signed websocket, the token.
pub(super) async fn open(parts: &Parts, place: &Place, path: &str, id: &str) -> Result<Socket, NoChannel> {
    let keys = parts.keys(place).ok_or(NoChannel::Keys)?;
    let signing = Signing::Task(&keys, SIGNING_NAME);
    let is_data = path == DATA_CHANNEL_PATH;
    let client_id = is_data.then(|| uuid(parts.random.as_ref()));
    let body = CreateChannel {
        message_schema_version: SCHEMA_VERSION.to_owned(),
        request_id: uuid(parts.random.as_ref()),
        client_id: client_id.clone(),
    };
    let headers = vec![("content-type", "application/json".to_owned())];
    let path = format!("{path}{id}");
    let (status, answer) = parts.plane.post(signing, &path, headers, body.to_json()).await?;
    let token_value = token(status, &answer)?;
    let role = if is_data { "publish_subscribe" } else { "subscribe" };
    let mut socket = open_path(&parts.plane, signing, &format!("{path}?role={role}&stream=input")).await?;
    let opening = OpenChannel {
        message_schema_version: SCHEMA_VERSION.to_owned(),
        request_id: uuid(parts.random.as_ref()),
        token_value,
        client_id,
        client_version: None,
        heeds: match is_data {
            true => Vec::new(),
            false => vec![HEEDS_INPUTS.to_owned()],
        },
    };
    let text = String::from_utf8_lossy(&opening.to_json()).into_owned();
    socket
        .send(Message::text(text))
        .await
        .map_err(|_| NoChannel::Broken)?;
    Ok(socket)
}

/// The token of an XML document, or the service's error in JSON.
fn token(status: u16, answer: &[u8]) -> Result<Secret, NoChannel> {
    let text = std::str::from_utf8(answer).map_err(|_| NoChannel::Answer)?;
    if !(200..300).contains(&status) {
        let error: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let word = |names: &[&str]| {
            let mut found = names.iter().filter_map(|name| error.get(*name)?.as_str());
            found.next().unwrap_or_default().to_owned()
        };
        return Err(NoChannel::Refused {
            code: word(&["__type", "code", "Code"]),
            message: word(&["message", "Message"]),
        });
    }
    let (_, rest) = text.split_once("<TokenValue>").ok_or(NoChannel::Answer)?;
    let (token, _) = rest.split_once("</TokenValue>").ok_or(NoChannel::Answer)?;
    Ok(Secret::new(token))
}

/// Takes orders until the channel breaks, or nothing says any more that the control plane is there.
async fn serve(parts: &Arc<Parts>, place: &Place, mut socket: Socket) -> NoChannel {
    let mut sessions = JoinSet::new();
    let mut pulse = parts.pulse();
    loop {
        let message = tokio::select! {
            message = presence::next(&mut socket, &mut pulse) => message,
            Some(_) = sessions.join_next() => continue,
        };
        let frame = match message {
            Some(Ok(Message::Binary(frame))) => frame,
            None | Some(Err(_) | Ok(Message::Close(_))) => return NoChannel::Broken,
            Some(Ok(_)) => continue,
        };
        match AgentMessage::parse(&frame) {
            Ok(message) if message.kind == MessageType::InteractiveShell => {
                if let Some(order) = order(&message) {
                    sessions.spawn(session::serve(Arc::clone(parts), place.clone(), order));
                }
            }
            Ok(message) => tracing::debug!(kind = message.kind.as_str(), "not an order"),
            Err(error) => tracing::debug!(%error, "the control plane sent what is no frame"),
        }
    }
}

fn order(message: &AgentMessage) -> Option<SessionOrder> {
    let task = AgentTask::from_json(&message.payload)?;
    SessionOrder::from_json(task.content.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_and_a_refusal_is_told() {
        let good = "<CreateDataChannelResponse><TokenValue>t0k</TokenValue></CreateDataChannelResponse>";
        assert_eq!(token(201, good.as_bytes()).unwrap().expose(), "t0k");
        let refused = br#"{"__type":"AccessDeniedException","message":"no"}"#;
        let error = token(403, refused).unwrap_err();
        assert_eq!(error.to_string(), "AccessDeniedException: no");
        for nothing in [&b"<a/>"[..], b"<TokenValue>", &[0xff]] {
            assert!(matches!(token(200, nothing), Err(NoChannel::Answer)));
        }
    }
}
