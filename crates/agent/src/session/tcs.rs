//! The TCS websocket (agent.md 5.3): every frame of ours is a block of signed headers, a blank line, then the JSON.
//! What is sent is the sign of life, the engine's status, what containers use, their health, and the audit log's records.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Uri};
use portcullis_api::acs;
use portcullis_core::{Timestamp, uuid};
use portcullis_wire::encode_frame;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Message;

use super::shipping::Shipping;
use super::{End, Peer, STABLE_AFTER, TOO_SHORT, end_of, end_of_close};
use crate::audit::AuditLog;
use crate::plane::backoff::{Backoff, between};
use crate::plane::{ControlPlane, Refusal, Socket, open};
use crate::stats::Stats;
use crate::task::model::{Known, Task};
use crate::task::shared::SharedTasks;

const PUBLISH_INTERVAL: Duration = Duration::from_secs(20);
/// Tasks in one message.
const TASKS_MAX: usize = 10;
/// The engine's status is told again every so many ticks although nothing changed.
const STATUS_TICKS: u32 = 3;
/// What waits this long for the control plane is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(2);

/// Where the figures and the fetches come from.
pub(crate) struct Telemetry {
    /// Absent when no metrics are to be sent.
    pub(crate) stats: Option<Arc<Stats>>,
    pub(crate) audit: Arc<AuditLog>,
}

/// The loop around the websocket.
pub(crate) struct TcsSession {
    pub(crate) peer: Peer,
    pub(crate) tasks: Arc<SharedTasks>,
    pub(crate) telemetry: Telemetry,
    /// When the agent began: since then the engine is fine.
    pub(crate) since: Timestamp,
    pub(crate) active: watch::Receiver<bool>,
}

impl TcsSession {
    /// Runs until dropped.
    pub(crate) async fn run(self) {
        let audit = Arc::clone(&self.telemetry.audit);
        tokio::join!(self.connect_for_ever(), save(&audit));
    }

