//! Failures: the circuit breaker, rollback, alarms, stopped deployments and the back-off.

use portcullis_schedule::deployment::{
    AlarmState, AlarmWatch, Cause, CircuitBreaker, Health, Rollout, Says, Status, Threshold,
};

use super::world::{BREAKER, World};

/// Starts of a new deployment fail, one after another, until it does; after how many.
fn failures_until_failed(desired: u32, breaker: CircuitBreaker) -> u32 {
    let mut world = World::new(desired, 100, 200);
    world.breaker = Some(breaker);
    let mut failures = 0;
    while world.primary().rollout == Rollout::InProgress {
        while world.pass().again {}
        let Some(at) = world
            .tasks
            .iter()
            .position(|(_, task)| task.status == Status::Pending)
        else {
            world.wait(900);
            continue;
        };
        world.tasks.remove(at);
        world.deployments[0].1.ended.failed_to_start = 1;
        failures += 1;
        world.pass();
    }
    failures
}

#[test]
fn ecs_17_14_circuit_breaker_thresholds() {
    for (desired, threshold) in [(1, 3), (5, 3), (6, 3), (7, 4), (25, 13), (400, 200), (800, 200)] {
        assert_eq!(
            Threshold::DEFAULT.failures(desired),
            threshold,
            "desired {desired}"
        );
        assert_eq!(
            failures_until_failed(desired, BREAKER),
            threshold,
            "desired {desired}"
        );
    }
}

#[test]
fn thresholds_of_each_kind() {
    for (threshold, desired, failures) in [
        (Threshold::Count(1), 100, 1),
        (Threshold::Count(7), 2, 7),
        (Threshold::BoundedPercent(100), 10, 10),
        (Threshold::BoundedPercent(1), 1000, 10),
        (Threshold::BoundedPercent(10), 10, 3),
        (Threshold::BoundedPercent(90), 1000, 200),
        (Threshold::UnboundedPercent(10), 10, 1),
        (Threshold::UnboundedPercent(25), 30, 8),
        (Threshold::UnboundedPercent(90), 1000, 900),
        (Threshold::UnboundedPercent(50), 0, 1),
    ] {
        assert_eq!(
            threshold.failures(desired),
            failures,
            "{threshold:?} of {desired}"
        );
        if desired > 0 && failures < 300 {
            let breaker = CircuitBreaker { threshold, ..BREAKER };
            assert_eq!(
                failures_until_failed(desired, breaker),
                failures,
                "{threshold:?} of {desired}"
            );
        }
    }
}

#[test]
fn a_failed_deployment_without_an_earlier_one_stalls() {
    let mut world = World::new(2, 100, 200);
    world.breaker = Some(BREAKER);
    for _ in 0..10 {
        world.pass();
        world.fail_pending(0);
        world.wait(900);
    }
    world.pass();
    assert_eq!(
        world.primary().rollout,
        Rollout::Failed(Cause::TasksFailedToStart)
    );
    assert!(world.rollbacks.is_empty());
    assert_eq!(world.live(), 0, "nothing more is started");
    let told = Says::DeploymentFailed {
        deployment: 0,
        cause: Cause::TasksFailedToStart,
        to: None,
    };
    assert_eq!(world.said.iter().filter(|&&says| says == told).count(), 1);
}

#[test]
fn a_failed_deployment_is_rolled_back_to_the_last_completed_one() {
    let mut world = World::settled(4, 50, 200);
    world.breaker = Some(BREAKER);
    // A second one is replaced by a third before it is done: it is not what the service goes back to.
    world.update();
    world.pass();
    world.update();
    for _ in 0..3 {
        while world.pass().again {}
        world.fail_pending(2);
        world.wait(900);
    }
    world.settle();
    assert_eq!(world.rollbacks.len(), 1);
    assert_eq!(world.rollbacks[0].cause, Cause::TasksFailedToStart);
    assert_eq!(world.deployments.len(), 1);
    assert_eq!(world.deployments[0].0, 0);
    assert_eq!(world.primary().rollout, Rollout::Completed);
    assert_eq!((world.live_of(0), world.live()), (4, 4));
}

#[test]
fn without_rollback_a_failed_deployment_leaves_the_old_tasks() {
    let mut world = World::settled(4, 100, 200);
    world.breaker = Some(CircuitBreaker {
        rollback: false,
        ..BREAKER
    });
    world.update();
    for _ in 0..5 {
        world.pass();
        world.fail_pending(1);
        world.wait(900);
    }
    assert_eq!(
        world.primary().rollout,
        Rollout::Failed(Cause::TasksFailedToStart)
    );
    assert_eq!((world.live_of(0), world.live()), (4, 4));
    assert!(world.rollbacks.is_empty());
    assert_eq!(world.deployments.len(), 2);
    // An update is the way out.
    world.update();
    world.settle();
    assert_eq!((world.deployments.len(), world.live_of(2)), (1, 4));
}

