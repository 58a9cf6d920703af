//! ExecuteCommand without a host: what is required, and what is answered before anybody is asked (ecs.md 9 and 15).
//! Sessions themselves are tested with the agent (`crates/portcullis/src/exec/tests.rs`).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::tasks::{Scene, merged};
use super::{arn, as_agent, err};
use crate::agent::{Instance, definition, eventually, is_connected, task_role};
use crate::harness::allow;

const NOBODY: &str = "00000000000000000000000000000000";
const NOT_ENABLED: &str = "InvalidParameterException: The execute command failed because execute command was not enabled when the task was run or the execute command agent isn\u{2019}t running. Wait and try again or run a new task with execute command enabled and try again.";
const NOT_CONNECTED: &str =
    "TargetNotConnectedException: The execute command failed due to an internal error. Try again later.";

/// A scene whose only agent can do Execute Command.
async fn with_host() -> Scene {
    let mut scene = Scene::set().await;
    let capability = [("ecs.capability.execute-command", None)];
    let host = Instance::register(&scene.server.root, "c", &capability).await;
    scene.agent = host.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| is_connected(view, &host.arn)).await;
    scene.instance = host;
    scene
}

/// A running task of family `shell` with these containers, and Execute Command if asked for.
async fn task(scene: &Scene, containers: &[&str], enabled: bool) -> String {
    let role = task_role(&scene.server, "shell", &allow("ssmmessages:*", "*")).await;
    definition(&scene.server, "shell", |request| {
        request.task_role_arn = Some(role);
        let one = request.container_definitions[0].clone();
        request.container_definitions = containers
            .iter()
            .map(|name| portcullis_api::ecs::ContainerDefinition {
                name: Some((*name).to_owned()),
                ..one.clone()
            })
            .collect();
    })
    .await;
    let task = scene
        .run_one(json!({ "taskDefinition": "shell", "enableExecuteCommand": enabled }))
        .await;
    let running: Vec<_> = containers.iter().map(|name| (*name, None)).collect();
    scene.instance.submit(&task, "RUNNING", &running).await;
    task
}

async fn report(scene: &Scene, task: &str, status: &str, reason: Option<&str>) {
    let agent = json!({ "containerName": "app", "managedAgentName": "ExecuteCommandAgent", "status": status,
        "reason": reason });
    let input = json!({ "cluster": "c", "task": task, "managedAgents": [agent] });
    as_agent::<op::SubmitTaskStateChange>(&scene.instance, input).await;
}

fn asked(task: &str, more: Value) -> Value {
    merged(
        json!({ "cluster": "c", "task": task, "command": "sh", "interactive": true }),
        more,
    )
}

async fn refused(scene: &Scene, task: &str, more: Value) -> String {
    err::<op::ExecuteCommand>(&scene.server.root, asked(task, more)).await
}

#[tokio::test]
async fn ecs_9_what_cannot_be_executed_is_told_why() {
    let scene = with_host().await;
    let task = task(&scene, &["app", "side"], true).await;
    let invalid = |text: &str| format!("InvalidParameterException: {text}");
    for (more, expected) in [
        (
            json!({ "interactive": false }),
            invalid("Interactive is the only mode supported currently."),
        ),
        (
            json!({ "command": "  " }),
            invalid("The command must not be empty."),
        ),
        (
            json!({}),
            invalid("Container name must be specified when the task has more than one container."),
        ),
        (
            json!({ "container": "x" }),
            invalid("The container 'x' was not found in the task."),
        ),
        (
            json!({ "task": NOBODY }),
            invalid("The referenced task was not found."),
        ),
        (
            json!({ "cluster": "x", "task": NOBODY }),
            "ClusterNotFoundException: Cluster not found.".to_owned(),
        ),
        (json!({ "container": "app" }), NOT_ENABLED.to_owned()),
    ] {
        assert_eq!(refused(&scene, &task, more.clone()).await, expected, "{more}");
    }
}

#[tokio::test]
async fn ecs_9_the_managed_agent_comes_and_goes_as_its_host_says() {
    let scene = with_host().await;
    let task = task(&scene, &["app"], true).await;
    let shown = async || scene.describe(&task).await["containers"][0]["managedAgents"][0].clone();
    assert_eq!(
        shown().await,
        json!({ "name": "ExecuteCommandAgent", "lastStatus": "PENDING" })
    );
    report(&scene, &task, "RUNNING", None).await;
    assert_eq!(shown().await["lastStatus"], "RUNNING");
    assert!(shown().await["lastStartedAt"].as_f64().is_some());
    // Its host says it runs, but holds no channel.
    assert_eq!(refused(&scene, &task, json!({})).await, NOT_CONNECTED);
    report(&scene, &task, "STOPPED", Some("AccessDenied")).await;
    let stopped = shown().await;
    assert_eq!(
        (&stopped["lastStatus"], &stopped["reason"]),
        (&json!("STOPPED"), &json!("AccessDenied"))
    );
    assert_eq!(refused(&scene, &task, json!({})).await, NOT_CONNECTED);
    report(&scene, &task, "RUNNING", None).await;
    scene.instance.submit(&task, "STOPPED", &[("app", Some(0))]).await;
    assert_eq!(shown().await["lastStatus"], "STOPPED");
    assert_eq!(refused(&scene, &task, json!({})).await, NOT_ENABLED);
}

#[tokio::test]
async fn ecs_9_a_task_that_was_not_asked_for_has_no_managed_agent_whatever_its_host_says() {
    let scene = with_host().await;
    let task = task(&scene, &["app"], false).await;
    report(&scene, &task, "RUNNING", None).await;
    assert_eq!(
        scene.describe(&task).await["containers"][0].get("managedAgents"),
        None
    );
    assert_eq!(refused(&scene, &task, json!({})).await, NOT_ENABLED);
}

#[tokio::test]
async fn ecs_15_rule_10_cluster_and_task_are_both_asked_with_all_keys() {
    let scene = with_host().await;
    let task = task(&scene, &["app"], true).await;
    let cluster = arn("cluster/c");
    for (name, allowed, missing) in [("cluster", &cluster, &task), ("task", &task, &cluster)] {
        let client = scene
            .server
            .user(name, &allow("ecs:ExecuteCommand", allowed))
            .await;
        let refused = err::<op::ExecuteCommand>(&client, asked(&task, json!({}))).await;
        assert!(
            refused.contains("ecs:ExecuteCommand") && refused.contains(missing.as_str()),
            "{refused}"
        );
    }
    let other = arn("task/c/other");
    for (key, right, wrong) in [
        ("ecs:container-name", "app", "side"),
        (
            "ecs:cluster",
            cluster.as_str(),
            "arn:aws:ecs:us-east-1:123456789012:cluster/d",
        ),
        ("ecs:task", task.as_str(), other.as_str()),
    ] {
        for (value, is_allowed) in [(right, true), (wrong, false)] {
            let name = format!("{}-{is_allowed}", key.replace(':', "-"));
            let policy = super::allow_if("ecs:ExecuteCommand", "StringEquals", key, value);
            let client = scene.server.user(&name, &policy).await;
            let answer = err::<op::ExecuteCommand>(&client, asked(&task, json!({}))).await;
            assert_eq!(answer == NOT_ENABLED, is_allowed, "{key} {value}: {answer}");
        }
    }
}
