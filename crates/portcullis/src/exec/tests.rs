//! Server, agent and client in one process, over real sockets; commands run on the process engine.

mod handshake;
mod logging;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_agent::{Config, CredentialsSource, EngineChoice, InstanceCredentials, Seams, Status};
use portcullis_api::{cloudtrail, ecs, iam};
use portcullis_core::{Region, SystemClock, SystemRandom};
use portcullis_wire::session::document::Size;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::conversation::{Ended, Event, Screen, converse};
use super::data_key::Caller;
use super::line;
use crate::client::Client;
use crate::town::Town;

const PATIENCE: Duration = Duration::from_secs(40);
const CLUSTER: &str = "my_probe";

struct Stage {
    town: Town,
    stop: watch::Sender<bool>,
    agent: JoinHandle<()>,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let town = Town::start().await;
        let create = ecs::CreateClusterRequest {
            cluster_name: Some(CLUSTER.to_owned()),
            ..Default::default()
        };
        town.admin
            .expect::<ecs::op::CreateCluster>(&create)
            .await
            .unwrap();
        let key = town.server.administrator.as_ref().unwrap();
        let keys = CredentialsSource::Static(InstanceCredentials {
            access_key_id: key.access_key_id().to_owned(),
            secret_access_key: key.secret().clone(),
            session_token: None,
        });
        let mut config = Config::new(
            CLUSTER,
            Region::us_east_1(),
            town.server.endpoint(),
            keys,
            folder.path().join("agent"),
        );
        config.engine = EngineChoice::Process;
        config.stop_tasks_on_shutdown = true;
        config.stop_timeout = Duration::from_secs(1);
        let seams = Seams {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        let (status, mut seen) = watch::channel(Status::default());
        let (stop, stopped) = watch::channel(false);
        let agent = tokio::spawn(async move {
            portcullis_agent::run(config, seams, status, stopped)
                .await
                .unwrap()
        });
        portcullis_agent::connected(&mut seen).await.unwrap();
        Self {
            town,
            stop,
            agent,
            _folder: folder,
        }
    }

