//! Rolling deployments by example (ecs.md 11), and what is told of them.

use portcullis_schedule::deployment::{Health, Rollout, Says, Standing, Status, StopReason};

use super::world::{World, running, task};

/// Stops and starts of the first pass of an update.
fn first_pass(desired: u32, minimum: u32, maximum: u32) -> (usize, u32) {
    let mut world = World::settled(desired, minimum, maximum);
    world.update();
    let plan = world.pass();
    (
        plan.stops.len(),
        plan.starts.iter().map(|start| start.count).sum(),
    )
}

#[test]
fn the_examples_of_the_guide() {
    for (desired, minimum, maximum, expected) in [
        (4, 50, 100, (2, 2)),
        (2, 75, 100, (0, 0)),
        (4, 100, 200, (0, 4)),
        (3, 100, 125, (0, 0)),
        (4, 50, 200, (0, 4)),
        (4, 0, 100, (4, 4)),
        (4, 50, 125, (2, 3)),
        (30, 100, 200, (0, 10)),
        (0, 100, 200, (0, 0)),
    ] {
        assert_eq!(
            first_pass(desired, minimum, maximum),
            expected,
            "{desired} tasks, {minimum}..{maximum} %"
        );
    }
}

#[test]
fn a_new_service_is_told_of_once() {
    let mut world = World::new(2, 100, 200);
    world.settle();
    let told = [
        Says::DeploymentInProgress { deployment: 0 },
        Says::DeploymentCompleted { deployment: 0 },
        Says::SteadyState,
    ];
    assert_eq!(world.said, told);
    world.settle();
    assert_eq!(world.said, told);
}

#[test]
fn the_steady_state_is_told_again_every_six_hours() {
    let mut world = World::settled(2, 100, 200);
    let due = world.pass().wake_at.unwrap();
    assert_eq!(due.seconds_since(world.now), 6 * 3600);
    world.now = due.plus_seconds(-1);
    assert!(world.pass().says.is_empty());
    world.now = due;
    assert_eq!(world.pass().says, [Says::SteadyState]);
    assert!(world.pass().says.is_empty());
}

#[test]
fn the_steady_state_is_told_again_where_the_clock_was_set_back() {
    let mut world = World::settled(2, 100, 200);
    world.wait(-100 * 24 * 3600);
    assert_eq!(world.pass().says, [Says::SteadyState]);
    assert!(world.pass().says.is_empty());
}

#[test]
fn an_update_removes_the_old_deployment_when_its_tasks_are_gone() {
    let mut world = World::settled(3, 100, 200);
    world.update();
    assert!(!world.is_steady() || world.deployments.len() == 2);
    world.pass();
    assert_eq!(world.deployments.len(), 2);
    world.everything_runs();
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 3);
    assert_eq!(plan.removed, [1]);
    assert!(plan.says.contains(&Says::DeploymentCompleted { deployment: 0 }));
    assert!(!plan.says.contains(&Says::SteadyState), "first the stops happen");
    assert_eq!(world.pass().says, [Says::SteadyState]);
}

#[test]
fn percentages_that_leave_no_way_are_told() {
    let mut world = World::settled(3, 100, 125);
    world.update();
    world.pass();
    assert_eq!(
        world.said,
        [
            Says::DeploymentInProgress { deployment: 0 },
            Says::PercentsBlock { deployment: 0 }
        ]
    );
    world.pass();
    assert_eq!(world.said.len(), 2, "told once");
    world.percents.minimum = 50;
    world.settle();
    assert_eq!(world.live_of(1), 3);
}

#[test]
fn an_unhealthy_task_is_replaced_before_it_is_stopped_where_the_upper_bound_allows() {
    let mut world = World::settled(3, 100, 200);
    world.tasks[0].1.status = Status::Running(Health::Unhealthy);
    let plan = world.pass();
    assert_eq!((plan.stops.len(), plan.starts[0].count), (0, 1));
    world.everything_runs();
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(
        (plan.stops[0].task, plan.stops[0].reason),
        (0, StopReason::Unhealthy)
    );
    assert!(plan.starts.is_empty());
}

#[test]
fn unhealthy_tasks_are_stopped_one_by_one_where_the_upper_bound_leaves_no_room() {
    let mut world = World::settled(4, 50, 100);
    for (_, task) in world.tasks.iter_mut().take(3) {
        task.status = Status::Running(Health::Unhealthy);
    }
    let plan = world.pass();
    assert_eq!((plan.stops.len(), plan.starts[0].count), (1, 1));
    let plan = world.pass();
    assert!(
        plan.stops.is_empty() && plan.starts.is_empty(),
        "the replacement is awaited"
    );
    world.everything_runs();
    assert_eq!(world.pass().stops.len(), 1);
}

