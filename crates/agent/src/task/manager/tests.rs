//! The loop against an engine and a control plane made of memory. Time stands still unless a test moves it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

use portcullis_core::{FixedClock, Secret, SeededRandom};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::super::namespaces::Namespaces;
use super::super::plan::tests::{container, task};
use super::*;
use crate::engine::{ContainerRef, Exit, Facts, ImageFacts, Launch};
use crate::plane::{ControlPlane, InstanceCredentialsProvider};
use crate::supplies::{GivenLogins, ImageAccess};
use crate::{CredentialsSource, EngineKind, InstanceCredentials};

mod faults;
mod stops;

const ARN: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa";

/// Nothing can be fetched: nobody listens.
fn nowhere(cache: &Arc<CredentialCache>) -> Supplies {
    let credentials = CredentialsSource::Static(InstanceCredentials::none());
    let credentials = Arc::new(InstanceCredentialsProvider::new(credentials).unwrap());
    let clock = Arc::new(portcullis_core::SystemClock);
    let plane = ControlPlane::new("http://127.0.0.1:1", "us-west-2", credentials, clock).unwrap();
    let random = Arc::new(SeededRandom::new(1));
    Supplies::new(plane, Arc::clone(cache), random, GivenLogins::default(), None)
}

#[derive(Default)]
struct FakeEngine {
    containers: Mutex<HashMap<String, Observed>>,
    refusals: Mutex<HashMap<String, EngineError>>,
    /// Lines at which it panics, once each.
    panics: Mutex<HashSet<String>>,
    /// What has ended stays as it is when it is told to stop.
    stays: std::sync::atomic::AtomicBool,
    /// It stops nothing any more.
    is_gone: std::sync::atomic::AtomicBool,
    log: Mutex<Vec<String>>,
}

impl FakeEngine {
    fn set(&self, name: &str, seen: Observed) {
        self.containers.lock().unwrap().insert(name.to_owned(), seen);
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, line: String) -> Option<EngineError> {
        let refusal = self.refusals.lock().unwrap().remove(&line);
        let panics = self.panics.lock().unwrap().remove(&line);
        self.log.lock().unwrap().push(line);
        assert!(!panics, "a defect of the agent's own");
        refusal
    }
}

fn running(name: &str) -> Observed {
    let facts = Facts {
        runtime_id: format!("id-{name}"),
        addresses: vec!["172.17.0.2".parse().unwrap()],
        ..Facts::default()
    };
    Observed::Running(facts)
}

fn exited(name: &str, code: i32) -> Observed {
    Observed::Exited(Exit {
        runtime_id: format!("id-{name}"),
        code: Some(code),
        ..Exit::default()
    })
}

