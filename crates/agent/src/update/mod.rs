//! The agent becoming a newer one (docs/agent-updates.md): a build that the operator's key signed is staged, the supervisor
//! starts it, and it stays only when it proves its health.

mod folder;
mod staging;
mod supervision;

use std::path::PathBuf;

use portcullis_wire::agent_build::Version;
use portcullis_wire::agent_proof::AgentPublicKey;

pub use folder::BuildFolder;
pub(crate) use staging::Stager;
pub use supervision::{Happened, Supervision, Then, Which};

/// Whether and how the agent takes builds.
#[derive(Debug, Clone)]
pub struct UpdateSettings {
    /// It may at all (`ECS_UPDATES_ENABLED`).
    pub enabled: bool,
    /// Where builds are staged (`ECS_UPDATE_DOWNLOAD_DIR`). Made with mode 0700.
    pub folder: PathBuf,
    /// The operator's key: what it did not sign is never started.
    pub public_key: Option<AgentPublicKey>,
    /// Somebody starts the staged build when this agent ends for it.
    pub supervised: bool,
    /// What this agent is; only newer builds are taken.
    pub version: String,
}

impl UpdateSettings {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            enabled: false,
            folder,
            public_key: None,
            supervised: false,
            version: crate::plane::AGENT_VERSION.to_owned(),
        }
    }

    /// Reads the operator's key as `portcullis agent-build key` prints it.
    pub fn set_public_key(&mut self, text: &str) -> Result<(), String> {
        let key = text.trim().parse();
        self.public_key =
            Some(key.map_err(|_| {
                "the update key is not one that `portcullis agent-build key` printed".to_owned()
            })?);
        Ok(())
    }

    /// Where builds are staged, and by which key and version they are judged; `None` when this agent takes none.
    pub(crate) fn taken(&self) -> Option<BuildFolder> {
        let is_on = self.enabled && self.supervised;
        self.public_key
            .filter(|_| is_on)
            .and_then(|key| self.judged_by(key))
    }

    /// The same for the supervisor.
    pub fn build_folder(&self) -> Option<BuildFolder> {
        self.public_key
            .filter(|_| self.enabled)
            .and_then(|key| self.judged_by(key))
    }

    fn judged_by(&self, key: AgentPublicKey) -> Option<BuildFolder> {
        let version: Version = self.version.parse().ok()?;
        Some(BuildFolder::new(self.folder.clone(), key, version))
    }
}
