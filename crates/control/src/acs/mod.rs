//! The agents' protocol, server side: websockets for tasks and credentials (ACS) and for telemetry (TCS).
//!
//! An agent is authenticated by the signature of its upgrade request and authorised for one container instance. Each
//! instance has at most one live ACS session; a new one ends the old. Only the principal that registered an instance
//! opens its sessions, with its agent's key or as an operator approved it (`admission`), and a session sends only what was
//! placed on its instance: knowing an instance role's keys opens no task's (the lesson of ECScape).

mod admission;
mod credentials;
mod docker;
mod firewall;
mod handshake;
mod outbox;
mod payload;
mod registry;
mod session;
mod supplies;
mod telemetry;
mod timing;

use std::sync::Arc;
use std::time::Duration;

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

use crate::agents::alarm;
use crate::gate::call::Call;
use crate::gate::operation::Check;
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::services::ecs::registrant::speaker;
use crate::world::records::ecs::AlertKind;

use admission::{Refused, SECOND_SESSION, denied};
use handshake::{Accepted, Channel, Named, Opening, Refusal};
use registry::{Registry, Turn};
pub use timing::Timing;

/// The socket of one agent.
type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Largest frame of an agent: ten tasks' metrics fill a megabyte (agent.md 5.3).
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
const BUFFER_BYTES: usize = 8 * 1024;
/// How long a new session without a key waits for the end of one that is just going: agents close and come back at once.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
        let (accepted, turn) = match self.admit(&opening, &parts, peer).await {
            Ok(admitted) => admitted,
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
            turn,
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
    ) -> Result<(Accepted, Option<Turn>), Refusal> {
        let service = &portcullis_api::ecs::SERVICE;
        let view = self.gate.world().view();
        let who = self.gate.authenticate(&view, service, parts, b"")?;
        let request_id = uuid(self.gate.world().random().as_ref());
        let operation = opening.channel.operation();
        let call = Arc::new(
            self.gate
                .upgrade_call(who, service, operation, parts, peer, &request_id),
        );
        let named = opening.name(&call)?;
        let check = named.check(&view, &call, opening.channel.action());
        self.gate.check(&call, std::slice::from_ref(&check)).await?;
        let arn = named.arn.clone();
        let outcome = self.accept(named, opening.channel, &call, check).await;
        let recorded = match &outcome {
            Ok(_) => Outcome::Answered(&nothing),
            Err((error, _)) => Outcome::Refused(error),
        };
        self.gate
            .record(&call, true, Some(opening.parameters()), &recorded)
            .await;
        if let Err((error, Some(kind))) = &outcome {
            alarm::raise(self.gate.world(), &call, arn.as_str(), *kind, error.message()).await;
        }
        Ok(outcome.map_err(|(error, _)| error)?)
    }

    /// Lets the agent in, and an agent without a key only where no session of it is open.
    async fn accept(
        &self,
        named: Named,
        channel: Channel,
        call: &Arc<Call>,
        check: Check,
    ) -> Result<(Accepted, Option<Turn>), Refused> {
        let view = self.gate.world().view();
        let accepted = named.accept(&view, call, check, &self.registry.proofs, channel)?;
        if channel == Channel::Tcs || accepted.admission.may_replace() {
            return Ok((accepted, None));
        }
        match self.registry.take_vacant(&accepted.key, LAST_WORDS).await {
            Some(turn) => Ok((accepted, Some(turn))),
            None => Err((
                denied(call, SECOND_SESSION),
                Some(AlertKind::AgentIdentityRefused),
            )),
        }
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
    /// Taken before the connection was answered, where no session may be replaced.
    turn: Option<Turn>,
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
        // An instance that is gone is another matter.
        let is_admitted = instance.is_none_or(|instance| self.accepted.admission.still_holds(instance));
        // What the agent proved when it came needs no new proof.
        let check = self
            .accepted
            .check
            .clone()
            .only_for(instance.and_then(|instance| speaker(instance)));
        is_admitted
            && self
                .gate
                .still_allows(&self.accepted.call, std::slice::from_ref(&check))
    }
}
