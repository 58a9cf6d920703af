//! Roles: create, get, list, update, delete, and their trust policies.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::entity::{self, Entity as _};
use super::errors::IamError;
use super::paging::Paging;
use super::{boundaries, names, quotas, shapes, tags, trust};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::iam::{Permissions, Role};
use crate::world::{Snapshot, Tx};

/// Longest session of a role that does not say, in seconds.
pub(super) const SESSION_SECONDS: i32 = 3_600;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [life(), changes()].into_iter().flatten().collect()
}

fn life() -> Vec<Row> {
    vec![
        write::<op::CreateRole>(
            &["iam:CreateRole", "iam:TagRole"],
            |ask| {
                let input = ask.input;
                let check =
                    checks::on_new::<Role>("iam:CreateRole", &ask, input.path.as_ref(), &input.role_name)
                        .with_some("iam:PermissionsBoundary", input.permissions_boundary.clone());
                checks::creating(
                    check,
                    "iam:TagRole",
                    Role::HAS_IAM_RESOURCE_TAG,
                    input.tags.as_ref(),
                )
            },
            create,
        ),
        read::<op::GetRole>(
            &["iam:GetRole"],
            |ask| one(checks::bounded::<Role>("iam:GetRole", &ask, &ask.input.role_name)),
            get,
        ),
        read::<op::ListRoles>(
            &["iam:ListRoles"],
            |ask| {
                one(checks::on_list(
                    "iam:ListRoles",
                    &ask,
                    "role",
                    ask.input.path_prefix.as_ref(),
                ))
            },
            list,
        ),
        write::<op::DeleteRole>(
            &["iam:DeleteRole"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:DeleteRole",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            delete,
        ),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        write::<op::UpdateRole>(
            &["iam:UpdateRole"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:UpdateRole",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            update,
        ),
        write::<op::UpdateRoleDescription>(
            &["iam:UpdateRoleDescription"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:UpdateRoleDescription",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            update_description,
        ),
        write::<op::UpdateAssumeRolePolicy>(
            &["iam:UpdateAssumeRolePolicy"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:UpdateAssumeRolePolicy",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            update_trust,
        ),
    ]
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateRole>,
) -> Result<api::CreateRoleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let trust = trust::accept(tx.view(), &input.assume_role_policy_document)?;
    if tx.view().role(&input.role_name).is_some() {
        return Err(IamError::RoleExists(input.role_name.clone()).into());
    }
    quotas::ROLES.room(tx.view(), tx.view().roles.len())?;
    let path = names::path(input.path.as_ref())?;
    let boundary = boundaries::policy(tx.view(), input.permissions_boundary.as_ref())?;
    let role = Role {
        id: iam_id(IamIdKind::Role, &call.account, tx.random),
        arn: checks::arn(call, Role::ARN_TYPE, &path, &input.role_name),
        name: input.role_name.clone(),
        path,
        created: tx.now,
        description: input.description.clone(),
        max_session_seconds: input.max_session_duration.unwrap_or(SESSION_SECONDS),
        trust,
        tags: tags::accept(input.tags.as_ref())?,
        permissions: Permissions {
            boundary,
            ..Permissions::default()
        },
    };
    let shown = shapes::created_role(tx.view(), &role);
    tx.put(role);
    Ok(api::CreateRoleResponse { role: shown })
}

fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetRole>,
) -> Result<api::GetRoleResponse, ServiceError> {
    let role = entity::get::<Role>(view, &auth.input().role_name)?;
    Ok(api::GetRoleResponse {
        role: shapes::role(view, &env.uses, role),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListRoles>,
) -> Result<api::ListRolesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let roles = view
        .roles
        .after("", paging.after())
        .filter(|(_, role)| role.path.starts_with(prefix));
    let page = paging.rows(roles.map(|(key, role)| (key, shapes::listed_role(view, role))));
    Ok(api::ListRolesResponse {
        is_truncated: page.is_truncated(),
        roles: page.items,
        marker: page.marker,
    })
}

/// A description can be changed on service-linked roles too; nothing else can (R133).
fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateRole>,
) -> Result<api::UpdateRoleResponse, ServiceError> {
    let input = auth.input();
    let mut role = Role::clone(entity::get::<Role>(tx.view(), &input.role_name)?);
    if let Some(seconds) = input.max_session_duration {
        role.modifiable()?;
        role.max_session_seconds = seconds;
    }
    if let Some(description) = &input.description {
        role.description = Some(description.clone());
    }
    tx.put(role);
    Ok(api::UpdateRoleResponse {})
}

fn update_description(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateRoleDescription>,
) -> Result<api::UpdateRoleDescriptionResponse, ServiceError> {
    let input = auth.input();
    let mut role = Role::clone(entity::get::<Role>(tx.view(), &input.role_name)?);
    role.description = Some(input.description.clone());
    let shown = shapes::created_role(tx.view(), &role);
    tx.put(role);
    Ok(api::UpdateRoleDescriptionResponse { role: Some(shown) })
}

fn update_trust(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateAssumeRolePolicy>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut role = entity::edit::<Role>(tx.view(), &input.role_name)?;
    role.trust = trust::accept(tx.view(), &input.policy_document)?;
    tx.put(role);
    Ok(Empty {})
}

/// Policies and instance profiles must go first.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteRole>) -> Result<Empty, ServiceError> {
    let role = entity::get::<Role>(tx.view(), &auth.input().role_name)?;
    role.modifiable()?;
    let conflict = if tx.view().role_profiles(&role.name).next().is_some() {
        Some("remove roles from instance profile")
    } else if !role.permissions.attached.is_empty() {
        Some("detach all policies")
    } else if !role.permissions.inline.is_empty() {
        Some("delete policies")
    } else {
        None
    };
    if let Some(first) = conflict {
        return Err(IamError::DeleteConflict(first).into());
    }
    let key = role.key();
    tx.delete::<Role>(&key);
    Ok(Empty {})
}
