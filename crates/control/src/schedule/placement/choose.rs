//! The choice itself: a look at the numbers of all instances, and a close look at the best of them only.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Candidate, Constraint, Demand, FAILURES_MAX, Hosts, Reason, Strategy};
use crate::schedule::resources::{Remaining, remaining};
use crate::world::Snapshot;
use crate::world::records::ecs::{Board, ContainerInstance, NameId, Slot, ZONE_ATTRIBUTE};

/// How many instances are looked at closely one by one before all are: strategies usually find one at once.
const GLANCES_MAX: usize = 64;
/// Most strategies of a demand (ecs.md 10), and so most numbers instances are compared by.
const RANKS_MAX: usize = 5;

/// How good an instance is: smaller is better, by the first number that differs.
type Rank = [i64; RANKS_MAX];

/// Where tasks go, and why the others go nowhere.
#[derive(Debug, Default)]
pub struct Placement<'v> {
    /// For each task placed its instance.
    pub placed: Vec<&'v Arc<ContainerInstance>>,
    /// For each task not placed each instance, and what speaks against it.
    pub failures: Vec<(&'v Arc<ContainerInstance>, Reason)>,
}

/// Whether a cluster has any instance for tasks like these, fitting or not.
pub fn has_hosts(view: &Snapshot, cluster_key: &str, hosts: &Hosts) -> bool {
    let board = view.ecs.board(cluster_key);
    board.is_some_and(|board| {
        let wanted = Wanted::of(board, hosts);
        board.any(|slot| wanted.accepts(slot))
    })
}

/// Whether not a single instance for tasks like these is registered, ACTIVE or DRAINING.
pub fn is_empty(view: &Snapshot, cluster_key: &str, hosts: &Hosts) -> bool {
    let Some(board) = view.ecs.board(cluster_key) else {
        return true;
    };
    let wanted = Wanted::of(board, hosts);
    let slots = board.slots();
    let mut accepted = slots.iter().enumerate().filter(|(_, slot)| wanted.accepts(slot));
    let is_there = |at: usize| {
        let instance = board
            .key(at)
            .and_then(|key| view.ecs.container_instances.get(key));
        instance.is_some_and(|instance| instance.is_registered())
    };
    !accepted.any(|(at, slot)| slot.is_open || is_there(at))
}

/// Places up to `count` tasks one after the other on instances of a cluster; `pick` chooses one of so many equally
/// good instances.
pub fn place<'v>(
    view: &'v Snapshot,
    cluster_key: &str,
    hosts: &Hosts,
    demand: &Demand<'_>,
    count: usize,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Placement<'v> {
    let Some(board) = view.ecs.board(cluster_key) else {
        return Placement::default();
    };
    let mut ground = Ground::new(view, board, cluster_key, hosts, demand);
    let mut placement = Placement::default();
    for task in 0..count {
        let Some(at) = ground.choose(pick) else {
            let each = ground.failures();
            let all = (task..count).flat_map(|_| each.iter().copied());
            placement.failures = all.take(FAILURES_MAX).collect();
            break;
        };
        ground.take(at);
        placement.placed.extend(ground.instance(at));
    }
    placement
}

/// [`Hosts`] by the names of a board.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Kind(crate::world::records::ecs::HostKind),
    Group(Option<NameId>),
}

impl Wanted {
    fn of(board: &Board, hosts: &Hosts) -> Self {
        match hosts {
            Hosts::Kind(kind) => Self::Kind(*kind),
            Hosts::Group(name) => Self::Group(board.name_id(name)),
        }
    }

    fn accepts(self, slot: &Slot) -> bool {
        match self {
            Self::Kind(kind) => slot.kind == kind,
            Self::Group(id) => {
                slot.kind == crate::world::records::ecs::HostKind::Ec2 && Some(slot.group) == id
            }
        }
    }
}

/// What is known of an instance besides its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Fits,
    Refuses(Reason),
}

/// The instances as they stand between the tasks of one call.
struct Ground<'v, 'd> {
    view: &'v Snapshot,
    board: &'v Board,
    demand: &'d Demand<'d>,
    is_distinct: bool,
    slots: Vec<Slot>,
    verdicts: Vec<Verdict>,
    /// Tasks this call placed on each instance; empty until there is one.
    taken: Vec<u32>,
    /// Tasks of the group on each instance; empty when nothing asks.
    in_group: Vec<u32>,
    spreads: Vec<Spread>,
}

/// Tasks of the group by the value of an attribute.
struct Spread {
    value_of: Vec<NameId>,
    counts: Vec<i64>,
}

