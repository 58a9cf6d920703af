//! T7 on Docker: packets between the agent and its server vanish, and nobody is told. What both sides make of it afterwards is
//! told by the control plane's own test of a partition; this one is about containers, and about a network that drops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::awsvpc::{arn, container, inside, running};
use super::room::{IMAGE, Room, run};
use crate::plane::{Acs, Plane, Registration};
use crate::rig::{payload, role, shell_task};

/// `cargo xtask torture partition` asks for a partition of that many seconds.
const SECONDS_VARIABLE: &str = "PORTCULLIS_PARTITION_SECONDS";
const CONVERGES_WITHIN: Duration = Duration::from_secs(10);
const FETCH: &str = "wget -q -O - http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

#[expect(
    clippy::disallowed_methods,
    reason = "the torture run asks for a longer partition than the normal one"
)]
fn asked_for() -> Option<Duration> {
    let seconds = std::env::var(SECONDS_VARIABLE).ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// The network between agent and server drops everything until this is dropped.
struct Cut;

impl Cut {
    fn between(port: &str) -> Self {
        let rules = format!(
            "add table ip cut; add chain ip cut input {{ type filter hook input priority -300; }}; \
             add rule ip cut input tcp dport {port} drop; add rule ip cut input tcp sport {port} drop"
        );
        run("nft", &[&rules]);
        Self
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let _ = std::process::Command::new("nft")
            .args(["delete", "table", "ip", "cut"])
            .output();
    }
}

/// Speaks on the channel now and then, as a server does, until it is aborted.
fn beating(acs: &Arc<Mutex<Acs>>) -> tokio::task::JoinHandle<()> {
    let acs = Arc::clone(acs);
    tokio::spawn(async move {
        for number in 0.. {
            let beat = json!({"healthy": true, "messageId": format!("h{number}")});
            acs.lock().await.send("HeartbeatMessage", beat).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
}

fn task(letter: char, code: i32) -> Value {
    let script = format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.1; done");
    let keys = role(&format!("c{letter}"), "AK1");
    let mut task = shell_task(IMAGE, &script, "RUNNING", Some(keys));
    task["arn"] = json!(arn(letter));
    task
}

/// States of a task as they were told, each once, and the exit code at its end.
async fn told(plane: &mut Plane, letters: [char; 2]) -> [(Vec<String>, Value); 2] {
    let mut all: [(Vec<String>, Value); 2] = Default::default();
    while all.iter().any(|(_, code)| code.is_null()) {
        let change = plane.call("SubmitTaskStateChange").await;
        let index = letters.iter().position(|letter| change["task"] == arn(*letter));
        let (states, code) = &mut all[index.unwrap_or_else(|| panic!("nothing happened to it: {change}"))];
        let status = change["status"].as_str().unwrap().to_owned();
        // A change whose answer was lost comes twice.
        if states.last() != Some(&status) {
            states.push(status);
        }
        *code = change["containers"][0]["exitCode"].clone();
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t7_containers_run_on_through_a_partition_and_their_ends_are_told_in_order() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |config| {
        if asked_for().is_none() {
            config.silence_max = Duration::from_secs(3);
        }
    });
    agent.connected().await;
    let (_, acs) = plane.acs().await;
    let acs = Arc::new(Mutex::new(acs));
    let beats = beating(&acs);
    for (number, (letter, code)) in (1..).zip([('b', 0), ('c', 5)]) {
        running(&mut plane, &mut *acs.lock().await, number, task(letter, code)).await;
    }
    // Its start is told when nobody hears it any more, or just before.
    acs.lock()
        .await
        .send("PayloadMessage", payload("m3", 3, task('d', 6)))
        .await;
    super::room::eventually("the third runs", || {
        let id = container(&room, 'd', "app");
        !id.is_empty() && room.docker(&["logs", &id]).contains("ready")
    })
    .await;
    let before = room.docker(&["ps", "-aq", "--no-trunc"]);
    let port = plane.url.rsplit_once(':').unwrap().1.to_owned();
    let cut = Cut::between(&port);
    beats.abort();
    for letter in ['c', 'd'] {
        room.docker(&["kill", "-s", "TERM", &container(&room, letter, "app")]);
    }
    let noticed = agent.status.wait_for(|status| !status.connected);
    tokio::time::timeout(Duration::from_secs(150), noticed)
        .await
        .expect("the agent notices")
        .unwrap();
    assert!(inside(&room, 'b', FETCH).1.contains("\"AK1\""), "served on");
    tokio::time::sleep(asked_for().unwrap_or_default()).await;
    assert!(inside(&room, 'b', FETCH).1.contains("\"AK1\""), "served on");
    drop(cut);
    let healed = Instant::now();
    let (_, mut acs) = plane.acs().await;
    let [c, d] = told(&mut plane, ['c', 'd']).await;
    let converged = healed.elapsed();
    let in_order = |code: i32| (vec!["RUNNING".to_owned(), "STOPPED".to_owned()], json!(code));
    // Of the first the start was told before.
    assert_eq!(c, (vec!["STOPPED".to_owned()], json!(5)));
    assert_eq!(d, in_order(6));
    let fresh = json!({"messageId": "m4", "taskArn": arn('b'), "roleType": "TaskApplication", "roleCredentials": role("cb", "AK2")});
    acs.send("IAMRoleCredentialsMessage", fresh).await;
    super::room::eventually("its credentials are renewed", || {
        inside(&room, 'b', FETCH).1.contains("\"AK2\"")
    })
    .await;
    eprintln!("told after {converged:?}, renewed after {:?}", healed.elapsed());
    assert!(
        asked_for().is_none() || converged < CONVERGES_WITHIN,
        "{converged:?}"
    );
    assert_eq!(room.docker(&["ps", "-aq", "--no-trunc"]), before, "none again");
    agent.end().await.unwrap();
}
