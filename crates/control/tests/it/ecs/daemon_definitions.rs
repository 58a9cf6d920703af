//! Daemon task definitions: like those of tasks, numbered apart from them.

use portcullis_api::ecs::op;
use portcullis_control::schedule;
use serde_json::{Value, json};

use super::{allow_if, arn, daemons, err, ok};
use crate::harness::{Client, Server};

fn agent(family: &str) -> Value {
    json!({ "family": family, "containerDefinitions": [{ "name": "app", "image": "busybox", "memory": 64 }] })
}

async fn register(client: &Client, family: &str) -> String {
    let made = ok::<op::RegisterDaemonTaskDefinition>(client, agent(family)).await;
    made["daemonTaskDefinitionArn"].as_str().unwrap().to_owned()
}

async fn listed(client: &Client, input: Value) -> Vec<String> {
    let reply = ok::<op::ListDaemonTaskDefinitions>(client, input).await;
    let rows = reply["daemonTaskDefinitions"].as_array().unwrap().clone();
    let arn = |row: &Value| {
        row["arn"]
            .as_str()
            .unwrap()
            .rsplit_once('/')
            .unwrap()
            .1
            .to_owned()
    };
    rows.iter().map(arn).collect()
}

#[tokio::test]
async fn a_definition_is_numbered_apart_from_those_of_tasks_and_never_twice() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::RegisterTaskDefinition>(root, agent("log")).await;
    assert_eq!(register(root, "log").await, arn("daemon-task-definition/log:1"));
    assert_eq!(register(root, "log").await, arn("daemon-task-definition/log:2"));
    let latest = json!({ "daemonTaskDefinition": "log" });
    let found = ok::<op::DescribeDaemonTaskDefinition>(root, latest.clone()).await;
    let found = &found["daemonTaskDefinition"];
    assert_eq!(
        (&found["revision"], &found["status"]),
        (&json!(2), &json!("ACTIVE"))
    );
    assert_eq!(found["containerDefinitions"][0]["memory"], 64);
    ok::<op::DeleteDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": "log:2" })).await;
    let found = ok::<op::DescribeDaemonTaskDefinition>(root, latest).await;
    assert_eq!(found["daemonTaskDefinition"]["revision"], 1);
    assert_eq!(register(root, "log").await, arn("daemon-task-definition/log:3"));
}

#[tokio::test]
async fn what_is_deleted_is_shown_as_deleted_and_cannot_be_deleted_again() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = register(root, "log").await;
    ok::<op::DeleteDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": arn })).await;
    let found = ok::<op::DescribeDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": arn })).await;
    let found = &found["daemonTaskDefinition"];
    assert_eq!(found["status"], "DELETED");
    assert!(found["deleteRequestedAt"].is_number());
    for (argument, expected) in [
        (
            arn.as_str(),
            "ClientException: The specified daemon task definition is not active. Specify an active daemon task definition and try again.",
        ),
        ("log", "ClientException: Revision is missing."),
        (
            "log:9",
            "ClientException: Unable to describe daemon task definition.",
        ),
    ] {
        let input = json!({ "daemonTaskDefinition": argument });
        assert_eq!(err::<op::DeleteDaemonTaskDefinition>(root, input).await, expected);
    }
}

#[tokio::test]
async fn when_deletion_was_asked_for_stays_however_long_a_definition_is_still_used() {
    let stage = daemons::stage(1).await;
    let root = &stage.server.root;
    daemons::create(&stage, json!({})).await;
    stage.rest().await;
    ok::<op::DeleteDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": "log:1" })).await;
    let described =
        || ok::<op::DescribeDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": "log:1" }));
    let before = described().await;
    assert_eq!(before["daemonTaskDefinition"]["status"], "DELETE_IN_PROGRESS");
    for _ in 0..3 {
        stage.server.clock.advance_seconds(3_601);
        schedule::forget(stage.server.gate.world()).await;
        assert_eq!(described().await, before);
    }
    let daemon = arn("daemon/c/d");
    ok::<op::DeleteDaemon>(root, json!({ "daemonArn": daemon })).await;
    stage.rest().await;
    stage.server.clock.advance_seconds(3_601);
    schedule::forget(stage.server.gate.world()).await;
    let gone =
        err::<op::DescribeDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": "log:1" })).await;
    assert_eq!(
        gone,
        "ClientException: Unable to describe daemon task definition."
    );
}

#[tokio::test]
async fn lists_know_families_prefixes_states_order_and_the_last_of_each() {
    let server = Server::start().await;
    let root = &server.root;
    for family in ["log", "log", "log-ship", "trace"] {
        register(root, family).await;
    }
    ok::<op::DeleteDaemonTaskDefinition>(root, json!({ "daemonTaskDefinition": "log:1" })).await;
    let cases = [
        (json!({}), vec!["log:2", "log-ship:1", "trace:1"]),
        (json!({ "familyPrefix": "log" }), vec!["log:2", "log-ship:1"]),
        (
            json!({ "family": "log", "status": "ALL" }),
            vec!["log:1", "log:2"],
        ),
        (
            json!({ "family": "log", "status": "ALL", "sort": "DESC" }),
            vec!["log:2", "log:1"],
        ),
        (
            json!({ "status": "ALL", "revision": "LAST_REGISTERED" }),
            vec!["log:2", "log-ship:1", "trace:1"],
        ),
        (json!({ "status": "DELETE_IN_PROGRESS" }), vec![]),
    ];
    for (input, expected) in cases {
        assert_eq!(listed(root, input.clone()).await, expected, "{input}");
    }
}

#[tokio::test]
async fn the_rules_of_task_definitions_hold() {
    let server = Server::start().await;
    let mut homeless = agent("log");
    homeless["containerDefinitions"][0]["memory"] = Value::Null;
    let refused = err::<op::RegisterDaemonTaskDefinition>(&server.root, homeless).await;
    assert_eq!(
        refused,
        "ClientException: Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified."
    );
}

#[tokio::test]
async fn r149_its_roles_are_passed_and_its_tags_are_put_on_with_permission() {
    let server = Server::start().await;
    let policy = allow_if(
        "ecs:RegisterDaemonTaskDefinition",
        "NumericEquals",
        "ecs:task-cpu",
        "256",
    );
    let client = server.user("ops", &policy).await;
    let mut input = agent("log");
    let refused = err::<op::RegisterDaemonTaskDefinition>(&client, input.clone()).await;
    assert!(refused.starts_with("AccessDeniedException"), "{refused}");
    input["cpu"] = json!(".25 vCPU");
    ok::<op::RegisterDaemonTaskDefinition>(&client, input.clone()).await;
    let mut tagged = input.clone();
    tagged["tags"] = json!([{ "key": "a", "value": "b" }]);
    let refused = err::<op::RegisterDaemonTaskDefinition>(&client, tagged).await;
    assert!(refused.contains("ecs:TagResource"), "{refused}");
    input["taskRoleArn"] = json!("app");
    let refused = err::<op::RegisterDaemonTaskDefinition>(&client, input).await;
    assert!(refused.contains("iam:PassRole"), "{refused}");
}