impl Engine for FakeEngine {
    fn execute<'a>(
        &'a self,
        _: &'a ContainerRef,
        _: &'a str,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Arc<dyn crate::engine::Terminal>, EngineError>> {
        Box::pin(async { Err(EngineError::Refused("this engine runs nothing".to_owned())) })
    }

    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn version(&self) -> String {
        "fake".into()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(async {
            let name = &launch.container.docker_name;
            if let Some(error) = self.note(format!("launch {name}")) {
                return Err(error);
            }
            self.containers
                .lock()
                .unwrap()
                .entry(name.clone())
                .or_insert_with(|| running(name));
            Ok(Launched {
                runtime_id: format!("id-{name}"),
            })
        })
    }

    fn restart<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        Box::pin(async {
            let name = &launch.container.docker_name;
            if let Some(error) = self.note(format!("restart {name}")) {
                return Err(error);
            }
            self.set(name, running(name));
            Ok(Launched {
                runtime_id: format!("id-{name}"),
            })
        })
    }

    fn resolve_image<'a>(
        &'a self,
        image: &'a str,
        _: &'a ImageAccess,
        pulled_before: bool,
    ) -> BoxFuture<'a, Result<Resolved, EngineError>> {
        Box::pin(async move {
            let line = format!("resolve {image}{}", if pulled_before { " again" } else { "" });
            match self.note(line) {
                Some(error) => Err(error),
                None => Ok(Resolved {
                    digest: Some("sha256:00".into()),
                    cached: None,
                }),
            }
        })
    }

    fn pull_image<'a>(
        &'a self,
        image: &'a str,
        _: &'a ImageAccess,
        digest: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Pulled, EngineError>> {
        Box::pin(async move {
            if let Some(error) = self.note(format!("pull {image} {}", digest.unwrap_or("none"))) {
                return Err(error);
            }
            if image == "slow" {
                std::future::pending::<()>().await;
            }
            Ok(Pulled {
                image: ImageFacts {
                    id: Some(format!("id-{image}")),
                    names_region: false,
                },
                times: Some((Timestamp::from_seconds(1), Timestamp::from_seconds(2))),
            })
        })
    }

    fn remove_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        self.note(format!("discard {name}"));
        Box::pin(std::future::ready(Ok(true)))
    }

    fn stop<'a>(
        &'a self,
        container: &'a ContainerRef,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let name = &container.docker_name;
            if let Some(error) = self.note(format!("stop {name} {}", timeout.as_secs())) {
                return Err(error);
            }
            if self.is_gone.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(EngineError::Unreachable("gone".to_owned()));
            }
            let made = self.containers.lock().unwrap().get(name).cloned();
            let is_over = self.stays.load(std::sync::atomic::Ordering::SeqCst)
                && matches!(made, Some(Observed::Exited(_)));
            if made != Some(Observed::Created) && !is_over {
                self.set(name, exited(name, 143));
            }
            Ok(())
        })
    }

    fn inspect<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<Observed, EngineError>> {
        let line = format!("inspect {}", container.docker_name);
        if let Some(error) = self.refusals.lock().unwrap().remove(&line) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let seen = self
            .containers
            .lock()
            .unwrap()
            .get(&container.docker_name)
            .cloned()
            .unwrap_or(Observed::Missing);
        Box::pin(std::future::ready(Ok(seen)))
    }

    fn remove<'a>(&'a self, container: &'a ContainerRef) -> BoxFuture<'a, Result<(), EngineError>> {
        self.note(format!("remove {}", container.docker_name));
        Box::pin(std::future::ready(Ok(())))
    }

    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

struct Recorder(mpsc::UnboundedSender<String>);

impl Submit for Recorder {
    fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()> {
        let containers = change.containers.into_iter().flatten().map(|container| {
            let exit = container
                .exit_code
                .map(|code| format!("({code})"))
                .unwrap_or_default();
            let reason = container
                .reason
                .map(|reason| format!(" {reason}"))
                .unwrap_or_default();
            format!(
                " {}={}{exit}{reason}",
                container.container_name.unwrap(),
                container.status.unwrap()
            )
        });
        self.0
            .send(format!(
                "{}:{}",
                change.status.unwrap(),
                containers.collect::<String>()
            ))
            .unwrap();
        Box::pin(std::future::ready(()))
    }
}

