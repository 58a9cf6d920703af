//! How a session of Execute Command ends by itself, over real sockets and with short times.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use portcullis_api::ecs;
use portcullis_control::exec::Limits;
use portcullis_wire::session::document::{ChannelClosed, Document as _};
use portcullis_wire::session::{AgentMessage, MessageType, PayloadType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::agent::{
    Agent, Front, Instance, client_of, cluster, definition, eventually, is_connected, open_as, task_role,
};
use crate::harness::{Client, Server, allow};
use crate::leaving::{LEAVINGS, Leaver};
use crate::scim::provider::Provider;

const PATIENCE: Duration = Duration::from_secs(10);
const SERVICE: &str = "ssmmessages";
/// Only what a test does ends a session.
const PATIENT: Limits = Limits {
    idle: Duration::from_secs(3_600),
    pending: Duration::from_secs(3_600),
    check: Duration::from_millis(20),
    silence: Duration::from_secs(3_600),
};
/// Only silence does.
const LIMITS: Limits = Limits {
    idle: Duration::from_secs(1),
    ..PATIENT
};
/// Only a host that is gone does.
const WATCHFUL: Limits = Limits {
    silence: Duration::from_millis(900),
    ..PATIENT
};
/// Nobody waits for the other end for long.
const HASTY: Limits = Limits {
    pending: Duration::from_millis(400),
    ..PATIENT
};
const REFUSED: &str =
    "The session was ended because its credentials or its permission for ecs:ExecuteCommand have ended.";

type Socket = WebSocketStream<TcpStream>;

/// A task with Execute Command whose host is in the hand of the test.
struct Stage {
    server: Server,
    front: Front,
    task: String,
    itself: Client,
    /// What comes over its control channel.
    orders: mpsc::UnboundedReceiver<AgentMessage>,
    /// `/v1/control-channel/ID`
    control: String,
    _agent: Agent,
}

impl Stage {
    async fn with(limits: Limits) -> Self {
        Self::on(Server::start_with(move |gate| gate.with_exec_limits(limits)).await).await
    }

    async fn on(server: Server) -> Self {
        Self::with_agent(server, &["inputs"]).await
    }

    /// With an agent that heeds this beside commands.
    async fn with_agent(server: Server, heeds: &[&str]) -> Self {
        cluster(&server, "c").await;
        let front = Front::open(&server).await;
        let capability = [
            ("ecs.capability.execute-command", None),
            ("com.amazonaws.ecs.capability.logging-driver.awslogs", None),
        ];
        let instance = Instance::register(&server.root, "c", &capability).await;
        let mut agent = instance.connect(&front, true).await.unwrap();
        eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
        let role = task_role(&server, "shell", &allow("ssmmessages:*", "*")).await;
        definition(&server, "shell", |request| {
            request.task_role_arn = Some(role);
            let options = [("awslogs-group", "app"), ("awslogs-region", "eu-west-1")];
            request.container_definitions[0].log_configuration = Some(ecs::LogConfiguration {
                log_driver: "awslogs".to_owned(),
                options: Some(
                    options
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
                secret_options: None,
            });
        })
        .await;
        let run = ecs::RunTaskRequest {
            cluster: Some("c".to_owned()),
            task_definition: "shell".to_owned(),
            enable_execute_command: Some(true),
            ..Default::default()
        };
        let ran = server.root.ok::<ecs::op::RunTask>(&run).await;
        let task = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
        let payload = agent.take().await;
        let keys = payload.tasks[0].role_credentials.clone().unwrap();
        instance.submit(&task, "RUNNING", &[("app", None)]).await;
        let ready = ecs::SubmitTaskStateChangeRequest {
            cluster: Some("c".to_owned()),
            task: Some(task.clone()),
            managed_agents: Some(vec![ecs::ManagedAgentStateChange {
                container_name: "app".to_owned(),
                managed_agent_name: "ExecuteCommandAgent".to_owned(),
                status: "RUNNING".to_owned(),
                reason: None,
            }]),
            ..Default::default()
        };
        instance
            .call::<ecs::op::SubmitTaskStateChange>(&ready)
            .await
            .unwrap();
        let itself = client_of(&server.root, &keys);
        let id = task.rsplit('/').next().unwrap();
        let control = format!("/v1/control-channel/ecs:c_{id}_d0c");
        let orders = listened_to(channel_with(&itself, &front, &control, heeds).await);
        Self {
            server,
            front,
            task,
            itself,
            orders,
            control,
            _agent: agent,
        }
    }

    fn request(&self) -> ecs::ExecuteCommandRequest {
        ecs::ExecuteCommandRequest {
            cluster: Some("c".to_owned()),
            container: None,
            command: "sh".to_owned(),
            interactive: true,
            task: self.task.clone(),
        }
    }

    async fn execute(&self, caller: &Client) -> ecs::Session {
        let request = self.request();
        // The server has no word for "open"; it is as soon as it has read the token.
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = caller.call::<ecs::op::ExecuteCommand>(&request).await;
            match answer {
                Ok(reply) => return reply.session.unwrap(),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    }

    /// Both ends of a session.
    async fn session(&mut self) -> (Socket, Socket) {
        let root = self.server.root.clone();
        self.session_of(&root).await
    }

    /// Both ends of a session of somebody.
    async fn session_of(&mut self, caller: &Client) -> (Socket, Socket) {
        let session = self.execute(caller).await;
        let host = self.host(&session).await;
        (self.client(&session).await, host)
    }

    /// The next order of the host.
    async fn order(&mut self) -> Value {
        let order = timeout(PATIENCE, self.orders.recv()).await.unwrap().unwrap();
        assert_eq!(order.kind, MessageType::InteractiveShell);
        let task: Value = serde_json::from_slice(&order.payload).unwrap();
        serde_json::from_str(task["Content"].as_str().unwrap()).unwrap()
    }

    /// The host's end of the session it has the order for.
    async fn host(&mut self, session: &ecs::Session) -> Socket {
        self.order().await;
        self.join(session).await
    }

    /// The host's end of a session.
    async fn join(&self, session: &ecs::Session) -> Socket {
        let path = format!("/v1/data-channel/{}", session.session_id.as_deref().unwrap());
        channel(&self.itself, &self.front, &path).await
    }

    /// How sessions of the cluster are logged and encrypted from now on.
    async fn configure(&self, exec: ecs::ExecuteCommandConfiguration) {
        let update = ecs::UpdateClusterRequest {
            cluster: "c".to_owned(),
            configuration: Some(ecs::ClusterConfiguration {
                execute_command_configuration: Some(exec),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.server.root.ok::<ecs::op::UpdateCluster>(&update).await;
    }

    async fn client(&self, session: &ecs::Session) -> Socket {
        self.client_if_there(session).await.unwrap()
    }

    /// The client's end, unless the session is gone already.
    async fn client_if_there(&self, session: &ecs::Session) -> Result<Socket, Error> {
        let path = format!("/v1/data-channel/{}", session.session_id.as_deref().unwrap());
        let url = format!("ws://{}{path}", self.front.address);
        let stream = TcpStream::connect(self.front.address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(told(socket, session.token_value.as_deref().unwrap()).await)
    }
}

/// What comes over a control channel, listened to all the time: whoever does not answer is taken for gone.
fn listened_to(mut channel: Socket) -> mpsc::UnboundedReceiver<AgentMessage> {
    let (sender, orders) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = channel.next().await {
            if let Message::Binary(frame) = message {
                let _ = sender.send(AgentMessage::parse(&frame).unwrap());
            }
        }
    });
    orders
}

async fn told(socket: Socket, token: &str) -> Socket {
    told_with(socket, token, &["inputs"]).await
}

/// With what the agent heeds beside commands.
async fn told_with(mut socket: Socket, token: &str, heeds: &[&str]) -> Socket {
    let opening =
        json!({ "MessageSchemaVersion": "1.0", "RequestId": "r", "TokenValue": token, "Heeds": heeds });
    socket.send(Message::text(opening.to_string())).await.unwrap();
    socket
}

/// Opens a channel as its host does.
async fn channel(client: &Client, front: &Front, path: &str) -> Socket {
    channel_with(client, front, path, &["inputs"]).await
}

async fn channel_with(client: &Client, front: &Front, path: &str, heeds: &[&str]) -> Socket {
    let request = Request::post(format!("http://{}{path}", front.address));
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    client.sign(SERVICE, &mut parts, b"{}", client.now());
    let mut text = format!("POST {path} HTTP/1.1\r\ncontent-length: 2\r\nconnection: close\r\n");
    for (name, value) in &parts.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    if !parts.headers.contains_key("host") {
        text.push_str(&format!("host: {}\r\n", front.address));
    }
    text.push_str("\r\n{}");
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let token = reply.split_once("<TokenValue>").expect(&reply).1;
    let token = token.split_once("</TokenValue>").unwrap().0;
    told_with(open_as(client, SERVICE, front, path).await.unwrap(), token, heeds).await
}

/// A frame of a stream, or a receipt.
fn frame(kind: MessageType) -> Message {
    Message::binary(
        AgentMessage {
            kind,
            created_ms: 1,
            sequence: 0,
            flags: 0,
            id: [7; 16],
            payload_type: PayloadType::Output,
            payload: b"x".to_vec(),
        }
        .encode(),
    )
}

/// The service's last words to an end.
async fn farewell(socket: &mut Socket) -> String {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("an end in time");
        let Message::Binary(bytes) = message.expect("words before the end").unwrap() else {
            continue;
        };
        let message = AgentMessage::parse(&bytes).unwrap();
        if message.kind == MessageType::ChannelClosed {
            return ChannelClosed::from_json(&message.payload).unwrap().output;
        }
    }
}

#[tokio::test]
async fn ecs_9_a_session_in_which_nothing_is_said_ends() {
    let mut stage = Stage::with(LIMITS).await;
    let begun = Instant::now();
    let (mut client, mut host) = stage.session().await;
    assert_eq!(
        farewell(&mut client).await,
        "Your session timed out due to inactivity."
    );
    assert!(begun.elapsed() >= LIMITS.idle, "{:?}", begun.elapsed());
    assert_eq!(farewell(&mut host).await, "");
}

#[tokio::test]
async fn ecs_9_what_either_end_says_keeps_a_session_and_receipts_do_not() {
    let mut stage = Stage::with(LIMITS).await;
    let (mut client, mut host) = stage.session().await;
    for kind in [MessageType::InputStreamData, MessageType::OutputStreamData] {
        let (from, to) = match kind {
            MessageType::InputStreamData => (&mut client, &mut host),
            _ => (&mut host, &mut client),
        };
        let begun = Instant::now();
        // Longer than silence may last; much more often than it would take, however slow this machine is.
        while begun.elapsed() <= LIMITS.idle * 5 / 4 {
            tokio::time::sleep(LIMITS.idle / 40).await;
            says(from, kind, to).await;
        }
    }
    let receipts = async {
        loop {
            tokio::time::sleep(LIMITS.idle / 8).await;
            if host.send(frame(MessageType::Acknowledge)).await.is_err() {
                return;
            }
        }
    };
    let words = tokio::select! {
        words = farewell(&mut client) => words,
        () = receipts => panic!("the host was ended first"),
    };
    assert_eq!(words, "Your session timed out due to inactivity.");
}

#[tokio::test]
async fn an_end_whose_other_end_does_not_come_is_told_so() {
    let stage = Stage::with(HASTY).await;
    let session = stage.execute(&stage.server.root).await;
    let token = session.token_value.as_deref().unwrap();
    assert!(!format!("{session:?}").contains(token));
    let mut client = stage.client(&session).await;
    assert_eq!(
        farewell(&mut client).await,
        "The other end of the session did not connect in time."
    );
}

#[tokio::test]
async fn a_session_whose_host_ends_it_with_its_container_ended_with_the_container() {
    let never_looks = Limits {
        check: Duration::from_secs(3_600),
        ..PATIENT
    };
    for is_stopped in [false, true] {
        let mut stage = Stage::with(never_looks).await;
        let (mut client, mut host) = stage.session().await;
        says(&mut host, MessageType::OutputStreamData, &mut client).await;
        if is_stopped {
            let stop = ecs::StopTaskRequest {
                cluster: Some("c".to_owned()),
                task: stage.task.clone(),
                reason: None,
            };
            stage.server.root.ok::<ecs::op::StopTask>(&stop).await;
        }
        drop(host);
        let words = match is_stopped {
            false => "The connection to the container was lost.",
            true => "The container has stopped.",
        };
        assert_eq!(farewell(&mut client).await, words);
    }
}

#[tokio::test]
async fn a_host_that_is_gone_without_a_word_loses_its_session_and_its_channel() {
    let mut stage = Stage::with(WATCHFUL).await;
    let (mut client, _silent) = stage.session().await;
    assert_eq!(
        farewell(&mut client).await,
        "The connection to the container was lost."
    );
    let mut silent = channel(&stage.itself, &stage.front, &stage.control).await;
    // Looked at as bytes, so that no ping is answered.
    let mut all = Vec::new();
    let ended = timeout(PATIENCE, silent.get_mut().read_to_end(&mut all)).await;
    ended.expect("an end in time").unwrap();
}

/// Passes a frame through.
async fn says(from: &mut Socket, kind: MessageType, to: &mut Socket) {
    from.send(frame(kind)).await.unwrap();
    let heard = timeout(PATIENCE, to.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(AgentMessage::parse(&heard.into_data()).unwrap().kind, kind);
}

#[tokio::test]
async fn a_session_ends_with_its_caller_and_the_host_hears_nothing_more() {
    let mut stage = Stage::with(PATIENT).await;
    let provider = Provider::open(&stage.server).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&stage.server, &provider, how, "ecs:*").await;
        let (mut client, mut host) = stage.session_of(&leaver.client).await;
        says(&mut client, MessageType::InputStreamData, &mut host).await;
        says(&mut host, MessageType::OutputStreamData, &mut client).await;
        leaver.leave(&stage.server, &provider).await;
        assert_eq!(farewell(&mut client).await, REFUSED, "{how:?}");
        // The first it hears after the last frame of before.
        let last = timeout(PATIENCE, host.next()).await.unwrap().unwrap().unwrap();
        let last = AgentMessage::parse(&last.into_data()).unwrap();
        assert_eq!(last.kind, MessageType::ChannelClosed, "{how:?}");
    }
}

async fn a_token_from_before_is_worth_nothing(host_waits: bool) {
    let mut stage = Stage::with(PATIENT).await;
    let provider = Provider::open(&stage.server).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&stage.server, &provider, how, "ecs:*").await;
        let session = stage.execute(&leaver.client).await;
        let host = if host_waits {
            Some(stage.host(&session).await)
        } else {
            None
        };
        leaver.leave(&stage.server, &provider).await;
        // The server reads the host's token when it comes to it: after the end it is refused, and the session is gone.
        match stage.client_if_there(&session).await {
            Ok(mut client) => assert_eq!(farewell(&mut client).await, REFUSED, "{how:?}"),
            Err(error) => assert!(host_waits, "{how:?}: {error}"),
        }
        if let Some(mut host) = host {
            farewell(&mut host).await;
        }
    }
}

#[tokio::test]
async fn a_token_from_before_its_caller_ended_opens_no_session() {
    a_token_from_before_is_worth_nothing(false).await;
}

#[tokio::test]
async fn a_token_from_before_its_caller_ended_opens_no_session_whose_host_waits() {
    a_token_from_before_is_worth_nothing(true).await;
}

#[tokio::test]
async fn ecs_9_a_session_ends_when_the_tags_of_its_task_let_it_no_longer() {
    let mut stage = Stage::with(PATIENT).await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "ecs:ExecuteCommand", "Resource": "*" },
            { "Effect": "Deny", "Action": "ecs:ExecuteCommand", "Resource": "*",
              "Condition": { "StringEquals": { "ecs:ResourceTag/closed": "yes" } } },
        ],
    });
    let mia = stage.server.user("mia", &policy.to_string()).await;
    let (mut client, mut host) = stage.session_of(&mia).await;
    says(&mut client, MessageType::InputStreamData, &mut host).await;
    let tag = ecs::TagResourceRequest {
        resource_arn: stage.task.clone(),
        tags: vec![ecs::Tag {
            key: Some("closed".to_owned()),
            value: Some("yes".to_owned()),
        }],
    };
    stage.server.root.ok::<ecs::op::TagResource>(&tag).await;
    assert_eq!(farewell(&mut client).await, REFUSED);
}

