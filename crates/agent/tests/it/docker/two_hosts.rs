//! Two machines: two network namespaces on one link, each with an agent and a Docker Engine of its own. The second is a
//! process of its own, this very test program run inside its namespace.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::awsvpc::{LISTEN, is_barred, listening, reaches, rules, running, task, tcp};
use super::faults::Daemon;
use super::room::{Room, run};
use crate::plane::{Plane, Registration};

const SECOND: &str = "PORTCULLIS_SECOND_HOST";
const READY: &str = "the second host is ready";

/// The second machine, gone when dropped.
struct SecondHost {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl SecondHost {
    /// Both machines are on the link of the tasks' subnet: 10.0.0.2 and 10.0.0.3.
    fn start() -> Self {
        run("ip", &["netns", "add", "hostb"]);
        run(
            "ip",
            &[
                "link", "add", "uplink0", "type", "veth", "peer", "name", "uplink0", "netns", "hostb",
            ],
        );
        run("ip", &["addr", "add", "10.0.0.2/24", "dev", "uplink0"]);
        run("ip", &["link", "set", "uplink0", "up"]);
        run(
            "ip",
            &["-n", "hostb", "addr", "add", "10.0.0.3/24", "dev", "uplink0"],
        );
        run("ip", &["-n", "hostb", "link", "set", "uplink0", "up"]);
        run("ip", &["-n", "hostb", "link", "set", "lo", "up"]);
        let program = std::env::current_exe().unwrap();
        // `ip netns exec` would mount another /sys, without its cgroups.
        let mut process = Command::new("nsenter")
            .arg("--net=/run/netns/hostb")
            .arg(program)
            .args(["--exact", "docker::two_hosts::the_second_host", "--nocapture"])
            .env(SECOND, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn wait_until_ready(&mut self) {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if line.contains(READY) {
                return;
            }
            line.clear();
        }
        panic!("the second host ended: {:?}", self.process.wait());
    }

    /// Tells it to look from its side, and to end.
    fn end(mut self) -> bool {
        drop(self.process.stdin.take());
        let _ = self.output.read_to_string(&mut String::new());
        self.process.wait().unwrap().success()
    }
}

impl Drop for SecondHost {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("ip").args(["link", "del", "uplink0"]).output();
        let _ = Command::new("ip").args(["netns", "del", "hostb"]).output();
    }
}

/// Not a test by itself: what the second machine does, when it is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_host() {
    if std::env::var_os(SECOND).is_none() {
        return;
    }
    let own = tempfile::Builder::new().prefix("hb").tempdir_in("/run").unwrap();
    let host = format!("unix://{}/docker.sock", own.path().display());
    let daemon = Daemon::start(own.path()).await;
    let room = Room::beside(own.path(), host);
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    let open = rules(json!([tcp(8080, "10.0.0.15/32")]));
    running(&mut plane, &mut acs, 1, task('m', 40, LISTEN, open)).await;
    listening(&room, 'm').await;
    println!("{READY}");
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await.unwrap().unwrap();
    assert!(reaches(&room, 'm', "10.0.0.15", 8080), "and the other way round");
    assert!(is_barred(&room, 'm', "10.0.0.15", 9090));
    agent.end().await.unwrap();
    daemon.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awsvpc_tasks_of_two_hosts_reach_each_other_as_their_groups_say() {
    let room = Room::enter();
    let mut second = SecondHost::start();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    let open = rules(json!([tcp(8080, "10.0.0.40/32")]));
    running(&mut plane, &mut acs, 1, task('b', 15, LISTEN, open)).await;
    running(&mut plane, &mut acs, 2, task('c', 16, LISTEN, rules(json!([])))).await;
    listening(&room, 'b').await;
    second.wait_until_ready();
    assert!(reaches(&room, 'b', "10.0.0.40", 8080), "the group lets it in");
    assert!(is_barred(&room, 'b', "10.0.0.40", 9090), "another port");
    assert!(is_barred(&room, 'c', "10.0.0.40", 8080), "another source");
    assert!(second.end(), "the second host saw the same");
    agent.end().await.unwrap();
}
