//! The agents' protocol, server side: websockets for tasks and credentials (ACS) and for telemetry (TCS).
//!
//! An agent is authenticated by the signature of its upgrade request and authorised for one container instance. Each
//! instance has at most one live ACS session; a new one ends the old. Only the principal that registered an instance
//! opens its sessions, and a session sends only what was placed on its instance: knowing an instance role's keys opens
//! no other instance's tasks (the lesson of ECScape).

mod credentials;
mod docker;
mod handshake;
mod outbox;
mod payload;
mod registry;
mod session;
mod telemetry;
mod timing;

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use portcullis_core::uuid;
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::services::ecs::registrant::owner;

use handshake::{Accepted, Channel, Opening, Refusal};
use registry::Registry;
pub use timing::Timing;

/// The socket of one agent.
type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Largest frame of an agent: ten tasks' metrics fill a megabyte (agent.md 5.3).
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
const BUFFER_BYTES: usize = 8 * 1024;

/// The connected agents.
#[derive(Debug)]
pub struct Agents {
    gate: Arc<Gate>,
    registry: Arc<Registry>,
    timing: Timing,
}

impl Agents {
    /// No agent yet.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self::with_timing(gate, Timing::default())
    }

    /// No agent yet; heartbeats and checks as often as said.
    pub fn with_timing(gate: Arc<Gate>, timing: Timing) -> Self {
        Self {
            gate,
            registry: Arc::default(),
            timing,
        }
    }

    /// Answers a websocket upgrade of an agent.
    pub async fn upgrade(&self, mut request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let Some(channel) = Channel::of(request.uri().path()) else {
            return crate::server::plain(404, "404 page not found\n");
        };
        let on_upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        let opening = match Opening::read(channel, &parts) {
            Ok(opening) => opening,
            Err(refusal) => return refusal.response(),
        };
        let accepted = match self.admit(&opening, &parts, peer).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                tracing::info!(instance = opening.instance, %refusal, "an agent was refused");
                return refusal.response();
            }
        };
        let session = Session {
            gate: Arc::clone(&self.gate),
            timing: self.timing,
            opening: opening.clone(),
            accepted,
            parts,
        };
        let registry = Arc::clone(&self.registry);
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => session.run(socket(upgraded).await, &registry).await,
                Err(error) => tracing::debug!(%error, "a websocket did not open"),
            }
        });
        opening.response()
    }

    /// Who is it, may it, and is the instance still there.
    async fn admit(
        &self,
        opening: &Opening,
        parts: &http::request::Parts,
        peer: Peer,
    ) -> Result<Accepted, Refusal> {
        let service = &portcullis_api::ecs::SERVICE;
        let view = self.gate.world().view();
        let who = self.gate.authenticate(&view, service, parts, b"")?;
        let request_id = uuid(self.gate.world().random().as_ref());
        let operation = opening.channel.operation();
        let call = Arc::new(self.gate.call(who, service, operation, parts, peer, &request_id));
        let named = opening.name(&call)?;
        let check = named.check(&view, opening.channel.action());
        self.gate.check(&call, std::slice::from_ref(&check)).await?;
        let outcome = named.accept(&self.gate.world().view(), &call, check);
        let recorded = match &outcome {
            Ok(_) => Outcome::Answered(&nothing),
            Err(error) => Outcome::Refused(error),
        };
        self.gate
            .record(&call, true, Some(opening.parameters()), &recorded)
            .await;
        Ok(outcome?)
    }
}

/// How a connection ends whose principal may no longer. Not an orderly end: after those agents come back at once
/// (agent.md 5.2).
fn refused() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Policy,
        reason: Utf8Bytes::from_static("AccessDeniedException"),
    }
}

/// The response of an upgrade: what follows is no record's matter.
fn nothing() -> Value {
    Value::Null
}

async fn socket(upgraded: hyper::upgrade::Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// An agent's connection about to begin.
struct Session {
    gate: Arc<Gate>,
    timing: Timing,
    opening: Opening,
    accepted: Accepted,
    /// The upgrade request: telemetry frames are signed as repetitions of it.
    parts: http::request::Parts,
}

impl Session {
    async fn run(self, socket: Socket, registry: &Registry) {
        match self.opening.channel {
            Channel::Acs => session::run(self, socket, registry).await,
            Channel::Tcs => telemetry::run(self, socket).await,
        }
    }

    /// Whether the caller still may: policies, keys and sessions can end while a connection lives, and so can the owner of
    /// an instance change whose record is older than owners.
    fn is_still_allowed(&self) -> bool {
        let view = self.gate.world().view();
        let instance = view.ecs.container_instances.get(&self.accepted.key);
        let check = self
            .accepted
            .check
            .clone()
            .only_for(instance.and_then(|instance| owner(instance)));
        self.gate
            .still_allows(&self.accepted.call, std::slice::from_ref(&check))
    }
}
