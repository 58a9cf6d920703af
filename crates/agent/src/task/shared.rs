//! The tasks as others may read them: the endpoint, its metadata and its admission.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::model::{Container, Task};

/// A picture of every task, replaced by the manager whenever one changes.
#[derive(Debug, Default)]
pub(crate) struct SharedTasks(RwLock<BTreeMap<String, Arc<Task>>>);

impl SharedTasks {
    /// The task's newest picture.
    pub(crate) fn publish(&self, task: Task) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(task.arn.clone(), Arc::new(task));
    }

    /// The task is gone.
    pub(crate) fn retract(&self, arn: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }

    /// The task of that ARN.
    pub(crate) fn get(&self, arn: &str) -> Option<Arc<Task>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(arn)
            .cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Task>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The task with the container of that endpoint id.
    pub(crate) fn by_endpoint(&self, endpoint_id: &str) -> Option<(Arc<Task>, Container)> {
        self.all().into_iter().find_map(|task| {
            let container = task
                .containers
                .iter()
                .find(|container| container.endpoint_id == endpoint_id)?
                .clone();
            Some((task, container))
        })
    }
}