#[test]
fn in_the_second_stage_failed_health_checks_count_and_failed_starts_do_not() {
    let mut world = World::settled(6, 50, 200);
    world.breaker = Some(BREAKER);
    world.update();
    world.pass();
    world
        .tasks
        .iter_mut()
        .filter(|(of, _)| *of == 1)
        .take(1)
        .for_each(|(_, task)| {
            task.status = Status::Running(Health::Unknown);
        });
    world.pass();
    assert!(world.fail_pending(1) >= 3);
    world.pass();
    assert_eq!(world.primary().rollout, Rollout::InProgress);
    assert_eq!(world.primary().breaker_failures, 0);
    let mut unhealthy = 0;
    while world.rollbacks.is_empty() {
        world.wait(900);
        world.pass();
        for (_, task) in world.tasks.iter_mut().filter(|(of, _)| *of == 1) {
            task.status = Status::Running(Health::Unhealthy);
        }
        let plan = world.pass();
        unhealthy += plan
            .stops
            .iter()
            .filter(|stop| stop.reason == portcullis_schedule::deployment::StopReason::Unhealthy)
            .count();
        assert!(unhealthy < 30, "it comes to an end");
    }
    assert_eq!(world.rollbacks[0].cause, Cause::TasksFailedHealthChecks);
    assert!(unhealthy >= 3);
}

#[test]
fn the_first_task_that_runs_ends_the_first_stage_and_its_count() {
    let mut world = World::new(6, 100, 200);
    world.breaker = Some(BREAKER);
    world.pass();
    for _ in 0..2 {
        let at = world
            .tasks
            .iter()
            .position(|(_, task)| task.status == Status::Pending)
            .unwrap();
        world.tasks.remove(at);
        world.deployments[0].1.ended.failed_to_start += 1;
    }
    world.pass();
    assert_eq!(world.primary().breaker_failures, 2);
    // It runs, and has no verdict yet.
    world.tasks[0].1.status = Status::Running(Health::Unknown);
    world.pass();
    assert_eq!(
        (world.primary().breaker_failures, world.primary().failed_tasks),
        (0, 0)
    );
}

#[test]
fn a_healthy_task_forgives_unless_the_count_is_cumulative() {
    for (reset, fails) in [(true, false), (false, true)] {
        let mut world = World::new(10, 100, 200);
        world.breaker = Some(CircuitBreaker {
            rollback: false,
            threshold: Threshold::Count(4),
            reset_on_healthy_task: reset,
        });
        for round in 0..3 {
            world.pass();
            // Two fail, then one comes to run.
            for _ in 0..2 {
                let at = world
                    .tasks
                    .iter()
                    .position(|(_, task)| task.status == Status::Pending)
                    .unwrap();
                world.tasks.remove(at);
                world.deployments[0].1.ended.failed_to_start += 1;
            }
            world.pass();
            let pending = world
                .tasks
                .iter_mut()
                .find(|(_, task)| task.status == Status::Pending);
            if let Some((_, task)) = pending {
                task.status = Status::Running(Health::Unchecked);
            }
            world.pass();
            if reset {
                assert_eq!(
                    world.primary().failed_tasks,
                    0,
                    "round {round}: one after another only"
                );
            }
            world.wait(900);
        }
        assert_eq!(
            matches!(world.primary().rollout, Rollout::Failed(_)),
            fails,
            "reset {reset}"
        );
    }
}

#[test]
fn a_rolled_back_deployment_that_fails_too_stalls() {
    let mut world = World::settled(2, 0, 100);
    world.breaker = Some(BREAKER);
    world.update();
    world.pass();
    while world.rollbacks.is_empty() {
        world.fail_pending(1);
        world.wait(900);
        world.pass();
    }
    assert_eq!(
        world.primary().rollout,
        Rollout::RollingBack(Cause::TasksFailedToStart)
    );
    for _ in 0..10 {
        world.pass();
        world
            .tasks
            .retain(|(_, task)| task.status != Status::Running(Health::Unchecked));
        world.fail_pending(0);
        world.wait(900);
    }
    assert_eq!(
        world.primary().rollout,
        Rollout::Failed(Cause::TasksFailedToStart)
    );
    assert_eq!(world.rollbacks.len(), 1);
}

