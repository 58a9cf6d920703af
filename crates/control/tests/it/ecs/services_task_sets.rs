//! Task sets (ecs.md 11).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::stage::Stage;
use super::tasks::merged;
use super::{allow_if, arn, err, ok};
use crate::harness::allow;

const A: &[&str] = &["us-east-1a"];

/// A service `s` with the EXTERNAL controller.
async fn stage(desired: u32) -> Stage {
    let stage = Stage::set(A).await;
    let service = json!({
        "cluster": "c", "serviceName": "s", "desiredCount": desired, "deploymentController": { "type": "EXTERNAL" },
    });
    ok::<op::CreateService>(&stage.server.root, service).await;
    stage
}

fn set(more: Value) -> Value {
    let base = json!({ "cluster": "c", "service": "s", "taskDefinition": "web" });
    merged(base, more)
}

fn scale(percent: f64) -> Value {
    json!({ "value": percent, "unit": "PERCENT" })
}

async fn create(stage: &Stage, more: Value) -> Value {
    ok::<op::CreateTaskSet>(&stage.server.root, set(more)).await["taskSet"].clone()
}

async fn sets(stage: &Stage) -> Vec<Value> {
    let input = json!({ "cluster": "c", "service": "s", "include": ["TAGS"] });
    let found = ok::<op::DescribeTaskSets>(&stage.server.root, input).await;
    found["taskSets"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_set_takes_its_share_and_settles() {
    let stage = stage(3).await;
    let made = create(&stage, json!({ "scale": scale(50.0), "externalId": "x" })).await;
    assert_eq!(made["status"], "ACTIVE");
    assert_eq!(made["computedDesiredCount"], 2);
    assert_eq!(made["stabilityStatus"], "STABILIZING");
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["taskSetArn"], arn(&format!("task-set/c/s/{id}")));
    stage.rest().await;
    let [found] = sets(&stage).await.try_into().unwrap();
    assert_eq!(found["runningCount"], 2);
    assert_eq!(found["stabilityStatus"], "STEADY_STATE");
    let listed = ok::<op::ListTasks>(&stage.server.root, json!({ "cluster": "c", "serviceName": "s" })).await;
    assert_eq!(listed["taskArns"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_primary_hands_its_version_to_the_service() {
    let stage = stage(2).await;
    let root = &stage.server.root;
    let one = create(&stage, json!({ "scale": scale(100.0) })).await;
    let two = create(&stage, json!({ "scale": scale(100.0) })).await;
    let primary = |of: &Value| json!({ "cluster": "c", "service": "s", "primaryTaskSet": of });
    let first = ok::<op::UpdateServicePrimaryTaskSet>(root, primary(&one["id"])).await;
    assert_eq!(first["taskSet"]["status"], "PRIMARY");
    ok::<op::UpdateServicePrimaryTaskSet>(root, primary(&two["taskSetArn"])).await;
    let status = |set: &Value| set["status"].as_str().unwrap().to_owned();
    let statuses: Vec<_> = sets(&stage).await.iter().map(status).collect();
    assert_eq!(statuses, ["ACTIVE", "PRIMARY"]);
    let service = stage.service().await;
    assert_eq!(service["taskDefinition"], arn("task-definition/web:1"));
    assert_eq!(service["launchType"], "EC2");
    assert_eq!(service["taskSets"].as_array().unwrap().len(), 2);
    assert_eq!(
        err::<op::UpdateServicePrimaryTaskSet>(root, primary(&json!("ecs-svc/1"))).await,
        "TaskSetNotFoundException: The specified task set does not exist."
    );
}

#[tokio::test]
async fn scaled_and_primary_sets_need_force_and_drain() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let made = create(&stage, json!({ "scale": scale(100.0) })).await;
    stage.rest().await;
    let of = json!({ "cluster": "c", "service": "s", "taskSet": made["id"] });
    assert_eq!(
        err::<op::DeleteTaskSet>(root, of.clone()).await,
        "InvalidParameterException: The task set cannot be deleted while it is the primary task set or scaled above 0. Specify force to delete it."
    );
    let gone = ok::<op::DeleteTaskSet>(root, merged(of.clone(), json!({ "force": true }))).await;
    assert_eq!(gone["taskSet"]["status"], "DRAINING");
    assert_eq!(
        err::<op::UpdateTaskSet>(root, merged(of.clone(), json!({ "scale": scale(10.0) }))).await,
        "InvalidParameterException: The task set is draining and cannot be changed."
    );
    stage.rest().await;
    assert!(sets(&stage).await.is_empty());
    assert_eq!(
        err::<op::DeleteTaskSet>(root, of).await,
        "TaskSetNotFoundException: The specified task set does not exist."
    );
}

#[tokio::test]
async fn scales_and_numbers_have_bounds() {
    let stage = stage(10).await;
    let root = &stage.server.root;
    for percent in [-1.0, 100.1] {
        let refused = err::<op::CreateTaskSet>(root, set(json!({ "scale": scale(percent) }))).await;
        assert_eq!(
            refused,
            "InvalidParameterException: The scale of a task set must be between 0.0 and 100.0."
        );
    }
    let made = create(&stage, json!({ "clientToken": "t" })).await;
    assert_eq!(made["scale"], scale(0.0));
    let again = create(&stage, json!({ "clientToken": "t" })).await;
    assert_eq!(again["id"], made["id"]);
    let update = json!({ "cluster": "c", "service": "s", "taskSet": made["id"], "scale": scale(25.0) });
    let updated = ok::<op::UpdateTaskSet>(root, update).await;
    assert_eq!(updated["taskSet"]["computedDesiredCount"], 3);
    for _ in 0..4 {
        create(&stage, json!({})).await;
    }
    assert_eq!(
        err::<op::CreateTaskSet>(root, set(json!({}))).await,
        "LimitExceededException: The service has reached its limit of 5 task sets."
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_aws_texts() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let rolling = json!({ "cluster": "c", "serviceName": "r", "taskDefinition": "web", "desiredCount": 0 });
    ok::<op::CreateService>(root, rolling).await;
    let balancer = json!([{ "targetGroupArn": "tg", "containerName": "app", "containerPort": 1 }]);
    let cases = [
        (
            json!({ "service": "ghost" }),
            "ServiceNotFoundException: Service not found.",
        ),
        (
            json!({ "cluster": "ghost" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            json!({ "service": "r" }),
            "InvalidParameterException: Task sets are only supported for services with an EXTERNAL deployment controller.",
        ),
        (
            json!({ "taskDefinition": "ghost" }),
            "ClientException: Unable to describe task definition.",
        ),
        (
            json!({ "launchType": "FARGATE" }),
            "InvalidParameterException: Task definition does not support launch_type FARGATE.",
        ),
        (
            json!({ "loadBalancers": balancer }),
            "InvalidParameterException: The container app did not have a container port 1 defined.",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(
            err::<op::CreateTaskSet>(root, set(change.clone())).await,
            expected,
            "{change}"
        );
    }
    let unknown = json!({ "cluster": "c", "service": "s", "taskSets": ["ecs-svc/1"] });
    let found = ok::<op::DescribeTaskSets>(root, unknown).await;
    assert_eq!(
        found["failures"],
        json!([{ "arn": arn("task-set/c/s/ecs-svc/1"), "reason": "MISSING" }])
    );
    let elsewhere = arn("task-set/c/r/ecs-svc/1");
    let wrong = json!({ "cluster": "c", "service": "s", "taskSets": [elsewhere] });
    assert_eq!(
        err::<op::DescribeTaskSets>(root, wrong).await,
        format!("InvalidParameterException: Invalid identifier: {elsewhere}")
    );
}

#[tokio::test]
async fn sets_that_have_no_id_yet_are_authorised_with_a_star_and_tagged_as_such() {
    let stage = stage(1).await;
    let tagged = set(json!({ "tags": [{ "key": "Owner", "value": "u" }] }));
    let create = allow("ecs:CreateTaskSet", &arn("task-set/c/s/*"));
    let user = stage.server.user("u", &create).await;
    ok::<op::CreateTaskSet>(&user, set(json!({}))).await;
    let refused = err::<op::CreateTaskSet>(&user, tagged.clone()).await;
    assert!(
        refused.contains("ecs:TagResource on resource: ") && refused.contains("task-set/c/s/*"),
        "{refused}"
    );
    let tag = allow_if(
        "ecs:TagResource",
        "StringEquals",
        "ecs:CreateAction",
        "CreateTaskSet",
    );
    stage.server.allow("u", "tag", &tag).await;
    let made = ok::<op::CreateTaskSet>(&user, tagged).await["taskSet"].clone();
    let owner = allow_if("ecs:UpdateTaskSet", "StringEquals", "ecs:ResourceTag/Owner", "u");
    stage.server.allow("u", "own", &owner).await;
    let update = |of: &Value| json!({ "cluster": "c", "service": "s", "taskSet": of, "scale": scale(1.0) });
    ok::<op::UpdateTaskSet>(&user, update(&made["id"])).await;
    let refused = err::<op::UpdateTaskSet>(&user, update(&json!("ecs-svc/1"))).await;
    assert!(refused.contains("ecs:UpdateTaskSet on resource: "), "{refused}");
}

#[tokio::test]
async fn tags_of_sets_are_shown_changed_and_gone() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let made = create(&stage, json!({ "tags": [{ "key": "a", "value": "1" }] })).await;
    let set_arn = &made["taskSetArn"];
    let tags = json!([{ "key": "b", "value": "2" }]);
    ok::<op::TagResource>(root, json!({ "resourceArn": set_arn, "tags": tags })).await;
    ok::<op::UntagResource>(root, json!({ "resourceArn": set_arn, "tagKeys": ["a"] })).await;
    let listed = ok::<op::ListTagsForResource>(root, json!({ "resourceArn": set_arn })).await;
    assert_eq!(listed["tags"], tags);
    assert_eq!(sets(&stage).await[0]["tags"], tags);
    let of = json!({ "cluster": "c", "service": "s", "taskSet": made["id"] });
    ok::<op::DeleteTaskSet>(root, of).await;
    assert_eq!(
        err::<op::ListTagsForResource>(root, json!({ "resourceArn": set_arn })).await,
        "ResourceNotFoundException: The specified resource does not exist."
    );
}
