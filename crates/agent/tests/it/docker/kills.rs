//! T8: the agent dies at any moment of its tasks' starts and stops, as a process of its own, by SIGKILL.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::SystemRandom;
use serde_json::{Value, json};

use super::awsvpc;
use super::faults::unnetworked;
use super::room::{Room, agent_config, eventually, run};
use crate::plane::{Plane, Registration};
use crate::rig::{Agent, payload};

/// How many kills; `cargo xtask torture agent` asks for more.
const KILLS_VARIABLE: &str = "PORTCULLIS_AGENT_KILLS";
/// Folder, server and engine of the agent that is killed, a line each.
const AGENT_VARIABLE: &str = "PORTCULLIS_AGENT_TO_KILL";
/// Kills after which a task is told to stop.
const LIVES: u64 = 3;
/// Tasks that begin with an interface of their own.
const WITH_INTERFACE: u64 = 4;
const WAITING: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";

#[expect(
    clippy::disallowed_methods,
    reason = "the torture run asks for more kills than the normal one"
)]
fn kills() -> u64 {
    let kills = std::env::var(KILLS_VARIABLE).ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

/// Not a test by itself: the agent that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how its parent tells it what to be")]
async fn an_agent_to_kill() {
    let Ok(told) = std::env::var(AGENT_VARIABLE) else {
        return;
    };
    let [folder, url, docker_host] = told.lines().collect::<Vec<_>>()[..] else {
        panic!("three lines, not {told}");
    };
    let mut config = agent_config(Path::new(folder), url, docker_host);
    config.stop_timeout = Duration::from_secs(1);
    Agent::start_with(config, Arc::new(SystemRandom))
        .outcome()
        .await
        .unwrap();
}

fn start(room: &Room, folder: &Path, plane: &Plane) -> Child {
    let told = [folder.to_str().unwrap(), &plane.url, room.docker_host()].join("\n");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "docker::kills::an_agent_to_kill", "--nocapture"])
        .env(AGENT_VARIABLE, told)
        .spawn()
        .unwrap()
}

fn id(round: u64) -> String {
    format!("k{round}")
}

fn task(round: u64) -> Value {
    let mut task = unnetworked(&id(round));
    if round % WITH_INTERFACE == 1 {
        let arn = task["arn"].clone();
        task = awsvpc::task('b', 1, WAITING, Value::Null);
        // An address is given to one task at a time, and some end late.
        let (subnet, host) = (round / 200, 20 + round % 200);
        let interface = &mut task["elasticNetworkInterfaces"][0];
        interface["attachmentArn"] = json!(format!(
            "arn:aws:ecs:us-west-2:111122223333:attachment/{}",
            id(round)
        ));
        interface["ec2Id"] = json!(format!("eni-{round}"));
        interface["macAddress"] = json!(format!("02:00:0a:00:{subnet:02x}:{host:02x}"));
        interface["ipv4Addresses"][0]["privateAddress"] = json!(format!("10.0.{subnet}.{host}"));
        interface["ipv6Addresses"][0]["address"] = json!(format!("fd00:7::{round:x}"));
        interface["subnetGatewayIpv4Address"] = json!(format!("10.0.{subnet}.1/24"));
        task["roleCredentials"]["credentialsId"] = json!(format!("c{round}"));
        task["arn"] = arn;
    }
    task
}

/// ARN and state of every container of a task, but of those that the agent adds.
fn containers(room: &Room) -> Vec<(String, String, String)> {
    const SHOWN: &str = "{{.Label \"com.amazonaws.ecs.task-arn\"}} {{.Label \"com.amazonaws.ecs.container-name\"}} {{.State}} {{.ID}}";
    let listed = room.docker(&["ps", "-a", "--no-trunc", "--format", SHOWN]);
    let words = listed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let named = words.filter_map(|words| match words[..] {
        [arn, "app", state, id] => Some((arn.to_owned(), state.to_owned(), id.to_owned())),
        _ => None,
    });
    named.collect()
}

/// Starts an agent, gives it work and kills it, over and over; the number of the last message.
async fn kill_at_work(room: &Room, folder: &Path, plane: &mut Plane, kills: u64) -> i64 {
    let mut number = 0;
    for round in 0..kills {
        let mut agent = start(room, folder, plane);
        let (_, mut acs) = plane.acs().await;
        let stopping = round.checked_sub(LIVES).map(|old| {
            let mut old = task(old);
            old["desiredStatus"] = json!("STOPPED");
            old
        });
        // Every third task is stopped as soon as it was started.
        let mut stopped_at_once = task(round);
        stopped_at_once["desiredStatus"] = json!("STOPPED");
        let at_once = (round % 3 == 2).then_some(stopped_at_once);
        for task in [Some(task(round)), stopping, at_once].into_iter().flatten() {
            number += 1;
            acs.send("PayloadMessage", payload(&format!("m{number}"), number, task))
                .await;
        }
        // Spread over what a start takes here.
        tokio::time::sleep(Duration::from_millis(round * 37 % 400)).await;
        agent.kill().unwrap();
        agent.wait().unwrap();
        plane.forget();
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reliability_t8_kills_leave_no_orphan_and_restart_nothing() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let kills = kills();
    let mut number = kill_at_work(&room, folder.path(), &mut plane, kills).await;
    let mut last = room.agent(folder.path(), &plane, |config| {
        config.stop_timeout = Duration::from_secs(1);
    });
    last.connected().await;
    let (_, mut acs) = plane.acs().await;
    // What an agent had not taken before it died is said again, as the server does.
    for round in 0..kills {
        let mut task = task(round);
        if round % 3 == 2 || round + LIVES < kills {
            task["desiredStatus"] = json!("STOPPED");
        }
        number += 1;
        acs.send("PayloadMessage", payload(&format!("m{number}"), number, task))
            .await;
    }
    let arn = |round: u64| task(round)["arn"].as_str().unwrap().to_owned();
    let wanted: Vec<String> = (kills.saturating_sub(LIVES)..kills)
        .filter(|round| round % 3 != 2)
        .map(arn)
        .collect();
    let running = || -> Vec<String> {
        let all = containers(&room).into_iter();
        let mut arns: Vec<_> = all
            .filter(|(_, state, _)| state == "running")
            .map(|(arn, ..)| arn)
            .collect();
        arns.sort();
        arns
    };
    let mut expected = wanted.clone();
    expected.sort();
    let mut found = Vec::new();
    eventually("what is wanted runs and nothing else", || {
        if running() != found {
            found = running();
            println!("of {expected:?} run {found:?}");
        }
        found == expected
    })
    .await;
    let all = containers(&room);
    for round in 0..kills {
        let of_task = all.iter().filter(|(of, ..)| *of == arn(round)).count();
        assert!(of_task <= 1, "task {round} has {of_task} containers");
    }
    let with_interface = wanted
        .iter()
        .filter(|wanted| (0..kills).any(|round| round % WITH_INTERFACE == 1 && arn(round) == **wanted));
    let with_interface = with_interface.count();
    eventually("no cable is left of tasks that ended", || {
        run("ip", &["-o", "link"]).matches(": pcv").count() == with_interface
    })
    .await;
    last.end().await.unwrap();
    assert_eq!(
        room.docker(&["ps", "-q"]),
        "",
        "no container outlives the agent that was told to stop its tasks"
    );
    awsvpc::nothing_is_left();
}
