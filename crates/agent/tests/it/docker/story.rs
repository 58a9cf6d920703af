//! A task on Docker, from payload to STOPPED, as its containers and their neighbours see it.

use serde_json::json;
use tokio::sync::oneshot;

use super::room::{IMAGE, Room, eventually, traces};
use crate::plane::{Acs, Plane, Registration};
use crate::rig::{Agent, TASK, get, payload, role, shell_task};
use portcullis_agent::TaskApi;

const FETCH: &str = "wget -q -O - http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

/// Fetches its credentials, then waits to be stopped.
fn fetching() -> String {
    format!("trap 'exit 7' TERM; env; {FETCH}; echo; echo ready; while :; do sleep 0.1; done")
}

fn container(room: &Room) -> String {
    room.docker(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label=com.amazonaws.ecs.task-arn={TASK}"),
    ])
    .trim()
    .to_owned()
}

async fn logs(room: &Room) -> String {
    let id = container(room);
    eventually("the task is ready", || {
        room.docker(&["logs", &id]).contains("ready")
    })
    .await;
    room.docker(&["logs", &id])
}

async fn started(room: &Room, plane: &mut Plane, agent: &mut Agent, task: serde_json::Value) -> Acs {
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    acs.send("PayloadMessage", payload("m1", 1, task)).await;
    acs.receive().await;
    acs.receive().await;
    assert_eq!(plane.call("SubmitTaskStateChange").await["status"], "RUNNING");
    logs(room).await;
    acs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_1_2b_a_task_gets_its_own_credentials_and_nobody_elses() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let (deliver, delivered) = oneshot::channel();
    let mut agent = room.agent(folder.path(), &plane, |config| {
        config.task_api = Some(TaskApi {
            port: 4566,
            listener: deliver,
        })
    });
    let notices = agent.connected().await.notices;
    assert_eq!(traces(), (true, true));
    for announced in ["added to lo", "inet portcullis"] {
        let found = notices.iter().any(|notice| notice.contains(announced));
        assert!(found, "{announced} in {notices:?}");
    }
    let api = delivered.await.unwrap();
    assert_eq!(api.local_addr().unwrap().to_string(), "169.254.170.2:4566");

    let task = shell_task(IMAGE, &fetching(), "RUNNING", Some(role("c1", "AK1")));
    let mut acs = started(&room, &mut plane, &mut agent, task.clone()).await;
    let output = logs(&room).await;
    for expected in [
        "\"AccessKeyId\":\"AK1\"",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/c1\n",
        "AWS_ENDPOINT_URL=http://169.254.170.2:4566\n",
    ] {
        assert!(output.contains(expected), "{expected} in {output}");
    }
    let name = room.docker(&["inspect", "-f", "{{.Name}}", &container(&room)]);
    assert!(name.starts_with("/ecs-probefam-3-app-"), "{name}");
    strangers_get_nothing(&room).await;
    shows_metadata(&output).await;

    let mut stop = task;
    stop["desiredStatus"] = json!("STOPPED");
    acs.send("PayloadMessage", payload("m2", 2, stop)).await;
    let stopped = plane.stopped().await;
    assert_eq!(stopped["containers"][0]["exitCode"], 7);
    assert!(
        stopped["containers"][0]["runtimeId"]
            .as_str()
            .unwrap()
            .starts_with(&container(&room))
    );
    agent.end().await.unwrap();
    assert_eq!(traces(), (false, false), "nothing stays");
    room.docker(&["rm", "-f", &container(&room)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_mode_tasks_fetch_over_loopback() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    let mut task = shell_task(IMAGE, &fetching(), "RUNNING", Some(role("c1", "AK1")));
    task["containers"][0]["dockerConfig"]["hostConfig"] = json!("{\"NetworkMode\":\"host\"}");
    let _acs = started(&room, &mut plane, &mut agent, task).await;
    assert!(logs(&room).await.contains("\"AccessKeyId\":\"AK1\""));
    agent.end().await.unwrap();
    room.docker(&["rm", "-f", &container(&room)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_0_9_a_killed_agent_leaves_all_to_the_next_one() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut first = room.agent(folder.path(), &plane, |_| {});
    let task = shell_task(IMAGE, &fetching(), "RUNNING", Some(role("c1", "AK1")));
    let acs = started(&room, &mut plane, &mut first, task).await;
    first.abandon().await;
    drop(acs);
    assert_eq!(traces(), (true, true), "still there for the container");
    let before = container(&room);

    let mut second = room.agent(folder.path(), &plane, |_| {});
    second.connected().await;
    let (_, mut acs) = plane.acs().await;
    let inside = |room: &Room| {
        let arguments = ["exec", &before, "sh", "-c", &format!("{FETCH} 2>&1 || true")];
        room.docker(&arguments)
    };
    assert!(inside(&room).contains("503"), "until ACS sends them again");
    let refresh = json!({"messageId": "m3", "taskArn": TASK, "roleType": "TaskApplication", "roleCredentials": role("c1", "AK2")});
    acs.send("IAMRoleCredentialsMessage", refresh).await;
    acs.receive().await;
    assert!(inside(&room).contains("\"AccessKeyId\":\"AK2\""));
    assert_eq!(container(&room), before, "found again, not started again");
    second.end().await.unwrap();
    plane.stopped().await;
    assert_eq!(traces(), (false, false));
    room.docker(&["rm", "-f", &before]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_removed_even_when_docker_is_not_used_any_more() {
    let room = Room::enter();
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(Registration::Echo).await;
    let mut first = room.agent(folder.path(), &plane, |_| {});
    first.connected().await;
    first.abandon().await;
    assert_eq!(traces(), (true, true));
    let mut second = room.agent(folder.path(), &plane, |config| {
        config.engine = portcullis_agent::EngineChoice::Process
    });
    second.connected().await;
    assert_eq!(traces(), (false, false));
    second.end().await.unwrap();
}

async fn strangers_get_nothing(room: &Room) {
    let stranger = room.stranger_gets("http://169.254.170.2/v2/credentials/c1");
    let refused = String::from_utf8_lossy(&stranger.stderr).contains("400");
    assert!(refused, "{stranger:?}");
    let host = get("169.254.170.2:80", "/v2/credentials/c1", "").await;
    assert_eq!(host.0, 400, "the host is not the task");
}

async fn shows_metadata(environment: &str) {
    let mut lines = environment.lines();
    let uri = lines.find_map(|line| line.strip_prefix("ECS_CONTAINER_METADATA_URI_V4="));
    let path = uri.unwrap().strip_prefix("http://169.254.170.2").unwrap();
    let (code, document) = get("169.254.170.2:80", &format!("{path}/task"), "").await;
    let running = document.contains("\"KnownStatus\":\"RUNNING\"");
    assert!(code == 200 && running, "{document}");
}
