//! Why the agent could not start or go on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The agent ended. Everything that can heal by itself is retried instead.
#[derive(Debug, Error)]
pub enum AgentError {
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// A file or folder of the agent cannot be used.
    #[error("cannot use {path}: {source}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Docker was asked for and cannot be used.
    #[error(
        "the Docker engine cannot be used: {0}; start Docker and run as root, or choose the process engine"
    )]
    Docker(String),
    /// The address, the fence or a listener could not be put in place.
    #[error("the task network cannot be set up: {0}")]
    Network(String),
    /// The control plane refused the registration for good (agent.md 5.1; the genuine agent exits with code 5).
    #[error("the control plane refused to register this instance: {code}: {message}")]
    Registration {
        /// Error code of the reply.
        code: String,
        /// Its text.
        message: String,
    },
    /// The reply lacks an attribute that was sent (agent.md 0.4).
    #[error("the control plane did not echo the attribute `{0}`; it cannot place tasks that need it")]
    AttributeNotEchoed(String),
    /// A newer build is staged and shall run instead (agent.md 5.2; the genuine agent exits with code 42).
    #[error("a newer build of this agent is staged")]
    Replaced,
    /// The container instance could not be deregistered.
    #[error("the container instance could not be deregistered: {0}")]
    Leaving(String),
    /// Another agent is at work.
    #[error("another agent runs with {0}; end it first, or start this one elsewhere")]
    Occupied(String),
    /// No instance credentials.
    #[error("no credentials for the container instance: {0}")]
    Credentials(String),
}

impl AgentError {
    /// Whether starting again cannot help (exit code 5 of the genuine agent).
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Setting(_) | Self::Registration { .. } | Self::AttributeNotEchoed(_)
        )
    }
}
