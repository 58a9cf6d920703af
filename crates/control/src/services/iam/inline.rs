//! Inline policies of users, groups and roles.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_policy::size_without_whitespace;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::documents;
use super::entity::{self, Holder};
use super::errors::IamError;
use super::paging::{Page, Paging};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::iam::{Group, Role, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [user_rows(), group_rows(), role_rows()]
        .into_iter()
        .flatten()
        .collect()
}

fn user_rows() -> Vec<Row> {
    vec![
        write::<op::PutUserPolicy>(
            &["iam:PutUserPolicy"],
            |ask| {
                one(checks::bounded::<User>(
                    "iam:PutUserPolicy",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            put_user,
        ),
        read::<op::GetUserPolicy>(
            &["iam:GetUserPolicy"],
            |ask| {
                one(checks::on::<User>(
                    "iam:GetUserPolicy",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            get_user,
        ),
        write::<op::DeleteUserPolicy>(
            &["iam:DeleteUserPolicy"],
            |ask| {
                one(checks::bounded::<User>(
                    "iam:DeleteUserPolicy",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            |tx, auth| delete::<User>(tx, &auth.input().user_name, &auth.input().policy_name),
        ),
        read::<op::ListUserPolicies>(
            &["iam:ListUserPolicies"],
            |ask| {
                one(checks::on::<User>(
                    "iam:ListUserPolicies",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            list_user,
        ),
    ]
}

fn group_rows() -> Vec<Row> {
    vec![
        write::<op::PutGroupPolicy>(
            &["iam:PutGroupPolicy"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:PutGroupPolicy",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            put_group,
        ),
        read::<op::GetGroupPolicy>(
            &["iam:GetGroupPolicy"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:GetGroupPolicy",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            get_group,
        ),
        write::<op::DeleteGroupPolicy>(
            &["iam:DeleteGroupPolicy"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:DeleteGroupPolicy",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            |tx, auth| delete::<Group>(tx, &auth.input().group_name, &auth.input().policy_name),
        ),
        read::<op::ListGroupPolicies>(
            &["iam:ListGroupPolicies"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:ListGroupPolicies",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            list_group,
        ),
    ]
}

fn role_rows() -> Vec<Row> {
    vec![
        write::<op::PutRolePolicy>(
            &["iam:PutRolePolicy"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:PutRolePolicy",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            put_role,
        ),
        read::<op::GetRolePolicy>(
            &["iam:GetRolePolicy"],
            |ask| {
                one(checks::on::<Role>(
                    "iam:GetRolePolicy",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            get_role,
        ),
        write::<op::DeleteRolePolicy>(
            &["iam:DeleteRolePolicy"],
            |ask| {
                one(checks::bounded::<Role>(
                    "iam:DeleteRolePolicy",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            |tx, auth| delete::<Role>(tx, &auth.input().role_name, &auth.input().policy_name),
        ),
        read::<op::ListRolePolicies>(
            &["iam:ListRolePolicies"],
            |ask| {
                one(checks::on::<Role>(
                    "iam:ListRolePolicies",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            list_role,
        ),
    ]
}

/// Keeps a policy if all of the holder's inline policies together stay within its quota (R26).
fn put<H: Holder>(tx: &mut Tx<'_>, holder: &str, name: &str, text: &str) -> Result<Empty, ServiceError> {
    let mut holder = entity::edit::<H>(tx.view(), holder)?;
    let policy = documents::identity(text)?;
    holder.permissions_mut().inline.insert(name.to_owned(), policy);
    let inline = holder.permissions().inline.values();
    let size: usize = inline
        .map(|policy| size_without_whitespace(policy.as_str()))
        .sum();
    if size > H::INLINE_BYTES {
        let name = holder.name().to_owned();
        return Err(IamError::InlinePolicySize {
            max: H::INLINE_BYTES,
            holder: H::WORD,
            name,
        }
        .into());
    }
    tx.put(holder);
    Ok(Empty {})
}

fn delete<H: Holder>(tx: &mut Tx<'_>, holder: &str, name: &str) -> Result<Empty, ServiceError> {
    let mut holder = entity::edit::<H>(tx.view(), holder)?;
    if holder.permissions_mut().inline.remove(name).is_none() {
        return Err(missing::<H>(name).into());
    }
    tx.put(holder);
    Ok(Empty {})
}

/// A policy's document as it is returned, and its holder's name.
fn get<H: Holder>(view: &Snapshot, holder: &str, name: &str) -> Result<(String, String), IamError> {
    let holder = entity::get::<H>(view, holder)?;
    let policy = holder
        .permissions()
        .inline
        .get(name)
        .ok_or_else(|| missing::<H>(name))?;
    Ok((holder.name().to_owned(), documents::encoded(policy.as_str())))
}

fn list<H: Holder>(
    view: &Snapshot,
    holder: &str,
    marker: Option<&String>,
    max_items: Option<i32>,
) -> Result<Page<String>, IamError> {
    let holder = entity::get::<H>(view, holder)?;
    let names = holder.permissions().inline.keys();
    Ok(Paging::of(marker, max_items)?.sorted(names.map(|name| (name.clone(), name.clone()))))
}

fn missing<H: Holder>(name: &str) -> IamError {
    IamError::NoInlinePolicy {
        holder: H::WORD,
        name: name.to_owned(),
    }
}

fn put_user(tx: &mut Tx<'_>, auth: Authorized<'_, op::PutUserPolicy>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    put::<User>(tx, &input.user_name, &input.policy_name, &input.policy_document)
}

fn put_group(tx: &mut Tx<'_>, auth: Authorized<'_, op::PutGroupPolicy>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    put::<Group>(tx, &input.group_name, &input.policy_name, &input.policy_document)
}

fn put_role(tx: &mut Tx<'_>, auth: Authorized<'_, op::PutRolePolicy>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    put::<Role>(tx, &input.role_name, &input.policy_name, &input.policy_document)
}

fn get_user(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetUserPolicy>,
) -> Result<api::GetUserPolicyResponse, ServiceError> {
    let input = auth.input();
    let (user_name, policy_document) = get::<User>(view, &input.user_name, &input.policy_name)?;
    Ok(api::GetUserPolicyResponse {
        user_name,
        policy_name: input.policy_name.clone(),
        policy_document,
    })
}

fn get_group(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetGroupPolicy>,
) -> Result<api::GetGroupPolicyResponse, ServiceError> {
    let input = auth.input();
    let (group_name, policy_document) = get::<Group>(view, &input.group_name, &input.policy_name)?;
    Ok(api::GetGroupPolicyResponse {
        group_name,
        policy_name: input.policy_name.clone(),
        policy_document,
    })
}

fn get_role(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetRolePolicy>,
) -> Result<api::GetRolePolicyResponse, ServiceError> {
    let input = auth.input();
    let (role_name, policy_document) = get::<Role>(view, &input.role_name, &input.policy_name)?;
    Ok(api::GetRolePolicyResponse {
        role_name,
        policy_name: input.policy_name.clone(),
        policy_document,
    })
}

fn list_user(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListUserPolicies>,
) -> Result<api::ListUserPoliciesResponse, ServiceError> {
    let input = auth.input();
    let page = list::<User>(view, &input.user_name, input.marker.as_ref(), input.max_items)?;
    Ok(api::ListUserPoliciesResponse {
        is_truncated: page.is_truncated(),
        policy_names: page.items,
        marker: page.marker,
    })
}

fn list_group(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListGroupPolicies>,
) -> Result<api::ListGroupPoliciesResponse, ServiceError> {
    let input = auth.input();
    let page = list::<Group>(view, &input.group_name, input.marker.as_ref(), input.max_items)?;
    Ok(api::ListGroupPoliciesResponse {
        is_truncated: page.is_truncated(),
        policy_names: page.items,
        marker: page.marker,
    })
}

fn list_role(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListRolePolicies>,
) -> Result<api::ListRolePoliciesResponse, ServiceError> {
    let input = auth.input();
    let page = list::<Role>(view, &input.role_name, input.marker.as_ref(), input.max_items)?;
    Ok(api::ListRolePoliciesResponse {
        is_truncated: page.is_truncated(),
        policy_names: page.items,
        marker: page.marker,
    })
}
