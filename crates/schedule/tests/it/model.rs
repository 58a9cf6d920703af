//! The plain, slow reference model of a rolling step: one task at a time, everything counted anew before each decision.
//! The real plan must stop the same tasks for the same reasons and start as many.

use std::collections::BTreeSet;

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{
    Cause, Deployment, Health, Percents, Plan, Progress, Replica, Rollout, Says, ScaleIn, Service, Standing,
    Status, StopReason, Strategy, Task, plan,
};
use proptest::prelude::*;

use super::world::deployment;

#[derive(Debug, Clone)]
struct Picture {
    desired: u32,
    percents: Percents,
    scale_in: ScaleIn,
    primary: Progress,
    /// Zones to even out.
    zones: Option<Vec<u32>>,
    tasks: Vec<Task>,
}

impl Picture {
    fn plan(&self) -> Plan {
        let old = Deployment {
            progress: Progress {
                rollout: Rollout::Completed,
                ..Progress::default()
            },
            ..deployment()
        };
        let deployments = [
            Deployment {
                progress: self.primary.clone(),
                ..deployment()
            },
            old.clone(),
            old,
        ];
        let replica = Replica {
            desired: self.desired,
            percents: self.percents,
            circuit_breaker: None,
            scale_in: self.scale_in,
            rebalance: self.zones.as_deref(),
            deployments: &deployments,
        };
        let service = Service {
            standing: Standing::Active,
            strategy: Strategy::Replica(replica),
            tasks: &self.tasks,
        };
        plan(&service, Timestamp::from_seconds(1000))
    }
}

/// The model at work on one picture.
struct Model<'a> {
    picture: &'a Picture,
    gone: BTreeSet<usize>,
    stops: BTreeSet<(usize, StopReason)>,
}