#[test]
fn alarms_fail_a_deployment_unless_they_were_raised_at_its_start() {
    for (at_start, later, fails) in [
        (
            AlarmState::Quiet { rollback: true },
            AlarmState::InAlarm { rollback: true },
            true,
        ),
        (
            AlarmState::InAlarm { rollback: true },
            AlarmState::InAlarm { rollback: true },
            false,
        ),
        (
            AlarmState::Quiet { rollback: true },
            AlarmState::Quiet { rollback: true },
            false,
        ),
    ] {
        let mut world = World::settled(4, 50, 200);
        world.alarms = Some(at_start);
        world.update();
        world.deployments[0].1.alarms = Some(at_start);
        world.pass();
        world.alarms = Some(later);
        world.pass();
        world.settle();
        assert_eq!(!world.rollbacks.is_empty(), fails, "{at_start:?} then {later:?}");
        assert_eq!(world.live_of(u32::from(!fails)), 4);
    }
    let mut world = World::settled(4, 50, 200);
    world.update();
    world.deployments[0].1.alarms = Some(AlarmState::InAlarm { rollback: false });
    world.pass();
    assert_eq!(world.primary().alarms, AlarmWatch::Disabled);
}

#[test]
fn an_alarm_without_rollback_stalls_and_one_after_completion_is_nobodys() {
    let mut world = World::settled(4, 50, 200);
    world.alarms = Some(AlarmState::Quiet { rollback: false });
    world.update();
    world.pass();
    world.pass();
    world.alarms = Some(AlarmState::InAlarm { rollback: false });
    world.pass();
    world.pass();
    assert_eq!(world.primary().rollout, Rollout::Failed(Cause::Alarm));
    assert!(world.rollbacks.is_empty());

    let mut world = World::new(2, 50, 200);
    world.alarms = Some(AlarmState::Quiet { rollback: true });
    world.settle();
    world.alarms = Some(AlarmState::InAlarm { rollback: true });
    world.settle();
    assert_eq!(world.primary().rollout, Rollout::Completed);
}

#[test]
fn a_stopped_deployment_goes_back_or_stays_where_it_is() {
    let mut world = World::settled(4, 100, 125);
    world.update();
    world.pass();
    world.everything_runs();
    world.deployments[0].1.progress.ask_rollback();
    world.settle();
    assert_eq!(world.rollbacks[0].cause, Cause::StoppedToRollBack);
    assert_eq!(
        (world.deployments.len(), world.live_of(0), world.live()),
        (1, 4, 4)
    );

    let mut world = World::settled(4, 100, 125);
    world.update();
    world.pass();
    world.everything_runs();
    world.deployments[0].1.progress.ask_abort();
    world.settle_failed();
    assert_eq!(world.primary().rollout, Rollout::Failed(Cause::Aborted));
    assert_eq!((world.deployments.len(), world.live()), (2, 4));
    // Asked of one that is completed: too late.
    let mut world = World::settled(1, 100, 200);
    world.deployments[0].1.progress.ask_rollback();
    world.pass();
    assert_eq!(world.primary().rollout, Rollout::Completed);
    assert_eq!(world.primary().stop_asked, None);
}

/// A service of 4 that was aborted, or given up by its circuit breaker, with tasks of both versions.
fn given_up(cause: Cause) -> World {
    let mut world = World::settled(4, 100, 150);
    if cause != Cause::Aborted {
        world.breaker = Some(CircuitBreaker {
            rollback: false,
            ..BREAKER
        });
    }
    world.update();
    world.pass();
    if cause == Cause::Aborted {
        world.everything_runs();
        world.deployments[0].1.progress.ask_abort();
    }
    for _ in 0..4 {
        world.fail_pending(1);
        world.wait(900);
        world.pass();
    }
    world.settle_failed();
    assert_eq!(world.primary().rollout, Rollout::Failed(cause));
    world
}

#[test]
fn what_was_given_up_is_held_at_the_desired_count_by_the_version_that_works() {
    for cause in [Cause::Aborted, Cause::TasksFailedToStart] {
        let mut world = given_up(cause);
        assert_eq!((world.live(), world.deployments.len()), (4, 2));
        let new = world.live_of(1);
        // Every single task ends once: the service has as many again, none of the failed version.
        for _ in 0..4 {
            world.tasks.remove(0);
            world.settle_failed();
            assert_eq!(world.live(), 4, "{cause:?}");
        }
        assert!(world.live_of(1) <= new, "{cause:?}");
        // The desired count has its effect in both directions.
        for desired in [7, 2, 5] {
            world.desired = desired;
            world.deployments[0].1.progress.asked_anew();
            world.settle_failed();
            assert_eq!(world.live(), desired as usize, "{cause:?}");
        }
        assert!(world.live_of(1) <= new, "{cause:?}");
    }
}