    /// Runs a task whose role may do `actions`, and waits for its managed agent to be as wanted.
    async fn task(&self, role: &str, actions: &[&str], agent: &str) -> ecs::Task {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" }] });
        let create = iam::CreateRoleRequest {
            role_name: role.to_owned(),
            assume_role_policy_document: trust.to_string(),
            ..Default::default()
        };
        let arn = self
            .town
            .admin
            .expect::<iam::op::CreateRole>(&create)
            .await
            .unwrap()
            .role
            .arn;
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        let put = iam::PutRolePolicyRequest {
            role_name: role.to_owned(),
            policy_name: "p".to_owned(),
            policy_document: policy.to_string(),
        };
        self.town
            .admin
            .expect::<iam::op::PutRolePolicy>(&put)
            .await
            .unwrap();
        let container = ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            image: Some("none:1".to_owned()),
            memory: Some(16),
            entry_point: Some(vec!["/bin/sleep".to_owned()]),
            command: Some(vec!["1000".to_owned()]),
            ..Default::default()
        };
        let register = ecs::RegisterTaskDefinitionRequest {
            family: role.to_owned(),
            task_role_arn: Some(arn),
            container_definitions: vec![container],
            ..Default::default()
        };
        self.town
            .admin
            .expect::<ecs::op::RegisterTaskDefinition>(&register)
            .await
            .unwrap();
        let run = ecs::RunTaskRequest {
            cluster: Some(CLUSTER.to_owned()),
            task_definition: role.to_owned(),
            enable_execute_command: Some(true),
            ..Default::default()
        };
        let ran = self.town.admin.expect::<ecs::op::RunTask>(&run).await.unwrap();
        let task = ran.tasks.unwrap().pop().unwrap();
        self.wait_for(&task.task_arn.unwrap(), |task| managed(task).0 == agent)
            .await
    }

    async fn wait_for(&self, arn: &str, wanted: impl Fn(&ecs::Task) -> bool) -> ecs::Task {
        let request = ecs::DescribeTasksRequest {
            cluster: Some(CLUSTER.to_owned()),
            tasks: vec![arn.to_owned()],
            ..Default::default()
        };
        let look = async {
            loop {
                let reply = self
                    .town
                    .admin
                    .expect::<ecs::op::DescribeTasks>(&request)
                    .await
                    .unwrap();
                if let Some(task) = reply.tasks.into_iter().flatten().find(&wanted) {
                    return task;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("the task gets there")
    }

    async fn execute(&self, task: &ecs::Task, command: &str) -> Result<ecs::ExecuteCommandResponse, String> {
        let request = ecs::ExecuteCommandRequest {
            cluster: Some(CLUSTER.to_owned()),
            container: None,
            command: command.to_owned(),
            interactive: true,
            task: task.task_arn.clone().unwrap(),
        };
        let answer = self
            .town
            .admin
            .call::<ecs::op::ExecuteCommand>(&request)
            .await
            .unwrap();
        match answer.result {
            Ok(reply) => {
                assert_eq!(reply.container_name.as_deref(), Some("app"));
                Ok(reply)
            }
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    async fn strike(self) {
        self.stop.send_replace(true);
        self.agent.await.unwrap();
        self.town.end().await;
    }
}

/// Status and reason of the managed agent.
fn managed(task: &ecs::Task) -> (String, String) {
    let agents = task
        .containers
        .iter()
        .flatten()
        .flat_map(|one| one.managed_agents.iter().flatten());
    let agent = agents.last().cloned().unwrap_or_default();
    (
        agent.last_status.unwrap_or_default(),
        agent.reason.unwrap_or_default(),
    )
}

/// A person made of a script: types a line whenever its cue has been shown.
struct Script {
    cues: Vec<(&'static str, Event)>,
    shown: String,
    notices: Vec<String>,
    cued: mpsc::UnboundedReceiver<Event>,
    cue: mpsc::UnboundedSender<Event>,
}

impl Script {
    fn new(cues: Vec<(&'static str, Event)>) -> Self {
        let (cue, cued) = mpsc::unbounded_channel();
        let size = Event::Resized(Size { cols: 120, rows: 40 });
        cue.send(size).unwrap();
        Self {
            cues,
            shown: String::new(),
            notices: Vec::new(),
            cued,
            cue,
        }
    }
}

impl Screen for Script {
    async fn next(&mut self) -> Option<Event> {
        self.cued.recv().await
    }

    fn show(&mut self, output: &[u8]) -> anyhow::Result<()> {
        self.shown.push_str(&String::from_utf8_lossy(output));
        while let Some((wanted, event)) = self.cues.first().cloned()
            && self.shown.contains(wanted)
        {
            self.cues.remove(0);
            self.cue.send(event).unwrap();
        }
        Ok(())
    }

    fn notice(&mut self, text: &str) {
        self.notices.push(text.to_owned());
    }
}

fn typed(text: &str) -> Event {
    Event::Typed(text.as_bytes().to_vec())
}

async fn play(client: &Client, made: &ecs::ExecuteCommandResponse, script: &mut Script) -> Ended {
    let caller = Caller { client, made };
    let conversation = converse(&caller, script);
    tokio::time::timeout(PATIENCE, conversation)
        .await
        .expect("the session ends")
        .unwrap()
}

const CHANNELS: [&str; 4] = [
    "ssmmessages:CreateControlChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenDataChannel",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_on_a_terminal_beside_its_task_and_its_exit_code_comes_back() {
    let stage = Stage::set().await;
    let actions = [&CHANNELS[..], &["ecs:GetTaskProtection"]].concat();
    let task = stage.task("talker", &actions, "RUNNING").await;
    let command =
        "sh -c 'echo ready; read line; stty size; echo got:$line; echo $ECS_AGENT_URI; seq 1 3000; exit 3'";
    let session = stage.execute(&task, command).await.unwrap();
    let mut script = Script::new(vec![("ready", typed("hello\r"))]);
    let ended = play(&stage.town.admin, &session, &mut script).await;
    assert_eq!(
        (ended.exit_code, ended.words.as_str()),
        (Some(3), ""),
        "{}",
        script.shown
    );
    for wanted in ["40 120", "got:hello", "/api/", "\r\n2999\r\n3000\r\n"] {
        assert!(script.shown.contains(wanted), "{wanted} in {}", script.shown);
    }
    assert!(
        script
            .notices
            .iter()
            .any(|notice| notice.contains("process engine"))
    );
    // Used once, a token opens nothing.
    let again = Caller {
        client: &stage.town.admin,
        made: &session,
    };
    assert!(converse(&again, &mut Script::new(Vec::new())).await.is_err());
    protect_from_inside(&script.shown, &task).await;
    // Ctrl-C reaches the command.
    let session = stage
        .execute(&task, "sh -c 'echo ready; exec sleep 1000'")
        .await
        .unwrap();
    let ended = play(
        &stage.town.admin,
        &session,
        &mut Script::new(vec![("ready", typed("\u{3}"))]),
    )
    .await;
    assert_eq!((ended.exit_code, ended.words.as_str()), (None, ""));
    let token = session.session.unwrap().token_value.unwrap();
    let records = stage
        .town
        .admin
        .expect::<cloudtrail::op::LookupEvents>(&Default::default())
        .await
        .unwrap();
    let texts = records
        .events
        .into_iter()
        .flatten()
        .filter_map(|event| event.cloud_trail_event);
    let all = texts.collect::<Vec<_>>().join("\n");
    assert!(all.contains("ExecuteCommand") && all.contains("OpenControlChannel"));
    assert!(all.contains("HIDDEN_DUE_TO_SECURITY_REASONS") && !all.contains(&token));
    stage.strike().await;
}

/// What the task could ask of its own endpoint, whose address it printed.
async fn protect_from_inside(shown: &str, task: &ecs::Task) {
    let (_, rest) = shown.split_once("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let path = format!(
        "/{}/task-protection/v1/state",
        path.split_whitespace().next().unwrap()
    );
    let arn = task.task_arn.as_deref().unwrap();
    let (status, body) = ask("GET", address, &path, "").await;
    let expected = json!({ "failure": { "Arn": arn, "Detail": null, "Reason": "TASK_NOT_VALID" } });
    assert_eq!((status, body), (200, expected));
    let (status, body) = ask("PUT", address, &path, r#"{"ProtectionEnabled":true}"#).await;
    assert_eq!(
        (status, &body["error"]["Code"]),
        (400, &json!("AccessDeniedException")),
        "{body}"
    );
    let (status, body) = ask("PUT", address, &path, "{}").await;
    assert_eq!(
        (status, &body["error"]["Code"]),
        (400, &json!("InvalidParameterException")),
        "{body}"
    );
    let (status, body) = ask("GET", address, "/api/nobody/task-protection/v1/state", "").await;
    assert_eq!(
        (status, &body["error"]["Code"]),
        (404, &json!("ResourceNotFoundException")),
        "{body}"
    );
}

async fn ask(method: &str, address: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_ssmmessages_has_no_sessions() {
    let stage = Stage::set().await;
    let task = stage
        .task("mute", &["ssmmessages:CreateControlChannel"], "STOPPED")
        .await;
    let (_, reason) = managed(&task);
    assert!(
        reason.contains("is not authorized to perform: ssmmessages:OpenControlChannel"),
        "{reason}"
    );
    let refused = stage.execute(&task, "sh").await.unwrap_err();
    assert_eq!(
        refused,
        "TargetNotConnectedException: The execute command failed due to an internal error. Try again later."
    );
    stage.strike().await;
}

/// Plays a session of `cat` whose terminal has shown what was typed: both of its ends are there.
async fn cat(client: &Client, session: ecs::ExecuteCommandResponse) -> JoinHandle<(Ended, String)> {
    let client = client.clone();
    let mut script = Script::new(vec![("hello", typed("world\r"))]);
    let (shown, mut seen) = mpsc::unbounded_channel();
    let keyboard = std::mem::replace(&mut script.cue, shown);
    keyboard.send(typed("hello\r")).unwrap();
    let playing = tokio::spawn(async move {
        let ended = play(&client, &session, &mut script).await;
        // While it plays there is somebody who might type.
        drop(keyboard);
        (ended, script.shown)
    });
    seen.recv().await.expect("a terminal shows what is typed");
    playing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_has_two_sessions_and_they_end_with_its_task() {
    let stage = Stage::set().await;
    let task = stage.task("sleeper", &CHANNELS, "RUNNING").await;
    let first = stage.execute(&task, "cat").await.unwrap();
    let second = stage.execute(&task, "cat").await.unwrap();
    let third = stage.execute(&task, "cat").await.unwrap_err();
    assert!(
        third.starts_with("InvalidParameterException: The container has reached its limit of 2 sessions")
    );
    // A stranger who knows the session but not its token gets nothing, and takes nothing away.
    let url = first.session.as_ref().unwrap().stream_url.clone().unwrap();
    for opening in [
        "{}",
        "nothing",
        r#"{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"guessed"}"#,
    ] {
        let (mut socket, _) = tokio_tungstenite::client_async(
            url.as_str(),
            tokio::net::TcpStream::connect(stage.town.server.address)
                .await
                .unwrap(),
        )
        .await
        .unwrap();
        socket.send(Message::text(opening)).await.unwrap();
        let next = socket.next().await;
        assert!(!matches!(next, Some(Ok(Message::Binary(_)))), "{next:?}");
    }
    let running = cat(&stage.town.admin, first).await;
    let other = cat(&stage.town.admin, second).await;
    let stop = ecs::StopTaskRequest {
        cluster: Some(CLUSTER.to_owned()),
        task: task.task_arn.clone().unwrap(),
        reason: None,
    };
    stage.town.admin.expect::<ecs::op::StopTask>(&stop).await.unwrap();
    let (ended, shown) = running.await.unwrap();
    assert_eq!(
        (ended.exit_code, ended.words.as_str()),
        (None, "The container has stopped."),
        "{shown}"
    );
    assert_eq!(other.await.unwrap().0.words, "The container has stopped.");
    let refused = stage.execute(&task, "cat").await.unwrap_err();
    assert!(
        refused.starts_with("InvalidParameterException: The execute command failed because"),
        "{refused}"
    );
    stage.strike().await;
}

#[test]
fn words_make_a_line_that_is_split_into_them_again() {
    let words = ["sh", "-c", "echo 'it''s' \"$HOME\"", "", "a=b", "x y"].map(str::to_owned);
    assert_eq!(
        line(&words),
        r#"sh -c 'echo '\''it'\'''\''s'\'' "$HOME"' '' a=b 'x y'"#
    );
}
