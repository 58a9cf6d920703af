//! Placement: on which container instances tasks go (ecs.md 10). A pure function of its arguments; the one free
//! choice, among instances that are equally good, is asked for.

mod choose;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use portcullis_core::Timestamp;

use super::query::{Expression, Subject};
use super::resources::Remaining;
use crate::world::records::ecs::{
    ContainerInstance, HostKind, INTERFACES_ATTRIBUTE, Reservation, ZONE_ATTRIBUTE,
};

pub use choose::{Placement, has_hosts, is_empty, place};

/// Most network interfaces of tasks on an instance that does not say how many: what AWS's largest types have.
const INTERFACES_MAX: i32 = 120;
/// Most failures listed in one reply; further ones would say the same (ours).
const FAILURES_MAX: usize = 1_000;

/// Which instances of a cluster are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Those of a kind: what a launch type, FARGATE or FARGATE_SPOT means.
    Kind(HostKind),
    /// Those of an Auto Scaling group: what its capacity provider means.
    Group(String),
}

/// What tasks of one call need.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// What each takes.
    pub reservation: Reservation,
    /// Whether each needs GPUs, which are not handed out here (docs/fidelity.md).
    pub gpu: bool,
    /// Attributes the instance must have; a value only where one is required.
    pub attributes: Vec<(&'a str, Option<&'a str>)>,
    /// The zones of its subnets; empty when any will do.
    pub zones: Vec<String>,
    /// Who names the instance itself, as records remember a principal: some take no other's tasks.
    pub starter: Option<String>,
    /// The group spread and distinctInstance look at.
    pub group: &'a str,
    /// Conditions, all of which must hold.
    pub constraints: Vec<Constraint>,
    /// What is best, most important first.
    pub strategies: Vec<Strategy>,
}

/// A condition on the instance.
#[derive(Debug, Clone)]
pub enum Constraint {
    /// No two tasks of the group on one instance.
    DistinctInstance,
    /// The instance satisfies an expression.
    MemberOf(Expression),
}

/// What makes one instance better than another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing.
    Random,
    /// Fewest tasks of the group on the instance.
    SpreadInstances,
    /// Fewest tasks of the group on all instances that share the attribute's value.
    SpreadAttribute(String),
    /// Least CPU left.
    BinpackCpu,
    /// Least memory left.
    BinpackMemory,
}

/// An instance that may take tasks, with what was placed on it so far.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The instance.
    pub instance: &'a ContainerInstance,
    /// What it has left.
    pub remaining: Remaining,
    /// How many tasks of the demanded group it has.
    pub in_group: u32,
    /// The groups of its tasks; filled only when a constraint may ask.
    pub groups: BTreeSet<String>,
}

/// Why an instance cannot take a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its agent is not connected.
    Agent,
    /// Not enough CPU units left.
    Cpu,
    /// Not enough memory left.
    Memory,
    /// A port is taken.
    Ports,
    /// No GPU can be had.
    Gpu,
    /// No more network interfaces can be had.
    Eni,
    /// None of the subnets is in its zone.
    Location,
    /// An attribute is missing.
    Attribute,
    /// `memberOf` does not hold.
    MemberOf,
    /// A task of the group is there already.
    DistinctInstance,
}

impl Reason {
    /// AWS's words (ecs.md 9).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Cpu => "RESOURCE:CPU",
            Self::Memory => "RESOURCE:MEMORY",
            Self::Ports => "RESOURCE:PORTS",
            Self::Gpu => "RESOURCE:GPU",
            Self::Eni => "RESOURCE:ENI",
            Self::Location => "LOCATION",
            Self::Attribute => "ATTRIBUTE",
            Self::MemberOf => "MemberOf placement constraint unsatisfied.",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        }
    }
}

/// Most network interfaces of tasks on an instance: what its attribute says, or as many as AWS gives its largest types.
fn interfaces_max(instance: &ContainerInstance) -> i32 {
    let own = instance.attributes.get(INTERFACES_ATTRIBUTE);
    let own = own.and_then(Option::as_ref).and_then(|text| text.parse().ok());
    own.unwrap_or(INTERFACES_MAX)
}

