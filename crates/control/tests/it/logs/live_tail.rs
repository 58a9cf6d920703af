//! StartLiveTail over a connection: an answer that goes on.

use std::time::Duration;

use http::Request;
use portcullis_api::logs::{PutLogGroupDeletionProtectionRequest, StartLiveTailRequest, op};
use portcullis_wire::Operation as _;
use portcullis_wire::event_stream::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{arn, put, start, stream};
use crate::agent::Front;
use crate::harness::{Client, allow};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer as it comes in.
struct Tail {
    stream: TcpStream,
    raw: Vec<u8>,
    body: Vec<u8>,
}

impl Tail {
    /// Asks for a stream; a refusal is its status and body.
    async fn open(
        client: &Client,
        front: &Front,
        request: &StartLiveTailRequest,
    ) -> Result<Self, (u16, Value)> {
        let request = portcullis_wire::encode_request::<op::StartLiveTail>(request);
        let mut builder = Request::post(format!("http://{}/", front.address));
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        client.sign(
            op::StartLiveTail::META.service.signing_name,
            &mut parts,
            &request.body,
            client.now(),
        );
        let mut head = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n", request.body.len());
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        stream.write_all(&request.body).await.unwrap();
        let mut tail = Self {
            stream,
            raw: Vec::new(),
            body: Vec::new(),
        };
        let head = tail.until(b"\r\n\r\n").await.unwrap();
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        if head.starts_with("http/1.1 200") {
            assert!(
                head.contains("content-type: application/vnd.amazon.eventstream"),
                "{head}"
            );
            return Ok(tail);
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .split("content-length: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap();
        let body = tail.take(length.parse().unwrap()).await.unwrap();
        Err((status, serde_json::from_slice(&body).unwrap()))
    }

    async fn more(&mut self) -> Option<()> {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.raw));
        (read.await.expect("something in time").ok()? > 0).then_some(())
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.raw.windows(end.len()).position(|bytes| bytes == end) {
                return self.take(at + end.len()).await;
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.raw.len() < length {
            self.more().await?;
        }
        Some(self.raw.drain(..length).collect())
    }

    /// The next message: kind and members. `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((message, length)) = Message::decode(&self.body).unwrap() {
                self.body.drain(..length);
                let kind = message
                    .header(":event-type")
                    .or(message.header(":exception-type"));
                return Some((
                    kind.unwrap().to_owned(),
                    serde_json::from_slice(&message.payload).unwrap(),
                ));
            }
            let line = self.until(b"\r\n").await?;
            let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            if length == 0 {
                return None;
            }
            let chunk = self.take(length).await?;
            self.until(b"\r\n").await?;
            self.body.extend(chunk);
        }
    }

    /// The messages of the next update that has some: group, stream and message of each.
    async fn messages(&mut self) -> Vec<(String, String, String)> {
        loop {
            let (kind, update) = self.next().await.expect("an update");
            assert_eq!(
                (kind.as_str(), &update["sessionMetadata"]),
                ("sessionUpdate", &json!({ "sampled": false }))
            );
            let results = update["sessionResults"].as_array().unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            if !results.is_empty() {
                let row = |row: &Value| {
                    assert!(row["timestamp"].is_i64() && row["ingestionTime"].is_i64());
                    (
                        text(&row["logGroupIdentifier"]),
                        text(&row["logStreamName"]),
                        text(&row["message"]),
                    )
                };
                return results.iter().map(row).collect();
            }
        }
    }
}

fn tail(groups: &[&str]) -> StartLiveTailRequest {
    StartLiveTailRequest {
        log_group_identifiers: groups.iter().map(|group| arn(group)).collect(),
        ..Default::default()
    }
}

fn row(group: &str, stream: &str, message: &str) -> (String, String, String) {
    (
        format!("123456789012:{group}"),
        stream.to_owned(),
        message.to_owned(),
    )
}

