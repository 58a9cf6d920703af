//! CreateDaemon, UpdateDaemon and DeleteDaemon.

use portcullis_api::ecs as api;
use portcullis_api::ecs::op::{CreateDaemon, DeleteDaemon, UpdateDaemon};

use super::deploying;
use super::faults::DaemonFault;
use super::names::DaemonRef;
use super::wish::{Wish, default_configuration};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::open_points;
use crate::services::ecs::checks::{on_member, tag_on_create};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{Scope, is_name};
use crate::services::ecs::services::launching::client_token;
use crate::services::ecs::tags;
use crate::world::Tx;
use crate::world::records::ecs::{Daemon, DaemonStatus};

/// The daemon's ARN with everything the reference lists, tagging it, and passing the roles of its tasks.
pub(super) fn require_create(ask: Ask<'_, api::CreateDaemonRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, scope) = (ask.input, Scope::from(ask.call));
    let daemon = DaemonRef::named(scope, input.cluster_arn.as_deref(), &input.daemon_name)?;
    let tags = tags::requested(input.tags.as_deref());
    // Of a daemon that is already there, its own tags decide: the call then only shows it.
    let decisive = daemon.find(ask.view).map_or(&tags, |found| &found.tags);
    let check = on_member(
        "ecs:CreateDaemon",
        &daemon.cluster,
        &daemon.member,
        Some(decisive),
    );
    let wish = Wish::by_create(input);
    let mut all = vec![wish.add_keys(check.of_request(&tags), ask.view, scope)?];
    all.extend(tag_on_create("CreateDaemon", daemon.member.arn.as_str(), &tags));
    all.extend(wish.pass_roles(ask.view, scope)?);
    Ok(all)
}

/// Makes a daemon and begins its first deployment, or shows the one that is there if it was asked for the same way.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateDaemon>,
) -> Result<api::CreateDaemonResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let reference = DaemonRef::named(scope, input.cluster_arn.as_deref(), &input.daemon_name)?;
    reference.cluster.active(tx.view())?;
    if !is_name(&input.daemon_name) {
        return Err(EcsError::from(DaemonFault::Name).into());
    }
    let token = client_token(input.client_token.as_deref())?;
    let existing = reference.find(tx.view()).cloned();
    if let Some(found) = &existing
        && found.status == DaemonStatus::Active
        && token.is_some()
        && found.client_token == token
    {
        return Ok(created(found));
    }
    let tags = tags::checked(input.tags.as_deref())?;
    let wish = Wish::by_create(input);
    let executes = input.enable_execute_command.unwrap_or_default();
    let definition = wish.definition(tx.view(), scope, executes)?;
    let propagates = input.propagate_tags.clone();
    let mut daemon = Daemon {
        region: scope.region.clone(),
        cluster: reference.cluster.name.clone(),
        name: input.daemon_name.clone(),
        arn: reference.member.arn.clone(),
        status: DaemonStatus::Active,
        tags,
        client_token: token,
        created: tx.now,
        updated: tx.now,
        deployments: Vec::new(),
        current_deployment: String::new(),
        capacity_providers: wish.providers(tx.view(), scope, &reference.cluster)?,
        configuration: wish.configuration()?.unwrap_or_else(default_configuration),
        chosen: api::DaemonRevision {
            cluster_arn: Some(reference.cluster.arn.to_string()),
            daemon_arn: Some(reference.member.arn.to_string()),
            daemon_task_definition_arn: Some(definition.to_string()),
            propagate_tags: Some(propagates.unwrap_or_else(|| "NONE".to_owned())),
            enable_ecs_managed_tags: Some(input.enable_ecs_managed_tags.unwrap_or_default()),
            enable_execute_command: Some(executes),
            critical: Some(input.critical.unwrap_or(true)),
            ..api::DaemonRevision::default()
        },
    };
    match &existing {
        Some(found) if found.status == DaemonStatus::DeleteInProgress => {
            return Err(EcsError::from(DaemonFault::BeingDeleted).into());
        }
        Some(found) if is_same(found, &daemon) => return Ok(created(found)),
        Some(_) => return Err(EcsError::from(DaemonFault::NotIdempotent).into()),
        None => {}
    }
    deploying::begin(tx, &mut daemon);
    let reply = created(&daemon);
    tx.put(daemon);
    Ok(reply)
}

fn created(daemon: &Daemon) -> api::CreateDaemonResponse {
    api::CreateDaemonResponse {
        daemon_arn: Some(daemon.arn.to_string()),
        status: Some(daemon.status.as_str().to_owned()),
        created_at: Some(daemon.created),
        deployment_arn: Some(deployment_arn(daemon)),
    }
}

