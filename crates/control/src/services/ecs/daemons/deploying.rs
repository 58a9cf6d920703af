//! How deployments of daemons begin and end, in the record of the daemon and in its history. The scheduler decides when.

use portcullis_api::ecs as api;
use portcullis_core::Arn;
use portcullis_schedule::deployment::{Cause, Progress};

use crate::open_points;
use crate::schedule::services::breaker_of;
use crate::services::ecs::services::deploying::{history_id, number};
use crate::services::ecs::services::shown::reason;
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::ecs::{
    Breaker, Daemon, DaemonDeployment, DaemonRevision, Deployment, DeploymentStatus, Rollback,
    ServiceDeploymentStatus as Status, TaskDefinition, TaskEnds,
};

/// Makes what is chosen of a daemon its PRIMARY deployment, with a revision and an entry in its history. What was under way is
/// stopped. The caller keeps the daemon.
pub(super) fn begin(tx: &mut Tx<'_>, daemon: &mut Daemon) {
    supersede(tx, daemon);
    let revision = revision(tx, daemon);
    let entry = entry(tx, daemon, Some(revision.id.clone()));
    let definition = daemon.chosen.daemon_task_definition_arn.as_deref();
    let deployment = Deployment {
        id: entry.id.clone(),
        took_over: Vec::new(),
        revision: revision.id.clone(),
        service_deployment: entry.id.clone(),
        status: DeploymentStatus::Primary,
        task_definition: definition
            .and_then(|arn| arn.parse().ok())
            .unwrap_or_else(|| daemon.arn.clone()),
        created: tx.now,
        updated: tx.now,
        progress: Progress::default(),
        chosen: api::Deployment {
            capacity_provider_strategy: Some(strategy(&daemon.capacity_providers)),
            ..api::Deployment::default()
        },
    };
    for earlier in &mut daemon.deployments {
        earlier.status = DeploymentStatus::Active;
        earlier.updated = tx.now;
    }
    daemon.deployments.insert(0, deployment);
    daemon.current_deployment.clone_from(&entry.id);
    tx.put(revision);
    tx.put(entry);
}

/// Makes the deployment that ends a daemon. The caller keeps the daemon.
pub(super) fn begin_end(tx: &mut Tx<'_>, daemon: &mut Daemon) {
    supersede(tx, daemon);
    let entry = entry(tx, daemon, None);
    daemon.current_deployment.clone_from(&entry.id);
    tx.put(entry);
}

/// What is under way begins: the scheduler has seen it. Says whether that is news.
pub(crate) fn start(tx: &mut Tx<'_>, daemon: &Daemon) -> bool {
    match under_way(tx, daemon) {
        Some(entry) if entry.status == Status::Pending => {
            tx.put(DaemonDeployment {
                status: Status::InProgress,
                started: Some(tx.now),
                ..entry
            });
            true
        }
        _ => false,
    }
}

/// Why what is under way does not get on.
pub(crate) fn explain(tx: &mut Tx<'_>, daemon: &Daemon, why: &str) {
    if let Some(entry) = under_way(tx, daemon)
        && entry.reason.as_deref() != Some(why)
    {
        tx.put(DaemonDeployment {
            reason: Some(why.to_owned()),
            ..entry
        });
    }
}

/// All instances run a deployment.
pub(crate) fn complete(tx: &mut Tx<'_>, daemon: &Daemon, id: &str) {
    let Some(entry) = entry_of(tx, daemon, id) else {
        return;
    };
    let status = match entry.rollback {
        None => Status::Successful,
        Some(_) => Status::RollbackSuccessful,
    };
    tx.put(DaemonDeployment {
        status,
        // Of a rollback it says why, of all others why it did not get on until now.
        reason: entry.reason.clone().filter(|_| entry.rollback.is_some()),
        finished: Some(tx.now),
        ..entry
    });
}

/// A deployment failed for a cause, with so many instances that belong to the daemon. The daemon goes back to the deployment
/// `to`, if there is one. The caller keeps the daemon.
pub(crate) fn fail(
    tx: &mut Tx<'_>,
    daemon: &mut Daemon,
    id: &str,
    (cause, hosts): (Cause, u32),
    to: Option<&str>,
) {
    let failed = daemon.deployments.iter().find(|one| one.id == id);
    let breaker = failed.and_then(|failed| broken(failed, hosts, cause));
    let why = failed.map(reason);
    let Some(mut entry) = entry_of(tx, daemon, id) else {
        return;
    };
    entry.breaker = breaker.or(entry.breaker);
    entry.reason.clone_from(&why);
    match to {
        Some(to) => {
            entry.status = Status::RollbackInProgress;
            let revision = go_back(tx, daemon, to, cause, &entry.id);
            entry.rollback = revision.map(|revision| Rollback {
                reason: why.unwrap_or_default(),
                started: tx.now,
                revision,
            });
        }
        None => {
            entry.status = match entry.rollback {
                None => Status::Stopped,
                Some(_) => Status::RollbackFailed,
            };
            entry.stopped = Some(tx.now);
            entry.finished = Some(tx.now);
        }
    }
    tx.put(entry);
}

/// A daemon that was deleted has nothing left that runs: its record goes, its history stays.
pub(crate) fn finish(tx: &mut Tx<'_>, daemon: &Daemon) {
    if let Some(entry) = under_way(tx, daemon) {
        tx.put(DaemonDeployment {
            status: Status::Successful,
            finished: Some(tx.now),
            ..entry
        });
    }
    for one in &daemon.deployments {
        tx.delete::<TaskEnds>(&TaskEnds::key_of(&daemon.region, &daemon.cluster, &one.id));
    }
    tx.delete::<Daemon>(&daemon.key());
}

