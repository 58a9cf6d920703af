//! The ways to look tasks up.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::Region;

use super::group_counts::GroupCounts;
use super::{Cluster, ContainerInstance, DesiredStatus, LastStatus, Tables, Task};

/// A way to look tasks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet<'a> {
    /// All of the cluster.
    All,
    /// Those on one container instance, by its id.
    ContainerInstance(&'a str),
    /// Those of one family.
    Family(&'a str),
    /// Those of one service.
    Service(&'a str),
    /// Those of one daemon.
    Daemon(&'a str),
    /// Those started by somebody.
    StartedBy(&'a str),
}

impl Facet<'_> {
    /// The prefix of index rows; the phase and the id follow.
    fn prefix(self, region: &Region, cluster: &str) -> String {
        match self {
            Self::All => format!("{region}/{cluster}/all=\n"),
            Self::ContainerInstance(id) => format!("{region}/{cluster}/instance={id}\n"),
            Self::Family(name) => format!("{region}/{cluster}/family={name}\n"),
            Self::Service(name) => format!("{region}/{cluster}/service={name}\n"),
            Self::Daemon(name) => format!("{region}/{cluster}/daemon={name}\n"),
            Self::StartedBy(who) => format!("{region}/{cluster}/by={who}\n"),
        }
    }
}

/// Which tasks: those of a facet with one desired status.
#[derive(Debug, Clone)]
pub struct TaskSet {
    /// What the tasks' keys start with: `REGION/CLUSTER/`.
    home: String,
    /// What the index rows start with.
    prefix: String,
}

impl TaskSet {
    /// The tasks of `facet` in a cluster.
    pub fn new(region: &Region, cluster: &str, facet: Facet<'_>, desired: DesiredStatus) -> Self {
        let phase = match desired {
            DesiredStatus::Running => "R",
            DesiredStatus::Stopped => "S",
        };
        let prefix = format!("{}{phase}", facet.prefix(region, cluster));
        Self {
            home: format!("{region}/{cluster}/"),
            prefix,
        }
    }

    /// What the index keys of these tasks start with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// `=` cannot stand in a cluster's name, so that these rows never mix with those of a cluster.
fn token_prefix(region: &Region, token: &str) -> String {
    format!("{region}/token={token}\n")
}

impl Tables {
    /// The tasks of a set in the order of their ids, those stopping before those stopped, each with its index key;
    /// they begin behind `after`, the index key of the last one seen.
    pub fn tasks_of<'a>(
        &'a self,
        set: &'a TaskSet,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Task>)> {
        self.task_index.after(&set.prefix, after).filter_map(|(key, _)| {
            let (_, id) = key.rsplit_once('/')?;
            self.tasks
                .get(&format!("{}{id}", set.home))
                .map(|task| (key, task))
        })
    }

    /// Tasks made with an idempotency token.
    pub fn tasks_with_token(&self, region: &Region, token: &str) -> Vec<&Arc<Task>> {
        let prefix = token_prefix(region, token);
        let keys = self.task_index.prefix(&prefix);
        let names = keys.filter_map(|(key, _)| key.strip_prefix(prefix.as_str()));
        names
            .filter_map(|name| self.tasks.get(&format!("{region}/{name}")))
            .collect()
    }

    /// How many tasks of a group should run on a container instance, by the instance's key.
    pub fn group_count(&self, instance_key: &str, group: &str) -> u32 {
        self.task_groups
            .get(&format!("{instance_key}/{group}"))
            .copied()
            .unwrap_or_default()
    }

    /// The groups of the tasks that should run on a container instance.
    pub fn groups_on(&self, instance_key: &str) -> BTreeSet<String> {
        let prefix = format!("{instance_key}/");
        let rows = self.task_groups.prefix(&prefix);
        rows.filter_map(|(key, _)| key.strip_prefix(prefix.as_str()).map(str::to_owned))
            .collect()
    }

    /// Keeps the counts of groups in step.
    pub(super) fn count_group(&mut self, task: &Task, step: i64) {
        let instance = ContainerInstance::key_of(&task.region, &task.cluster, &task.container_instance);
        let key = format!("{instance}/{}", task.group);
        let before = self.task_groups.get(&key).map_or(0, |count| i64::from(*count));
        let count = u32::try_from(before + step).unwrap_or_default();
        if count > 0 {
            self.task_groups.insert(&key, count);
        } else {
            self.task_groups.remove(&key);
        }
        let Some(position) = self.position(&instance) else {
            return;
        };
        let group = format!("{}/{}", Cluster::key_of(&task.region, &task.cluster), task.group);
        if self.group_counts.get(&group).is_none() {
            self.group_counts.insert(&group, Arc::default());
        }
        self.group_counts
            .edit(&group, |counts| counts.set(position, count));
        if self
            .group_counts
            .get(&group)
            .is_some_and(|counts| counts.is_empty())
        {
            self.group_counts.remove(&group);
        }
    }

    /// How many tasks of a group should run on each instance of a cluster; `None` when there are none.
    pub fn counts_of_group(&self, cluster_key: &str, group: &str) -> Option<&GroupCounts> {
        let counts = self.group_counts.get(&format!("{cluster_key}/{group}"));
        counts.map(AsRef::as_ref)
    }

    /// How many tasks of a cluster that have not stopped were launched through a capacity provider.
    pub fn tasks_of_provider(&self, cluster_key: &str, provider: &str) -> u32 {
        let count = self.provider_tasks.get(&format!("{cluster_key}/{provider}"));
        count.map_or(0, |count| **count)
    }

    /// Keeps the counts of capacity providers in step.
    pub(super) fn count_provider(&mut self, task: &Task, step: i64) {
        let Some(provider) = task
            .capacity_provider
            .as_ref()
            .filter(|_| task.last != LastStatus::Stopped)
        else {
            return;
        };
        let key = format!("{}/{provider}", Cluster::key_of(&task.region, &task.cluster));
        let before = self
            .provider_tasks
            .get(&key)
            .map_or(0, |count| i64::from(**count));
        match u32::try_from(before + step) {
            Ok(count) if count > 0 => self.provider_tasks.insert(&key, Arc::new(count)),
            _ => self.provider_tasks.remove(&key),
        }
    }
}

impl Task {
    /// The phase in index keys: to run, stopping, stopped. Both of the latter start with `S`.
    fn phase(&self) -> &'static str {
        match (self.desired, self.last) {
            (_, LastStatus::Stopped) => "S1",
            (DesiredStatus::Stopped, _) => "S0",
            (DesiredStatus::Running, _) => "R0",
        }
    }

    /// The rows that lead to this task.
    pub(super) fn index_keys(&self) -> Vec<String> {
        let tail = format!("{}/{}", self.phase(), self.id);
        let key = |facet: Facet<'_>| format!("{}{tail}", facet.prefix(&self.region, &self.cluster));
        let mut keys = vec![key(Facet::All), key(Facet::Family(&self.family))];
        if self.is_placed() {
            keys.push(key(Facet::ContainerInstance(&self.container_instance)));
        }
        if let Some(service) = self.service() {
            keys.push(key(Facet::Service(service)));
        }
        if let Some(daemon) = self.daemon() {
            keys.push(key(Facet::Daemon(daemon)));
        }
        if let Some(started_by) = &self.started_by {
            keys.push(key(Facet::StartedBy(started_by)));
        }
        if let Some(token) = &self.token {
            keys.push(format!(
                "{}{}/{}",
                token_prefix(&self.region, &token.token),
                self.cluster,
                self.id
            ));
        }
        keys
    }
}
