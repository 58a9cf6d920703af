//! The container agent: runs tasks on an engine, hands them credentials of their own, and speaks to the control
//! plane only through the public ACS and TCS protocol.
//!
//! [`run`] is the whole of it. A run is one [`Config`], two [`Seams`], a channel that tells how far it has come, and a
//! channel that ends it. What it remembers between runs lies in `Config::state_dir`; no secret is among it.

mod alone;
mod assembly;
mod audit;
mod checkpoint;
mod config;
mod credentials;
mod endpoint;
mod engine;
mod error;
mod exec;
mod ground;
mod imds;
mod network;
mod plane;
mod saved;
mod session;
pub mod settings;
mod stats;
mod status;
mod supplies;
mod task;
mod update;

use std::sync::Arc;

use portcullis_core::{Clock, Random};

pub use assembly::{deregister, run};
pub use config::{
    AuditRotation, Config, ContainerSettings, CredentialsSource, EngineChoice, HostSettings, ImageCleanup,
    ImageSettings, InjectEndpoint, InstanceCredentials, PullBehavior, RateLimit, Rollover, TaskApi,
};
pub use endpoint::Rehearsal;
pub use engine::process::PROCESS_ENGINE_NOTICE;
pub use error::AgentError;
pub use imds::InstanceMetadata;
pub use plane::Activation;
pub use status::{EngineKind, Status, connected};
pub use supplies::RegistryLogins;
pub use update::{BuildFolder, Happened, Supervision, Then, UpdateSettings, Which};

/// The seams of the agent.
#[derive(Debug, Clone)]
pub struct Seams {
    /// Time of day.
    pub clock: Arc<dyn Clock>,
    /// Ids, tokens and jitter.
    pub random: Arc<dyn Random>,
}

/// Whether an agent of this host answers on that introspection port.
pub fn is_healthy(introspection_port: u16) -> bool {
    endpoint::healthcheck(introspection_port)
}
