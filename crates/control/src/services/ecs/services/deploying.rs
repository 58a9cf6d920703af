//! How deployments begin and end, in the record of the service and in its history. The scheduler decides when.

use portcullis_api::ecs as api;
use portcullis_core::{Arn, Random};
use portcullis_schedule::deployment::{Cause, Progress};

use super::shown;
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::ecs::{
    Breaker, Deployment, DeploymentStatus, Rollback, Service, ServiceDeployment, ServiceDeploymentStatus,
    ServiceRevision, TaskDefinition,
};

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All tasks are of it.
    Completed,
    /// It was given up, and nothing takes its place.
    Failed,
}

/// Makes what `definition` says of a service its PRIMARY deployment, with a revision and an entry in its history.
/// What was under way is stopped. The caller keeps the service.
pub(crate) fn begin(tx: &mut Tx<'_>, service: &mut Service) {
    let number = number(tx.random);
    supersede(tx, service);
    let revision = revision(tx, service, &number);
    let entry = entry(tx, service, &number);
    service.current_deployment = Some(entry.id.clone());
    take_over(tx, service, &number, &entry.id);
    tx.put(revision);
    tx.put(entry);
}

/// Begins a deployment of the revision that an earlier one brought, as part of the service deployment under way, which failed
/// for `cause`. The tasks of the earlier one that still run go on as its own. The caller keeps the service.
pub(crate) fn roll_back(
    tx: &mut Tx<'_>,
    service: &mut Service,
    to: &str,
    cause: Cause,
    breaker: Option<Breaker>,
) {
    let Some(at) = service.deployments.iter().position(|one| one.id == to) else {
        return;
    };
    let failed = service.primary().map(shown::reason);
    let mut back = service.deployments.remove(at);
    for other in &mut service.deployments {
        other.status = DeploymentStatus::Active;
    }
    let earlier = std::mem::replace(&mut back.id, format!("ecs-svc/{}", number(tx.random)));
    // A service may go back many times: what has no tasks any more is let go of.
    let has_tasks = |id: &String| shown::counts_of(tx.view(), service, id).all() > 0;
    back.took_over.retain(has_tasks);
    back.took_over.insert(0, earlier);
    back.status = DeploymentStatus::Primary;
    back.progress = Progress::rolling_back(cause);
    back.created = tx.now;
    back.updated = tx.now;
    if let Some(mut entry) = under_way(tx, service) {
        let reason = failed.unwrap_or_else(|| shown::reason(&back));
        back.service_deployment.clone_from(&entry.id);
        entry.status = ServiceDeploymentStatus::RollbackInProgress;
        entry.breaker = breaker;
        entry.reason = Some(reason.clone());
        entry.updated = tx.now;
        entry.rollback = Some(Rollback {
            reason,
            started: tx.now,
            revision: back.revision.clone(),
        });
        tx.put(entry);
    }
    if let Some(revision) = revision_of(tx, service, &back.revision) {
        restore(service, &revision);
    }
    service.deployments.insert(0, back);
}

/// Writes the end of a deployment into the history. The caller keeps the service.
pub(crate) fn end(tx: &mut Tx<'_>, service: &mut Service, id: &str, end: End, breaker: Option<Breaker>) {
    let Some(deployment) = service.deployments.iter().find(|one| one.id == id) else {
        return;
    };
    let key = ServiceDeployment::key_of(
        &service.region,
        &service.cluster,
        &service.name,
        &deployment.service_deployment,
    );
    let (revision, reason) = (deployment.revision.clone(), shown::reason(deployment));
    if end == End::Completed {
        service.completed_revision = Some(revision);
    }
    let Some(entry) = tx.view().ecs.service_deployments.get(&key).cloned() else {
        return;
    };
    if entry.status.is_final() {
        return;
    }
    let mut entry = ServiceDeployment::clone(&entry);
    entry.status = match (end, entry.rollback.is_some()) {
        (End::Completed, false) => ServiceDeploymentStatus::Successful,
        (End::Completed, true) => ServiceDeploymentStatus::RollbackSuccessful,
        (End::Failed, false) => ServiceDeploymentStatus::Stopped,
        (End::Failed, true) => ServiceDeploymentStatus::RollbackFailed,
    };
    if end == End::Failed {
        entry.reason = Some(reason);
    }
    entry.breaker = breaker.or(entry.breaker);
    entry.updated = tx.now;
    entry.finished = Some(tx.now);
    tx.put(entry);
}

