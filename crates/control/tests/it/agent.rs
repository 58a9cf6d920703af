//! An agent in the hand of a test: speaks ACS and TCS to a listening server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use portcullis_api::{acs, ecs, iam};
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::acs::{Agents, Timing};
use portcullis_control::server::{self, Options};
use portcullis_core::{SystemRandom, Timestamp};
use portcullis_wire::agent_proof::{AgentKey, PROOF_HEADER, Subject};
use portcullis_wire::{ClientError, Frame, Operation, Shape, encode_frame};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::harness::{Client, Server, without_authorization_id};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens.
pub struct Front {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Front {
    /// Listens for a server's agents; sessions look and beat every few milliseconds.
    pub async fn open(server: &Server) -> Self {
        let timing = Timing {
            heartbeat_min: Duration::from_millis(50),
            heartbeat_jitter: Duration::from_millis(10),
            check: Duration::from_millis(10),
            pause: Duration::from_millis(1),
            write: Duration::from_secs(5),
        };
        Self::open_with(server, timing).await
    }

    /// Listens for a server's agents; sessions look and beat as often as said.
    pub async fn open_with(server: &Server, timing: Timing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::listen(server, listener, timing)
    }

    /// The same on a listener that is there.
    pub fn listen(server: &Server, listener: TcpListener, timing: Timing) -> Self {
        let address = listener.local_addr().unwrap();
        let gate = server.gate.clone();
        let doors = move |_| Doors {
            gate: gate.clone(),
            agents: Arc::new(Agents::with_timing(gate.clone(), timing)),
        };
        let accounts = Accounts::open(server.gate.world().clone(), Box::new(doors)).unwrap();
        let options = Options {
            tls: None,
            trusted_proxies: Vec::new(),
            scim: false,
        };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, options, Arc::new(accounts), stopped));
        Self { address, stop }
    }
}

