//! Task credentials, in memory only (agent.md 1.4): pushed by the control plane, read by the endpoint.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use portcullis_core::Secret;

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleKind {
    /// The task's own calls.
    TaskApplication,
    /// Pulling, logging and secrets on behalf of the task.
    TaskExecution,
}

impl RoleKind {
    /// `roleType` of ACS.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        match text {
            "TaskApplication" => Some(Self::TaskApplication),
            "TaskExecution" => Some(Self::TaskExecution),
            _ => None,
        }
    }

    /// Event type of the audit log (agent.md 2).
    pub(crate) fn event_type(self) -> &'static str {
        match self {
            Self::TaskApplication => "GetCredentials",
            Self::TaskExecution => "GetCredentialsExecutionRole",
        }
    }
}

/// One set of temporary keys as ACS sent it.
#[derive(Debug, Clone)]
pub(crate) struct RoleCredentials {
    pub(crate) id: String,
    pub(crate) role_arn: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Secret,
    /// Passed through as text, never read.
    pub(crate) expiration: String,
}

/// An id the agent knows.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) task_arn: Arc<str>,
    pub(crate) kind: RoleKind,
    /// Absent after a restart until ACS sends them again: 503.
    pub(crate) credentials: Option<Arc<RoleCredentials>>,
}

/// All ids by `credentialsId`.
#[derive(Debug, Default)]
pub(crate) struct CredentialCache(RwLock<HashMap<String, Known>>);

impl CredentialCache {
    /// An id of the saved state, whose keys are still to come.
    pub(crate) fn expect(&self, id: &str, task_arn: &str, kind: RoleKind) {
        self.write(|ids| {
            ids.entry(id.to_owned()).or_insert_with(|| Known {
                task_arn: task_arn.into(),
                kind,
                credentials: None,
            });
        });
    }

    /// Stores or replaces keys; the next fetch gets them.
    pub(crate) fn put(&self, task_arn: &str, kind: RoleKind, credentials: RoleCredentials) {
        let id = credentials.id.clone();
        let known = Known {
            task_arn: task_arn.into(),
            kind,
            credentials: Some(Arc::new(credentials)),
        };
        self.write(|ids| ids.insert(id, known));
    }

    /// The id is unknown from now on.
    pub(crate) fn forget(&self, id: &str) {
        self.write(|ids| ids.remove(id));
    }

    /// What is known of an id.
    pub(crate) fn get(&self, id: &str) -> Option<Known> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// The keys behind an id, when they are there.
    pub(crate) fn keys(&self, id: &str) -> Option<Arc<RoleCredentials>> {
        self.get(id)?.credentials
    }

    /// Whether keys of a known id are still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        let ids = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.values().any(|known| known.credentials.is_none())
    }

    fn write<T>(&self, change: impl FnOnce(&mut HashMap<String, Known>) -> T) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
