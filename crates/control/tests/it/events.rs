//! Events as a reader sees them: server-sent events over a connection (ecs.md 12).

use std::time::Duration;

use http::Request;
use portcullis_api::{ecs, sts};
use portcullis_control::events::PATH;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::acs::one_agent;
use crate::agent::{Agent, Front, Instance, cluster, definition, run};
use crate::harness::{ACCOUNT, Client, Server, allow, without_authorization_id};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open stream.
struct Reader {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    /// The id of the last event.
    last: Option<String>,
}

/// One message of the stream.
#[derive(Debug, PartialEq)]
enum Said {
    Event(Value),
    Other(String),
    /// The server ended the stream.
    End,
}

impl Reader {
    /// Asks for events; a refusal is its status and body.
    async fn open(client: &Client, front: &Front, query: &str, last: Option<&str>) -> Result<Self, String> {
        let uri = format!("http://{}{PATH}{query}", front.address);
        let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        client.sign("portcullis", &mut parts, b"", client.now());
        let mut head = format!("GET {PATH}{query} HTTP/1.1\r\n");
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        if let Some(last) = last {
            head.push_str(&format!("last-event-id: {last}\r\n"));
        }
        Self::send(front, &head).await
    }

    async fn send(front: &Front, head: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next_line().await.unwrap().unwrap();
        let mut length = 0;
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        if status == "HTTP/1.1 200 OK" {
            return Ok(Self { lines, last: None });
        }
        let mut body = vec![0; length];
        let mut rest = lines.into_inner();
        tokio::io::AsyncReadExt::read_exact(&mut rest, &mut body)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = body["message"]
            .as_str()
            .or(body["Message"].as_str())
            .unwrap_or_default();
        Err(format!(
            "{} {}",
            status.split(' ').nth(1).unwrap(),
            without_authorization_id(text).0
        ))
    }

    /// The next message that is no heartbeat.
    async fn next(&mut self) -> Said {
        let mut other = None;
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line());
            let Some(line) = line.await.expect("a line in time").unwrap_or_default() else {
                return Said::End;
            };
            // The last chunk.
            if line == "0" {
                return Said::End;
            }
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = Some(id.to_owned());
            } else if let Some(kind) = line.strip_prefix("event: ") {
                other = Some(kind.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                return match other {
                    Some(kind) => Said::Other(kind),
                    None => Said::Event(serde_json::from_str(data).unwrap()),
                };
            }
        }
    }

    async fn event(&mut self) -> Value {
        match self.next().await {
            Said::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Everything up to the end of the stream.
    async fn all(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Said::Event(event) => events.push(event),
                Said::End => return events,
                Said::Other(kind) => panic!("{kind}"),
            }
        }
    }
}

/// `TYPE STATUS/DESIRED vVERSION` of an event.
fn brief(event: &Value) -> String {
    let detail = &event["detail"];
    let text = |name: &str| detail[name].as_str().unwrap_or("-").to_owned();
    match event["detail-type"].as_str().unwrap() {
        "ECS Task State Change" => format!(
            "task {}/{} v{}",
            text("lastStatus"),
            text("desiredStatus"),
            detail["version"]
        ),
        "ECS Container Instance State Change" => format!(
            "instance {} {} v{}",
            text("status"),
            detail["agentConnected"],
            detail["version"]
        ),
        _ => format!("{} {}", text("eventType"), text("eventName")),
    }
}

async fn kept(server: &Server, front: &Front, query: &str) -> Vec<String> {
    let query = format!("?follow=false{query}");
    let mut reader = Reader::open(&server.root, front, &query, None).await.unwrap();
    reader.all().await.iter().map(brief).collect()
}

/// A server with a task of family `web` on an instance of cluster `c`; the task's ARN.
async fn one_task() -> (Server, Front, Instance, Agent, String) {
    let (server, front, instance, mut agent) = one_agent().await;
    let definition = definition(&server, "web", |_| {}).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    agent.take().await;
    instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    (server, front, instance, agent, arn)
}

