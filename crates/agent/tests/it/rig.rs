//! Starting and ending an agent, and asking it what containers ask it.

use std::path::Path;
use std::sync::Arc;

use portcullis_agent::{
    AgentError, Config, CredentialsSource, InstanceCredentials, Seams, Status, connected, run,
};
use portcullis_core::{Clock, Random, Secret, SeededRandom, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::plane::{REGION, SECRET};

pub const TASK: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub fn config(folder: &Path, url: &str) -> Config {
    let credentials = CredentialsSource::Static(InstanceCredentials {
        access_key_id: "AKIDINSTANCE".into(),
        secret_access_key: Secret::new(SECRET),
        session_token: None,
    });
    Config::new("probe", REGION.parse().unwrap(), url, credentials, folder)
}

/// A running agent.
pub struct Agent {
    pub status: watch::Receiver<Status>,
    shutdown: watch::Sender<bool>,
    running: JoinHandle<Result<(), AgentError>>,
}

impl Agent {
    pub fn start(config: Config) -> Self {
        Self::start_with(config, Arc::new(SeededRandom::new(7)))
    }

    /// With randomness of its own: two agents of one seed would give containers the same names.
    pub fn start_with(config: Config, random: Arc<dyn Random>) -> Self {
        Self::start_by(config, Arc::new(SystemClock), random)
    }

    /// With a clock of its own, too.
    pub fn start_by(config: Config, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (status_sender, status) = watch::channel(Status::default());
        let (shutdown, ending) = watch::channel(false);
        let seams = Seams { clock, random };
        Self {
            status,
            shutdown,
            running: tokio::spawn(run(config, seams, status_sender, ending)),
        }
    }

    pub async fn connected(&mut self) -> Status {
        match connected(&mut self.status).await {
            Some(status) => status,
            None => panic!("the agent ended: {:?}", (&mut self.running).await),
        }
    }

    pub async fn end(self) -> Result<(), AgentError> {
        self.shutdown.send_replace(true);
        self.running.await.unwrap()
    }

    /// Like kill -9: nothing is put in order.
    pub async fn abandon(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    pub async fn outcome(self) -> Result<(), AgentError> {
        self.running.await.unwrap()
    }
}

/// A GET as an SDK in a task makes it: status and body.
pub async fn get(address: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = address.rsplit_once(':').unwrap().0;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: probe\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub fn role(id: &str, key: &str) -> Value {
    json!({"credentialsId": id, "roleArn": "arn:aws:iam::111122223333:role/taskrole", "accessKeyId": key,
        "secretAccessKey": format!("canary-sk-{key}"), "sessionToken": "canary-token", "expiration": "2126-11-22T05:00:00Z"})
}

pub fn payload(message_id: &str, seq_num: i64, task: Value) -> Value {
    json!({"clusterArn": "arn:aws:ecs:us-west-2:111122223333:cluster/probe", "messageId": message_id,
        "containerInstanceArn": crate::plane::INSTANCE, "seqNum": seq_num, "generatedAt": 1, "tasks": [task]})
}

/// A task of one essential container that runs a shell script.
pub fn shell_task(image: &str, script: &str, desired: &str, role: Option<Value>) -> Value {
    json!({"arn": TASK, "taskClusterArn": "arn:aws:ecs:us-west-2:111122223333:cluster/probe", "desiredStatus": desired,
        "family": "probefam", "version": "3", "overrides": "{}", "volumes": [], "roleCredentials": role, "launchType": "EXTERNAL",
        "containers": [{"name": "app", "image": image, "essential": true, "cpu": 64, "memory": 64, "entryPoint": ["/bin/sh", "-c"],
            "command": [script], "environment": {"MINE": "1"}, "portMappings": [], "mountPoints": [], "volumesFrom": [],
            "links": [], "overrides": "{}", "dockerConfig": {"config": "{}", "hostConfig": "{\"NetworkMode\":\"bridge\"}", "version": "1.21"}}]})
}
