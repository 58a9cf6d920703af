//! What each ACS message makes the agent do, and what it answers (agent.md 5.2).

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_api::acs;
use portcullis_core::{Random, Secret};
use portcullis_wire::{Frame, Shape, encode_frame};
use tokio::sync::oneshot;

use crate::credentials::{RoleCredentials, RoleKind};
use crate::network::security_rules;
use crate::task::accept;
use crate::task::manager::{Command, Commands, Incoming, SecurityChange, Submit};
use crate::task::report::refusal;
use crate::update::Stager;

/// Handles messages one after the other.
pub(crate) struct Handler {
    cluster: String,
    random: Arc<dyn Random>,
    commands: Commands,
    submit: Arc<dyn Submit>,
    /// Highest seqNum or manifest timeline seen; older manifests are ignored.
    timeline: i64,
    /// The manifest whose stop verification is awaited.
    manifest_id: Option<String>,
    stager: Stager,
    /// The agent ends, for the build that was staged.
    is_replaced: bool,
}

impl Handler {
    /// A handler that passes work to the manager.
    pub(crate) fn new(
        cluster: &str,
        random: Arc<dyn Random>,
        commands: Commands,
        submit: Arc<dyn Submit>,
        stager: Stager,
    ) -> Self {
        Self {
            cluster: cluster.to_owned(),
            random,
            commands,
            submit,
            timeline: 0,
            manifest_id: None,
            stager,
            is_replaced: false,
        }
    }

    /// Whether the agent has promised to end for the build that was staged.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// The next answer that took longer than handling its message. Can be dropped at any time.
    pub(crate) async fn late_answer(&mut self) -> String {
        self.stager.next_answer().await
    }

    /// The highest number seen, for the query of the next connection.
    pub(crate) fn timeline(&self) -> i64 {
        self.timeline
    }

