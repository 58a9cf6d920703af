//! `/Groups`.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use serde_json::{Map, Value};

use super::desk::Desk;
use super::directory::{PAGE, Page, Resource};
use super::errors::ScimError;
use super::patch::Operation;
use super::team::{Found, Team};

impl Resource for Found {
    type Desired = Team;

    const NAMED_BY: &'static str = "displayname";

    fn name_of(desk: &Desk<'_>, id: &str) -> Result<String, ScimError> {
        desk.group_name(id)
    }

    async fn find(desk: &Desk<'_>, name: &str) -> Result<Self, ScimError> {
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
                return Ok(Self {
                    location: desk.location("Groups", &page.group.group_id),
                    created: page.group.create_date.to_iso(),
                    id: page.group.group_id,
                    name: page.group.group_name,
                    members,
                });
            }
        }
    }

    async fn names(desk: &Desk<'_>, marker: Option<String>) -> Result<Page, ScimError> {
        let input = api::ListGroupsRequest {
            max_items: PAGE,
            marker,
            ..Default::default()
        };
        let page = desk.call::<op::ListGroups>(&input).await?;
        let names = page.groups.into_iter().map(|group| group.group_name);
        Ok((names.collect(), page.marker))
    }

    fn shown(&self) -> Value {
        self.resource()
    }

    fn present(&self) -> Team {
        self.team()
    }

    fn read(body: &Map<String, Value>, _before: Option<&Team>) -> Result<Team, ScimError> {
        Team::read(body)
    }

    fn patched(before: Team, operations: &[Operation]) -> Result<Team, ScimError> {
        before.patched(operations)
    }

    async fn make(desk: &Desk<'_>, wanted: &Team) -> Result<String, ScimError> {
        let members = member_names(desk, wanted.members.iter())?;
        let input = api::CreateGroupRequest {
            group_name: wanted.display_name.clone(),
            path: None,
        };
        desk.call::<op::CreateGroup>(&input).await?;
        for user in members {
            join(desk, &wanted.display_name, user).await?;
        }
        Ok(wanted.display_name.clone())
    }

    async fn change(desk: &Desk<'_>, before: &Team, wanted: &Team) -> Result<String, ScimError> {
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
        Ok(wanted.display_name.clone())
    }
}

/// Its members leave first, then its policies go with it.
pub(super) async fn delete(desk: &Desk<'_>, id: &str) -> Result<(), ScimError> {
    let found = Found::find(desk, &desk.group_name(id)?).await?;
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
