//! `/Groups`.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use serde_json::{Map, Value};

use super::desk::Desk;
use super::errors::ScimError;
use super::patch;
use super::reading::Query;
use super::team::{Found, Team};

/// Entries of a page of IAM's.
const PAGE: Option<i32> = Some(1_000);

pub(super) async fn get(desk: &Desk<'_>, id: &str) -> Result<Value, ScimError> {
    Ok(find(desk, &desk.group_name(id)?).await?.resource())
}

pub(super) async fn list(desk: &Desk<'_>, query: &Query) -> Result<Value, ScimError> {
    match &query.filter {
        None => {
            let names = all_names(desk).await?;
            let total = names.len();
            let mut page = Vec::new();
            for name in query.page(names) {
                page.push(find(desk, &name).await?.resource());
            }
            Ok(query.list(total, page))
        }
        Some(filter) if filter.attribute == "displayname" => {
            let found = match find(desk, &filter.value).await {
                Ok(found) => vec![found.resource()],
                Err(error) if error.is_nothing() => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(query.list(found.len(), query.page(found).collect()))
        }
        Some(_) => Err(ScimError::filter()),
    }
}

pub(super) async fn create(desk: &Desk<'_>, body: &Map<String, Value>) -> Result<Value, ScimError> {
    let wanted = Team::read(body)?;
    let members = member_names(desk, wanted.members.iter())?;
    let input = api::CreateGroupRequest {
        group_name: wanted.display_name.clone(),
        path: None,
    };
    desk.call::<op::CreateGroup>(&input).await?;
    for user in members {
        join(desk, &wanted.display_name, user).await?;
    }
    Ok(find(desk, &wanted.display_name).await?.resource())
}

pub(super) async fn replace(
    desk: &Desk<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let wanted = Team::read(body)?;
    let before = find(desk, &desk.group_name(id)?).await?.team();
    change(desk, &before, &wanted).await
}

pub(super) async fn patch(desk: &Desk<'_>, id: &str, body: &Map<String, Value>) -> Result<Value, ScimError> {
    let operations = patch::operations(body)?;
    let before = find(desk, &desk.group_name(id)?).await?.team();
    let wanted = before.clone().patched(&operations)?;
    change(desk, &before, &wanted).await
}

/// Its members leave first, then its policies go with it.
pub(super) async fn delete(desk: &Desk<'_>, id: &str) -> Result<(), ScimError> {
    let found = find(desk, &desk.group_name(id)?).await?;
    let group_name = || found.name.clone();
    for (_, user, _) in &found.members {
        leave(desk, &found.name, user.clone()).await?;
    }
    let input = api::ListAttachedGroupPoliciesRequest {
        group_name: group_name(),
        max_items: PAGE,
        ..Default::default()
    };
    let attached = desk
        .call::<op::ListAttachedGroupPolicies>(&input)
        .await?
        .attached_policies;
    for policy_arn in attached
        .into_iter()
        .flatten()
        .filter_map(|policy| policy.policy_arn)
    {
        let input = api::DetachGroupPolicyRequest {
            group_name: group_name(),
            policy_arn,
        };
        desk.call_unless_gone::<op::DetachGroupPolicy>(&input).await?;
    }
    let input = api::ListGroupPoliciesRequest {
        group_name: group_name(),
        max_items: PAGE,
        ..Default::default()
    };
    for policy_name in desk.call::<op::ListGroupPolicies>(&input).await?.policy_names {
        let input = api::DeleteGroupPolicyRequest {
            group_name: group_name(),
            policy_name,
        };
        desk.call_unless_gone::<op::DeleteGroupPolicy>(&input).await?;
    }
    desk.call::<op::DeleteGroup>(&api::DeleteGroupRequest {
        group_name: group_name(),
    })
    .await?;
    Ok(())
}

async fn change(desk: &Desk<'_>, before: &Team, wanted: &Team) -> Result<Value, ScimError> {
    let new = member_names(desk, wanted.members.difference(&before.members))?;
    let gone = member_names(desk, before.members.difference(&wanted.members))?;
    let name = &before.display_name;
    for user in gone {
        leave(desk, name, user).await?;
    }
    for user in new {
        join(desk, name, user).await?;
    }
    if wanted.display_name != *name {
        let input = api::UpdateGroupRequest {
            group_name: name.clone(),
            new_group_name: Some(wanted.display_name.clone()),
            new_path: None,
        };
        desk.call::<op::UpdateGroup>(&input).await?;
    }
    Ok(find(desk, &wanted.display_name).await?.resource())
}

/// The users with these ids; nothing is changed when one of them is not there.
fn member_names<'i>(
    desk: &Desk<'_>,
    ids: impl Iterator<Item = &'i String>,
) -> Result<Vec<String>, ScimError> {
    let name = |id: &String| {
        let missing = |_| ScimError::value(format!("there is no user {id}"));
        desk.user_name(id).map_err(missing)
    };
    ids.map(name).collect()
}

async fn join(desk: &Desk<'_>, group: &str, user_name: String) -> Result<(), ScimError> {
    let input = api::AddUserToGroupRequest {
        group_name: group.to_owned(),
        user_name,
    };
    desk.call::<op::AddUserToGroup>(&input).await?;
    Ok(())
}

async fn leave(desk: &Desk<'_>, group: &str, user_name: String) -> Result<(), ScimError> {
    let input = api::RemoveUserFromGroupRequest {
        group_name: group.to_owned(),
        user_name,
    };
    desk.call_unless_gone::<op::RemoveUserFromGroup>(&input).await
}

async fn find(desk: &Desk<'_>, name: &str) -> Result<Found, ScimError> {
    let mut members = Vec::new();
    let mut marker = None;
    loop {
        let input = api::GetGroupRequest {
            group_name: name.to_owned(),
            max_items: PAGE,
            marker,
        };
        let page = desk.call::<op::GetGroup>(&input).await?;
        members.extend(page.users.into_iter().map(|user| {
            let location = desk.location("Users", &user.user_id);
            (user.user_id, user.user_name, location)
        }));
        marker = page.marker;
        if marker.is_none() {
            return Ok(Found {
                location: desk.location("Groups", &page.group.group_id),
                created: page.group.create_date.to_iso(),
                id: page.group.group_id,
                name: page.group.group_name,
                members,
            });
        }
    }
}

async fn all_names(desk: &Desk<'_>) -> Result<Vec<String>, ScimError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let input = api::ListGroupsRequest {
            max_items: PAGE,
            marker,
            ..Default::default()
        };
        let page = desk.call::<op::ListGroups>(&input).await?;
        names.extend(page.groups.into_iter().map(|group| group.group_name));
        marker = page.marker;
        if marker.is_none() {
            return Ok(names);
        }
    }
}
