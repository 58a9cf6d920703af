//! The deployment grid (T27): every desired count with every percentage and every kind of trouble. At each event the bounds
//! hold ([`World::carry_out`] watches them), and the service comes to rest or its deployment fails.

use portcullis_core::{Random as _, SeededRandom};
use portcullis_schedule::deployment::{Cause, Health, Rollout, Says, Status};

use super::world::{BREAKER, World};

const MINIMA: [u32; 5] = [0, 30, 50, 75, 100];
const MAXIMA: [u32; 5] = [100, 110, 125, 150, 200];

/// What goes wrong while the new deployment rolls.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    /// One start in three fails.
    SomeFail,
    /// A running task in ten turns unhealthy; the health check needs a step for its verdict.
    SomeSicken,
    /// A third of the instances drains.
    Drains,
    /// A third of the old tasks is protected, for a while.
    Protects,
    /// The number of tasks changes on the way.
    Rescales,
    /// Old tasks die.
    Dies,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::None,
    Trouble::SomeFail,
    Trouble::SomeSicken,
    Trouble::Drains,
    Trouble::Protects,
    Trouble::Rescales,
    Trouble::Dies,
];

fn dice(random: &SeededRandom, sides: u8) -> bool {
    let mut byte = [0];
    random.fill(&mut byte);
    byte[0] % sides == 0
}

/// What happens between two passes.
fn happens(world: &mut World, trouble: Trouble, random: &SeededRandom, step: usize) {
    world.wait(1);
    let primary = world.deployments[0].0;
    let mut failed = 0;
    world.tasks.retain_mut(|(of, task)| {
        match (task.status, trouble) {
            (Status::Pending, Trouble::SomeFail) if *of == primary && dice(random, 3) => {
                failed += 1;
                return false;
            }
            (Status::Pending, Trouble::SomeSicken) => task.status = Status::Running(Health::Unknown),
            (Status::Running(Health::Unknown), _) => {
                let sick = step < 40 && dice(random, 10);
                task.status = Status::Running(if sick { Health::Unhealthy } else { Health::Healthy });
            }
            (Status::Pending, _) if dice(random, 2) => task.status = Status::Running(Health::Unchecked),
            (Status::Running(_), Trouble::Dies) if step < 40 && *of != primary && dice(random, 12) => {
                return false;
            }
            _ => {}
        }
        true
    });
    world.deployments[0].1.ended.failed_to_start += failed;
    match (trouble, step) {
        (Trouble::Drains, 3) => world
            .tasks
            .iter_mut()
            .for_each(|(_, task)| task.draining = task.instance % 3 == 0),
        (Trouble::Protects, 60) => world
            .tasks
            .iter_mut()
            .for_each(|(_, task)| task.protected = false),
        (Trouble::Rescales, 4) => world.desired = world.desired * 2 / 3,
        (Trouble::Rescales, 9) => world.desired = world.desired * 2 + 1,
        _ => {}
    }
    if let Some(at) = world.primary().retry_at {
        world.now = world.now.max(at);
    }
}

/// Neither bound leaves a deployment a way: no task may be missing and none be too many.
fn is_stuck_by_percents(world: &World) -> bool {
    let desired = world.desired;
    desired > 0 && world.percents.lower(desired) == desired && world.percents.upper(desired) == desired
}

fn check(desired: u32, minimum: u32, maximum: u32, trouble: Trouble) {
    let label = format!("desired {desired}, {minimum}..{maximum} %, {trouble:?}");
    let random = SeededRandom::new(u64::from(desired * 1009 + minimum * 31 + maximum));
    let mut world = World::settled(desired, minimum, maximum);
    if matches!(trouble, Trouble::Protects) {
        world
            .tasks
            .iter_mut()
            .step_by(3)
            .for_each(|(_, task)| task.protected = true);
    }
    world.update();
    for step in 0..2_000 {
        let plan = world.pass();
        if world.is_steady() && step > 60 && !plan.again {
            assert_eq!(world.live(), world.desired as usize, "{label}");
            assert_eq!(world.healthy(), world.desired as usize, "{label}");
            assert_eq!(world.deployments.len(), 1, "{label}");
            assert_eq!(world.primary().rollout, Rollout::Completed, "{label}");
            return;
        }
        if is_stuck_by_percents(&world) && step > 100 {
            assert!(
                world.said.contains(&Says::PercentsBlock { deployment: 0 }),
                "{label}"
            );
            assert!(world.healthy() >= desired.min(world.desired) as usize, "{label}");
            return;
        }
        happens(&mut world, trouble, &random, step);
    }
    panic!("{label} comes to no end: {:?}", world.primary());
}

fn grid(trouble: Trouble) {
    for desired in 0..=50 {
        for minimum in MINIMA {
            for maximum in MAXIMA {
                check(desired, minimum, maximum, trouble);
            }
        }
    }
}

#[test]
fn t27_the_grid_without_trouble_with_dying_old_tasks_and_rescaled() {
    for trouble in [Trouble::None, Trouble::Dies, Trouble::Rescales] {
        grid(trouble);
    }
}

#[test]
fn t27_the_grid_with_failing_starts_and_sick_tasks() {
    for trouble in [Trouble::SomeFail, Trouble::SomeSicken] {
        grid(trouble);
    }
}

#[test]
fn t27_the_grid_with_draining_instances_and_protected_tasks() {
    for trouble in [Trouble::Drains, Trouble::Protects] {
        grid(trouble);
    }
}

#[test]
fn t27_with_a_circuit_breaker_every_trouble_ends_completed_or_rolled_back() {
    for (desired, trouble) in (1..=50).zip(TROUBLES.into_iter().cycle()) {
        let random = SeededRandom::new(u64::from(desired));
        let mut world = World::settled(desired, 50, 200);
        world.breaker = Some(BREAKER);
        world.update();
        let rested = (0..2_000).any(|step| {
            world.pass();
            happens(&mut world, trouble, &random, step);
            step > 60 && world.is_steady()
        });
        assert!(rested, "desired {desired}, {trouble:?}");
        let primary = world.deployments[0].0;
        assert_eq!(
            primary == 0,
            !world.rollbacks.is_empty(),
            "desired {desired}, {trouble:?}"
        );
    }
}

#[test]
fn t27_a_deployment_that_never_starts_waits_never_longer_than_fifteen_minutes() {
    let mut world = World::settled(5, 50, 200);
    world.update();
    for _ in 0..40 {
        while world.pass().again {}
        assert!(world.fail_pending(1) > 0, "it is tried again");
        world.pass();
        let wait = world.primary().retry_at.unwrap().seconds_since(world.now);
        assert!((1..=900).contains(&wait), "waits {wait} s");
        assert_eq!(world.live_of(0), 5, "the old tasks stay");
        world.wait(wait);
    }
    assert_eq!(
        world.primary().rollout,
        Rollout::InProgress,
        "without a circuit breaker it goes on"
    );
    world.breaker = Some(BREAKER);
    world.pass();
    assert_eq!(world.rollbacks[0].cause, Cause::TasksFailedToStart);
}
