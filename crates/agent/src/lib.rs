//! The container agent: runs tasks on an engine, hands them credentials of their own, and speaks to the control
//! plane only through the public ACS and TCS protocol.
//!
//! [`run`] is the whole of it. A run is one [`Config`], two [`Seams`], a channel that tells how far it has come, and a
//! channel that ends it. What it remembers between runs lies in `Config::state_dir`; no secret is among it.

mod assembly;
mod audit;
mod checkpoint;
mod config;
mod credentials;
mod endpoint;
mod engine;
mod error;
mod exec;
mod network;
mod plane;
mod session;
mod status;
mod task;

use std::sync::Arc;

use portcullis_core::{Clock, Random};

pub use assembly::run;
pub use config::{
    Config, CredentialsSource, EngineChoice, InjectEndpoint, InstanceCredentials, RateLimit, TaskApi,
};
pub use engine::process::PROCESS_ENGINE_NOTICE;
pub use error::AgentError;
pub use status::{EngineKind, Status, connected};

/// The seams of the agent.
#[derive(Debug, Clone)]
pub struct Seams {
    /// Time of day.
    pub clock: Arc<dyn Clock>,
    /// Ids, tokens and jitter.
    pub random: Arc<dyn Random>,
}