impl Front {
    /// The same, reached by another address. It goes on without this.
    pub fn behind(&self, address: SocketAddr) -> Self {
        let (stop, _) = watch::channel(false);
        Self { address, stop }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A registered container instance, the credentials of its role, and its agent's key.
#[derive(Clone)]
pub struct Instance {
    pub arn: String,
    pub client: Client,
    pub key: Option<Arc<AgentKey>>,
    /// When the last proof was made: the next one must be newer.
    pub last_proof: Arc<AtomicI64>,
}

impl Instance {
    /// Registers an agent with a key, and lets it in.
    pub async fn register(client: &Client, cluster: &str, attributes: &[(&str, Option<&str>)]) -> Self {
        let instance = Self::register_only(client, cluster, attributes).await;
        // Of a principal that speaks for several instances an operator lets in each but the first.
        if client.waits(&instance.arn) {
            let (status, answer) = client.as_root().approve(&instance.arn, "203.0.113.7").await;
            assert_eq!(status, 200, "{answer}");
        }
        instance
    }

    /// The same, and no operator lets it in.
    pub async fn register_only(client: &Client, cluster: &str, attributes: &[(&str, Option<&str>)]) -> Self {
        let key = AgentKey::generate(&SystemRandom).unwrap();
        let token = key.public().to_string().replace(['/', '+', '='], "");
        let request = registration(cluster, attributes, Some(&token));
        let reply = client
            .call_with_key::<ecs::op::RegisterContainerInstance>(&key, &token, &request)
            .await
            .unwrap();
        let arn = reply.container_instance.unwrap().container_instance_arn.unwrap();
        Self::of(&arn, client, Some(key))
    }

    /// Registers an agent without a key, as genuine ones do: it waits for an operator.
    pub async fn register_plain(client: &Client, cluster: &str, attributes: &[(&str, Option<&str>)]) -> Self {
        let request = registration(cluster, attributes, None);
        let reply = client.ok::<ecs::op::RegisterContainerInstance>(&request).await;
        let arn = reply.container_instance.unwrap().container_instance_arn.unwrap();
        Self::of(&arn, client, None)
    }
    /// An instance that was registered.
    pub fn of(arn: &str, client: &Client, key: Option<AgentKey>) -> Self {
        Self {
            arn: arn.to_owned(),
            client: client.clone(),
            key: key.map(Arc::new),
            last_proof: Arc::default(),
        }
    }

    /// A call of the agent's.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, ClientError> {
        match &self.key {
            Some(key) => self.client.call_with_key::<O>(key, &self.arn, input).await,
            None => self.client.call::<O>(input).await,
        }
    }

    /// The agent's proof for a websocket.
    pub fn proof(&self, operation: &str, front: &Front) -> Option<String> {
        let key = self.key.as_ref()?;
        let now = self.client.now().as_millis();
        let later = |last: i64| Some(now.max(last + 1));
        let relaxed = Ordering::Relaxed;
        let last = self.last_proof.fetch_update(relaxed, relaxed, later).unwrap();
        let host = front.address.to_string();
        let subject = Subject::new(&self.arn, operation, &host, b"");
        let made = Timestamp::from_millis(now.max(last + 1));
        Some(key.prove(&subject, made, &SystemRandom).to_string())
    }

    fn cluster(&self) -> &str {
        self.arn.rsplit('/').nth(1).unwrap()
    }

    /// Opens ACS.
    pub async fn connect(&self, front: &Front, send_credentials: bool) -> Result<Agent, String> {
        let proof = self.proof("Poll", front);
        self.connect_proving(front, send_credentials, proof).await
    }

    /// Opens ACS as an agent that says this of itself.
    pub async fn connect_saying(&self, front: &Front, hash: &str, version: &str) -> Result<Agent, String> {
        let says = format!("agentHash={hash}&agentVersion={version}");
        self.connect_as(&says, front, true, self.proof("Poll", front))
            .await
    }

    /// Opens ACS with that proof.
    pub async fn connect_proving(
        &self,
        front: &Front,
        send_credentials: bool,
        proof: Option<String>,
    ) -> Result<Agent, String> {
        self.connect_as("agentHash=h&agentVersion=1.105.1", front, send_credentials, proof)
            .await
    }

    async fn connect_as(
        &self,
        says: &str,
        front: &Front,
        send_credentials: bool,
        proof: Option<String>,
    ) -> Result<Agent, String> {
        let query = format!(
            "{says}&clusterArn={}&containerInstanceArn={}&dockerVersion=DockerVersion%3A+20.10&protocolVersion=2&sendCredentials={send_credentials}&seqNum=1",
            self.cluster(),
            self.arn.replace(':', "%3A").replace('/', "%2F"),
        );
        let socket = open(&self.client, front, &format!("/acs/ws?{query}"), proof).await?;
        Ok(Agent {
            socket,
            instance: self.clone(),
            url: String::new(),
            answers: true,
            close_code: None,
        })
    }

    /// Opens TCS.
    pub async fn connect_telemetry(&self, front: &Front) -> Result<Agent, String> {
        self.connect_telemetry_as("", front).await
    }

    /// Opens TCS as an agent that says this of itself.
    pub async fn connect_telemetry_as(&self, says: &str, front: &Front) -> Result<Agent, String> {
        let query = format!(
            "{says}agentVersion=1.105.1&cluster={}&containerInstance={}",
            self.cluster(),
            self.arn
        );
        let path = format!("/tcs/ws?{query}");
        let proof = self.proof("StartTelemetrySession", front);
        let socket = open(&self.client, front, &path, proof).await?;
        let url = format!("http://{}{path}", front.address);
        Ok(Agent {
            socket,
            instance: self.clone(),
            url,
            answers: true,
            close_code: None,
        })
    }

    /// Reports a task's status, and its containers' with it.
    pub async fn submit(&self, task: &str, status: &str, containers: &[(&str, Option<i32>)]) {
        let containers = containers
            .iter()
            .map(|(name, exit_code)| ecs::ContainerStateChange {
                container_name: Some((*name).to_owned()),
                status: Some(status.to_owned()),
                runtime_id: Some("d0c".to_owned()),
                exit_code: *exit_code,
                ..Default::default()
            });
        let request = ecs::SubmitTaskStateChangeRequest {
            cluster: Some(self.cluster().to_owned()),
            task: Some(task.to_owned()),
            status: Some(status.to_owned()),
            reason: Some(String::new()),
            containers: Some(containers.collect()),
            ..Default::default()
        };
        let reply = self
            .call::<ecs::op::SubmitTaskStateChange>(&request)
            .await
            .unwrap();
        assert_eq!(reply.acknowledgment.as_deref(), Some("ACK"));
    }
}

/// A registration with 2,048 CPU units and 4,096 MiB, and everything task definitions may require.
fn registration(
    cluster: &str,
    attributes: &[(&str, Option<&str>)],
    token: Option<&str>,
) -> ecs::RegisterContainerInstanceRequest {
    let number = |name: &str, value: i32| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(value),
        ..Default::default()
    };
    let ports = ecs::Resource {
        name: Some("PORTS".to_owned()),
        r#type: Some("STRINGSET".to_owned()),
        string_set_value: Some(vec!["22".to_owned(), "51678".to_owned()]),
        ..Default::default()
    };
    let capabilities = [
        "com.amazonaws.ecs.capability.task-iam-role",
        "com.amazonaws.ecs.capability.docker-remote-api.1.17",
        "com.amazonaws.ecs.capability.docker-remote-api.1.18",
        "com.amazonaws.ecs.capability.docker-remote-api.1.19",
        "com.amazonaws.ecs.capability.docker-remote-api.1.21",
        "com.amazonaws.ecs.capability.docker-remote-api.1.25",
        "com.amazonaws.ecs.capability.docker-remote-api.1.29",
        "com.amazonaws.ecs.capability.logging-driver.awslogs",
        "com.amazonaws.ecs.capability.ecr-auth",
        "ecs.capability.execution-role-awslogs",
        "ecs.capability.execution-role-ecr-pull",
        "ecs.capability.container-health-check",
        "ecs.capability.container-ordering",
    ];
    let capabilities = capabilities.into_iter().map(|name| (name, None));
    let attributes = capabilities
        .chain(attributes.iter().copied())
        .map(|(name, value)| ecs::Attribute {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            ..Default::default()
        });
    ecs::RegisterContainerInstanceRequest {
        cluster: Some(cluster.to_owned()),
        client_token: token.map(str::to_owned),
        total_resources: Some(vec![number("CPU", 2048), number("MEMORY", 4096), ports]),
        attributes: Some(attributes.collect()),
        ..Default::default()
    }
}

