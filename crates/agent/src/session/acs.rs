//! The ACS websocket, kept open (agent.md 5.2).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_core::Random;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{End, Handler, Peer, STABLE_AFTER, TOO_SHORT, end_of, end_of_close};
use crate::Status;
use crate::credentials::CredentialCache;
use crate::plane::backoff::{Backoff, between};
use crate::plane::{Refusal, Socket, open};

/// The genuine agent waits this long when its instance was deregistered.
const INACTIVE_PAUSE: Duration = Duration::from_secs(60 * 60);
const PROTOCOL_VERSION: &str = "2";

/// The loop around the websocket.
pub(crate) struct AcsSession {
    pub(crate) peer: Peer,
    pub(crate) handler: Handler,
    pub(crate) cache: Arc<CredentialCache>,
    pub(crate) status: watch::Sender<Status>,
    /// Told at every new connection.
    pub(crate) connected: Arc<Notify>,
    /// False while the instance is inactive: TCS stays closed then.
    pub(crate) active: watch::Sender<bool>,
}

impl AcsSession {
    /// Runs until dropped, or until the agent shall be replaced by a newer build.
    pub(crate) async fn run(mut self) {
        let random = Arc::clone(&self.peer.random);
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(120), 1.5);
        let mut first = true;
        loop {
            match self.connect(first).await {
                Ok(socket) => {
                    first = false;
                    let opened = Instant::now();
                    let end = self.converse(socket, random.as_ref()).await;
                    tracing::info!(?end, "ACS connection ended");
                    if self.handler.is_replaced() {
                        return;
                    }
                    if opened.elapsed() >= STABLE_AFTER {
                        backoff.reset();
                    }
                    if end == End::Valid && opened.elapsed() >= TOO_SHORT {
                        continue;
                    }
                }
                Err(Refusal::Inactive(message)) => {
                    tracing::error!(
                        message,
                        "this container instance was deregistered; trying again in an hour; to register it anew, end the agent and remove \
                         its state folder"
                    );
                    self.active.send_replace(false);
                    tokio::time::sleep(INACTIVE_PAUSE).await;
                    self.active.send_replace(true);
                    continue;
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "ACS cannot be reached");
                    self.peer.endpoints.forget().await;
                }
            }
            let pause = backoff.pause(random.as_ref());
            self.peer.plane.rest(pause, random.as_ref()).await;
        }
    }

    async fn connect(&self, first: bool) -> Result<Socket, Refusal> {
        let endpoints = self
            .peer
            .endpoints
            .get()
            .await
            .map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let send_credentials = first || self.cache.is_waiting();
        let query = [
            ("agentHash", "portcullis".to_owned()),
            ("agentVersion", self.peer.agent_version.clone()),
            ("clusterArn", self.peer.cluster.clone()),
            ("containerInstanceArn", self.peer.container_instance_arn.clone()),
            ("dockerVersion", self.peer.docker_version.clone()),
            ("protocolVersion", PROTOCOL_VERSION.to_owned()),
            ("sendCredentials", send_credentials.to_string()),
            ("seqNum", self.handler.timeline().max(1).to_string()),
        ];
        open(&self.peer.plane, "Poll", &endpoints.acs, &query)
            .await
            .map(|(socket, _)| socket)
    }

    async fn converse(&mut self, mut socket: Socket, random: &dyn Random) -> End {
        self.status.send_modify(|status| status.connected = true);
        self.connected.notify_waiters();
        let end = self.exchange(&mut socket, random).await;
        self.status.send_modify(|status| status.connected = false);
        // The server may be gone; its side of the closing is not awaited.
        let _ = tokio::time::timeout(TOO_SHORT, socket.close(None)).await;
        end
    }

    async fn exchange(&mut self, socket: &mut Socket, random: &dyn Random) -> End {
        let minute = Duration::from_secs(60);
        let silence = self.peer.silence;
        let age_max = tokio::time::sleep(between(30 * minute, 5 * minute, random));
        tokio::pin!(age_max);
        loop {
            let silence_max = between(silence, silence, random);
            let message = tokio::select! {
                message = tokio::time::timeout(silence_max, socket.next()) => message,
                () = &mut age_max => return End::Valid,
                answer = self.handler.late_answer() => {
                    match socket.send(Message::text(answer)).await {
                        Ok(()) => continue,
                        Err(error) => return end_of(&error),
                    }
                }
            };
            let text = match message {
                Err(_) => {
                    tracing::warn!("ACS is silent; connecting again");
                    return End::Valid;
                }
                Ok(None) => return End::Valid,
                Ok(Some(Err(error))) => return end_of(&error),
                Ok(Some(Ok(Message::Close(frame)))) => {
                    return end_of_close(frame.map(|frame| frame.code.into()));
                }
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(_))) => continue,
            };
            for reply in self.handler.handle(text.as_bytes()).await {
                if let Err(error) = socket.send(Message::text(reply)).await {
                    return end_of(&error);
                }
            }
            if self.handler.is_replaced() {
                return End::Valid;
            }
        }
    }
}
