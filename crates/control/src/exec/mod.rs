//! Execute Command, server side: brings a client and the host of a container together for a session.
//!
//! The host of a task with Execute Command holds one control channel for each container, opened with the credentials of
//! the task's own role, as AWS's agent inside the container does: a role without `ssmmessages` permissions has no
//! sessions. ExecuteCommand makes a session and sends the order for it over that channel; host and client then each open
//! the session's data channel with a token that is good once, and the two are joined. What they say to each other is
//! passed on, not read.

mod channel;
mod desk;
mod opening;
mod presence;
mod relay;
mod target;

pub use desk::Limits;
pub(crate) use desk::{Begun, Desk, NotBegun, Order, SESSIONS_MAX, Subject};
pub(crate) use opening::{is_for, serve};
pub(crate) use target::{Container, Target};

use std::sync::Arc;

use hyper_util::rt::TokioIo;
use portcullis_wire::session::{FRAME_BYTES_MAX, SIGNING_NAME};
use portcullis_wire::{Protocol, Service};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::gate::Gate;

/// Whether the caller of a session may still have it: asked when an end joins and each second, because keys, users and
/// policies can end before a session does.
pub(crate) type Permission = Arc<dyn Fn(&Gate) -> bool + Send + Sync>;

/// The websocket of a client or a host.
type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Amazon Message Gateway Service: no public model, but IAM actions.
static SERVICE: Service = Service {
    name: SIGNING_NAME,
    signing_name: SIGNING_NAME,
    protocol: Protocol::RestJson,
    target_prefix: "",
    api_version: "",
    xml_namespace: "",
    validation_code: "ValidationException",
    operations: &[],
    routes: &[],
    served: &[],
};

async fn socket(upgraded: hyper::upgrade::Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}