impl<'v, 'd> Ground<'v, 'd> {
    fn new(
        view: &'v Snapshot,
        board: &'v Board,
        cluster_key: &str,
        hosts: &Hosts,
        demand: &'d Demand<'d>,
    ) -> Self {
        let wanted = Wanted::of(board, hosts);
        let mut slots = board.slots();
        for slot in &mut slots {
            slot.is_open &= wanted.accepts(slot);
        }
        let is_distinct = demand
            .constraints
            .iter()
            .any(|one| matches!(one, Constraint::DistinctInstance));
        let mut ground = Self {
            view,
            board,
            demand,
            is_distinct,
            verdicts: vec![Verdict::Unknown; slots.len()],
            taken: vec![0; slots.len()],
            slots,
            in_group: Vec::new(),
            spreads: Vec::new(),
        };
        ground.count_group(cluster_key);
        ground.spreads = ground.spreads();
        ground
    }

    /// Fills in the tasks of the group, if the answer depends on them.
    fn count_group(&mut self, cluster_key: &str) {
        let asks = |one: &Strategy| matches!(one, Strategy::SpreadInstances | Strategy::SpreadAttribute(_));
        if !self.is_distinct && !self.demand.strategies.iter().any(asks) {
            return;
        }
        let counts = self.view.ecs.counts_of_group(cluster_key, self.demand.group);
        let positions = self.slots.len();
        self.in_group = counts.map_or_else(|| vec![0; positions], |counts| counts.by_position(positions));
    }

    fn spreads(&self) -> Vec<Spread> {
        let strategies = self.demand.strategies.iter();
        strategies
            .filter_map(|one| match one {
                Strategy::SpreadAttribute(name) => Some(self.spread(name)),
                _ => None,
            })
            .collect()
    }

    fn spread(&self, attribute: &str) -> Spread {
        let value_of: Vec<NameId> = if attribute == ZONE_ATTRIBUTE {
            self.slots.iter().map(|slot| slot.zone).collect()
        } else {
            self.values_of(attribute)
        };
        let most = value_of.iter().max().map_or(0, |id| *id as usize);
        let mut counts = vec![0; most + 1];
        for (at, value) in value_of.iter().enumerate() {
            if let (true, Some(count)) = (self.is_open(at), counts.get_mut(*value as usize)) {
                *count += i64::from(self.in_group(at));
            }
        }
        Spread { value_of, counts }
    }

    fn values_of(&self, attribute: &str) -> Vec<NameId> {
        let mut known = std::collections::HashMap::new();
        let mut number = |at: usize| {
            let value = self.instance(at)?.attributes.get(attribute)?.as_deref()?;
            let next = NameId::try_from(known.len() + 1).unwrap_or_default();
            Some(*known.entry(value).or_insert(next))
        };
        (0..self.slots.len())
            .map(|at| number(at).unwrap_or_default())
            .collect()
    }

