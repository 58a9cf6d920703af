//! A server in memory and its administrator, for tests of commands that ask one.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_control::gate::assume::TASK_SESSION_SECONDS;
use portcullis_core::{Region, Secret};

use crate::assembly::{self, Plan, Running};
use crate::blob_options::BlobOptions;
use crate::client::{Client, Credentials};

/// The account of every town.
pub const ACCOUNT: &str = "123456789012";

/// A running server on a port of its own.
pub struct Town {
    /// The server.
    pub server: Running,
    /// A client of its administrator.
    pub admin: Client,
}

impl Town {
    /// Starts a server.
    pub async fn start() -> Self {
        let plan = Plan {
            blobs: BlobOptions::default(),
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: None,
            account: ACCOUNT.parse().unwrap(),
            root: None,
            hand_over: Box::new(|_, _| Ok(())),
            iam_quotas: Default::default(),
            public_parameters: Default::default(),
            tls: None,
            trusted_proxies: Vec::new(),
            scim: false,
            agent_builds: None,
            aws_throttling: false,
            task_session_seconds: TASK_SESSION_SECONDS,
            provider_authorities: Default::default(),
            upstreams: Default::default(),
            logs: portcullis_logs::Options::default(),
        };
        let server = assembly::start(plan).await.unwrap();
        let key = server.administrator.clone().unwrap();
        let credentials = Credentials::new(key.access_key_id(), key.secret().clone(), None);
        let admin = Client::new(&server.endpoint(), Region::us_east_1(), credentials);
        Self { server, admin }
    }

    /// A client with a new key of this user.
    pub async fn key_of(&self, user: &str) -> Client {
        let input = api::CreateAccessKeyRequest {
            user_name: Some(user.to_owned()),
        };
        let made = self.admin.expect::<op::CreateAccessKey>(&input).await.unwrap();
        let key = made.access_key;
        self.admin.with(Credentials::new(
            key.access_key_id,
            Secret::new(key.secret_access_key),
            None,
        ))
    }

    /// Ends the server in good order.
    pub async fn end(self) {
        self.server.end().await.unwrap();
    }
}
