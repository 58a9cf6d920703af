//! Placement: on which container instances tasks go (ecs.md 10). A pure function of its arguments; the one free
//! choice, among instances that are equally good, is asked for.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::Timestamp;

use super::query::{Expression, Subject};
use super::resources::Remaining;
use crate::world::records::ecs::{ContainerInstance, Reservation};

/// Most failures listed in one reply; further ones would say the same (ours).
const FAILURES_MAX: usize = 1_000;

/// What tasks of one call need.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// What each takes.
    pub reservation: Reservation,
    /// Whether each needs GPUs, which are not handed out here (docs/fidelity.md).
    pub gpu: bool,
    /// Attributes the instance must have; a value only where one is required.
    pub attributes: Vec<(&'a str, Option<&'a str>)>,
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
            Self::Attribute => "ATTRIBUTE",
            Self::MemberOf => "MemberOf placement constraint unsatisfied.",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        }
    }
}

/// Where tasks go, and why the others go nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// For each task placed its candidate, by index.
    pub placed: Vec<usize>,
    /// For each task not placed each candidate, by index, and what speaks against it.
    pub failures: Vec<(usize, Reason)>,
}

/// Places up to `count` tasks one after the other; `pick` chooses one of so many equally good instances.
pub fn place(
    demand: &Demand<'_>,
    candidates: &mut [Candidate<'_>],
    count: usize,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Placement {
    let mut placement = Placement::default();
    for task in 0..count {
        let verdicts: Vec<_> = candidates
            .iter()
            .map(|candidate| candidate.refuses(demand))
            .collect();
        let fitting: Vec<usize> = (0..)
            .zip(&verdicts)
            .filter(|(_, no)| no.is_none())
            .map(|(at, _)| at)
            .collect();
        if fitting.is_empty() {
            let each = (0..)
                .zip(verdicts)
                .filter_map(|(at, no)| Some((at, no?)))
                .collect::<Vec<_>>();
            let all = (task..count).flat_map(|_| each.iter().copied());
            placement.failures.extend(all.take(FAILURES_MAX));
            break;
        }
        let best = best_of(demand, candidates, fitting);
        let chosen = best
            .get(pick(best.len()))
            .or(best.first())
            .copied()
            .unwrap_or_default();
        if let Some(candidate) = candidates.get_mut(chosen) {
            candidate.take(demand);
        }
        placement.placed.push(chosen);
    }
    placement
}

/// The candidates that every strategy in turn finds best. Without strategies those with the fewest tasks: AWS
/// documents no default for RunTask.
fn best_of(demand: &Demand<'_>, candidates: &[Candidate<'_>], mut fitting: Vec<usize>) -> Vec<usize> {
    if demand.strategies.is_empty() {
        keep_least(&mut fitting, |at| {
            candidates.get(at).map(|candidate| candidate.remaining.tasks())
        });
    }
    for strategy in &demand.strategies {
        match strategy {
            Strategy::Random => {}
            Strategy::SpreadInstances => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| i64::from(candidate.in_group))
                });
            }
            Strategy::SpreadAttribute(name) => {
                let in_group = count_by_value(candidates, name);
                keep_least(&mut fitting, |at| {
                    candidates
                        .get(at)
                        .and_then(|candidate| in_group.get(candidate.value_of(name)).copied())
                });
            }
            Strategy::BinpackCpu => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| candidate.remaining.cpu)
                });
            }
            Strategy::BinpackMemory => {
                keep_least(&mut fitting, |at| {
                    candidates.get(at).map(|candidate| candidate.remaining.memory)
                });
            }
        }
    }
    fitting
}

fn keep_least(indexes: &mut Vec<usize>, measure: impl Fn(usize) -> Option<i64>) {
    let least = indexes.iter().filter_map(|at| measure(*at)).min();
    indexes.retain(|at| measure(*at) == least);
}

/// How many tasks of the group run on the instances of each value of an attribute.
fn count_by_value<'a>(candidates: &'a [Candidate<'_>], attribute: &str) -> BTreeMap<&'a str, i64> {
    let mut counts = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.value_of(attribute)).or_default() += i64::from(candidate.in_group);
    }
    counts
}

impl Candidate<'_> {
    /// What speaks against this instance, the first of AWS's filters that does.
    pub fn refuses(&self, demand: &Demand<'_>) -> Option<Reason> {
        if !self.instance.agent_connected {
            return Some(Reason::Agent);
        }
        self.lacks_resource(demand)
            .or_else(|| self.lacks_attribute(demand))
            .or_else(|| self.violates(demand))
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
        } else {
            demand.gpu.then_some(Reason::Gpu)
        }
    }

    fn lacks_attribute(&self, demand: &Demand<'_>) -> Option<Reason> {
        let has = |(name, value): &(&str, Option<&str>)| match self.instance.attributes.get(*name) {
            Some(found) => value.is_none() || found.as_deref() == *value,
            None => false,
        };
        (!demand.attributes.iter().all(has)).then_some(Reason::Attribute)
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

    fn value_of(&self, attribute: &str) -> &str {
        self.attribute(attribute).unwrap_or_default()
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