/// Opens a websocket; a refusal is its body.
async fn open(
    client: &Client,
    front: &Front,
    path: &str,
    proof: Option<String>,
) -> Result<WebSocketStream<TcpStream>, String> {
    open_with(client, "ecs", front, path, proof).await
}

/// Opens a websocket, signed for a service; a refusal is its body.
pub async fn open_as(
    client: &Client,
    service: &str,
    front: &Front,
    path: &str,
) -> Result<WebSocketStream<TcpStream>, String> {
    open_with(client, service, front, path, None).await
}

async fn open_with(
    client: &Client,
    service: &str,
    front: &Front,
    path: &str,
    proof: Option<String>,
) -> Result<WebSocketStream<TcpStream>, String> {
    let request = Request::get(format!("ws://{}{path}", front.address));
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    if let Some(proof) = proof {
        parts.headers.insert(PROOF_HEADER, proof.parse().unwrap());
    }
    client.sign(service, &mut parts, b"", client.now());
    for (name, value) in [
        ("connection", "Upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
        ("sec-websocket-key", generate_key()),
    ] {
        parts.headers.insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(front.address).await.unwrap();
    match tokio_tungstenite::client_async(Request::from_parts(parts, ()), stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = String::from_utf8(response.into_body().unwrap_or_default()).unwrap();
            Err(plain_refusal(&body))
        }
        Err(other) => panic!("{other}"),
    }
}

/// A refusal of the agents' sessions, `{"CODE":"text"}`, without its authorization id.
fn plain_refusal(body: &str) -> String {
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(body) {
        Ok(members) => {
            let plain = members.into_iter().map(|(code, text)| {
                (
                    code,
                    serde_json::Value::from(without_authorization_id(text.as_str().unwrap()).0),
                )
            });
            serde_json::Value::Object(plain.collect()).to_string()
        }
        Err(_) => body.to_owned(),
    }
}

/// An open connection.
pub struct Agent {
    socket: WebSocketStream<TcpStream>,
    instance: Instance,
    url: String,
    /// Whether heartbeats are answered.
    pub answers: bool,
    /// What the server said when it ended the connection.
    pub close_code: Option<u16>,
}

impl Agent {
    /// The next frame that is no heartbeat; `None` when the server ended the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time");
            let text = match message {
                Some(Ok(Message::Close(frame))) => {
                    self.close_code = frame.map(|frame| frame.code.into());
                    return None;
                }
                None | Some(Err(_)) => return None,
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(_)) => continue,
            };
            let frame = Frame::parse(text.as_bytes()).unwrap();
            if !frame.is::<acs::HeartbeatMessage>() {
                return Some(frame);
            }
            let message_id = frame.read::<acs::HeartbeatMessage>().unwrap().message_id.unwrap();
            if self.answers && self.url.is_empty() {
                let answer = encode_frame(&acs::HeartbeatAckRequest { message_id });
                // The server may have ended the connection meanwhile: then that is what comes next.
                let _ = self.socket.send(Message::text(answer)).await;
            }
        }
    }

    /// The next frame of a kind; others are passed over.
    pub async fn expect<S: Shape>(&mut self) -> S {
        loop {
            let frame = self.next().await.expect("the connection stays open");
            if frame.is::<S>() {
                return frame.read().unwrap();
            }
        }
    }

    /// Sends a message of ACS.
    pub async fn send<S: Shape>(&mut self, message: &S) {
        self.socket
            .send(Message::text(encode_frame(message)))
            .await
            .unwrap();
    }

    /// The next payload, acknowledged with its credentials.
    pub async fn take(&mut self) -> acs::PayloadMessage {
        let payload: acs::PayloadMessage = self.expect().await;
        let ack = acs::AckRequest {
            cluster: payload.cluster_arn.clone(),
            container_instance: payload.container_instance_arn.clone(),
            message_id: payload.message_id.clone(),
        };
        self.send(&ack).await;
        for task in &payload.tasks {
            for role in [&task.role_credentials, &task.execution_role_credentials]
                .into_iter()
                .flatten()
            {
                self.acknowledge(&payload.message_id, role).await;
            }
        }
        payload
    }

    /// Acknowledges credentials.
    pub async fn acknowledge(&mut self, message_id: &str, role: &acs::IAMRoleCredentials) {
        let ack = acs::IAMRoleCredentialsAckRequest {
            message_id: message_id.to_owned(),
            credentials_id: role.credentials_id.clone(),
            expiration: role.expiration.clone(),
        };
        self.send(&ack).await;
    }

    /// Sends a telemetry frame signed over `signed`, carrying `message`.
    pub async fn publish<S: Shape>(&mut self, message: &S, tampered: bool) {
        let json = encode_frame(message);
        let (mut parts, ()) = Request::get(&self.url).body(()).unwrap().into_parts();
        let client = &self.instance.client;
        let signed = if tampered { "{}" } else { json.as_str() };
        client.sign("ecs", &mut parts, signed.as_bytes(), client.now());
        let mut head = String::new();
        for name in ["authorization", "host", "x-amz-date", "x-amz-security-token"] {
            if let Some(value) = parts.headers.get(name) {
                head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
            }
        }
        self.socket
            .send(Message::text(format!("{head}\r\n{json}")))
            .await
            .unwrap();
    }

    /// Closes the connection.
    pub async fn close(mut self) {
        self.socket.close(None).await.unwrap();
    }
}