impl Model<'_> {
    fn all(&self, holds: impl Fn(&Task) -> bool) -> Vec<usize> {
        let tasks = self.picture.tasks.iter().enumerate();
        tasks
            .filter(|(at, task)| task.is_live() && !self.gone.contains(at) && holds(task))
            .map(|(at, _)| at)
            .collect()
    }

    /// The PRIMARY's, and those of the completed one behind it that stands in where it was given up.
    fn is_ours(&self, task: &Task) -> bool {
        task.deployment == 0 || task.deployment == 1 && has_failed(self.picture)
    }

    fn good(&self) -> Vec<usize> {
        self.all(|task| self.is_ours(task) && task.is_healthy() && !task.draining)
    }

    fn coming(&self) -> Vec<usize> {
        let on_its_way = |status| matches!(status, Status::Pending | Status::Running(Health::Unknown));
        self.all(|task| self.is_ours(task) && !task.draining && on_its_way(task.status))
    }

    fn sick(&self) -> Vec<usize> {
        self.all(|task| self.is_ours(task) && task.is_unhealthy())
    }

    fn total(&self) -> usize {
        self.all(|_| true).len()
    }

    /// More than this are too many.
    fn ceiling(&self) -> usize {
        (self.picture.desired + self.picture.primary.moving) as usize
    }

    fn missing(&self) -> usize {
        (self.picture.desired as usize).saturating_sub(self.good().len() + self.coming().len())
    }

    fn others(&self) -> usize {
        self.total() - self.good().len() - self.coming().len()
    }

    fn spares_one(&self) -> bool {
        let lower =
            (f64::from(self.picture.desired) * f64::from(self.picture.percents.minimum) / 100.0).ceil();
        self.all(Task::is_healthy).len() > lower as usize
    }

    fn stop(&mut self, at: usize, reason: StopReason) {
        self.gone.insert(at);
        self.stops.insert((at, reason));
    }

    fn scale(&mut self, at: usize) {
        self.stop(at, StopReason::Scaling(self.picture.tasks[at].deployment));
    }

    /// The one to stop of `from`, balance judged by `counted`.
    fn choose(&self, from: &[usize], counted: &[usize]) -> Option<usize> {
        let task = |at: usize| &self.picture.tasks[at];
        if self.picture.scale_in == ScaleIn::Binpack {
            return from
                .iter()
                .copied()
                .max_by_key(|&at| (task(at).room, u32::MAX - task(at).instance, at));
        }
        let in_zone = |zone| counted.iter().filter(|&&at| task(at).zone == zone).count();
        let on = |zone, host| {
            counted
                .iter()
                .filter(|&&at| task(at).zone == zone && task(at).instance == host)
                .count()
        };
        from.iter().copied().max_by_key(|&at| {
            let (zone, host) = (task(at).zone, task(at).instance);
            (
                in_zone(zone),
                u32::MAX - zone,
                on(zone, host),
                u32::MAX - host,
                at,
            )
        })
    }

    /// Stops the next task that is to be replaced, if one may be stopped.
    fn replace_one(&mut self) -> bool {
        let free = |task: &Task| !task.protected || task.is_unhealthy();
        let useless = self.all(|task| {
            let replaced = !self.is_ours(task) || task.draining;
            replaced && free(task) && !task.is_healthy() && !(self.is_ours(task) && task.is_unhealthy())
        });
        if let Some(&at) = useless.first() {
            if self.picture.tasks[at].is_unhealthy() {
                self.stop(at, StopReason::Unhealthy);
            } else {
                self.scale(at);
            }
            return true;
        }
        if !self.spares_one() {
            return false;
        }
        let leaving = self.all(|task| task.draining && task.is_healthy() && !task.protected);
        if let Some(&at) = leaving.first() {
            self.stop(at, StopReason::InstanceDraining);
            return true;
        }
        let old =
            self.all(|task| !self.is_ours(task) && task.is_healthy() && !task.draining && !task.protected);
        let Some(at) = self.choose(&old, &old) else {
            return false;
        };
        self.scale(at);
        true
    }

    fn stop_vain(&mut self) {
        for at in self.all(|task| task.status == Status::Pending && (task.draining || !self.is_ours(task))) {
            if self.picture.tasks[at].draining {
                self.stop(at, StopReason::InstanceDraining);
            } else {
                self.scale(at);
            }
        }
    }

    fn make_room(&mut self, batch: usize, upper: usize) {
        let next = self.missing().min(batch);
        let room = if self.picture.primary.no_room && !has_failed(self.picture) {
            0
        } else {
            upper.saturating_sub(self.total())
        };
        let short = next.saturating_sub(room);
        if let Some(&sick) = self.sick().first() {
            if short > 0 && self.coming().is_empty() {
                self.stop(sick, StopReason::Unhealthy);
            }
            return;
        }
        for _ in 0..short {
            if !self.replace_one() {
                break;
            }
        }
    }

    fn release(&mut self) {
        while self.good().len() + self.others() > self.ceiling() {
            if let Some(&sick) = self.sick().first() {
                self.stop(sick, StopReason::Unhealthy);
            } else if !self.replace_one() {
                break;
            }
        }
    }

    fn scale_in(&mut self) {
        while self.good().len() + self.coming().len() > self.ceiling() {
            let free = |of: Vec<usize>| -> Vec<usize> {
                of.into_iter()
                    .filter(|&at| !self.picture.tasks[at].protected)
                    .collect()
            };
            let coming = free(self.coming());
            let counted: Vec<usize> = coming.iter().copied().chain(self.good()).collect();
            let good = free(self.good());
            if let Some(at) = self.choose(&coming, &counted) {
                self.scale(at);
            } else if let Some(at) = self.choose(&good, &self.good()).filter(|_| self.spares_one()) {
                self.scale(at);
            } else {
                break;
            }
        }
    }
}

fn has_failed(picture: &Picture) -> bool {
    matches!(picture.primary.rollout, Rollout::Failed(_))
}

/// What the model stops, starts, and whether the deployment is then completed.
fn reference(picture: &Picture) -> (BTreeSet<(usize, StopReason)>, usize, bool) {
    let mut model = Model {
        picture,
        gone: BTreeSet::new(),
        stops: BTreeSet::new(),
    };
    let waits = picture
        .primary
        .retry_at
        .is_some_and(|at| at > Timestamp::from_seconds(1000));
    // What stands in for a PRIMARY that was given up never failed here: it does not wait.
    let batch = if waits && !has_failed(picture) { 0 } else { 10 };
    let upper = (f64::from(picture.desired) * f64::from(picture.percents.maximum) / 100.0).floor() as usize;
    model.stop_vain();
    model.make_room(batch, upper);
    model.release();
    model.scale_in();
    let starts = model
        .missing()
        .min(upper.saturating_sub(model.total()))
        .min(batch);
    let rolling = picture.primary.rollout == Rollout::InProgress;
    let there = model.good().len() >= picture.desired as usize && model.others() == 0 && starts == 0;
    (model.stops, starts, rolling && there)
}

