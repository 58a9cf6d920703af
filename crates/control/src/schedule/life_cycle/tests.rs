use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::schedule::fixtures::{BEGINNING, task};

fn ended(name: &str, exit_code: Option<i32>, reason: Option<&str>) -> ContainerReport {
    ContainerReport {
        name: name.to_owned(),
        status: Some(LastStatus::Stopped),
        exit_code,
        reason: reason.map(str::to_owned),
        ..ContainerReport::default()
    }
}

fn whole(status: LastStatus, containers: Vec<ContainerReport>) -> TaskReport {
    TaskReport {
        status: Some(status),
        containers,
        ..TaskReport::default()
    }
}

fn stopped_by(reports: Vec<TaskReport>) -> (StopCode, String) {
    let mut task = task();
    for report in reports {
        task.report(report, BEGINNING);
    }
    let stop = task.stop.unwrap();
    (stop.code, stop.reason)
}

#[test]
fn the_end_of_a_task_has_the_reason_that_was_first() {
    let exited = (
        StopCode::EssentialContainerExited,
        "Essential container in task exited".to_owned(),
    );
    let failed = |reason: &str| (StopCode::TaskFailedToStart, reason.to_owned());
    let stop = |containers| vec![whole(LastStatus::Stopped, containers)];
    let run_then = |containers| {
        vec![
            whole(LastStatus::Running, vec![]),
            whole(LastStatus::Stopped, containers),
        ]
    };
    let killed = Some("OutOfMemoryError: Container killed due to memory usage");
    let cases = [
        (run_then(vec![ended("app", Some(7), None)]), exited.clone()),
        (run_then(vec![ended("app", Some(137), killed)]), exited.clone()),
        (stop(vec![ended("app", Some(0), None)]), exited),
        (
            stop(vec![ended("app", None, Some("CannotPullContainerError: x"))]),
            failed("CannotPullContainerError: x"),
        ),
        (
            stop(vec![ended("app", None, None)]),
            failed("Task failed to start"),
        ),
        (
            vec![TaskReport {
                reason: "bad payload".to_owned(),
                ..whole(LastStatus::Stopped, vec![])
            }],
            failed("bad payload"),
        ),
    ];
    for (reports, expected) in cases {
        assert_eq!(stopped_by(reports.clone()), expected, "{reports:?}");
    }
}

#[test]
fn only_essential_containers_end_the_task() {
    let mut side = task();
    side.report(
        TaskReport {
            containers: vec![ended("side", Some(1), None)],
            ..TaskReport::default()
        },
        BEGINNING,
    );
    assert_eq!((side.desired, side.stop), (DesiredStatus::Running, None));
    let mut app = task();
    app.report(
        TaskReport {
            containers: vec![ended("app", Some(1), None)],
            ..TaskReport::default()
        },
        BEGINNING,
    );
    assert_eq!(
        (app.desired, app.last),
        (DesiredStatus::Stopped, LastStatus::Pending)
    );
}

#[test]
fn health_is_the_worst_of_essential_containers_with_a_check() {
    let mut task = task();
    let mut health = |app: Option<Health>, side: Option<Health>| {
        for (container, health) in task.containers.iter_mut().zip([app, side]) {
            container.has_health_check = health.is_some();
            container.health = health.unwrap_or(Health::Unhealthy);
        }
        task.health()
    };
    assert_eq!(health(None, Some(Health::Unhealthy)), Health::Unknown);
    assert_eq!(
        health(Some(Health::Healthy), Some(Health::Unhealthy)),
        Health::Healthy
    );
    assert_eq!(health(Some(Health::Unhealthy), None), Health::Unhealthy);
}

/// Anything an agent or a caller can do to a task.
#[derive(Debug, Clone)]
enum Event {
    Report(TaskReport),
    Stop,
    Abandon,
}

fn any_status() -> impl Strategy<Value = Option<LastStatus>> {
    let known = [LastStatus::Pending, LastStatus::Running, LastStatus::Stopped];
    prop::option::of(prop::sample::select(known.to_vec()))
}

fn any_container() -> impl Strategy<Value = ContainerReport> {
    let name = prop::sample::select(vec!["app", "side", "nobody"]);
    let texts = prop::option::of(Just("x".to_owned()));
    (name, any_status(), prop::option::of(any::<i32>()), texts).prop_map(
        |(name, status, exit_code, reason)| ContainerReport {
            name: name.to_owned(),
            status,
            exit_code,
            reason,
            ..ContainerReport::default()
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let report =
        (any_status(), prop::collection::vec(any_container(), 0..3)).prop_map(|(status, containers)| {
            Event::Report(TaskReport {
                status,
                containers,
                ..TaskReport::default()
            })
        });
    prop_oneof![6 => report, 1 => Just(Event::Stop), 1 => Just(Event::Abandon)]
}

proptest! {
    #[test]
    fn a_task_only_moves_forward(events in prop::collection::vec(any_event(), 0..12)) {
        let mut now = BEGINNING;
        let mut task = task();
        for event in events {
            let before = task.clone();
            now = now.plus_seconds(1);
            match event {
                Event::Report(report) => task.report(report, now),
                Event::Stop => task.ask_to_stop(StopCode::UserInitiated, "x", now),
                Event::Abandon => task.abandon(StopCode::TerminationNotice, "x", now),
            }
            prop_assert!(task.last >= before.last);
            prop_assert!(before.desired == DesiredStatus::Running || task.desired == DesiredStatus::Stopped);
            for (was, is) in before.containers.iter().zip(&task.containers) {
                prop_assert!(is.last >= was.last);
            }
            let changed = Task { version: before.version, ..task.clone() } != before;
            prop_assert_eq!(task.version, before.version + i64::from(changed));
            if before.stop.is_some() {
                prop_assert_eq!(&task.stop, &before.stop);
            }
            if before.last == LastStatus::Stopped {
                prop_assert_eq!(&task, &before);
            }
            if task.last == LastStatus::Stopped {
                prop_assert!(task.desired == DesiredStatus::Stopped && task.stop.is_some() && task.tags.is_empty());
                prop_assert!(task.containers.iter().all(|one| one.last == LastStatus::Stopped));
                prop_assert!(task.times.stopped.is_some() && task.times.stopping.is_some());
            }
        }
    }
}
