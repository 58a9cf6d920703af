//! Isolation matrix T21 and flush test T22, also as firewalld does it: a stand-in of the instance metadata service listens
//! on the room's own loopback interface, where the host reaches it, and nothing else may.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::awsvpc::{container, inside, running, task};
use super::fence::Hidden;
use super::room::{IMAGE, Room, eventually, run, succeeds};
use super::walls;
use crate::plane::{Acs, Plane, Registration};
use crate::rig::{Agent, role, shell_task};

const WAITING: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
pub const SECRETS: &str = "instance secrets";
/// Nothing of ours may take longer to be put back.
pub const BACK_WITHIN: Duration = Duration::from_secs(10);

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// The stand-in, on both of the service's addresses.
struct Imds {
    servers: Vec<Child>,
    _folder: tempfile::TempDir,
}

const ADDRESSES: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

impl Imds {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), SECRETS).unwrap();
        let servers = ADDRESSES.map(|address| {
            let bare = address.split('/').next().unwrap();
            let v6 = bare.contains(':');
            let at_once: &[&str] = if v6 { &["nodad"] } else { &[] };
            run("ip", &[&["addr", "add", address, "dev", "lo"], at_once].concat());
            let place = if v6 {
                format!("[{bare}]:80")
            } else {
                format!("{bare}:80")
            };
            let mut httpd = Command::new("busybox");
            httpd.args(["httpd", "-f", "-p", &place, "-h", folder.path().to_str().unwrap()]);
            httpd.stderr(Stdio::null()).spawn().unwrap()
        });
        Self {
            servers: servers.into(),
            _folder: folder,
        }
    }

    /// Whether the host itself gets the secrets: only then "blocked" means anything.
    fn answers_host(&self) -> bool {
        ["http://169.254.169.254/", "http://[fd00:ec2::254]/"]
            .iter()
            .all(|url| {
                let fetched = Command::new("busybox")
                    .args(["wget", "-q", "-O", "-", url])
                    .output()
                    .unwrap();
                String::from_utf8_lossy(&fetched.stdout).contains(SECRETS)
            })
    }
}

impl Drop for Imds {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        for address in ADDRESSES {
            let _ = Command::new("ip")
                .args(["addr", "del", address, "dev", "lo"])
                .output();
        }
    }
}

/// Docker's own rules, which some tests flush: the next test needs them again.
struct DockerRules(String);

impl DockerRules {
    fn keep() -> Self {
        Self(run("iptables-save", &[]))
    }

    /// As Docker makes them anew: its own are the first again.
    fn restore(&self) {
        let restore = Command::new("iptables-restore").stdin(Stdio::piped()).spawn();
        if let Ok(mut restore) = restore {
            let written = restore
                .stdin
                .take()
                .map(|mut stdin| stdin.write_all(self.0.as_bytes()));
            let _ = (written, restore.wait());
        }
    }

    /// What `firewall-cmd --reload` comes to: firewalld makes its own table anew and takes all that there is of iptables
    /// away, with its rules; told of it, Docker makes its chains anew.
    fn reload_with_firewalld(&self) {
        for family in ["iptables", "ip6tables"] {
            for table in ["filter", "nat"] {
                for step in ["-F", "-X"] {
                    run(family, &["-w", "-t", table, step]);
                }
            }
        }
        for table in ["add table inet firewalld", "delete table inet firewalld"] {
            run("nft", &[table]);
        }
        run("nft", &[FIREWALLDS]);
        self.restore();
    }
}

impl Drop for DockerRules {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Its base chains, which accept.
const FIREWALLDS: &str = "table inet firewalld {
    chain mangle_PREROUTING { type filter hook prerouting priority -140; policy accept; }
    chain filter_INPUT { type filter hook input priority 10; policy accept; counter accept; }
    chain filter_FORWARD { type filter hook forward priority 10; policy accept; counter accept; }
}";

/// A task in each mode; the letter names it.
pub const MODES: [(char, &str); 4] = [('b', "bridge"), ('c', "host"), ('d', "awsvpc"), ('e', "none")];

fn task_in(letter: char, mode: &str) -> Value {
    let mut wire = match mode {
        "awsvpc" => task(letter, 15, WAITING, Value::Null),
        _ => {
            let mut wire = shell_task(IMAGE, WAITING, "RUNNING", Some(role(&format!("c{letter}"), "AK")));
            wire["arn"] = json!(super::awsvpc::arn(letter));
            wire
        }
    };
    if mode != "awsvpc" {
        let hosts = json!({"NetworkMode": mode, "ExtraHosts": if mode == "none" { Value::Null } else { json!(["imds.example:169.254.169.254"]) }});
        wire["containers"][0]["dockerConfig"]["hostConfig"] = json!(hosts.to_string());
        wire["networkMode"] = json!(mode);
    }
    wire
}

