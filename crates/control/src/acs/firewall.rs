//! The security groups of tasks with network interfaces, as addresses: our agent filters by them (docs/fidelity.md). What a
//! group comes to is worked out once for all agents, and again only when a mark says that it changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_api::acs;
use portcullis_core::{Region, Timestamp};

use super::outbox::{Outbox, tasks_on};
use crate::world::Snapshot;
use crate::world::records::ec2::{NetworkInterface, Peer, Rule, SecurityGroup, key_of};
use crate::world::records::ecs::{
    ContainerInstance, DesiredStatus, MadeInterface, SECURITY_GROUPS_ATTRIBUTE, Task,
};

/// Most tasks of one message.
pub(super) const TASKS_MAX: usize = 10;

/// What groups come to, by key, with the number of the change that brought it.
#[derive(Debug, Default)]
pub(super) struct Firewalls(Mutex<HashMap<String, (u64, Arc<Rules>)>>);

/// What a group lets through.
#[derive(Debug, Default)]
struct Rules {
    ingress: Vec<acs::PortcullisFirewallRule>,
    egress: Vec<acs::PortcullisFirewallRule>,
}

/// Whether an instance's agent filters by security groups.
pub(super) fn is_kept_by(instance: &ContainerInstance) -> bool {
    instance.attributes.contains_key(SECURITY_GROUPS_ATTRIBUTE)
}

/// The keys of a task's security groups.
pub(super) fn groups(task: &Task) -> impl Iterator<Item = String> {
    let made = task
        .interface
        .as_ref()
        .and_then(|interface| interface.made.as_ref());
    let groups = made.into_iter().flat_map(|made| made.groups.iter());
    groups.map(|id| key_of(&task.region, id))
}

/// The number of the last change of what a task's groups come to; `None` when it has no interface.
pub(super) fn version(view: &Snapshot, task: &Task) -> Option<u64> {
    made(task)?;
    let changes = groups(task).filter_map(|key| view.ec2.stirred_groups.last(&key));
    Some(changes.max().unwrap_or_default())
}

fn made(task: &Task) -> Option<&MadeInterface> {
    task.interface.as_ref()?.made.as_ref()
}

/// The tasks whose firewalls an agent has to be told anew, with the versions of these.
pub(super) fn due(
    outbox: &Outbox,
    view: &Snapshot,
    instance: &ContainerInstance,
    now: Timestamp,
) -> Vec<(Arc<Task>, u64)> {
    let tasks = tasks_on(view, instance).into_iter();
    let wanted = tasks.filter(|task| task.desired == DesiredStatus::Running);
    let versioned = wanted.filter_map(|task| version(view, &task).map(|version| (task, version)));
    versioned
        .filter(|(task, version)| outbox.needs_firewall(task, *version, now))
        .collect()
}

impl Firewalls {
    /// What all groups of a task together let through.
    pub fn of(&self, view: &Snapshot, task: &Task) -> acs::PortcullisFirewall {
        let mut firewall = acs::PortcullisFirewall::default();
        let groups = made(task).map(|made| made.groups.as_slice()).unwrap_or_default();
        for group in groups {
            let rules = self.of_group(view, &task.region, group);
            firewall.ingress.extend_from_slice(&rules.ingress);
            firewall.egress.extend_from_slice(&rules.egress);
        }
        firewall
    }

    /// The same as a message brings it.
    pub fn of_task(&self, view: &Snapshot, task: &Task) -> acs::PortcullisTaskFirewall {
        let firewall = self.of(view, task);
        acs::PortcullisTaskFirewall {
            task_arn: task.arn.to_string(),
            attachment_arn: task.attachment_arn().unwrap_or_default(),
            ingress: firewall.ingress,
            egress: firewall.egress,
        }
    }

    fn of_group(&self, view: &Snapshot, region: &Region, id: &str) -> Arc<Rules> {
        let key = key_of(region, id);
        let version = view.ec2.stirred_groups.last(&key).unwrap_or_default();
        let known = |known: &Self| {
            let known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .get(&key)
                .filter(|(at, _)| *at == version)
                .map(|(_, rules)| Arc::clone(rules))
        };
        if let Some(rules) = known(self) {
            return rules;
        }
        let group = view.ec2.find::<SecurityGroup>(region, id);
        let rules = Arc::new(group.map(|group| resolve(view, group)).unwrap_or_default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A group that is gone is asked for by nobody again.
        all.retain(|key, _| view.ec2.stirred_groups.last(key).is_some());
        all.insert(key, (version, Arc::clone(&rules)));
        rules
    }
}

/// Rules about the same traffic are one, with the peers of all.
type Traffic<'a> = (bool, &'a str, i32, i32);

fn resolve(view: &Snapshot, group: &SecurityGroup) -> Rules {
    let mut by_traffic: BTreeMap<Traffic<'_>, Vec<String>> = BTreeMap::new();
    for rule in &group.rules {
        let traffic = (rule.egress, rule.protocol.as_str(), rule.from_port, rule.to_port);
        by_traffic
            .entry(traffic)
            .or_default()
            .extend(peers(view, group, rule));
    }
    let mut rules = Rules::default();
    for ((egress, protocol, from_port, to_port), mut peers) in by_traffic {
        peers.sort_unstable();
        peers.dedup();
        if peers.is_empty() {
            continue;
        }
        let (sources, destinations) = if egress {
            (None, Some(peers))
        } else {
            (Some(peers), None)
        };
        let rule = acs::PortcullisFirewallRule {
            protocol: protocol.to_owned(),
            from_port,
            to_port,
            sources,
            destinations,
        };
        if egress {
            rules.egress.push(rule);
        } else {
            rules.ingress.push(rule);
        }
    }
    rules
}

/// The addresses at the other end of a rule. Groups of other accounts have no members here, and there are no prefix lists.
fn peers(view: &Snapshot, group: &SecurityGroup, rule: &Rule) -> Vec<String> {
    match &rule.peer {
        Peer::Ipv4(range) | Peer::Ipv6(range) => vec![range.clone()],
        Peer::PrefixList(_) => Vec::new(),
        Peer::Group { account, .. } if *account != view.account => Vec::new(),
        Peer::Group { id, .. } => {
            let members = view.ec2.children::<NetworkInterface>(&group.region, id);
            let addresses = members.iter().flat_map(|member| member.addresses.iter());
            addresses.map(|address| format!("{address}/32")).collect()
        }
    }
}
