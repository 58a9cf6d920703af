//! What the name of a daemon task definition in a request means, before anything is authorised.

use std::sync::Arc;

use portcullis_core::{Arn, Region};

use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{Scope, resolve_definition};
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
        let (arn, key) = resolve_definition(scope, "daemon-task-definition", argument, |family| {
            latest_active(view, scope.region, family)
        })?;
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
