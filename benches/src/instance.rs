//! A container instance without an agent: registered through the API, connected over ACS, and acknowledging what it is
//! told without starting anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use portcullis_api::ecs;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::subject::{Client, Subject};
use crate::work::sign;

/// Processor units and MiB it claims to have: more than any bench uses.
const PLENTY: i32 = 1_000_000_000;

/// A connected instance; it is cut off when dropped.
#[derive(Debug)]
pub struct Instance {
    talk: JoinHandle<()>,
    connected: Arc<AtomicBool>,
}

impl Instance {
    /// Registers one in a cluster of its own and connects it.
    pub async fn join(subject: &Subject, client: &mut Client, cluster: &str) -> Result<Self> {
        let create = ecs::CreateClusterRequest {
            cluster_name: Some(cluster.to_owned()),
            ..Default::default()
        };
        client.call::<ecs::op::CreateCluster>(&create).await?;
        let arn = register(client, cluster).await?;
        // It has no key of its own, as genuine agents have none.
        client.approve(&arn).await?;
        let socket = open(subject, client, cluster, &arn).await?;
        let connected = Arc::new(AtomicBool::new(true));
        let talk = tokio::spawn(talk(socket, Arc::clone(&connected)));
        Ok(Self { talk, connected })
    }

    /// Fails if the server has closed the connection.
    pub fn still_connected(&self) -> Result<()> {
        ensure!(
            self.connected.load(Ordering::Relaxed),
            "the server closed the instance's ACS connection"
        );
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.talk.abort();
    }
}

async fn register(client: &mut Client, cluster: &str) -> Result<String> {
    let resource = |name: &str| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(PLENTY),
        ..Default::default()
    };
    let attribute = |minor: u32| ecs::Attribute {
        name: format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}"),
        ..Default::default()
    };
    let request = ecs::RegisterContainerInstanceRequest {
        cluster: Some(cluster.to_owned()),
        total_resources: Some(vec![resource("CPU"), resource("MEMORY")]),
        attributes: Some((17..=32).map(attribute).collect()),
        ..Default::default()
    };
    let reply = client
        .call::<ecs::op::RegisterContainerInstance>(&request)
        .await?;
    let arn = reply
        .container_instance
        .and_then(|instance| instance.container_instance_arn);
    arn.context("a registered instance has no ARN")
}

async fn open(
    subject: &Subject,
    client: &mut Client,
    cluster: &str,
    arn: &str,
) -> Result<WebSocketStream<TcpStream>> {
    let request = ecs::DiscoverPollEndpointRequest {
        cluster: Some(cluster.to_owned()),
        container_instance: Some(arn.to_owned()),
        zone_id: None,
    };
    let endpoint = client
        .call::<ecs::op::DiscoverPollEndpoint>(&request)
        .await?
        .endpoint;
    let endpoint = endpoint.context("DiscoverPollEndpoint names no endpoint")?;
    let address = endpoint
        .strip_prefix("http://")
        .context("the endpoint is no http address")?;
    let arn = arn.replace(':', "%3A").replace('/', "%2F");
    let uri = format!(
        "ws://{}/ws?agentHash=bench&agentVersion=1.105.1&clusterArn={cluster}&containerInstanceArn={arn}&\
         dockerVersion=none&protocolVersion=2&sendCredentials=true&seqNum=1",
        address.trim_end_matches('/')
    );
    let (mut parts, ()) = http::Request::get(uri).body(())?.into_parts();
    sign(&mut parts, b"", &subject.key, "ecs")?;
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
    ] {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    parts
        .headers
        .insert("sec-websocket-key", HeaderValue::try_from(generate_key())?);
    let stream = TcpStream::connect(subject.address).await?;
    let (socket, _) = client_async(http::Request::from_parts(parts, ()), stream)
        .await
        .context("ACS refuses the instance")?;
    Ok(socket)
}

async fn talk(mut socket: WebSocketStream<TcpStream>, connected: Arc<AtomicBool>) {
    while let Some(Ok(message)) = socket.next().await {
        let Some(reply) = message.to_text().ok().and_then(acknowledgement) else {
            continue;
        };
        if socket.send(Message::text(reply)).await.is_err() {
            break;
        }
    }
    connected.store(false, Ordering::Relaxed);
}

/// What an agent answers to a frame (agent.md 5.2).
fn acknowledgement(frame: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let message = frame.get("message")?;
    let reply = match frame.get("type")?.as_str()? {
        "HeartbeatMessage" => {
            json!({"type": "HeartbeatAckRequest", "message": {"messageId": message.get("messageId")?}})
        }
        "PayloadMessage" => json!({"type": "AckRequest", "message": {
            "cluster": message.get("clusterArn")?,
            "containerInstance": message.get("containerInstanceArn")?,
            "messageId": message.get("messageId")?}}),
        _ => return None,
    };
    Some(reply.to_string())
}
