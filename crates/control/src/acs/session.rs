//! One ACS connection: sends tasks and credentials as the picture changes, takes in acknowledgements, beats.

mod firewalls;
mod giving_up;
mod probe;
mod updates;

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_api::acs;
use portcullis_api::ecs::VersionInfo;
use portcullis_core::{Timestamp, uuid};
use portcullis_wire::{Frame, Shape, encode_frame};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::credentials::{Minted, NotAssumable, RoleType, mint, mint_all};
use super::outbox::{Issued, Outbox, Work, tasks_on};
use super::payload::{self, TaskCredentials};
use super::registry::Registry;
use super::{Session, Socket, refused};
use crate::agents::alarm;
use crate::schedule::services::daemons_first;
use crate::services::ecs::tasks::digests_of;
use crate::world::records::ecs::{AlertKind, ContainerInstance, DesiredStatus, Load, Task, UpdateEvent};
use crate::world::{Snapshot, Tx, World, WriteError};
use firewalls::Watch;
use giving_up::{give_up, role_not_assumable};

/// How many heartbeats an agent may leave unanswered.
const UNANSWERED_MAX: u32 = 3;

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The agent went, or its connection broke.
    Gone,
    /// The agent stopped answering.
    Silent,
    /// The instance was deregistered.
    Inactive,
    /// The agent's permission or its credentials have ended.
    Refused,
    /// The server is going.
    Server,
}

impl End {
    /// What the agent is told.
    fn told(&self) -> Option<CloseFrame> {
        matches!(self, Self::Refused).then(refused)
    }
}

/// Serves a connection until it ends or another session of the instance takes over.
pub(super) async fn run(mut session: Session, mut socket: Socket, registry: &Registry) {
    let key = session.accepted.key.clone();
    let caller = session.accepted.call.caller.arn();
    let taken = match session.turn.take() {
        Some(turn) => Some(turn),
        None => registry.take_over(&key, &caller).await,
    };
    let Some(mut turn) = taken else {
        return;
    };
    if turn.replaces {
        let (kind, call) = (AlertKind::AgentSessionReplaced, &session.accepted.call);
        let (world, arn) = (session.gate.world(), session.accepted.arn.as_str());
        alarm::raise(world, call, arn, kind, "a newer session with the agent's key").await;
    }
    note_proof(&session).await;
    note(session.gate.world(), &key, true, Some(&session.opening.versions)).await;
    let version = session.opening.versions.agent_version.as_deref();
    updates::note(session.gate.world(), &key, UpdateEvent::Connected(version)).await;
    let end = {
        let wanted = turn.wanted();
        let (outbox, fence) = turn.parts();
        outbox.connect(session.opening.send_credentials, session.opening.highest_seen);
        let mut conversation = Conversation::new(
            &session,
            &mut socket,
            outbox,
            wanted,
            Watch::new(&registry.firewalls),
        );
        tokio::select! {
            end = conversation.run() => Some(end),
            _ = fence => None,
        }
    };
    tracing::info!(instance = %session.accepted.arn, ?end, "an ACS session ended");
    // Whoever takes over says "connected" anew; said last, "disconnected" would be a lie.
    if end.is_some() && !turn.is_fenced() {
        note(session.gate.world(), &key, false, None).await;
    }
    if matches!(end, Some(End::Inactive)) {
        registry.forget(&key);
    }
    drop(turn);
    let why = end.as_ref().and_then(End::told);
    let _ = timeout(session.timing.write, socket.close(why)).await;
}

/// Keeps when the proof that opened the session was made: it opens no second one, also after a restart of the server.
async fn note_proof(session: &Session) {
    let (world, key, proved) = (
        session.gate.world(),
        &session.accepted.key,
        session.accepted.admission.proved,
    );
    let change = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        let found = tx.view().ecs.container_instances.get(key);
        if let Some(mut instance) = found.map(|found| ContainerInstance::clone(found)) {
            instance.agent.proved = instance.agent.proved.max(proved);
            tx.put(instance);
        }
        Ok(())
    };
    if proved.is_some()
        && let Err(WriteError::Store(error)) = world.write(change).await
    {
        tracing::error!(%error, key, "an agent's proof could not be noted");
    }
}