#[tokio::test]
async fn ecs_9_the_host_is_told_where_a_session_is_logged_and_with_which_key_it_is_encrypted() {
    let mut stage = Stage::with(PATIENT).await;
    let root = stage.server.root.clone();
    let exec =
        |logging: &str, key: Option<&str>, log: Option<(&str, &str)>| ecs::ExecuteCommandConfiguration {
            logging: Some(logging.to_owned()),
            kms_key_id: key.map(str::to_owned),
            log_configuration: log.map(|(group, bucket)| ecs::ExecuteCommandLogConfiguration {
                cloud_watch_log_group_name: Some(group.to_owned()),
                s3_bucket_name: Some(bucket.to_owned()),
                s3_key_prefix: Some("p".to_owned()),
                s3_encryption_enabled: Some(true),
                ..Default::default()
            }),
        };
    let told = |group: &str, region: Option<&str>, bucket: Option<&str>, key: Option<&str>| {
        let mut inputs = json!({ "cloudWatchLogGroupName": group, "cloudWatchEncryptionEnabled": false,
            "s3EncryptionEnabled": bucket.is_some(), "logIsOptional": region.is_some() });
        let prefix = bucket.map(|_| "p");
        for (name, value) in [
            ("cloudWatchRegion", region),
            ("s3BucketName", bucket),
            ("s3KeyPrefix", prefix),
            ("kmsKeyId", key),
        ] {
            if let Some(value) = value {
                inputs[name] = json!(value);
            }
        }
        inputs
    };
    // Nothing said is DEFAULT: the container's own log group.
    let ours = told("app", Some("eu-west-1"), None, None);
    for (exec, inputs) in [
        (ecs::ExecuteCommandConfiguration::default(), ours.clone()),
        (exec("DEFAULT", None, None), ours),
        (
            exec("DEFAULT", Some("alias/k"), None),
            told("app", Some("eu-west-1"), None, Some("alias/k")),
        ),
        (exec("NONE", None, None), Value::Null),
        (
            exec("OVERRIDE", None, Some(("g", "b"))),
            told("g", None, Some("b"), None),
        ),
    ] {
        stage.configure(exec).await;
        let session = stage.execute(&root).await;
        let order = stage.order().await;
        assert_eq!(order["DocumentContent"]["inputs"], inputs);
        assert_eq!(order["SessionId"], json!(session.session_id));
        // Both ends come and go: room for the next.
        let host = stage.join(&session).await;
        drop((stage.client(&session).await, host));
    }
}

#[tokio::test]
async fn a_log_that_a_cluster_demands_is_not_left_out_by_a_host_that_does_not_know_it() {
    let server = Server::start_with(|gate| gate.with_exec_limits(PATIENT)).await;
    let stage = Stage::with_agent(server, &[]).await;
    // Whoever gets a session has shown that the channel is open.
    stage.execute(&stage.server.root).await;
    stage
        .configure(ecs::ExecuteCommandConfiguration {
            kms_key_id: Some("alias/k".to_owned()),
            ..Default::default()
        })
        .await;
    let answer = stage
        .server
        .root
        .call::<ecs::op::ExecuteCommand>(&stage.request())
        .await;
    let refused = answer.unwrap_err().to_string();
    assert!(refused.starts_with("UnsupportedFeatureException: "), "{refused}");
}
