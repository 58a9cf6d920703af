//! Looking whether the agent is still there, when somebody waits for its place.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::{Conversation, End};

/// How long the conversation stands still for it at most.
const PROBING_TIME_MAX: Duration = Duration::from_secs(1);

impl Conversation<'_> {
    /// Sends something, and waits for nothing: where the agent's end of the connection is gone, its machine says so by a
    /// reset, and that ends the session. An answer that is late says nothing of the agent: a network that is slow, or that
    /// somebody makes slow, must not cost it its place (ECScape).
    pub(super) async fn probe(&mut self) -> Result<(), End> {
        let ping = self.socket.send(Message::Ping(Bytes::new()));
        match timeout(PROBING_TIME_MAX, ping).await {
            Ok(Err(_)) => Err(End::Gone),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}