struct Rig {
    engine: Arc<FakeEngine>,
    events: mpsc::Sender<EngineEvent>,
    commands: Commands,
    reports: mpsc::UnboundedReceiver<String>,
    cache: Arc<CredentialCache>,
    tasks: Arc<SharedTasks>,
    clock: Arc<FixedClock>,
    ready: watch::Sender<bool>,
    shutdown: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Rig {
    fn new(folder: &Path, engine: Arc<FakeEngine>) -> Self {
        Self::with(folder, engine, true)
    }

    fn with(folder: &Path, engine: Arc<FakeEngine>, stop_all: bool) -> Self {
        let (events, engine_events) = mpsc::channel(16);
        let (report, reports) = mpsc::unbounded_channel();
        let (ready, network_ready) = watch::channel(true);
        let (shutdown, ending) = watch::channel(false);
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_000)));
        let (cache, tasks): (Arc<CredentialCache>, Arc<SharedTasks>) = Default::default();
        let surroundings = Surroundings {
            kind: EngineKind::Docker,
            cluster: "probe".into(),
            region: "us-west-2".into(),
            endpoint_url: "http://169.254.170.2".into(),
            api_url: None,
            log_endpoint: None,
            block_imds: true,
        };
        let manager = Manager::new(Parts {
            clock: Arc::clone(&clock) as Arc<_>,
            random: Arc::new(SeededRandom::new(1)),
            engine: Arc::clone(&engine) as Arc<_>,
            engine_events,
            cache: Arc::clone(&cache),
            checkpoint: Checkpoint::open(folder).unwrap(),
            tasks: Arc::clone(&tasks),
            submit: Arc::new(Recorder(report)),
            surroundings,
            network_ready,
            network: None,
            networks_changed: Arc::new(Notify::new()),
            rules: Rules {
                stop_timeout: Duration::from_secs(30),
                cleanup_wait: Duration::from_secs(60),
                cleanup_jitter: Duration::ZERO,
                pulls: Pulls::InOrder,
                image_cleanup: Some(ImageCleanup {
                    interval: Duration::from_secs(30),
                    minimum_age: Duration::from_secs(20),
                    per_cycle: 5,
                }),
            },
            supplies: Arc::new(nowhere(&cache)),
            metadata_files: None,
        });
        let (commands, receiver) = Manager::channel();
        let running = tokio::spawn(manager.unwrap().run(receiver, ending, stop_all));
        Self {
            engine,
            events,
            commands,
            reports,
            cache,
            tasks,
            clock,
            ready,
            shutdown,
            running,
        }
    }

    async fn accept(&self, task: Task) {
        let credentials = RoleCredentials {
            id: "CRED".into(),
            role_arn: "role".into(),
            access_key_id: "AK".into(),
            secret_access_key: Secret::new("canary-secret"),
            session_token: Secret::new("canary-token"),
            expiration: "soon".into(),
        };
        let (saved, is_saved) = oneshot::channel();
        let incoming = Incoming {
            task,
            credentials: vec![(RoleKind::TaskApplication, credentials)],
        };
        self.commands
            .send(Command::Accept(vec![incoming], saved))
            .await
            .unwrap();
        is_saved.await.unwrap();
    }

    async fn happens(&self, name: &str, seen: Observed) {
        self.engine.set(name, seen);
        self.events
            .send(EngineEvent::Changed(name.to_owned()))
            .await
            .unwrap();
    }

    async fn report(&mut self) -> String {
        self.reports.recv().await.unwrap()
    }
}

/// A task whose containers' engine names are their names.
fn simple(containers: &[(&str, bool)]) -> Task {
    let mut task = task(
        containers
            .iter()
            .map(|(name, essential)| container(name, *essential, &[]))
            .collect(),
    );
    for container in &mut task.containers {
        container.docker_name.clone_from(&container.definition.name);
    }
    task.credentials_id = Some("CRED".into());
    task
}

#[tokio::test(start_paused = true)]
async fn agent_5_4_a_task_from_payload_to_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true), ("side", false)])).await;
    assert!(rig.cache.keys("CRED").is_some());
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING side=RUNNING");
    rig.happens("app", exited("app", 7)).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(7) side=STOPPED(143)");
    assert_eq!(rig.engine.log(), ["launch app", "launch side", "stop side 30"]);
    assert!(
        rig.cache.get("CRED").is_none(),
        "agent.md 0.10: forgotten once the task is stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn agent_5_1_a_container_that_is_over_at_once_was_running_first() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::<FakeEngine>::default();
    engine.set("app", exited("app", 0));
    let mut rig = Rig::new(folder.path(), engine);
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(0)");
}

