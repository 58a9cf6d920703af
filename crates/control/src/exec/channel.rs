//! An open websocket: its first text is the token; a control channel then carries orders, a data channel a session.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_core::Timestamp;
use portcullis_wire::session::document::{ChannelClosed, Document as _, OpenChannel};
use portcullis_wire::session::{AgentMessage, MessageType};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::desk::{self, Joined, Side};
use super::{Socket, Target, presence, relay};
use crate::gate::Gate;
use crate::gate::call::Call;

/// How long the token may take after the websocket is open.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a frame may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The permission a control channel must keep.
const OPEN_CONTROL: &str = "ssmmessages:OpenControlChannel";

async fn opening(socket: &mut Socket) -> Option<OpenChannel> {
    let first = async {
        loop {
            match socket.next().await? {
                Ok(Message::Text(text)) => return OpenChannel::from_json(text.as_bytes()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    };
    timeout(TOKEN_TIMEOUT, first).await.ok().flatten()
}

pub(super) async fn send(socket: &mut Socket, frame: Vec<u8>) -> bool {
    let sent = timeout(WRITE_TIMEOUT, socket.send(Message::binary(frame))).await;
    matches!(sent, Ok(Ok(())))
}

pub(super) async fn close(mut socket: Socket) {
    let _ = timeout(WRITE_TIMEOUT, socket.close(None)).await;
}

/// Tells an end that the session is over, and why.
pub(super) async fn farewell(gate: &Gate, mut socket: Socket, session: &str, why: &str) {
    let (random, now) = (gate.world().random().as_ref(), now(gate));
    let closed = ChannelClosed {
        message_id: desk::document_id(random),
        created_date: now.as_millis().to_string(),
        destination_id: String::new(),
        session_id: session.to_owned(),
        message_type: MessageType::ChannelClosed.as_str().to_owned(),
        schema_version: 1,
        output: why.to_owned(),
    };
    send(
        &mut socket,
        desk::frame(MessageType::ChannelClosed, closed.to_json(), now, random),
    )
    .await;
    close(socket).await;
}

pub(super) fn now(gate: &Gate) -> Timestamp {
    gate.world().clock().now()
}

/// Serves the control channel of a container until it ends: the host goes or falls silent, a newer channel comes, the
/// container stops, or the role loses its permission.
pub(super) async fn control(gate: &Gate, target: &Target, call: Call, mut socket: Socket) {
    let opened = opening(&mut socket).await;
    let desk = gate.exec();
    let opened = opened.and_then(|open| desk.open_channel(&target.container, &open, now(gate)));
    let Some(mut channel) = opened else {
        tracing::info!(task = %target.task.arn, "a control channel was opened without its token");
        close(socket).await;
        return;
    };
    let mut check = interval(desk.limits.check);
    let mut pulse = presence::pulse(desk.limits.silence);
    loop {
        tokio::select! {
            order = channel.orders.recv() => match order {
                Some(frame) => if !send(&mut socket, frame).await { break },
                None => break,
            },
            message = presence::next(&mut socket, &mut pulse) => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(message)) => note(&message),
            },
            _ = check.tick() => if !is_still_good(gate, target, &call) { break },
        }
    }
    desk.close_channel(&target.container, channel.generation);
    tracing::debug!(task = %target.task.arn, container = target.container.name, "a control channel ended");
    close(socket).await;
}

/// Hosts acknowledge orders; nothing hangs on it, because a session whose host does not come is given up.
fn note(message: &Message) {
    if let Message::Binary(frame) = message
        && let Err(error) = AgentMessage::parse(frame)
    {
        tracing::debug!(%error, "a host sent what is no frame");
    }
}

/// Whether the container still runs and its task's role still may: policies can change while a channel is open.
fn is_still_good(gate: &Gate, target: &Target, call: &Call) -> bool {
    let checks = [target.check(OPEN_CONTROL)];
    target.container.takes_sessions(&gate.world().view()) && gate.still_allows(call, &checks)
}

/// Brings one end into its session, and serves the session when it is the second.
pub(super) async fn data(gate: &Gate, session: &str, side: Side, mut socket: Socket) {
    let desk = gate.exec();
    let Some(opening) = opening(&mut socket).await else {
        close(socket).await;
        return;
    };
    match desk.join(session, side, &opening.token_value, socket, now(gate)) {
        Joined::Stranger(socket) => {
            tracing::info!(session, ?side, "a data channel was opened without its token");
            close(*socket).await;
        }
        Joined::Waits => {
            let is_allowed = desk.subject(session).is_some_and(|one| (one.permission)(gate));
            let why = if is_allowed {
                tokio::time::sleep(desk.limits.pending).await;
                "The other end of the session did not connect in time."
            } else {
                relay::REFUSED
            };
            if let Some((_, socket)) = desk.give_up(session) {
                farewell(gate, socket, session, why).await;
            }
        }
        Joined::Both(ends) => {
            if let Some(subject) = desk.subject(session) {
                relay::run(gate, session, &subject, ends.client, ends.host).await;
            }
            desk.end(session);
        }
    }
}
