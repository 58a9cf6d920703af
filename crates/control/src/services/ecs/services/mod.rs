//! Services (ecs.md 11). What is decided here is what a caller may ask for; what becomes true of it the scheduler
//! decides (`schedule::services`).

mod configuration;
mod create;
pub(crate) mod delete;
pub(crate) mod deploying;
mod faults;
mod history;
mod keys;
pub(super) mod launching;
mod namespaces;
pub(super) mod part;
mod read;
mod rules;
pub(crate) mod shown;
mod shown_history;
mod task_sets;
mod update;

use portcullis_api::ecs::op;

pub(super) use faults::ServiceFault;

use crate::gate::operation::{Row, read, write};

/// The operations on services and what belongs to them.
pub(super) fn table() -> Vec<Row> {
    [service_rows(), history_rows(), task_sets::rows()]
        .into_iter()
        .flatten()
        .collect()
}

fn service_rows() -> Vec<Row> {
    const CREATE: &[&str] = &["ecs:CreateService", "ecs:TagResource", "iam:PassRole"];
    const UPDATE: &[&str] = &["ecs:UpdateService", "iam:PassRole"];
    const BY_NAMESPACE: &[&str] = &["ecs:ListServicesByNamespace"];
    vec![
        write::<op::CreateService>(CREATE, create::require_create, create::create),
        write::<op::DeleteService>(&["ecs:DeleteService"], delete::require_delete, delete::delete),
        read::<op::DescribeServices>(&["ecs:DescribeServices"], read::require_describe, read::describe),
        read::<op::ListServices>(&["ecs:ListServices"], read::require_list, read::list),
        read::<op::ListServicesByNamespace>(
            BY_NAMESPACE,
            namespaces::require_by_namespace,
            namespaces::by_namespace,
        ),
        write::<op::UpdateService>(UPDATE, update::require_update, update::update),
    ]
}

fn history_rows() -> Vec<Row> {
    vec![
        write::<op::ContinueServiceDeployment>(
            &["ecs:ContinueServiceDeployment"],
            history::require_continue_deployment,
            history::continue_deployment,
        ),
        read::<op::DescribeServiceDeployments>(
            &["ecs:DescribeServiceDeployments"],
            history::require_describe_deployments,
            history::describe_deployments,
        ),
        read::<op::DescribeServiceRevisions>(
            &["ecs:DescribeServiceRevisions"],
            history::require_describe_revisions,
            history::describe_revisions,
        ),
        read::<op::ListServiceDeployments>(
            &["ecs:ListServiceDeployments"],
            history::require_list_deployments,
            history::list_deployments,
        ),
        write::<op::StopServiceDeployment>(
            &["ecs:StopServiceDeployment"],
            history::require_stop_deployment,
            history::stop_deployment,
        ),
    ]
}
