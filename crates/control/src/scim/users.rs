//! `/Users`.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use serde_json::{Map, Value};

use super::desk::Desk;
use super::errors::ScimError;
use super::leaving::{self, MARK};
use super::patch;
use super::person::{Found, Person};
use super::reading::Query;

/// Entries of a page of IAM's.
const PAGE: Option<i32> = Some(1_000);

pub(super) async fn get(desk: &Desk<'_>, id: &str) -> Result<Value, ScimError> {
    Ok(find(desk, &desk.user_name(id)?).await?.resource())
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
        Some(filter) if filter.attribute == "username" => {
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
    let wanted = Person::read(body, None)?;
    let tags = wanted.tags();
    let input = api::CreateUserRequest {
        user_name: wanted.user_name.clone(),
        tags: Some(tags).filter(|tags| !tags.is_empty()),
        ..Default::default()
    };
    desk.call::<op::CreateUser>(&input).await?;
    if !wanted.active {
        leaving::deactivate(desk, &wanted.user_name).await?;
    }
    Ok(find(desk, &wanted.user_name).await?.resource())
}

pub(super) async fn replace(
    desk: &Desk<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let before = find(desk, &desk.user_name(id)?).await?.person();
    let wanted = Person::read(body, Some(&before))?;
    change(desk, &before, wanted).await
}

pub(super) async fn patch(desk: &Desk<'_>, id: &str, body: &Map<String, Value>) -> Result<Value, ScimError> {
    let operations = patch::operations(body)?;
    let before = find(desk, &desk.user_name(id)?).await?.person();
    let wanted = before.clone().patched(&operations)?;
    change(desk, &before, wanted).await
}

pub(super) async fn delete(desk: &Desk<'_>, id: &str) -> Result<(), ScimError> {
    leaving::delete(desk, &desk.user_name(id)?).await
}

/// Who leaves, leaves first: whatever becomes of the rest.
async fn change(desk: &Desk<'_>, before: &Person, wanted: Person) -> Result<Value, ScimError> {
    let name = &before.user_name;
    if !wanted.active {
        leaving::deactivate(desk, name).await?;
    }
    let gone = before.kept.keys().filter(|tag| !wanted.kept.contains_key(*tag));
    let tag_keys: Vec<String> = gone.map(|tag| (*tag).to_owned()).collect();
    if !tag_keys.is_empty() {
        let input = api::UntagUserRequest {
            user_name: name.clone(),
            tag_keys,
        };
        desk.call::<op::UntagUser>(&input).await?;
    }
    if wanted
        .kept
        .iter()
        .any(|(tag, value)| before.kept.get(tag) != Some(value))
    {
        let input = api::TagUserRequest {
            user_name: name.clone(),
            tags: wanted.tags(),
        };
        desk.call::<op::TagUser>(&input).await?;
    }
    if wanted.active && !before.active {
        leaving::reactivate(desk, name).await?;
    }
    if wanted.user_name != *name {
        let input = api::UpdateUserRequest {
            user_name: name.clone(),
            new_user_name: Some(wanted.user_name.clone()),
            new_path: None,
        };
        desk.call::<op::UpdateUser>(&input).await?;
    }
    Ok(find(desk, &wanted.user_name).await?.resource())
}

async fn find(desk: &Desk<'_>, name: &str) -> Result<Found, ScimError> {
    let input = api::GetUserRequest {
        user_name: Some(name.to_owned()),
    };
    let user = desk.call::<op::GetUser>(&input).await?.user;
    let policies = leaving::inline_policies(desk, &user.user_name).await?;
    let groups = leaving::groups(desk, &user.user_name)
        .await?
        .into_iter()
        .map(|group| {
            let location = desk.location("Groups", &group.group_id);
            (group.group_id, group.group_name, location)
        });
    Ok(Found {
        active: !policies.iter().any(|policy| policy == MARK),
        groups: groups.collect(),
        location: desk.location("Users", &user.user_id),
        user,
    })
}

async fn all_names(desk: &Desk<'_>) -> Result<Vec<String>, ScimError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let input = api::ListUsersRequest {
            max_items: PAGE,
            marker,
            ..Default::default()
        };
        let page = desk.call::<op::ListUsers>(&input).await?;
        names.extend(page.users.into_iter().map(|user| user.user_name));
        marker = page.marker;
        if marker.is_none() {
            return Ok(names);
        }
    }
}
