//! What must not stay as it is because something went wrong at the wrong moment.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::task::model::{Condition, Dependency, RestartPolicy};

fn refuse(engine: &FakeEngine, line: &str, error: EngineError) {
    engine.refusals.lock().unwrap().insert(line.to_owned(), error);
}

fn gone() -> EngineError {
    EngineError::Unreachable("gone".to_owned())
}

/// Killed between saving that a restart is due and the restart; the task was told to stop in the same moment.
#[tokio::test(start_paused = true)]
async fn agent_8_a_stop_after_a_restart_that_never_came_about_ends_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::<FakeEngine>::default();
    let end = Timestamp::from_seconds(900);
    let mut task = simple(&[("app", true)]);
    task.desired = Desired::Stopped;
    let app = &mut task.containers[0];
    (app.attempted, app.started, app.known) = (true, true, Known::Running);
    (app.restart_due, app.restarted_after) = (true, Some(end));
    app.definition.restart_policy = Some(RestartPolicy::default());
    Checkpoint::open(folder.path()).unwrap().save_task(&task).unwrap();
    let mut exit = exited("app", 5);
    if let Observed::Exited(exit) = &mut exit {
        exit.finished_at = Some(end);
    }
    engine.set("app", exit);
    // As Docker, which leaves what has ended as it is.
    engine.stays.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut rig = Rig::new(folder.path(), Arc::clone(&engine));
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(5)");
    assert_eq!(engine.log(), ["stop app 30"]);
}

#[tokio::test(start_paused = true)]
async fn agent_5_4_an_end_is_seen_although_the_engine_does_not_answer_at_first() {
    for error in [gone(), EngineError::Refused("500".to_owned())] {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = Rig::new(folder.path(), Arc::default());
        rig.accept(simple(&[("app", true)])).await;
        assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
        refuse(&rig.engine, "inspect app", error);
        rig.happens("app", exited("app", 7)).await;
        assert_eq!(rig.report().await, "STOPPED: app=STOPPED(7)");
    }
}

#[tokio::test(start_paused = true)]
async fn no_container_starts_again_before_the_network_is_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", true)]);
    task.containers[0].definition.restart_policy = Some(RestartPolicy::default());
    rig.accept(task).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.ready.send_replace(false);
    rig.happens("app", exited("app", 1)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.engine.log(), ["launch app"]);
    rig.ready.send_replace(true);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.engine.log(), ["launch app", "restart app"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_could_not_be_looked_at_after_its_start_is_looked_at_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    refuse(&rig.engine, "inspect app", gone());
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let app = rig.tasks.get(ARN).unwrap().containers[0].clone();
    assert!(!app.addresses.is_empty(), "its credentials are given by address");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panics_is_tried_again_a_moment_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let lines = ["launch app", "stop app 30"].map(str::to_owned);
    rig.engine.panics.lock().unwrap().extend(lines);
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.commands.send(Command::Stop(vec![ARN.into()])).await.unwrap();
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    let twice = ["launch app", "launch app", "stop app 30", "stop app 30"];
    assert_eq!(rig.engine.log(), twice);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_is_not_saved_again_until_something_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", false), ("side", true)]);
    task.containers[0].definition.start_timeout = Some(60);
    task.containers[1].definition.depends_on = vec![Dependency {
        container: "app".to_owned(),
        condition: Condition::Healthy,
    }];
    rig.accept(task).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let saved = || {
        let file = fs::metadata(folder.path().join("checkpoint/tasks/aaaa.json")).unwrap();
        (file.ino(), file.mtime_nsec())
    };
    let before = saved();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(saved(), before);
    rig.clock.advance_seconds(61);
    let report = rig.report().await;
    assert!(
        report.starts_with("STOPPED: ") && report.contains("has timed out."),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn each_task_that_cannot_be_saved_has_a_minute_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    // No file can take a folder's place.
    fs::create_dir_all(folder.path().join("checkpoint/tasks/bbbb.json/x")).unwrap();
    let mut stuck = simple(&[("stuck", true)]);
    stuck.arn = ARN.replace("aaaa", "bbbb");
    let (saved, is_saved) = oneshot::channel();
    let incoming = Incoming {
        task: stuck,
        credentials: Vec::new(),
    };
    rig.commands
        .send(Command::Accept(vec![incoming], saved))
        .await
        .unwrap();
    assert!(is_saved.await.is_err());
    rig.clock.advance_seconds(40);
    let (saved, _) = oneshot::channel();
    let incoming = Incoming {
        task: simple(&[("app", true)]),
        credentials: Vec::new(),
    };
    rig.commands
        .send(Command::Accept(vec![incoming], saved))
        .await
        .unwrap();
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING", "others go on");
    rig.clock.advance_seconds(21);
    let report = rig.report().await;
    assert!(
        report.starts_with("STOPPED: stuck=STOPPED ResourceInitializationError: "),
        "{report}"
    );
}

/// Nothing of it can be stopped, and nobody knows whether there is anything.
#[tokio::test(start_paused = true)]
async fn an_ending_agent_does_not_wait_for_ever_for_an_engine_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    refuse(
        &rig.engine,
        "launch app",
        EngineError::TimedOut("late".to_owned()),
    );
    rig.engine
        .is_gone
        .store(true, std::sync::atomic::Ordering::SeqCst);
    rig.accept(simple(&[("app", true)])).await;
    let report = rig.report().await;
    assert!(report.starts_with("STOPPED: app=STOPPED"), "{report}");
    let begun = tokio::time::Instant::now();
    rig.shutdown.send_replace(true);
    rig.running.await.unwrap();
    let waited = begun.elapsed().as_secs();
    assert!((30..=32).contains(&waited), "{waited} s");
}

/// It runs, and nothing stops it; then the engine is back.
#[tokio::test(start_paused = true)]
async fn an_ending_agent_leaves_a_container_that_nothing_can_stop_to_the_next_agent() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true), ("side", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING side=RUNNING");
    let engine = Arc::clone(&rig.engine);
    let is_gone = |gone| engine.is_gone.store(gone, std::sync::atomic::Ordering::SeqCst);
    is_gone(true);
    let begun = tokio::time::Instant::now();
    rig.shutdown.send_replace(true);
    // One ends by itself after all: as long as that goes on, it is waited for.
    tokio::time::sleep(Duration::from_secs(80)).await;
    rig.happens("side", exited("side", 3)).await;
    rig.running.await.unwrap();
    let waited = begun.elapsed().as_secs();
    // Its thirty seconds, and a minute.
    assert!((170..=173).contains(&waited), "{waited} s");

    is_gone(false);
    let mut next = Rig::new(folder.path(), Arc::clone(&engine));
    let report = next.report().await;
    assert!(
        report.starts_with("STOPPED: ") && report.contains("app=STOPPED(143)"),
        "{report}"
    );
}
