//! Task sets: each holds its scale of the service's desired count.

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{
    Ended, Health, Plan, Progress, Says, ScaleIn, Service, Standing, Status, StopReason, Strategy, Task,
    TaskSet, TaskSets, plan,
};

use super::world::{running, task};

fn set(scale: f64) -> TaskSet {
    TaskSet {
        progress: Progress::default(),
        ended: Ended::default(),
        scale,
    }
}

fn plan_of(desired: u32, sets: &[TaskSet], tasks: &[Task]) -> Plan {
    let strategy = Strategy::TaskSets(TaskSets {
        desired,
        scale_in: ScaleIn::Spread,
        sets,
    });
    plan(
        &Service {
            standing: Standing::Active,
            strategy,
            tasks,
        },
        Timestamp::from_seconds(1_000_000),
    )
}

#[test]
fn computed_desired_counts_are_rounded_up() {
    for (desired, scale, computed) in [
        (10, 50.0, 5),
        (3, 50.0, 2),
        (10, 0.0, 0),
        (10, 100.0, 10),
        (10, 1.0, 1),
        (1000, 33.3, 333),
        (7, 28.57, 2),
        (0, 100.0, 0),
        (5, f64::NAN, 0),
        (5, -3.0, 0),
        (5, 250.0, 5),
    ] {
        assert_eq!(
            set(scale).computed_desired(desired),
            computed,
            "{scale} % of {desired}"
        );
    }
}

#[test]
fn each_set_is_filled_and_emptied_on_its_own() {
    let mut sets = vec![set(50.0), set(100.0), set(0.0)];
    let mut tasks = vec![
        Task {
            deployment: 2,
            ..running()
        };
        3
    ];
    for _ in 0..10 {
        let plan = plan_of(8, &sets, &tasks);
        assert!(plan.starts.iter().map(|start| start.count).sum::<u32>() <= 10);
        for stop in &plan.stops {
            assert_eq!(stop.reason, StopReason::Scaling(2));
            tasks[stop.task].status = Status::Stopping;
        }
        for start in &plan.starts {
            for _ in 0..start.count {
                tasks.push(Task {
                    deployment: start.deployment,
                    ..running()
                });
            }
        }
        for (set, progress) in sets.iter_mut().zip(plan.progress) {
            set.progress = progress;
        }
        if !plan.again && plan.starts.is_empty() && plan.says.is_empty() {
            break;
        }
    }
    let live = |of| {
        tasks
            .iter()
            .filter(|task| task.deployment == of && task.is_live())
            .count()
    };
    assert_eq!((live(0), live(1), live(2)), (4, 8, 0));
    assert!(sets.iter().all(|set| set.progress.is_steady()));
}

#[test]
fn a_set_is_steady_when_everything_runs_healthy_where_it_may_stay() {
    let healthy = Task {
        status: Status::Running(Health::Healthy),
        ..running()
    };
    for (second, steady) in [
        (healthy, true),
        (running(), true),
        (task(Status::Pending), false),
        (
            Task {
                status: Status::Running(Health::Unknown),
                ..healthy
            },
            false,
        ),
        (
            Task {
                status: Status::Running(Health::Unhealthy),
                ..healthy
            },
            false,
        ),
        (
            Task {
                draining: true,
                ..healthy
            },
            false,
        ),
        (
            Task {
                status: Status::Stopping,
                ..healthy
            },
            false,
        ),
    ] {
        let plan = plan_of(2, &[set(100.0)], &[healthy, second]);
        assert_eq!(plan.progress[0].is_steady(), steady, "{second:?}");
        assert_eq!(plan.says.contains(&Says::TaskSetSteadyState { set: 0 }), steady);
    }
}

#[test]
fn tasks_of_a_set_that_is_gone_are_stopped() {
    let plan = plan_of(
        1,
        &[set(100.0)],
        &[
            running(),
            Task {
                deployment: 5,
                ..running()
            },
        ],
    );
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(plan.stops[0].task, 1);
}

#[test]
fn on_a_draining_instance_a_set_is_replaced_before_it_is_stopped() {
    let draining = Task {
        draining: true,
        ..running()
    };
    let plan = plan_of(2, &[set(100.0)], &[draining, running()]);
    assert!(plan.stops.is_empty());
    assert_eq!(plan.starts[0].count, 1);
    let plan = plan_of(2, &[set(100.0)], &[draining, running(), running()]);
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(
        (plan.stops[0].task, plan.stops[0].reason),
        (0, StopReason::InstanceDraining)
    );
}

#[test]
fn a_set_never_gives_up_healthy_tasks_for_room() {
    let draining = Task {
        draining: true,
        ..running()
    };
    let mut full = set(100.0);
    full.progress.found_no_room();
    let plan = plan_of(2, &[full], &[draining, running()]);
    assert!(plan.stops.is_empty());
}
