//! Forgetting: what ended is shown for a while, then its record goes.

use portcullis_core::Arn;

use crate::world::records::Record;
use crate::world::records::ecs::{
    Cluster, ContainerInstance, DefinitionStatus, DesiredStatus, Facet, LastStatus, Service, ServiceStatus,
    Task, TaskDefinition, TaskSet,
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
        Cluster::KIND => tx.delete::<Cluster>(key),
        ContainerInstance::KIND => tx.delete::<ContainerInstance>(key),
        Service::KIND => tx.delete::<Service>(key),
        Task::KIND => tx.delete::<Task>(key),
        TaskDefinition::KIND => forget_definition(tx, key),
        _ => {}
    }
}

/// A definition that is still used gets another while.
fn forget_definition(tx: &mut Tx<'_>, key: &str) {
    let Some(found) = tx.view().ecs.task_definitions.get(key).cloned() else {
        return;
    };
    let DefinitionStatus::DeleteInProgress { inactive_since, .. } = found.status else {
        return;
    };
    if is_used(tx.view(), &found) {
        let status = DefinitionStatus::DeleteInProgress {
            inactive_since,
            since: tx.now,
        };
        tx.put(TaskDefinition {
            status,
            ..TaskDefinition::clone(&found)
        });
    } else {
        tx.delete::<TaskDefinition>(key);
    }
}

fn is_used(view: &Snapshot, definition: &TaskDefinition) -> bool {
    let region = format!("{}/", definition.region);
    let uses = |arn: Option<&str>, wanted: &Arn| arn == Some(wanted.as_str());
    let by_service = view.ecs.services.prefix(&region).any(|(_, service)| {
        !matches!(service.status, ServiceStatus::Inactive { .. })
            && uses(service.definition.task_definition.as_deref(), &definition.arn)
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
