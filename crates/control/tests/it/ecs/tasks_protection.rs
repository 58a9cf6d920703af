//! Task protection: for tasks of services alone, for a while, with the permission on each (ecs.md 9).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{arn, err, ok};
use crate::agent::definition;
use crate::harness::allow;

const NOBODY: &str = "00000000000000000000000000000000";

async fn protect(stage: &Stage, tasks: &[&str], more: Value) -> Value {
    let base = json!({ "cluster": "c", "tasks": tasks, "protectionEnabled": true });
    ok::<op::UpdateTaskProtection>(&stage.server.root, super::tasks::merged(base, more)).await
}

async fn protection(stage: &Stage, task: &str) -> Value {
    let input = json!({ "cluster": "c", "tasks": [task] });
    ok::<op::GetTaskProtection>(&stage.server.root, input).await["protectedTasks"][0].clone()
}

#[tokio::test]
async fn ecs_9_protection_lasts_two_hours_or_as_said_and_its_clock_starts_anew() {
    let stage = Stage::set(&["us-east-1a"]).await;
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    let task = stage.running()[0].arn.to_string();
    let unprotected = json!({ "taskArn": task, "protectionEnabled": false });
    assert_eq!(protection(&stage, &task).await, unprotected);
    let begun = stage.server.root.now();
    let until = |minutes: i64| json!(begun.plus_seconds(minutes * 60).as_fractional_seconds());
    let reply = protect(&stage, &[&task], json!({})).await;
    let expected = json!({ "taskArn": task, "protectionEnabled": true, "expirationDate": until(120) });
    let shown = reply["protectedTasks"][0].clone();
    assert_eq!(shown["protectionEnabled"], expected["protectionEnabled"]);
    assert_eq!(
        shown["expirationDate"].as_f64(),
        expected["expirationDate"].as_f64()
    );
    stage.server.clock.advance_seconds(60);
    let reply = protect(&stage, &[&task], json!({ "expiresInMinutes": 1 })).await;
    assert_eq!(
        reply["protectedTasks"][0]["expirationDate"].as_f64(),
        until(2).as_f64()
    );
    stage.server.clock.advance_seconds(59);
    assert_eq!(protection(&stage, &task).await["protectionEnabled"], true);
    stage.server.clock.advance_seconds(1);
    assert_eq!(protection(&stage, &task).await, unprotected);
    protect(&stage, &[&task], json!({ "expiresInMinutes": 2880 })).await;
    protect(&stage, &[&task], json!({ "protectionEnabled": false })).await;
    assert_eq!(protection(&stage, &task).await, unprotected);
}

#[tokio::test]
async fn ecs_9_tasks_that_cannot_be_protected_are_failures() {
    let stage = Stage::set(&["us-east-1a"]).await;
    definition(&stage.server, "alone", |_| {}).await;
    let run = json!({ "cluster": "c", "taskDefinition": "alone" });
    let alone = ok::<op::RunTask>(&stage.server.root, run).await["tasks"][0]["taskArn"].clone();
    let alone = alone.as_str().unwrap();
    let reply = protect(&stage, &[alone, NOBODY], json!({})).await;
    let missing = arn(&format!("task/c/{NOBODY}"));
    let failures = json!([
        { "arn": alone, "reason": "TASK_NOT_VALID" },
        { "arn": missing, "reason": "MISSING" },
    ]);
    assert_eq!(
        (&reply["protectedTasks"], &reply["failures"]),
        (&json!([]), &failures)
    );
    for (more, message) in [
        (
            json!({ "expiresInMinutes": 0 }),
            "expiresInMinutes must be between 1 and 2880.",
        ),
        (
            json!({ "expiresInMinutes": 2881 }),
            "expiresInMinutes must be between 1 and 2880.",
        ),
        (json!({ "tasks": [] }), "Tasks cannot be empty."),
    ] {
        let base = json!({ "cluster": "c", "tasks": [alone], "protectionEnabled": true });
        let refused =
            err::<op::UpdateTaskProtection>(&stage.server.root, super::tasks::merged(base, more)).await;
        assert_eq!(refused, format!("InvalidParameterException: {message}"));
    }
}

#[tokio::test]
async fn more_protected_tasks_than_wanted_would_block_the_deployment() {
    let stage = Stage::set(&["us-east-1a"]).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    let tasks = stage.running();
    let names: Vec<&str> = tasks.iter().map(|task| task.arn.as_str()).collect();
    assert_eq!(protect(&stage, &names, json!({})).await["failures"], json!([]));
    // Protected again is no more than before.
    assert_eq!(protect(&stage, &names, json!({})).await["failures"], json!([]));
    ok::<op::UpdateService>(
        &stage.server.root,
        json!({ "cluster": "c", "service": "s", "desiredCount": 1 }),
    )
    .await;
    let reply = protect(&stage, &names[..1], json!({})).await;
    assert_eq!(reply["failures"][0]["reason"], "DEPLOYMENT_BLOCKED");
}

#[tokio::test]
async fn each_task_is_authorised_by_itself() {
    let stage = Stage::set(&["us-east-1a"]).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    let tasks = stage.running();
    let (mine, other) = (tasks[0].arn.as_str(), tasks[1].arn.as_str());
    let keeper = stage
        .server
        .user("keeper", &allow("ecs:*TaskProtection", mine))
        .await;
    let get = |tasks: &[&str]| json!({ "cluster": "c", "tasks": tasks });
    ok::<op::GetTaskProtection>(&keeper, get(&[mine])).await;
    let refused = err::<op::GetTaskProtection>(&keeper, get(&[mine, other])).await;
    assert!(
        refused.contains("ecs:GetTaskProtection on resource: ") && refused.contains(other),
        "{refused}"
    );
    let update = json!({ "cluster": "c", "tasks": [mine, other], "protectionEnabled": true });
    let refused = err::<op::UpdateTaskProtection>(&keeper, update).await;
    assert!(
        refused.contains("ecs:UpdateTaskProtection on resource: ") && refused.contains(other),
        "{refused}"
    );
    assert_eq!(protection(&stage, mine).await["protectionEnabled"], false);
}