/// What is under way in a service, when anything is.
pub(crate) fn under_way(tx: &Tx<'_>, service: &Service) -> Option<ServiceDeployment> {
    let id = service.current_deployment.as_deref()?;
    let key = ServiceDeployment::key_of(&service.region, &service.cluster, &service.name, id);
    let found = tx.view().ecs.service_deployments.get(&key)?;
    (!found.status.is_final()).then(|| ServiceDeployment::clone(found))
}

/// Stops what is under way because something newer begins, or the service ends.
pub(crate) fn supersede(tx: &mut Tx<'_>, service: &Service) {
    let Some(mut entry) = under_way(tx, service) else {
        return;
    };
    entry.status = ServiceDeploymentStatus::Stopped;
    entry.updated = tx.now;
    entry.stopped = Some(tx.now);
    entry.finished = Some(tx.now);
    tx.put(entry);
}

fn revision_of(tx: &Tx<'_>, service: &Service, id: &str) -> Option<ServiceRevision> {
    let key = ServiceRevision::key_of(&service.region, &service.cluster, &service.name, id);
    let found = tx.view().ecs.service_revisions.get(&key)?;
    Some(ServiceRevision::clone(found))
}

/// Puts what a revision kept back into the service.
fn restore(service: &mut Service, revision: &ServiceRevision) {
    let (now, then) = (&mut service.definition, &revision.definition);
    now.task_definition.clone_from(&then.task_definition);
    now.launch_type.clone_from(&then.launch_type);
    now.capacity_provider_strategy
        .clone_from(&then.capacity_provider_strategy);
    now.platform_version.clone_from(&then.platform_version);
    now.platform_family.clone_from(&then.platform_family);
    now.network_configuration.clone_from(&then.network_configuration);
}

/// A new PRIMARY; the deployments there are become ACTIVE.
fn take_over(tx: &Tx<'_>, service: &mut Service, number: &str, service_deployment: &str) {
    let Some(task_definition) = definition_arn(service) else {
        return;
    };
    for earlier in &mut service.deployments {
        earlier.status = DeploymentStatus::Active;
        earlier.updated = tx.now;
    }
    let id = format!("ecs-svc/{number}");
    let definition = &service.definition;
    let deployment = Deployment {
        revision: number.to_owned(),
        service_deployment: service_deployment.to_owned(),
        took_over: Vec::new(),
        status: DeploymentStatus::Primary,
        task_definition,
        created: tx.now,
        updated: tx.now,
        progress: Progress::default(),
        chosen: api::Deployment {
            launch_type: definition.launch_type.clone(),
            capacity_provider_strategy: definition.capacity_provider_strategy.clone(),
            platform_version: definition.platform_version.clone(),
            platform_family: definition.platform_family.clone(),
            network_configuration: definition.network_configuration.clone(),
            ..api::Deployment::default()
        },
        id,
    };
    service.deployments.insert(0, deployment);
}

fn definition_arn(service: &Service) -> Option<Arn> {
    service.definition.task_definition.as_deref()?.parse().ok()
}

