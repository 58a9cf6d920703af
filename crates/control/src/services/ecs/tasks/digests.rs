//! Which images the tasks of a deployment run. A tag may come to mean another image: what the first task of a deployment found
//! is written into its service revision, and the others run exactly that (`versionConsistency`).

use std::collections::BTreeMap;

use portcullis_api::ecs as api;

use crate::services::ecs::task_definitions::is_ecr;
use crate::world::records::ecs::{
    Deployment, DesiredStatus, Facet, LastStatus, Service, ServiceRevision, Task, TaskDefinition, TaskSet,
};
use crate::world::{Snapshot, Tx};

/// After so many first tasks that failed a deployment goes on without digests.
const ATTEMPTS_MAX: u32 = 3;

/// The digests of the images of a task's deployment, by the containers' names; none for tasks of no service.
pub(crate) fn of_task(view: &Snapshot, task: &Task) -> BTreeMap<String, String> {
    let found = service_of(view, task)
        .zip(task.started_by.as_deref())
        .and_then(|(service, id)| revision(view, service, id));
    let images = found.and_then(|revision| revision.definition.container_images.as_ref());
    let known = images.into_iter().flatten();
    known
        .filter_map(|one| Some((one.container_name.clone()?, one.image_digest.clone()?)))
        .collect()
}

/// How many of so many tasks of a deployment may be started now. As long as nobody knows what its images from ECR are, the first
/// task goes alone, three times at most (docs/fidelity.md: images of other registries hold nobody up).
pub(super) fn may_start(
    view: &Snapshot,
    service: &Service,
    id: &str,
    definition: &TaskDefinition,
    count: u32,
) -> u32 {
    let Some(revision) = revision(view, service, id).filter(|one| awaits(one, definition)) else {
        return count;
    };
    let attempts = deployment(service, id).map_or(0, |one| one.progress.failed_tasks);
    if attempts >= ATTEMPTS_MAX {
        return count;
    }
    let set = TaskSet::new(
        &revision.region,
        &revision.cluster,
        Facet::StartedBy(id),
        DesiredStatus::Running,
    );
    let furthest = view.ecs.tasks_of(&set, None).map(|(_, task)| task.last).max();
    match furthest {
        None => count.min(1),
        // It runs, and no registry had to be asked.
        Some(LastStatus::Running) => count,
        Some(_) => 0,
    }
}

/// A task of a service has found out what its images are.
pub(super) fn learn(tx: &mut Tx<'_>, task: &Task) {
    let knows = |name: &str| {
        let container = task.containers.iter().find(|one| one.name == name)?;
        container.image_digest.clone()
    };
    if task.containers.iter().all(|one| one.image_digest.is_none()) {
        return;
    }
    let view = tx.view();
    let found = service_of(view, task)
        .zip(task.started_by.as_deref())
        .and_then(|(service, id)| revision(view, service, id));
    let Some(found) = found else { return };
    let definition = TaskDefinition::by_arn(view, &found.task_definition);
    let mut revision = found.clone();
    let mut is_new = false;
    for image in revision.definition.container_images.iter_mut().flatten() {
        let name = image.container_name.as_deref().unwrap_or_default();
        let consistent = definition.is_some_and(|one| is_consistent(one, name));
        if image.image_digest.is_none() && consistent {
            image.image_digest = knows(name);
            is_new |= image.image_digest.is_some();
        }
    }
    if is_new {
        tx.put(revision);
    }
}

fn service_of<'v>(view: &'v Snapshot, task: &Task) -> Option<&'v Service> {
    let key = Service::key_of(&task.region, &task.cluster, task.service()?);
    view.ecs.services.get(&key).map(AsRef::as_ref)
}

fn deployment<'s>(service: &'s Service, id: &str) -> Option<&'s Deployment> {
    let is_it = |one: &&Deployment| one.id == id || one.took_over.iter().any(|earlier| earlier == id);
    service.deployments.iter().find(is_it)
}

fn revision<'v>(view: &'v Snapshot, service: &Service, id: &str) -> Option<&'v ServiceRevision> {
    let number = &deployment(service, id)?.revision;
    let key = ServiceRevision::key_of(&service.region, &service.cluster, &service.name, number);
    view.ecs.service_revisions.get(&key).map(AsRef::as_ref)
}

/// Whether an image of ECR is still only known by its tag.
fn awaits(revision: &ServiceRevision, definition: &TaskDefinition) -> bool {
    let mut images = revision.definition.container_images.iter().flatten();
    images.any(|one| {
        let name = one.container_name.as_deref().unwrap_or_default();
        let image = one.image.as_deref().unwrap_or_default();
        one.image_digest.is_none() && is_ecr(image) && !image.contains('@') && is_consistent(definition, name)
    })
}

/// Unless the container's definition says otherwise.
fn is_consistent(definition: &TaskDefinition, name: &str) -> bool {
    let named = |one: &&api::ContainerDefinition| one.name.as_deref() == Some(name);
    let containers = definition.definition.container_definitions.iter().flatten();
    let mut own = containers.filter(named);
    own.any(|one| one.version_consistency.as_deref() != Some("disabled"))
}