/// Notes that an agent is there, with the versions it named, or gone.
async fn note(world: &World, key: &str, connected: bool, versions: Option<&VersionInfo>) {
    let change = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        let found = tx
            .view()
            .ecs
            .container_instances
            .get(key)
            .filter(|one| one.agent_connected != connected);
        if let Some(mut instance) = found.map(|found| ContainerInstance::clone(found)) {
            instance.agent_connected = connected;
            instance.raise_version();
            if let Some(versions) = versions {
                instance.version_info = versions.clone();
            }
            tx.put(instance.clone());
            if connected {
                daemons_first(tx, &instance);
            }
        }
        Ok(())
    };
    if let Err(WriteError::Store(error)) = world.write(change).await {
        tracing::error!(%error, key, connected, "an agent's connection could not be noted");
    }
}

struct Conversation<'a> {
    session: &'a Session,
    socket: &'a mut Socket,
    outbox: &'a mut Outbox,
    changes: watch::Receiver<u64>,
    /// The rows last looked at: while these are the same there is nothing new for this agent.
    seen: Option<(Arc<ContainerInstance>, Option<Arc<Load>>)>,
    unanswered: u32,
    /// Somebody waits for this session's place.
    wanted: Arc<Notify>,
    watch: Watch<'a>,
}

impl<'a> Conversation<'a> {
    fn new(
        session: &'a Session,
        socket: &'a mut Socket,
        outbox: &'a mut Outbox,
        wanted: Arc<Notify>,
        watch: Watch<'a>,
    ) -> Self {
        let changes = session.gate.world().changes();
        Self {
            session,
            socket,
            outbox,
            changes,
            seen: None,
            unanswered: 0,
            wanted,
            watch,
        }
    }