    fn is_open(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|slot| slot.is_open)
    }

    fn in_group(&self, at: usize) -> u32 {
        self.in_group.get(at).copied().unwrap_or_default()
    }

    fn instance(&self, at: usize) -> Option<&'v Arc<ContainerInstance>> {
        self.view.ecs.container_instances.get(self.board.key(at)?)
    }

    /// The position of the instance the next task goes to.
    fn choose(&mut self, pick: &mut dyn FnMut(usize) -> usize) -> Option<usize> {
        let mut glances = 0;
        loop {
            let mut best = self.best();
            if best.is_empty() {
                return None;
            }
            while !best.is_empty() {
                let chosen = pick(best.len()).min(best.len() - 1);
                let at = best.remove(chosen);
                if self.verdict(at) == Verdict::Fits {
                    return Some(at);
                }
                glances += 1;
            }
            if glances > GLANCES_MAX {
                (0..self.slots.len()).for_each(|at| {
                    self.verdict(at);
                });
            }
        }
    }

    /// The best of those whose numbers suffice and that nothing is known against.
    fn best(&self) -> Vec<usize> {
        let mut least: Option<Rank> = None;
        let mut best = Vec::new();
        let rows = self.slots.iter().zip(&self.verdicts).enumerate();
        for (at, (slot, verdict)) in rows {
            if !self.suffices(at, slot) || matches!(verdict, Verdict::Refuses(_)) {
                continue;
            }
            let rank = self.rank(at, slot);
            match least {
                Some(known) if known < rank => continue,
                Some(known) if known == rank => {}
                _ => {
                    least = Some(rank);
                    best.clear();
                }
            }
            best.push(at);
        }
        best
    }

    fn suffices(&self, at: usize, slot: &Slot) -> bool {
        slot.is_open
            && slot.is_connected
            && slot.cpu >= i64::from(self.demand.reservation.cpu)
            && slot.memory >= i64::from(self.demand.reservation.memory)
            && !(self.is_distinct && self.in_group(at) > 0)
    }

    /// By each strategy in turn; without strategies the fewest tasks: AWS documents no default for RunTask.
    fn rank(&self, at: usize, slot: &Slot) -> Rank {
        let mut rank = Rank::default();
        if self.demand.strategies.is_empty() {
            rank[0] = i64::from(slot.tasks);
            return rank;
        }
        let mut spreads = self.spreads.iter();
        for (number, strategy) in rank.iter_mut().zip(&self.demand.strategies) {
            *number = match strategy {
                Strategy::Random => 0,
                Strategy::SpreadInstances => i64::from(self.in_group(at)),
                Strategy::SpreadAttribute(_) => spreads.next().map_or(0, |spread| spread.count(at)),
                Strategy::BinpackCpu => slot.cpu,
                Strategy::BinpackMemory => slot.memory,
            };
        }
        rank
    }

    fn verdict(&mut self, at: usize) -> Verdict {
        let known = self.verdicts.get(at).copied().unwrap_or(Verdict::Unknown);
        if known != Verdict::Unknown {
            return known;
        }
        let found = match self.candidate(at).map(|one| one.refuses(self.demand)) {
            Some(None) => Verdict::Fits,
            Some(Some(reason)) => Verdict::Refuses(reason),
            None => Verdict::Refuses(Reason::Agent),
        };
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = found;
        }
        found
    }

    /// An instance with all there is to know of it, the tasks of this call included.
    fn candidate(&self, at: usize) -> Option<Candidate<'v>> {
        let key = self.board.key(at)?;
        let instance = self.view.ecs.container_instances.get(key)?;
        let mut candidate = Candidate::of(self.view, key, self.demand, instance);
        let taken = self.taken.get(at).copied().unwrap_or_default();
        (0..taken).for_each(|_| candidate.take(self.demand));
        Some(candidate)
    }

    /// Puts a task on an instance.
    fn take(&mut self, at: usize) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.cpu -= i64::from(self.demand.reservation.cpu);
            slot.memory -= i64::from(self.demand.reservation.memory);
            slot.tasks = slot.tasks.saturating_add(1);
        }
        if let Some(taken) = self.taken.get_mut(at) {
            *taken += 1;
        }
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = Verdict::Unknown;
        }
        if let Some(count) = self.in_group.get_mut(at) {
            *count += 1;
        }
        for spread in &mut self.spreads {
            let value = spread.value_of.get(at).copied().unwrap_or_default();
            if let Some(count) = spread.counts.get_mut(value as usize) {
                *count += 1;
            }
        }
    }

    /// What speaks against each of the instances.
    fn failures(&self) -> Vec<(&'v Arc<ContainerInstance>, Reason)> {
        let open = (0..self.slots.len()).filter(|at| self.is_open(*at));
        let each = open.filter_map(|at| {
            let reason = self.candidate(at)?.refuses(self.demand)?;
            Some((self.instance(at)?, reason))
        });
        each.take(FAILURES_MAX).collect()
    }
}

impl Spread {
    fn count(&self, at: usize) -> i64 {
        let value = self.value_of.get(at).copied().unwrap_or_default();
        self.counts.get(value as usize).copied().unwrap_or_default()
    }
}

/// What an instance has left for a demand: without what is kept there for daemons.
fn left_for(view: &Snapshot, key: &str, demand: &Demand<'_>, instance: &ContainerInstance) -> Remaining {
    let mut left = remaining(instance, view.ecs.loads.get(key).map(AsRef::as_ref));
    for room in view.ecs.kept_for_others(key, demand.group) {
        left.keep(&room.reservation);
    }
    left
}

impl<'a> Candidate<'a> {
    /// An instance of the picture as a demand sees it.
    pub fn of(view: &Snapshot, key: &str, demand: &Demand<'_>, instance: &'a ContainerInstance) -> Self {
        let asks = |one: &Constraint| matches!(one, Constraint::MemberOf(_));
        let groups = if demand.constraints.iter().any(asks) {
            view.ecs.groups_on(key)
        } else {
            BTreeSet::new()
        };
        Self {
            instance,
            remaining: left_for(view, key, demand, instance),
            in_group: view.ecs.group_count(key, demand.group),
            groups,
        }
    }
}
