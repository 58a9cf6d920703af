//! How the agent of a container instance shows that it is that agent (reliability-and-security.md 4.9): by a key of its own,
//! or, where it cannot hold one, by an operator's word and the address it comes from.

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of an instance's agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentIdentity {
    /// The public half of its key, in base 64; genuine agents have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When the newest proof that opened its ACS session was made: an older one is a replay, also after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Timestamp>,
    /// Whether an operator has to approve it although it has a key: its principal already speaks for another instance.
    #[serde(default)]
    pub held: bool,
    /// Whether the instance takes no tasks but those its registrant starts on it by name: fixed when it registers first, so
    /// that whoever was let in for his own tasks never gets another's.
    #[serde(default)]
    pub own_tasks_only: bool,
    /// The address its last registration came from.
    #[serde(default)]
    pub registered_from: String,
    /// The operator's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The last time somebody was refused who acted as this agent, or its session was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
}

/// An operator's word that an agent may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The one address an agent without a key may come from.
    pub source: String,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertKind {
    /// Somebody acted as the agent and was refused.
    AgentIdentityRefused,
    /// An agent that nobody let in yet wants to connect.
    AgentAwaitsApproval,
    /// A session that was alive has been replaced by a newer one with the same key.
    AgentSessionReplaced,
}

/// Something an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: AlertKind,
    /// Who acted.
    pub caller: String,
    /// From where.
    pub source: String,
    /// The operation.
    pub operation: String,
    /// What that caller was told.
    pub reason: String,
}

/// How far an instance's agent is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It proves itself by its key.
    Keyed,
    /// It has no key; an operator approved it.
    Approved,
    /// It waits for an operator.
    Waiting,
}

impl Standing {
    /// The word operators see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyed => "KEYED",
            Self::Approved => "APPROVED",
            Self::Waiting => "WAITING",
        }
    }
}

impl AlertKind {
    /// The event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentIdentityRefused => "AGENT_IDENTITY_REFUSED",
            Self::AgentAwaitsApproval => "AGENT_AWAITS_APPROVAL",
            Self::AgentSessionReplaced => "AGENT_SESSION_REPLACED",
        }
    }
}

impl AlertKind {
    /// `eventType` of the event.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::AgentIdentityRefused => "ERROR",
            Self::AgentSessionReplaced => "WARN",
            Self::AgentAwaitsApproval => "INFO",
        }
    }
}

impl AgentIdentity {
    /// How far the agent is let in.
    pub fn standing(&self) -> Standing {
        match (&self.key, &self.approval) {
            (Some(_), _) if !self.held => Standing::Keyed,
            (Some(_), Some(_)) => Standing::Keyed,
            (None, Some(_)) => Standing::Approved,
            (_, None) => Standing::Waiting,
        }
    }
}
