//! The fence, tried from outside: a neighbour on the same link, the instance metadata service behind the host, and
//! rules that somebody removes. Neighbour and metadata service are network namespaces of the test's own.

use std::process::Command;

use portcullis_agent::{Config, EngineChoice, TaskApi};
use serde_json::json;
use tokio::sync::oneshot;

use super::room::{IMAGE, Room, eventually, run, succeeds, traces};
use crate::plane::{Plane, Registration};
use crate::rig::{payload, shell_task};

/// Ends at once when told to.
const WAITING: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// A network namespace joined to the room by a cable; gone when dropped.
struct Neighbour {
    name: &'static str,
    serving: Option<std::process::Child>,
}

impl Neighbour {
    /// `near` and `far` are the two ends' addresses.
    fn new(name: &'static str, near: &str, far: &str) -> Self {
        let cable = format!("{name}0");
        run("ip", &["netns", "add", name]);
        let neighbour = Self { name, serving: None };
        run(
            "ip",
            &[
                "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", name,
            ],
        );
        run("ip", &["addr", "add", &format!("{near}/24"), "dev", &cable]);
        run("ip", &["link", "set", &cable, "up"]);
        neighbour.ip(&["addr", "add", &format!("{far}/24"), "dev", "eth0"]);
        neighbour.ip(&["link", "set", "eth0", "up"]);
        neighbour.ip(&["link", "set", "lo", "up"]);
        neighbour.ip(&["route", "add", "default", "via", near]);
        neighbour
    }

    fn ip(&self, arguments: &[&str]) {
        run("ip", &[&["-n", self.name], arguments].concat());
    }

    /// Whether it can connect, however slow this machine is.
    fn reaches(&self, address: &str, port: &str) -> bool {
        self.connects(address, port, "15")
    }

    /// Whether it cannot: packets that are dropped are waited for in vain.
    fn is_barred(&self, address: &str, port: &str) -> bool {
        !self.connects(address, port, "1")
    }

    fn connects(&self, address: &str, port: &str, seconds: &str) -> bool {
        let connect = format!("</dev/tcp/{address}/{port}");
        let arguments = [
            "netns", "exec", self.name, "timeout", seconds, "bash", "-c", &connect,
        ];
        succeeds("ip", &arguments)
    }

    fn serve(&mut self, folder: &std::path::Path) {
        let folder = folder.to_str().unwrap();
        let arguments = [
            "netns", "exec", self.name, "busybox", "httpd", "-f", "-p", "80", "-h", folder,
        ];
        self.serving = Some(Command::new("ip").args(arguments).spawn().unwrap());
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            let _ = serving.kill();
            let _ = serving.wait();
        }
        let _ = Command::new("ip")
            .args(["link", "del", &format!("{}0", self.name)])
            .status();
        let _ = Command::new("ip").args(["netns", "del", self.name]).status();
    }
}

/// A tool that does not work for a while. The room's mounts are its own: the machine keeps it.
pub struct Hidden(String);

impl Hidden {
    pub fn new(tool: &str) -> Self {
        Self::behind(tool, "/bin/false")
    }