async fn a_task_in_each_mode(plane: &mut Plane, acs: &mut Acs) {
    for (number, (letter, mode)) in (1..).zip(MODES) {
        running(plane, acs, number, task_in(letter, mode)).await;
    }
}

/// What the task gets from each of these, asked all at once.
fn gets(room: &Room, letter: char, urls: &[String]) -> Vec<String> {
    let ask = |url| format!("busybox timeout 2 wget -q -O - '{url}'");
    let questions: Vec<_> = urls.iter().map(ask).collect();
    answers(room, letter, &questions)
}

/// What each of these commands prints inside the task, run all at once.
pub fn answers(room: &Room, letter: char, commands: &[String]) -> Vec<String> {
    let ask = |(number, command)| format!("({command} >/tmp/got{number} 2>&1) & ");
    let script: String = commands.iter().enumerate().map(ask).collect();
    let script = format!(
        "exec 2>/dev/null; {script} wait; for n in $(busybox seq 0 {}); do cat /tmp/got$n; echo; echo ---; done",
        commands.len() - 1
    );
    let (done, text) = inside(room, letter, &script);
    assert!(done, "{text}");
    let mut answers: Vec<_> = text.split("---\n").map(str::to_owned).collect();
    assert_eq!(answers.pop().as_deref(), Some(""), "{text}");
    assert_eq!(answers.len(), commands.len(), "{text}");
    answers
}

/// The service under every name it may be called by.
const SPELLINGS: [&str; 10] = [
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[fd00:ec2::254]",
    "[fd00:0ec2:0:0:0:0:0:0254]",
    "[::ffff:169.254.169.254]",
    "imds.example",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t21_no_mode_reaches_what_is_the_hosts() {
    let room = Room::enter();
    let imds = Imds::start();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |config| {
        config.introspection_port = Some(51_678);
    });
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    a_task_in_each_mode(&mut plane, &mut acs).await;
    eventually("the stand-in answers the host", || imds.answers_host()).await;

    let redirect = Redirect::start();
    let server_port = plane.url.rsplit_once(':').unwrap().1.to_owned();
    for (letter, mode) in MODES {
        let services = SPELLINGS.iter().map(|spelling| format!("http://{spelling}/"));
        let redirected = std::iter::once(redirect.url(mode));
        let foreign = MODES.iter().filter(|(other, _)| *other != letter);
        let foreign = foreign.map(|(other, _)| format!("http://169.254.170.2/v2/credentials/c{other}"));
        let urls: Vec<_> = services.chain(redirected).chain(foreign).collect();
        for (url, text) in urls.iter().zip(gets(&room, letter, &urls)) {
            let reached = text.contains(SECRETS) || text.contains("AccessKeyId");
            assert!(!reached, "{mode}, {url}: {text}");
        }
        if mode != "host" {
            for port in ["51678", "51679", &server_port] {
                let (reached, text) = inside(
                    &room,
                    letter,
                    &format!("busybox nc -w 1 127.0.0.1 {port} </dev/null"),
                );
                assert!(!reached, "{mode}, {port}: {text}");
            }
        }
        let (there, text) = inside(
            &room,
            letter,
            "busybox test -e /var/run/docker.sock -o -e /run/docker.sock",
        );
        assert!(!there, "{mode}: {text}");
    }
    walls::nothing_is_open(redirect.port);
    walls::nothing_through_proxies(&room, &server_port);
    assert!(imds.answers_host(), "and the host still gets it");
    agent.end().await.unwrap();
}

/// Answers every request with a redirect to the service.
struct Redirect {
    port: u16,
}

impl Redirect {
    fn start() -> Self {
        use std::io::Read as _;
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(
                    b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
                );
            }
        });
        Self { port }
    }

    fn url(&self, mode: &str) -> String {
        let host = if mode == "host" { "127.0.0.1" } else { "172.17.0.1" };
        format!("http://{host}:{}/", self.port)
    }
}

