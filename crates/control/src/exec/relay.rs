//! A session: passes frames between client and host. Both number and acknowledge what they stream between themselves;
//! what is between is only asked which kind each frame is, so that neither end can play the other's part.

use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis_wire::session::document::{AgentTaskComplete, Document as _};
use portcullis_wire::session::{AgentMessage, MessageError, MessageType};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::channel::{close, farewell, send};
use super::desk::{Side, Subject};
use super::{Socket, presence};
use crate::gate::Gate;

/// Why a session ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client went.
    Client,
    /// The host went without a word, or fell silent.
    Host,
    /// The command ended; the host's words, if it had any.
    Done(String),
    /// An end spoke another language.
    Malformed(Side),
    /// Nothing was said for too long.
    Idle,
    /// The container is no more.
    Stopped,
    /// The caller's permission or credentials have ended.
    Refused,
}

/// What the person at the terminal reads whose permission has ended.
pub(super) const REFUSED: &str =
    "The session was ended because its credentials or its permission for ecs:ExecuteCommand have ended.";

impl End {
    /// What the person at the terminal reads; nothing for an ordinary end.
    fn words(&self) -> String {
        match self {
            Self::Done(words) => words.clone(),
            Self::Client => String::new(),
            Self::Host => "The connection to the container was lost.".to_owned(),
            Self::Malformed(_) => {
                "The session was ended because of a message that could not be read.".to_owned()
            }
            Self::Idle => "Your session timed out due to inactivity.".to_owned(),
            Self::Stopped => "The container has stopped.".to_owned(),
            Self::Refused => REFUSED.to_owned(),
        }
    }
}

/// What is to be done with what came.
enum Step {
    /// To the other end; `said` when it counts as life in the session, which receipts do not.
    Pass { frame: Vec<u8>, said: bool },
    /// Nothing.
    Keep,
    /// No more.
    End(End),
}

/// Serves a session from the moment both ends are there.
pub(super) async fn run(gate: &Gate, session: &str, subject: &Subject, mut client: Socket, mut host: Socket) {
    let limits = gate.exec().limits;
    tracing::info!(session, container = subject.container.name, "a session began");
    let mut check = Instant::now();
    let mut idle = check + limits.idle;
    // A client may be put to sleep for a while; a host must be there.
    let mut pulse = presence::pulse(limits.silence);
    let end = loop {
        // Before what is next is taken, so that neither haste nor a slow end puts it off.
        if Instant::now() >= check {
            if let Some(end) = has_ended(gate, subject) {
                break end;
            }
            check = Instant::now() + limits.check;
        }
        let (from, step) = tokio::select! {
            message = client.next() => (Side::Client, taken(Side::Client, message)),
            message = presence::next(&mut host, &mut pulse) => (Side::Host, taken(Side::Host, message)),
            () = sleep_until(check) => continue,
            () = sleep_until(idle) => break End::Idle,
        };
        match step {
            Step::End(end) => break end,
            Step::Keep => {}
            Step::Pass { frame, said } => {
                if said {
                    idle = Instant::now() + limits.idle;
                }
                let (to, lost) = match from {
                    Side::Client => (&mut host, End::Host),
                    Side::Host => (&mut client, End::Client),
                };
                if !send(to, frame).await {
                    break lost;
                }
            }
        }
    };
    // A host that ends a container ends its sessions, too, and may do so before the next check.
    let is_stopped = || !subject.container.takes_sessions(&gate.world().view());
    let end = match end {
        End::Host if is_stopped() => End::Stopped,
        other => other,
    };
    tracing::info!(session, ?end, "a session ended");
    finish(gate, session, client, host, &end).await;
}

/// Whether something outside the session has ended it.
fn has_ended(gate: &Gate, subject: &Subject) -> Option<End> {
    if !subject.container.takes_sessions(&gate.world().view()) {
        return Some(End::Stopped);
    }
    (!(subject.permission)(gate)).then_some(End::Refused)
}

async fn finish(gate: &Gate, session: &str, client: Socket, host: Socket, end: &End) {
    let words = end.words();
    let to_client = async {
        match end {
            End::Client => close(client).await,
            _ => farewell(gate, client, session, &words).await,
        }
    };
    let to_host = async {
        match end {
            End::Host | End::Done(_) => close(host).await,
            _ => farewell(gate, host, session, "").await,
        }
    };
    // An end that does not listen any more must not hold up the other.
    let both = async { tokio::join!(to_client, to_host) };
    let _ = tokio::time::timeout(Duration::from_secs(10), both).await;
}

fn taken(side: Side, message: Option<Result<Message, Error>>) -> Step {
    let gone = match side {
        Side::Client => End::Client,
        Side::Host => End::Host,
    };
    let bytes = match message {
        None | Some(Err(_) | Ok(Message::Close(_))) => return Step::End(gone),
        Some(Ok(Message::Binary(bytes))) => bytes,
        // Pings are answered by the websocket itself.
        Some(Ok(_)) => return Step::Keep,
    };
    let message = match AgentMessage::parse(&bytes) {
        Ok(message) => message,
        // A newer program may know more kinds.
        Err(MessageError::UnknownType) => return Step::Keep,
        Err(error) => {
            tracing::info!(%error, ?side, "an end of a session sent what is no frame");
            return Step::End(End::Malformed(side));
        }
    };
    match (side, message.kind) {
        (_, MessageType::Acknowledge)
        | (Side::Client, MessageType::InputStreamData)
        | (
            Side::Host,
            MessageType::OutputStreamData | MessageType::StartPublication | MessageType::PausePublication,
        ) => Step::Pass {
            frame: bytes.into(),
            said: matches!(
                message.kind,
                MessageType::InputStreamData | MessageType::OutputStreamData
            ),
        },
        (Side::Host, MessageType::AgentTaskComplete) => {
            let complete = AgentTaskComplete::from_json(&message.payload).unwrap_or_default();
            Step::End(End::Done(complete.output))
        }
        _ => Step::Keep,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{SeededRandom, Timestamp};

    use super::super::desk::frame;
    use super::*;

    fn step(side: Side, kind: MessageType) -> &'static str {
        let frame = frame(
            kind,
            Vec::new(),
            Timestamp::from_seconds(1),
            &SeededRandom::new(1),
        );
        match taken(side, Some(Ok(Message::binary(frame)))) {
            Step::Pass { .. } => "pass",
            Step::Keep => "keep",
            Step::End(_) => "end",
        }
    }

    #[test]
    fn neither_end_can_play_the_others_part() {
        use MessageType::{
            Acknowledge, AgentTaskComplete, ChannelClosed, InputStreamData, InteractiveShell,
            OutputStreamData, PausePublication,
        };
        for (kind, from_client, from_host) in [
            (InputStreamData, "pass", "keep"),
            (OutputStreamData, "keep", "pass"),
            (Acknowledge, "pass", "pass"),
            (PausePublication, "keep", "pass"),
            (AgentTaskComplete, "keep", "end"),
            (ChannelClosed, "keep", "keep"),
            (InteractiveShell, "keep", "keep"),
        ] {
            assert_eq!(step(Side::Client, kind), from_client, "{kind:?}");
            assert_eq!(step(Side::Host, kind), from_host, "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_the_session() {
        let taken = taken(Side::Client, Some(Ok(Message::binary(vec![0; 119]))));
        assert!(matches!(taken, Step::End(End::Malformed(Side::Client))));
    }
}
