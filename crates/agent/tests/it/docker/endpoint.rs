//! The task endpoint as containers of every network mode see it: whose credentials, whose metadata, what is on record.

use serde_json::{Value, json};

use super::awsvpc::{arn, inside, running, task};
use super::room::{IMAGE, Room};
use crate::plane::{Plane, Registration};
use crate::rig::{role, shell_task};

const WAITING: &str = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
/// A task in each mode that has a network; the letter names it.
const MODES: [(char, &str); 4] = [('b', "bridge"), ('c', "bridge"), ('d', "host"), ('e', "awsvpc")];

fn task_in(letter: char, mode: &str) -> Value {
    let mut wire = match mode {
        "awsvpc" => task(letter, 15, WAITING, Value::Null),
        _ => {
            let keys = role(&format!("c{letter}"), &format!("AK{letter}"));
            let mut wire = shell_task(IMAGE, WAITING, "RUNNING", Some(keys));
            wire["arn"] = json!(arn(letter));
            wire["networkMode"] = json!(mode);
            let hosts = json!({"NetworkMode": mode});
            wire["containers"][0]["dockerConfig"]["hostConfig"] = json!(hosts.to_string());
            wire
        }
    };
    wire["executionRoleCredentials"] = role(&format!("x{letter}"), "EXECUTION");
    wire
}

fn get(room: &Room, letter: char, path: &str) -> String {
    inside(
        room,
        letter,
        &format!("wget -q -O - 'http://169.254.170.2{path}' 2>&1"),
    )
    .1
}

/// What a path below a variable of the container's own answers.
fn get_own(room: &Room, letter: char, variable: &str, path: &str) -> String {
    inside(room, letter, &format!("wget -q -O - \"${variable}{path}\" 2>&1")).1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_1_3_each_mode_gets_its_own_credentials_and_nobody_elses() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |config| {
        config.metrics_wait = std::time::Duration::from_secs(1);
        config.introspection_port = Some(51_678);
    });
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    for (number, (letter, mode)) in (1..).zip(MODES) {
        running(&mut plane, &mut acs, number, task_in(letter, mode)).await;
    }
    for (caller, mode) in MODES {
        for (owner, _) in MODES {
            let seen = get(&room, caller, &format!("/v2/credentials/c{owner}"));
            match caller == owner {
                true => assert!(
                    seen.contains(&format!("\"AccessKeyId\":\"AK{owner}\"")),
                    "{mode}: {seen}"
                ),
                false => assert!(seen.contains("400"), "{mode} {caller} asks for {owner}: {seen}"),
            }
            let execution = get(&room, caller, &format!("/v2/credentials/x{owner}"));
            assert!(
                execution.contains("400") && !execution.contains("EXECUTION"),
                "{mode}: {execution}"
            );
        }
        let own = inside(
            &room,
            caller,
            "wget -q -O - http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        );
        let document: Value = serde_json::from_str(&own.1).unwrap();
        let fields: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            fields,
            ["RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"],
            "{mode}"
        );
    }
    metadata_in_each_mode(&room);
    introspection(&room);
    records_of_it(folder.path());
    metrics(&mut plane).await;
    agent.end().await.unwrap();
}

fn metadata_in_each_mode(room: &Room) {
    for (letter, mode) in MODES {
        let text = get_own(room, letter, "ECS_CONTAINER_METADATA_URI_V4", "/task");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["TaskARN"], arn(letter).as_str());
        let containers = document["Containers"].as_array().unwrap();
        let app = containers.iter().find(|one| one["Name"] == "app").unwrap();
        assert_eq!(app["Networks"][0]["NetworkMode"], mode, "{text}");
        let stats = get_own(room, letter, "ECS_CONTAINER_METADATA_URI_V4", "/stats");
        let stats: Value = serde_json::from_str(&stats).unwrap();
        assert!(stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap() > 0);
        let by_address = get(room, letter, "/v2/metadata");
        match mode {
            "awsvpc" => {
                assert!(by_address.contains(&arn(letter)), "{by_address}");
                assert_eq!(app["Networks"][0]["MACAddress"], "02:00:0a:00:00:0f");
                assert_eq!(app["Networks"][0]["IPv4SubnetCIDRBlock"], "10.0.0.0/24");
                assert_eq!(app["Networks"][0]["SubnetGatewayIpv4Address"], "10.0.0.1/24");
            }
            _ => assert!(by_address.contains("400"), "{by_address}"),
        }
    }
}

/// On loopback: programs of the host and in host mode reach it, others do not.
fn introspection(room: &Room) {
    assert!(portcullis_agent::is_healthy(51_678));
    let seen = inside(room, 'd', "wget -q -O - http://127.0.0.1:51678/v1/tasks 2>&1").1;
    assert!(seen.contains("\"Tasks\":[{\"Arn\":"), "{seen}");
    let script = "busybox timeout 2 wget -q -O - http://172.17.0.1:51678/v1/metadata 2>&1";
    let seen = inside(room, 'b', script);
    assert!(!seen.1.contains("Cluster"), "{seen:?}");
}

/// One line a fetch, with the caller's own address.
fn records_of_it(folder: &std::path::Path) {
    let log = std::fs::read_to_string(folder.join("audit.log")).unwrap();
    let granted = |letter: char| {
        let end = format!(
            "{} GetCredentials 2 probe {}",
            arn(letter),
            crate::plane::INSTANCE
        );
        let line = log.lines().find(|line| line.ends_with(&end));
        line.unwrap_or_else(|| panic!("nothing of {letter} in {log}"))
            .split(' ')
            .nth(2)
            .unwrap()
            .to_owned()
    };
    assert!(granted('b').starts_with("172.17.0."));
    assert!(granted('d').starts_with("169.254.170.2:"));
    assert!(granted('e').starts_with("10.0.0.15:"));
    assert!(!log.contains("GetCredentialsExecutionRole"));
}

/// The second round of telemetry has figures of every task.
async fn metrics(plane: &mut Plane) {
    loop {
        let message = plane.telemetry("PublishMetricsRequest").await;
        let Some(tasks) = message["taskMetrics"].as_array() else {
            continue;
        };
        assert_eq!(tasks.len(), MODES.len(), "{message}");
        for task in tasks {
            let containers = task["containerMetrics"].as_array().unwrap();
            assert_eq!(containers.len(), 1, "the pause container is nobody's business");
            let cpu = &containers[0]["cpuStatsSet"];
            assert!(cpu["sampleCount"].as_i64().unwrap() > 0 && cpu["max"].as_f64().unwrap() <= 100.0);
            assert!(containers[0]["memoryStatsSet"]["max"].as_f64().unwrap() < 64.0);
        }
        return;
    }
}
