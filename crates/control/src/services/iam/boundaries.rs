//! Permissions boundaries of users and roles (R120).

use portcullis_api::iam::op;
use portcullis_core::Arn;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::entity::{self, Holder};
use super::errors::IamError;
use super::managed_policies;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, write};
use crate::world::records::iam::{Role, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::PutUserPermissionsBoundary>(
            &["iam:PutUserPermissionsBoundary"],
            |ask| {
                let check = checks::on::<User>("iam:PutUserPermissionsBoundary", &ask, &ask.input.user_name);
                one(check.with("iam:PermissionsBoundary", ask.input.permissions_boundary.as_str()))
            },
            put_user,
        ),
        write::<op::PutRolePermissionsBoundary>(
            &["iam:PutRolePermissionsBoundary"],
            |ask| {
                let check = checks::on::<Role>("iam:PutRolePermissionsBoundary", &ask, &ask.input.role_name);
                one(check.with("iam:PermissionsBoundary", ask.input.permissions_boundary.as_str()))
            },
            put_role,
        ),
        write::<op::DeleteUserPermissionsBoundary>(
            &["iam:DeleteUserPermissionsBoundary"],
            |ask| {
                one(checks::bounded::<User>(
                    "iam:DeleteUserPermissionsBoundary",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            delete_user,
        ),
        write::<op::DeleteRolePermissionsBoundary>(
            &["iam:DeleteRolePermissionsBoundary"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:DeleteRolePermissionsBoundary",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            delete_role,
        ),
    ]
}

/// The managed policy named as a boundary: of this account or of AWS.
pub(super) fn policy(view: &Snapshot, named: Option<&String>) -> Result<Option<Arn>, IamError> {
    let Some(named) = named else { return Ok(None) };
    let invalid = || {
        IamError::Validation(format!(
            "Value ({named}) for parameter PermissionsBoundary is invalid."
        ))
    };
    let arn: Arn = named.parse().map_err(|_| invalid())?;
    if arn.service() != "iam" || !arn.resource().starts_with("policy/") {
        return Err(invalid());
    }
    match managed_policies::exists(view, &arn) {
        true => Ok(Some(arn)),
        false => Err(IamError::NoBoundaryPolicy(named.clone())),
    }
}

fn set<H: Holder>(tx: &mut Tx<'_>, name: &str, boundary: Option<&String>) -> Result<Empty, ServiceError> {
    let mut holder = entity::edit::<H>(tx.view(), name)?;
    holder.permissions_mut().boundary = policy(tx.view(), boundary)?;
    tx.put(holder);
    Ok(Empty {})
}

fn put_user(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutUserPermissionsBoundary>,
) -> Result<Empty, ServiceError> {
    set::<User>(
        tx,
        &auth.input().user_name,
        Some(&auth.input().permissions_boundary),
    )
}

fn put_role(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutRolePermissionsBoundary>,
) -> Result<Empty, ServiceError> {
    set::<Role>(
        tx,
        &auth.input().role_name,
        Some(&auth.input().permissions_boundary),
    )
}

fn delete_user(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteUserPermissionsBoundary>,
) -> Result<Empty, ServiceError> {
    set::<User>(tx, &auth.input().user_name, None)
}

fn delete_role(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRolePermissionsBoundary>,
) -> Result<Empty, ServiceError> {
    set::<Role>(tx, &auth.input().role_name, None)
}
