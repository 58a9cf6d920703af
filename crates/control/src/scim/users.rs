//! `/Users`.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use serde_json::{Map, Value};

use super::desk::Desk;
use super::directory::{PAGE, Page, Resource};
use super::errors::ScimError;
use super::leaving;
use super::patch::Operation;
use super::person::{Found, Person};

impl Resource for Found {
    type Desired = Person;

    const NAMED_BY: &'static str = "username";

    fn name_of(desk: &Desk<'_>, id: &str) -> Result<String, ScimError> {
        desk.user_name(id)
    }

    async fn find(desk: &Desk<'_>, name: &str) -> Result<Self, ScimError> {
        let input = api::GetUserRequest {
            user_name: Some(name.to_owned()),
        };
        let user = desk.call::<op::GetUser>(&input).await?.user;
        let groups = leaving::groups(desk, &user.user_name)
            .await?
            .into_iter()
            .map(|group| {
                let location = desk.location("Groups", &group.group_id);
                (group.group_id, group.group_name, location)
            });
        Ok(Self {
            active: desk.departure(&user.user_name).is_none(),
            groups: groups.collect(),
            location: desk.location("Users", &user.user_id),
            user,
        })
    }

    async fn names(desk: &Desk<'_>, marker: Option<String>) -> Result<Page, ScimError> {
        let input = api::ListUsersRequest {
            max_items: PAGE,
            marker,
            ..Default::default()
        };
        let page = desk.call::<op::ListUsers>(&input).await?;
        let names = page.users.into_iter().map(|user| user.user_name);
        Ok((names.collect(), page.marker))
    }

    fn shown(&self) -> Value {
        self.resource()
    }

    fn present(&self) -> Person {
        self.person()
    }

    fn read(body: &Map<String, Value>, before: Option<&Person>) -> Result<Person, ScimError> {
        Person::read(body, before)
    }

    fn patched(before: Person, operations: &[Operation]) -> Result<Person, ScimError> {
        before.patched(operations)
    }

    async fn make(desk: &Desk<'_>, wanted: &Person) -> Result<String, ScimError> {
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
        Ok(wanted.user_name.clone())
    }

    /// Who leaves, leaves first: whatever becomes of the rest.
    async fn change(desk: &Desk<'_>, before: &Person, wanted: &Person) -> Result<String, ScimError> {
        let name = &before.user_name;
        if !wanted.active {
            leaving::deactivate(desk, name).await?;
        }
        tag(desk, before, wanted).await?;
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
        Ok(wanted.user_name.clone())
    }
}

async fn tag(desk: &Desk<'_>, before: &Person, wanted: &Person) -> Result<(), ScimError> {
    let gone = before.kept.keys().filter(|tag| !wanted.kept.contains_key(*tag));
    let tag_keys: Vec<String> = gone.map(|tag| (*tag).to_owned()).collect();
    if !tag_keys.is_empty() {
        let input = api::UntagUserRequest {
            user_name: before.user_name.clone(),
            tag_keys,
        };
        desk.call::<op::UntagUser>(&input).await?;
    }
    let mut kept = wanted.kept.iter();
    if kept.any(|(tag, value)| before.kept.get(tag) != Some(value)) {
        let input = api::TagUserRequest {
            user_name: before.user_name.clone(),
            tags: wanted.tags(),
        };
        desk.call::<op::TagUser>(&input).await?;
    }
    Ok(())
}

pub(super) async fn delete(desk: &Desk<'_>, id: &str) -> Result<(), ScimError> {
    leaving::delete(desk, &desk.user_name(id)?).await
}
