//! What goes wrong on Docker, and the reason ECS would give.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::imds::BACK_WITHIN;
use super::room::{IMAGE, Room, eventually, run, succeeds, traces};
use crate::plane::{Plane, Registration};
use crate::rig::{Agent, TASK, payload, shell_task};

/// Ends at once when told to, which a first process that sets no trap would not.
const WAITING: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

async fn outcome(room: &Room, task: Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    acs.send("PayloadMessage", payload("m1", 1, task)).await;
    let stopped = plane.stopped().await;
    agent.end().await.unwrap();
    let container = room.docker(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label=com.amazonaws.ecs.task-arn={TASK}"),
    ]);
    if !container.trim().is_empty() {
        room.docker(&["rm", "-f", container.trim()]);
    }
    stopped
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_8_reasons_of_containers_that_fail() {
    let room = Room::enter();
    let shell = |image: &str, script: &str| shell_task(image, script, "RUNNING", None);
    let mut no_program = shell(IMAGE, "");
    no_program["containers"][0]["entryPoint"] = json!(["/bin/nothing"]);
    let mut bad_host_config = shell(IMAGE, "");
    bad_host_config["containers"][0]["dockerConfig"]["hostConfig"] = json!("{");
    let mut hungry = shell(IMAGE, "tail /dev/zero");
    hungry["containers"][0]["memory"] = json!(8);
    let cases = [
        (
            no_program,
            "CannotStartContainerError: Error response from daemon: ",
            Value::Null,
        ),
        (bad_host_config, "HostConfigError: ", Value::Null),
        (
            shell("portcullis/ghost:none", "true"),
            "CannotPullImageManifestError: ",
            Value::Null,
        ),
        (
            hungry,
            "OutOfMemoryError: Container killed due to memory usage",
            json!(137),
        ),
    ];
    for (task, reason, exit_code) in cases {
        let stopped = outcome(&room, task).await;
        let container = &stopped["containers"][0];
        assert!(
            container["reason"]
                .as_str()
                .unwrap_or_default()
                .starts_with(reason),
            "{stopped}"
        );
        assert_eq!(container["exitCode"], exit_code, "{stopped}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_8_a_container_removed_behind_the_agents_back_has_vanished() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut first = room.agent(folder.path(), &plane, |_| {});
    first.connected().await;
    let (_, mut acs) = plane.acs().await;
    acs.send(
        "PayloadMessage",
        payload("m1", 1, shell_task(IMAGE, WAITING, "RUNNING", None)),
    )
    .await;
    assert_eq!(plane.call("SubmitTaskStateChange").await["status"], "RUNNING");
    first.abandon().await;
    let container = room.docker(&[
        "ps",
        "-q",
        "--filter",
        &format!("label=com.amazonaws.ecs.task-arn={TASK}"),
    ]);
    room.docker(&["rm", "-f", container.trim()]);
    let mut second = room.agent(folder.path(), &plane, |_| {});
    second.connected().await;
    let stopped = plane.stopped().await;
    assert_eq!(
        stopped["containers"][0]["reason"],
        "ContainerVanishedError: No container matching saved ID found"
    );
    second.end().await.unwrap();
}

/// A Docker Engine of the test's own, to be killed.
pub struct Daemon {
    process: Child,
}

impl Daemon {
    pub async fn start(folder: &Path) -> Self {
        Self::configured(folder, "{}").await
    }

    async fn configured(folder: &Path, settings: &str) -> Self {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let host = format!("unix://{}", path("docker.sock"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("dockerd.log"))
            .unwrap();
        fs::write(path("daemon.json"), settings).unwrap();
        let arguments = [
            ["--config-file", &path("daemon.json")],
            ["--data-root", &path("data")],
            ["--exec-root", &path("exec")],
            ["--pidfile", &path("docker.pid")],
            ["--host", &host],
            ["--bridge", "none"],
        ];
        let process = Command::new("unshare")
            // In a network of its own: told to do without a bridge, it would remove the room's.
            .args(["--net", "dockerd"])
            .args(arguments.as_flattened())
            .arg("--iptables=false")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        eventually("the second Docker Engine answers", || {
            succeeds("docker", &["-H", &host, "version"])
        })
        .await;
        Self { process }
    }

    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        run("kill", &[name, &self.process.id().to_string()]);
    }

    pub fn end(mut self) {
        run("kill", &[&self.process.id().to_string()]);
        self.process.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_dying_under_a_task_and_coming_back_loses_nothing() {
    let room = Room::enter();
    // Short: the path of a socket may have 108 bytes.
    let own = tempfile::Builder::new().prefix("dd").tempdir_in("/run").unwrap();
    let host = format!("unix://{}/docker.sock", own.path().display());
    let daemon = Daemon::start(own.path()).await;
    room.import_image(&host);
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |config| {
        config.docker_host = Some(host.clone())
    });
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    let mut task = shell_task(IMAGE, WAITING, "RUNNING", None);
    task["containers"][0]["dockerConfig"]["hostConfig"] = json!("{\"NetworkMode\":\"none\"}");
    acs.send("PayloadMessage", payload("m1", 1, task.clone())).await;
    assert_eq!(plane.call("SubmitTaskStateChange").await["status"], "RUNNING");

    daemon.kill();
    // A task that is placed meanwhile waits for Docker instead of failing.
    let mut second = task;
    second["arn"] = json!(TASK.replace("aaaa", "bbbb"));
    acs.send("PayloadMessage", payload("m2", 2, second)).await;
    acs.receive().await;
    let daemon = Daemon::start(own.path()).await;
    let (mut stopped, mut running) = (false, false);
    while !(stopped && running) {
        let change = plane.call("SubmitTaskStateChange").await;
        match (change["task"] == TASK, change["status"].as_str().unwrap()) {
            (true, "STOPPED") => stopped = true,
            (false, "RUNNING") => running = true,
            _ => panic!("unexpected {change}"),
        }
    }
    agent.end().await.unwrap();
    daemon.end();
}

/// A task on a Docker Engine of the test's own.
struct Fragile {
    room: Room,
    own: tempfile::TempDir,
    host: String,
    plane: Plane,
}

impl Fragile {
    async fn set(settings: &str) -> (Self, Daemon) {
        let room = Room::enter();
        let own = tempfile::Builder::new().prefix("dd").tempdir_in("/run").unwrap();
        let host = format!("unix://{}/docker.sock", own.path().display());
        let daemon = Daemon::configured(own.path(), settings).await;
        room.import_image(&host);
        let plane = Plane::start(Registration::Echo).await;
        let fragile = Self {
            room,
            own,
            host,
            plane,
        };
        (fragile, daemon)
    }

    fn agent(&self, folder: &Path) -> Agent {
        self.agent_on(folder, &self.host)
    }

    fn agent_on(&self, folder: &Path, host: &str) -> Agent {
        self.room.agent(folder, &self.plane, |config| {
            config.docker_host = Some(host.to_owned());
            config.containers.create_timeout = Duration::from_secs(4);
            config.containers.start_timeout = Duration::from_secs(4);
            config.stop_timeout = Duration::from_secs(1);
        })
    }

    fn running(&self) -> String {
        run("docker", &["-H", &self.host, "ps", "-q", "--no-trunc"])
            .trim()
            .to_owned()
    }
}

pub fn unnetworked(id: &str) -> Value {
    let mut task = shell_task(IMAGE, WAITING, "RUNNING", None);
    task["arn"] = json!(format!("{}{id}", TASK.trim_end_matches('a')));
    task["containers"][0]["dockerConfig"]["hostConfig"] = json!("{\"NetworkMode\":\"none\"}");
    task
}

/// How long the engine hangs; `cargo xtask torture agent` asks for the five minutes of T9.
#[expect(
    clippy::disallowed_methods,
    reason = "the torture run asks for more than the normal one"
)]
fn hang() -> Duration {
    let seconds = std::env::var("PORTCULLIS_AGENT_HANG_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t9_an_engine_that_hangs_for_a_while_loses_nothing() {
    let (mut fragile, daemon) = Fragile::set("{}").await;
    let folder = tempfile::tempdir().unwrap();
    let mut agent = fragile.agent(folder.path());
    agent.connected().await;
    let (_, mut acs) = fragile.plane.acs().await;
    acs.send("PayloadMessage", payload("m1", 1, unnetworked("h1")))
        .await;
    assert_eq!(
        fragile.plane.call("SubmitTaskStateChange").await["status"],
        "RUNNING"
    );
    daemon.signal("-STOP");
    // Looking its image up hangs, too, and is waited for.
    acs.send("PayloadMessage", payload("m2", 2, unnetworked("h2")))
        .await;
    acs.receive().await;
    // What stands around the container that runs does not wait for it.
    let start = Instant::now();
    run("nft", &["delete", "table", "inet", "portcullis"]);
    eventually("the fence is back", || traces().1).await;
    assert!(start.elapsed() < BACK_WITHIN, "{:?}", start.elapsed());
    tokio::time::sleep(hang()).await;
    daemon.signal("-CONT");
    let change = fragile.plane.call("SubmitTaskStateChange").await;
    assert_eq!(change["status"], "RUNNING", "a hang is no end: {change}");
    eventually("both run", || fragile.running().lines().count() == 2).await;
    agent.end().await.unwrap();
    assert_eq!(fragile.running(), "");
    daemon.end();
}

/// Passes everything on to an engine; starts of containers wait while the gate is shut.
fn gated(socket: &Path, engine: &str) -> watch::Sender<bool> {
    let listener = UnixListener::bind(socket).unwrap();
    let (gate, open) = watch::channel(false);
    let engine = engine.trim_start_matches("unix://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, mut open) = (UnixStream::connect(&engine).await.unwrap(), open.clone());
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let mut chunk = vec![0; 65_536];
                while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
                    let text = String::from_utf8_lossy(&chunk[..length]);
                    if text.starts_with("POST") && text.lines().next().unwrap().contains("/start") {
                        open.wait_for(|open| *open).await.unwrap();
                    }
                    to_server.write_all(&chunk[..length]).await.unwrap();
                }
            });
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        }
    });
    gate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_8_a_start_that_takes_too_long_is_a_timeout_and_never_comes_up_later() {
    let (mut fragile, daemon) = Fragile::set("{}").await;
    let socket = fragile.own.path().join("gate.sock");
    let gate = gated(&socket, &fragile.host);
    let folder = tempfile::tempdir().unwrap();
    let mut agent = fragile.agent_on(folder.path(), &format!("unix://{}", socket.display()));
    agent.connected().await;
    let (_, mut acs) = fragile.plane.acs().await;
    acs.send("PayloadMessage", payload("m1", 1, unnetworked("g1")))
        .await;
    let stopped = fragile.plane.stopped().await;
    assert_eq!(
        stopped["containers"][0]["reason"],
        "DockerTimeoutError: Could not transition to started; timed out after waiting 4s"
    );
    gate.send_replace(true);
    // A second task goes through the same engine after the late start.
    acs.send("PayloadMessage", payload("m2", 2, unnetworked("g2")))
        .await;
    assert_eq!(
        fragile.plane.call("SubmitTaskStateChange").await["status"],
        "RUNNING"
    );
    // The gate may open before the late one is removed: it may come up for a moment, to be stopped.
    eventually("only the second runs", || fragile.running().lines().count() == 1).await;
    agent.end().await.unwrap();
    assert_eq!(fragile.running(), "");
    daemon.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t9_live_restore_keeps_container_and_task() {
    let (mut fragile, daemon) = Fragile::set("{\"live-restore\":true}").await;
    let folder = tempfile::tempdir().unwrap();
    let mut agent = fragile.agent(folder.path());
    agent.connected().await;
    let (_, mut acs) = fragile.plane.acs().await;
    acs.send("PayloadMessage", payload("m1", 1, unnetworked("r1")))
        .await;
    assert_eq!(
        fragile.plane.call("SubmitTaskStateChange").await["status"],
        "RUNNING"
    );
    let before = fragile.running();
    daemon.signal("-TERM");
    let mut daemon = daemon;
    daemon.process.wait().unwrap();
    let daemon = Daemon::configured(fragile.own.path(), "{\"live-restore\":true}").await;
    // A second task shows that the agent has the engine back; nothing is said of the first.
    acs.send("PayloadMessage", payload("m2", 2, unnetworked("r2")))
        .await;
    let change = fragile.plane.call("SubmitTaskStateChange").await;
    let second = unnetworked("r2")["arn"].clone();
    assert_eq!(
        (&change["task"], &change["status"]),
        (&second, &json!("RUNNING")),
        "{change}"
    );
    assert!(fragile.running().contains(&before), "the same container");
    agent.end().await.unwrap();
    daemon.end();
}