/// The credentials as the task's own client.
pub fn client_of(agent: &Client, role: &acs::IAMRoleCredentials) -> Client {
    agent.with(
        &role.access_key_id,
        &role.secret_access_key,
        Some(&role.session_token),
    )
}

/// A role ECS's tasks may act as.
pub async fn task_role(server: &Server, name: &str, policy: &str) -> String {
    role(server, name, "ecs-tasks.amazonaws.com", policy).await
}

/// A role a service may act as.
pub async fn role(server: &Server, name: &str, service: &str, policy: &str) -> String {
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
            "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:ecs:*:*:*" } }
        }]
    });
    let create = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    };
    let arn = server.root.ok::<iam::op::CreateRole>(&create).await.role.arn;
    let put = iam::PutRolePolicyRequest {
        role_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: policy.to_owned(),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    arn
}

/// A definition of one container `app` with 128 MiB, changed as the test wants; its ARN.
pub async fn definition(
    server: &Server,
    family: &str,
    change: impl FnOnce(&mut ecs::RegisterTaskDefinitionRequest),
) -> String {
    let container = ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some("local/app:1".to_owned()),
        memory: Some(128),
        cpu: Some(256),
        ..Default::default()
    };
    let mut request = ecs::RegisterTaskDefinitionRequest {
        family: family.to_owned(),
        container_definitions: vec![container],
        ..Default::default()
    };
    change(&mut request);
    let reply = server.root.ok::<ecs::op::RegisterTaskDefinition>(&request).await;
    reply.task_definition.unwrap().task_definition_arn.unwrap()
}

