//! The tasks as others may read them: the endpoint, its metadata and its admission.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::model::{Container, Desired, Known, Task};

/// A picture of every task, replaced by the manager whenever one changes.
#[derive(Debug, Default)]
pub(crate) struct SharedTasks {
    pictures: RwLock<Pictures>,
    /// Told of every new picture.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Pictures {
    tasks: BTreeMap<String, Arc<Task>>,
    /// ARNs of tasks by the endpoint ids of their containers.
    endpoints: HashMap<String, String>,
}

impl SharedTasks {
    /// The task's newest picture.
    pub(crate) fn publish(&self, task: Task) {
        self.put(task);
        self.changes.send_replace(());
    }

    fn put(&self, task: Task) {
        let mut pictures = self.pictures.write().unwrap_or_else(PoisonError::into_inner);
        for container in &task.containers {
            if !pictures.endpoints.contains_key(&container.endpoint_id) {
                let id = container.endpoint_id.clone();
                pictures.endpoints.insert(id, task.arn.clone());
            }
        }
        pictures.tasks.insert(task.arn.clone(), Arc::new(task));
    }

    /// The task is gone.
    pub(crate) fn retract(&self, arn: &str) {
        let mut pictures = self.pictures.write().unwrap_or_else(PoisonError::into_inner);
        pictures.tasks.remove(arn);
        pictures.endpoints.retain(|_, of| of != arn);
        drop(pictures);
        self.changes.send_replace(());
    }

    /// Resolves when the task is to stop, or is gone.
    pub(crate) async fn stop_of(&self, arn: &str) {
        let mut changes = self.changes.subscribe();
        while self.ask(arn, |task| task.desired == Desired::Running) == Some(true) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The task of that ARN.
    pub(crate) fn get(&self, arn: &str) -> Option<Arc<Task>> {
        self.read().tasks.get(arn).cloned()
    }

    /// Asks the task of that ARN, without a copy of the pointer to it.
    pub(crate) fn ask<R>(&self, arn: &str, question: impl FnOnce(&Task) -> R) -> Option<R> {
        self.read().tasks.get(arn).map(|task| question(task))
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Task>> {
        self.read().tasks.values().cloned().collect()
    }

    /// The task with the container of that endpoint id.
    pub(crate) fn by_endpoint(&self, endpoint_id: &str) -> Option<(Arc<Task>, Container)> {
        let pictures = self.read();
        let task = pictures.tasks.get(pictures.endpoints.get(endpoint_id)?)?;
        let mut containers = task.containers.iter();
        let container = containers.find(|container| container.endpoint_id == endpoint_id)?;
        Some((Arc::clone(task), container.clone()))
    }

    /// The task in mode awsvpc that has this address.
    pub(crate) fn awsvpc_task_at(&self, address: IpAddr) -> Option<Arc<Task>> {
        let pictures = self.read();
        let has_it = |task: &&Arc<Task>| {
            task.network_mode.as_deref() == Some("awsvpc")
                && task.containers.iter().any(|container| {
                    container.known != Known::Stopped && container.addresses.contains(&address)
                })
        };
        pictures.tasks.values().find(has_it).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Pictures> {
        self.pictures.read().unwrap_or_else(PoisonError::into_inner)
    }
}
