//! Groups: create, get, list, update, delete.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::entity::{self, Entity as _};
use super::errors::IamError;
use super::paging::Paging;
use super::{names, quotas, shapes};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::iam::{Group, Permissions, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreateGroup>(
            &["iam:CreateGroup"],
            |ask| {
                let input = ask.input;
                one(checks::on_new::<Group>(
                    "iam:CreateGroup",
                    &ask,
                    input.path.as_ref(),
                    &input.group_name,
                ))
            },
            create,
        ),
        read::<op::GetGroup>(
            &["iam:GetGroup"],
            |ask| one(checks::on::<Group>("iam:GetGroup", &ask, &ask.input.group_name)),
            get,
        ),
        read::<op::ListGroups>(
            &["iam:ListGroups"],
            |ask| {
                one(checks::on_list(
                    "iam:ListGroups",
                    &ask,
                    "group",
                    ask.input.path_prefix.as_ref(),
                ))
            },
            list,
        ),
        write::<op::UpdateGroup>(
            &["iam:UpdateGroup"],
            |ask| {
                let (input, name) = (ask.input, ask.input.new_group_name.as_ref());
                let path = input.new_path.as_ref();
                checks::on_move::<Group>("iam:UpdateGroup", &ask, &input.group_name, name, path)
            },
            update,
        ),
        write::<op::DeleteGroup>(
            &["iam:DeleteGroup"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:DeleteGroup",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            delete,
        ),
    ]
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateGroup>,
) -> Result<api::CreateGroupResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if tx.view().group(&input.group_name).is_some() {
        return Err(IamError::GroupExists(input.group_name.clone()).into());
    }
    quotas::GROUPS.room(tx.view(), tx.view().groups.len())?;
    let path = names::path(input.path.as_ref())?;
    let group = Group {
        id: iam_id(IamIdKind::Group, &call.account, tx.random),
        arn: checks::arn(call, Group::ARN_TYPE, &path, &input.group_name),
        name: input.group_name.clone(),
        path,
        created: tx.now,
        permissions: Permissions::default(),
    };
    let shown = shapes::group(&group);
    tx.put(group);
    Ok(api::CreateGroupResponse { group: shown })
}

/// The group and a page of its members.
fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetGroup>,
) -> Result<api::GetGroupResponse, ServiceError> {
    let input = auth.input();
    let group = entity::get::<Group>(view, &input.group_name)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let members = view.members_after(&group.name, paging.after());
    let page = paging.rows(members.map(|user| (user.key(), shapes::listed_user(user))));
    Ok(api::GetGroupResponse {
        group: shapes::group(group),
        is_truncated: page.is_truncated(),
        users: page.items,
        marker: page.marker,
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListGroups>,
) -> Result<api::ListGroupsResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let groups = view
        .groups
        .after("", paging.after())
        .filter(|(_, group)| group.path.starts_with(prefix));
    let page = paging.rows(groups.map(|(key, group)| (key, shapes::group(group))));
    Ok(api::ListGroupsResponse {
        is_truncated: page.is_truncated(),
        groups: page.items,
        marker: page.marker,
    })
}

fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateGroup>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let before = entity::get::<Group>(tx.view(), &input.group_name)?.clone();
    let name = input.new_group_name.as_ref().unwrap_or(&before.name).clone();
    if tx.view().group(&name).is_some_and(|found| found.id != before.id) {
        return Err(IamError::GroupExists(name).into());
    }
    let path = match &input.new_path {
        Some(path) => names::path(Some(path))?,
        None => before.path.clone(),
    };
    let arn = checks::arn(auth.call(), Group::ARN_TYPE, &path, &name);
    let group = Group {
        name,
        path,
        arn,
        ..Group::clone(&before)
    };
    if group.name != before.name {
        rename_memberships(tx, &before.name, &group.name);
        tx.delete::<Group>(&before.key());
    }
    tx.put(group);
    Ok(Empty {})
}

/// Users know their groups by name.
fn rename_memberships(tx: &mut Tx<'_>, from: &str, to: &str) {
    let members: Vec<_> = tx.view().members(from).map(|user| User::clone(user)).collect();
    for mut user in members {
        for group in &mut user.groups {
            if group.eq_ignore_ascii_case(from) {
                to.clone_into(group);
            }
        }
        tx.put(user);
    }
}

/// Members and policies must go first.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteGroup>) -> Result<Empty, ServiceError> {
    let group = entity::get::<Group>(tx.view(), &auth.input().group_name)?;
    let conflict = if tx.view().members(&group.name).next().is_some() {
        Some("remove users from group")
    } else if !group.permissions.attached.is_empty() {
        Some("detach all policies")
    } else if !group.permissions.inline.is_empty() {
        Some("delete policies")
    } else {
        None
    };
    if let Some(first) = conflict {
        return Err(IamError::DeleteConflict(first).into());
    }
    let key = group.key();
    tx.delete::<Group>(&key);
    Ok(Empty {})
}
