//! The process engine's story, from registration to STOPPED, and again with an agent that starts anew in between.

use std::fs;
use std::path::Path;
use std::time::Duration;

use portcullis_agent::{
    Activation, AgentError, Config, CredentialsSource, EngineChoice, EngineKind, PROCESS_ENGINE_NOTICE,
};
use portcullis_core::Secret;
use serde_json::json;

use crate::plane::{Acs, INSTANCE, Plane, Registration};
use crate::rig::{Agent, TASK, config, get, payload, role, shell_task};

/// Ends with 7 when told to stop; its output shows its environment once it is ready.
const SCRIPT: &str = "trap 'exit 7' TERM; env; echo ready; while :; do sleep 0.05; done";

fn start(folder: &Path, plane: &Plane) -> Agent {
    let mut config = config(folder, &plane.url);
    config.engine = EngineChoice::Process;
    config.attributes.insert("stack".into(), "production".into());
    Agent::start(config)
}

/// Joins a server that is away.
fn joining(folder: &Path) -> Config {
    let mut config = config(folder, "http://127.0.0.1:1");
    config.engine = EngineChoice::Process;
    config.credentials = CredentialsSource::Activation(Activation {
        id: "activation".into(),
        code: Secret::new("code"),
    });
    config
}

#[tokio::test]
async fn an_agent_that_waits_for_its_server_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(joining(folder.path()));
    agent.status.changed().await.unwrap();
    agent.end().await.unwrap();
}