#[tokio::test(start_paused = true)]
async fn agent_8_what_cannot_start_is_stopped_with_its_reason_and_was_never_running() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let reason = "CannotPullContainerError: no";
    rig.engine
        .refusals
        .lock()
        .unwrap()
        .insert("launch app".into(), EngineError::Refused(reason.into()));
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, format!("STOPPED: app=STOPPED {reason}"));
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_cannot_honour_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", true)]);
    task.containers[0].definition.unsupported = vec!["secrets".into()];
    rig.accept(task).await;
    let expected = "STOPPED: app=STOPPED CannotCreateContainerError: this agent does not support secrets";
    assert_eq!(rig.report().await, expected);
    assert!(rig.engine.log().is_empty());
}

#[test]
fn processes_share_no_namespaces() {
    let mut task = simple(&[("app", true)]);
    task.namespaces = Namespaces::read(Some("host"), Some("none")).unwrap();
    housekeeping::made_of_processes(&mut task);
    assert_eq!(task.containers[0].definition.unsupported, ["pidMode", "ipcMode"]);
}

#[tokio::test(start_paused = true)]
async fn agent_5_2_the_same_payload_twice_starts_once_and_stopped_wins() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", true)]);
    task.containers[0].definition.stop_timeout = Some(5);
    rig.accept(task.clone()).await;
    rig.accept(task.clone()).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.accept(Task {
        desired: Desired::Stopped,
        ..task.clone()
    })
    .await;
    rig.accept(task).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    assert_eq!(rig.engine.log(), ["launch app", "stop app 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    for step in ["launch app", "stop app 30"] {
        rig.engine
            .refusals
            .lock()
            .unwrap()
            .insert(step.into(), EngineError::Unreachable("gone".into()));
    }
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.commands.send(Command::Stop(vec![ARN.into()])).await.unwrap();
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    assert_eq!(
        rig.engine.log(),
        ["launch app", "launch app", "stop app 30", "stop app 30"]
    );
}

#[tokio::test(start_paused = true)]
async fn no_task_starts_before_the_network_is_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.ready.send_replace(false);
    rig.accept(simple(&[("app", true)])).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::task::yield_now().await;
    assert!(rig.engine.log().is_empty());
    rig.ready.send_replace(true);
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
}

#[tokio::test(start_paused = true)]
async fn agent_0_9_the_next_agent_finds_its_tasks_and_awaits_their_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::<FakeEngine>::default();
    let mut first = Rig::with(folder.path(), Arc::clone(&engine), false);
    first.accept(simple(&[("app", true)])).await;
    assert_eq!(first.report().await, "RUNNING: app=RUNNING");
    first.shutdown.send_replace(true);
    first.running.await.unwrap();
    let saved = std::fs::read_to_string(folder.path().join("checkpoint/tasks/aaaa.json")).unwrap();
    assert!(!saved.contains("canary"), "no secret is saved");

    let mut second = Rig::new(folder.path(), Arc::clone(&engine));
    assert!(
        second.cache.get("CRED").is_some() && second.cache.keys("CRED").is_none(),
        "503 until ACS sends them"
    );
    second.events.send(EngineEvent::Resync).await.unwrap();
    second.happens("app", Observed::Missing).await;
    assert_eq!(
        second.report().await,
        "STOPPED: app=STOPPED ContainerVanishedError: No container matching saved ID found"
    );
    assert_eq!(engine.log(), ["launch app"], "not started again");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_task_is_cleaned_up_after_its_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.happens("app", exited("app", 0)).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(0)");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(rig.tasks.get(ARN).is_some());
    rig.clock.advance_seconds(60);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(rig.tasks.get(ARN).is_none());
    assert_eq!(rig.engine.log().last().unwrap(), "remove app");
    assert!(!folder.path().join("checkpoint/tasks/aaaa.json").exists());
}

#[tokio::test(start_paused = true)]
async fn an_ending_agent_stops_and_reports_its_tasks_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.shutdown.send_replace(true);
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    rig.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn agent_5_1_single_ends_are_reported_by_the_ticker() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true), ("side", false)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING side=RUNNING");
    rig.happens("side", exited("side", 1)).await;
    assert_eq!(rig.report().await, "RUNNING: side=STOPPED(1)");
}

