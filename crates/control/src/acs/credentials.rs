//! Credentials of tasks: made when they are sent, known to the agent by an id that never changes (agent.md 1.4).

use portcullis_api::acs;
use portcullis_core::{Arn, Timestamp};
use portcullis_store::Vault;

use crate::gate::Gate;
use crate::gate::assume::{Assumption, ECS_TASKS};
use crate::world::records::ecs::Task;

/// For which role of a task credentials are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RoleType {
    /// The role its containers act as.
    TaskApplication,
    /// The role the agent acts as for it.
    TaskExecution,
}

impl RoleType {
    pub const ALL: [Self; 2] = [Self::TaskApplication, Self::TaskExecution];

    /// The protocol's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskApplication => "TaskApplication",
            Self::TaskExecution => "TaskExecution",
        }
    }

    /// The role of a task this stands for.
    pub fn role_of(self, task: &Task) -> Option<&Arn> {
        match self {
            Self::TaskApplication => task.task_role.as_ref(),
            Self::TaskExecution => task.execution_role.as_ref(),
        }
    }
}

/// Credentials and when they were made and end.
#[derive(Debug, Clone)]
pub(super) struct Minted {
    pub credentials: acs::IAMRoleCredentials,
    pub issued: Timestamp,
    pub expires: Timestamp,
}

/// The role cannot be assumed (any more).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAssumable(pub Arn);

/// The id of a task's credentials: a bearer secret, derived so that nobody has to store it and no restart changes it.
pub(super) fn credentials_id(vault: &Vault, task: &Arn, role_type: RoleType) -> String {
    let name = format!("{task}\n{}", role_type.as_str());
    let digest = vault.derive("credentials-id", name.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}

/// New credentials of one role of a task; `None` when the task has no such role.
pub(super) async fn mint(
    gate: &Gate,
    task: &Task,
    role_type: RoleType,
) -> Result<Option<Minted>, NotAssumable> {
    let Some(role) = role_type.role_of(task) else {
        return Ok(None);
    };
    let assumption = Assumption {
        principal: ECS_TASKS,
        source: &task.arn,
        session_name: &task.id,
    };
    let assumed = match role_type {
        RoleType::TaskApplication => gate.assume_for_task(role, &assumption, &task.arn).await,
        RoleType::TaskExecution => gate.assume(role, &assumption).await,
    };
    let assumed = assumed.ok_or_else(|| NotAssumable(role.clone()))?;
    let session = &assumed.session;
    let credentials = acs::IAMRoleCredentials {
        credentials_id: credentials_id(gate.world().vault(), &task.arn, role_type),
        role_arn: role.to_string(),
        access_key_id: session.access_key_id.clone(),
        secret_access_key: session.secret.expose().to_owned(),
        session_token: assumed.token.expose().to_owned(),
        expiration: session.expires.to_iso(),
        credential_scope: None,
    };
    Ok(Some(Minted {
        credentials,
        issued: session.issued,
        expires: session.expires,
    }))
}

/// New credentials of all roles of a task.
pub(super) async fn mint_all(gate: &Gate, task: &Task) -> Result<Vec<(RoleType, Minted)>, NotAssumable> {
    let mut minted = Vec::new();
    for role_type in RoleType::ALL {
        if let Some(made) = mint(gate, task, role_type).await? {
            minted.push((role_type, made));
        }
    }
    Ok(minted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::SeededRandom;
    use std::sync::Arc;

    #[test]
    fn an_id_is_a_uuid_of_its_own_for_each_task_and_role_and_never_changes() {
        let vault = Vault::in_memory(Arc::new(SeededRandom::new(1)));
        let one: Arn = "arn:aws:ecs:us-east-1:123456789012:task/default/1"
            .parse()
            .unwrap();
        let two: Arn = "arn:aws:ecs:us-east-1:123456789012:task/default/2"
            .parse()
            .unwrap();
        let id = credentials_id(&vault, &one, RoleType::TaskApplication);
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(id, credentials_id(&vault, &one, RoleType::TaskApplication));
        assert_ne!(id, credentials_id(&vault, &one, RoleType::TaskExecution));
        assert_ne!(id, credentials_id(&vault, &two, RoleType::TaskApplication));
    }
}