/// What the circuit breaker counted of a deployment, among so many instances.
pub(super) fn counted(one: &Deployment, hosts: u32) -> Option<Breaker> {
    let breaker = breaker_of(&open_points::daemon_circuit_breaker())?;
    Some(Breaker {
        failures: one.progress.breaker_failures,
        threshold: breaker.threshold.failures(hosts),
        triggered: false,
    })
}

fn broken(one: &Deployment, hosts: u32, cause: Cause) -> Option<Breaker> {
    let triggered = matches!(cause, Cause::TasksFailedToStart | Cause::TasksFailedHealthChecks);
    counted(one, hosts).map(|counted| Breaker { triggered, ..counted })
}

/// Makes an earlier deployment PRIMARY again; the id of its revision.
fn go_back(tx: &Tx<'_>, daemon: &mut Daemon, to: &str, cause: Cause, entry: &str) -> Option<String> {
    let at = daemon.deployments.iter().position(|one| one.id == to)?;
    let mut back = daemon.deployments.remove(at);
    for other in &mut daemon.deployments {
        other.status = DeploymentStatus::Active;
    }
    back.status = DeploymentStatus::Primary;
    back.progress = Progress::rolling_back(cause);
    back.updated = tx.now;
    entry.clone_into(&mut back.service_deployment);
    let key = DaemonRevision::key_of(&daemon.region, &daemon.cluster, &daemon.name, &back.revision);
    if let Some(revision) = tx.view().ecs.daemon_revisions.get(&key) {
        daemon.chosen = revision.definition.clone();
        daemon.capacity_providers.clone_from(&revision.capacity_providers);
    }
    let revision = back.revision.clone();
    daemon.deployments.insert(0, back);
    daemon.updated = tx.now;
    Some(revision)
}

/// The entry a deployment of a daemon belongs to, as long as it is not over.
fn entry_of(tx: &Tx<'_>, daemon: &Daemon, deployment: &str) -> Option<DaemonDeployment> {
    let found = daemon.deployments.iter().find(|one| one.id == deployment)?;
    open_entry(tx, daemon, &found.service_deployment)
}

fn under_way(tx: &Tx<'_>, daemon: &Daemon) -> Option<DaemonDeployment> {
    open_entry(tx, daemon, &daemon.current_deployment)
}

fn open_entry(tx: &Tx<'_>, daemon: &Daemon, id: &str) -> Option<DaemonDeployment> {
    let key = DaemonDeployment::key_of(&daemon.region, &daemon.cluster, &daemon.name, id);
    let found = tx.view().ecs.daemon_deployments.get(&key)?;
    (!found.status.is_final()).then(|| DaemonDeployment::clone(found))
}

/// Stops what is under way because something newer begins.
fn supersede(tx: &mut Tx<'_>, daemon: &Daemon) {
    if let Some(entry) = under_way(tx, daemon) {
        tx.put(DaemonDeployment {
            status: Status::Stopped,
            stopped: Some(tx.now),
            finished: Some(tx.now),
            ..entry
        });
    }
}

/// All providers alike: where a task goes, its instance decides.
fn strategy(providers: &[String]) -> Vec<api::CapacityProviderStrategyItem> {
    let item = |arn: &String| api::CapacityProviderStrategyItem {
        capacity_provider: arn.clone(),
        weight: Some(1),
        base: None,
    };
    providers.iter().map(item).collect()
}

fn revision(tx: &Tx<'_>, daemon: &Daemon) -> DaemonRevision {
    let id = number(tx.random);
    let arn = daemon.arn_beside(format_args!(
        "daemon-revision/{}/{}/{id}",
        daemon.cluster, daemon.name
    ));
    let images = images(tx, daemon.chosen.daemon_task_definition_arn.as_deref());
    DaemonRevision {
        region: daemon.region.clone(),
        cluster: daemon.cluster.clone(),
        daemon: daemon.name.clone(),
        id,
        capacity_providers: daemon.capacity_providers.clone(),
        definition: api::DaemonRevision {
            daemon_revision_arn: Some(arn.to_string()),
            created_at: Some(tx.now),
            container_images: Some(images),
            ..daemon.chosen.clone()
        },
        arn,
    }
}

/// The images of a daemon task definition by name; which digests they have only registries know.
fn images(tx: &Tx<'_>, definition: Option<&str>) -> Vec<api::DaemonContainerImage> {
    let arn = definition.and_then(|arn| arn.parse::<Arn>().ok());
    let found = arn.and_then(|arn| TaskDefinition::by_arn(tx.view(), &arn));
    let containers = found.and_then(|found| found.definition.container_definitions.as_ref());
    let image = |container: &api::ContainerDefinition| api::DaemonContainerImage {
        container_name: container.name.clone(),
        image: container.image.clone(),
        image_digest: None,
    };
    containers.into_iter().flatten().map(image).collect()
}

fn entry(tx: &Tx<'_>, daemon: &Daemon, target: Option<String>) -> DaemonDeployment {
    let id = history_id(tx.random);
    let arn = daemon.arn_beside(format_args!(
        "daemon-deployment/{}/{}/{id}",
        daemon.cluster, daemon.name
    ));
    let mut sources: Vec<_> = daemon
        .deployments
        .iter()
        .map(|one| one.revision.clone())
        .collect();
    sources.dedup();
    DaemonDeployment {
        region: daemon.region.clone(),
        cluster: daemon.cluster.clone(),
        daemon: daemon.name.clone(),
        id,
        arn,
        target,
        sources,
        status: Status::Pending,
        reason: None,
        created: tx.now,
        started: None,
        stopped: None,
        finished: None,
        rollback: None,
        breaker: None,
        configuration: daemon.configuration.clone(),
    }
}