/// What is going to be deployed, as it is now.
fn revision(tx: &Tx<'_>, service: &Service, number: &str) -> ServiceRevision {
    let arn = service.arn_beside(format_args!(
        "service-revision/{}/{}/{number}",
        service.cluster, service.name
    ));
    let chosen = &service.definition;
    let task_definition = definition_arn(service).unwrap_or_else(|| service.arn.clone());
    let images = images(tx, &task_definition);
    ServiceRevision {
        region: service.region.clone(),
        cluster: service.cluster.clone(),
        service: service.name.clone(),
        id: number.to_owned(),
        created: tx.now,
        definition: api::ServiceRevision {
            service_revision_arn: Some(arn.clone()),
            service_arn: Some(service.arn.to_string()),
            cluster_arn: chosen.cluster_arn.clone(),
            task_definition: chosen.task_definition.clone(),
            capacity_provider_strategy: chosen.capacity_provider_strategy.clone(),
            launch_type: chosen.launch_type.clone(),
            platform_version: chosen.platform_version.clone(),
            platform_family: chosen.platform_family.clone(),
            load_balancers: Some(Vec::new()),
            service_registries: Some(Vec::new()),
            network_configuration: chosen.network_configuration.clone(),
            container_images: Some(images),
            guard_duty_enabled: Some(false),
            created_at: Some(tx.now),
            ..api::ServiceRevision::default()
        },
        arn: arn.parse().unwrap_or_else(|_| service.arn.clone()),
        task_definition,
    }
}

/// The images of a task definition by name; which digests they have only registries know.
fn images(tx: &Tx<'_>, task_definition: &Arn) -> Vec<api::ContainerImage> {
    let found = TaskDefinition::by_arn(tx.view(), task_definition);
    let containers = found.and_then(|found| found.definition.container_definitions.as_ref());
    let image = |container: &api::ContainerDefinition| api::ContainerImage {
        container_name: container.name.clone(),
        image: container.image.clone(),
        image_digest: None,
    };
    containers.into_iter().flatten().map(image).collect()
}

fn entry(tx: &Tx<'_>, service: &Service, target: &str) -> ServiceDeployment {
    let id = history_id(tx.random);
    let arn = service.arn_beside(format_args!(
        "service-deployment/{}/{}/{id}",
        service.cluster, service.name
    ));
    let mut sources: Vec<String> = service
        .deployments
        .iter()
        .map(|one| one.revision.clone())
        .collect();
    sources.dedup();
    ServiceDeployment {
        region: service.region.clone(),
        cluster: service.cluster.clone(),
        service: service.name.clone(),
        arn: arn.parse().unwrap_or_else(|_| service.arn.clone()),
        id,
        target: target.to_owned(),
        target_count: service.desired,
        sources,
        status: ServiceDeploymentStatus::InProgress,
        reason: None,
        created: tx.now,
        started: Some(tx.now),
        finished: None,
        stopped: None,
        updated: tx.now,
        rollback: None,
        breaker: None,
        configuration: service
            .definition
            .deployment_configuration
            .clone()
            .unwrap_or_default(),
    }
}

/// 19 digits, as in `ecs-svc/N` and the ARNs of revisions.
pub(crate) fn number(random: &dyn Random) -> String {
    const LEAST: u64 = 1_000_000_000_000_000_000;
    let mut bytes = [0_u8; 8];
    random.fill(&mut bytes);
    (LEAST + u64::from_le_bytes(bytes) % (9 * LEAST)).to_string()
}

/// The 21 characters of a service deployment's id.
pub(crate) fn history_id(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    let mut bytes = [0_u8; 21];
    random.fill(&mut bytes);
    let one = |byte: &u8| ALPHABET.get(usize::from(byte % 64)).copied().map(char::from);
    bytes.iter().filter_map(one).collect()
}

/// Forgets the history of a service that is forgotten itself, or whose name is used again.
pub(crate) fn forget_history(tx: &mut Tx<'_>, service_key: &str) {
    let prefix = format!("{service_key}/");
    let tables = &tx.view().ecs;
    let entries: Vec<_> = tables
        .service_deployments
        .prefix(&prefix)
        .map(|(_, row)| row.key())
        .collect();
    let revisions: Vec<_> = tables
        .service_revisions
        .prefix(&prefix)
        .map(|(_, row)| row.key())
        .collect();
    entries.iter().for_each(|key| tx.delete::<ServiceDeployment>(key));
    revisions.iter().for_each(|key| tx.delete::<ServiceRevision>(key));
}
