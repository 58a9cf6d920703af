//! The two websockets of the control plane: ACS (tasks and credentials) and TCS (telemetry), agent.md 5.2 and 5.3.

mod acs;
mod handler;
mod shipping;
mod tcs;

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, Random};
use tokio_tungstenite::tungstenite::Error as SocketError;

pub(crate) use self::acs::AcsSession;
pub(crate) use self::handler::Handler;
pub(crate) use self::tcs::{TcsSession, Telemetry};
use crate::plane::{ControlPlane, PollEndpoints};

/// Who this agent is, and how it reaches the control plane; the same for both websockets.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) plane: ControlPlane,
    pub(crate) endpoints: Arc<PollEndpoints>,
    /// As configured.
    pub(crate) cluster: String,
    pub(crate) container_instance_arn: String,
    pub(crate) agent_version: String,
    /// The engine, in the words of the query.
    pub(crate) docker_version: String,
    /// A websocket on which nothing comes for this long, by chance up to twice as long, is opened anew.
    pub(crate) silence: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In an orderly way, or by its age: connect again at once.
    Valid,
    /// Connect again after a pause.
    Broken,
}

/// A connection that stood this long resets the pauses.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// One shorter than this is never followed at once, whatever its end: the other side may be looping.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// Close codes 1000, 1001, 1006 (the connection was cut) and 1011 are orderly ends.
fn end_of(error: &SocketError) -> End {
    match error {
        SocketError::ConnectionClosed | SocketError::AlreadyClosed | SocketError::Io(_) => End::Valid,
        SocketError::Protocol(problem) if problem.to_string().contains("without closing handshake") => {
            End::Valid
        }
        _ => End::Broken,
    }
}

fn end_of_close(code: Option<u16>) -> End {
    match code {
        None | Some(1000 | 1001 | 1006 | 1011) => End::Valid,
        Some(_) => End::Broken,
    }
}
