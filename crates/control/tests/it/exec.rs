//! How a session of Execute Command ends by itself, over real sockets and with short times.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use portcullis_api::ecs;
use portcullis_control::exec::Limits;
use portcullis_wire::session::document::{ChannelClosed, Document as _};
use portcullis_wire::session::{AgentMessage, MessageType, PayloadType};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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
const LIMITS: Limits = Limits {
    idle: Duration::from_millis(400),
    pending: Duration::from_millis(400),
    check: Duration::from_millis(20),
};

const PATIENT: Limits = Limits {
    idle: Duration::from_secs(60),
    pending: Duration::from_secs(3_600),
    ..LIMITS
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
    control: Socket,
    _agent: Agent,
}

impl Stage {
    async fn set() -> Self {
        Self::on(Server::start_with(|gate| gate.with_exec_limits(LIMITS)).await).await
    }

    /// Where silence ends nothing.
    async fn patient() -> Self {
        Self::on(Server::start_with(|gate| gate.with_exec_limits(PATIENT)).await).await
    }

    async fn on(server: Server) -> Self {
        cluster(&server, "c").await;
        let front = Front::open(&server).await;
        let capability = [("ecs.capability.execute-command", None)];
        let instance = Instance::register(&server.root, "c", &capability).await;
        let mut agent = instance.connect(&front, true).await.unwrap();
        eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
        let role = task_role(&server, "shell", &allow("ssmmessages:*", "*")).await;
        definition(&server, "shell", |request| request.task_role_arn = Some(role)).await;
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
        let control = channel(&itself, &front, &format!("/v1/control-channel/ecs:c_{id}_d0c")).await;
        Self {
            server,
            front,
            task,
            itself,
            control,
            _agent: agent,
        }
    }

    async fn execute(&self, caller: &Client) -> ecs::Session {
        let request = ecs::ExecuteCommandRequest {
            cluster: Some("c".to_owned()),
            container: None,
            command: "sh".to_owned(),
            interactive: true,
            task: self.task.clone(),
        };
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

    /// The host's end of the session it has the order for.
    async fn host(&mut self, session: &ecs::Session) -> Socket {
        let order = timeout(PATIENCE, self.control.next()).await.unwrap();
        let order = AgentMessage::parse(&order.unwrap().unwrap().into_data()).unwrap();
        assert_eq!(order.kind, MessageType::InteractiveShell);
        let path = format!("/v1/data-channel/{}", session.session_id.as_deref().unwrap());
        channel(&self.itself, &self.front, &path).await
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

async fn told(mut socket: Socket, token: &str) -> Socket {
    let opening = json!({ "MessageSchemaVersion": "1.0", "RequestId": "r", "TokenValue": token });
    socket.send(Message::text(opening.to_string())).await.unwrap();
    socket
}

/// Opens a channel as its host does.
async fn channel(client: &Client, front: &Front, path: &str) -> Socket {
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
    told(open_as(client, SERVICE, front, path).await.unwrap(), token).await
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
    let mut stage = Stage::set().await;
    let (mut client, mut host) = stage.session().await;
    let said = Instant::now();
    assert_eq!(
        farewell(&mut client).await,
        "Your session timed out due to inactivity."
    );
    assert!(said.elapsed() >= LIMITS.idle / 2, "{:?}", said.elapsed());
    assert_eq!(farewell(&mut host).await, "");
}

#[tokio::test]
async fn ecs_9_what_either_end_says_keeps_a_session_and_receipts_do_not() {
    let mut stage = Stage::set().await;
    let (mut client, mut host) = stage.session().await;
    let begun = Instant::now();
    for _ in 0..4 {
        for (end, kind) in [
            (&mut client, MessageType::InputStreamData),
            (&mut host, MessageType::OutputStreamData),
        ] {
            tokio::time::sleep(LIMITS.idle / 2).await;
            end.send(frame(kind)).await.unwrap();
        }
    }
    assert!(begun.elapsed() > LIMITS.idle * 3, "longer than silence may last");
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
    let stage = Stage::set().await;
    let session = stage.execute(&stage.server.root).await;
    let token = session.token_value.as_deref().unwrap();
    assert!(!format!("{session:?}").contains(token));
    let mut client = stage.client(&session).await;
    assert_eq!(
        farewell(&mut client).await,
        "The other end of the session did not connect in time."
    );
}

/// Passes a frame through.
async fn says(from: &mut Socket, kind: MessageType, to: &mut Socket) {
    from.send(frame(kind)).await.unwrap();
    let heard = timeout(PATIENCE, to.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(AgentMessage::parse(&heard.into_data()).unwrap().kind, kind);
}

#[tokio::test]
async fn a_session_ends_with_its_caller_and_the_host_hears_nothing_more() {
    let mut stage = Stage::patient().await;
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
    let mut stage = Stage::patient().await;
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
    let mut stage = Stage::patient().await;
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
