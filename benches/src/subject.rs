//! `portcullis serve`, started as its users start it, with a developer who calls it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::iam;
use portcullis_wire::{Operation, decode_reply};
use tempfile::TempDir;

use crate::compare::Target;
use crate::connection::Connection;
use crate::process::{Process, free_address};
use crate::work::{Key, posted, signed};

const USER: &str = "bench";
/// Longest wait for a server to listen.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How often a starting server is looked for.
pub const LOOK_EVERY: Duration = Duration::from_micros(200);

/// What a bench needs to start servers.
#[derive(Debug)]
pub struct Workshop {
    /// The release binary.
    pub program: PathBuf,
    /// A folder on the disk to measure.
    pub folder: TempDir,
}

impl Workshop {
    /// `portcullis serve`, its state in `data`, or in memory.
    pub fn serve(&self, address: SocketAddr, data: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", &address.to_string()]);
        // More than AWS lets an account have: the figures are about many.
        command.args(["--iam-quota", "roles=1000000"]);
        match data {
            Some(data) => command.arg("--data-dir").arg(data),
            None => command.args(["--store", "memory"]),
        };
        command.env("PORTCULLIS_LOG", "warn").stdin(Stdio::null());
        command
    }
}

/// The key of the account's root user.
pub fn root_key() -> Key {
    Key {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
    }
}

/// A running server.
pub struct Subject {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// The developer's key.
    pub key: Key,
}

impl Subject {
    /// Starts a server with an empty state and makes the developer: a user with two managed policies of AWS and an
    /// inline one with conditions, so that there is something to decide.
    pub async fn start(workshop: &Workshop, data: Option<&Path>) -> Result<Self> {
        let address = free_address()?;
        let root = root_key();
        let mut command = workshop.serve(address, data);
        command.env("PORTCULLIS_ROOT_ACCESS_KEY_ID", &root.id);
        command.env("PORTCULLIS_ROOT_SECRET_ACCESS_KEY", &root.secret);
        let process = Process::start_tied(&command)?;
        let mut client = Client::open(address, root).await?;
        let key = developer(&mut client).await?;
        Ok(Self {
            process,
            address,
            key,
        })
    }

    /// The server as one side of a comparison.
    pub fn target(&self) -> Target<'_> {
        Target {
            process: &self.process,
            address: self.address,
            key: &self.key,
        }
    }

    /// A client of the developer.
    pub async fn client(&self) -> Result<Client> {
        Client::open(self.address, self.key.clone()).await
    }
}

async fn developer(root: &mut Client) -> Result<Key> {
    let user_name = USER.to_owned();
    let user = iam::CreateUserRequest {
        user_name: user_name.clone(),
        ..Default::default()
    };
    root.call::<iam::op::CreateUser>(&user).await?;
    for policy in ["AmazonECS_FullAccess", "IAMFullAccess"] {
        let policy_arn = format!("arn:aws:iam::aws:policy/{policy}");
        let attach = iam::AttachUserPolicyRequest {
            user_name: user_name.clone(),
            policy_arn,
        };
        root.call::<iam::op::AttachUserPolicy>(&attach).await?;
    }
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "arn:aws:ecs:*:*:task-definition/web:*",
         "Condition": {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/main"}}},
        {"Effect": "Deny", "Action": "ecs:DeleteCluster", "Resource": "*",
         "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
        {"Effect": "Deny", "Action": "*", "Resource": "*",
         "Condition": {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}}]});
    let put = iam::PutUserPolicyRequest {
        user_name: user_name.clone(),
        policy_name: "guard".to_owned(),
        policy_document: policy.to_string(),
    };
    root.call::<iam::op::PutUserPolicy>(&put).await?;
    let wanted = iam::CreateAccessKeyRequest {
        user_name: Some(user_name),
    };
    let made = root.call::<iam::op::CreateAccessKey>(&wanted).await?.access_key;
    Ok(Key {
        id: made.access_key_id,
        secret: made.secret_access_key,
    })
}

/// A client for what happens before and after the clock runs.
pub struct Client {
    connection: Connection,
    address: SocketAddr,
    key: Key,
}

impl Client {
    /// Connects, as soon as somebody listens.
    pub async fn open(address: SocketAddr, key: Key) -> Result<Self> {
        Ok(Self {
            connection: connect(address).await?,
            address,
            key,
        })
    }

    /// Makes a call that must succeed.
    pub async fn call<O: Operation>(&mut self, input: &O::Input) -> Result<O::Output> {
        let request = signed::<O>(input, self.address, &self.key)?;
        let reply = self.connection.exchange(&request).await?;
        decode_reply::<O>(reply.status, reply.body).with_context(|| format!("{} failed", O::META.name))
    }

    /// Lets the agent of a container instance in, which has no key of its own.
    pub async fn approve(&mut self, instance: &str) -> Result<()> {
        let body = serde_json::json!({ "containerInstance": instance, "source": "127.0.0.1" }).to_string();
        let request = posted(
            "/portcullis/hosts",
            "portcullis",
            body.as_bytes(),
            self.address,
            &self.key,
        )?;
        let status = self.connection.exchange(&request).await?.status;
        ensure!(
            status == 200,
            "the instance's agent was not approved: status {status}"
        );
        Ok(())
    }
}

/// Connects to a server that may still be starting.
pub async fn connect(address: SocketAddr) -> Result<Connection> {
    let deadline = Instant::now() + START_WITHIN;
    loop {
        match Connection::open(address).await {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Fails if a server has ended while it was measured.
pub fn still_there(process: &mut Process) -> Result<()> {
    if process.is_running()? {
        Ok(())
    } else {
        bail!("a server ended while it was measured")
    }
}