#[tokio::test]
async fn new_events_of_the_chosen_groups_streams_and_pattern_are_sent() {
    let server = start(&["g", "h", "i"]).await;
    let front = Front::open(&server).await;
    let root = &server.root;
    stream(root, "g", "t").await;
    put(root, "g", "s", 0, &["before"]).await;
    let mut both = Tail::open(root, &front, &tail(&["g", "h"])).await.unwrap();
    let chosen = StartLiveTailRequest {
        log_stream_name_prefixes: Some(vec!["t".to_owned(), "u".to_owned()]),
        log_event_filter_pattern: Some("ERROR".to_owned()),
        ..tail(&["g"])
    };
    let mut errors = Tail::open(root, &front, &chosen).await.unwrap();
    assert_eq!(
        both.next().await.unwrap(),
        ("initial-response".to_owned(), json!({}))
    );
    let (kind, begun) = both.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &begun["logGroupIdentifiers"]),
        ("sessionStart", &json!([arn("g"), arn("h")]))
    );
    assert!(begun["sessionId"].is_string() && begun["requestId"].is_string());
    errors.next().await.unwrap();
    let (_, begun) = errors.next().await.unwrap();
    assert_eq!(begun["logEventFilterPattern"], "ERROR");
    put(root, "i", "s", 0, &["ERROR of another group"]).await;
    put(root, "g", "s", 0, &["ERROR of another stream"]).await;
    assert_eq!(both.messages().await, [row("g", "s", "ERROR of another stream")]);
    put(root, "h", "s", 0, &["x"]).await;
    put(root, "g", "t", 0, &["fine", "ERROR"]).await;
    let mut all = both.messages().await;
    while all.len() < 3 {
        all.extend(both.messages().await);
    }
    assert_eq!(
        all,
        [row("h", "s", "x"), row("g", "t", "fine"), row("g", "t", "ERROR")]
    );
    assert_eq!(errors.messages().await, [row("g", "t", "ERROR")]);
    // On record as what reads, without what was read.
    let records = server.records().await;
    let started = records
        .iter()
        .find(|record| record["eventName"] == "StartLiveTail")
        .unwrap();
    assert_eq!(
        (&started["readOnly"], &started["responseElements"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn a_session_ends_with_the_permission_it_needs() {
    let server = start(&["g"]).await;
    let front = Front::open(&server).await;
    let user = server.user("u", "").await;
    let (status, refusal) = Tail::open(&user, &front, &tail(&["g"])).await.err().unwrap();
    assert_eq!(
        (status, &refusal["__type"]),
        (400, &json!("AccessDeniedException"))
    );
    let text = refusal["message"].as_str().unwrap();
    assert!(text.contains("logs:StartLiveTail on resource: arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream: because"), "{text}");
    server
        .allow("u", "p", &allow("logs:StartLiveTail", &format!("{}:*", arn("g"))))
        .await;
    let mut tail = Tail::open(&user, &front, &tail(&["g"])).await.unwrap();
    tail.next().await.unwrap();
    server
        .allow("u", "p", &allow("logs:StartLiveTail", &format!("{}:*", arn("h"))))
        .await;
    while let Some((_, update)) = tail.next().await {
        assert!(
            update
                .get("sessionResults")
                .is_none_or(|results| results == &json!([])),
            "{update}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let server = start(&["g", "h"]).await;
    let front = Front::open(&server).await;
    let root = &server.root;
    let names = |groups: &[&str], names: &[&str]| StartLiveTailRequest {
        log_stream_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..tail(groups)
    };
    let cases = [
        (tail(&["none"]), "ResourceNotFoundException"),
        (tail(&["g", "g"]), "InvalidParameterException"),
        (names(&["g", "h"], &["s"]), "InvalidParameterException"),
        (names(&["g"], &["none"]), "ResourceNotFoundException"),
        (
            StartLiveTailRequest {
                log_stream_name_prefixes: Some(vec!["s".to_owned()]),
                ..names(&["g"], &["s"])
            },
            "InvalidParameterException",
        ),
        (
            StartLiveTailRequest {
                log_event_filter_pattern: Some("{ $.x".to_owned()),
                ..tail(&["g"])
            },
            "InvalidParameterException",
        ),
    ];
    for (request, code) in cases {
        let (status, refusal) = Tail::open(root, &front, &request).await.err().unwrap();
        assert_eq!(
            (status, refusal["__type"].as_str()),
            (400, Some(code)),
            "{request:?}"
        );
    }
    let mut sessions = Vec::new();
    for _ in 0..15 {
        sessions.push(Tail::open(root, &front, &tail(&["g"])).await.unwrap());
    }
    let (_, refusal) = Tail::open(root, &front, &tail(&["g"])).await.err().unwrap();
    assert_eq!(refusal["__type"], "LimitExceededException");
    // Others are served all the while.
    let other = PutLogGroupDeletionProtectionRequest {
        log_group_identifier: "g".to_owned(),
        deletion_protection_enabled: false,
    };
    root.ok::<op::PutLogGroupDeletionProtection>(&other).await;
}
