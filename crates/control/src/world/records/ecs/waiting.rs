//! Tasks that wait until a capacity provider has room for them (ecs.md 3): they have no container instance yet.

use std::sync::Arc;

use portcullis_api::ecs as api;
use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cluster, Tables, Task, shape_json};

/// What a task that waits for room asks of its instance, beside what its definition says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// `placementConstraints`, `placementStrategy` and `networkConfiguration`; all else there is empty.
    #[serde(with = "shape_json")]
    pub placement: api::RunTaskRequest,
    /// The zones of its subnets; empty when any will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Who asked for it, as the gate keeps callers to ask again whether they may pass its roles; `None` of tasks that ECS
    /// makes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<String>,
}

/// What follows the cluster in the key the scheduler knows its waiting tasks by; no service can have that name.
const OWNER: &str = "/provisioning:";
/// How long a task waits for room, in seconds; AWS says between 10 and 30 minutes (ecs.md 3).
pub const WAITING_SECONDS: i64 = 900;

/// The key the scheduler knows the waiting tasks of a cluster by.
pub fn waiting_owner_key(cluster_key: &str) -> String {
    format!("{cluster_key}{OWNER}")
}

/// The key of the cluster whose waiting tasks the scheduler knows by this key.
pub fn cluster_of_waiting(owner_key: &str) -> Option<&str> {
    owner_key.strip_suffix(OWNER)
}

impl Task {
    /// Whether it has a container instance: without one it waits for room.
    pub fn is_placed(&self) -> bool {
        !self.container_instance.is_empty()
    }

    /// When it stops waiting for room.
    pub fn waits_until(&self) -> Timestamp {
        self.times.created.plus_seconds(WAITING_SECONDS)
    }

    /// Its key in [`Tables::waiting_in`]: those that wait longest first.
    fn waiting_key(&self) -> Option<String> {
        self.waits.as_ref()?;
        let cluster = Cluster::key_of(&self.region, &self.cluster);
        let created = self.times.created.as_millis();
        Some(format!("{cluster}/{created:016}/{}", self.id))
    }
}

impl Tables {
    /// The tasks of a cluster that wait for room, those that wait longest first.
    pub fn waiting_in(&self, cluster_key: &str) -> Vec<Arc<Task>> {
        let prefix = format!("{cluster_key}/");
        let rows = self.waiting.prefix(&prefix);
        let ids = rows.filter_map(|(key, _)| key.rsplit_once('/'));
        ids.filter_map(|(_, id)| self.tasks.get(&format!("{cluster_key}/{id}")).cloned())
            .collect()
    }

    /// How many tasks of a cluster wait for room.
    pub fn count_of_waiting(&self, cluster_key: &str) -> usize {
        let counts = self.counts.get(cluster_key);
        counts.map_or(0, |counts| {
            usize::try_from(counts.waiting_tasks).unwrap_or_default()
        })
    }

    /// Keeps the waiting tasks in step with one task.
    pub(super) fn wait_for_room(&mut self, before: Option<&Task>, after: Option<&Task>, change: u64) {
        let (was, is) = (
            before.and_then(Task::waiting_key),
            after.and_then(Task::waiting_key),
        );
        if was == is {
            return;
        }
        let Some(task) = after.or(before) else { return };
        let cluster = Cluster::key_of(&task.region, &task.cluster);
        let owner = waiting_owner_key(&cluster);
        if let Some(key) = &was {
            self.waiting.remove(key);
            self.count(&cluster, |counts| counts.waiting_tasks -= 1);
        }
        if let Some(key) = &is {
            self.waiting.insert(key, ());
            self.count(&cluster, |counts| counts.waiting_tasks += 1);
            self.restless.owner(&owner, change);
        } else {
            // There may be so many only: another one may wait now.
            self.restless.room(&cluster, change);
            if self.count_of_waiting(&cluster) == 0 {
                self.restless.without_owner(&owner);
            }
        }
    }
}