    /// Handles one frame; the frames to send back.
    pub(crate) async fn handle(&mut self, text: &[u8]) -> Vec<String> {
        let frame = match Frame::parse(text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "ACS sent what is no frame");
                return Vec::new();
            }
        };
        match frame.kind.as_str() {
            "HeartbeatMessage" => heartbeat(&read(&frame)),
            "PayloadMessage" => self.payload(read(&frame)).await,
            "IAMRoleCredentialsMessage" => self.credentials(read(&frame)).await,
            "PortcullisFirewallMessage" => self.firewall(read(&frame)).await,
            "TaskManifestMessage" => self.manifest(&read(&frame)).await,
            "TaskStopVerificationAck" => self.verified(read(&frame)).await,
            "StageUpdateMessage" => self.stager.stage(read(&frame)).into_iter().collect(),
            "PerformUpdateMessage" => {
                let (answer, is_replaced) = self.stager.perform(&read(&frame));
                self.is_replaced |= is_replaced;
                vec![answer]
            }
            "CloseMessage" | "ErrorMessage" => {
                let message: acs::CloseMessage = read(&frame);
                tracing::info!(kind = frame.kind, message = message.message, "ACS says");
                Vec::new()
            }
            other => {
                tracing::info!(kind = other, "ACS message not handled by this agent");
                Vec::new()
            }
        }
    }

    /// STOPPED tasks are applied first; acked only when every task could be handled.
    async fn payload(&mut self, mut message: acs::PayloadMessage) -> Vec<String> {
        if message.cluster_arn.is_empty()
            || message.container_instance_arn.is_empty()
            || message.message_id.is_empty()
        {
            tracing::warn!(
                "ACS sent a payload without clusterArn, containerInstanceArn or messageId; dropped"
            );
            return Vec::new();
        }
        self.timeline = self.timeline.max(message.seq_num.unwrap_or_default());
        message.tasks.sort_by_key(|task| task.desired_status != "STOPPED");
        let (mut good, mut all_good, mut replies) = (Vec::new(), true, Vec::new());
        for task in message.tasks {
            match accept::task(&task, self.random.as_ref()) {
                Ok(accepted) => good.push(incoming(accepted, task, &message.message_id, &mut replies)),
                Err(unacceptable) => {
                    all_good = false;
                    self.refuse(&task.arn, unacceptable.0);
                }
            }
        }
        let (saved, is_saved) = oneshot::channel();
        let sent = self.commands.send(Command::Accept(good, saved)).await.is_ok();
        if !sent || is_saved.await.is_err() {
            return Vec::new();
        }
        if all_good {
            let ack = acs::AckRequest {
                cluster: message.cluster_arn,
                container_instance: message.container_instance_arn,
                message_id: message.message_id,
            };
            replies.insert(0, encode_frame(&ack));
        }
        replies
    }

    fn refuse(&self, arn: &str, reason: String) {
        tracing::warn!(task = arn, reason, "task refused");
        let (submit, change) = (Arc::clone(&self.submit), refusal(arn, &self.cluster, &reason));
        tokio::spawn(async move { submit.submit(change).await });
    }

    /// New keys for a task that is here; anything else is dropped without an answer, as the genuine agent does.
    async fn credentials(&self, message: acs::IAMRoleCredentialsMessage) -> Vec<String> {
        let Some(kind) = RoleKind::from_wire(&message.role_type) else {
            return Vec::new();
        };
        let missing = [
            &message.message_id,
            &message.task_arn,
            &message.role_credentials.credentials_id,
        ];
        if missing.iter().any(|field| field.is_empty()) {
            return Vec::new();
        }
        let ack = credentials_ack(&message.message_id, &message.role_credentials);
        let (known, is_known) = oneshot::channel();
        let refresh = Command::Refresh {
            task_arn: message.task_arn,
            kind,
            credentials: credentials(message.role_credentials),
            known,
        };
        if self.commands.send(refresh).await.is_ok() && is_known.await == Ok(true) {
            return vec![ack];
        }
        tracing::warn!("ACS sent credentials for a task that is not here");
        Vec::new()
    }

    /// Other security rules for interfaces of tasks here; answered once all are in force.
    async fn firewall(&self, message: acs::PortcullisFirewallMessage) -> Vec<String> {
        let changes = message.firewalls.into_iter().map(|firewall| SecurityChange {
            rules: security_rules(&firewall.ingress, &firewall.egress),
            task_arn: firewall.task_arn,
            attachment_arn: firewall.attachment_arn,
        });
        let (done, is_done) = oneshot::channel();
        let secure = Command::Secure(changes.collect(), done);
        if self.commands.send(secure).await.is_err() || is_done.await.is_err() {
            return Vec::new();
        }
        vec![encode_frame(&acs::AckRequest {
            cluster: message.cluster_arn,
            container_instance: message.container_instance_arn,
            message_id: message.message_id,
        })]
    }

    /// Every task here that is not RUNNING in the manifest may be stopped, once the control plane confirms it.
    async fn manifest(&mut self, message: &acs::TaskManifestMessage) -> Vec<String> {
        if message.timeline <= self.timeline {
            return Vec::new();
        }
        self.timeline = message.timeline;
        let wanted: HashSet<&str> = message
            .tasks
            .iter()
            .filter(|task| task.desired_status == "RUNNING")
            .map(|task| task.task_arn.as_str())
            .collect();
        let (answer, unstopped) = oneshot::channel();
        if self.commands.send(Command::Unstopped(answer)).await.is_err() {
            return Vec::new();
        }
        let candidates: Vec<_> = unstopped
            .await
            .unwrap_or_default()
            .into_iter()
            .filter(|(arn, _)| !wanted.contains(arn.as_str()))
            .map(|(task_arn, task_cluster_arn)| acs::TaskIdentifier {
                task_arn,
                task_cluster_arn,
                desired_status: "STOPPED".to_owned(),
            })
            .collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        self.manifest_id = Some(message.message_id.clone());
        let question = acs::TaskStopVerificationMessage {
            message_id: message.message_id.clone(),
            stop_candidates: candidates,
        };
        vec![encode_frame(&question)]
    }

    async fn verified(&mut self, message: acs::TaskStopVerificationAck) -> Vec<String> {
        if self.manifest_id.as_ref() == Some(&message.message_id) {
            self.manifest_id = None;
            let arns = message.stop_tasks.into_iter().map(|task| task.task_arn).collect();
            let _ = self.commands.send(Command::Stop(arns)).await;
        }
        Vec::new()
    }
}

fn read<S: Shape>(frame: &Frame) -> S {
    frame.read().unwrap_or_else(|error| {
        tracing::warn!(%error, kind = frame.kind, "ACS sent a message that cannot be read");
        S::default()
    })
}

fn heartbeat(message: &acs::HeartbeatMessage) -> Vec<String> {
    let message_id = message.message_id.clone().unwrap_or_default();
    vec![encode_frame(&acs::HeartbeatAckRequest { message_id })]
}

fn incoming(
    accepted: crate::task::model::Task,
    wire: acs::Task,
    message_id: &str,
    acks: &mut Vec<String>,
) -> Incoming {
    let roles = [
        (RoleKind::TaskApplication, wire.role_credentials),
        (RoleKind::TaskExecution, wire.execution_role_credentials),
    ];
    let mut received = Vec::new();
    for (kind, role) in roles {
        let Some(role) = role else { continue };
        acks.push(credentials_ack(message_id, &role));
        received.push((kind, credentials(role)));
    }
    Incoming {
        task: accepted,
        credentials: received,
    }
}

fn credentials_ack(message_id: &str, role: &acs::IAMRoleCredentials) -> String {
    encode_frame(&acs::IAMRoleCredentialsAckRequest {
        message_id: message_id.to_owned(),
        credentials_id: role.credentials_id.clone(),
        expiration: role.expiration.clone(),
    })
}

fn credentials(role: acs::IAMRoleCredentials) -> RoleCredentials {
    RoleCredentials {
        id: role.credentials_id,
        role_arn: role.role_arn,
        access_key_id: role.access_key_id,
        secret_access_key: Secret::new(role.secret_access_key),
        session_token: Secret::new(role.session_token),
        expiration: role.expiration,
    }
}

#[cfg(test)]
mod tests;
