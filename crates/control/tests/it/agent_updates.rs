//! UpdateContainerAgent, with an agent in the hand of a test (docs/agent-updates.md).

use std::path::Path;

use http_body_util::BodyExt as _;
use portcullis_api::{acs, ecs};
use portcullis_core::SeededRandom;
use portcullis_wire::agent_build::SignedBuild;
use portcullis_wire::agent_proof::{AgentKey, PROOF_HEADER, digest};
use tokio::net::TcpStream;

use crate::agent::{Agent, Front, Instance, cluster, eventually, is_connected};
use crate::harness::{Client, Server};

const BODY: &[u8] = b"a program";
const X86: &[(&str, Option<&str>)] = &[("ecs.cpu-architecture", Some("x86_64"))];

/// Puts a build into a folder.
fn put(folder: &Path, version: &str, architecture: &str) -> SignedBuild {
    let key = AgentKey::generate(&SeededRandom::new(1)).unwrap();
    let sha256: String = digest(BODY).iter().map(|byte| format!("{byte:02x}")).collect();
    let build = SignedBuild::sign(&key, version.parse().unwrap(), architecture, &sha256).unwrap();
    let path = folder.join(build.file_name());
    std::fs::write(&path, BODY).unwrap();
    let signature = serde_json::to_string(&build).unwrap();
    std::fs::write(format!("{}.sig", path.display()), signature).unwrap();
    build
}

struct Stage {
    server: Server,
    front: Front,
    instance: Instance,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let server = Server::start().await;
        cluster(&server, "c").await;
        let front = Front::open(&server).await;
        let instance = Instance::register(&server.root, "c", X86).await;
        let folder = tempfile::tempdir().unwrap();
        Self {
            server,
            front,
            instance,
            folder,
        }
    }

    fn look(&self) {
        let view = self.server.gate.world().view();
        view.neighbours().agent_builds().read(self.folder.path()).unwrap();
    }

    async fn connect(&self, hash: &str, version: &str) -> Agent {
        let agent = self
            .instance
            .connect_saying(&self.front, hash, version)
            .await
            .unwrap();
        let arn = &self.instance.arn;
        let says = |view: &portcullis_control::world::Snapshot| {
            let mut rows = view.ecs.container_instances.iter();
            let row = rows.find(|(_, row)| row.arn.as_str() == arn).unwrap().1;
            row.version_info.agent_version.as_deref() == Some(version)
        };
        eventually(&self.server, "connected", |view| {
            is_connected(view, arn) && says(view)
        })
        .await;
        agent
    }

    fn request(&self) -> ecs::UpdateContainerAgentRequest {
        ecs::UpdateContainerAgentRequest {
            cluster: Some("c".to_owned()),
            container_instance: self.instance.arn.clone(),
        }
    }

    async fn refused(&self) -> String {
        let refused = self
            .server
            .root
            .err::<ecs::op::UpdateContainerAgent>(&self.request())
            .await;
        refused.split(':').next().unwrap().to_owned()
    }

    async fn status(&self) -> Option<String> {
        let request = ecs::DescribeContainerInstancesRequest {
            cluster: Some("c".to_owned()),
            container_instances: vec![self.instance.arn.clone()],
            ..Default::default()
        };
        let reply = self
            .server
            .root
            .ok::<ecs::op::DescribeContainerInstances>(&request)
            .await;
        reply
            .container_instances
            .unwrap()
            .pop()
            .unwrap()
            .agent_update_status
    }

    async fn becomes(&self, status: &str) {
        let arn = &self.instance.arn;
        eventually(&self.server, status, |view| {
            let mut rows = view.ecs.container_instances.iter();
            let row = rows.find(|(_, row)| row.arn.as_str() == arn).unwrap().1;
            row.agent_update
                .as_ref()
                .is_some_and(|update| update.status.as_str() == status)
        })
        .await;
        assert_eq!(self.status().await.as_deref(), Some(status));
    }

    fn ack(&self, message_id: &str) -> acs::AckRequest {
        acs::AckRequest {
            cluster: "c".to_owned(),
            container_instance: self.instance.arn.clone(),
            message_id: message_id.to_owned(),
        }
    }

    /// What the server gives for a path below the builds, with the agent's proof or without.
    async fn get(&self, client: &Client, path: &str, proves: bool) -> (u16, Vec<u8>) {
        let request = http::Request::get(format!(
            "http://{}/portcullis/agent-builds/{path}",
            self.front.address
        ));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(proof) = self
            .instance
            .proof("GetAgentBuild", &self.front)
            .filter(|_| proves)
        {
            parts.headers.insert(PROOF_HEADER, proof.parse().unwrap());
        }
        client.sign("ecs", &mut parts, b"", client.now());
        let stream = TcpStream::connect(self.front.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let body = http_body_util::Empty::<hyper::body::Bytes>::new();
        let response = sender
            .send_request(http::Request::from_parts(parts, body))
            .await
            .unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes().to_vec(),
        )
    }
}

