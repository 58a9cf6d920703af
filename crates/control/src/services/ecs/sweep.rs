//! Forgetting: what ended is shown for a while, then its record goes.

use super::daemons;
use super::services::deploying;
use crate::world::records::Record;
use crate::world::records::ecs::{
    CapacityProvider, Cluster, ContainerInstance, Daemon, DaemonDeployment, DaemonRevision,
    DaemonTaskDefinition, DefinitionStatus, DesiredStatus, Facet, LastStatus, Service, ServiceDeployment,
    ServiceRevision, ServiceStatus, Task, TaskDefinition, TaskSet,
};
use crate::world::{Snapshot, Tx};

/// Most records one sweep forgets, so that it never holds up other writers for long.
const BATCH: usize = 500;

/// Whether there is anything to forget at `now`.
pub fn is_due(view: &Snapshot, now: portcullis_core::Timestamp) -> bool {
    let first = view.ecs.expiring.iter().next();
    first.is_some_and(|(key, _)| due(key, &moment(now)).is_some())
}

/// Forgets what may be forgotten; says whether more is left.
pub fn sweep(tx: &mut Tx<'_>) -> bool {
    let now = moment(tx.now);
    let rows = tx.view().ecs.expiring.iter().map_while(|(key, _)| due(key, &now));
    let ended: Vec<_> = rows
        .take(BATCH)
        .map(|(kind, key)| (kind.to_owned(), key.to_owned()))
        .collect();
    for (kind, key) in &ended {
        forget(tx, kind, key);
    }
    ended.len() == BATCH
}

fn moment(now: portcullis_core::Timestamp) -> String {
    format!("{:016}", now.as_millis())
}

/// Kind and key of a row whose time has come.
fn due<'a>(row: &'a str, now: &str) -> Option<(&'a str, &'a str)> {
    let (at, rest) = row.split_once('/')?;
    if at > now { None } else { rest.split_once('/') }
}

fn forget(tx: &mut Tx<'_>, kind: &str, key: &str) {
    match kind {
        CapacityProvider::KIND => tx.delete::<CapacityProvider>(key),
        Cluster::KIND => tx.delete::<Cluster>(key),
        ContainerInstance::KIND => tx.delete::<ContainerInstance>(key),
        Service::KIND => {
            deploying::forget_history(tx, key);
            tx.delete::<Service>(key);
        }
        ServiceDeployment::KIND => forget_deployment(tx, key),
        DaemonDeployment::KIND => forget_daemon_deployment(tx, key),
        DaemonTaskDefinition::KIND => forget_daemon_definition(tx, key),
        Task::KIND => tx.delete::<Task>(key),
        TaskDefinition::KIND => forget_definition(tx, key),
        _ => {}
    }
}

/// With a deployment go the revisions that only it still speaks of.
fn forget_deployment(tx: &mut Tx<'_>, key: &str) {
    let Some(found) = tx.view().ecs.service_deployments.get(key).cloned() else {
        return;
    };
    let service = Service::key_of(&found.region, &found.cluster, &found.service);
    let service = tx.view().ecs.services.get(&service).cloned();
    let is_used = |revision: &String| {
        service.as_ref().is_some_and(|service| {
            service.completed_revision.as_ref() == Some(revision)
                || service.deployments.iter().any(|one| one.revision == *revision)
        })
    };
    let unused = found
        .sources
        .iter()
        .chain([&found.target])
        .filter(|one| !is_used(one));
    for revision in unused {
        tx.delete::<ServiceRevision>(&ServiceRevision::key_of(
            &found.region,
            &found.cluster,
            &found.service,
            revision,
        ));
    }
    tx.delete::<ServiceDeployment>(key);
}

/// With a daemon's deployment go the revisions that only it still speaks of.
fn forget_daemon_deployment(tx: &mut Tx<'_>, key: &str) {
    let Some(found) = tx.view().ecs.daemon_deployments.get(key).cloned() else {
        return;
    };
    let home = (&found.region, found.cluster.as_str(), found.daemon.as_str());
    let daemon = tx.view().ecs.daemons.get(&Daemon::key_of(home.0, home.1, home.2));
    let daemon = daemon.cloned();
    let is_used = |revision: &String| {
        let mut deployments = daemon.iter().flat_map(|daemon| &daemon.deployments);
        deployments.any(|one| one.revision == *revision)
    };
    let named = found.sources.iter().chain(&found.target);
    for revision in named.filter(|one| !is_used(one)) {
        tx.delete::<DaemonRevision>(&DaemonRevision::key_of(home.0, home.1, home.2, revision));
    }
    tx.delete::<DaemonDeployment>(key);
}

/// A definition that is still used gets another while.
fn forget_definition(tx: &mut Tx<'_>, key: &str) {
    let Some(found) = tx.view().ecs.task_definitions.get(key).cloned() else {
        return;
    };
    let DefinitionStatus::DeleteInProgress {
        inactive_since,
        since,
        ..
    } = found.status
    else {
        return;
    };
    if is_used(tx.view(), &found) {
        let status = DefinitionStatus::DeleteInProgress {
            inactive_since,
            since,
            still_used: Some(tx.now),
        };
        tx.put(TaskDefinition {
            status,
            ..TaskDefinition::clone(&found)
        });
    } else {
        tx.delete::<TaskDefinition>(key);
    }
}

/// A definition that a daemon still runs gets another while.
fn forget_daemon_definition(tx: &mut Tx<'_>, key: &str) {
    let Some(found) = tx.view().ecs.daemon_task_definitions.get(key).cloned() else {
        return;
    };
    if daemons::definitions::is_used(tx.view(), &found) {
        tx.put(DaemonTaskDefinition {
            still_used: Some(tx.now),
            ..DaemonTaskDefinition::clone(&found)
        });
    } else {
        tx.delete::<DaemonTaskDefinition>(key);
    }
}

fn is_used(view: &Snapshot, definition: &TaskDefinition) -> bool {
    let region = format!("{}/", definition.region);
    let by_service = view.ecs.services.prefix(&region).any(|(_, service)| {
        !matches!(service.status, ServiceStatus::Inactive { .. })
            && service.task_definitions().any(|arn| *arn == definition.arn)
    });
    by_service
        || view
            .ecs
            .clusters
            .prefix(&region)
            .any(|(_, cluster)| runs_in(view, cluster, definition))
}

fn runs_in(view: &Snapshot, cluster: &Cluster, definition: &TaskDefinition) -> bool {
    [DesiredStatus::Running, DesiredStatus::Stopped]
        .into_iter()
        .any(|desired| {
            let set = TaskSet::new(
                &cluster.region,
                &cluster.name,
                Facet::Family(&definition.family),
                desired,
            );
            let mut tasks = view.ecs.tasks_of(&set, None);
            tasks.any(|(_, task)| task.revision == definition.revision && task.last != LastStatus::Stopped)
        })
}
