//! What ECS wants of tasks, and how far they have come.

use serde::{Deserialize, Serialize};

/// What ECS wants of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DesiredStatus {
    /// It should run.
    Running,
    /// It should stop, or has.
    Stopped,
}

/// How far a task or container has come, in order. DEACTIVATING, which is about load balancers and service discovery, does
/// not occur here (docs/fidelity.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LastStatus {
    /// It waits for room ([`super::Task::is_placed`] is false then), or for its network interface.
    Provisioning,
    /// Placed; not all containers run.
    Pending,
    /// Its host makes its containers; only of tasks with a network interface, once the host says so.
    Activating,
    /// All containers run.
    Running,
    /// Its containers are being stopped; only of tasks with a network interface.
    Stopping,
    /// Its containers have ended; its network interface is still there.
    Deprovisioning,
    /// Ended.
    Stopped,
}

impl DesiredStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl LastStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Whether a task of this status is on its way to run, as ECS counts them.
    pub fn is_before_running(self) -> bool {
        self < Self::Running
    }
}
