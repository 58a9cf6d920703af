//! Deleting service-linked roles: a task, refused while the service still needs its role.

use std::collections::BTreeMap;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{Partition, uuid};

use super::checks::{self, Checks, one};
use super::credential_errors::CredentialError;
use super::entity::{self, Entity as _};
use super::errors::IamError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::ecs::ClusterStatus;
use crate::world::records::iam::Role;
use crate::world::records::settings::RoleDeletion;
use crate::world::{Snapshot, Tx};

/// How long the outcome of a task is known, in seconds.
const KNOWN_SECONDS: i64 = 86_400;
/// What a task says of a role in use.
const IN_USE: &str = "The service-linked role is in use. Delete the resources that use it first.";

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::DeleteServiceLinkedRole>(
            &["iam:DeleteServiceLinkedRole"],
            |ask| {
                one(checks::on::<Role>(
                    "iam:DeleteServiceLinkedRole",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            delete,
        ),
        read::<op::GetServiceLinkedRoleDeletionStatus>(
            &["iam:GetServiceLinkedRoleDeletionStatus"],
            require_status,
            status,
        ),
    ]
}

/// The role a task is about, its path included: `aws-service-role/SERVICE/ROLE`.
fn role_of(task: &str) -> Option<&str> {
    let (role, _) = task.strip_prefix("task/")?.rsplit_once('/')?;
    role.starts_with("aws-service-role/").then_some(role)
}

fn require_status(ask: Ask<'_, api::GetServiceLinkedRoleDeletionStatusRequest>) -> Checks {
    let role = role_of(&ask.input.deletion_task_id).unwrap_or("*");
    let arn = checks::arn(ask.call, Role::ARN_TYPE, "/", role);
    one(Check::new("iam:GetServiceLinkedRoleDeletionStatus", arn.as_str()))
}

/// The outcome is known at once; AWS's clients ask for it with the task's id.
fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteServiceLinkedRole>,
) -> Result<api::DeleteServiceLinkedRoleResponse, ServiceError> {
    let name = &auth.input().role_name;
    let role = Role::clone(entity::get::<Role>(tx.view(), name)?);
    if !role.is_service_linked() {
        return Err(IamError::NoRole(name.clone()).into());
    }
    forget_old(tx);
    let used_by = users(tx.view(), &role, auth.call().caller.partition);
    let task = RoleDeletion {
        task: format!("task{}{}/{}", role.path, role.name, uuid(tx.random)),
        requested: tx.now,
        used_by,
    };
    if task.used_by.is_empty() {
        tx.delete::<Role>(&role.key());
    }
    let deletion_task_id = task.task.clone();
    tx.put(task);
    Ok(api::DeleteServiceLinkedRoleResponse { deletion_task_id })
}

fn forget_old(tx: &mut Tx<'_>) {
    let old = |row: &RoleDeletion| tx.now.seconds_since(row.requested) > KNOWN_SECONDS;
    let rows = tx.view().role_deletions.iter().filter(|(_, row)| old(row));
    let keys: Vec<_> = rows.map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        tx.delete::<RoleDeletion>(&key);
    }
}

/// The resources that need a role, by region: of ECS its clusters. The other services have nothing here.
fn users(view: &Snapshot, role: &Role, partition: Partition) -> BTreeMap<String, Vec<String>> {
    let mut used_by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if role.path != "/aws-service-role/ecs.amazonaws.com/" {
        return used_by;
    }
    let clusters = view.ecs.clusters.iter().map(|(_, cluster)| cluster);
    for cluster in clusters.filter(|cluster| cluster.status == ClusterStatus::Active) {
        let region = cluster.region.to_string();
        let arn = format!(
            "arn:{partition}:ecs:{region}:{}:cluster/{}",
            view.account, cluster.name
        );
        used_by.entry(region).or_default().push(arn);
    }
    used_by
}

fn status(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetServiceLinkedRoleDeletionStatus>,
) -> Result<api::GetServiceLinkedRoleDeletionStatusResponse, ServiceError> {
    let id = &auth.input().deletion_task_id;
    if role_of(id).is_none() {
        return Err(IamError::InvalidInput("Invalid task id".to_owned()).into());
    }
    let task = view
        .role_deletions
        .get(id)
        .ok_or(CredentialError::NoDeletionTask)?;
    let usage = task.used_by.iter().map(|(region, resources)| api::RoleUsageType {
        region: Some(region.clone()),
        resources: Some(resources.clone()),
    });
    let usage: Vec<_> = usage.collect();
    let status = if usage.is_empty() { "SUCCEEDED" } else { "FAILED" };
    Ok(api::GetServiceLinkedRoleDeletionStatusResponse {
        status: status.to_owned(),
        reason: (!usage.is_empty()).then(|| api::DeletionTaskFailureReasonType {
            reason: Some(IN_USE.to_owned()),
            role_usage_list: Some(usage),
        }),
    })
}