#[tokio::test]
async fn an_activation_is_not_used_before_the_engine_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = joining(folder.path());
    config.engine = EngineChoice::Docker;
    config.docker_host = Some(format!("unix://{}/docker.sock", folder.path().display()));
    let outcome = Agent::start(config).outcome().await;
    assert!(matches!(outcome, Err(AgentError::Docker(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_second_agent_with_the_same_state_folder_leaves_the_first_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut first = start(folder.path(), &plane);
    let _acs = plane.acs().await;
    first.connected().await;
    let outcome = start(folder.path(), &plane).outcome().await;
    assert!(matches!(outcome, Err(AgentError::Occupied(_))), "{outcome:?}");
    first.end().await.unwrap();
}

/// The task's environment, as it printed it.
async fn environment(folder: &Path) -> String {
    let path = folder
        .join("tasks")
        .join(TASK.rsplit('/').next().unwrap())
        .join("app/stdout");
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.ends_with("ready\n") {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Address, path and authorization header of the credentials, from the environment.
fn credentials_uri(environment: &str) -> (String, String, String) {
    let variable = |name: &str| {
        let line = environment
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {environment}"))
            .to_owned()
    };
    let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let (address, path) = uri.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let header = format!(
        "Authorization: {}\r\n",
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    );
    (address.to_owned(), format!("/{path}"), header)
}

async fn run_task(acs: &mut Acs, plane: &mut Plane) {
    acs.send(
        "PayloadMessage",
        payload(
            "m1",
            1,
            shell_task("none", SCRIPT, "RUNNING", Some(role("c1", "AK1"))),
        ),
    )
    .await;
    assert_eq!(acs.receive().await["type"], "AckRequest");
    let ack = acs.receive().await;
    let expected = json!({"messageId": "m1", "credentialsId": "c1", "expiration": "2126-11-22T05:00:00Z"});
    assert_eq!(
        (&ack["type"], &ack["message"]),
        (&json!("IAMRoleCredentialsAckRequest"), &expected)
    );
    let running = plane.call("SubmitTaskStateChange").await;
    assert_eq!(
        (&running["status"], &running["task"], &running["cluster"]),
        (&json!("RUNNING"), &json!(TASK), &json!("probe"))
    );
    assert_eq!(running["containers"][0]["status"], "RUNNING");
}

#[tokio::test]
async fn agent_5_4_from_registration_to_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = start(folder.path(), &plane);
    registers(&mut agent, &mut plane).await;
    let (query, mut acs) = plane.acs().await;
    let first = query.contains("clusterArn=probe&") && query.contains("&sendCredentials=true&");
    assert!(first, "{query}");
    let heartbeat = json!({"healthy": true, "messageId": "h1"});
    acs.send("HeartbeatMessage", heartbeat).await;
    let ack = json!({"type": "HeartbeatAckRequest", "message": {"messageId": "h1"}});
    assert_eq!(acs.receive().await, ack);
    let metrics = plane.telemetry("PublishMetricsRequest").await;
    assert_eq!(metrics["metadata"]["idle"], true);

    run_task(&mut acs, &mut plane).await;
    let environment = environment(folder.path()).await;
    assert!(environment.contains("MINE=1\n") && environment.contains("AWS_REGION=us-west-2\n"));
    assert!(environment.contains(&format!("AWS_ENDPOINT_URL={}\n", plane.url)));
    assert!(!environment.contains("CARGO"), "nothing of the agent's own");
    let (address, path, token) = credentials_uri(&environment);
    serves_credentials(&mut acs, &address, &path, &token).await;

    let stop = shell_task("none", SCRIPT, "STOPPED", None);
    acs.send("PayloadMessage", payload("m3", 2, stop)).await;
    assert_eq!(acs.receive().await["type"], "AckRequest");
    let stopped = plane.call("SubmitTaskStateChange").await;
    let end = (&stopped["status"], &stopped["containers"][0]["exitCode"]);
    assert_eq!(end, (&json!("STOPPED"), &json!(7)));
    assert!(stopped["executionStoppedAt"].is_number());
    assert_eq!(get(&address, &path, &token).await.0, 400, "gone with the task");
    agent.end().await.unwrap();
    is_audited(folder.path());
    no_secret_on_disk(folder.path());
}

async fn registers(agent: &mut Agent, plane: &mut Plane) {
    let registration = plane.call("RegisterContainerInstance").await;
    assert_eq!(registration["cluster"], "probe");
    let custom = json!({"name": "stack", "value": "production"});
    assert_eq!(registration["attributes"][0], custom);
    assert!(registration.get("containerInstanceArn").is_none());
    let status = agent.connected().await;
    assert_eq!(status.engine, Some(EngineKind::Process));
    assert_eq!(status.container_instance_arn.as_deref(), Some(INSTANCE));
    assert!(status.notices.contains(&PROCESS_ENGINE_NOTICE.to_owned()));
}

/// With the token only; new keys as soon as they are pushed.
async fn serves_credentials(acs: &mut Acs, address: &str, path: &str, token: &str) {
    let (code, body) = get(address, path, token).await;
    let start = r#"{"RoleArn":"arn:aws:iam::111122223333:role/taskrole","AccessKeyId":"AK1","#;
    assert!(code == 200 && body.starts_with(start), "{code} {body}");
    for wrong in ["", "Authorization: guess\r\n"] {
        assert_eq!(get(address, path, wrong).await.0, 400, "{wrong}");
    }
    let rotation = json!({"messageId": "m2", "taskArn": TASK, "roleType": "TaskApplication", "roleCredentials": role("c1", "AK2")});
    acs.send("IAMRoleCredentialsMessage", rotation).await;
    assert_eq!(acs.receive().await["message"]["messageId"], "m2");
    assert!(get(address, path, token).await.1.contains("\"AK2\""));
}

fn is_audited(folder: &Path) {
    let audit = fs::read_to_string(folder.join("audit.log")).unwrap();
    let lines = |end: &str| audit.lines().filter(|line| line.ends_with(end)).count();
    let granted = format!(" \"/v2/credentials\" \"probe\" {TASK} GetCredentials 2 probe {INSTANCE}");
    assert_eq!((lines(&granted), lines("\"probe\" - ")), (2, 3), "{audit}");
}

fn no_secret_on_disk(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains("canary"), "{} holds a secret", path.display());
            }
        }
    }
}

#[tokio::test]
async fn agent_0_9_a_killed_agents_tasks_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut first = start(folder.path(), &plane);
    first.connected().await;
    let (_, mut acs) = plane.acs().await;
    run_task(&mut acs, &mut plane).await;
    let (address, path, token) = credentials_uri(&environment(folder.path()).await);
    first.abandon().await;
    plane.call("RegisterContainerInstance").await;

    let mut second = start(folder.path(), &plane);
    second.connected().await;
    let registration = plane.call("RegisterContainerInstance").await;
    assert_eq!(registration["containerInstanceArn"], INSTANCE);
    assert_ne!(
        registration["attributes"][0]["name"], "stack",
        "custom attributes only the first time"
    );
    let (query, mut acs) = plane.acs().await;
    assert!(query.contains("sendCredentials=true"), "{query}");
    let (code, body) = get(&address, &path, &token).await;
    assert_eq!(
        (code, body.contains("CredentialsUninitialized")),
        (503, true),
        "{body}"
    );

    let refresh = json!({"messageId": "m4", "taskArn": TASK, "roleType": "TaskApplication", "roleCredentials": role("c1", "AK3")});
    acs.send("IAMRoleCredentialsMessage", refresh).await;
    acs.receive().await;
    assert!(get(&address, &path, &token).await.1.contains("\"AK3\""));

    let manifest = json!({"messageId": "m5", "timeline": 9, "clusterArn": "c", "containerInstanceArn": INSTANCE, "tasks": []});
    acs.send("TaskManifestMessage", manifest).await;
    let question = acs.receive().await;
    assert_eq!(question["message"]["stopCandidates"][0]["taskArn"], TASK);
    let confirmed = json!({"messageId": "m5", "stopTasks": question["message"]["stopCandidates"]});
    acs.send("TaskStopVerificationAck", confirmed).await;
    plane.stopped().await;
    second.end().await.unwrap();
}