#[tokio::test(start_paused = true)]
async fn agent_1_4_rotation_replaces_keys_of_known_tasks_only() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true)])).await;
    for (arn, expected) in [(ARN, true), ("arn:other", false)] {
        let (known, is_known) = oneshot::channel();
        let credentials = RoleCredentials {
            id: if expected { "CRED".into() } else { "OTHER".into() },
            role_arn: "role".into(),
            access_key_id: "AK2".into(),
            secret_access_key: Secret::new("s"),
            session_token: Secret::new("t"),
            expiration: "later".into(),
        };
        let refresh = Command::Refresh {
            task_arn: arn.into(),
            kind: RoleKind::TaskApplication,
            credentials,
            known,
        };
        rig.commands.send(refresh).await.unwrap();
        assert_eq!(is_known.await, Ok(expected));
    }
    assert_eq!(rig.cache.keys("CRED").unwrap().access_key_id, "AK2");
    assert!(rig.cache.get("OTHER").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_saved_is_neither_acked_nor_started_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let (tasks, away) = (folder.path().join("checkpoint/tasks"), folder.path().join("away"));
    std::fs::rename(&tasks, &away).unwrap();
    let (saved, is_saved) = oneshot::channel();
    let incoming = Incoming {
        task: simple(&[("app", true)]),
        credentials: Vec::new(),
    };
    rig.commands
        .send(Command::Accept(vec![incoming], saved))
        .await
        .unwrap();
    assert!(is_saved.await.is_err());
    assert!(rig.engine.log().is_empty());
    std::fs::rename(&away, &tasks).unwrap();
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
}

/// A task whose image is still to be brought.
fn imageless(image: &str) -> Task {
    let mut task = simple(&[("app", true)]);
    let app = &mut task.containers[0];
    (app.resolved, app.pulled) = (false, false);
    app.definition.image = image.to_owned();
    task
}

#[tokio::test(start_paused = true)]
async fn agent_6_an_image_is_looked_up_reported_and_pulled_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(imageless("app:1")).await;
    assert_eq!(rig.report().await, "PENDING: app=PENDING");
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    assert_eq!(
        rig.engine.log(),
        ["resolve app:1", "pull app:1 sha256:00", "launch app"]
    );
    assert!(rig.tasks.get(ARN).unwrap().pull_stopped_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn agent_8_a_stop_does_not_wait_for_a_pull() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(imageless("slow")).await;
    assert_eq!(rig.report().await, "PENDING: app=PENDING");
    rig.commands.send(Command::Stop(vec![ARN.into()])).await.unwrap();
    let reason = format!(
        "TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for task: {ARN}"
    );
    assert_eq!(rig.report().await, format!("STOPPED: app=STOPPED {reason}"));
    assert_eq!(rig.engine.log(), ["resolve slow", "pull slow sha256:00"]);
}

#[tokio::test(start_paused = true)]
async fn agent_8_what_cannot_be_looked_up_stops_the_task_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let reason = "CannotPullImageManifestError: no";
    let refusal = EngineError::Refused(reason.into());
    rig.engine
        .refusals
        .lock()
        .unwrap()
        .insert("resolve app:1".into(), refusal);
    rig.accept(imageless("app:1")).await;
    assert_eq!(rig.report().await, format!("STOPPED: app=STOPPED {reason}"));
}

#[tokio::test(start_paused = true)]
async fn agent_8_a_start_that_timed_out_is_stopped_to_make_sure() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let reason = "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s";
    let late = EngineError::TimedOut(reason.into());
    rig.engine
        .refusals
        .lock()
        .unwrap()
        .insert("launch app".into(), late);
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, format!("STOPPED: app=STOPPED {reason}"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.engine.log(), ["launch app", "stop app 30"]);
}

