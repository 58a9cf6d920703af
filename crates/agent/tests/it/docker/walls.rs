//! Columns of T21 that take more than an address: proxies, and the scan from a neighbour's namespace.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::awsvpc::{container, inside};
use super::imds::{MODES, SECRETS, answers};
use super::room::{Room, run};

/// A task that passes connections on, and where its neighbours find it.
struct Proxy {
    letter: char,
    mode: &'static str,
    address: String,
}

/// Where each proxy leads, by the last digit of its port.
fn targets(server_port: &str) -> [(String, String); 6] {
    let at = |host: &str, port: &str| (host.to_owned(), port.to_owned());
    [
        at("169.254.170.2", "80"),
        at("169.254.169.254", "80"),
        at("fd00:ec2::254", "80"),
        at("127.0.0.1", "51678"),
        at("172.17.0.1", "51678"),
        at("127.0.0.1", server_port),
    ]
}

const PROXIES_FROM: usize = 3_120;

fn start_proxies(room: &Room, server_port: &str) -> Vec<Proxy> {
    let mut script = String::new();
    for (digit, (host, port)) in targets(server_port).into_iter().enumerate() {
        let own = PROXIES_FROM + digit;
        script.push_str(&format!(
            "busybox nc -ll -p {own} -e busybox nc {host} {port} </dev/null >/dev/null 2>&1 & "
        ));
    }
    let proxies = MODES.into_iter().filter(|(_, mode)| *mode != "none");
    proxies
        .map(|(letter, mode)| {
            let (done, text) = inside(room, letter, &script);
            assert!(done, "{mode}: {text}");
            let address = match mode {
                "host" => "172.17.0.1".to_owned(),
                "awsvpc" => "10.0.0.15".to_owned(),
                _ => {
                    let format = "{{.NetworkSettings.IPAddress}}";
                    let id = container(room, letter, "app");
                    room.docker(&["inspect", "-f", format, &id]).trim().to_owned()
                }
            };
            Proxy {
                letter,
                mode,
                address,
            }
        })
        .collect()
}

/// What is asked, and the words that must not be in the answer.
struct Question {
    command: String,
    never: &'static str,
}

fn ask(request: &str, host: &str, port: usize, never: &'static str) -> Question {
    let request = format!("{request}\\r\\nConnection: close\\r\\n\\r\\n");
    Question {
        // Whoever ends his half of the connection gets no answer.
        command: format!(
            "(busybox printf '{request}'; sleep 2) | busybox timeout 3 busybox nc {host} {port}"
        ),
        never,
    }
}

fn through(proxy: &Proxy, client: char) -> Vec<Question> {
    let host = if proxy.letter == client {
        "127.0.0.1"
    } else {
        &proxy.address
    };
    let root = "GET / HTTP/1.0";
    let foreign = MODES.iter().filter(|(owner, _)| *owner != proxy.letter);
    let mut questions: Vec<_> = foreign
        .map(|(owner, _)| {
            let request = format!("GET /v2/credentials/c{owner} HTTP/1.0\\r\\nHost: 169.254.170.2");
            ask(&request, host, PROXIES_FROM, "AccessKeyId")
        })
        .collect();
    questions.extend([1, 2].map(|digit| ask(root, host, PROXIES_FROM + digit, SECRETS)));
    // A task in host mode is on the host's loopback, and may lend that.
    if proxy.mode != "host" {
        let metadata = "GET /v1/metadata HTTP/1.0\\r\\nHost: 127.0.0.1:51678";
        questions.extend([3, 4, 5].map(|digit| ask(metadata, host, PROXIES_FROM + digit, "HTTP/1")));
    }
    questions
}

/// The agent's own endpoint taken for a proxy, and callers that say they are somebody else.
fn at_the_endpoint(client: char) -> Vec<Question> {
    let at = |request: &str, never| ask(request, "169.254.170.2", 80, never);
    let mut questions = vec![
        at(
            "GET http://169.254.169.254/ HTTP/1.1\\r\\nHost: 169.254.169.254",
            SECRETS,
        ),
        at("GET / HTTP/1.1\\r\\nHost: 169.254.169.254", SECRETS),
        at(
            "CONNECT 169.254.169.254:80 HTTP/1.1\\r\\nHost: 169.254.169.254:80",
            " 200 ",
        ),
        at(
            "GET http://127.0.0.1:51678/v1/metadata HTTP/1.1\\r\\nHost: 127.0.0.1:51678",
            "Cluster",
        ),
    ];
    for (owner, mode) in MODES.iter().filter(|(owner, _)| *owner != client) {
        let address = if *mode == "awsvpc" {
            "10.0.0.15"
        } else {
            "172.17.0.2"
        };
        let request = format!(
            "GET /v2/credentials/c{owner} HTTP/1.1\\r\\nHost: 169.254.170.2\\r\\nX-Forwarded-For: {address}\\r\\nForwarded: for={address}\\r\\nX-Real-IP: {address}"
        );
        questions.push(at(&request, "AccessKeyId"));
    }
    questions
}

