//! What goes wrong on Docker, and the reason ECS would give.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};

use serde_json::{Value, json};

use super::room::{IMAGE, Room, eventually, run, succeeds};
use crate::plane::{Plane, Registration};
use crate::rig::{TASK, payload, shell_task};

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
            "CannotPullContainerError: ",
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
struct Daemon {
    process: Child,
}

impl Daemon {
    async fn start(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let host = format!("unix://{}", path("docker.sock"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("dockerd.log"))
            .unwrap();
        fs::write(path("daemon.json"), "{}").unwrap();
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

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn end(mut self) {
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
