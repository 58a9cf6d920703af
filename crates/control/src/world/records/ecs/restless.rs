//! What services may have to act upon, in the order in which it changed. The scheduler remembers how far it has read:
//! nothing is ever marked as done, and what changes while it acts comes up again behind it.

use super::daemon::owner_key;
use super::{Cluster, ContainerInstance, LastStatus, Service, Tables, Task};
use crate::world::marks::Marks;
use crate::world::records::Record as _;

/// The changes that concern services, each thing once: where it changed last.
#[derive(Debug, Clone, Default)]
pub struct Restless(Marks);

/// A thing that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stirred<'a> {
    /// A service by its key, a daemon by [`super::Daemon::owner_key`], the waiting tasks of a cluster by
    /// [`super::waiting_owner_key`]: itself, one of its tasks, or an instance with its tasks.
    Service(&'a str),
    /// A cluster by its key: a task let go of its room, or is gone from its host.
    Room(&'a str),
    /// A cluster by its key: an instance came, changed or went.
    Hosts(&'a str),
}

impl<'a> Stirred<'a> {
    fn of(row: &'a str) -> Option<Self> {
        match row.split_once('=')? {
            ("service", key) => Some(Self::Service(key)),
            ("room", key) => Some(Self::Room(key)),
            ("hosts", key) => Some(Self::Hosts(key)),
            _ => None,
        }
    }
}

impl Restless {
    /// What changed after the change numbered `seen`, or ever; the earliest first.
    pub fn since(&self, seen: Option<u64>) -> impl Iterator<Item = Stirred<'_>> {
        self.0.since(seen).filter_map(Stirred::of)
    }

    /// A service is there, new or changed.
    pub(super) fn service(&mut self, service: &Service, change: u64) {
        self.owner(&service.key(), change);
    }

    /// A service is gone.
    pub(super) fn without_service(&mut self, service: &Service) {
        self.without_owner(&service.key());
    }

    /// A service or daemon is there, new or changed, by the key the scheduler knows it by.
    pub(super) fn owner(&mut self, key: &str, change: u64) {
        self.0.touch(&format!("service={key}"), change);
    }

    /// A service or daemon is gone.
    pub(super) fn without_owner(&mut self, key: &str) {
        self.0.remove(&format!("service={key}"));
    }

    /// Something of a service changed, by the service's key. A service that is not there is left alone.
    pub(super) fn service_of(&mut self, service_key: &str, change: u64) {
        let thing = format!("service={service_key}");
        if self.0.last(&thing).is_some() {
            self.0.touch(&thing, change);
        }
    }

    /// A cluster, by its key, may have room that it had not.
    pub(super) fn room(&mut self, cluster_key: &str, change: u64) {
        self.0.touch(&format!("room={cluster_key}"), change);
    }
}

impl Tables {
    /// A task changed: its service may have to act, and whoever waits for room may find some where it was.
    pub(super) fn stir_by_task(&mut self, before: Option<&Task>, after: Option<&Task>, change: u64) {
        let Some(task) = after.or(before) else { return };
        if let Some(key) = owner_key(&task.region, &task.cluster, &task.group) {
            self.restless.service_of(&key, change);
        }
        let holds = |task: Option<&Task>| task.is_some_and(Task::holds_reservation);
        // Whoever waits for a host to be left alone (a daemon, on a DRAINING one) waits longer: until the task has stopped.
        let is_there = |task: Option<&Task>| task.is_some_and(|task| task.last != LastStatus::Stopped);
        let leaves = is_there(before) && !is_there(after);
        if leaves || holds(before) && !holds(after) {
            let cluster = Cluster::key_of(&task.region, &task.cluster);
            self.restless.room(&cluster, change);
        }
    }

    /// An instance changed: services may find room on it, or must look elsewhere.
    pub(super) fn stir_by_instance(
        &mut self,
        before: Option<&ContainerInstance>,
        after: Option<&ContainerInstance>,
        change: u64,
    ) {
        let Some(instance) = after.or(before) else { return };
        let cluster = Cluster::key_of(&instance.region, &instance.cluster);
        self.restless.0.touch(&format!("hosts={cluster}"), change);
        let status = |one: Option<&ContainerInstance>| one.map(|one| one.status);
        if status(before) == status(after) {
            return;
        }
        let key = ContainerInstance::key_of(&instance.region, &instance.cluster, &instance.id);
        for group in self.groups_on(&key) {
            if let Some(owner) = owner_key(&instance.region, &instance.cluster, &group) {
                self.restless.service_of(&owner, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_comes_up_once_where_it_changed_last() {
        let mut restless = Restless::default();
        restless.owner("r/c/a", 0);
        restless.owner("r/c/b", 1);
        restless.room("r/c", 2);
        restless.owner("r/c/a", 3);
        restless.service_of("r/c/a", 3);
        let since = |seen| restless.since(seen).collect::<Vec<_>>();
        let (a, b) = (Stirred::Service("r/c/a"), Stirred::Service("r/c/b"));
        assert_eq!(since(None), [b, Stirred::Room("r/c"), a]);
        assert_eq!(since(Some(1)), [Stirred::Room("r/c"), a]);
        assert_eq!(since(Some(2)), [a]);
        assert_eq!(since(Some(3)), []);
    }

    #[test]
    fn what_belongs_to_no_service_stirs_none() {
        let mut restless = Restless::default();
        restless.service_of("r/c/a", 1);
        assert_eq!(restless.since(None).count(), 0);
    }
}
