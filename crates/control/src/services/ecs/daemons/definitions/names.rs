//! What the name of a daemon task definition in a request means, before anything is authorised.

use std::sync::Arc;

use portcullis_core::{Arn, Region};

use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{Scope, parse_arn, parse_revision};
use crate::world::Snapshot;
use crate::world::records::ecs::DaemonTaskDefinition;

/// A daemon task definition that a request names.
#[derive(Debug, Clone)]
pub(in crate::services::ecs) struct DaemonDefinitionRef {
    /// The ARN to authorise: of a bare family with its latest ACTIVE revision, or `FAMILY:*` when it has none.
    pub arn: Arn,
    key: Option<String>,
}

impl DaemonDefinitionRef {
    /// What `FAMILY`, `FAMILY:REVISION` or an ARN names.
    pub fn resolve(view: &Snapshot, scope: Scope<'_>, argument: &str) -> Result<Self, EcsError> {
        if !argument.starts_with("arn:") {
            return Self::short(view, scope, argument);
        }
        let (arn, name) = parse_arn(argument, "daemon-task-definition")?;
        if scope.owns(&arn) {
            return Self::short(view, scope, &name);
        }
        Ok(Self { arn, key: None })
    }

    fn short(view: &Snapshot, scope: Scope<'_>, name: &str) -> Result<Self, EcsError> {
        let (family, revision) = match name.split_once(':') {
            Some((family, revision)) => (family, Some(parse_revision(revision)?)),
            None => (name, latest_active(view, scope.region, name)),
        };
        let arn = match revision {
            Some(revision) => DaemonTaskDefinition::arn_of(scope.region, scope.account, family, revision),
            None => DaemonTaskDefinition::arn_of(scope.region, scope.account, family, "*"),
        };
        let key = revision.map(|revision| DaemonTaskDefinition::key_of(scope.region, family, revision));
        Ok(Self { arn, key })
    }

    /// The definition in any state.
    pub fn find<'v>(&self, view: &'v Snapshot) -> Option<&'v Arc<DaemonTaskDefinition>> {
        view.ecs.daemon_task_definitions.get(self.key.as_deref()?)
    }

    /// The definition, which must be there in some state.
    pub fn known<'v>(&self, view: &'v Snapshot) -> Result<&'v Arc<DaemonTaskDefinition>, EcsError> {
        self.find(view).ok_or(EcsError::DaemonDefinitionNotFound)
    }
}

/// The highest ACTIVE revision of a family.
fn latest_active(view: &Snapshot, region: &Region, family: &str) -> Option<i32> {
    let prefix = format!("{region}/{family}#");
    let mut rows = view.ecs.daemon_task_definitions.before(&prefix, None);
    rows.find(|(_, row)| row.is_active()).map(|(_, row)| row.revision)
}