    async fn connect_for_ever(mut self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 1.5);
        while self.active.wait_for(|active| *active).await.is_ok() {
            match self.connect().await {
                Ok((socket, uri)) => {
                    let opened = Instant::now();
                    let end = self.converse(socket, &uri).await;
                    tracing::info!(?end, "TCS connection ended");
                    if opened.elapsed() >= STABLE_AFTER {
                        backoff.reset();
                    }
                    if end == End::Valid && opened.elapsed() >= TOO_SHORT {
                        continue;
                    }
                }
                Err(refusal) => tracing::warn!(%refusal, "TCS cannot be reached"),
            }
            let random = self.peer.random.as_ref();
            self.peer.plane.rest(backoff.pause(random), random).await;
        }
    }

    async fn connect(&self) -> Result<(Socket, Uri), Refusal> {
        let endpoints = self
            .peer
            .endpoints
            .get()
            .await
            .map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let query = [
            ("agentHash", "portcullis".to_owned()),
            ("agentVersion", self.peer.agent_version.clone()),
            ("cluster", self.peer.cluster.clone()),
            ("containerInstance", self.peer.container_instance_arn.clone()),
            ("dockerVersion", self.peer.docker_version.clone()),
        ];
        open(&self.peer.plane, "StartTelemetrySession", &endpoints.tcs, &query).await
    }

    async fn converse(&mut self, mut socket: Socket, uri: &Uri) -> End {
        let patience = self.peer.silence;
        let mut ticker = tokio::time::interval(PUBLISH_INTERVAL);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut status = EngineStatus::new(self.since);
        let mut shipping = Shipping::default();
        let mut active = self.active.clone();
        let silence = tokio::time::sleep(between(patience, patience, self.peer.random.as_ref()));
        tokio::pin!(silence);
        loop {
            let outbox = self.telemetry.audit.outbox();
            let frames = tokio::select! {
                _ = ticker.tick() => self.frames(&mut status),
                () = outbox.news(), if shipping.listens() => {
                    shipping.news();
                    Vec::new()
                }
                () = tokio::time::sleep_until(shipping.due()) => shipping.next(outbox).into_iter().collect(),
                message = socket.next() => {
                    match message {
                        None => return End::Valid,
                        Some(Err(error)) => return end_of(&error),
                        Some(Ok(Message::Close(frame))) => return end_of_close(frame.map(|frame| frame.code.into())),
                        Some(Ok(Message::Text(text))) => shipping.heed(text.as_bytes(), outbox),
                        Some(Ok(_)) => {}
                    }
                    silence.as_mut().reset(Instant::now() + between(patience, patience, self.peer.random.as_ref()));
                    Vec::new()
                }
                () = &mut silence => return End::Valid,
                () = deactivated(&mut active) => return End::Valid,
            };
            for frame in frames {
                let Some(signed) = signed_frame(&self.peer.plane, uri, &frame) else {
                    return End::Broken;
                };
                if let Err(error) = socket.send(Message::text(signed)).await {
                    return end_of(&error);
                }
            }
        }
    }

    fn frames(&self, status: &mut EngineStatus) -> Vec<String> {
        let tasks = self.tasks.all();
        let mut frames = self.metrics_frames(&tasks);
        let checked: Vec<_> = tasks.iter().filter_map(|task| health(task)).collect();
        let count = checked.chunks(TASKS_MAX).len();
        frames.extend(
            checked
                .chunks(TASKS_MAX)
                .enumerate()
                .map(|(index, tasks)| self.health(tasks, index + 1 == count)),
        );
        let stats = self.telemetry.stats.as_ref();
        let is_fine = stats.is_none_or(|stats| stats.engine_answers());
        if status.is_due(is_fine, self.peer.clock.now()) {
            frames.push(encode_frame(&self.instance_status(status)));
        }
        frames
    }

    /// Ten tasks a message, all of one round under one id; without any, one message that says whether the agent idles.
    fn metrics_frames(&self, tasks: &[Arc<Task>]) -> Vec<String> {
        let Some(stats) = &self.telemetry.stats else {
            return Vec::new();
        };
        let idle = !tasks.iter().any(|task| task.known() == Known::Running);
        let taken: Vec<_> = tasks.iter().filter_map(|task| stats.take(task)).collect();
        let mut message = self.metrics(idle);
        if taken.is_empty() {
            return vec![encode_frame(&message)];
        }
        let count = taken.chunks(TASKS_MAX).len();
        let chunks = taken.chunks(TASKS_MAX).enumerate();
        chunks
            .map(|(index, tasks)| {
                message.metadata.fin = Some(index + 1 == count);
                message.task_metrics = Some(tasks.to_vec());
                encode_frame(&message)
            })
            .collect()
    }

    fn metrics(&self, idle: bool) -> acs::PublishMetricsRequest {
        acs::PublishMetricsRequest {
            metadata: acs::MetricsMetadata {
                cluster: Some(self.peer.cluster.clone()),
                container_instance: Some(self.peer.container_instance_arn.clone()),
                fin: Some(true),
                idle: Some(idle),
                message_id: Some(uuid(self.peer.random.as_ref())),
            },
            task_metrics: None,
            timestamp: Some(self.peer.clock.now()),
        }
    }

    fn health(&self, tasks: &[acs::TaskHealth], fin: bool) -> String {
        encode_frame(&acs::PublishHealthRequest {
            metadata: acs::HealthMetadata {
                cluster: Some(self.peer.cluster.clone()),
                container_instance: Some(self.peer.container_instance_arn.clone()),
                fin: Some(fin),
                message_id: Some(uuid(self.peer.random.as_ref())),
            },
            tasks: Some(tasks.to_vec()),
            timestamp: Some(self.peer.clock.now()),
        })
    }

    fn instance_status(&self, status: &EngineStatus) -> acs::PublishInstanceStatusRequest {
        acs::PublishInstanceStatusRequest {
            metadata: acs::InstanceStatusMetadata {
                cluster: Some(self.peer.cluster.clone()),
                container_instance: Some(self.peer.container_instance_arn.clone()),
                request_id: Some(uuid(self.peer.random.as_ref())),
            },
            statuses: Some(vec![acs::InstanceStatus {
                r#type: Some("ContainerRuntime".to_owned()),
                status: Some(if status.is_fine { "OK" } else { "IMPAIRED" }.to_owned()),
                last_updated: Some(self.peer.clock.now()),
                last_status_change: Some(status.since),
            }]),
            timestamp: Some(self.peer.clock.now()),
        }
    }
}

