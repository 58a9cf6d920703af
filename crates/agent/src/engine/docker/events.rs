//! Docker's event stream, kept open. Events only say where to look: whoever listens inspects, so that a lost stream
//! costs nothing but one round of inspecting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt as _;
use portcullis_core::Clock;
use tokio::sync::mpsc;

use super::super::EngineEvent;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
const OVERLAP_SECONDS: i64 = 2;

/// Passes events on until nobody listens.
pub(super) async fn forward(docker: Docker, clock: Arc<dyn Clock>, events: mpsc::Sender<EngineEvent>) {
    let mut pause = RETRY_FIRST;
    while !events.is_closed() {
        if docker.ping().await.is_ok() {
            pause = RETRY_FIRST;
            stream(&docker, clock.as_ref(), &events).await;
            tracing::warn!("the Docker event stream ended; connecting again");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn stream(docker: &Docker, clock: &dyn Clock, events: &mpsc::Sender<EngineEvent>) {
    let types = vec!["container".to_owned(), "network".to_owned()];
    let options = EventsOptions {
        // The listener looks at everything before the stream is open; what happens in between is sent again.
        since: Some(
            clock
                .now()
                .plus_seconds(-OVERLAP_SECONDS)
                .as_seconds()
                .to_string(),
        ),
        until: None,
        filters: Some(HashMap::from([("type".to_owned(), types)])),
    };
    let mut stream = std::pin::pin!(docker.events(Some(options)));
    // What happened while no stream was open.
    if events.send(EngineEvent::Resync).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = stream.next().await {
        if let Some(event) = translate(&message)
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

fn translate(message: &EventMessage) -> Option<EngineEvent> {
    if message.typ == Some(EventMessageTypeEnum::NETWORK) {
        return matches!(message.action.as_deref(), Some("create" | "destroy"))
            .then_some(EngineEvent::Networks);
    }
    let action = message.action.as_deref().unwrap_or_default();
    let telling =
        matches!(action, "die" | "oom" | "destroy" | "start") || action.starts_with("health_status");
    let name = message.actor.as_ref()?.attributes.as_ref()?.get("name")?;
    telling.then(|| EngineEvent::Changed(name.clone()))
}