    /// The other is run in its place, under whatever name it has.
    pub fn behind(tool: &str, other: &str) -> Self {
        let path = run("which", &[tool]).trim().to_owned();
        run("mount", &["--bind", other, &path]);
        Self(path)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// `disturb` is what somebody else does to the rules.
async fn a_neighbour_reaches_nothing(room: &Room, disturb: impl Fn()) {
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(Registration::Echo).await;
    let (deliver, delivered) = oneshot::channel();
    let mut agent = room.agent(folder.path(), &plane, |config| {
        config.task_api = Some(TaskApi {
            port: 4566,
            listener: deliver,
        })
    });
    agent.connected().await;
    let _api = delivered.await.unwrap();
    let neighbour = Neighbour::new("next", "10.9.0.1", "10.9.0.2");
    let control = std::net::TcpListener::bind("10.9.0.1:4567").unwrap();
    assert!(neighbour.reaches("10.9.0.1", "4567"), "the cable works");
    drop(control);
    for port in ["80", "4566"] {
        assert!(neighbour.is_barred("169.254.170.2", port), "port {port}");
    }
    disturb();
    assert!(
        neighbour.reaches("169.254.170.2", "80"),
        "without the rules it could: they are what keeps it out"
    );
    eventually("the rules are back", || {
        neighbour.is_barred("169.254.170.2", "80")
    })
    .await;
    agent.end().await.unwrap();
    assert!(!traces().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_4_11_a_neighbour_reaches_no_port_of_the_address() {
    let room = Room::enter();
    let delete = || drop(run("nft", &["delete", "table", "inet", "portcullis"]));
    a_neighbour_reaches_nothing(&room, delete).await;
    assert!(!traces().1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_4_11_the_same_holds_with_iptables() {
    let room = Room::enter();
    let hidden = Hidden::new("nft");
    let accept = |step| run("iptables", &["-w", step, "INPUT", "-i", "next0", "-j", "ACCEPT"]);
    // As an agent of former times left it.
    for step in [
        &["-N", "PORTCULLIS-FORWARD"][..],
        &["-A", "FORWARD", "-j", "PORTCULLIS-FORWARD"],
    ] {
        run("iptables", &[&["-w"], step].concat());
    }
    // Emptied, and put behind what somebody else accepts, as Docker does when it makes its chains anew.
    a_neighbour_reaches_nothing(&room, || {
        run("iptables", &["-w", "-F", "PORTCULLIS-INPUT"]);
        accept("-I");
    })
    .await;
    accept("-D");
    drop(hidden);
    assert!(
        !succeeds("iptables", &["-w", "-L", "PORTCULLIS-INPUT"]),
        "the chains are gone"
    );
    assert!(!run("iptables-save", &[]).contains("PORTCULLIS"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_4_7_containers_do_not_reach_instance_metadata_unless_allowed() {
    let room = Room::enter();
    let served = tempfile::tempdir().unwrap();
    std::fs::write(served.path().join("index.html"), "instance secrets").unwrap();
    let mut imds = Neighbour::new("imds", "10.8.0.1", "10.8.0.2");
    imds.ip(&["addr", "add", "169.254.169.254/32", "dev", "lo"]);
    run("ip", &["route", "add", "169.254.169.254/32", "via", "10.8.0.2"]);
    imds.serve(served.path());
    for (block_imds, by_iptables) in [(false, false), (true, false), (true, true)] {
        let hidden = by_iptables.then(|| Hidden::new("nft"));
        let folder = tempfile::tempdir().unwrap();
        let plane = Plane::start(Registration::Echo).await;
        let mut agent = room.agent(folder.path(), &plane, |config| config.block_imds = block_imds);
        agent.connected().await;
        // As Docker's rules do, which are the first again after each of its starts.
        let accept = |step| run("iptables", &["-w", step, "FORWARD", "-j", "ACCEPT"]);
        accept("-I");
        let output = room.stranger_gets("http://169.254.169.254/");
        accept("-D");
        let reached = String::from_utf8_lossy(&output.stdout).contains("instance secrets");
        assert_eq!(reached, !block_imds, "{by_iptables}: {output:?}");
        agent.end().await.unwrap();
        drop(hidden);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_was_there_before_is_used_and_left() {
    let room = Room::enter();
    run("ip", &["addr", "add", "169.254.170.2/32", "dev", "lo"]);
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    let status = agent.connected().await;
    assert!(
        status
            .notices
            .iter()
            .any(|notice| notice.contains("was there already")),
        "{:?}",
        status.notices
    );
    agent.end().await.unwrap();
    assert_eq!(traces(), (true, false));
    run("ip", &["addr", "del", "169.254.170.2/32", "dev", "lo"]);
}

/// One container runs, the other has not begun; nothing that ends an agent, at whatever point, bares the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_around_a_container_outlives_every_agent_that_does_not_stop_it() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let leave_running = |config: &mut Config| config.stop_tasks_on_shutdown = false;
    let mut first = room.agent(folder.path(), &plane, leave_running);
    first.connected().await;
    let (_, mut acs) = plane.acs().await;
    let mut task = shell_task(IMAGE, WAITING, "RUNNING", None);
    let mut later = task["containers"][0].clone();
    later["name"] = json!("later");
    later["dependsOn"] = json!([{"containerName": "app", "condition": "COMPLETE"}]);
    task["containers"].as_array_mut().unwrap().push(later);
    acs.send("PayloadMessage", payload("m1", 1, task)).await;
    eventually("it runs", || !room.docker(&["ps", "-q"]).is_empty()).await;
    first.end().await.unwrap();
    assert_eq!(traces(), (true, true));

    let kept_by = async |change: fn(&mut Config), text: &str| {
        let agent = room.agent(folder.path(), &plane, change);
        let error = agent.outcome().await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(traces(), (true, true), "{error}");
    };
    kept_by(|config| config.registry_logins.kind = "ghost".into(), "`ghost`").await;
    kept_by(
        |config| config.engine = EngineChoice::Process,
        "`--engine docker`",
    )
    .await;
    let docker_is_away = |config: &mut Config| {
        config.engine = EngineChoice::Auto;
        config.docker_host = Some("unix:///nowhere".into());
    };
    kept_by(docker_is_away, "the Docker engine cannot be used").await;
    let taken = std::net::TcpListener::bind("0.0.0.0:80").unwrap();
    kept_by(|_| {}, "169.254.170.2:80").await;
    drop(taken);

    let mut last = room.agent(folder.path(), &plane, |_| {});
    last.connected().await;
    last.end().await.unwrap();
    assert_eq!(traces(), (false, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_one_clear_line_and_nothing_stays() {
    let room = Room::enter();
    let _taken = std::net::TcpListener::bind("0.0.0.0:80").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(Registration::Echo).await;
    let error = room
        .agent(folder.path(), &plane, |_| {})
        .outcome()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("169.254.170.2:80") && error.contains("another agent, or a server"),
        "{error}"
    );
    assert_eq!(traces(), (false, false));
}
