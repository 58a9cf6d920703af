//! Task metadata, versions 2, 3 and 4: who am I, for containers (agent.md 3.1). Statuses and texts are the genuine agent's.

mod describe;
mod network;
mod tags;

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use self::describe::{Description, Object};
use super::{Answer, Metadata, Remote};
use crate::plane::ControlPlane;
use crate::stats::Stats;
use crate::task::environment::Surroundings;
use crate::task::model::{Container, Task};
use crate::task::shared::SharedTasks;

/// Reads the tasks' pictures.
pub(crate) struct TaskMetadata {
    tasks: Arc<SharedTasks>,
    surroundings: Surroundings,
    stats: Arc<Stats>,
    plane: Option<ControlPlane>,
    instance: ArcSwap<Instance>,
}

/// What is known once the instance is registered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Instance {
    pub(crate) arn: String,
    /// Absent also when it is not to be shown.
    pub(crate) availability_zone: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V2,
    V3,
    V4,
}

/// How a task was looked for and not found.
#[derive(Debug, Clone, Copy)]
enum Lookup {
    Container,
    Task,
}

impl TaskMetadata {
    /// Over these tasks. Tags are asked for through `plane`.
    pub(crate) fn new(
        tasks: Arc<SharedTasks>,
        surroundings: Surroundings,
        stats: Arc<Stats>,
        plane: Option<ControlPlane>,
    ) -> Self {
        Self {
            tasks,
            surroundings,
            stats,
            plane,
            instance: ArcSwap::default(),
        }
    }

    /// The instance is registered.
    pub(crate) fn set_instance(&self, instance: Instance) {
        self.instance.store(Arc::new(instance));
    }

    fn description(&self, version: Version) -> Description<'_> {
        Description {
            version,
            surroundings: &self.surroundings,
            instance: self.instance.load_full(),
        }
    }

    async fn route(&self, path: &str, remote: &Remote) -> Option<Answer> {
        if let Some(rest) = path.strip_prefix("/v4/") {
            return self.by_endpoint(Version::V4, rest).await;
        }
        if let Some(rest) = path.strip_prefix("/v3/") {
            return self.by_endpoint(Version::V3, rest).await;
        }
        self.by_address(path.strip_prefix("/v2/")?, remote).await
    }

    /// Version 2 finds the task by the caller's address, and only tasks that have one of their own.
    async fn by_address(&self, rest: &str, remote: &Remote) -> Option<Answer> {
        let (what, id) = rest.split_once('/').unwrap_or((rest, ""));
        let is_known = matches!((what, id), ("metadata" | "stats", _) | ("metadataWithTags", ""));
        if !is_known {
            return None;
        }
        let address = remote.address.ip().to_canonical();
        let Some(task) = self.tasks.awsvpc_task_at(address) else {
            let text =
                format!("Unable to get task arn from request: unable to associate '{address}' with task");
            return Some(Answer::json_text(400, &text));
        };
        let container = task
            .containers
            .iter()
            .find(|one| one.runtime_id.as_deref() == Some(id));
        Some(match (what, id, container) {
            ("metadata", "", _) => self.task(Version::V2, &task),
            ("metadataWithTags", ..) => self.task_with_tags(Version::V2, &task).await,
            ("metadata", _, Some(container)) => self.container(Version::V2, &task, container),
            ("metadata", _, None) => {
                let text = format!("Unable to generate metadata for container '{id}'");
                Answer::json_text(400, &text)
            }
            (_, "", _) => self.task_stats(Version::V2, &task).await,
            (_, _, Some(container)) => self.container_stats(Version::V2, container).await,
            (_, _, None) => no_container_stats(Version::V2, id),
        })
    }

    async fn by_endpoint(&self, version: Version, rest: &str) -> Option<Answer> {
        let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
        if id.is_empty() || rest.ends_with('/') && !what.starts_with("associations/") {
            return None;
        }
        let found = self.tasks.by_endpoint(id);
        if let Some(asked) = what.strip_prefix("associations/") {
            return Some(associations(version, id, asked, found.is_some()));
        }
        let (handler, lookup) = match what {
            "" => ("container metadata", Lookup::Container),
            "task" | "taskWithTags" => ("task metadata", Lookup::Task),
            "stats" => ("container stats", Lookup::Task),
            "task/stats" => ("task stats", Lookup::Task),
            _ => return None,
        };
        let Some((task, container)) = found else {
            return Some(not_found(version, handler, lookup, id));
        };
        Some(match what {
            "" => self.container(version, &task, &container),
            "task" => self.task(version, &task),
            "taskWithTags" => self.task_with_tags(version, &task).await,
            "stats" => self.container_stats(version, &container).await,
            _ => self.task_stats(version, &task).await,
        })
    }

    fn container(&self, version: Version, task: &Task, container: &Container) -> Answer {
        document(&self.description(version).container(task, container))
    }

    fn task(&self, version: Version, task: &Task) -> Answer {
        document(&self.description(version).task(task, None))
    }

    async fn task_with_tags(&self, version: Version, task: &Task) -> Answer {
        let description = self.description(version);
        let tags = match &self.plane {
            Some(plane) => tags::ask(plane, &description.instance.arn, &task.arn).await,
            None => tags::Tags::default(),
        };
        document(&description.task(task, Some(&tags)))
    }

    async fn container_stats(&self, version: Version, container: &Container) -> Answer {
        let id = container.runtime_id.as_deref().unwrap_or_default();
        match self.stats_of(version, id).await {
            Some(stats) => document(&stats),
            None => no_container_stats(version, id),
        }
    }

    async fn task_stats(&self, version: Version, task: &Task) -> Answer {
        let mut object = Object::default();
        let ids = task.containers.iter().filter(|one| !one.is_internal());
        for id in ids.filter_map(|one| one.runtime_id.as_deref()) {
            object.put(id, self.stats_of(version, id).await);
        }
        document(&object.into_value())
    }

    /// Docker's own document; version 4 adds the rates.
    async fn stats_of(&self, version: Version, runtime_id: &str) -> Option<Value> {
        let (mut stats, rates) = self.stats.fresh(runtime_id).await?;
        if let (Version::V4, Some(rates), Some(members)) = (version, rates, stats.as_object_mut()) {
            let shown = json!({"rx_bytes_per_sec": rates.received, "tx_bytes_per_sec": rates.sent});
            members.insert("network_rate_stats".to_owned(), shown);
        }
        Some(stats)
    }
}

