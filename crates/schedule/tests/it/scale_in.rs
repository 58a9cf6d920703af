//! Which tasks go when there are too many; protection; zones.

use std::collections::BTreeMap;

use portcullis_schedule::deployment::{Health, Says, ScaleIn, Status};

use super::world::World;

fn by_zone(world: &World) -> Vec<usize> {
    let mut zones: BTreeMap<u32, usize> = (0..3).map(|zone| (zone, 0)).collect();
    for (_, task) in world.tasks.iter().filter(|(_, task)| task.is_live()) {
        *zones.entry(task.zone).or_default() += 1;
    }
    zones.into_values().collect()
}

/// A settled service whose tasks stand where `places` (zone, instance) says.
fn standing(places: &[(u32, u32)]) -> World {
    let mut world = World::settled(u32::try_from(places.len()).unwrap(), 100, 200);
    for ((_, task), &(zone, instance)) in world.tasks.iter_mut().zip(places) {
        (task.zone, task.instance) = (zone, instance);
    }
    world
}

#[test]
fn the_zone_with_most_tasks_then_the_instance_with_most_gives_first() {
    let mut world = standing(&[(0, 1), (0, 1), (0, 2), (1, 3), (1, 3), (2, 4)]);
    world.desired = 5;
    let plan = world.pass();
    assert_eq!(plan.stops.iter().map(|stop| stop.task).collect::<Vec<_>>(), [1]);
    let mut world = standing(&[(0, 1), (0, 1), (0, 2), (1, 3), (1, 3), (2, 4)]);
    world.desired = 3;
    world.pass();
    assert_eq!(by_zone(&world), [1, 1, 1]);
}

#[test]
fn binpack_empties_the_instance_with_most_left() {
    let mut world = standing(&[(0, 1), (0, 1), (0, 2), (0, 3)]);
    world.scale_in = ScaleIn::Binpack;
    for (_, task) in &mut world.tasks {
        task.room = [0, 100, 500, 300][task.instance as usize];
    }
    world.desired = 2;
    let mut stopped: Vec<usize> = world.pass().stops.iter().map(|stop| stop.task).collect();
    stopped.sort_unstable();
    assert_eq!(stopped, [2, 3]);
}

#[test]
fn tasks_on_their_way_go_before_those_that_serve() {
    let mut world = World::settled(3, 100, 200);
    world.desired = 5;
    world.pass();
    world.desired = 3;
    let plan = world.pass();
    assert_eq!(
        plan.stops.iter().map(|stop| stop.task).collect::<Vec<_>>().len(),
        2
    );
    assert!(world.tasks.iter().all(|(_, task)| task.is_running()));
}

#[test]
fn ecs_17_17_protected_tasks_are_not_scaled_in_and_that_is_told() {
    let mut world = World::settled(5, 100, 200);
    for (_, task) in world.tasks.iter_mut().take(3) {
        task.protected = true;
    }
    world.desired = 1;
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 2);
    assert_eq!(plan.says, [Says::ProtectionBlocks { deployment: 0 }]);
    assert!(world.pass().says.is_empty(), "told once");
    assert!(!world.is_steady());
    world.wait(6 * 3600);
    assert_eq!(world.pass().says, [Says::ProtectionBlocks { deployment: 0 }]);
    for (_, task) in &mut world.tasks {
        task.protected = false;
    }
    world.settle();
    assert_eq!(world.live(), 1);
}

#[test]
fn a_deployment_waits_for_protected_tasks_and_tells_of_it() {
    let mut world = World::settled(3, 100, 200);
    world.tasks[1].1.protected = true;
    world.update();
    world.settle_failed();
    assert_eq!((world.live_of(0), world.live_of(1)), (1, 3));
    assert!(world.said.contains(&Says::ProtectionBlocks { deployment: 0 }));
    assert_eq!(world.deployments.len(), 2);
    world
        .tasks
        .iter_mut()
        .for_each(|(_, task)| task.protected = false);
    world.settle();
    assert_eq!(
        (world.live_of(0), world.live_of(1), world.deployments.len()),
        (0, 3, 1)
    );
}

