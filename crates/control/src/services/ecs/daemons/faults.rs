//! What is wrong with requests about daemons, in one table. AWS publishes the exceptions, not their texts: these are worded
//! like those of services (docs/fidelity.md).

use thiserror::Error;

/// Why a request about daemons is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DaemonFault {
    #[error("Daemon not found.")]
    NotFound,
    #[error("Daemon was not ACTIVE.")]
    NotActive,
    #[error("Daemon name contains invalid characters.")]
    Name,
    #[error("Creation of daemon was not idempotent.")]
    NotIdempotent,
    #[error("Unable to create a daemon that is still being deleted.")]
    BeingDeleted,
    #[error("capacityProviderArns cannot be empty.")]
    ProvidersEmpty,
    #[error("The capacity provider {0} is specified more than once.")]
    ProviderTwice(String),
    #[error("Daemons are not supported for the capacity provider {0}.")]
    Provider(String),
    #[error("bakeTimeInMinutes must be between 0 and 1440.")]
    BakeTime,
    #[error("alarmNames can not be empty when deployment alarms are enabled.")]
    AlarmsEmpty,
    #[error(
        "The daemon couldn't be created because a valid taskRoleArn is not being specified. Specify a valid task role in your daemon task definition and try again."
    )]
    ExecWithoutTaskRole,
}

impl DaemonFault {
    /// The exception's name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "DaemonNotFoundException",
            Self::NotActive => "DaemonNotActiveException",
            _ => "InvalidParameterException",
        }
    }
}