/// A cluster by that name.
pub async fn cluster(server: &Server, name: &str) {
    let request = ecs::CreateClusterRequest {
        cluster_name: Some(name.to_owned()),
        ..Default::default()
    };
    server.root.ok::<ecs::op::CreateCluster>(&request).await;
}

/// Waits until the picture says so; a test that must wait for long has failed.
pub async fn eventually(
    server: &Server,
    what: &str,
    holds: impl Fn(&portcullis_control::world::Snapshot) -> bool,
) {
    let mut changes = server.gate.world().changes();
    let waiting = async {
        while !holds(&server.gate.world().view()) {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// Whether an instance is shown as connected.
pub fn is_connected(view: &portcullis_control::world::Snapshot, arn: &str) -> bool {
    view.ecs
        .container_instances
        .iter()
        .any(|(_, one)| one.arn.as_str() == arn && one.agent_connected)
}

/// RunTask in a cluster.
pub fn run(cluster: &str, definition: &str) -> ecs::RunTaskRequest {
    ecs::RunTaskRequest {
        cluster: Some(cluster.to_owned()),
        task_definition: definition.to_owned(),
        ..Default::default()
    }
}

/// One task as DescribeTasks shows it.
pub async fn describe(server: &Server, cluster: &str, task: &str) -> ecs::Task {
    let request = ecs::DescribeTasksRequest {
        cluster: Some(cluster.to_owned()),
        tasks: vec![task.to_owned()],
        include: Some(vec!["TAGS".to_owned()]),
    };
    let reply = server.root.ok::<ecs::op::DescribeTasks>(&request).await;
    reply
        .tasks
        .unwrap()
        .pop()
        .unwrap_or_else(|| panic!("no task: {:?}", reply.failures))
}
