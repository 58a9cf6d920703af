//! The engine against real processes.

use portcullis_core::{Secret, SystemClock};

use super::*;
use crate::task::model::Definition;

const LONG: Duration = Duration::from_secs(30);

fn engine(folder: &Path) -> (ProcessEngine, mpsc::Receiver<EngineEvent>) {
    let (events, receiver) = mpsc::channel(16);
    (
        ProcessEngine::new(folder, Arc::new(SystemClock), events),
        receiver,
    )
}

fn container() -> ContainerRef {
    ContainerRef {
        task_id: "aaaa".into(),
        name: "app".into(),
        docker_name: "ecs-fam-1-app-00".into(),
    }
}

fn shell(script: &str) -> Launch {
    let definition = Definition {
        entry_point: Some(vec!["/bin/sh".into(), "-c".into()]),
        command: Some(vec![script.into()]),
        ..Definition::default()
    };
    Launch {
        container: container(),
        definition,
        environment: vec![("GREETING".into(), "hello".into())],
        secret_environment: vec![("TOKEN".into(), Secret::new("t0ken"))],
        log_options: Vec::new(),
        log_endpoint: None,
        labels: Vec::new(),
        volumes: Vec::new(),
        volumes_from: Vec::new(),
        links: Vec::new(),
        log_credentials_id: None,
        task_limits: (None, None),
        metadata_folder: None,
        wiring: crate::network::Wiring::default(),
        namespaces: crate::task::namespaces::ContainerNamespaces::default(),
    }
}

async fn exit(engine: &ProcessEngine, events: &mut mpsc::Receiver<EngineEvent>) -> Exit {
    assert_eq!(
        events.recv().await,
        Some(EngineEvent::Changed(container().docker_name))
    );
    match engine.inspect(&container()).await.unwrap() {
        Observed::Exited(exit) => exit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_process_has_its_own_environment_folder_and_private_output() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (engine, mut events) = engine(folder.path());
    engine
        .launch(&shell("echo $GREETING $TOKEN $CARGO_PKG_NAME; pwd; exit 7"))
        .await
        .unwrap();
    assert_eq!(exit(&engine, &mut events).await.code, Some(7));
    let own = folder.path().join("tasks/aaaa/app");
    let stdout = fs::read_to_string(own.join("stdout")).unwrap();
    assert_eq!(stdout, format!("hello t0ken\n{}\n", own.join("work").display()));
    assert_eq!(
        fs::metadata(own.join("stdout")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    engine.remove(&container()).await.unwrap();
    assert_eq!(engine.inspect(&container()).await.unwrap(), Observed::Missing);
    assert!(!folder.path().join("tasks/aaaa").exists());
}

#[tokio::test]
async fn agent_8_stop_is_sigterm_then_sigkill() {
    // The script says when its trap is set, by ending its first child.
    let cases = [
        (
            "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done",
            LONG,
            7,
        ),
        (
            "trap '' TERM; echo up; while :; do sleep 0.05; done",
            Duration::from_millis(200),
            137,
        ),
    ];
    for (script, timeout, code) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (engine, mut events) = engine(folder.path());
        engine.launch(&shell(script)).await.unwrap();
        let stdout = folder.path().join("tasks/aaaa/app/stdout");
        while fs::read_to_string(&stdout).unwrap() != "up\n" {
            tokio::task::yield_now().await;
        }
        engine.stop(&container(), timeout).await.unwrap();
        assert_eq!(exit(&engine, &mut events).await.code, Some(code), "{script}");
    }
}

#[tokio::test]
async fn the_whole_group_ends_with_its_first_process() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, mut events) = engine(folder.path());
    engine
        .launch(&shell("sleep 300 & echo $!; exit 0"))
        .await
        .unwrap();
    assert_eq!(exit(&engine, &mut events).await.code, Some(0));
    let child = fs::read_to_string(folder.path().join("tasks/aaaa/app/stdout")).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    // It is killed at once; the kernel and its new parent may need a moment to clear it away.
    let lives = || {
        let stat = fs::read_to_string(&stat).ok()?;
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        (!matches!(state, 'Z' | 'X')).then_some(state)
    };
    let gone = async {
        while lives().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn a_running_process_is_found_again_by_the_next_agent() {
    let folder = tempfile::tempdir().unwrap();
    let (first, mut first_events) = engine(folder.path());
    let launched = first.launch(&shell("exec sleep 300")).await.unwrap();
    let (second, mut second_events) = engine(folder.path());
    let Observed::Running(facts) = second.inspect(&container()).await.unwrap() else {
        panic!("not found")
    };
    assert_eq!(facts.runtime_id, launched.runtime_id);
    assert_eq!(
        second.launch(&shell("exec sleep 300")).await.unwrap(),
        launched,
        "not started twice"
    );
    second.stop(&container(), LONG).await.unwrap();
    assert_eq!(exit(&first, &mut first_events).await.code, Some(143));
    let seen_by_second = exit(&second, &mut second_events).await;
    assert_eq!(
        (seen_by_second.code, seen_by_second.reason.as_deref()),
        (None, Some(REASON_UNSEEN))
    );
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _events) = engine(folder.path());
    let mut nothing = shell("");
    nothing.definition.entry_point = None;
    nothing.definition.command = None;
    let mut ghost = nothing.clone();
    ghost.definition.command = Some(vec!["no-such-program".into()]);
    for launch in [nothing, ghost] {
        let error = engine.launch(&launch).await.unwrap_err().to_string();
        assert!(error.starts_with("CannotStartContainerError: "), "{error}");
    }
}