#[tokio::test(start_paused = true)]
async fn an_ending_agent_waits_until_a_start_that_timed_out_cannot_come_up_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let refusals = [
        ("launch app", EngineError::TimedOut("late".into())),
        ("stop app 30", EngineError::Unreachable("gone".into())),
    ];
    let refusals = refusals.map(|(line, error)| (line.to_owned(), error));
    rig.engine.refusals.lock().unwrap().extend(refusals);
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED late");
    rig.shutdown.send_replace(true);
    rig.running.await.unwrap();
    assert_eq!(rig.engine.log(), ["launch app", "stop app 30", "stop app 30"]);
}

#[tokio::test(start_paused = true)]
async fn agent_8_a_container_with_a_restart_policy_is_started_again_and_the_task_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", true)]);
    task.containers[0].definition.restart_policy = Some(crate::task::model::RestartPolicy {
        ignored_exit_codes: vec![0],
        attempt_period: 60,
    });
    rig.accept(task).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.clock.advance_seconds(60);
    rig.happens("app", exited("app", 1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.engine.log(), ["launch app", "restart app"]);
    let app = rig.tasks.get(ARN).unwrap().containers[0].clone();
    assert_eq!((app.known, app.restart_count), (Known::Running, 1));
    rig.clock.advance_seconds(100);
    rig.happens("app", exited("app", 0)).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(0)");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_made_and_never_started_is_removed_by_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::<FakeEngine>::default();
    let mut task = simple(&[("app", true)]);
    (task.containers[0].attempted, task.desired) = (true, Desired::Stopped);
    Checkpoint::open(folder.path()).unwrap().save_task(&task).unwrap();
    engine.set("app", Observed::Created);
    let mut rig = Rig::new(folder.path(), Arc::clone(&engine));
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED");
    assert_eq!(engine.log(), ["stop app 30", "remove app"]);
}

/// T8 in small: killed after the order was saved and before its end was, then told to stop.
#[tokio::test(start_paused = true)]
async fn a_container_whose_start_nobody_saw_is_stopped_and_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::<FakeEngine>::default();
    let mut task = simple(&[("app", true)]);
    (task.containers[0].attempted, task.desired) = (true, Desired::Stopped);
    Checkpoint::open(folder.path()).unwrap().save_task(&task).unwrap();
    engine.set("app", running("app"));
    let mut rig = Rig::new(folder.path(), Arc::clone(&engine));
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    assert_eq!(engine.log(), ["stop app 30"]);
}

#[tokio::test(start_paused = true)]
async fn agent_7_unused_images_go_when_their_last_task_is_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(imageless("app:1")).await;
    assert_eq!(rig.report().await, "PENDING: app=PENDING");
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.clock.advance_seconds(100);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let discarded = |rig: &Rig| rig.engine.log().iter().any(|line| line == "discard app:1");
    assert!(!discarded(&rig), "in use");
    rig.happens("app", exited("app", 0)).await;
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(0)");
    rig.clock.advance_seconds(100);
    tokio::time::sleep(Duration::from_secs(2)).await;
    rig.clock.advance_seconds(100);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(discarded(&rig), "{:?}", rig.engine.log());
    rig.accept(imageless("app:1")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        !rig.engine.log().iter().any(|line| line.ends_with("again")),
        "forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_ends_a_new_task_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let (tasks, away) = (folder.path().join("checkpoint/tasks"), folder.path().join("away"));
    std::fs::rename(&tasks, &away).unwrap();
    let (saved, is_saved) = oneshot::channel();
    let incoming = Incoming {
        task: simple(&[("app", true)]),
        credentials: Vec::new(),
    };
    rig.commands
        .send(Command::Accept(vec![incoming], saved))
        .await
        .unwrap();
    assert!(is_saved.await.is_err());
    rig.clock.advance_seconds(61);
    let report = rig.report().await;
    let expected = "STOPPED: app=STOPPED ResourceInitializationError: the agent cannot save its state: ";
    assert!(report.starts_with(expected), "{report}");
    assert!(rig.engine.log().is_empty());
}
