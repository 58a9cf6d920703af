//! From a container of a task to what the engine is told of it.

use std::time::Duration;

use portcullis_core::Secret;

use super::super::metadata_file;
use super::super::model::{Container, Task, VolumesFrom};
use super::super::namespaces::ContainerNamespaces;
use super::Parts;
use crate::engine::{ContainerRef, Launch};
use crate::network::PAUSE_CONTAINER;

/// All that a start takes; the token is the process's.
pub(super) fn launch(task: &Task, container: &Container, token: Option<Secret>, parts: &Parts) -> Launch {
    let definition = &container.definition;
    let engine_name = |name: &str| task.container(name).map(|other| other.docker_name.clone());
    let links = definition.links.iter().filter_map(|link| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        Some((engine_name(name)?, alias.to_owned()))
    });
    let volumes_from = definition.volumes_from.iter().filter_map(|from| {
        Some(VolumesFrom {
            container: engine_name(&from.container)?,
            read_only: from.read_only,
        })
    });
    let supplied = parts.supplies.of(&task.arn, &definition.name);
    let mut environment = parts.surroundings.environment(task, container, &supplied.files);
    if parts.metadata_files.is_some() {
        let (name, value) = metadata_file::variable(container);
        environment.push((name.to_owned(), value));
    }
    Launch {
        container: reference(task, container),
        secret_environment: parts
            .surroundings
            .secret_environment(&environment, &supplied, token),
        environment,
        log_options: supplied.log_options.clone(),
        log_endpoint: parts.surroundings.log_endpoint.clone(),
        labels: parts.surroundings.labels(task, container),
        volumes: task.volumes.clone(),
        volumes_from: volumes_from.collect(),
        links: links.collect(),
        log_credentials_id: task
            .execution_credentials_id
            .clone()
            .filter(|_| definition.logs_with_execution_role),
        task_limits: (task.cpu, task.memory),
        metadata_folder: parts
            .metadata_files
            .as_ref()
            .map(|files| files.folders(task, container)),
        definition: definition.clone(),
        wiring: parts.wiring(task, container),
        namespaces: namespaces(task, container),
    }
}

fn namespaces(task: &Task, container: &Container) -> ContainerNamespaces {
    if container.is_internal() {
        return task.namespaces.of_holder();
    }
    let holder = task.container(PAUSE_CONTAINER);
    task.namespaces
        .of_member(holder.map_or("", |pause| &pause.docker_name))
}

/// Which container.
pub(super) fn reference(task: &Task, container: &Container) -> ContainerRef {
    ContainerRef {
        task_id: task.id().to_owned(),
        name: container.definition.name.clone(),
        docker_name: container.docker_name.clone(),
    }
}

/// Between SIGTERM and SIGKILL.
pub(super) fn stop_timeout(container: &Container, parts: &Parts) -> Duration {
    let own = container.definition.stop_timeout;
    own.map_or(parts.rules.stop_timeout, |seconds| {
        Duration::from_secs(seconds.into())
    })
}