#[test]
fn an_old_version_without_tasks_is_over_once_nothing_is_missing() {
    let mut world = World::settled(2, 0, 100);
    world.update();
    for _ in 0..2 {
        world.pass();
        world.everything_runs();
    }
    assert_eq!((world.live_of(0), world.live_of(1)), (0, 2), "all are replaced");
    world.deployments[0].1.progress.rollout = Rollout::Failed(Cause::Aborted);
    let mut old = super::world::deployment();
    old.progress.rollout = Rollout::Completed;
    world.deployments.truncate(1);
    world.deployments.push((0, old));
    world.settle_failed();
    assert_eq!((world.deployments.len(), world.live_of(1)), (1, 2));
    // Alone, what was aborted holds itself.
    world.tasks.remove(0);
    world.settle_failed();
    assert_eq!(world.live_of(1), 2);
}

#[test]
fn an_aborted_first_version_keeps_what_it_has_until_somebody_wants_more() {
    let mut world = World::new(12, 100, 200);
    world.pass();
    world.everything_runs();
    world.deployments[0].1.progress.ask_abort();
    world.settle_failed();
    assert_eq!(world.live(), 10);
    world.tasks.remove(3);
    world.settle_failed();
    assert_eq!(world.live(), 10, "what ends is replaced");
    world.deployments[0].1.progress.asked_anew();
    world.settle_failed();
    assert_eq!(world.live(), 12);
}

#[test]
fn a_failed_version_alone_says_that_it_starts_nothing() {
    let mut world = World::new(2, 100, 200);
    world.breaker = Some(BREAKER);
    for _ in 0..6 {
        world.pass();
        world.fail_pending(0);
        world.wait(900);
    }
    world.desired = 3;
    world.deployments[0].1.progress.asked_anew();
    let plan = world.pass();
    assert!(plan.starts.is_empty());
    assert_eq!(plan.says, [Says::NothingToStart { deployment: 0 }]);
}

#[test]
fn the_back_off_doubles_to_fifteen_minutes_and_an_update_ends_it() {
    let mut world = World::new(1, 100, 200);
    let mut waits = Vec::new();
    for _ in 0..11 {
        world.pass();
        world.fail_pending(0);
        let plan = world.pass();
        assert!(plan.starts.is_empty(), "it waits");
        let wait = plan.wake_at.unwrap().seconds_since(world.now);
        waits.push(wait);
        world.wait(wait - 1);
        assert!(world.pass().starts.is_empty(), "it still waits");
        world.wait(1);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
    let impaired = Says::StartImpaired { deployment: 0 };
    assert_eq!(
        world.said.iter().filter(|&&says| says == impaired).count(),
        9,
        "from the third round on"
    );
    assert_eq!(world.primary().failed_tasks, 11);

    world.pass();
    world.fail_pending(0);
    world.pass();
    world.deployments[0].1.progress.forget_back_off();
    assert_eq!(world.pass().starts.len(), 1);
}

#[test]
fn tasks_of_one_round_that_fail_one_after_another_lengthen_the_wait_once() {
    let mut world = World::new(10, 100, 200);
    world.pass();
    for _ in 0..4 {
        let at = world
            .tasks
            .iter()
            .position(|(_, task)| task.status == Status::Pending)
            .unwrap();
        world.tasks.remove(at);
        world.deployments[0].1.ended.failed_to_start = 1;
        world.pass();
        world.wait(1);
    }
    assert_eq!(world.primary().failed_rounds, 1);
    assert_eq!(world.primary().failed_tasks, 4);
}

#[test]
fn a_task_that_ran_before_it_ended_is_replaced_at_once() {
    let mut world = World::settled(1, 100, 200);
    for _ in 0..20 {
        world.tasks.clear();
        world.deployments[0].1.ended.ran = 1;
        let plan = world.pass();
        assert_eq!(plan.starts.len(), 1);
        world.everything_runs();
        world.pass();
    }
    assert_eq!(world.primary().retry_at, None);
    assert_eq!(world.primary().failed_tasks, 0);
}

#[test]
fn a_clock_set_back_does_not_lengthen_the_wait() {
    let mut world = World::new(1, 100, 200);
    world.pass();
    world.fail_pending(0);
    world.pass();
    world.wait(-100_000);
    let wait = world.pass().wake_at.unwrap().seconds_since(world.now);
    assert!(wait <= 900, "{wait}");
}

#[test]
fn memories_survive_the_store() {
    let mut world = World::settled(3, 100, 200);
    world.update();
    world.pass();
    world.fail_pending(1);
    world.pass();
    for (_, deployment) in &world.deployments {
        let text = serde_json::to_string(&deployment.progress).unwrap();
        assert_eq!(
            serde_json::from_str::<portcullis_schedule::deployment::Progress>(&text).unwrap(),
            deployment.progress
        );
    }
    assert_eq!(
        serde_json::from_str::<portcullis_schedule::deployment::Progress>("{}").unwrap(),
        portcullis_schedule::deployment::Progress::default()
    );
}
