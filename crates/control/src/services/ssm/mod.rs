//! Systems Manager: Parameter Store (`parameters`), and what machines outside EC2 need to join: activations are one-time registration tokens, and whoever
//! registers with one gets credentials of the activation's role, renewed by proofs of its key.
//!
//! `CreateActivation`, `DescribeActivations`, `DeleteActivation`, `DescribeInstanceInformation` and
//! `DeregisterManagedInstance` are AWS's; the two operations that machines call have AWS's shapes, which only the source of
//! its agent shows, with keys and proofs of ours in place of RSA signatures (docs/fidelity.md).

mod activations;
mod errors;
mod joining;
mod machines;
mod paging;
pub mod parameters;
mod tags;

use portcullis_api::ssm::op;

use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, Row, read, write};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    let mut rows = of_machines();
    rows.extend(parameters::rows());
    rows
}

fn of_machines() -> Vec<Row> {
    vec![
        write::<op::CreateActivation>(
            &["ssm:CreateActivation", "iam:PassRole"],
            activations::require_create,
            activations::create,
        ),
        write::<op::DeleteActivation>(
            &["ssm:DeleteActivation"],
            |ask| on_everything(ask, "ssm:DeleteActivation"),
            activations::delete,
        ),
        read::<op::DescribeActivations>(
            &["ssm:DescribeActivations"],
            |ask| on_everything(ask, "ssm:DescribeActivations"),
            activations::describe,
        ),
        read::<op::DescribeInstanceInformation>(
            &["ssm:DescribeInstanceInformation"],
            |ask| on_everything(ask, "ssm:DescribeInstanceInformation"),
            machines::describe,
        ),
        write::<op::DeregisterManagedInstance>(
            &["ssm:DeregisterManagedInstance"],
            machines::require_deregister,
            machines::deregister,
        ),
        write::<op::AddTagsToResource>(&["ssm:AddTagsToResource"], tags::require_add, tags::add),
        write::<op::RemoveTagsFromResource>(
            &["ssm:RemoveTagsFromResource"],
            tags::require_remove,
            tags::remove,
        ),
        read::<op::ListTagsForResource>(&["ssm:ListTagsForResource"], tags::require_list, tags::list),
        // Nobody signs these two: what they bring is verified instead.
        write::<op::RegisterManagedInstance>(&[], |_| Ok(Vec::new()), joining::register),
        write::<op::RequestManagedInstanceRoleToken>(
            &["sts:AssumeRole"],
            joining::require_token,
            joining::token,
        ),
    ]
}

/// A check on everything.
fn on_everything<I>(_ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new(action, "*")])
}
