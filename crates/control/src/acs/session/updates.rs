//! Telling an agent of the build it shall become, and noting how far it comes.

use std::convert::Infallible;

use portcullis_api::acs;

use super::{Conversation, End};
use crate::agents::download;
use crate::world::records::ecs::{AgentUpdate, ContainerInstance, UpdateEvent, UpdateMessage};
use crate::world::{Tx, World, WriteError};

/// Notes what happened to the update of an instance's agent, if it matters to one.
pub(super) async fn note(world: &World, key: &str, event: UpdateEvent<'_>) {
    let next = |instance: &ContainerInstance, now| instance.agent_update.as_ref()?.after(event, now);
    let view = world.view();
    let known = view.ecs.container_instances.get(key);
    if known.is_none_or(|instance| next(instance, world.clock().now()).is_none()) {
        return;
    }
    let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        let found = tx.view().ecs.container_instances.get(key);
        let changed = found.and_then(|found| Some((ContainerInstance::clone(found), next(found, tx.now)?)));
        if let Some((mut instance, update)) = changed {
            let (status, reason) = (update.status.as_str(), update.reason.as_deref());
            tracing::info!(instance = %instance.arn, status, reason, "an agent's update");
            instance.agent_update = Some(update);
            instance.raise_version();
            tx.put(instance);
        }
        Ok(())
    };
    if let Err(WriteError::Store(error)) = world.write(change).await {
        tracing::error!(%error, key, "how far an agent's update came could not be noted");
    }
}

impl Conversation<'_> {
    /// Notes what happened to the update of this agent.
    pub(super) async fn note_update(&mut self, event: UpdateEvent<'_>) {
        note(self.session.gate.world(), &self.session.accepted.key, event).await;
    }

    /// Tells the agent what is next of its update.
    pub(super) async fn send_update(&mut self, instance: &ContainerInstance) -> Result<(), End> {
        let Some(update) = &instance.agent_update else {
            return Ok(());
        };
        self.note_update(UpdateEvent::TimePassed).await;
        let Some(due) = update.due() else { return Ok(()) };
        let (cluster_arn, container_instance_arn, message_id) = (
            self.session.accepted.cluster_arn.to_string(),
            self.session.accepted.arn.to_string(),
            self.new_id(),
        );
        // As late as can be: nothing is sent to an agent that may no longer.
        self.must_be_allowed()?;
        match due {
            UpdateMessage::Stage => {
                let message = acs::StageUpdateMessage {
                    cluster_arn,
                    container_instance_arn,
                    message_id: message_id.clone(),
                    update_info: info(update),
                };
                self.send(&message).await?;
                self.note_update(UpdateEvent::StageSent(&message_id)).await;
            }
            UpdateMessage::Perform => {
                let message = acs::PerformUpdateMessage {
                    cluster_arn,
                    container_instance_arn,
                    message_id: message_id.clone(),
                    update_info: Some(info(update)),
                };
                self.send(&message).await?;
                self.note_update(UpdateEvent::PerformSent(&message_id)).await;
            }
        }
        Ok(())
    }
}

/// The build. Agents fetch it from the server they are connected to, whatever its name is where they are: a path will do.
fn info(update: &AgentUpdate) -> acs::UpdateInfo {
    let build = &update.build;
    acs::UpdateInfo {
        location: format!("{}{}", download::PATH, build.file_name()),
        signature: build.sha256.clone(),
        portcullis_version: Some(build.version.to_string()),
        portcullis_architecture: Some(build.architecture.clone()),
        portcullis_signature: Some(build.signature.clone()),
        portcullis_size: i64::try_from(update.size).ok(),
    }
}