impl Candidate<'_> {
    /// What speaks against this instance, the first of AWS's filters that does.
    pub fn refuses(&self, demand: &Demand<'_>) -> Option<Reason> {
        if !self.instance.agent_connected {
            return Some(Reason::Agent);
        }
        self.lacks_resource(demand)
            .or_else(|| self.lacks_subnet(demand))
            .or_else(|| self.lacks_attribute(demand))
            .or_else(|| self.violates(demand))
    }

    /// Whether it is the right instance, whatever it has left.
    pub fn qualifies(&self, demand: &Demand<'_>) -> bool {
        let misses = |reason| matches!(reason, Reason::Attribute | Reason::MemberOf);
        self.lacks_subnet(demand).is_none()
            && self.lacks_attribute(demand).is_none()
            && !self.violates(demand).is_some_and(misses)
    }

    fn lacks_resource(&self, demand: &Demand<'_>) -> Option<Reason> {
        let (wanted, left) = (&demand.reservation, &self.remaining);
        let clash =
            |wanted: &BTreeSet<u16>, taken: &BTreeSet<u16>| wanted.iter().any(|port| taken.contains(port));
        if i64::from(wanted.cpu) > left.cpu {
            Some(Reason::Cpu)
        } else if i64::from(wanted.memory) > left.memory {
            Some(Reason::Memory)
        } else if clash(&wanted.ports, &left.load.ports) || clash(&wanted.udp_ports, &left.load.udp_ports) {
            Some(Reason::Ports)
        } else if demand.gpu {
            Some(Reason::Gpu)
        } else {
            let interfaces = left.load.interfaces.saturating_add(wanted.interfaces);
            let is_out = wanted.interfaces > 0 && interfaces > interfaces_max(self.instance);
            is_out.then_some(Reason::Eni)
        }
    }

    fn lacks_attribute(&self, demand: &Demand<'_>) -> Option<Reason> {
        let has = |(name, value): &(&str, Option<&str>)| match self.instance.attributes.get(*name) {
            Some(found) => value.is_none() || found.as_deref() == *value,
            None => false,
        };
        let is_open = !self.instance.agent.own_tasks_only
            || (demand.starter.is_some() && demand.starter == self.instance.registered_by);
        (!is_open || !demand.attributes.iter().all(has)).then_some(Reason::Attribute)
    }

    /// Hosts that say nothing of a zone are in every one: operators' own need not be in any.
    fn lacks_subnet(&self, demand: &Demand<'_>) -> Option<Reason> {
        let zone = self.instance.attributes.get(ZONE_ATTRIBUTE);
        let is_elsewhere = |zone: &String| !demand.zones.contains(zone);
        let is_elsewhere = zone.and_then(Option::as_ref).is_some_and(is_elsewhere);
        (is_elsewhere && !demand.zones.is_empty()).then_some(Reason::Location)
    }

    /// Whether the instance has the attributes and satisfies the expressions, whatever else speaks against it.
    pub fn is_member(&self, demand: &Demand<'_>) -> bool {
        let holds = |constraint: &Constraint| match constraint {
            Constraint::DistinctInstance => true,
            Constraint::MemberOf(expression) => expression.matches(self),
        };
        self.lacks_subnet(demand).is_none()
            && self.lacks_attribute(demand).is_none()
            && demand.constraints.iter().all(holds)
    }

    fn violates(&self, demand: &Demand<'_>) -> Option<Reason> {
        demand.constraints.iter().find_map(|constraint| match constraint {
            Constraint::DistinctInstance => (self.in_group > 0).then_some(Reason::DistinctInstance),
            Constraint::MemberOf(expression) => (!expression.matches(self)).then_some(Reason::MemberOf),
        })
    }

    fn take(&mut self, demand: &Demand<'_>) {
        self.remaining.take(&demand.reservation);
        self.in_group += 1;
        self.groups.insert(demand.group.to_owned());
    }
}

impl Subject for Candidate<'_> {
    fn agent_connected(&self) -> bool {
        self.instance.agent_connected
    }
    fn agent_version(&self) -> Option<&str> {
        self.instance.version_info.agent_version.as_deref()
    }
    fn ec2_instance_id(&self) -> Option<&str> {
        self.instance.ec2_instance_id.as_deref()
    }
    fn registered_at(&self) -> Timestamp {
        self.instance.registered_at
    }
    fn running_tasks_count(&self) -> i64 {
        i64::from(self.remaining.load.running_tasks)
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.instance
            .attributes
            .get(name)
            .map(|value| value.as_deref().unwrap_or_default())
    }
    fn any_task_group(&self, accept: &dyn Fn(&str) -> bool) -> bool {
        self.groups.iter().any(|group| accept(group))
    }
}
