//! Tasks with an interface of their own: namespace, address, routes, security groups, and nothing left of them.

use std::process::Command;

use serde_json::{Value, json};

use super::faults::Daemon;
use super::room::{IMAGE, Room, eventually, run, succeeds, traces};
use crate::plane::{Acs, Plane, Registration};
use crate::rig::{Agent, TASK, payload, role, shell_task};

const FETCH: &str = "wget -q -O - http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const WAITING: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

/// A task's ARN that ends in this letter.
pub fn arn(letter: char) -> String {
    TASK.replace('a', &letter.to_string()).replace(
        &format!("{letter}rn:{letter}ws:ecs:us-west-2:111122223333:t{letter}sk"),
        "arn:aws:ecs:us-west-2:111122223333:task",
    )
}

/// An awsvpc task at `10.0.0.LAST`.
pub fn task(letter: char, last: u8, script: &str, firewall: Value) -> Value {
    let mut task = shell_task(
        IMAGE,
        script,
        "RUNNING",
        Some(role(&format!("c{letter}"), &format!("AK{letter}"))),
    );
    task["arn"] = json!(arn(letter));
    task["networkMode"] = json!("awsvpc");
    task["containers"][0]["dockerConfig"]["hostConfig"] = json!("{}");
    task["elasticNetworkInterfaces"] = json!([{
        "attachmentArn": attachment(letter), "ec2Id": format!("eni-{letter}"),
        "macAddress": format!("02:00:0a:00:00:{last:02x}"),
        "ipv4Addresses": [{"primary": true, "privateAddress": format!("10.0.0.{last}")}],
        "ipv6Addresses": [{"address": format!("fd00:7::{last:x}")}],
        "domainName": ["us-west-2.compute.internal"], "domainNameServers": [],
        "privateDnsName": format!("ip-10-0-0-{last}.us-west-2.compute.internal"),
        "subnetGatewayIpv4Address": "10.0.0.1/24", "index": 0, "name": "eth0",
        "interfaceAssociationProtocol": "default"}]);
    if !firewall.is_null() {
        task["elasticNetworkInterfaces"][0]["portcullisFirewall"] = firewall;
    }
    task
}

fn attachment(letter: char) -> String {
    format!("arn:aws:ecs:us-west-2:111122223333:attachment/{letter}")
}

/// Lets everything out, and in what `ingress` says.
pub fn rules(ingress: Value) -> Value {
    let everywhere =
        json!([{"protocol": "-1", "fromPort": -1, "toPort": -1, "destinations": ["0.0.0.0/0", "::/0"]}]);
    json!({"ingress": ingress, "egress": everywhere})
}

pub fn tcp(port: u16, source: &str) -> Value {
    json!({"protocol": "tcp", "fromPort": port, "toPort": port, "sources": [source]})
}

/// The engine's id of the task's container of that name.
pub fn container(room: &Room, letter: char, name: &str) -> String {
    let filters = [
        format!("label=com.amazonaws.ecs.task-arn={}", arn(letter)),
        format!("label=com.amazonaws.ecs.container-name={name}"),
    ];
    let [task, name] = &filters;
    room.docker(&["ps", "-aq", "--filter", task, "--filter", name])
        .trim()
        .to_owned()
}

