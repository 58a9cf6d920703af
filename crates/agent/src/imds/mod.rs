//! The host's own instance metadata service: what EC2 serves at 169.254.169.254 and fd00:ec2::254, for hosts that are no EC2
//! instances. Programs of the host, the genuine agent among them, find region, identity document and the host's rotating
//! role credentials where the SDKs look.
//!
//! It is kept from containers in three ways: it listens on `lo` alone, so that what arrives from a bridge or the network
//! finds nobody; answers have one hop to live; and IMDSv2 alone is spoken unless told otherwise. Containers that share
//! the host's network are kept away by the blocks of `network`.

mod address;
mod answer;
mod facts;
mod role;
mod server;
#[cfg(test)]
mod tests;
mod token;
mod tree;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_core::{Region, Tags};
use tokio::sync::watch;

use self::answer::Service;
use self::facts::Facts;
use self::role::RoleKeeper;
use self::server::Listeners;
use self::token::Tokens;
use crate::plane::{ControlPlane, InstanceCredentialsProvider};
use crate::{AgentError, Seams, Status};

/// What the host says of itself and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceMetadata {
    /// Answer requests without a token, too (IMDSv1).
    pub allow_v1: bool,
    /// How many hops an answer lives, 1 to 64: EC2's `HttpPutResponseHopLimit`.
    pub hop_limit: u8,
    /// Show the agent's tags as the instance's: EC2's `InstanceMetadataTags`.
    pub show_tags: bool,
    /// `instance-type`; nothing is made up for a machine that has none.
    pub instance_type: Option<String>,
    /// `ami-id`; likewise.
    pub image_id: Option<String>,
}

impl Default for InstanceMetadata {
    fn default() -> Self {
        Self {
            allow_v1: false,
            hop_limit: 1,
            show_tags: false,
            instance_type: None,
            image_id: None,
        }
    }
}

/// What the service needs of the agent.
pub(crate) struct Parts {
    pub(crate) plane: ControlPlane,
    pub(crate) credentials: Arc<InstanceCredentialsProvider>,
    pub(crate) seams: Seams,
    pub(crate) region: Region,
    pub(crate) tags: Tags,
    pub(crate) state_dir: PathBuf,
    /// The instance of an agent before this one.
    pub(crate) known_instance: Option<String>,
    pub(crate) status: watch::Receiver<Status>,
}

/// The service of this host, where it was asked for.
#[derive(Default)]
pub(crate) struct Imds(Option<(Ground, Parts)>);

impl Imds {
    /// Gives the host the addresses and listens, when asked; and the lines to show the operator.
    pub(crate) async fn prepare(
        settings: Option<InstanceMetadata>,
        parts: Parts,
    ) -> Result<(Self, Vec<String>), AgentError> {
        match settings {
            None => Ok((Self::default(), Vec::new())),
            Some(settings) => {
                let (ground, notices) = Ground::establish(settings).await?;
                Ok((Self(Some((ground, parts))), notices))
            }
        }
    }

    /// Answers as long as it is polled.
    pub(crate) async fn serve(&mut self) -> Infallible {
        match &mut self.0 {
            Some((ground, parts)) => ground.serve(parts).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the addresses away.
    pub(crate) async fn leave(self) {
        if let Some((ground, _)) = self.0 {
            drop(ground);
            address::remove().await;
        }
    }
}

/// Addresses and listeners of the host.
#[derive(Debug)]
struct Ground {
    settings: InstanceMetadata,
    listeners: Listeners,
}

impl Ground {
    async fn establish(settings: InstanceMetadata) -> Result<(Self, Vec<String>), AgentError> {
        if !(1..=64).contains(&settings.hop_limit) {
            return Err(AgentError::Setting(format!(
                "the hop limit of instance metadata must be from 1 to 64, not {}",
                settings.hop_limit
            )));
        }
        let failed = |error: String| AgentError::Network(format!("instance metadata: {error}"));
        let mut notices = vec![format!(
            "instance metadata of this host at {} on lo; removed when the agent ends",
            address::V4
        )];
        address::ensure().await.map_err(failed)?;
        match Listeners::open(settings.hop_limit) {
            Ok((listeners, left_out)) => {
                notices.extend(left_out);
                Ok((Self { settings, listeners }, notices))
            }
            Err(error) => {
                address::remove().await;
                Err(failed(error.to_string()))
            }
        }
    }

    /// Answers, as soon as it is known which instance this is.
    async fn serve(&self, parts: &mut Parts) -> Infallible {
        let instance = match parts.known_instance.take() {
            Some(arn) => arn,
            None => registered(&mut parts.status).await,
        };
        let roles = RoleKeeper::new(
            parts.plane.clone(),
            Arc::clone(&parts.credentials),
            &parts.state_dir,
        );
        let roles = Arc::new(roles);
        let facts = Facts::collect(&instance, parts, &self.settings).await;
        let service = Arc::new(Service {
            facts,
            roles: Arc::clone(&roles),
            credentials: Arc::clone(&parts.credentials),
            tokens: Tokens::new(parts.seams.random.as_ref()),
            seams: parts.seams.clone(),
            allow_v1: self.settings.allow_v1,
        });
        tokio::select! {
            never = self.listeners.serve(service) => never,
            never = roles.keep() => never,
        }
    }
}

/// The instance's ARN, once the agent has registered. An agent that ends before never serves.
async fn registered(status: &mut watch::Receiver<Status>) -> String {
    let found = status
        .wait_for(|status| status.container_instance_arn.is_some())
        .await
        .ok()
        .and_then(|status| status.container_instance_arn.clone());
    match found {
        Some(arn) => arn,
        None => std::future::pending().await,
    }
}
