//! What agents tell of fetches and figures, and who may read it.

use http::Request;
use http_body_util::BodyExt as _;
use portcullis_api::{acs, ecs};
use portcullis_control::telemetry::{AUDIT_PATH, METRICS_PATH};
use portcullis_core::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::acs::{definition_with_roles, one_agent};
use crate::agent::{Agent, Front, run};
use crate::harness::{Client, Server, allow, without_authorization_id};

const OURS: &str = "agentHash=portcullis&";

async fn get(client: &Client, front: &Front, target: &str) -> Result<Value, String> {
    let uri = format!("http://{}{target}", front.address);
    let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
    client.sign("portcullis", &mut parts, b"", client.now());
    parts.uri = target.parse().unwrap();
    let stream = TcpStream::connect(front.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let body = http_body_util::Empty::<hyper::body::Bytes>::new();
    let response = sender
        .send_request(Request::from_parts(parts, body))
        .await
        .unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    if status == 200 {
        return Ok(value);
    }
    let text = value["message"].as_str().or(value["Message"].as_str());
    Err(format!(
        "{status} {}",
        without_authorization_id(text.unwrap_or_default()).0
    ))
}

fn record(task: Option<&str>, event_type: Option<&str>, at: Timestamp) -> acs::PortcullisAuditRecord {
    acs::PortcullisAuditRecord {
        timestamp: Some(at),
        status: Some(if task.is_some() { 200 } else { 400 }),
        source: Some("172.17.0.2:38834".into()),
        path: Some("/v2/credentials".into()),
        user_agent: Some("Boto3/1.0".into()),
        task_arn: task.map(str::to_owned),
        event_type: event_type.map(str::to_owned),
    }
}

async fn ship(telemetry: &mut Agent, first: i64, records: Vec<acs::PortcullisAuditRecord>) {
    let request = acs::PortcullisAuditRequest {
        first: Some(first),
        dropped: Some(0),
        records: Some(records),
    };
    telemetry.publish(&request, false).await;
    let ack: acs::AckPortcullisAudit = telemetry.expect().await;
    assert_eq!(ack.first, Some(first));
}

async fn running_task(server: &Server) -> String {
    let definition = definition_with_roles(server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    ran.tasks.unwrap().pop().unwrap().task_arn.unwrap()
}

#[tokio::test]
async fn fetches_of_credentials_are_kept_and_read_by_who_may() {
    let (server, front, instance, mut agent) = one_agent().await;
    let task = running_task(&server).await;
    agent.take().await;
    let mut telemetry = instance.connect_telemetry_as(OURS, &front).await.unwrap();
    let offer: acs::PortcullisAuditOffer = telemetry.expect().await;
    assert_eq!(offer.records_max, Some(250));
    let now = server.root.now();
    let foreign = task.replace(":task/c/", ":task/other/");
    let told = vec![
        record(Some(&task), Some("GetCredentials"), now),
        record(Some(&task), Some("GetCredentialsExecutionRole"), now),
        record(Some(&foreign), Some("GetCredentials"), now),
        record(None, None, now),
    ];
    ship(&mut telemetry, 7_000, told.clone()).await;
    ship(&mut telemetry, 7_000, told).await;

    let all = get(&server.root, &front, AUDIT_PATH).await.unwrap();
    let fetches = all["fetches"].as_array().unwrap();
    let seen: Vec<_> = fetches
        .iter()
        .map(|one| {
            let role = one["roleArn"].as_str().and_then(|arn| arn.rsplit('/').next());
            (one["eventType"].as_str(), role, one["status"].as_i64().unwrap())
        })
        .collect();
    let expected = [
        (Some("GetCredentials"), Some("task"), 200),
        (Some("GetCredentialsExecutionRole"), Some("execution"), 200),
        (None, None, 400),
    ];
    assert_eq!(
        seen, expected,
        "told twice, kept once, and nothing of others' tasks"
    );
    assert_eq!(fetches[0]["containerInstanceArn"], instance.arn.as_str());
    let id = task.rsplit('/').next().unwrap();
    let of_task = format!("{AUDIT_PATH}?task={id}&cluster=c");
    let of_task = get(&server.root, &front, &of_task).await.unwrap();
    assert_eq!(of_task["fetches"].as_array().unwrap().len(), 2);
    let elsewhere = get(&server.root, &front, &format!("{AUDIT_PATH}?cluster=d")).await;
    assert_eq!(elsewhere.unwrap()["fetches"].as_array().unwrap().len(), 0);

    let reader = server.user("reader", &allow("ecs:*", "*")).await;
    let refused = get(&reader, &front, AUDIT_PATH).await.unwrap_err();
    assert!(
        refused.starts_with("403 ") && refused.contains("portcullis:ReadAuditLog"),
        "{refused}"
    );
    let auditor = server
        .user("auditor", &allow("portcullis:ReadAuditLog", "*"))
        .await;
    get(&auditor, &front, AUDIT_PATH).await.unwrap();
    let bad = get(&server.root, &front, &format!("{AUDIT_PATH}?since=yesterday")).await;
    assert_eq!(
        bad.unwrap_err(),
        "400 since must be a time such as 2026-11-22T00:00:00Z"
    );
}

#[tokio::test]
async fn a_host_claims_no_forgotten_task_and_no_number_ends_its_session() {
    let (server, front, instance, mut agent) = one_agent().await;
    let task = running_task(&server).await;
    agent.take().await;
    let mut telemetry = instance.connect_telemetry_as(OURS, &front).await.unwrap();
    let forgotten = format!("{task}0");
    let told = vec![record(
        Some(&forgotten),
        Some("GetCredentials"),
        server.root.now(),
    )];
    for first in [i64::MAX, i64::MAX - 1] {
        let request = acs::PortcullisAuditRequest {
            first: Some(first),
            dropped: None,
            records: Some(vec![told[0].clone(), told[0].clone()]),
        };
        // It is not answered: the next answer is the next request's.
        telemetry.publish(&request, false).await;
    }
    ship(&mut telemetry, 1, told).await;
    let all = get(&server.root, &front, AUDIT_PATH).await.unwrap();
    let fetches = all["fetches"].as_array().unwrap();
    assert_eq!(fetches.len(), 1);
    let claimed = (fetches[0].get("taskArn"), fetches[0].get("roleArn"));
    assert_eq!(
        claimed,
        (None, None),
        "kept, but nobody's: it may have been another host's"
    );
}

#[tokio::test]
async fn agents_of_aws_are_offered_nothing() {
    let (_server, front, instance, _agent) = one_agent().await;
    let mut telemetry = instance.connect_telemetry(&front).await.unwrap();
    telemetry
        .publish(&acs::PublishMetricsRequest::default(), false)
        .await;
    let _: acs::AckPublishMetric = telemetry.expect().await;
}

#[tokio::test]
async fn agent_5_3_metrics_of_the_instances_own_tasks_are_kept() {
    let (server, front, instance, mut agent) = one_agent().await;
    let task = running_task(&server).await;
    agent.take().await;
    let mut telemetry = instance.connect_telemetry(&front).await.unwrap();
    let metric = |arn: &str| acs::TaskMetric {
        task_arn: Some(arn.to_owned()),
        container_metrics: Some(vec![acs::ContainerMetric {
            container_name: Some("app".into()),
            memory_stats_set: Some(acs::StatsSet {
                min: Some(10.0),
                max: Some(20.0),
                sum: Some(30.0),
                sample_count: Some(2),
            }),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let request = acs::PublishMetricsRequest {
        task_metrics: Some(vec![metric(&task), metric(&format!("{task}0"))]),
        ..Default::default()
    };
    telemetry.publish(&request, false).await;
    let _: acs::AckPublishMetric = telemetry.expect().await;
    let shown = get(&server.root, &front, &format!("{METRICS_PATH}?cluster=c"))
        .await
        .unwrap();
    let tasks = shown["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0]["taskArn"], task.as_str());
    assert_eq!(tasks[0]["containers"][0]["memoryMiB"], 15.0);
}
