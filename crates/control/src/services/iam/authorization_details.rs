//! GetAccountAuthorizationDetails: everybody with all their policies, page by page.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Arn;

use super::checks::one;
use super::documents::encoded;
use super::entity::Entity as _;
use super::managed_policies::{Found, uses};
use super::paging::{Page, Paging};
use super::{shapes, trust};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read};
use crate::world::records::iam::{Group, InstanceProfile, Permissions, Role, User};
use crate::world::{Snapshot, Table, Usage, managed};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![read::<op::GetAccountAuthorizationDetails>(
        &["iam:GetAccountAuthorizationDetails"],
        |_| one(Check::new("iam:GetAccountAuthorizationDetails", "*")),
        get,
    )]
}

/// One entry of a page.
enum Detail<'a> {
    User(&'a User),
    Group(&'a Group),
    Role(&'a Role),
    Policy(Found<'a>),
}

/// Users, roles, groups, policies follow each other, as in AWS's pages; a key starts with the number of its kind.
fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetAccountAuthorizationDetails>,
) -> Result<api::GetAccountAuthorizationDetailsResponse, ServiceError> {
    let input = auth.input();
    let wanted = |kind: &str| {
        input
            .filter
            .as_ref()
            .is_none_or(|kinds| kinds.iter().any(|wanted| wanted == kind))
    };
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let after = paging.after();
    let users = wanted("User")
        .then(|| rest(&view.users, "1", after))
        .into_iter()
        .flatten();
    let roles = wanted("Role")
        .then(|| rest(&view.roles, "2", after))
        .into_iter()
        .flatten();
    let groups = wanted("Group")
        .then(|| rest(&view.groups, "3", after))
        .into_iter()
        .flatten();
    let policies = wanted("LocalManagedPolicy")
        .then(|| rest(&view.policies, "4", after))
        .into_iter()
        .flatten();
    let aws = if wanted("AWSManagedPolicy") {
        managed::after(after_in("5", after).flatten())
    } else {
        &[]
    };
    let aws = aws.iter().filter(|policy| is_used(view, policy.arn()));
    let all = users
        .map(|(key, user)| (key, Detail::User(user)))
        .chain(roles.map(|(key, role)| (key, Detail::Role(role))))
        .chain(groups.map(|(key, group)| (key, Detail::Group(group))))
        .chain(policies.map(|(key, policy)| (key, Detail::Policy(Found::Customer(policy)))))
        .chain(aws.map(|policy| (format!("5/{}", policy.arn()), Detail::Policy(Found::Aws(policy)))));
    Ok(reply(view, env, paging.rows(all)))
}

/// Where a page starts within one kind: `None` when the kind is behind already.
fn after_in<'a>(kind: &str, after: Option<&'a str>) -> Option<Option<&'a str>> {
    match after.and_then(|after| after.split_once('/')) {
        None => Some(None),
        Some((at, _)) if at < kind => Some(None),
        Some((at, last)) if at == kind => Some(Some(last)),
        Some(_) => None,
    }
}

fn rest<'a, T>(
    table: &'a Table<T>,
    kind: &'static str,
    after: Option<&'a str>,
) -> impl Iterator<Item = (String, &'a std::sync::Arc<T>)> {
    let rows = after_in(kind, after).map(|last| table.after("", last));
    rows.into_iter()
        .flatten()
        .map(move |(key, row)| (format!("{kind}/{key}"), row))
}

fn is_used(view: &Snapshot, arn: &str) -> bool {
    let Ok(arn) = arn.parse::<Arn>() else { return false };
    uses(view, &arn, Usage::Permissions) + uses(view, &arn, Usage::Boundary) > 0
}

fn reply(
    view: &Snapshot,
    env: &Environment,
    page: Page<Detail<'_>>,
) -> api::GetAccountAuthorizationDetailsResponse {
    let is_truncated = page.is_truncated();
    let (mut users, mut groups, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for detail in page.items {
        match detail {
            Detail::User(user) => users.push(user_detail(user)),
            Detail::Group(group) => groups.push(group_detail(group)),
            Detail::Role(role) => roles.push(role_detail(view, env, role)),
            Detail::Policy(policy) => policies.push(policy_detail(view, &policy)),
        }
    }
    api::GetAccountAuthorizationDetailsResponse {
        user_detail_list: Some(users),
        group_detail_list: Some(groups),
        role_detail_list: Some(roles),
        policies: Some(policies),
        is_truncated,
        marker: page.marker,
    }
}

fn inline(permissions: &Permissions) -> Option<Vec<api::PolicyDetail>> {
    let policies = permissions.inline.iter().map(|(name, text)| api::PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(encoded(text.as_str())),
    });
    Some(policies.collect())
}

fn attached(permissions: &Permissions) -> Option<Vec<api::AttachedPolicy>> {
    Some(permissions.attached.iter().map(shapes::attached).collect())
}

fn user_detail(user: &User) -> api::UserDetail {
    api::UserDetail {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(user.arn.to_string()),
        create_date: Some(user.created),
        // AWS leaves this list out where it is empty, and only this one.
        user_policy_list: inline(&user.permissions).filter(|policies| !policies.is_empty()),
        group_list: Some(user.groups.clone()),
        attached_managed_policies: attached(&user.permissions),
        permissions_boundary: shapes::boundary(&user.permissions),
        tags: Some(shapes::tag_list(&user.tags)),
    }
}

fn group_detail(group: &Group) -> api::GroupDetail {
    api::GroupDetail {
        path: Some(group.path.clone()),
        group_name: Some(group.name.clone()),
        group_id: Some(group.id.clone()),
        arn: Some(group.arn.to_string()),
        create_date: Some(group.created),
        group_policy_list: inline(&group.permissions),
        attached_managed_policies: attached(&group.permissions),
    }
}

fn role_detail(view: &Snapshot, env: &Environment, role: &Role) -> api::RoleDetail {
    let profiles = view
        .role_profiles(&role.name)
        .filter_map(|name| InstanceProfile::find(view, name));
    api::RoleDetail {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role.arn.to_string()),
        create_date: Some(role.created),
        assume_role_policy_document: Some(encoded(&trust::shown(view, &role.trust))),
        instance_profile_list: Some(
            profiles
                .map(|profile| shapes::listed_instance_profile(view, profile))
                .collect(),
        ),
        role_policy_list: inline(&role.permissions),
        attached_managed_policies: attached(&role.permissions),
        permissions_boundary: shapes::boundary(&role.permissions),
        tags: Some(shapes::tag_list(&role.tags)),
        role_last_used: Some(shapes::role_last_used(view, &env.uses, role)),
    }
}

fn policy_detail(view: &Snapshot, policy: &Found<'_>) -> api::ManagedPolicyDetail {
    let shown = policy.shown(view);
    api::ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        // AWS leaves it out here.
        description: None,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(policy.versions()),
    }
}
