//! Daemon task definitions.

mod as_tasks;
mod delete;
pub(in crate::services::ecs) mod names;
mod read;
mod register;

pub(in crate::services::ecs) use delete::{delete, require_delete};
pub(in crate::services::ecs) use read::{describe, list, require_describe, require_list};
pub(in crate::services::ecs) use register::{register, require_register};

use portcullis_api::ecs as api;

use crate::world::Snapshot;
use crate::world::records::ecs::DaemonTaskDefinition;

/// Where in its life a definition is.
fn status(view: &Snapshot, record: &DaemonTaskDefinition) -> &'static str {
    if record.is_active() {
        "ACTIVE"
    } else if is_used(view, record) {
        "DELETE_IN_PROGRESS"
    } else {
        "DELETED"
    }
}

/// Whether a daemon still runs it.
pub(in crate::services::ecs) fn is_used(view: &Snapshot, record: &DaemonTaskDefinition) -> bool {
    let region = format!("{}/", record.region);
    let mut daemons = view.ecs.daemons.prefix(&region);
    daemons.any(|(_, daemon)| {
        let mut deployed = daemon.deployments.iter();
        deployed.any(|one| one.task_definition == record.arn)
    })
}

/// A definition as DescribeDaemonTaskDefinition shows it.
fn shown(view: &Snapshot, record: &DaemonTaskDefinition) -> api::DaemonTaskDefinition {
    api::DaemonTaskDefinition {
        status: Some(status(view, record).to_owned()),
        delete_requested_at: record.delete_requested,
        ..record.definition.clone()
    }
}
