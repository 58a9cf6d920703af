//! One step of a rolling deployment: what to stop and how many to start, between the lower and the upper bound.
//!
//! A *good* task is of the deployment, healthy and on an instance that stays; a *coming* one is on its way to that. All
//! others are to be *replaced*: tasks of older deployments, unhealthy ones, those on DRAINING instances. Replacements are
//! started first where the upper bound allows, otherwise tasks are stopped first where the lower bound allows.

use super::choice::choose;
use super::outcome::{Stop, StopReason};
use super::picture::{ScaleIn, Status, Task};

/// What a step aims at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    /// Position of the deployment whose tasks are wanted.
    pub(super) deployment: usize,
    /// Position of one whose tasks count as its own: it holds the service up where the other was given up.
    pub(super) beside: Option<usize>,
    /// Tasks wanted of it.
    pub(super) target: usize,
    /// Tasks there may be beyond that: they even out zones.
    pub(super) extra: usize,
    /// Healthy tasks there must stay.
    pub(super) lower: usize,
    /// Tasks there may be.
    pub(super) upper: usize,
    /// How tasks to stop are chosen.
    pub(super) scale_in: ScaleIn,
    /// Most tasks to start; 0 while nothing may be started.
    pub(super) batch: usize,
    /// The last starts found no instance with room.
    pub(super) no_room: bool,
}

/// What a step does.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) stops: Vec<Stop>,
    pub(super) starts: usize,
    /// Of the stopped ones, those of the deployment whose health checks fail.
    pub(super) unhealthy_stopped: u32,
    /// Good tasks after it.
    pub(super) good: usize,
    /// Tasks still coming after it, without its own starts.
    pub(super) coming: usize,
    /// Tasks still to be replaced after it.
    pub(super) left: usize,
    /// More may be started, or stopped, at once.
    pub(super) again: bool,
    /// Why it cannot go on.
    pub(super) blocked: Option<Blocked>,
}

/// Why a step cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// The percentages allow neither a start nor a stop.
    ByPercents,
    /// The tasks to stop are protected.
    ByProtection,
}

/// The tasks of a step by what is to become of them, each as a list of positions.
#[derive(Debug, Default)]
struct Sorted {
    good: Vec<usize>,
    coming: Vec<usize>,
    /// Pending where none should start: stopped at once, nothing is lost.
    vain: Vec<usize>,
    /// Of the deployment, with failing health checks.
    unhealthy: Vec<usize>,
    /// To be replaced, and of no use to the lower bound.
    useless: Vec<usize>,
    /// Healthy, on a DRAINING instance.
    leaving: Vec<usize>,
    /// Healthy, of an older deployment.
    old: Vec<usize>,
    /// To be replaced, but protected.
    protected: usize,
}

impl Sorted {
    fn new(tasks: &[Task], members: &[usize], aim: &Aim) -> Self {
        let mut sorted = Self::default();
        for &at in members {
            if let Some(task) = tasks.get(at) {
                sorted.add(at, task, aim);
            }
        }
        sorted
    }

    fn add(&mut self, at: usize, task: &Task, aim: &Aim) {
        let ours = task.deployment == aim.deployment || Some(task.deployment) == aim.beside;
        match task.status {
            Status::Stopping => {}
            Status::Pending if task.draining || !ours => self.vain.push(at),
            Status::Pending => self.coming.push(at),
            Status::Running(_) if task.is_unhealthy() && ours => self.unhealthy.push(at),
            Status::Running(_) if task.is_unhealthy() => self.useless.push(at),
            Status::Running(_) if ours && !task.draining && task.is_healthy() => self.good.push(at),
            Status::Running(_) if ours && !task.draining => self.coming.push(at),
            Status::Running(_) if task.protected => self.protected += 1,
            Status::Running(_) if !task.is_healthy() => self.useless.push(at),
            Status::Running(_) if task.draining => self.leaving.push(at),
            Status::Running(_) => self.old.push(at),
        }
    }

    fn to_replace(&self) -> usize {
        self.unhealthy.len() + self.useless.len() + self.leaving.len() + self.old.len() + self.protected
    }
}

