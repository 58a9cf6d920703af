//! ListEntitiesForPolicy: who uses a managed policy.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Arn;

use super::checks::{self, one};
use super::errors::IamError;
use super::managed_policies;
use super::paging::Paging;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read};
use crate::world::{Attachment, Snapshot, Usage, attachment_prefix};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![read::<op::ListEntitiesForPolicy>(
        &["iam:ListEntitiesForPolicy"],
        |ask| {
            one(checks::on_policy(
                "iam:ListEntitiesForPolicy",
                &ask,
                &ask.input.policy_arn,
            ))
        },
        list,
    )]
}

/// One user of a policy.
enum Entity {
    User(api::PolicyUser),
    Group(api::PolicyGroup),
    Role(api::PolicyRole),
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListEntitiesForPolicy>,
) -> Result<api::ListEntitiesForPolicyResponse, ServiceError> {
    let input = auth.input();
    let arn = managed_policies::parse(&input.policy_arn)?;
    if !managed_policies::exists(view, &arn) {
        return Err(IamError::NoPolicy(input.policy_arn.clone()).into());
    }
    let wanted_kind = match input.entity_filter.as_deref() {
        Some("User") => Some("user"),
        Some("Group") => Some("group"),
        Some("Role") => Some("role"),
        _ => None,
    };
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let users_of = |usage| entities(view, &arn, usage, wanted_kind, prefix);
    let found = match input.policy_usage_filter.as_deref() {
        Some("PermissionsPolicy") => users_of(Usage::Permissions),
        Some("PermissionsBoundary") => users_of(Usage::Boundary),
        _ => [users_of(Usage::Permissions), users_of(Usage::Boundary)].concat(),
    };
    let mut found: Vec<_> = found
        .into_iter()
        .map(|entity| (format!("{}/{}", entity.kind, entity.name), entity))
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(a, _), (b, _)| a == b);
    let page = paging.sorted(
        found
            .into_iter()
            .filter_map(|(key, entity)| Some((key, shown(view, &entity)?))),
    );
    Ok(reply(page))
}

/// The users, groups and roles with a usage of a policy, below a path.
fn entities(
    view: &Snapshot,
    policy: &Arn,
    usage: Usage,
    kind: Option<&str>,
    prefix: &str,
) -> Vec<Attachment> {
    let key = attachment_prefix(policy, usage);
    let rows = view.attachments.prefix(&key).map(|(_, row)| row);
    let wanted = rows.filter(|row| kind.is_none_or(|kind| row.kind == kind));
    wanted
        .filter(|row| path_of(view, row).is_some_and(|path| path.starts_with(prefix)))
        .map(|row| Attachment::clone(row))
        .collect()
}

fn path_of<'a>(view: &'a Snapshot, entity: &Attachment) -> Option<&'a str> {
    match entity.kind {
        "user" => view.user(&entity.name).map(|user| user.path.as_str()),
        "group" => view.group(&entity.name).map(|group| group.path.as_str()),
        _ => view.role(&entity.name).map(|role| role.path.as_str()),
    }
}

fn shown(view: &Snapshot, entity: &Attachment) -> Option<Entity> {
    let name = &entity.name;
    Some(match entity.kind {
        "user" => {
            let id = view.user(name)?.id.clone();
            Entity::User(api::PolicyUser {
                user_name: Some(name.clone()),
                user_id: Some(id),
            })
        }
        "group" => {
            let id = view.group(name)?.id.clone();
            Entity::Group(api::PolicyGroup {
                group_name: Some(name.clone()),
                group_id: Some(id),
            })
        }
        _ => {
            let id = view.role(name)?.id.clone();
            Entity::Role(api::PolicyRole {
                role_name: Some(name.clone()),
                role_id: Some(id),
            })
        }
    })
}

fn reply(page: super::paging::Page<Entity>) -> api::ListEntitiesForPolicyResponse {
    let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    let is_truncated = page.is_truncated();
    for entity in page.items {
        match entity {
            Entity::User(user) => users.push(user),
            Entity::Group(group) => groups.push(group),
            Entity::Role(role) => roles.push(role),
        }
    }
    api::ListEntitiesForPolicyResponse {
        policy_groups: Some(groups),
        policy_users: Some(users),
        policy_roles: Some(roles),
        is_truncated,
        marker: page.marker,
    }
}
