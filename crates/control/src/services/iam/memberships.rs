//! Who is in which group. A change of membership acts at once (R135).

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::shapes;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::iam::{Group, User};
use crate::world::{Snapshot, Tx};

/// Groups a user may be in (R26).
pub(super) const GROUPS_PER_USER: usize = 10;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::AddUserToGroup>(
            &["iam:AddUserToGroup"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:AddUserToGroup",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            add,
        ),
        write::<op::RemoveUserFromGroup>(
            &["iam:RemoveUserFromGroup"],
            |ask| {
                one(checks::on::<Group>(
                    "iam:RemoveUserFromGroup",
                    &ask,
                    &ask.input.group_name,
                ))
            },
            remove,
        ),
        read::<op::ListGroupsForUser>(
            &["iam:ListGroupsForUser"],
            |ask| {
                one(checks::on::<User>(
                    "iam:ListGroupsForUser",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            list,
        ),
    ]
}

/// Adding a member again changes nothing.
fn add(tx: &mut Tx<'_>, auth: Authorized<'_, op::AddUserToGroup>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let group = entity::get::<Group>(tx.view(), &input.group_name)?.name.clone();
    let mut user = User::clone(entity::get::<User>(tx.view(), &input.user_name)?);
    if user.groups.contains(&group) {
        return Ok(Empty {});
    }
    if user.groups.len() >= GROUPS_PER_USER {
        return Err(IamError::Quota("GroupsPerUser", GROUPS_PER_USER).into());
    }
    user.groups.push(group);
    tx.put(user);
    Ok(Empty {})
}

fn remove(tx: &mut Tx<'_>, auth: Authorized<'_, op::RemoveUserFromGroup>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let group = entity::get::<Group>(tx.view(), &input.group_name)?.name.clone();
    let mut user = User::clone(entity::get::<User>(tx.view(), &input.user_name)?);
    let Some(index) = user.groups.iter().position(|member| *member == group) else {
        return Err(IamError::NotInGroup {
            user: user.name,
            group,
        }
        .into());
    };
    user.groups.remove(index);
    tx.put(user);
    Ok(Empty {})
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListGroupsForUser>,
) -> Result<api::ListGroupsForUserResponse, ServiceError> {
    let input = auth.input();
    let user = entity::get::<User>(view, &input.user_name)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let groups = user.groups.iter().filter_map(|name| view.group(name));
    let page = paging.counted(groups.map(|group| shapes::group(group)))?;
    Ok(api::ListGroupsForUserResponse {
        is_truncated: page.is_truncated(),
        groups: page.items,
        marker: page.marker,
    })
}
