//! The checks ECS's operations have in common, with the context keys the service reference lists for each
//! (ecs.md 15).

use portcullis_core::{AccountId, Arn, Tags};

use super::errors::EcsError;
use super::names::{ClusterRef, MemberRef, Scope};
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::operation::Check;
use crate::open_points;
use crate::world::Snapshot;

/// Who assumes task and execution roles.
pub(crate) use crate::gate::assume::ECS_TASKS as TASKS_PRINCIPAL;

/// Who assumes the roles by which ECS itself makes something: volumes, connections of services.
pub(crate) const SERVICE_PRINCIPAL: &str = "ecs.amazonaws.com";

impl Check {
    /// Adds the tags of the resource: `aws:ResourceTag/K` and `ecs:ResourceTag/K`.
    #[must_use]
    pub(crate) fn of_resource(mut self, tags: &Tags) -> Self {
        add_resource_tags(&mut self.context, "ecs", tags);
        self
    }

    /// Adds the tags of the request: `aws:RequestTag/K` and `aws:TagKeys`.
    #[must_use]
    pub(crate) fn of_request(mut self, tags: &Tags) -> Self {
        add_request_tags(&mut self.context, tags);
        self
    }
}

/// An action on a cluster.
pub(crate) fn on_cluster(view: &Snapshot, action: &'static str, cluster: &ClusterRef) -> Check {
    let check = Check::new(action, cluster.arn.as_str());
    match cluster.find(view) {
        Some(found) => check.of_resource(&found.tags),
        None => open_points::r181_check_on_missing(check),
    }
}

/// An action on something in a cluster, with the key `ecs:cluster`.
pub(crate) fn on_member(
    action: &'static str,
    cluster: &ClusterRef,
    member: &MemberRef,
    tags: Option<&Tags>,
) -> Check {
    let check = Check::new(action, member.arn.as_str()).with("ecs:cluster", cluster.arn.as_str());
    match tags {
        Some(tags) => check.of_resource(tags),
        None => open_points::r181_check_on_missing(check),
    }
}

/// An action on a container instance.
pub(crate) fn on_instance(
    view: &Snapshot,
    action: &'static str,
    cluster: &ClusterRef,
    instance: &MemberRef,
) -> Check {
    let found = instance.container_instance(view);
    on_member(action, cluster, instance, found.map(|found| &found.tags))
}

/// An action on a task.
pub(crate) fn on_task(
    view: &Snapshot,
    action: &'static str,
    cluster: &ClusterRef,
    task: &MemberRef,
) -> Check {
    on_member(action, cluster, task, task.task(view).map(|found| &found.tags))
}

/// `ecs:TagResource` for the tags given at creation; none when there are no tags (rule 7, R148).
pub(crate) fn tag_on_create(
    operation: &'static str,
    resource: impl Into<String>,
    tags: &Tags,
) -> Option<Check> {
    if tags.is_empty() || !open_points::r148_tags_need_permission() {
        return None;
    }
    let check = Check::new("ecs:TagResource", resource)
        .of_resource(tags)
        .of_request(tags);
    Some(check.with("ecs:CreateAction", operation))
}

/// `iam:PassRole` of a role to the service that will assume it (rule 8, R149 to R153).
pub(crate) fn pass_role(role: &Arn, to: &'static str) -> Check {
    Check::new("iam:PassRole", role.as_str())
        .with("iam:PassedToService", to)
        .with_some(
            "iam:AssociatedResourceArn",
            open_points::r151_associated_resource(role),
        )
}

/// The role that a name or ARN means; a name is looked up for its path. Whether the role exists is not the question
/// here. Roles of other accounts can never be passed (R152).
pub(crate) fn resolve_role(view: &Snapshot, scope: Scope<'_>, argument: &str) -> Result<Arn, EcsError> {
    if !argument.starts_with("arn:") {
        if !is_role_name(argument) {
            return Err(EcsError::Role);
        }
        let known = view.role(argument).map(|role| role.arn.clone());
        let made = || {
            Arn::global(
                "iam",
                scope.region.partition(),
                scope.account,
                format_args!("role/{argument}"),
            )
        };
        return Ok(known.unwrap_or_else(made));
    }
    let arn: Arn = argument.parse().map_err(|_| EcsError::Role)?;
    let account: AccountId = arn.account().parse().map_err(|_| EcsError::Role)?;
    let is_role = arn.partition() == scope.region.partition().as_str()
        && arn.service() == "iam"
        && arn.region().is_empty()
        && arn.resource().strip_prefix("role").is_some_and(is_role_path);
    if !is_role {
        return Err(EcsError::Role);
    }
    if account != *scope.account {
        return Err(EcsError::RoleOfOtherAccount);
    }
    Ok(arn)
}

/// The task role and the execution role that a definition names; an empty name is none.
pub(crate) fn roles_of_tasks(
    view: &Snapshot,
    scope: Scope<'_>,
    task: Option<&str>,
    execution: Option<&str>,
) -> Result<(Option<Arn>, Option<Arn>), EcsError> {
    let resolve = |role: Option<&str>| {
        let named = role.filter(|role| !role.is_empty());
        named.map(|role| resolve_role(view, scope, role)).transpose()
    };
    Ok((resolve(task)?, resolve(execution)?))
}

/// Passing both roles of tasks to them; one role in both places is passed once.
pub(crate) fn pass_roles_of_tasks(task: Option<&Arn>, execution: Option<&Arn>) -> Vec<Check> {
    let execution = execution.filter(|role| Some(*role) != task);
    let passed = task.into_iter().chain(execution);
    passed.map(|role| pass_role(role, TASKS_PRINCIPAL)).collect()
}

/// Longest name of a role, in characters.
const ROLE_NAME_MAX: usize = 64;

/// Whether IAM would let a role have that name.
fn is_role_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=ROLE_NAME_MAX).contains(&text.len()) && text.bytes().all(known)
}

/// Whether a text is `/NAME` or `/PATH/NAME` as IAM lets roles have them.
fn is_role_path(text: &str) -> bool {
    let Some((path, name)) = text.rsplit_once('/') else {
        return false;
    };
    let is_path = match path.strip_prefix('/') {
        None => path.is_empty(),
        Some(inner) => !inner.is_empty() && inner.bytes().all(|byte| (b'!'..=b'\x7f').contains(&byte)),
    };
    is_path && is_role_name(name)
}
