//! T7: the network between an agent and its server is cut, without a word to either side, and comes back. A whole agent with
//! real processes for containers, a server, and between them what passes everything on or nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_agent::{Config, CredentialsSource, EngineChoice, InstanceCredentials, Seams, Status};
use portcullis_api::ecs;
use portcullis_control::acs::Timing;
use portcullis_control::schedule::services;
use portcullis_core::{Secret, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::{Front, cluster, definition, describe, run, task_role};
use crate::harness::{Server, allow};

/// `cargo xtask torture partition` asks for a partition of that many seconds.
const SECONDS_VARIABLE: &str = "PORTCULLIS_PARTITION_SECONDS";
/// What T7 wants after a partition of full length.
const CONVERGES_WITHIN: Duration = Duration::from_secs(10);
/// Life of task credentials.
const LIFE_SECONDS: i64 = 6 * 60 * 60;

#[expect(
    clippy::disallowed_methods,
    reason = "the torture run asks for a longer partition than the normal one"
)]
fn asked_for() -> Option<Duration> {
    let seconds = std::env::var(SECONDS_VARIABLE).ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// A test that must wait for this long has failed. At its own pace a server takes 200 seconds to miss an agent.
fn patience() -> Duration {
    Duration::from_secs(if asked_for().is_some() { 300 } else { 60 })
}

/// Between agent and server. While it is cut nothing passes, and nobody is told.
async fn line_to(server: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, is_cut) = watch::channel(false);
    tokio::spawn(async move {
        let mut passing = JoinSet::new();
        while let Ok((agent, _)) = listener.accept().await {
            let mut is_cut = is_cut.clone();
            passing.spawn(async move {
                let _ = is_cut.wait_for(|cut| !cut).await;
                let Ok(server) = TcpStream::connect(server).await else {
                    return;
                };
                let ((from_agent, to_agent), (from_server, to_server)) =
                    (agent.into_split(), server.into_split());
                tokio::join!(
                    pass(from_agent, to_server, is_cut.clone()),
                    pass(from_server, to_agent, is_cut)
                );
            });
        }
    });
    (address, cut)
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; 65_536];
    loop {
        let length = from.read(&mut chunk).await.unwrap_or_default();
        let _ = is_cut.wait_for(|cut| !cut).await;
        if length == 0 || to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

/// An agent whose containers are processes, and what they leave in a folder.
struct Host {
    folder: tempfile::TempDir,
    status: watch::Receiver<Status>,
    shutdown: watch::Sender<bool>,
    running: tokio::task::JoinHandle<Result<(), portcullis_agent::AgentError>>,
}

impl Host {
    fn start(server: &Server, address: SocketAddr, silence: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = CredentialsSource::Static(InstanceCredentials {
            access_key_id: server.root.access_key_id.clone(),
            secret_access_key: Secret::new(server.root.secret.expose()),
            session_token: None,
        });
        let region = server.root.region.parse().unwrap();
        let url = format!("http://{address}");
        let mut config = Config::new("c", region, url, keys, folder.path().join("agent"));
        config.engine = EngineChoice::Process;
        (config.cpu_units, config.memory_mib) = (Some(4_096), Some(4_096));
        config.stop_tasks_on_shutdown = true;
        config.silence_max = silence.unwrap_or(config.silence_max);
        let (sender, status) = watch::channel(Status::default());
        let (shutdown, ending) = watch::channel(false);
        let seams = Seams {
            clock: server.clock.clone(),
            random: Arc::new(SystemRandom),
        };
        Self {
            folder,
            status,
            shutdown,
            running: tokio::spawn(portcullis_agent::run(config, seams, sender, ending)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process ids of all containers there ever were of a family.
    fn started(&self, family: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(&format!("{family}.pids"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Containers of a family end by this code.
    fn end(&self, family: &str, code: i32) {
        let draft = self.path("draft");
        fs::write(&draft, code.to_string()).unwrap();
        fs::rename(&draft, self.path(&format!("{family}.end"))).unwrap();
    }

    /// What the family's first container gets from the credentials endpoint: status and body.
    async fn credentials(&self, family: &str) -> (u16, String) {
        let environment = fs::read_to_string(self.path(&format!("{family}.env"))).unwrap();
        let variable = |name: &str| {
            let mut lines = environment.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap()
                .to_owned()
        };
        let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let (host, path) = uri.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A family whose containers leave their process id and environment, and end when they are told how.
    async fn family(&self, server: &Server, name: &str, role: Option<String>) -> String {
        let [pids, env, end] = ["pids", "env", "end"].map(|kind| self.path(&format!("{name}.{kind}")));
        let (pids, env, end) = (pids.display(), env.display(), end.display());
        let script = format!(
            "trap 'exit 0' TERM; env >{env}; echo $$ >>{pids}; while [ ! -e {end} ]; do sleep 0.05; done; code=$(cat {end}); rm {end}; exit $code"
        );
        definition(server, name, |request| {
            let container = &mut request.container_definitions[0];
            container.entry_point = Some(vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            container.command = Some(vec![script]);
            request.task_role_arn = role;
        })
        .await
    }
}

/// Looks until it holds; how long that took.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < patience(), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

async fn run_one(server: &Server, definition: &str) -> String {
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", definition)).await;
    assert_eq!(ran.failures, Some(Vec::new()));
    ran.tasks.unwrap()[0].task_arn.clone().unwrap()
}

/// Last status, and exit code once there is one.
async fn state(server: &Server, task: &str) -> (String, Option<i32>) {
    let shown = describe(server, "c", task).await;
    let code = shown.containers.unwrap()[0].exit_code;
    (shown.last_status.unwrap(), code)
}

/// The tasks of the service, whether they shall run or not.
async fn of_service(server: &Server, desired: &str) -> Vec<String> {
    let request = ecs::ListTasksRequest {
        cluster: Some("c".to_owned()),
        service_name: Some("served".to_owned()),
        desired_status: Some(desired.to_owned()),
        ..Default::default()
    };
    let listed = server.root.ok::<ecs::op::ListTasks>(&request).await;
    listed.task_arns.unwrap()
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

async fn is_connected(server: &Server) -> bool {
    let view = server.gate.world().view();
    view.ecs
        .container_instances
        .iter()
        .any(|(_, row)| row.agent_connected)
}

/// What is there before the partition.
struct Stage {
    server: Server,
    _front: Front,
    cut: watch::Sender<bool>,
    host: Host,
    /// With a role; goes on through everything.
    worker: String,
    /// Ends during the partition.
    short: String,
    /// The service's task, which ends during the partition too.
    served: String,
    late: String,
    _stop: watch::Sender<bool>,
}

impl Stage {
    async fn set() -> Self {
        let server = Server::start().await;
        cluster(&server, "c").await;
        let quick = Timing {
            heartbeat_min: Duration::from_millis(300),
            heartbeat_jitter: Duration::from_millis(50),
            check: Duration::from_millis(100),
            ..Timing::default()
        };
        let is_short = asked_for().is_none();
        let timing = if is_short { quick } else { Timing::default() };
        let front = Front::open_with(&server, timing).await;
        let (address, cut) = line_to(front.address).await;
        let host = Host::start(&server, address, is_short.then_some(Duration::from_secs(1)));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(services::run(server.gate.clone(), stopped));
        until("connected", async || is_connected(&server).await).await;
        let role = task_role(&server, "worker", &allow("ecs:ListClusters", "*")).await;
        let worker = host.family(&server, "worker", Some(role)).await;
        let short = host.family(&server, "short", None).await;
        let late = host.family(&server, "late", None).await;
        let served = host.family(&server, "served", None).await;
        let create = ecs::CreateServiceRequest {
            cluster: Some("c".to_owned()),
            service_name: "served".to_owned(),
            task_definition: Some(served),
            desired_count: Some(1),
            ..Default::default()
        };
        server.root.ok::<ecs::op::CreateService>(&create).await;
        let (worker, short) = (run_one(&server, &worker).await, run_one(&server, &short).await);
        until("the service has its task", async || {
            of_service(&server, "RUNNING").await.len() == 1
        })
        .await;
        let served = of_service(&server, "RUNNING").await.remove(0);
        for task in [&worker, &short, &served] {
            until("all run", async || state(&server, task).await.0 == "RUNNING").await;
        }
        for family in ["worker", "short", "served"] {
            until("it has begun", async || host.started(family).len() == 1).await;
        }
        Self {
            server,
            _front: front,
            cut,
            host,
            worker,
            short,
            served,
            late,
            _stop: stop,
        }
    }

    /// What is seen on both sides of the cut; the late task's ARN, and the key that was served at first.
    async fn during(&mut self) -> (String, String) {
        let (server, host) = (&self.server, &self.host);
        // The server does not know yet: it places a task there, and the agent does not hear of it.
        let late = run_one(server, &self.late).await;
        host.end("short", 3);
        host.end("served", 4);
        until("the server notices", async || !is_connected(server).await).await;
        let mut status = host.status.clone();
        let noticed = status.wait_for(|status| !status.connected);
        tokio::time::timeout(patience(), noticed)
            .await
            .expect("the agent notices")
            .unwrap();
        let refused = server.root.ok::<ecs::op::RunTask>(&run("c", "late")).await;
        assert_eq!(refused.failures.unwrap()[0].reason.as_deref(), Some("AGENT"));
        // Served on, to the second at which they end.
        let (status, first) = host.credentials("worker").await;
        assert_eq!(status, 200);
        server.clock.advance_seconds(LIFE_SECONDS - 1);
        assert_eq!(host.credentials("worker").await, (200, first.clone()));
        server.clock.advance_seconds(1);
        let (status, body) = host.credentials("worker").await;
        assert_eq!(status, 503, "{body}");
        if let Some(length) = asked_for() {
            tokio::time::sleep(length).await;
        }
        let worker = host.started("worker");
        assert!(worker.len() == 1 && is_alive(&worker[0]), "{worker:?}");
        for family in ["short", "served"] {
            let started = host.started(family);
            assert!(started.len() == 1, "{family}: {started:?}");
            until("its end", async || !is_alive(&started[0])).await;
        }
        // What the server cannot see it takes for running: nothing is replaced on a guess.
        assert_eq!(
            of_service(server, "RUNNING").await,
            std::slice::from_ref(&self.served)
        );
        assert_eq!(state(server, &self.worker).await.0, "RUNNING");
        assert_eq!(state(server, &self.short).await.0, "RUNNING");
        assert_eq!(state(server, &late).await.0, "PENDING");
        assert!(host.started("late").is_empty());
        (late, first)
    }

    /// Both sides say the same again.
    async fn agree(&self, late: &str) -> bool {
        let server = &self.server;
        let running = ("RUNNING".to_owned(), None);
        let stopped = |code| ("STOPPED".to_owned(), Some(code));
        let successors = of_service(server, "RUNNING").await;
        let [successor] = &successors[..] else {
            return false;
        };
        is_connected(server).await
            && state(server, &self.short).await == stopped(3)
            && state(server, &self.served).await == stopped(4)
            && state(server, &self.worker).await == running
            && state(server, late).await == running
            && *successor != self.served
            && state(server, successor).await == running
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t7_a_partition_loses_nothing_and_repeats_nothing() {
    let mut stage = Stage::set().await;
    stage.cut.send_replace(true);
    let (late, first) = stage.during().await;
    stage.cut.send_replace(false);
    let agreed = until("both sides agree", async || stage.agree(&late).await).await;
    let renewed = until("its credentials are renewed", async || {
        let (status, body) = stage.host.credentials("worker").await;
        status == 200 && body != first
    })
    .await;
    eprintln!("agreed after {agreed:?}, credentials {renewed:?} later");
    // Other tests run beside the short one.
    assert!(
        asked_for().is_none() || agreed + renewed < CONVERGES_WITHIN,
        "{agreed:?}, {renewed:?}"
    );
    let (server, host) = (&stage.server, &stage.host);
    for (family, count) in [("worker", 1), ("short", 1), ("late", 1), ("served", 2)] {
        until("it has begun", async || host.started(family).len() >= count).await;
        assert_eq!(host.started(family).len(), count, "{family}");
    }
    assert_eq!(of_service(server, "STOPPED").await, [stage.served.clone()]);
    let Host {
        shutdown, running, ..
    } = stage.host;
    shutdown.send_replace(true);
    running.await.unwrap().unwrap();
}
