//! An identity provider in the hand of a test.

use std::net::SocketAddr;

use portcullis_api::iam::{self, op};
use portcullis_control::server::{self, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::{Client, Server, allow};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A listening server and a token.
pub struct Provider {
    pub address: SocketAddr,
    pub token: String,
    _stop: watch::Sender<bool>,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Reply {
    /// The body of a reply with this status.
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// `STATUS scimType`.
    pub fn error(&self) -> String {
        assert_eq!(
            self.body["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
        );
        assert_eq!(self.body["status"], self.status.to_string());
        assert!(self.head.contains("application/scim+json"), "{}", self.head);
        format!(
            "{} {}",
            self.status,
            self.body["scimType"].as_str().unwrap_or_default()
        )
        .trim_end()
        .to_owned()
    }
}

impl Provider {
    /// Listens, with the token of a user who may do everything in IAM.
    pub async fn open(server: &Server) -> Self {
        server.user("okta", &allow("iam:*", "*")).await;
        let token = token(&server.root, "okta", None).await;
        Self::listen(server, token, true).await
    }

    pub async fn listen(server: &Server, token: String, scim: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = Options {
            tls: None,
            trusted_proxies: Vec::new(),
            scim,
        };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, options, server.accounts.clone(), stopped));
        Self {
            address,
            token,
            _stop: stop,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, &body.to_string()).await
    }

    /// PATCH with these operations.
    pub async fn patch(&self, path: &str, operations: Value) -> Reply {
        let body =
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        self.send("PATCH", path, &body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, "").await
    }

    /// A new user; its id.
    pub async fn user(&self, name: &str) -> String {
        let body = json!({ "schemas": [USER], "userName": name });
        self.post("/Users", &body).await.is(201)["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub async fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        self.send_as(Some(&bearer), method, path, body).await
    }

    pub async fn send_as(&self, authorization: Option<&str>, method: &str, path: &str, body: &str) -> Reply {
        let authorization = authorization
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} /scim/v2{path} HTTP/1.1\r\nHost: scim.example\r\nUser-Agent: provider\r\n{authorization}\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

/// A token of a user.
pub async fn token(client: &Client, user: &str, days: Option<i32>) -> String {
    let input = iam::CreateServiceSpecificCredentialRequest {
        user_name: user.to_owned(),
        service_name: "scim.portcullis".to_owned(),
        credential_age_days: days,
    };
    let made = client.ok::<op::CreateServiceSpecificCredential>(&input).await;
    made.service_specific_credential
        .unwrap()
        .service_credential_secret
        .unwrap()
}