#[test]
fn rebalancing_starts_in_the_poorest_zone_before_it_stops_in_the_richest() {
    let mut world = standing(&[(0, 1), (0, 1), (0, 2), (0, 2), (1, 3)]);
    world.rebalance = Some(vec![0, 1, 2]);
    let plan = world.pass();
    assert!(plan.stops.is_empty());
    let started: u32 = plan.starts.iter().map(|start| start.count).sum();
    assert_eq!(started, 2, "four, one, none: two and two and one");
    for _ in 0..4 {
        assert!(world.healthy() >= 5);
        world.pass();
    }
    world.settle();
    let mut zones = by_zone(&world);
    zones.sort_unstable();
    assert_eq!(zones, [1, 2, 2]);
    assert!(world.is_steady());
}

#[test]
fn rebalancing_rests_where_it_cannot_help() {
    // The upper bound leaves no room.
    let mut world = standing(&[(0, 1), (0, 1), (0, 1), (0, 1)]);
    world.percents.maximum = 100;
    world.percents.minimum = 50;
    world.rebalance = Some(vec![0, 1]);
    assert!(world.pass().starts.is_empty());
    // All that could go is protected.
    let mut world = standing(&[(0, 1), (0, 1), (0, 1), (1, 1)]);
    world.rebalance = Some(vec![0, 1]);
    world
        .tasks
        .iter_mut()
        .take(3)
        .for_each(|(_, task)| task.protected = true);
    assert!(world.pass().starts.is_empty());
    // It is off.
    let mut world = standing(&[(0, 1), (0, 1), (0, 1), (0, 1)]);
    assert!(world.pass().starts.is_empty());
}

#[test]
fn a_move_that_finds_no_room_is_given_up_for_a_while() {
    let mut world = standing(&[(0, 1), (0, 1), (0, 1), (0, 1)]);
    world.rebalance = Some(vec![0, 1]);
    let mut plan = world.plan();
    assert!(!plan.starts.is_empty());
    plan.starts.clear();
    plan.progress[0].found_no_room();
    world.carry_out(&plan);
    let plan = world.pass();
    assert!(plan.starts.is_empty() && plan.stops.is_empty() && !plan.again);
    assert_eq!(world.primary().moving, 0);
    assert!(world.pass().starts.is_empty());
    world.now = plan.wake_at.unwrap();
    assert!(!world.pass().starts.is_empty(), "after a while it is tried again");
}

#[test]
fn rebalancing_always_ends_and_never_falls_below_what_is_wanted() {
    for seed in 0..200_u32 {
        let count = 1 + seed % 13;
        let mut world = World::settled(count, 100, 110 + seed % 90);
        for (at, (_, task)) in world.tasks.iter_mut().enumerate() {
            let at = u32::try_from(at).unwrap();
            task.zone = (at * at + seed) % 3 % (1 + seed % 3);
            task.protected = (at + seed) % 5 == 0;
        }
        world.rebalance = Some(vec![0, 1, 2]);
        for _ in 0..60 {
            world.pass();
            assert!(world.healthy() >= count as usize);
            world.everything_runs();
        }
        assert!(world.is_steady(), "seed {seed}");
        let zones = by_zone(&world);
        let room = world.percents.upper(count) > count;
        let protected = world.tasks.iter().any(|(_, task)| task.protected);
        if room && !protected {
            assert!(
                zones.iter().max().unwrap() - zones.iter().min().unwrap() <= 1,
                "seed {seed}: {zones:?}"
            );
        }
    }
}

#[test]
fn old_tasks_are_thinned_out_evenly() {
    let mut world = World::settled(9, 0, 200);
    world.update();
    world.pass();
    // Three new ones run.
    for (_, task) in world.tasks.iter_mut().filter(|(of, _)| *of == 1).take(3) {
        task.status = Status::Running(Health::Unchecked);
    }
    assert_eq!(world.pass().stops.len(), 3);
    let mut zones: BTreeMap<u32, usize> = BTreeMap::new();
    for (_, task) in world.tasks.iter().filter(|(of, _)| *of == 0) {
        *zones.entry(task.zone).or_default() += 1;
    }
    assert_eq!(zones.into_values().collect::<Vec<_>>(), [2, 2, 2]);
}
