//! Daemons: one task on each container instance of their capacity providers (AWS's page "Daemon task definitions").

mod change;
pub(super) mod definitions;
pub(crate) mod deploying;
mod faults;
mod history;
mod names;
mod read;
mod shown;
mod wish;

use portcullis_api::ecs::op;

pub(super) use faults::DaemonFault;

use crate::gate::operation::{Row, read, write};

/// The operations on daemons and what belongs to them.
pub(super) fn table() -> Vec<Row> {
    [daemon_rows(), history_rows(), definition_rows()]
        .into_iter()
        .flatten()
        .collect()
}

fn daemon_rows() -> Vec<Row> {
    const CREATE: &[&str] = &["ecs:CreateDaemon", "ecs:TagResource", "iam:PassRole"];
    const UPDATE: &[&str] = &["ecs:UpdateDaemon", "iam:PassRole"];
    vec![
        write::<op::CreateDaemon>(CREATE, change::require_create, change::create),
        write::<op::DeleteDaemon>(&["ecs:DeleteDaemon"], change::require_delete, change::delete),
        read::<op::DescribeDaemon>(&["ecs:DescribeDaemon"], read::require_describe, read::describe),
        read::<op::ListDaemons>(&["ecs:ListDaemons"], read::require_list, read::list),
        write::<op::UpdateDaemon>(UPDATE, change::require_update, change::update),
    ]
}

fn history_rows() -> Vec<Row> {
    vec![
        read::<op::DescribeDaemonDeployments>(
            &["ecs:DescribeDaemonDeployments"],
            history::require_describe_deployments,
            history::describe_deployments,
        ),
        read::<op::DescribeDaemonRevisions>(
            &["ecs:DescribeDaemonRevisions"],
            history::require_describe_revisions,
            history::describe_revisions,
        ),
        read::<op::ListDaemonDeployments>(
            &["ecs:ListDaemonDeployments"],
            history::require_list_deployments,
            history::list_deployments,
        ),
    ]
}

fn definition_rows() -> Vec<Row> {
    use definitions::{
        delete, describe, list, register, require_delete, require_describe, require_list, require_register,
    };
    const REGISTER: &[&str] = &[
        "ecs:RegisterDaemonTaskDefinition",
        "ecs:TagResource",
        "iam:PassRole",
    ];
    const DELETE: &[&str] = &["ecs:DeleteDaemonTaskDefinition"];
    const DESCRIBE: &[&str] = &["ecs:DescribeDaemonTaskDefinition"];
    const LIST: &[&str] = &["ecs:ListDaemonTaskDefinitions"];
    vec![
        write::<op::DeleteDaemonTaskDefinition>(DELETE, require_delete, delete),
        read::<op::DescribeDaemonTaskDefinition>(DESCRIBE, require_describe, describe),
        read::<op::ListDaemonTaskDefinitions>(LIST, require_list, list),
        write::<op::RegisterDaemonTaskDefinition>(REGISTER, require_register, register),
    ]
}