/// The ARN of the deployment that is under way or was the last.
pub(super) fn deployment_arn(daemon: &Daemon) -> String {
    let (cluster, name, id) = (&daemon.cluster, &daemon.name, &daemon.current_deployment);
    daemon
        .arn_beside(format_args!("daemon-deployment/{cluster}/{name}/{id}"))
        .to_string()
}

/// Whether a second request asks for just the daemon that is there.
fn is_same(existing: &Daemon, asked: &Daemon) -> bool {
    let chosen = |daemon: &Daemon| api::DaemonRevision {
        daemon_revision_arn: None,
        created_at: None,
        container_images: None,
        ..daemon.chosen.clone()
    };
    chosen(existing) == chosen(asked)
        && existing.capacity_providers == asked.capacity_providers
        && existing.configuration == asked.configuration
        && existing.tags == asked.tags
}

/// The daemon with everything the reference lists, and passing the roles of its tasks.
pub(super) fn require_update(ask: Ask<'_, api::UpdateDaemonRequest>) -> Result<Vec<Check>, ServiceError> {
    let scope = Scope::from(ask.call);
    let daemon = DaemonRef::from_arn(scope, &ask.input.daemon_arn)?;
    let wish = Wish::by_update(ask.input);
    let mut all = vec![wish.add_keys(daemon.check(ask.view, "ecs:UpdateDaemon"), ask.view, scope)?];
    if open_points::update_daemon_passes_roles() {
        all.extend(wish.pass_roles(ask.view, scope)?);
    }
    Ok(all)
}

/// Begins a deployment of what is asked for; what is not said stays.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateDaemon>,
) -> Result<api::UpdateDaemonResponse, ServiceError> {
    let (input, scope) = (auth.input(), Scope::from(auth.call()));
    let reference = DaemonRef::from_arn(scope, &input.daemon_arn)?;
    let mut daemon = active(tx, &reference)?;
    let wish = Wish::by_update(input);
    let chosen = &mut daemon.chosen;
    let executes = input.enable_execute_command.or(chosen.enable_execute_command);
    let definition = wish.definition(tx.view(), scope, executes.unwrap_or_default())?;
    chosen.daemon_task_definition_arn = Some(definition.to_string());
    chosen.enable_execute_command = executes;
    chosen.propagate_tags = input.propagate_tags.clone().or(chosen.propagate_tags.take());
    chosen.enable_ecs_managed_tags = input.enable_ecs_managed_tags.or(chosen.enable_ecs_managed_tags);
    chosen.critical = input.critical.or(chosen.critical);
    daemon.capacity_providers = wish.providers(tx.view(), scope, &reference.cluster)?;
    if let Some(configuration) = wish.configuration()? {
        daemon.configuration = configuration;
    }
    daemon.updated = tx.now;
    deploying::begin(tx, &mut daemon);
    let reply = api::UpdateDaemonResponse {
        daemon_arn: Some(daemon.arn.to_string()),
        status: Some(daemon.status.as_str().to_owned()),
        created_at: Some(daemon.created),
        updated_at: Some(daemon.updated),
        deployment_arn: Some(deployment_arn(&daemon)),
    };
    tx.put(daemon);
    Ok(reply)
}

/// A daemon that can be changed.
fn active(tx: &Tx<'_>, reference: &DaemonRef) -> Result<Daemon, EcsError> {
    reference.cluster.active(tx.view())?;
    let found = reference.known(tx.view())?;
    match found.status {
        DaemonStatus::Active => Ok(Daemon::clone(found)),
        DaemonStatus::DeleteInProgress => Err(DaemonFault::NotActive.into()),
    }
}

/// The daemon.
pub(super) fn require_delete(ask: Ask<'_, api::DeleteDaemonRequest>) -> Result<Vec<Check>, ServiceError> {
    let daemon = DaemonRef::from_arn(ask.call.into(), &ask.input.daemon_arn)?;
    Ok(vec![daemon.check(ask.view, "ecs:DeleteDaemon")])
}

/// Begins to stop all that runs of a daemon; the scheduler ends it.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteDaemon>,
) -> Result<api::DeleteDaemonResponse, ServiceError> {
    let reference = DaemonRef::from_arn(auth.call().into(), &auth.input().daemon_arn)?;
    let mut daemon = active(tx, &reference)?;
    deploying::begin_end(tx, &mut daemon);
    daemon.status = DaemonStatus::DeleteInProgress;
    daemon.updated = tx.now;
    let reply = api::DeleteDaemonResponse {
        daemon_arn: Some(daemon.arn.to_string()),
        status: Some(daemon.status.as_str().to_owned()),
        created_at: Some(daemon.created),
        updated_at: Some(daemon.updated),
        deployment_arn: Some(deployment_arn(&daemon)),
    };
    tx.put(daemon);
    Ok(reply)
}