impl Metadata for TaskMetadata {
    fn answer<'a>(&'a self, path: &'a str, remote: &'a Remote) -> BoxFuture<'a, Option<Answer>> {
        Box::pin(self.route(path, remote))
    }
}

/// A container as introspection shows it.
pub(super) fn introspected_container(
    surroundings: &Surroundings,
    task: &Task,
    container: &Container,
) -> Value {
    let description = Description {
        version: Version::V3,
        surroundings,
        instance: Arc::default(),
    };
    description.introspected(task, container)
}

fn not_found(version: Version, handler: &str, lookup: Lookup, id: &str) -> Answer {
    let status = match (version, handler) {
        (Version::V4, _) => 404,
        (_, "task metadata") => 500,
        _ => 400,
    };
    let reason = match lookup {
        Lookup::Container => format!(
            "unable to get container ID from request: unable to get docker ID from v3 endpoint ID: {id}"
        ),
        Lookup::Task => {
            format!("unable to get task arn from request: unable to get task Arn from v3 endpoint ID: {id}")
        }
    };
    Answer::json_text(status, &format!("{version:?} {handler} handler: {reason}"))
}

fn no_container_stats(version: Version, id: &str) -> Answer {
    let status = if version == Version::V4 { 500 } else { 400 };
    Answer::json_text(status, &format!("Unable to get container stats for: {id}"))
}

/// Devices that ECS lends to containers. None of them exists here: there are no names of any type.
fn associations(version: Version, id: &str, asked: &str, is_known: bool) -> Answer {
    let (kind, name) = match asked.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (asked, None),
    };
    match (is_known, name) {
        (false, None) => {
            let text = format!(
                "{version:?} container associations handler: unable to get container id from request: unable to get docker ID from v3 endpoint ID: {id}"
            );
            Answer::json_text(400, &text)
        }
        (false, Some(_)) => {
            let text = format!(
                "{version:?} container associations handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: {id}"
            );
            Answer::json_text(400, &text)
        }
        (true, None) => document(&json!({"Associations": []})),
        (true, Some(name)) => {
            let text = format!(
                "Unable to write container association response: unable to get association from association type {kind} and association name {name}"
            );
            Answer::json_text(400, &text)
        }
    }
}

/// Go's encoder escapes these three; JSON has them only inside texts.
fn document(value: &Value) -> Answer {
    let text = value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    Answer::json(200, text)
}

/// The members of a JSON object of the engine's, if the text is one.
pub(super) fn members(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