#[test]
fn a_protected_task_that_is_unhealthy_is_replaced_all_the_same() {
    let mut world = World::settled(2, 50, 100);
    world.tasks[0].1.protected = true;
    world.tasks[0].1.status = Status::Running(Health::Unhealthy);
    assert_eq!(world.pass().stops.len(), 1);
}

#[test]
fn a_task_without_a_verdict_does_not_count_for_the_lower_bound() {
    let mut world = World::settled(2, 100, 200);
    world.checked = true;
    world.update();
    world.pass();
    for (_, task) in world.tasks.iter_mut().filter(|(of, _)| *of == 1) {
        task.status = Status::Running(Health::Unknown);
    }
    assert!(world.pass().stops.is_empty());
    world.everything_runs();
    assert_eq!(world.pass().stops.len(), 2);
}

#[test]
fn on_a_draining_instance_pending_tasks_stop_at_once_and_running_ones_are_replaced() {
    let mut world = World::settled(4, 100, 150);
    for (_, task) in &mut world.tasks {
        task.draining = true;
    }
    world.tasks[3].1.status = Status::Pending;
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(
        (plan.stops[0].task, plan.stops[0].reason),
        (3, StopReason::InstanceDraining)
    );
    assert_eq!(plan.starts[0].count, 3, "six at most");
    world.everything_runs();
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 2, "four stay healthy");
    assert!(
        plan.stops
            .iter()
            .all(|stop| stop.reason == StopReason::InstanceDraining)
    );
    world.settle();
    assert!(world.tasks.iter().all(|(_, task)| !task.draining));
    assert_eq!(world.live(), 4);
}

#[test]
fn where_new_tasks_find_no_room_old_ones_give_way_above_the_lower_bound() {
    let mut world = World::settled(4, 50, 200);
    world.update();
    let mut plan = world.plan();
    assert_eq!(plan.starts[0].count, 4);
    // The instances are full: nothing could be placed.
    plan.starts.clear();
    plan.progress[0].found_no_room();
    world.carry_out(&plan);
    let plan = world.pass();
    assert_eq!((plan.stops.len(), plan.starts[0].count), (2, 4));
    // Two found the room of the two; the others did not.
    let pending: Vec<usize> = (0..world.tasks.len())
        .filter(|&at| world.tasks[at].1.status == Status::Pending)
        .collect();
    for &at in pending.iter().rev().take(2) {
        world.tasks.remove(at);
    }
    world.deployments[0].1.progress.found_no_room();
    assert!(world.pass().stops.is_empty(), "two stay");
    world.everything_runs();
    assert_eq!(world.pass().stops.len(), 2);
}

#[test]
fn a_deleted_service_stops_everything_and_is_then_inactive() {
    let mut world = World::settled(3, 100, 200);
    world.tasks[0].1.protected = true;
    world.standing = Standing::Draining;
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 3);
    assert!(
        plan.stops
            .iter()
            .all(|stop| stop.reason == StopReason::ServiceDeleted)
    );
    assert!(!plan.inactive);
    world.pass();
    assert!(world.inactive);
}

#[test]
fn a_forced_deployment_replaces_every_task() {
    let mut world = World::settled(25, 90, 120);
    world.update();
    world.settle();
    assert_eq!((world.live_of(0), world.live_of(1)), (0, 25));
    assert_eq!(world.deployments.len(), 1);
    assert_eq!(world.primary().rollout, Rollout::Completed);
}

#[test]
fn a_deployment_over_an_unfinished_one_replaces_both() {
    let mut world = World::settled(6, 50, 150);
    world.update();
    world.pass();
    world.everything_runs();
    world.update();
    world.settle();
    assert_eq!(
        (world.deployments.len(), world.live_of(2), world.live()),
        (1, 6, 6)
    );
}

#[test]
fn scaling_to_nothing_is_a_steady_state_too() {
    let mut world = World::settled(3, 100, 200);
    world.desired = 0;
    world.settle();
    assert_eq!(world.live(), 0);
    assert!(world.is_steady());
    assert_eq!(world.said, [Says::SteadyState]);
}

#[test]
fn a_task_of_no_known_deployment_is_replaced() {
    let mut world = World::settled(2, 100, 200);
    world.tasks.push((77, running()));
    world.tasks.push((77, task(Status::Pending)));
    let plan = world.pass();
    assert_eq!(plan.stops.len(), 2);
    world.settle();
    assert_eq!(world.live(), 2);
}
