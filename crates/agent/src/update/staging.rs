//! What StageUpdateMessage and PerformUpdateMessage make the agent do (agent.md 5.2). Fetching goes on beside the conversation.

use std::io::Write as _;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_api::acs;
use portcullis_wire::agent_build::{BUILD_BYTES_MAX, SignedBuild};
use portcullis_wire::encode_frame;
use tokio::sync::mpsc;

use super::folder::BuildFolder;
use crate::plane::ControlPlane;

const DISABLED: &str = "Updates are disabled";
const NOT_DOWNLOADED: &str = "Cannot perform update; update not downloaded";
/// Below which the control plane has builds.
const LOCATION: &str = "/portcullis/agent-builds/";

/// Gets the parts of a build.
pub(crate) trait Fetch: Send + Sync {
    /// The bytes from `offset` on, as many as come at once; none at the end.
    fn part(&self, location: String, offset: u64) -> BoxFuture<'_, Result<Vec<u8>, String>>;
}

/// Parts from the control plane, as this container instance.
#[derive(Debug)]
struct FromPlane {
    plane: ControlPlane,
    instance: String,
}

impl Fetch for FromPlane {
    fn part(&self, location: String, offset: u64) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        let path = format!("{location}?containerInstance={}&offset={offset}", self.instance);
        Box::pin(async move {
            match self.plane.agent_build(&path).await {
                Ok((200, body)) => Ok(body.to_vec()),
                Ok((status, _)) => Err(format!("the control plane answered {status}")),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

/// The update of this agent. Who asks for it and who answers is the conversation's matter.
pub(crate) struct Stager {
    /// `None` when this agent takes no builds.
    parts: Option<(BuildFolder, Arc<dyn Fetch>)>,
    /// The build that can be started.
    is_staged: bool,
    outcomes: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    /// The last message that asked for staging: the one that is answered.
    asked: u64,
}

/// How the staging for a message ended.
struct Outcome {
    asked: u64,
    message: acs::StageUpdateMessage,
    staged: Result<(), String>,
}

impl Stager {
    /// For an agent that takes builds from the control plane.
    pub(crate) fn of(folder: Option<BuildFolder>, plane: &ControlPlane, instance: &str) -> Self {
        let fetch = FromPlane {
            plane: plane.clone(),
            instance: instance.to_owned(),
        };
        Self::new(folder.map(|folder| (folder, Arc::new(fetch) as _)))
    }

    pub(crate) fn new(parts: Option<(BuildFolder, Arc<dyn Fetch>)>) -> Self {
        Self {
            parts,
            is_staged: false,
            outcomes: mpsc::channel(4),
            asked: 0,
        }
    }

    /// Begins to stage; the answer comes from [`next_answer`](Self::next_answer), unless it is here already.
    pub(crate) fn stage(&mut self, message: acs::StageUpdateMessage) -> Option<String> {
        let Some((folder, fetch)) = self.parts.clone() else {
            return Some(nack(&message, DISABLED));
        };
        self.is_staged = false;
        self.asked += 1;
        let (asked, outcomes) = (self.asked, self.outcomes.0.clone());
        tokio::spawn(async move {
            let staged = stage(folder, fetch, &message.update_info).await;
            let outcome = Outcome {
                asked,
                message,
                staged,
            };
            // The agent may have ended.
            let _ = outcomes.send(outcome).await;
        });
        None
    }

    /// The answer to the newest StageUpdateMessage, when there is one. Can be dropped at any time.
    pub(crate) async fn next_answer(&mut self) -> String {
        loop {
            let Some(outcome) = self.outcomes.1.recv().await else {
                return std::future::pending().await;
            };
            if outcome.asked != self.asked {
                continue;
            }
            let message = &outcome.message;
            return match outcome.staged {
                Ok(()) => {
                    tracing::info!(
                        version = message.update_info.portcullis_version,
                        "an update is staged"
                    );
                    self.is_staged = true;
                    ack(
                        &message.cluster_arn,
                        &message.container_instance_arn,
                        &message.message_id,
                    )
                }
                Err(reason) => {
                    let version = message.update_info.portcullis_version.as_deref();
                    tracing::error!(version, reason, "an update is refused");
                    nack(message, &reason)
                }
            };
        }
    }

    /// The answer to PerformUpdateMessage, and whether the agent ends for it.
    pub(crate) fn perform(&self, message: &acs::PerformUpdateMessage) -> (String, bool) {
        if self.is_staged {
            let answer = ack(
                &message.cluster_arn,
                &message.container_instance_arn,
                &message.message_id,
            );
            return (answer, true);
        }
        let reason = match self.parts {
            None => DISABLED,
            Some(_) => NOT_DOWNLOADED,
        };
        let refused = acs::NackRequest {
            cluster: message.cluster_arn.clone(),
            container_instance: message.container_instance_arn.clone(),
            message_id: message.message_id.clone(),
            reason: reason.to_owned(),
        };
        (encode_frame(&refused), false)
    }
}

fn ack(cluster: &str, container_instance: &str, message_id: &str) -> String {
    encode_frame(&acs::AckRequest {
        cluster: cluster.to_owned(),
        container_instance: container_instance.to_owned(),
        message_id: message_id.to_owned(),
    })
}

fn nack(message: &acs::StageUpdateMessage, reason: &str) -> String {
    encode_frame(&acs::NackRequest {
        cluster: message.cluster_arn.clone(),
        container_instance: message.container_instance_arn.clone(),
        message_id: message.message_id.clone(),
        reason: reason.to_owned(),
    })
}

/// Fetches and verifies a build. What is wrong with it is found out as early as can be, and nothing of it stays.
async fn stage(folder: BuildFolder, fetch: Arc<dyn Fetch>, info: &acs::UpdateInfo) -> Result<(), String> {
    let build = read(info)?;
    folder.judge(&build)?;
    if info.location != format!("{LOCATION}{}", build.file_name()) {
        return Err("The update is not at its place on the control plane".to_owned());
    }
    let size = info.portcullis_size.and_then(|size| u64::try_from(size).ok());
    let size = size.filter(|size| (1..=BUILD_BYTES_MAX).contains(size));
    let size = size.ok_or("The update has no size that a build can have")?;
    let staged = {
        let (folder, build) = (folder.clone(), build.clone());
        blocking(move || Ok(folder.has_staged(&build)))
    };
    if staged.await? {
        return Ok(());
    }
    let outcome = fetch_all(&folder, fetch.as_ref(), &build, &info.location, size).await;
    let (keeper, kept) = (folder.clone(), build.clone());
    let outcome = match outcome {
        Ok(()) => {
            blocking(move || {
                keeper
                    .stage(&kept)
                    .map_err(|error| format!("The update cannot be staged: {error}"))
            })
            .await
        }
        failed => failed,
    };
    if outcome.is_err() {
        folder.discard(&build);
    }
    outcome
}

fn read(info: &acs::UpdateInfo) -> Result<SignedBuild, String> {
    let members = info
        .portcullis_version
        .as_deref()
        .zip(info.portcullis_architecture.clone())
        .zip(info.portcullis_signature.clone());
    let ((version, architecture), signature) = members.ok_or("The update has no signature")?;
    let version = version.parse().map_err(|_| "The update has no version")?;
    Ok(SignedBuild {
        version,
        architecture,
        sha256: info.signature.clone(),
        signature,
    })
}

async fn fetch_all(
    folder: &BuildFolder,
    fetch: &dyn Fetch,
    build: &SignedBuild,
    location: &str,
    size: u64,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("The update cannot be stored: {error}");
    folder.prepare().map_err(failed)?;
    let mut file = folder.draft(build).map_err(failed)?;
    let mut length = 0_u64;
    while length < size {
        let part = fetch.part(location.to_owned(), length).await;
        let part = part.map_err(|error| format!("Unable to download the update: {error}"))?;
        length += part.len() as u64;
        if part.is_empty() || length > size {
            return Err("The update is not as long as it was said to be".to_owned());
        }
        file = blocking(move || file.write_all(&part).map(|()| file).map_err(failed)).await?;
    }
    blocking(move || file.sync_all().map_err(failed)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

#[cfg(test)]
mod tests;