fn blocked_everywhere(room: &Room) -> bool {
    let urls = [
        "http://169.254.169.254/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
    ];
    std::thread::scope(|scope| {
        let tries = MODES.map(|(letter, _)| {
            let urls = &urls;
            scope.spawn(move || {
                gets(room, letter, urls)
                    .iter()
                    .all(|text| !text.contains(SECRETS))
            })
        });
        tries.into_iter().all(|one| one.join().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t22_flushed_rules_are_back_and_nothing_starts_meanwhile() {
    let room = Room::enter();
    let dockers = DockerRules::keep();
    let imds = Imds::start();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    a_task_in_each_mode(&mut plane, &mut acs).await;
    eventually("the stand-in answers the host", || imds.answers_host()).await;
    // A network made later is behind the same wall, with no rule of its own.
    room.docker(&["network", "create", "later"]);
    let fetch = [
        "run",
        "--rm",
        "--network",
        "later",
        IMAGE,
        "sh",
        "-c",
        "busybox timeout 2 wget -q -O - http://169.254.169.254/ 2>&1; exit 0",
    ];
    assert!(!room.docker(&fetch).contains(SECRETS));
    room.docker(&["network", "rm", "later"]);
    let disturbances: [&[&str]; 4] = [
        &["flush", "ruleset"],
        &["delete", "table", "inet", "portcullis"],
        &["flush", "chain", "inet", "portcullis", "guard"],
        &[],
    ];
    for arguments in disturbances {
        if arguments.is_empty() {
            dockers.reload_with_firewalld();
        }
        let start = Instant::now();
        match arguments {
            [] => std::fs::write(IP_FORWARD, "0").unwrap(),
            _ => drop(run("nft", arguments)),
        }
        eventually("what was taken away is back", || match arguments {
            [] => guard_is_up() && lets_tasks_through(),
            _ => guard_is_up(),
        })
        .await;
        assert!(
            start.elapsed() < BACK_WITHIN,
            "{arguments:?}: {:?}",
            start.elapsed()
        );
        eprintln!("{arguments:?}: back after {:?}", start.elapsed());
        assert!(blocked_everywhere(&room), "{arguments:?}");
        assert!(imds.answers_host());
    }
    run("nft", &["delete", "table", "inet", "firewalld"]);
    walls_do_not_wait_for_iptables().await;
    nothing_starts_without_the_wall(&room, &mut plane, &mut acs).await;
    agent.end().await.unwrap();
    assert!(!succeeds("nft", &["list", "table", "inet", "portcullis"]));
}

fn guard_is_up() -> bool {
    let table = Command::new("nft")
        .args(["list", "table", "inet", "portcullis"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    let tells_tasks = text.contains("meta cgroup") || text.contains("socket cgroupv2");
    text.contains("ip daddr 169.254.169.254 drop") && tells_tasks
}

fn lets_tasks_through() -> bool {
    let forwards = std::fs::read_to_string(IP_FORWARD).unwrap();
    forwards == "1\n" && run("iptables-save", &[]).contains("-A DOCKER-USER -i pcv+ -j ACCEPT")
}

/// The second time the agent is about Docker's rules, which somebody keeps locked.
async fn walls_do_not_wait_for_iptables() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = folder.path().join("hangs");
    std::fs::write(&hangs, "#!/bin/sh\nexec sleep 3600\n").unwrap();
    std::fs::set_permissions(&hangs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _hung = Hidden::behind("iptables", hangs.to_str().unwrap());
    for _ in 0..2 {
        let start = Instant::now();
        run("nft", &["delete", "table", "inet", "portcullis"]);
        eventually("the guard is back", guard_is_up).await;
        assert!(start.elapsed() < BACK_WITHIN, "{:?}", start.elapsed());
    }
}

/// Takes the wall away when nothing can put it back, and gives the agent a task that would use that.
async fn nothing_starts_without_the_wall(room: &Room, plane: &mut Plane, acs: &mut Acs) {
    let folder = tempfile::tempdir().unwrap();
    let nft = folder.path().join("nft");
    std::fs::copy(run("which", &["nft"]).trim(), &nft).unwrap();
    let hidden = Hidden::new("nft");
    run(nft.to_str().unwrap(), &["delete", "table", "inet", "portcullis"]);
    let mut greedy = task_in('f', "bridge");
    greedy["containers"][0]["command"] = json!([GREEDY]);
    acs.send("PayloadMessage", crate::rig::payload("m9", 9, greedy))
        .await;
    // Another container starts meanwhile, and shows that the wall is down.
    let stranger = room.stranger_gets("http://169.254.169.254/");
    assert!(
        String::from_utf8_lossy(&stranger.stdout).contains(SECRETS),
        "{stranger:?}"
    );
    assert_eq!(container(room, 'f', "app"), "", "nothing of the task is made");
    drop(hidden);
    let mut change = plane.call("SubmitTaskStateChange").await;
    while change["task"] != super::awsvpc::arn('f') {
        change = plane.call("SubmitTaskStateChange").await;
    }
    assert_eq!(change["status"], "RUNNING", "{change}");
    let id = container(room, 'f', "app");
    eventually("it has tried", || room.docker(&["logs", &id]).contains("tried")).await;
    assert!(!room.docker(&["logs", &id]).contains(SECRETS));
}

/// Asks for the instance's secrets as soon as it runs.
const GREEDY: &str = "busybox timeout 1 wget -q -O - http://169.254.169.254/ 2>&1; echo tried; trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// The tables are empty, the engine is there, and the agent starts: as after a reboot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_container_starts_before_the_wall_stands() {
    let room = Room::enter();
    let _dockers = DockerRules::keep();
    let imds = Imds::start();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut first = room.agent(folder.path(), &plane, |_| {});
    first.connected().await;
    let (_, mut acs) = plane.acs().await;
    eventually("the stand-in answers the host", || imds.answers_host()).await;
    for (number, (letter, mode)) in (1..).zip(MODES) {
        let mut wire = task_in(letter, mode);
        wire["containers"][0]["command"] = json!([GREEDY]);
        acs.send(
            "PayloadMessage",
            crate::rig::payload(&format!("m{number}"), number, wire),
        )
        .await;
        acs.receive().await;
    }
    // Taken up, perhaps not started: the agent dies, and the rules go with the reboot.
    first.abandon().await;
    drop(acs);
    run("nft", &["flush", "ruleset"]);
    for container in room.docker(&["ps", "-aq"]).lines() {
        room.docker(&["rm", "-f", container]);
    }
    let mut second: Agent = room.agent(folder.path(), &plane, |_| {});
    second.connected().await;
    let (_, mut acs) = plane.acs().await;
    for (number, (letter, mode)) in (20..).zip(MODES) {
        let mut wire = task_in(char::from(letter as u8 + 8), mode);
        if mode == "awsvpc" {
            wire = task('l', 40, GREEDY, Value::Null);
        }
        wire["containers"][0]["command"] = json!([GREEDY]);
        running(&mut plane, &mut acs, number, wire).await;
        let id = container(&room, char::from(letter as u8 + 8), "app");
        eventually("it has tried", || room.docker(&["logs", &id]).contains("tried")).await;
        assert!(!room.docker(&["logs", &id]).contains(SECRETS), "{mode}");
    }
    second.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecs_enable_task_iam_role_network_host_false_keeps_metadata_from_host_mode_alone() {
    let room = Room::enter();
    let imds = Imds::start();
    for (roles, reached) in [(false, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut plane = Plane::start(Registration::Echo).await;
        let mut agent = room.agent(folder.path(), &plane, |config| {
            config.block_imds = false;
            config.host_task_roles = roles;
        });
        agent.connected().await;
        let registered = plane.call("RegisterContainerInstance").await.to_string();
        assert_eq!(
            registered.contains("task-iam-role-network-host"),
            roles,
            "{registered}"
        );
        let (_, mut acs) = plane.acs().await;
        running(&mut plane, &mut acs, 1, task_in('c', "host")).await;
        eventually("the stand-in answers the host", || imds.answers_host()).await;
        let urls = [
            "http://169.254.169.254/".to_owned(),
            "http://[fd00:ec2::254]/".to_owned(),
        ];
        for (url, text) in urls.iter().zip(gets(&room, 'c', &urls)) {
            assert_eq!(text.contains(SECRETS), reached, "roles {roles}, {url}: {text}");
        }
        agent.end().await.unwrap();
        room.docker(&["rm", "-f", &container(&room, 'c', "app")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecs_awsvpc_block_imds_is_its_own_switch() {
    let room = Room::enter();
    let imds = Imds::start();
    for (block, reached) in [(true, false), (false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut plane = Plane::start(Registration::Echo).await;
        let mut agent = room.agent(folder.path(), &plane, |config| {
            config.awsvpc_block_imds = Some(block);
        });
        agent.connected().await;
        let registered = plane.call("RegisterContainerInstance").await.to_string();
        assert_eq!(
            registered.contains("task-eni-block-instance-metadata"),
            block,
            "{registered}"
        );
        let (_, mut acs) = plane.acs().await;
        running(&mut plane, &mut acs, 1, task_in('d', "awsvpc")).await;
        eventually("the stand-in answers the host", || imds.answers_host()).await;
        let text = gets(&room, 'd', &["http://169.254.169.254/".to_owned()]).concat();
        assert_eq!(text.contains(SECRETS), reached, "block {block}: {text}");
        agent.end().await.unwrap();
        for name in ["app", "~internal~ecs~pause"] {
            room.docker(&["rm", "-f", &container(&room, 'd', name)]);
        }
    }
}