/// What a command inside the task prints, and whether it succeeded.
pub fn inside(room: &Room, letter: char, script: &str) -> (bool, String) {
    let output = Command::new("docker")
        .args([
            "-H",
            room.docker_host(),
            "exec",
            &container(room, letter, "app"),
            "sh",
            "-c",
            script,
        ])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Whether the task gets an answer from that port, however slow this machine is.
pub fn reaches(room: &Room, letter: char, address: &str, port: u16) -> bool {
    asks(room, letter, address, port, 15)
}

/// Whether it gets none: packets that are dropped are waited for in vain.
pub fn is_barred(room: &Room, letter: char, address: &str, port: u16) -> bool {
    !asks(room, letter, address, port, 1)
}

fn asks(room: &Room, letter: char, address: &str, port: u16, seconds: u32) -> bool {
    let ask = format!("busybox nc -w {seconds} {address} {port} </dev/null");
    inside(room, letter, &ask).0
}

pub async fn running(plane: &mut Plane, acs: &mut Acs, number: i64, task: Value) {
    let arn = task["arn"].clone();
    acs.send("PayloadMessage", payload(&format!("m{number}"), number, task))
        .await;
    loop {
        let change = plane.call("SubmitTaskStateChange").await;
        if change["task"] == arn {
            assert_eq!(change["status"], "RUNNING", "{change}");
            return;
        }
    }
}

/// RUNNING is the container, not its program: this waits until a task of [`LISTEN`] listens as well.
pub async fn listening(room: &Room, letter: char) {
    let id = container(room, letter, "app");
    eventually("the task listens", || {
        room.docker(&["logs", &id]).contains("ready")
    })
    .await;
}

async fn started(room: &Room, plane: &mut Plane, folder: &tempfile::TempDir) -> (Agent, Acs) {
    let mut agent = room.agent(folder.path(), plane, |_| {});
    agent.connected().await;
    let (_, acs) = plane.acs().await;
    (agent, acs)
}

fn cables() -> usize {
    run("ip", &["-o", "link"]).matches(": pcv").count()
}

pub fn nothing_is_left() {
    assert_eq!(cables(), 0, "no cable");
    assert_eq!(
        run("ip", &["neigh", "show", "proxy"]).trim(),
        "",
        "no proxy entry"
    );
    assert!(
        !run("iptables-save", &[]).contains("pcv+"),
        "no rule in Docker's chain"
    );
    assert_eq!(traces(), (false, false), "no address, no table");
}

pub const LISTEN: &str = "mkdir -p /tmp/w; echo served >/tmp/w/index.html; busybox httpd -p 8080 -h /tmp/w; \
     busybox httpd -p 9090 -h /tmp/w; trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_4_awsvpc_a_task_has_its_interface_and_its_credentials() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let (agent, mut acs) = started(&room, &mut plane, &folder).await;
    let registered = plane.call("RegisterContainerInstance").await.to_string();
    for capability in [
        "\"ecs.capability.task-eni\"",
        "ecs.capability.task-eni-block-instance-metadata",
        "portcullis.capability.security-groups",
    ] {
        assert!(registered.contains(capability), "{capability} in {registered}");
    }
    running(&mut plane, &mut acs, 1, task('b', 15, WAITING, rules(json!([])))).await;

    let (_, addresses) = inside(
        &room,
        'b',
        "busybox ip addr show eth0; busybox ip route; busybox ip -6 route; hostname; cat /etc/hosts",
    );
    for expected in [
        "02:00:0a:00:00:0f",
        "inet 10.0.0.15/24",
        "inet6 fd00:7::f/128",
        "default via 10.0.0.1",
        "blackhole 169.254.169.254",
        "ip-10-0-0-15.us-west-2.compute.internal",
        "10.0.0.15\tip-10-0-0-15",
    ] {
        assert!(addresses.contains(expected), "{expected} in {addresses}");
    }
    let (_, fetched) = inside(&room, 'b', FETCH);
    assert!(fetched.contains("\"AccessKeyId\":\"AKb\""), "{fetched}");
    let (_, metadata) = inside(&room, 'b', "wget -q -O - $ECS_CONTAINER_METADATA_URI_V4/task");
    assert!(
        metadata.contains("\"IPv4Addresses\":[\"10.0.0.15\"]"),
        "{metadata}"
    );

    let mut stop = task('b', 15, WAITING, rules(json!([])));
    stop["desiredStatus"] = json!("STOPPED");
    acs.send("PayloadMessage", payload("m2", 2, stop)).await;
    let stopped = plane.stopped().await;
    assert_eq!(stopped["containers"].as_array().unwrap().len(), 1, "{stopped}");
    eventually("the cable is gone", || cables() == 0).await;
    agent.end().await.unwrap();
    nothing_is_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awsvpc_security_groups_hold_between_tasks_of_one_host_and_change_while_they_run() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let (agent, mut acs) = started(&room, &mut plane, &folder).await;
    let open = rules(json!([tcp(8080, "10.0.0.16/32")]));
    running(&mut plane, &mut acs, 1, task('b', 15, LISTEN, open)).await;
    running(&mut plane, &mut acs, 2, task('c', 16, LISTEN, Value::Null)).await;
    running(&mut plane, &mut acs, 3, task('d', 17, WAITING, rules(json!([])))).await;
    listening(&room, 'b').await;
    listening(&room, 'c').await;

    assert!(reaches(&room, 'c', "10.0.0.15", 8080), "the group lets it in");
    assert!(is_barred(&room, 'c', "10.0.0.15", 9090), "another port");
    assert!(is_barred(&room, 'd', "10.0.0.15", 8080), "another source");
    assert!(
        is_barred(&room, 'b', "10.0.0.16", 8080),
        "no groups: nothing comes in"
    );
    assert!(
        !succeeds(
            "busybox",
            &["timeout", "1", "busybox", "nc", "-w", "1", "10.0.0.15", "8080"]
        ),
        "the host"
    );

    let update = json!({"messageId": "f1", "clusterArn": "c", "containerInstanceArn": crate::plane::INSTANCE,
        "firewalls": [{"taskArn": arn('b'), "attachmentArn": attachment('b'),
            "ingress": [tcp(9090, "10.0.0.0/24")], "egress": []}]});
    acs.send("PortcullisFirewallMessage", update).await;
    loop {
        let frame = acs.receive().await;
        if frame["type"] == "AckRequest" && frame["message"]["messageId"] == "f1" {
            break;
        }
    }
    assert!(is_barred(&room, 'c', "10.0.0.15", 8080));
    assert!(reaches(&room, 'd', "10.0.0.15", 9090));
    assert!(
        is_barred(&room, 'b', "169.254.170.2", 81),
        "nothing goes out any more"
    );
    let (_, fetched) = inside(&room, 'b', FETCH);
    assert!(
        fetched.contains("AKb"),
        "but the endpoint is no part of the groups: {fetched}"
    );
    agent.end().await.unwrap();
    nothing_is_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awsvpc_a_task_cannot_take_anothers_address() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let (agent, mut acs) = started(&room, &mut plane, &folder).await;
    let everything = json!([{"protocol": "-1", "fromPort": -1, "toPort": -1, "sources": ["0.0.0.0/0"]}]);
    running(&mut plane, &mut acs, 1, task('b', 15, LISTEN, rules(everything))).await;
    listening(&room, 'b').await;
    let mut thief = task('c', 16, WAITING, Value::Null);
    thief["containers"][0]["dockerConfig"]["hostConfig"] = json!("{\"CapAdd\":[\"NET_ADMIN\"]}");
    running(&mut plane, &mut acs, 2, thief).await;
    assert!(reaches(&room, 'c', "10.0.0.15", 8080), "with its own address");
    let (taken, text) = inside(
        &room,
        'c',
        "busybox ip addr add 10.0.0.99/32 dev eth0; busybox ip addr add 10.0.0.15/32 dev lo; \
        busybox ip route replace 10.0.0.0/24 via 10.0.0.1 src 10.0.0.99",
    );
    assert!(taken, "{text}");
    assert!(is_barred(&room, 'c', "10.0.0.15", 8080), "with a made-up one");
    let (_, back) = inside(
        &room,
        'c',
        "busybox ip route replace 169.254.170.2 via 10.0.0.1 src 10.0.0.15; \
        busybox timeout 3 wget -q -O - http://169.254.170.2/v2/credentials/cb",
    );
    assert!(!back.contains("AKb"), "{back}");

    let clash = task('d', 15, WAITING, Value::Null);
    acs.send("PayloadMessage", payload("m3", 3, clash)).await;
    let stopped = plane.stopped().await;
    let reason = stopped["containers"][0]["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("ContainerNetworkingError: another task of this host"),
        "{stopped}"
    );
    agent.end().await.unwrap();
    nothing_is_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t8_awsvpc_a_killed_agent_leaves_all_to_the_next_one_and_orphans_go() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let (first, mut acs) = started(&room, &mut plane, &folder).await;
    running(
        &mut plane,
        &mut acs,
        1,
        task('b', 15, LISTEN, rules(json!([tcp(8080, "0.0.0.0/0")]))),
    )
    .await;
    running(&mut plane, &mut acs, 2, task('c', 16, WAITING, Value::Null)).await;
    listening(&room, 'b').await;
    let before = container(&room, 'c', "app");
    first.abandon().await;
    drop(acs);
    assert!(
        reaches(&room, 'c', "10.0.0.15", 8080),
        "tasks go on without the agent"
    );
    // One ends while nobody looks, and a cable of nobody's lies about.
    room.docker(&["rm", "-f", &container(&room, 'b', "app")]);
    run(
        "ip",
        &[
            "link",
            "add",
            "pcv000000000000",
            "type",
            "veth",
            "peer",
            "name",
            "stray0",
        ],
    );

    let mut second = room.agent(folder.path(), &plane, |_| {});
    second.connected().await;
    let stopped = plane.stopped().await;
    assert_eq!(stopped["task"], arn('b'));
    eventually("only the living task's cable is left", || cables() == 1).await;
    assert_eq!(container(&room, 'c', "app"), before);
    let (_, addresses) = inside(&room, 'c', "busybox ip addr show eth0");
    assert!(addresses.contains("10.0.0.16"));
    second.end().await.unwrap();
    nothing_is_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t9_awsvpc_an_engine_that_restarts_takes_its_tasks_and_their_interfaces_with_it() {
    let room = Room::enter();
    // Short: the path of a socket may have 108 bytes.
    let own = tempfile::Builder::new().prefix("dv").tempdir_in("/run").unwrap();
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
    running(&mut plane, &mut acs, 1, task('b', 15, WAITING, Value::Null)).await;
    assert_eq!(cables(), 1);
    daemon.kill();
    let daemon = Daemon::start(own.path()).await;
    assert_eq!(plane.stopped().await["task"], arn('b'));
    eventually("the cable is gone", || cables() == 0).await;
    running(&mut plane, &mut acs, 2, task('c', 15, WAITING, Value::Null)).await;
    agent.end().await.unwrap();
    nothing_is_left();
    daemon.end();
}