fn a_task() -> impl Strategy2<Value = Task> {
    let status = prop_oneof![
        2 => Just(Status::Pending),
        3 => Just(Status::Running(Health::Unchecked)),
        2 => Just(Status::Running(Health::Healthy)),
        1 => Just(Status::Running(Health::Unknown)),
        1 => Just(Status::Running(Health::Unhealthy)),
        1 => Just(Status::Stopping),
    ];
    let deployment = prop_oneof![4 => Just(0_usize), 3 => Just(1), 1 => Just(2), 1 => Just(usize::MAX)];
    (
        status,
        deployment,
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
        0_u32..3,
        0_u32..4,
        0_u64..3,
    )
        .prop_map(
            |(status, deployment, protected, draining, zone, instance, room)| {
                // An instance is in one zone and has one rest.
                let instance = zone * 10 + instance;
                Task {
                    deployment,
                    status,
                    protected,
                    draining,
                    zone,
                    instance,
                    room: room + u64::from(instance) * 3,
                }
            },
        )
}

use proptest::strategy::Strategy as Strategy2;

fn a_picture() -> impl Strategy2<Value = Picture> {
    let percents = (
        prop::sample::select(vec![0, 25, 50, 75, 100]),
        prop::sample::select(vec![100, 125, 150, 200]),
    );
    let scale_in = prop::sample::select(vec![ScaleIn::Spread, ScaleIn::Binpack]);
    let rollout = prop_oneof![
        6 => Just(Rollout::InProgress),
        2 => Just(Rollout::Completed),
        1 => Just(Rollout::Failed(Cause::TasksFailedToStart)),
    ];
    let primary = (
        rollout,
        0_u32..3,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(rollout, moving, no_room, waits)| Progress {
            rollout,
            moving,
            no_room,
            retry_at: waits.then(|| Timestamp::from_seconds(1010)),
            // Nothing came to run since: the back-off holds.
            running_seen: 1000,
            announced: true,
            ..Progress::default()
        });
    (
        0_u32..16,
        percents,
        scale_in,
        primary,
        prop::collection::vec(a_task(), 0..24),
    )
        .prop_map(
            |(desired, (minimum, maximum), scale_in, primary, tasks)| Picture {
                desired,
                percents: Percents { minimum, maximum },
                scale_in,
                primary,
                zones: None,
                tasks,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_plan_is_the_reference_models(picture in a_picture()) {
        let plan = picture.plan();
        let (stops, starts, completed) = reference(&picture);
        let real: BTreeSet<_> = plan.stops.iter().map(|stop| (stop.task, stop.reason)).collect();
        prop_assert_eq!(real.len(), plan.stops.len(), "no task is stopped twice");
        prop_assert_eq!(real, stops);
        // Those that even out zones come on top; pictures without `rebalance` have none.
        prop_assert_eq!(plan.starts.iter().map(|start| start.count as usize).sum::<usize>(), starts);
        prop_assert_eq!(plan.says.contains(&Says::DeploymentCompleted { deployment: 0 }), completed);
    }

    #[test]
    fn passes_come_to_rest_while_nothing_happens(picture in a_picture(), finds_room: bool, rebalances: bool) {
        // Whoever carries plans out plans again as long as a memory changes: it must end, also where no start finds room.
        let mut picture = Picture { zones: rebalances.then(|| vec![0, 1, 2]), ..picture };
        picture.primary.stop_asked = None;
        for _ in 0..40 {
            let plan = picture.plan();
            let mut primary = plan.progress[0].clone();
            for stop in &plan.stops {
                picture.tasks[stop.task].status = Status::Stopping;
            }
            for start in &plan.starts {
                if finds_room {
                    let one = Task { deployment: start.deployment, ..super::world::task(Status::Pending) };
                    picture.tasks.extend(vec![one; start.count as usize]);
                } else {
                    primary.found_no_room();
                }
            }
            if primary == picture.primary && plan.stops.is_empty() && (plan.starts.is_empty() || !finds_room) {
                prop_assert!(!plan.again || !finds_room);
                return Ok(());
            }
            picture.primary = primary;
        }
        prop_assert!(false, "no rest: {:?}", picture);
    }

    #[test]
    fn a_plan_carried_out_in_part_is_planned_again(picture in a_picture(), kept in 0_usize..5) {
        // Only the first stops happen, no start does: the next plan wants the rest, and never a task that is going.
        let plan = picture.plan();
        let mut next = picture.clone();
        for stop in plan.stops.iter().take(kept) {
            next.tasks[stop.task].status = Status::Stopping;
        }
        let again = next.plan();
        for stop in &again.stops {
            prop_assert!(next.tasks[stop.task].is_live());
        }
    }
}
