//! Bodies beyond what everybody may send: for operations that carry data, from who claims a living key, and known before
//! the body is there.

use portcullis_api::sts;
use portcullis_core::Timestamp;
use portcullis_wire::limits::MAX_BODY_BYTES;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::agent::Front;
use crate::harness::{Client, Server};

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart";

/// The head of a POST whose body is signed.
fn head(
    client: &Client,
    path: &str,
    service: &str,
    hashed: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> String {
    let mut builder = http::Request::builder()
        .method("POST")
        .uri(format!("http://h{path}"))
        .header("host", "h")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", TARGET);
    if let Some(hash) = hashed {
        builder = builder.header("x-amz-content-sha256", hash);
    }
    let (mut parts, ()) = builder.body(()).unwrap().into_parts();
    client.sign(service, &mut parts, body, now);
    let mut text = format!("POST {path} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    text
}

/// The answer to a head and what of its body is sent; the length is said to be `length`.
async fn answer(front: &Front, head: &str, length: usize, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    let head = format!("{head}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut read = vec![0; 4096];
    let mut reply = Vec::new();
    while !String::from_utf8_lossy(&reply).contains('}') && !reply.ends_with(b"Large") {
        match stream.read(&mut read).await.unwrap() {
            0 => break,
            more => reply.extend_from_slice(&read[..more]),
        }
    }
    String::from_utf8(reply).unwrap()
}

#[tokio::test]
async fn who_claims_no_living_key_is_refused_before_a_large_body_is_sent() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let (root, now) = (&server.root, server.root.now());
    let user = server.user("leaves", "").await;
    let stranger = root.with("AKIANOBODY", "secret", None);
    let session = root.with("ASIANOBODY", "secret", Some("no-token"));
    let forger = root.with(&root.access_key_id, "another-secret", None);
    let unsigned = format!("POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-amz-target: {TARGET}\r\n");
    let hash = "0".repeat(64);
    let disable = portcullis_api::iam::UpdateAccessKeyRequest {
        user_name: Some("leaves".to_owned()),
        access_key_id: user.access_key_id.clone(),
        status: "Inactive".to_owned(),
    };
    root.ok::<portcullis_api::iam::op::UpdateAccessKey>(&disable)
        .await;
    for (case, head, expected) in [
        ("no signature", unsigned, "MissingAuthenticationTokenException"),
        (
            "unknown key",
            head(&stranger, "/", "ecr", None, b"", now),
            "UnrecognizedClientException",
        ),
        (
            "unknown token",
            head(&session, "/", "ecr", None, b"", now),
            "UnrecognizedClientException",
        ),
        (
            "inactive key",
            head(&user, "/", "ecr", None, b"", now),
            "UnrecognizedClientException",
        ),
        (
            "other service",
            head(root, "/", "ecs", None, b"", now),
            "InvalidSignatureException",
        ),
        (
            "late",
            head(root, "/", "ecr", None, b"", now.plus_seconds(-301)),
            "InvalidSignatureException",
        ),
        (
            "forged",
            head(&forger, "/", "ecr", Some(&hash), b"", now),
            "InvalidSignatureException",
        ),
    ] {
        let reply = answer(&front, &head, 20 << 20, b"").await;
        assert!(
            reply.starts_with("HTTP/1.1 400 ") && reply.contains(expected),
            "{case}: {reply}"
        );
    }
}

#[tokio::test]
async fn large_bodies_are_read_from_living_keys_at_the_path_of_aws_alone() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let (root, now) = (&server.root, server.root.now());
    let given = sts::GetSessionTokenRequest::default();
    let given = root
        .ok::<sts::op::GetSessionToken>(&given)
        .await
        .credentials
        .unwrap();
    let session = root.with(
        &given.access_key_id,
        &given.secret_access_key,
        Some(&given.session_token),
    );
    let part = "A".repeat(2 * MAX_BODY_BYTES);
    let body = format!(
        r#"{{"repositoryName":"app","uploadId":"{}","partFirstByte":0,"partLastByte":1,"layerPartBlob":"{part}"}}"#,
        "01234567-89ab-cdef-0123-456789abcdef"
    );
    for client in [root, &session] {
        let head = head(client, "/", "ecr", None, body.as_bytes(), now);
        let reply = answer(&front, &head, body.len(), body.as_bytes()).await;
        assert!(reply.contains("RepositoryNotFoundException"), "{reply}");
    }
    let head = head(root, "/telemetry", "ecr", None, body.as_bytes(), now);
    let reply = answer(&front, &head, body.len(), &body.as_bytes()[..=MAX_BODY_BYTES]).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}
