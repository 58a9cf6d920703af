//! The OCI distribution API: pull, push, content discovery, content management, and who is let in.

mod content;
mod lists;
mod other_accounts;
mod public;
mod pull;
mod pull_through;
mod push;
mod refused;
mod upstream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use portcullis_api::ecr::{self, op};
use portcullis_blobs::Digest;
use portcullis_control::registry;
use serde_json::{Value, json};

use crate::harness::{Client, Server};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A client of the registry.
#[derive(Clone)]
pub struct Registry {
    pub client: Client,
    server: std::sync::Arc<portcullis_control::accounts::Accounts>,
    pub authorization: Option<String>,
    pub host: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code and message of the one error.
    pub fn error(&self) -> (String, String) {
        let error = &self.json()["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }

    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.error().0.as_str()), (status, code), "{self:?}");
    }
}

/// A server with one repository, and a client of root's.
pub async fn start() -> (Server, Registry) {
    let server = Server::start().await;
    create(&server.root, "app").await;
    let registry = Registry::of(&server, &server.root).await;
    (server, registry)
}

pub async fn create(client: &Client, name: &str) {
    let create = ecr::CreateRepositoryRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    };
    client.ok::<op::CreateRepository>(&create).await;
}

impl Registry {
    /// A client with a token of these credentials.
    pub async fn of(server: &Server, client: &Client) -> Self {
        let token = client.ok::<op::GetAuthorizationToken>(&Default::default()).await;
        let data = token.authorization_data.unwrap().remove(0);
        Self {
            client: client.clone(),
            server: server.accounts.clone(),
            authorization: Some(format!("Basic {}", data.authorization_token.unwrap())),
            host: crate::harness::HOST.to_owned(),
        }
    }

    pub fn with_password(&self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        Self {
            authorization: Some(format!("Basic {pair}")),
            ..self.clone()
        }
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if !body.is_empty() {
            headers.push(("content-length", &length));
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        self.send_body(method, path, &headers, body).await
    }

    pub async fn send_body<B>(&self, method: &str, path: &str, headers: &[(&str, &str)], body: B) -> Reply
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
    {
        let response = self.open(method, path, headers, body).await;
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// A response whose body nobody has read.
    pub async fn open<B>(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> Response<portcullis_control::events::Body>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
    {
        let mut builder = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header("host", &self.host);
        if let Some(authorization) = &self.authorization {
            builder = builder.header("authorization", authorization);
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(body).unwrap();
        assert!(registry::is_for(request.uri().path()));
        registry::serve(&self.server, request, self.client.peer.clone()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }

    /// Pushes a blob in one part; gives its digest.
    pub async fn push_blob(&self, name: &str, bytes: &[u8]) -> String {
        let begun = self
            .send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
            .await;
        assert_eq!(begun.status, 202, "{begun:?}");
        let digest = Digest::of(bytes).to_string();
        let path = format!("{}?digest={digest}", begun.header("location"));
        let put = self.send("PUT", &path, &[], bytes).await;
        assert_eq!(put.status, 201, "{put:?}");
        digest
    }

    pub async fn put_manifest(&self, name: &str, reference: &str, kind: &str, manifest: &str) -> Reply {
        let path = format!("/v2/{name}/manifests/{reference}");
        self.send("PUT", &path, &[("content-type", kind)], manifest.as_bytes())
            .await
    }

    /// Pushes an image with one layer; gives its manifest.
    pub async fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> String {
        self.push_blob(name, b"{}").await;
        self.push_blob(name, layer).await;
        let manifest = manifest(layer, None);
        let put = self.put_manifest(name, tag, MANIFEST, &manifest).await;
        assert_eq!(put.status, 201, "{put:?}");
        manifest
    }
}

/// A manifest of one layer, about another image if there is a subject.
pub fn manifest(layer: &[u8], subject: Option<&str>) -> String {
    let describe = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(CONFIG, b"{}"),
        "layers": [describe(LAYER, layer)],
    });
    if let Some(subject) = subject {
        manifest["subject"] = describe(MANIFEST, subject.as_bytes());
        manifest["artifactType"] = json!("application/vnd.example.sbom");
        manifest["annotations"] = json!({ "org.example": "yes" });
    }
    manifest.to_string()
}
