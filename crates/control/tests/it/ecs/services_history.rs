//! Service deployments and revisions (ecs.md 11).

use std::convert::Infallible;

use portcullis_api::ecs::op;
use portcullis_control::services::ecs::sweep::sweep;
use portcullis_control::world::Tx;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{allow_if, arn, err, ok};
use crate::agent::definition;
use crate::harness::allow;

const A: &[&str] = &["us-east-1a"];

async fn deployments(stage: &Stage) -> Vec<Value> {
    let input = json!({ "cluster": "c", "service": "s" });
    let listed = ok::<op::ListServiceDeployments>(&stage.server.root, input).await;
    listed["serviceDeployments"].as_array().unwrap().clone()
}

async fn described(stage: &Stage, of: &Value) -> Value {
    let input = json!({ "serviceDeploymentArns": [of] });
    let found = ok::<op::DescribeServiceDeployments>(&stage.server.root, input).await;
    found["serviceDeployments"][0].clone()
}

async fn revision(stage: &Stage, of: &Value) -> Value {
    let found =
        ok::<op::DescribeServiceRevisions>(&stage.server.root, json!({ "serviceRevisionArns": [of] })).await;
    found["serviceRevisions"][0].clone()
}

#[tokio::test]
async fn each_deployment_is_kept_with_its_end_and_what_it_deployed() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "web", |_| {}).await;
    let made = stage
        .create(json!({ "taskDefinition": "web:1", "desiredCount": 1 }))
        .await;
    let first = made["currentServiceDeployment"].clone();
    assert_eq!(described(&stage, &first).await["status"], "IN_PROGRESS");
    stage.rest().await;
    assert_eq!(described(&stage, &first).await["status"], "SUCCESSFUL");
    stage.server.clock.advance_seconds(1);
    stage.update(json!({ "taskDefinition": "web:2" })).await;
    stage.rest().await;
    let listed = deployments(&stage).await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1]["serviceDeploymentArn"], first);
    let second = described(&stage, &listed[0]["serviceDeploymentArn"]).await;
    assert_eq!(second["status"], "SUCCESSFUL");
    assert_eq!(second["serviceArn"], arn("service/c/s"));
    assert_eq!(
        second["sourceServiceRevisions"][0]["arn"],
        listed[1]["targetServiceRevisionArn"]
    );
    let target = &second["targetServiceRevision"];
    assert_eq!(
        (&target["requestedTaskCount"], &target["runningTaskCount"]),
        (&json!(1), &json!(1))
    );
    let old = revision(&stage, &listed[1]["targetServiceRevisionArn"]).await;
    let new = revision(&stage, &target["arn"]).await;
    assert_eq!(old["taskDefinition"], arn("task-definition/web:1"));
    assert_eq!(new["taskDefinition"], arn("task-definition/web:2"));
    assert_eq!(new["containerImages"][0]["containerName"], "app");
    let service = stage.service().await;
    assert_eq!(
        service["currentServiceDeployment"],
        second["serviceDeploymentArn"]
    );
    assert_eq!(service["currentServiceRevisions"][0]["arn"], target["arn"]);
}

