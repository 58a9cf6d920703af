//! How many tasks each deployment and each task set has, so that nobody has to count them.

use std::sync::Arc;

use portcullis_core::Region;

use super::{DesiredStatus, Health, LastStatus, Tables, Task};

/// The tasks of a deployment or task set that shall run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeploymentCounts {
    /// Those that run.
    pub running: u32,
    /// Those on their way to run.
    pub pending: u32,
    /// Those that run and whose health checks pass, if they have any.
    pub healthy: u32,
}

impl DeploymentCounts {
    /// What one task adds.
    fn of(task: &Task) -> Self {
        let runs = task.desired == DesiredStatus::Running && task.last == LastStatus::Running;
        let pends = task.desired == DesiredStatus::Running && task.last < LastStatus::Running;
        Self {
            running: u32::from(runs),
            pending: u32::from(pends),
            healthy: u32::from(runs && task.is_well()),
        }
    }

    /// Those there are, running or not yet.
    pub fn all(self) -> u32 {
        self.running.saturating_add(self.pending)
    }

    /// Those of two together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            running: self.running.saturating_add(other.running),
            pending: self.pending.saturating_add(other.pending),
            healthy: self.healthy.saturating_add(other.healthy),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            running: self.running.saturating_sub(other.running),
            pending: self.pending.saturating_sub(other.pending),
            healthy: self.healthy.saturating_sub(other.healthy),
        }
    }
}

impl Task {
    /// Whether nothing is wrong with it: its health checks pass, or it has none.
    pub fn is_well(&self) -> bool {
        let has_check = self
            .containers
            .iter()
            .any(|one| one.essential && one.has_health_check);
        !has_check || self.health_of_checks() == Some(Health::Healthy)
    }

    /// The worst health of the essential containers that have a check.
    pub fn health_of_checks(&self) -> Option<Health> {
        let checked = self
            .containers
            .iter()
            .filter(|one| one.essential && one.has_health_check);
        checked.map(|one| one.health).max()
    }

    fn deployment_key(&self) -> Option<String> {
        let id = self.started_by.as_deref().filter(|_| self.service().is_some())?;
        Some(key_of(&self.region, &self.cluster, id))
    }
}

fn key_of(region: &Region, cluster: &str, id: &str) -> String {
    format!("{region}/{cluster}/{id}")
}

impl Tables {
    /// The tasks of a deployment or task set, by its id.
    pub fn deployment_counts(&self, region: &Region, cluster: &str, id: &str) -> DeploymentCounts {
        let found = self.deployments.get(&key_of(region, cluster, id));
        found.map_or_else(DeploymentCounts::default, |counts| **counts)
    }

    /// Keeps the counts of deployments in step with one task.
    pub(super) fn count_deployment(&mut self, before: Option<&Task>, after: Option<&Task>) {
        let Some(key) = after.or(before).and_then(Task::deployment_key) else {
            return;
        };
        let counts = self
            .deployments
            .get(&key)
            .map_or_else(DeploymentCounts::default, |counts| **counts);
        let of = |task: Option<&Task>| task.map(DeploymentCounts::of).unwrap_or_default();
        let now = counts.minus(of(before)).plus(of(after));
        if now == DeploymentCounts::default() {
            self.deployments.remove(&key);
        } else if now != counts {
            self.deployments.insert(&key, Arc::new(now));
        }
    }
}