    async fn run(&mut self) -> End {
        match self.converse().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, End> {
        self.check().await?;
        self.send_manifest().await?;
        let timing = self.session.timing;
        let mut beat = Instant::now() + timing.heartbeat(self.session.gate.world().random().as_ref());
        let mut check = Instant::now() + timing.check;
        let mut rested = Instant::now();
        let mut is_changed = false;
        loop {
            tokio::select! {
                message = self.socket.next() => self.receive(message).await?,
                changed = self.changes.changed(), if !is_changed => {
                    changed.map_err(|_| End::Server)?;
                    is_changed = true;
                }
                () = sleep_until(rested), if is_changed => {
                    is_changed = false;
                    self.look(false).await?;
                    rested = Instant::now() + timing.pause;
                }
                () = self.wanted.notified() => self.probe().await?,
                () = sleep_until(check) => {
                    self.check().await?;
                    check = Instant::now() + timing.check;
                }
                () = sleep_until(beat) => {
                    self.beat().await?;
                    beat = Instant::now() + timing.heartbeat(self.session.gate.world().random().as_ref());
                }
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.session.gate.world().clock().now()
    }

    fn new_id(&self) -> String {
        uuid(self.session.gate.world().random().as_ref())
    }

    async fn send<S: Shape>(&mut self, message: &S) -> Result<(), End> {
        let text = encode_frame(message);
        match timeout(self.session.timing.write, self.socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Silent),
        }
    }

    /// Looks for what is late. An agent that may no longer goes before tasks are placed on it.
    async fn check(&mut self) -> Result<(), End> {
        self.must_be_allowed()?;
        self.look(true).await
    }

    fn must_be_allowed(&self) -> Result<(), End> {
        if self.session.is_still_allowed() {
            Ok(())
        } else {
            Err(End::Refused)
        }
    }

    /// Sends what is due. Unless something may be late, only when a row of this agent has changed.
    async fn look(&mut self, even_if_unchanged: bool) -> Result<(), End> {
        let view = self.session.gate.world().view();
        let key = &self.session.accepted.key;
        let instance = view
            .ecs
            .container_instances
            .get(key)
            .filter(|one| one.is_registered())
            .ok_or(End::Inactive)?;
        let load = view.ecs.loads.get(key);
        let is_same = self.seen.as_ref().is_some_and(|(seen, seen_load)| {
            Arc::ptr_eq(seen, instance) && seen_load.as_ref().map(Arc::as_ptr) == load.map(Arc::as_ptr)
        });
        let is_stirred = self.watch.is_stirred(&view);
        if is_same && !is_stirred && !even_if_unchanged {
            return Ok(());
        }
        self.seen = Some((Arc::clone(instance), load.cloned()));
        for work in self.outbox.due(&view, instance, self.now()) {
            match work {
                Work::Payload(task) => self.send_payload(&view, &task).await?,
                Work::Credentials(task, role_type) => self.send_credentials(&task, role_type).await?,
            }
        }
        self.send_firewalls(&view, instance).await?;
        self.send_update(instance).await
    }

    async fn send_payload(&mut self, view: &Snapshot, task: &Task) -> Result<(), End> {
        let minted = match task.desired {
            DesiredStatus::Stopped => Vec::new(),
            DesiredStatus::Running => match mint_all(&self.session.gate, task).await {
                Ok(minted) => minted,
                Err(NotAssumable(role)) => {
                    give_up(self.session.gate.world(), task, role_not_assumable(&role)).await;
                    return Ok(());
                }
            },
        };
        let Some(definition) = task.definition(view) else {
            give_up(
                self.session.gate.world(),
                task,
                "TaskDefinition is inactive".to_owned(),
            )
            .await;
            return Ok(());
        };
        let of = |role_type| {
            minted
                .iter()
                .find(|(one, _)| *one == role_type)
                .map(|(_, made)| made.credentials.clone())
        };
        let credentials = TaskCredentials {
            application: of(RoleType::TaskApplication),
            execution: of(RoleType::TaskExecution),
        };
        let now = self.now();
        let mut shown = payload::task(task, definition, credentials);
        payload::pin(&mut shown, &digests_of(view, task));
        let firewall = self.add_firewall(view, task, &mut shown);
        let message = acs::PayloadMessage {
            cluster_arn: self.session.accepted.cluster_arn.to_string(),
            container_instance_arn: self.session.accepted.arn.to_string(),
            message_id: self.new_id(),
            seq_num: Some(self.outbox.next_number(now)),
            timeline: None,
            generated_at: Some(now.as_millis()),
            tasks: vec![shown],
        };
        // As late as can be: nothing is sent to an agent that may no longer.
        self.must_be_allowed()?;
        self.send(&message).await?;
        self.outbox.sent_payload(task, &message.message_id, now);
        if let Some(version) = firewall {
            self.outbox.sent_firewall(task, version, &message.message_id, now);
        }
        for (role_type, made) in &minted {
            self.outbox.sent_credentials(task, *role_type, issued(made, now));
        }
        Ok(())
    }

    async fn send_credentials(&mut self, task: &Task, role_type: RoleType) -> Result<(), End> {
        let now = self.now();
        let made = match mint(&self.session.gate, task, role_type).await {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(()),
            Err(NotAssumable(role)) => {
                tracing::warn!(task = %task.arn, %role, "a role cannot be assumed any more: its task keeps the credentials it has");
                return Ok(());
            }
        };
        let message = acs::IAMRoleCredentialsMessage {
            message_id: self.new_id(),
            task_arn: task.arn.to_string(),
            task_cluster_arn: Some(task.cluster_arn()),
            role_type: role_type.as_str().to_owned(),
            role_credentials: made.credentials.clone(),
        };
        self.must_be_allowed()?;
        self.send(&message).await?;
        self.outbox.sent_credentials(task, role_type, issued(&made, now));
        Ok(())
    }

    /// Lets the agent find tasks that nobody wants any more.
    async fn send_manifest(&mut self) -> Result<(), End> {
        let view = self.session.gate.world().view();
        let Some(instance) = view.ecs.container_instances.get(&self.session.accepted.key) else {
            return Err(End::Inactive);
        };
        let now = self.now();
        let message = acs::TaskManifestMessage {
            cluster_arn: self.session.accepted.cluster_arn.to_string(),
            container_instance_arn: self.session.accepted.arn.to_string(),
            message_id: self.new_id(),
            timeline: self.outbox.next_number(now),
            generated_at: Some(now.as_millis()),
            tasks: tasks_on(&view, instance)
                .iter()
                .map(|task| payload::identifier(task))
                .collect(),
        };
        self.send(&message).await
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.session.opening.answers_heartbeats && self.unanswered >= UNANSWERED_MAX {
            return Err(End::Silent);
        }
        self.unanswered += 1;
        let message = acs::HeartbeatMessage {
            healthy: true,
            message_id: Some(self.new_id()),
        };
        self.send(&message).await
    }

    async fn receive(
        &mut self,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), End> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(_)) => return Ok(()),
        };
        match Frame::parse(text.as_bytes()) {
            Ok(frame) => self.handle(&frame).await,
            Err(error) => {
                tracing::debug!(%error, "an agent sent what is no frame");
                Ok(())
            }
        }
    }

    async fn handle(&mut self, frame: &Frame) -> Result<(), End> {
        match frame.kind.as_str() {
            "HeartbeatAckRequest" => self.unanswered = 0,
            "AckRequest" => {
                let ack = read::<acs::AckRequest>(frame);
                let were_firewalls = self.outbox.acknowledge(&ack.message_id);
                self.note_update(UpdateEvent::Acknowledged(&ack.message_id)).await;
                if were_firewalls {
                    self.look(true).await?;
                }
            }
            "IAMRoleCredentialsAckRequest" => {
                let ack = read::<acs::IAMRoleCredentialsAckRequest>(frame);
                self.outbox
                    .acknowledge_credentials(&ack.credentials_id, &ack.expiration);
            }
            "NackRequest" => {
                let nack = read::<acs::NackRequest>(frame);
                tracing::warn!(instance = %self.session.accepted.arn, reason = nack.reason, "an agent refused a message");
                self.note_update(UpdateEvent::Refused(&nack.message_id, &nack.reason))
                    .await;
            }
            "TaskStopVerificationMessage" => {
                let question = read::<acs::TaskStopVerificationMessage>(frame);
                let answer = self.verify_stops(question);
                self.send(&answer).await?;
            }
            other => tracing::debug!(kind = other, "an agent sent a message that is not of ACS"),
        }
        Ok(())
    }

    /// Confirms only what the picture says too: the task is unknown, or shall not run here.
    fn verify_stops(&self, question: acs::TaskStopVerificationMessage) -> acs::TaskStopVerificationAck {
        let view = self.session.gate.world().view();
        let running = match view.ecs.container_instances.get(&self.session.accepted.key) {
            Some(instance) => tasks_on(&view, instance),
            None => Vec::new(),
        };
        let is_wanted = |arn: &str| {
            running
                .iter()
                .any(|task| task.arn.as_str() == arn && payload::is_wanted(task))
        };
        let mut stop_tasks = question.stop_candidates;
        stop_tasks.retain(|candidate| !is_wanted(&candidate.task_arn));
        acs::TaskStopVerificationAck {
            message_id: question.message_id,
            generated_at: Some(self.now().as_millis()),
            stop_tasks,
        }
    }
}

fn read<S: Shape>(frame: &Frame) -> S {
    frame.read().unwrap_or_else(|error| {
        tracing::debug!(%error, kind = frame.kind, "an agent's message cannot be read");
        S::default()
    })
}

/// Rotation is due when half of the life is over (agent.md 1.4).
fn issued(made: &Minted, now: Timestamp) -> Issued {
    let half = made.expires.seconds_since(made.issued) / 2;
    Issued {
        id: made.credentials.credentials_id.clone(),
        expiration: made.credentials.expiration.clone(),
        at: now,
        rotate: made.issued.plus_seconds(half),
        acknowledged: false,
    }
}