/// Each task asks through each task; by itself as a proxy it gets what is its own, and so the proxies are real.
pub fn nothing_through_proxies(room: &Room, server_port: &str) {
    let proxies = start_proxies(room, server_port);
    std::thread::scope(|scope| {
        for (client, mode) in MODES {
            let proxies = &proxies;
            scope.spawn(move || {
                let mut questions: Vec<_> = proxies.iter().flat_map(|proxy| through(proxy, client)).collect();
                questions.extend(at_the_endpoint(client));
                let own = format!("GET /v2/credentials/c{client} HTTP/1.0\\r\\nHost: 169.254.170.2");
                questions.push(ask(&own, "127.0.0.1", PROXIES_FROM, "nothing of that kind"));
                let commands: Vec<_> = questions
                    .iter()
                    .map(|question| question.command.clone())
                    .collect();
                let got = answers(room, client, &commands);
                for (question, text) in questions.iter().zip(&got) {
                    assert!(
                        !text.contains(question.never),
                        "{mode}, {}: {text}",
                        question.command
                    );
                }
                let own = got.last().unwrap();
                assert_eq!(own.contains("AccessKeyId"), mode != "none", "{mode}: {own}");
            });
        }
    });
}

const SCAN: &str = "PORTCULLIS_SCAN";
const NEAR: &str = "10.9.0.1";
const DOCKERS: &str = "172.17.0.1";

/// Not a test by itself: a machine beside the host that tries every port, when it is one.
#[test]
#[expect(clippy::disallowed_methods, reason = "how its parent tells it what to try")]
fn a_stranger_that_scans() {
    let Ok(listening) = std::env::var(SCAN) else {
        return;
    };
    let try_port = |host: &str, port: u16, patience: u64| {
        let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
        if TcpStream::connect_timeout(&address, Duration::from_millis(patience)).is_ok() {
            println!("open {host} {port}");
        }
    };
    std::thread::scope(|scope| {
        for quarter in 0..4_u16 {
            scope.spawn(move || {
                let ports = (1..=u16::MAX).filter(|port| port % 4 == quarter);
                ports.for_each(|port| try_port(NEAR, port, 1_000));
            });
        }
        // What is dropped takes its time: only ports on which somebody listens.
        for host in [DOCKERS, "169.254.170.2", "169.254.169.254"] {
            for port in listening.split(' ').map(|port| port.parse().unwrap()) {
                scope.spawn(move || try_port(host, port, 500));
            }
        }
    });
}

/// The neighbour's namespace and its link, gone when dropped.
struct Neighbour;

impl Neighbour {
    fn appear() -> Self {
        let neighbour = Self;
        run("ip", &["netns", "add", "stranger"]);
        let link = [
            "link", "add", "probe0", "type", "veth", "peer", "name", "probe1", "netns", "stranger",
        ];
        run("ip", &link);
        run("ip", &["addr", "add", "10.9.0.1/24", "dev", "probe0"]);
        run("ip", &["link", "set", "probe0", "up"]);
        for command in [
            "addr add 10.9.0.2/24 dev probe1",
            "link set probe1 up",
            "link set lo up",
            "route add default via 10.9.0.1",
        ] {
            let words = [&["-n", "stranger"], &command.split(' ').collect::<Vec<_>>()[..]].concat();
            run("ip", &words);
        }
        neighbour
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", "probe0"]).output();
        let _ = Command::new("ip").args(["netns", "del", "stranger"]).output();
    }
}

/// Ports of this namespace on which anybody listens.
fn listening() -> Vec<String> {
    let mut ports: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| {
            let table = std::fs::read_to_string(table).unwrap();
            let rows: Vec<_> = table.lines().skip(1).map(str::to_owned).collect();
            rows.into_iter().filter_map(|row| {
                let words: Vec<_> = row.split_whitespace().collect();
                let (_, port) = words[1].rsplit_once(':')?;
                (words[3] == "0A").then(|| u16::from_str_radix(port, 16).unwrap().to_string())
            })
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// From a machine beside the host no port is open but `known`, which the test itself opened to all.
pub fn nothing_is_open(known: u16) {
    let _neighbour = Neighbour::appear();
    let ports = listening();
    let expected = ["80", "51678"].map(str::to_owned);
    assert!(expected.iter().all(|port| ports.contains(port)), "{ports:?}");
    let scanned = Command::new("nsenter")
        .arg("--net=/run/netns/stranger")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "docker::walls::a_stranger_that_scans", "--nocapture"])
        .env(SCAN, ports.join(" "))
        .output()
        .unwrap();
    assert!(scanned.status.success(), "{scanned:?}");
    let text = String::from_utf8_lossy(&scanned.stdout).into_owned();
    let found: Vec<_> = text.lines().filter_map(|line| line.split_once("open ")).collect();
    let open = |host: &str| found.iter().any(|(_, what)| *what == format!("{host} {known}"));
    assert!(open(NEAR), "the scan finds what is open: {text}");
    let agents: Vec<_> = found
        .iter()
        .filter(|(_, what)| !what.ends_with(&format!(" {known}")))
        .collect();
    assert!(agents.is_empty(), "{agents:?}");
}
