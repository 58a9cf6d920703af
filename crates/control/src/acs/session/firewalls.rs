//! Telling an agent what the security groups of its tasks come to, whenever that changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::acs;

use super::{Conversation, End};
use crate::acs::firewall::{self, Firewalls, TASKS_MAX};
use crate::world::Snapshot;
use crate::world::records::ecs::{ContainerInstance, Task};

/// What an agent's tasks are filtered by.
pub(super) struct Watch<'a> {
    firewalls: &'a Firewalls,
    /// The keys of the groups of its tasks.
    groups: BTreeSet<String>,
    /// The last change that was looked at.
    seen: Option<u64>,
}

impl<'a> Watch<'a> {
    pub fn new(firewalls: &'a Firewalls) -> Self {
        Self {
            firewalls,
            groups: BTreeSet::new(),
            seen: None,
        }
    }

    /// Whether one of the groups comes to something else since the last look.
    pub fn is_stirred(&mut self, view: &Snapshot) -> bool {
        let seen = self.seen.replace(view.sequence);
        if self.groups.is_empty() {
            return false;
        }
        let mut stirred = view.ec2.stirred_groups.since(seen);
        stirred.any(|group| self.groups.contains(group))
    }
}

impl Conversation<'_> {
    /// Sends the firewalls that the agent does not know.
    pub(super) async fn send_firewalls(
        &mut self,
        view: &Snapshot,
        instance: &ContainerInstance,
    ) -> Result<(), End> {
        if !firewall::is_kept_by(instance) {
            return Ok(());
        }
        let tasks = crate::acs::outbox::tasks_on(view, instance);
        self.watch.groups = tasks.iter().flat_map(|task| firewall::groups(task)).collect();
        let due = firewall::due(self.outbox, view, instance, self.now());
        for some in due.chunks(TASKS_MAX) {
            self.send_some(view, some).await?;
        }
        Ok(())
    }

    async fn send_some(&mut self, view: &Snapshot, due: &[(Arc<Task>, u64)]) -> Result<(), End> {
        let tasks = due.iter().map(|(task, _)| task);
        let message = acs::PortcullisFirewallMessage {
            message_id: self.new_id(),
            cluster_arn: self.session.accepted.cluster_arn.to_string(),
            container_instance_arn: self.session.accepted.arn.to_string(),
            firewalls: tasks
                .map(|task| self.watch.firewalls.of_task(view, task))
                .collect(),
        };
        self.must_be_allowed()?;
        self.send(&message).await?;
        let now = self.now();
        for (task, version) in due {
            self.outbox
                .sent_firewall(task, *version, &message.message_id, now);
        }
        Ok(())
    }

    /// Puts its firewall beside a task's interface; answers the version that went along.
    pub(super) fn add_firewall(&self, view: &Snapshot, task: &Task, shown: &mut acs::Task) -> Option<u64> {
        let instance = view.ecs.container_instances.get(&self.session.accepted.key)?;
        let version = firewall::version(view, task).filter(|_| firewall::is_kept_by(instance))?;
        let interface = shown.elastic_network_interfaces.as_mut()?.first_mut()?;
        interface.portcullis_firewall = Some(self.watch.firewalls.of(view, task));
        Some(version)
    }
}