#[tokio::test]
async fn lists_are_newest_first_filtered_and_paged() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 0 })).await;
    for _ in 0..4 {
        stage.server.clock.advance_seconds(60);
        stage.update(json!({ "forceNewDeployment": true })).await;
    }
    let root = &stage.server.root;
    let all: Vec<_> = deployments(&stage).await;
    let created: Vec<_> = all.iter().map(|one| one["createdAt"].as_f64().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a > b), "{created:?}");
    let mut paged = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "cluster": "c", "service": "s", "maxResults": 2 });
        if !token.is_null() {
            input["nextToken"] = token;
        }
        let page = ok::<op::ListServiceDeployments>(root, input).await;
        paged.extend(page["serviceDeployments"].as_array().unwrap().clone());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(paged, all);
    let list = |more: Value| {
        let input = super::tasks::merged(json!({ "cluster": "c", "service": "s" }), more);
        async move {
            ok::<op::ListServiceDeployments>(root, input).await["serviceDeployments"]
                .as_array()
                .unwrap()
                .len()
        }
    };
    assert_eq!(list(json!({ "status": ["IN_PROGRESS"] })).await, 1);
    assert_eq!(list(json!({ "status": ["STOPPED", "IN_PROGRESS"] })).await, 5);
    assert_eq!(list(json!({ "createdAt": { "after": created[1] } })).await, 1);
    assert_eq!(list(json!({ "createdAt": { "before": created[1] } })).await, 3);
    let cases = [
        (
            json!({ "cluster": "c", "service": "ghost" }),
            "ServiceNotFoundException: Service not found.",
        ),
        (
            json!({ "cluster": "ghost", "service": "s" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            json!({ "cluster": "c", "service": "s", "nextToken": "%" }),
            "InvalidParameterException: Invalid token.",
        ),
        (
            json!({ "cluster": "c", "service": "s", "maxResults": 101 }),
            "InvalidParameterException: Invalid maxResults: 101. It must be between 1 and 100.",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(err::<op::ListServiceDeployments>(root, input).await, expected);
    }
}

#[tokio::test]
async fn a_stopped_deployment_goes_back_to_the_one_that_completed() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "web", |_| {}).await;
    stage
        .create(json!({ "taskDefinition": "web:1", "desiredCount": 1 }))
        .await;
    let root = &stage.server.root;
    let stop = |of: &Value| json!({ "serviceDeploymentArn": of });
    let first = deployments(&stage).await[0]["serviceDeploymentArn"].clone();
    assert_eq!(
        err::<op::StopServiceDeployment>(root, stop(&first)).await,
        "ConflictException: The service deployment cannot be rolled back because the service has no earlier deployment that completed."
    );
    stage.rest().await;
    assert_eq!(
        err::<op::StopServiceDeployment>(root, stop(&first)).await,
        "ConflictException: The service deployment cannot be stopped because it is in the SUCCESSFUL state."
    );
    stage.server.clock.advance_seconds(1);
    stage.update(json!({ "taskDefinition": "web:2" })).await;
    let second = deployments(&stage).await[0]["serviceDeploymentArn"].clone();
    let stopped = ok::<op::StopServiceDeployment>(root, stop(&second)).await;
    assert_eq!(stopped["serviceDeploymentArn"], second);
    assert_eq!(described(&stage, &second).await["status"], "ROLLBACK_REQUESTED");
    // Once more changes nothing.
    ok::<op::StopServiceDeployment>(root, stop(&second)).await;
    stage.rest().await;
    let ended = described(&stage, &second).await;
    assert_eq!(ended["status"], "ROLLBACK_SUCCESSFUL");
    assert!(ended["stoppedAt"].is_number() && ended["finishedAt"].is_number());
    let back = ended["rollback"]["serviceRevisionArn"].clone();
    assert_eq!(
        revision(&stage, &back).await["taskDefinition"],
        arn("task-definition/web:1")
    );
    let service = stage.service().await;
    assert_eq!(service["taskDefinition"], arn("task-definition/web:1"));
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_nothing_is_ever_paused() {
    let stage = Stage::set(A).await;
    let root = &stage.server.root;
    stage.create(json!({ "desiredCount": 0 })).await;
    let known = deployments(&stage).await[0]["serviceDeploymentArn"].clone();
    let ghost = arn("service-deployment/c/s/ghost");
    let elsewhere = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/c/s/x";
    let input = json!({ "serviceDeploymentArns": [known, ghost, elsewhere] });
    let found = ok::<op::DescribeServiceDeployments>(root, input).await;
    assert_eq!(found["serviceDeployments"].as_array().unwrap().len(), 1);
    assert_eq!(
        found["failures"],
        json!([{ "arn": ghost, "reason": "MISSING" }, { "arn": elsewhere, "reason": "MISSING" }])
    );
    let revision = arn("service-revision/c/s/1");
    let found = ok::<op::DescribeServiceRevisions>(root, json!({ "serviceRevisionArns": [revision] })).await;
    assert_eq!(
        found["failures"],
        json!([{ "arn": revision, "reason": "MISSING" }])
    );
    let many: Vec<_> = (0..21)
        .map(|n| arn(&format!("service-revision/c/s/{n}")))
        .collect();
    assert_eq!(
        err::<op::DescribeServiceRevisions>(root, json!({ "serviceRevisionArns": many })).await,
        "InvalidParameterException: serviceRevisionArns can have at most 20 items."
    );
    assert_eq!(
        err::<op::DescribeServiceDeployments>(root, json!({ "serviceDeploymentArns": [] })).await,
        "InvalidParameterException: serviceDeploymentArns can not be empty."
    );
    assert_eq!(
        err::<op::DescribeServiceDeployments>(root, json!({ "serviceDeploymentArns": ["x"] })).await,
        "InvalidParameterException: Invalid identifier: x"
    );
    assert_eq!(
        err::<op::StopServiceDeployment>(root, json!({ "serviceDeploymentArn": ghost })).await,
        "ServiceDeploymentNotFoundException: The service deployment that you specified wasn't found."
    );
    let pause = |of: &Value| json!({ "serviceDeploymentArn": of, "hookId": "h" });
    assert_eq!(
        err::<op::ContinueServiceDeployment>(root, pause(&json!(ghost))).await,
        "ServiceDeploymentNotFoundException: The service deployment that you specified wasn't found."
    );
    assert_eq!(
        err::<op::ContinueServiceDeployment>(root, pause(&known)).await,
        "InvalidParameterException: The service deployment is not paused at a hook with the ID h. There is nothing to continue."
    );
}

#[tokio::test]
async fn history_needs_permission_on_the_service_and_on_itself_and_never_says_whether_it_exists() {
    let stage = Stage::set(A).await;
    let tags = json!([{ "key": "Owner", "value": "u" }]);
    stage.create(json!({ "desiredCount": 0, "tags": tags })).await;
    let known = deployments(&stage).await[0]["serviceDeploymentArn"].clone();
    let one = |of: &Value| json!({ "serviceDeploymentArns": [of] });
    let action = "ecs:DescribeServiceDeployments";
    let narrow = stage
        .server
        .user("narrow", &allow(action, &arn("service-deployment/c/s/*")))
        .await;
    let refused = err::<op::DescribeServiceDeployments>(&narrow, one(&known)).await;
    assert!(
        refused.contains(&format!("{action} on resource: {}", arn("service/c/s"))),
        "{refused}"
    );
    let ghost =
        err::<op::DescribeServiceDeployments>(&narrow, one(&json!(arn("service-deployment/c/s/ghost"))))
            .await;
    assert!(
        ghost.contains(&format!("{action} on resource: {}", arn("service/c/s"))),
        "{ghost}"
    );
    let by_service = allow_if(action, "ArnEqualsIfExists", "ecs:service", &arn("service/c/s"));
    let user = stage.server.user("by-service", &by_service).await;
    ok::<op::DescribeServiceDeployments>(&user, one(&known)).await;
    let owner = stage
        .server
        .user(
            "owner",
            &allow_if(action, "StringEquals", "aws:ResourceTag/Owner", "u"),
        )
        .await;
    ok::<op::DescribeServiceDeployments>(&owner, one(&known)).await;
    let other = stage
        .server
        .user(
            "other",
            &allow_if(action, "StringEquals", "aws:ResourceTag/Owner", "x"),
        )
        .await;
    err::<op::DescribeServiceDeployments>(&other, one(&known)).await;
}

#[tokio::test]
async fn history_is_forgotten_after_90_days_but_not_what_is_still_deployed() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 0 })).await;
    stage.rest().await;
    stage.server.clock.advance_seconds(1);
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.rest().await;
    let listed = deployments(&stage).await;
    let (new, old) = (
        &listed[0]["targetServiceRevisionArn"],
        &listed[1]["targetServiceRevisionArn"],
    );
    stage.server.clock.advance_seconds(91 * 24 * 3_600);
    let sweep = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        sweep(tx);
        Ok(())
    };
    stage.server.gate.world().write(sweep).await.unwrap();
    assert_eq!(deployments(&stage).await, Vec::<Value>::new());
    assert!(revision(&stage, new).await.is_object());
    assert!(revision(&stage, old).await.is_null());
}