#[tokio::test]
async fn ecs_8_an_update_is_staged_performed_and_shown_all_along() {
    let stage = Stage::new().await;
    let build = put(stage.folder.path(), "2.0.0", "x86_64");
    put(stage.folder.path(), "1.5.0", "x86_64");
    put(stage.folder.path(), "3.0.0", "arm64");
    stage.look();
    let mut agent = stage.connect("portcullis", "1.0.0").await;
    assert_eq!(stage.status().await, None);
    let reply = stage
        .server
        .root
        .ok::<ecs::op::UpdateContainerAgent>(&stage.request())
        .await;
    assert_eq!(
        reply.container_instance.unwrap().agent_update_status.as_deref(),
        Some("PENDING")
    );
    assert_eq!(stage.refused().await, "UpdateInProgressException");

    let staging: acs::StageUpdateMessage = agent.expect().await;
    let info = staging.update_info;
    assert_eq!(
        info.location,
        format!("/portcullis/agent-builds/{}", build.file_name())
    );
    assert_eq!(
        (info.signature, info.portcullis_size),
        (build.sha256.clone(), Some(9))
    );
    assert_eq!(info.portcullis_signature, Some(build.signature.clone()));
    stage.becomes("STAGING").await;
    let path = format!("{}?containerInstance={}", build.file_name(), stage.instance.arn);
    let (client, stranger) = (
        &stage.instance.client,
        stage.server.user("stranger", ADMINISTRATOR).await,
    );
    assert_eq!(stage.get(client, &path, true).await, (200, BODY.to_vec()));
    assert_eq!(
        stage.get(client, &format!("{path}&offset=2"), true).await,
        (200, b"program".to_vec())
    );
    assert_eq!(
        stage.get(client, &format!("{path}&offset=99"), true).await,
        (200, Vec::new())
    );
    // Permission alone is not enough, nor the right principal without its agent's key.
    for (client, proves) in [(client, false), (&stranger, true), (&stranger, false)] {
        let (status, answer) = stage.get(client, &path, proves).await;
        assert_eq!(status, 400, "{}", String::from_utf8_lossy(&answer));
    }
    for other in [
        "portcullis-1.5.0-x86_64",
        "..%2F..%2Fetc%2Fpasswd",
        "../secret",
        "",
    ] {
        let path = format!("{other}?containerInstance={}", stage.instance.arn);
        assert_eq!(stage.get(client, &path, true).await.0, 404, "{other}");
    }

    agent.send(&stage.ack(&staging.message_id)).await;
    let performing: acs::PerformUpdateMessage = agent.expect().await;
    stage.becomes("UPDATING").await;
    agent.send(&stage.ack(&performing.message_id)).await;
    drop(agent);
    let _agent = stage.connect("portcullis", "2.0.0").await;
    stage.becomes("UPDATED").await;
    assert_eq!(stage.refused().await, "NoUpdateAvailableException");
    assert_eq!(stage.get(client, &path, true).await.0, 404);
}

const ADMINISTRATOR: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

#[tokio::test]
async fn ecs_8_an_agent_that_refuses_or_comes_back_as_it_was_has_failed() {
    let stage = Stage::new().await;
    put(stage.folder.path(), "2.0.0", "x86_64");
    stage.look();
    let mut agent = stage.connect("portcullis", "1.0.0").await;
    stage
        .server
        .root
        .ok::<ecs::op::UpdateContainerAgent>(&stage.request())
        .await;
    let staging: acs::StageUpdateMessage = agent.expect().await;
    let nack = acs::NackRequest {
        cluster: "c".to_owned(),
        container_instance: stage.instance.arn.clone(),
        message_id: staging.message_id,
        reason: "Updates are disabled".to_owned(),
    };
    agent.send(&nack).await;
    stage.becomes("FAILED").await;

    // Another try, which the agent gives up for the build it was.
    stage
        .server
        .root
        .ok::<ecs::op::UpdateContainerAgent>(&stage.request())
        .await;
    let staging: acs::StageUpdateMessage = agent.expect().await;
    agent.send(&stage.ack(&staging.message_id)).await;
    let _: acs::PerformUpdateMessage = agent.expect().await;
    stage.becomes("UPDATING").await;
    drop(agent);
    let _agent = stage.connect("portcullis", "1.0.0").await;
    stage.becomes("FAILED").await;
}

#[tokio::test]
async fn ecs_8_an_update_resumes_when_the_agent_comes_back() {
    let stage = Stage::new().await;
    put(stage.folder.path(), "2.0.0", "x86_64");
    stage.look();
    let mut agent = stage.connect("portcullis", "1.0.0").await;
    stage
        .server
        .root
        .ok::<ecs::op::UpdateContainerAgent>(&stage.request())
        .await;
    let _: acs::StageUpdateMessage = agent.expect().await;
    stage.becomes("STAGING").await;
    drop(agent);
    let mut agent = stage.connect("portcullis", "1.0.0").await;
    let staging: acs::StageUpdateMessage = agent.expect().await;
    agent.send(&stage.ack(&staging.message_id)).await;
    let _: acs::PerformUpdateMessage = agent.expect().await;
}

#[tokio::test]
async fn ecs_8_there_are_builds_of_our_agent_alone_and_only_newer_ones() {
    for (hash, version, files) in [
        ("genuine", "1.0.0", &[("2.0.0", "x86_64")][..]),
        ("portcullis", "1.0.0", &[("2.0.0", "arm64")]),
        ("portcullis", "2.0.0", &[("2.0.0", "x86_64"), ("1.9.0", "x86_64")]),
        ("portcullis", "1.0.0", &[]),
    ] {
        let stage = Stage::new().await;
        for (version, architecture) in files {
            put(stage.folder.path(), version, architecture);
        }
        stage.look();
        let _agent = stage.connect(hash, version).await;
        assert_eq!(
            stage.refused().await,
            "NoUpdateAvailableException",
            "{hash} {version}"
        );
    }
}