#[tokio::test]
async fn ecs_12_a_task_and_its_instance_raise_events_in_the_shape_of_eventbridge() {
    let (server, front, _instance, _agent, arn) = one_task().await;
    let mut reader = Reader::open(&server.root, &front, "", None).await.unwrap();
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &Value| event["detail"]["lastStatus"] != "RUNNING")
    {
        events.push(reader.event().await);
    }
    let briefs: Vec<_> = events.iter().map(brief).collect();
    assert_eq!(
        briefs[..2],
        ["instance ACTIVE false v1", "instance ACTIVE true v2"]
    );
    assert_eq!(briefs[2], "task PENDING/RUNNING v1");

    let event = events.last().unwrap();
    let names: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let envelope = [
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    ];
    assert_eq!(names, envelope);
    assert_eq!(
        (&event["version"], &event["source"]),
        (&json!("0"), &json!("aws.ecs"))
    );
    assert_eq!(
        (&event["account"], &event["region"]),
        (&json!(ACCOUNT), &json!("us-east-1"))
    );
    assert_eq!(event["resources"], json!([arn]));
    assert_eq!(event["time"], "2026-11-22T00:00:00Z");
    let detail = &event["detail"];
    assert_eq!(
        detail["clusterArn"],
        format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/c")
    );
    assert_eq!(detail["taskArn"], arn);
    assert_eq!(detail["startedAt"], "2026-11-22T00:00:00.000Z");
    assert_eq!(detail["updatedAt"], "2026-11-22T00:00:00.000Z");
    assert!(detail["version"].is_number(), "{detail}");
    assert!(detail["containers"][0]["cpu"].is_string(), "{detail}");
    assert!(detail.get("tags").is_none(), "{detail}");
    let instance = &events[1]["detail"];
    assert!(instance["remainingResources"].is_array() && instance["registeredAt"].is_string());
    assert_eq!(instance["clusterArn"], detail["clusterArn"]);

    let mut ids: Vec<_> = events.iter().map(|event| event["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "each event has an id of its own");
}

#[tokio::test]
async fn a_reader_follows_and_goes_on_where_it_stopped() {
    let (server, front, instance, _agent, arn) = one_task().await;
    let mut reader = Reader::open(
        &server.root,
        &front,
        "?detail-type=ECS%20Task%20State%20Change",
        None,
    )
    .await
    .unwrap();
    while reader.event().await["detail"]["lastStatus"] != "RUNNING" {}
    let stop = ecs::StopTaskRequest {
        cluster: Some("c".to_owned()),
        task: arn.clone(),
        reason: None,
    };
    server.root.ok::<ecs::op::StopTask>(&stop).await;
    let stopping = reader.event().await;
    assert_eq!(stopping["detail"]["desiredStatus"], "STOPPED");
    let last = reader.last.take().unwrap();
    drop(reader);

    instance.submit(&arn, "STOPPED", &[("app", Some(143))]).await;
    let mut again = Reader::open(&server.root, &front, "", Some(&last)).await.unwrap();
    let room = again.event().await;
    assert_eq!(room["detail-type"], "ECS Container Instance State Change");
    let stopped = again.event().await;
    assert_eq!(stopped["detail"]["lastStatus"], "STOPPED");
    assert_eq!(stopped["detail"]["containers"][0]["exitCode"], 143);
    assert!(stopped["detail"]["version"].as_i64() > stopping["detail"]["version"].as_i64());
}

#[tokio::test]
async fn an_id_of_an_earlier_life_is_told_that_events_were_missed_and_an_invented_one_is_refused() {
    let (server, front, _instance, _agent, _arn) = one_task().await;
    let mut reader = Reader::open(&server.root, &front, "", Some("17-3"))
        .await
        .unwrap();
    assert_eq!(reader.next().await, Said::Other("missed".to_owned()));
    assert_eq!(brief(&reader.event().await), "instance ACTIVE false v1");
    let life = reader.last.unwrap();
    let (life, _) = life.split_once('-').unwrap();
    for (last, text) in [
        ("x", "400 Last-Event-ID is not an id of an event of this server"),
        (
            &format!("{life}-99999"),
            "400 Last-Event-ID is not an id of an event of this server",
        ),
    ] {
        let refused = Reader::open(&server.root, &front, "", Some(last)).await.err();
        assert_eq!(refused.as_deref(), Some(text), "{last}");
    }
}

#[tokio::test]
async fn readers_get_what_they_asked_for() {
    let (server, front, _instance, _agent, _arn) = one_task().await;
    cluster(&server, "d").await;
    Instance::register(&server.root, "d", &[]).await;
    let all = kept(&server, &front, "").await;
    let in_c = kept(&server, &front, "&cluster=c").await;
    let in_d = kept(
        &server,
        &front,
        &format!("&cluster=arn:aws:ecs:us-east-1:{ACCOUNT}:cluster%2Fd"),
    )
    .await;
    assert_eq!(in_d, ["instance ACTIVE false v1"]);
    assert_eq!(in_c.len() + 1, all.len());
    let instances = kept(
        &server,
        &front,
        "&detail-type=ECS+Container+Instance+State+Change",
    )
    .await;
    assert!(
        instances.len() >= 3 && instances.iter().all(|one| one.starts_with("instance")),
        "{instances:?}"
    );
    let pattern = "&pattern=%7B%22detail%22%3A%7B%22lastStatus%22%3A%5B%22RUNNING%22%5D%7D%7D";
    let running = kept(&server, &front, pattern).await;
    assert!(
        !running.is_empty() && running.iter().all(|one| one.starts_with("task RUNNING")),
        "{running:?}"
    );
    let elsewhere = server.root.region("eu-west-1");
    let mut reader = Reader::open(&elsewhere, &front, "?follow=false", None)
        .await
        .unwrap();
    assert!(
        reader.all().await.is_empty(),
        "another region's events are not here"
    );
    for (query, text) in [
        (
            "?cluster=a%20b",
            "400 cluster must be the name or the ARN of a cluster",
        ),
        ("?follow=perhaps", "400 follow must be true or false"),
        ("?since=1", "400 there is no parameter `since`"),
        (
            "?pattern=7",
            "400 the event pattern must be an object that is not empty",
        ),
    ] {
        let refused = Reader::open(&server.root, &front, query, None).await.err();
        assert_eq!(refused.as_deref(), Some(text), "{query}");
    }
}

#[tokio::test]
async fn reading_takes_its_own_permission_on_the_cluster_and_is_recorded() {
    let (server, front, _instance, _agent, _arn) = one_task().await;
    let cluster = |name: &str| format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/{name}");
    let nobody = server.user("nobody", &allow("ecs:*", "*")).await;
    let c_only = server
        .user("c-only", &allow("portcullis:StreamEvents", &cluster("c")))
        .await;
    let everybody = server
        .user("all", &allow("portcullis:StreamEvents", &cluster("*")))
        .await;
    let cases = [
        (&nobody, "?follow=false", false),
        (&nobody, "?follow=false&cluster=c", false),
        (&c_only, "?follow=false&cluster=c", true),
        (&c_only, "?follow=false&cluster=d", false),
        (&c_only, "?follow=false", false),
        (&everybody, "?follow=false", true),
        (&everybody, "?follow=false&cluster=c", true),
    ];
    for (client, query, allowed) in cases {
        let outcome = Reader::open(client, &front, query, None).await;
        assert_eq!(outcome.is_ok(), allowed, "{query}: {:?}", outcome.err());
    }
    let refused = Reader::open(&c_only, &front, "?cluster=d", None)
        .await
        .err()
        .unwrap();
    let text = format!(
        "403 User: arn:aws:iam::{ACCOUNT}:user/c-only is not authorized to perform: portcullis:StreamEvents on resource: {} because no identity-based policy allows the portcullis:StreamEvents action",
        cluster("d")
    );
    assert_eq!(refused, text);
    let records = server.records().await;
    let mut ours = records
        .iter()
        .filter(|record| record["eventName"] == "StreamEvents");
    assert!(ours.clone().all(|record| record["eventSource"] == "portcullis"));
    assert!(ours.any(|record| record["errorCode"] == "AccessDenied"));
    let read = records
        .iter()
        .find(|record| record["eventName"] == "StreamEvents" && record["requestParameters"]["cluster"] == "c")
        .unwrap();
    assert_eq!(
        (&read["readOnly"], &read["errorCode"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn strangers_read_nothing() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let mut forger = server.root.clone();
    forger.secret = portcullis_core::Secret::new("wrong");
    assert!(
        Reader::open(&forger, &front, "", None)
            .await
            .err()
            .unwrap()
            .starts_with("403")
    );
    let unsigned = Reader::send(
        &front,
        &format!("GET {PATH} HTTP/1.1\r\nhost: {}\r\n", front.address),
    )
    .await;
    assert!(unsigned.err().unwrap().starts_with("403"));
    // A signature for another service is none for this one.
    let uri = format!("http://{}{PATH}", front.address);
    let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
    server.root.sign("ecs", &mut parts, b"", server.root.now());
    let mut head = format!("GET {PATH} HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    assert!(Reader::send(&front, &head).await.is_err());
}

#[tokio::test]
async fn a_stream_ends_before_the_next_event_when_the_permission_has_ended() {
    let (server, front, instance, _agent, arn) = one_task().await;
    let policy = allow("portcullis:StreamEvents", "*");
    let watcher = server.user("watcher", &policy).await;
    let mut reader = Reader::open(&watcher, &front, "?cluster=c", None).await.unwrap();
    while reader.event().await["detail"]["lastStatus"] != "RUNNING" {}
    server
        .allow("watcher", "p", &allow("ecs:ListClusters", "*"))
        .await;
    instance.submit(&arn, "STOPPED", &[("app", Some(1))]).await;
    assert_eq!(reader.next().await, Said::Other("refused".to_owned()));
    assert_eq!(reader.next().await, Said::End);
}

#[tokio::test]
async fn a_stream_ends_before_the_next_event_when_the_session_is_over() {
    let (server, front, instance, _agent, arn) = one_task().await;
    let watcher = server
        .user("watcher", &allow("portcullis:StreamEvents", "*"))
        .await;
    let request = sts::GetSessionTokenRequest {
        duration_seconds: Some(900),
        ..Default::default()
    };
    let session = watcher
        .ok::<sts::op::GetSessionToken>(&request)
        .await
        .credentials
        .unwrap();
    let temporary = watcher.with(
        &session.access_key_id,
        &session.secret_access_key,
        Some(&session.session_token),
    );
    let mut reader = Reader::open(&temporary, &front, "?cluster=c", None)
        .await
        .unwrap();
    while reader.event().await["detail"]["lastStatus"] != "RUNNING" {}
    server.clock.advance_seconds(901);
    instance.submit(&arn, "STOPPED", &[("app", Some(1))]).await;
    assert_eq!(reader.next().await, Said::Other("refused".to_owned()));
}

#[tokio::test]
async fn no_more_than_64_readers_at_a_time() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let mut readers = Vec::new();
    let may = allow("portcullis:StreamEvents", "*");
    for name in ["one", "two", "three", "four"] {
        let client = server.user(name, &may).await;
        for _ in 0..16 {
            readers.push(Reader::open(&client, &front, "", None).await.unwrap());
        }
    }
    let refused = Reader::open(&server.root, &front, "", None).await.err().unwrap();
    assert_eq!(refused, "429 Too many readers of events.");
}

#[tokio::test]
async fn no_principal_keeps_the_others_from_reading() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let mut readers = Vec::new();
    for _ in 0..16 {
        readers.push(Reader::open(&server.root, &front, "", None).await.unwrap());
    }
    let refused = Reader::open(&server.root, &front, "", None).await.err().unwrap();
    assert_eq!(refused, "429 Too many readers of events with the same principal.");
    let other = server.user("other", &allow("portcullis:StreamEvents", "*")).await;
    Reader::open(&other, &front, "", None).await.unwrap();
}

#[tokio::test]
async fn a_refused_change_raises_no_event() {
    let (server, front, _instance, _agent, _arn) = one_task().await;
    let before = kept(&server, &front, "").await;
    let powerless = server.user("powerless", "").await;
    let stop = ecs::StopTaskRequest {
        cluster: Some("c".to_owned()),
        task: "0".repeat(32),
        reason: None,
    };
    powerless.err::<ecs::op::StopTask>(&stop).await;
    server.root.err::<ecs::op::StopTask>(&stop).await;
    assert_eq!(kept(&server, &front, "").await, before);
}
