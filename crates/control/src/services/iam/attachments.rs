//! Managed policies attached to users, groups and roles.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Arn;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::entity::{self, Holder};
use super::errors::IamError;
use super::managed_policies;
use super::paging::{Page, Paging};
use super::shapes;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::iam::{Group, Role, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [attaching(), detaching(), listing()]
        .into_iter()
        .flatten()
        .collect()
}

fn attaching() -> Vec<Row> {
    vec![
        write::<op::AttachUserPolicy>(
            &["iam:AttachUserPolicy"],
            |ask| {
                let check = checks::bounded::<User>("iam:AttachUserPolicy", &ask, &ask.input.user_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| attach::<User>(tx, &auth.input().user_name, &auth.input().policy_arn),
        ),
        write::<op::AttachGroupPolicy>(
            &["iam:AttachGroupPolicy"],
            |ask| {
                let check = checks::on::<Group>("iam:AttachGroupPolicy", &ask, &ask.input.group_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| attach::<Group>(tx, &auth.input().group_name, &auth.input().policy_arn),
        ),
        write::<op::AttachRolePolicy>(
            &["iam:AttachRolePolicy"],
            |ask| {
                let check = checks::bounded::<Role>("iam:AttachRolePolicy", &ask, &ask.input.role_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| attach::<Role>(tx, &auth.input().role_name, &auth.input().policy_arn),
        ),
    ]
}

fn detaching() -> Vec<Row> {
    vec![
        write::<op::DetachUserPolicy>(
            &["iam:DetachUserPolicy"],
            |ask| {
                let check = checks::bounded::<User>("iam:DetachUserPolicy", &ask, &ask.input.user_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| detach::<User>(tx, &auth.input().user_name, &auth.input().policy_arn),
        ),
        write::<op::DetachGroupPolicy>(
            &["iam:DetachGroupPolicy"],
            |ask| {
                let check = checks::on::<Group>("iam:DetachGroupPolicy", &ask, &ask.input.group_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| detach::<Group>(tx, &auth.input().group_name, &auth.input().policy_arn),
        ),
        write::<op::DetachRolePolicy>(
            &["iam:DetachRolePolicy"],
            |ask| {
                let check = checks::bounded::<Role>("iam:DetachRolePolicy", &ask, &ask.input.role_name);
                one(check.with("iam:PolicyARN", ask.input.policy_arn.as_str()))
            },
            |tx, auth| detach::<Role>(tx, &auth.input().role_name, &auth.input().policy_arn),
        ),
    ]
}

fn listing() -> Vec<Row> {
    vec![
        read::<op::ListAttachedUserPolicies>(
            &["iam:ListAttachedUserPolicies"],
            |ask| {
                one(checks::on::<User>(
                    "iam:ListAttachedUserPolicies",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            list_user,
        ),
        read::<op::ListAttachedGroupPolicies>(
            &["iam:ListAttachedGroupPolicies"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:ListAttachedGroupPolicies",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            list_group,
        ),
        read::<op::ListAttachedRolePolicies>(
            &["iam:ListAttachedRolePolicies"],
            |ask| {
                one(checks::on::<Role>(
                    "iam:ListAttachedRolePolicies",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            list_role,
        ),
    ]
}

/// Attaching what is attached already changes nothing.
fn attach<H: Holder>(tx: &mut Tx<'_>, holder: &str, policy: &str) -> Result<Empty, ServiceError> {
    let mut holder = entity::edit::<H>(tx.view(), holder)?;
    let missing = || IamError::NoAttachablePolicy(policy.to_owned());
    let arn: Arn = policy
        .parse()
        .map_err(|_| managed_policies::invalid_arn(policy))?;
    if !managed_policies::exists(tx.view(), &arn) {
        return Err(missing().into());
    }
    if arn.resource().starts_with("policy/aws-service-role/") {
        return Err(IamError::ServiceRolePolicy.into());
    }
    let attached = &mut holder.permissions_mut().attached;
    if attached.contains(&arn) {
        return Ok(Empty {});
    }
    let (quota, limit) = H::ATTACHED;
    if attached.len() >= limit {
        return Err(IamError::Quota(quota, limit).into());
    }
    attached.push(arn);
    tx.put(holder);
    Ok(Empty {})
}

fn detach<H: Holder>(tx: &mut Tx<'_>, holder: &str, policy: &str) -> Result<Empty, ServiceError> {
    let mut holder = entity::edit::<H>(tx.view(), holder)?;
    let attached = &mut holder.permissions_mut().attached;
    let Some(index) = attached.iter().position(|arn| arn.as_str() == policy) else {
        return Err(IamError::NoPolicy(policy.to_owned()).into());
    };
    attached.remove(index);
    tx.put(holder);
    Ok(Empty {})
}

fn list<H: Holder>(
    view: &Snapshot,
    holder: &str,
    prefix: Option<&String>,
    paging: &Paging,
) -> Result<Page<api::AttachedPolicy>, IamError> {
    let holder = entity::get::<H>(view, holder)?;
    let prefix = prefix.map_or("/", String::as_str);
    let below = |arn: &&Arn| {
        arn.resource()
            .strip_prefix("policy")
            .is_some_and(|path| path.starts_with(prefix))
    };
    let attached = holder.permissions().attached.iter().filter(below);
    paging.counted(attached.map(shapes::attached))
}

fn list_user(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAttachedUserPolicies>,
) -> Result<api::ListAttachedUserPoliciesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let page = list::<User>(view, &input.user_name, input.path_prefix.as_ref(), &paging)?;
    Ok(api::ListAttachedUserPoliciesResponse {
        is_truncated: page.is_truncated(),
        attached_policies: Some(page.items),
        marker: page.marker,
    })
}

fn list_group(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAttachedGroupPolicies>,
) -> Result<api::ListAttachedGroupPoliciesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let page = list::<Group>(view, &input.group_name, input.path_prefix.as_ref(), &paging)?;
    Ok(api::ListAttachedGroupPoliciesResponse {
        is_truncated: page.is_truncated(),
        attached_policies: Some(page.items),
        marker: page.marker,
    })
}

fn list_role(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAttachedRolePolicies>,
) -> Result<api::ListAttachedRolePoliciesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let page = list::<Role>(view, &input.role_name, input.path_prefix.as_ref(), &paging)?;
    Ok(api::ListAttachedRolePoliciesResponse {
        is_truncated: page.is_truncated(),
        attached_policies: Some(page.items),
        marker: page.marker,
    })
}