#[tokio::test]
async fn agent_5_2_a_closed_connection_is_opened_again_without_asking_for_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = start(folder.path(), &plane);
    agent.connected().await;
    let (_, acs) = plane.acs().await;
    acs.close().await;
    let (query, _acs) = plane.acs().await;
    assert!(query.contains("sendCredentials=false"), "{query}");
    agent.end().await.unwrap();
}

#[tokio::test]
async fn an_ending_agent_stops_its_tasks_when_configured_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut config = config(folder.path(), &plane.url);
    config.engine = EngineChoice::Process;
    config.stop_tasks_on_shutdown = true;
    let mut agent = Agent::start(config);
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    run_task(&mut acs, &mut plane).await;
    environment(folder.path()).await;
    agent.end().await.unwrap();
    assert_eq!(
        plane.call("SubmitTaskStateChange").await["containers"][0]["exitCode"],
        7
    );
}

#[tokio::test]
async fn agent_5_1_a_final_refusal_ends_the_agent_with_its_text() {
    for (registration, text) in [
        (
            Registration::Refuse,
            "the control plane refused to register this instance: ClientException: Cluster not found.",
        ),
        (
            Registration::ForgetAttributes,
            "the control plane did not echo the attribute `stack`; it cannot place tasks that need it",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let plane = Plane::start(registration).await;
        let error = start(folder.path(), &plane).outcome().await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(error.is_final());
    }
}

#[tokio::test]
async fn a_state_folder_belongs_to_one_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::start(Registration::Echo).await;
    let mut first = start(folder.path(), &plane);
    first.connected().await;
    first.end().await.unwrap();
    let mut other = config(folder.path(), &plane.url);
    other.cluster = "other".into();
    let error = Agent::start(other).outcome().await.unwrap_err();
    assert!(
        matches!(&error, AgentError::Setting(text) if text.contains("cluster `probe`")),
        "{error}"
    );
}

#[tokio::test]
async fn reliability_4_8_credentials_end_with_the_task_also_while_the_control_plane_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = start(folder.path(), &plane);
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    let end = folder.path().join("end");
    let script = format!(
        "env; echo ready; while [ ! -e {} ]; do sleep 0.05; done",
        end.display()
    );
    let task = shell_task("none", &script, "RUNNING", Some(role("c1", "AK1")));
    acs.send("PayloadMessage", payload("m1", 1, task)).await;
    acs.receive().await;
    acs.receive().await;
    plane.call("SubmitTaskStateChange").await;
    let environment = environment(folder.path()).await;
    let (address, path, token) = credentials_uri(&environment);
    // The control plane is away from here on: its sockets are closed and nobody listens.
    drop(acs);
    plane.leave().await;
    assert_eq!(get(&address, &path, &token).await.0, 200, "served on");
    fs::write(&end, "").unwrap();
    let began = std::time::Instant::now();
    while get(&address, &path, &token).await.0 != 400 {
        assert!(began.elapsed() < Duration::from_secs(10), "still served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    agent.abandon().await;
}

#[tokio::test]
async fn fetches_are_shipped_over_tcs_to_who_offers_to_take_them_and_until_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = start(folder.path(), &plane);
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    run_task(&mut acs, &mut plane).await;
    let (address, path, token) = credentials_uri(&environment(folder.path()).await);
    assert_eq!(get(&address, &path, &token).await.0, 200);
    assert_eq!(get(&address, "/v2/credentials/other", "").await.0, 400);
    let mut told = Vec::new();
    while told.len() < 2 {
        let shipped = plane.telemetry("PortcullisAuditRequest").await;
        told.extend(shipped["records"].as_array().unwrap().clone());
    }
    assert_eq!(
        (&told[0]["taskArn"], &told[0]["eventType"], &told[0]["status"]),
        (&json!(TASK), &json!("GetCredentials"), &json!(200))
    );
    assert_eq!(
        (&told[1]["taskArn"], &told[1]["status"]),
        (&json!(null), &json!(400))
    );
    let stop = shell_task("none", SCRIPT, "STOPPED", None);
    acs.send("PayloadMessage", payload("m2", 2, stop)).await;
    plane.stopped().await;
    agent.end().await.unwrap();
}