/// Plans one step for `members` (positions in `tasks`).
pub(super) fn step(tasks: &[Task], members: &[usize], aim: &Aim) -> Step {
    let live = members
        .iter()
        .filter_map(|&at| tasks.get(at))
        .filter(|task| task.is_live());
    let mut pass = Pass {
        tasks,
        aim,
        sorted: Sorted::new(tasks, members, aim),
        healthy: live.clone().filter(|task| task.is_healthy()).count(),
        total: live.count(),
        step: Step::default(),
    };
    let stopping = members.len() - pass.total;
    pass.stop_vain();
    pass.make_room();
    pass.release();
    pass.scale_in();
    pass.start();
    pass.conclude(stopping)
}

struct Pass<'a> {
    tasks: &'a [Task],
    aim: &'a Aim,
    sorted: Sorted,
    healthy: usize,
    total: usize,
    step: Step,
}

impl Pass<'_> {
    /// Good and coming tasks that are still missing.
    fn missing(&self) -> usize {
        self.aim
            .target
            .saturating_sub(self.sorted.good.len() + self.sorted.coming.len())
    }

    fn stop(&mut self, at: usize, reason: StopReason) {
        self.total = self.total.saturating_sub(1);
        if self.tasks.get(at).is_some_and(Task::is_healthy) {
            self.healthy = self.healthy.saturating_sub(1);
        }
        self.step.stops.push(Stop { task: at, reason });
    }

    /// The deployment the stop of a task is told of: the one that is scaled in, its own.
    fn scaling(&self, at: usize) -> StopReason {
        StopReason::Scaling(
            self.tasks
                .get(at)
                .map_or(self.aim.deployment, |task| task.deployment),
        )
    }

    fn stop_vain(&mut self) {
        for at in std::mem::take(&mut self.sorted.vain) {
            let draining = self.tasks.get(at).is_some_and(|task| task.draining);
            self.stop(
                at,
                if draining {
                    StopReason::InstanceDraining
                } else {
                    self.scaling(at)
                },
            );
        }
    }

    /// Where the upper bound (or the instances) leave no room for the next starts, tasks are stopped first.
    fn make_room(&mut self) {
        let next = self.missing().min(self.aim.batch);
        let room = if self.aim.no_room {
            0
        } else {
            self.aim.upper.saturating_sub(self.total)
        };
        let short = next.saturating_sub(room);
        if short == 0 {
            return;
        }
        if self.sorted.unhealthy.is_empty() {
            self.replace(short);
        } else if self.sorted.coming.is_empty() {
            // One by one: were the replacement no better, the others would have been stopped in vain.
            self.stop_unhealthy(1);
        }
    }

    /// What the good tasks make superfluous is stopped.
    fn release(&mut self) {
        let serving = self.sorted.good.len() + self.sorted.to_replace();
        let over = serving.saturating_sub(self.aim.target + self.aim.extra);
        let stopped = self.stop_unhealthy(over);
        self.replace(over.saturating_sub(stopped));
    }

    fn stop_unhealthy(&mut self, count: usize) -> usize {
        let count = count.min(self.sorted.unhealthy.len());
        let rest = self.sorted.unhealthy.split_off(count);
        for at in std::mem::replace(&mut self.sorted.unhealthy, rest) {
            self.stop(at, StopReason::Unhealthy);
            self.step.unhealthy_stopped = self.step.unhealthy_stopped.saturating_add(1);
        }
        count
    }

    /// Stops up to `count` tasks that are to be replaced: first what is of no use, then healthy ones above the lower bound.
    fn replace(&mut self, count: usize) {
        let useless = count.min(self.sorted.useless.len());
        let rest = self.sorted.useless.split_off(useless);
        for at in std::mem::replace(&mut self.sorted.useless, rest) {
            let unhealthy = self.tasks.get(at).is_some_and(Task::is_unhealthy);
            self.stop(
                at,
                if unhealthy {
                    StopReason::Unhealthy
                } else {
                    self.scaling(at)
                },
            );
        }
        let leaving = self.spare(count - useless).min(self.sorted.leaving.len());
        let rest = self.sorted.leaving.split_off(leaving);
        for at in std::mem::replace(&mut self.sorted.leaving, rest) {
            self.stop(at, StopReason::InstanceDraining);
        }
        let old = std::mem::take(&mut self.sorted.old);
        self.sorted.old = self.thin_out(old, &[], count - useless - leaving);
    }

    /// Of `count` healthy tasks, those that the lower bound can spare.
    fn spare(&self, count: usize) -> usize {
        count.min(self.healthy.saturating_sub(self.aim.lower))
    }

    /// Stops up to `count` healthy tasks of `from` above the lower bound, balanced together with `others`; returns the rest.
    fn thin_out(&mut self, from: Vec<usize>, others: &[usize], count: usize) -> Vec<usize> {
        let count = self.spare(count);
        if count == 0 {
            return from;
        }
        let counted: Vec<usize> = from.iter().chain(others).copied().collect();
        let mut chosen = choose(self.tasks, &from, &counted, self.aim.scale_in, count);
        for &at in &chosen {
            self.stop(at, self.scaling(at));
        }
        chosen.sort_unstable();
        from.into_iter()
            .filter(|at| chosen.binary_search(at).is_err())
            .collect()
    }

    /// There are more good and coming tasks than wanted: those on their way go first, they serve nobody yet.
    fn scale_in(&mut self) {
        let held = self.sorted.good.len() + self.sorted.coming.len();
        let over = held.saturating_sub(self.aim.target + self.aim.extra);
        if over == 0 {
            return;
        }
        let coming = std::mem::take(&mut self.sorted.coming);
        let (protected, free): (Vec<_>, Vec<_>) = self.split_protected(coming);
        let mut going = choose(self.tasks, &free, &self.all_of(&free), self.aim.scale_in, over);
        for &at in &going {
            self.stop(at, self.scaling(at));
        }
        let over = over.saturating_sub(going.len());
        going.sort_unstable();
        self.sorted.coming = protected;
        self.sorted
            .coming
            .extend(free.into_iter().filter(|at| going.binary_search(at).is_err()));

        let good = std::mem::take(&mut self.sorted.good);
        let (protected, free) = self.split_protected(good);
        let before = free.len();
        let rest = self.thin_out(free, &protected, over);
        if before - rest.len() < over && rest.is_empty() {
            self.step.blocked = Some(Blocked::ByProtection);
        }
        self.sorted.good = protected;
        self.sorted.good.extend(rest);
    }

    fn split_protected(&self, from: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        from.into_iter()
            .partition(|&at| self.tasks.get(at).is_some_and(|task| task.protected))
    }

    fn all_of(&self, some: &[usize]) -> Vec<usize> {
        some.iter().chain(&self.sorted.good).copied().collect()
    }

    fn start(&mut self) {
        let room = self.aim.upper.saturating_sub(self.total);
        let possible = self.missing().min(room);
        self.step.starts = possible.min(self.aim.batch);
        self.step.again = self.aim.batch > 0 && self.missing() > self.step.starts && !self.aim.no_room;
    }

    fn conclude(mut self, stopping: usize) -> Step {
        let idle = self.step.stops.is_empty() && self.step.starts == 0;
        self.step.again &= !idle;
        let waiting =
            self.aim.batch == 0 || self.aim.no_room || stopping > 0 || !self.sorted.coming.is_empty();
        if self.step.blocked.is_none() && idle && !waiting {
            let only_protected =
                self.sorted.protected > 0 && self.sorted.protected == self.sorted.to_replace();
            if only_protected && self.missing() == 0 {
                self.step.blocked = Some(Blocked::ByProtection);
            } else if self.missing() > 0 || self.sorted.to_replace() > 0 {
                self.step.blocked = Some(Blocked::ByPercents);
            }
        }
        Step {
            good: self.sorted.good.len(),
            coming: self.sorted.coming.len(),
            left: self.sorted.to_replace(),
            ..self.step
        }
    }
}
