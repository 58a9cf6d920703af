//! S3 through its door: who may, what is kept, what is answered.

mod accounts;
mod multipart;
mod objects;
mod policies;
mod sealed;
mod strangers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis_control::s3::{RawBody, is_for, serve};
use sha2::{Digest as _, Sha256};

use crate::harness::{Client, HOST, Server};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the first element of that name.
    pub fn element(&self, name: &str) -> &str {
        let after = self
            .body
            .split_once(&format!("<{name}>"))
            .map_or("", |(_, after)| after);
        after
            .split_once(&format!("</{name}>"))
            .map_or("", |(text, _)| text)
    }

    /// The texts of all elements of that name.
    pub fn elements(&self, name: &str) -> Vec<&str> {
        let open = format!("<{name}>");
        let parts = self.body.split(open.as_str()).skip(1);
        parts
            .filter_map(|part| part.split_once("</").map(|(text, _)| text))
            .collect()
    }

    /// `STATUS CODE`
    pub fn outcome(&self) -> String {
        match self.status {
            200..300 => self.status.to_string(),
            status => format!("{status} {}", self.element("Code")),
        }
    }
}

/// Sends a request, signed unless nobody does.
pub async fn send(
    server: &Server,
    client: Option<&Client>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut builder = Request::builder()
        .method(method)
        .uri(format!("http://{HOST}{path}"))
        .header("host", HOST);
    if method == "PUT" || method == "POST" {
        builder = builder.header("content-length", body.len());
    }
    let digest: String = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if client.is_some() && !headers.iter().any(|(name, _)| *name == "x-amz-content-sha256") {
        builder = builder.header("x-amz-content-sha256", &digest);
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (mut parts, ()) = builder.body(()).unwrap().into_parts();
    if let Some(client) = client {
        // Of paths and bodies like these S3's rules and the others' come to the same.
        client.sign("s3", &mut parts, body, client.now());
    }
    go(server, parts, body).await
}

/// Sends a request as it is.
pub async fn go(server: &Server, parts: http::request::Parts, body: &[u8]) -> Answer {
    let request = Request::from_parts(parts, ());
    assert!(is_for(&server.accounts, &request), "{}", request.uri());
    let (parts, ()) = request.into_parts();
    let body = Full::new(hyper::body::Bytes::copy_from_slice(body));
    let body = RawBody::new(body.map_err(|never| match never {}));
    let peer = server.root.peer.clone();
    let (parts, body) = serve(&server.accounts, parts, body, peer).await.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// A request of the root user.
pub async fn root(server: &Server, method: &str, path: &str, body: &[u8]) -> Answer {
    send(server, Some(&server.root), method, path, &[], body).await
}

/// A server with a bucket `docs` that holds one object.
pub async fn with_bucket() -> Server {
    let server = Server::start().await;
    assert_eq!(root(&server, "PUT", "/docs", b"").await.outcome(), "200");
    assert_eq!(
        root(&server, "PUT", "/docs/a.env", b"A=1\n").await.outcome(),
        "200"
    );
    server
}

/// The MD5 of some bytes, as its header has it.
pub fn md5(bytes: &[u8]) -> String {
    use md5::{Digest as _, Md5};
    STANDARD.encode(Md5::digest(bytes))
}
