use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

const LONG: Duration = Duration::from_secs(60);

async fn door_to(server: &TcpListener, connections: usize, idle: Duration) -> Door {
    let plane = format!("http://{}", server.local_addr().unwrap());
    Door::open_with(plane.parse().unwrap(), Limits { connections, idle })
        .await
        .unwrap()
}

async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

async fn ask(door: &Door, head: &str) -> TcpStream {
    let mut docker = TcpStream::connect(door.address()).await.unwrap();
    let text = head.replace("DOOR", &door.address().to_string());
    docker.write_all(text.as_bytes()).await.unwrap();
    docker
}

#[tokio::test]
async fn a_request_to_the_registry_passes_with_bodies_as_they_come() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = door_to(&server, 2, LONG).await;
    let put = "PATCH /v2/a/blobs/uploads/1?n=1 HTTP/1.1\r\nhost: DOOR\r\nauthorization: Basic eA==\r\n\
               connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 8\r\n\r\n";
    let mut docker = ask(&door, put).await;
    let (mut registry, _) = server.accept().await.unwrap();
    let seen = head(&mut registry).await.to_ascii_lowercase();
    assert!(
        seen.starts_with("patch /v2/a/blobs/uploads/1?n=1 http/1.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains(&format!("host: {}\r\n", door.address())), "{seen}");
    assert!(
        seen.contains("content-length: 8\r\n") && !seen.contains("upgrade"),
        "{seen}"
    );
    // Half of either body is through before the other half was sent.
    let mut four = [0; 4];
    for half in [b"half", b"more"] {
        docker.write_all(half).await.unwrap();
        registry.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, half);
    }
    registry
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut docker).await.starts_with("HTTP/1.1 200 "));
    for half in [b"half", b"more"] {
        registry.write_all(half).await.unwrap();
        docker.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, half);
    }
    drop(door);
    assert_eq!(docker.read(&mut four).await.unwrap_or_default(), 0);
}

#[tokio::test]
async fn nothing_but_the_registry_is_reached_whatever_came_before_on_the_connection() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = door_to(&server, 2, LONG).await;
    let mut docker = ask(&door, "GET /v2/ HTTP/1.1\r\nhost: DOOR\r\n\r\n").await;
    let (mut registry, _) = server.accept().await.unwrap();
    head(&mut registry).await;
    registry
        .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut docker).await.starts_with("HTTP/1.1 401 "));
    for refused in [
        "POST / HTTP/1.1\r\nhost: DOOR\r\nx-amz-target: a.b\r\n",
        "GET /ws HTTP/1.1\r\nhost: DOOR\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
        "GET /v2 HTTP/1.1\r\nhost: DOOR\r\n",
        "GET /v1/v2/ HTTP/1.1\r\nhost: DOOR\r\n",
        "GET /v2/a HTTP/1.1\r\nhost: bucket.s3.amazonaws.com\r\n",
        "GET http://elsewhere/bucket/v2/ HTTP/1.1\r\nhost: DOOR\r\n",
        "GET /v2/a HTTP/1.1\r\nhost: DOOR\r\nhost: s3.amazonaws.com\r\n",
        "GET /v2-layers/a HTTP/1.1\r\nhost: DOOR\r\nauthorization: AWS4-HMAC-SHA256 Credential=A\r\n",
        "GET /v2-layers/a?X-Amz%2DCredential=A HTTP/1.1\r\nhost: DOOR\r\n",
        "GET /v2-layers/a?AWSAccessKeyId=A HTTP/1.1\r\nhost: DOOR\r\n",
    ] {
        let text = format!("{refused}content-length: 0\r\n\r\n").replace("DOOR", &door.address().to_string());
        docker.write_all(text.as_bytes()).await.unwrap();
        let answer = head(&mut docker).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{refused}{answer}");
        let mut text = [0; "only the registry is here".len()];
        docker.read_exact(&mut text).await.unwrap();
    }
}

#[tokio::test]
async fn one_connection_more_than_there_may_be_waits_for_another_to_end() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = door_to(&server, 1, LONG).await;
    let refused = "GET / HTTP/1.1\r\nhost: DOOR\r\n\r\n";
    let mut first = ask(&door, refused).await;
    head(&mut first).await;
    let mut second = ask(&door, refused).await;
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "the second was answered beside the first");
    drop(first);
    assert!(head(&mut second).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = door_to(&server, 1, Duration::from_millis(20)).await;
    let half = "PATCH /v2/a HTTP/1.1\r\nhost: DOOR\r\ncontent-length: 9\r\n\r\nhalf";
    let mut docker = ask(&door, half).await;
    assert_eq!(docker.read(&mut [0; 1]).await.unwrap_or_default(), 0);
}