/// Whether the engine is fine, and since when.
struct EngineStatus {
    is_fine: bool,
    since: Timestamp,
    /// Ticks since it was told.
    ticks: u32,
}

impl EngineStatus {
    fn new(since: Timestamp) -> Self {
        Self {
            is_fine: true,
            since,
            ticks: STATUS_TICKS,
        }
    }

    /// At once, after each change, and now and then.
    fn is_due(&mut self, is_fine: bool, now: Timestamp) -> bool {
        if self.is_fine != is_fine {
            (self.is_fine, self.since, self.ticks) = (is_fine, now, STATUS_TICKS);
        }
        let due = self.ticks >= STATUS_TICKS;
        self.ticks = if due { 1 } else { self.ticks + 1 };
        due
    }
}

/// What the control plane has not taken yet must outlive a kill.
async fn save(audit: &AuditLog) {
    let mut ticker = tokio::time::interval(SAVE_INTERVAL);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticker.tick().await;
        audit.outbox().save();
    }
}

async fn deactivated(active: &mut watch::Receiver<bool>) {
    let _ = active.wait_for(|active| !*active).await;
}

/// The containers of a task that have a health check.
fn health(task: &Task) -> Option<acs::TaskHealth> {
    let containers: Vec<_> = task
        .containers
        .iter()
        .filter(|container| container.definition.health_check && container.known == Known::Running)
        .map(|container| acs::ContainerHealth {
            container_name: Some(container.definition.name.clone()),
            health_status: Some(container.health.word().to_owned()),
            status_since: container.health_since.or(container.started_at),
        })
        .collect();
    (!containers.is_empty()).then(|| acs::TaskHealth {
        task_arn: Some(task.arn.clone()),
        task_definition_family: Some(task.family.clone()),
        task_definition_version: Some(task.version.clone()),
        containers: Some(containers),
    })
}

/// The frame behind its headers: a GET of the websocket's URL, signed over the JSON.
fn signed_frame(plane: &ControlPlane, uri: &Uri, json: &str) -> Option<String> {
    let (mut parts, ()) = Request::builder()
        .method(Method::GET)
        .uri(uri.clone())
        .body(())
        .ok()?
        .into_parts();
    if let Err(error) = plane.sign(&mut parts, json.as_bytes()) {
        tracing::error!(%error, "telemetry cannot be signed");
        return None;
    }
    let mut frame = String::new();
    for (shown, name) in [
        ("Authorization", "authorization"),
        ("Host", "host"),
        ("X-Amz-Date", "x-amz-date"),
        ("X-Amz-Security-Token", "x-amz-security-token"),
    ] {
        if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
            frame.push_str(&format!("{shown}: {value}\r\n"));
        }
    }
    Some(format!("{frame}\r\n{json}"))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{FixedClock, Secret};

    use super::*;
    use crate::plane::InstanceCredentialsProvider;
    use crate::{CredentialsSource, InstanceCredentials};

    #[test]
    fn agent_5_3_a_frame_is_signed_headers_a_blank_line_and_the_json() {
        let credentials = InstanceCredentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("sk"),
            session_token: Some(Secret::new("tok")),
        };
        let provider = InstanceCredentialsProvider::new(CredentialsSource::Static(credentials)).unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_795_304_278)));
        let plane =
            ControlPlane::new("http://127.0.0.1:8000", "us-west-2", Arc::new(provider), clock).unwrap();
        let uri = "ws://127.0.0.1:8000/tcs/ws?cluster=probe".parse().unwrap();
        insta::assert_snapshot!(
            signed_frame(&plane, &uri, "{\"type\":\"X\",\"message\":{}}")
                .unwrap()
                .replace('\r', "<CR>")
        );
    }
}
