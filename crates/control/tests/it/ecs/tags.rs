//! Tags (ecs.md 6).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::harness::Server;

async fn with_everything() -> Server {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateCluster>(root, json!({ "clusterName": "c" })).await;
    let containers = json!([{ "name": "app", "image": "busybox", "memory": 64 }]);
    ok::<op::RegisterTaskDefinition>(
        root,
        json!({ "family": "web", "containerDefinitions": containers }),
    )
    .await;
    let service = json!({ "cluster": "c", "serviceName": "web", "taskDefinition": "web", "desiredCount": 0 });
    ok::<op::CreateService>(root, service).await;
    server
}

#[tokio::test]
async fn every_kind_of_resource_takes_tags() {
    let server = with_everything().await;
    let root = &server.root;
    let number = |name: &str| json!({ "name": name, "type": "INTEGER", "integerValue": 1024 });
    let registration = json!({ "cluster": "c", "totalResources": [number("CPU"), number("MEMORY")] });
    let instance = ok::<op::RegisterContainerInstance>(root, registration).await;
    let instance = instance["containerInstance"]["containerInstanceArn"]
        .as_str()
        .unwrap()
        .to_owned();
    for target in [
        arn("cluster/c"),
        arn("task-definition/web:1"),
        arn("service/c/web"),
        instance,
    ] {
        let list = json!({ "resourceArn": target });
        let tags = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]);
        ok::<op::TagResource>(root, json!({ "resourceArn": target, "tags": tags })).await;
        ok::<op::TagResource>(
            root,
            json!({ "resourceArn": target, "tags": [{ "key": "a", "value": "3" }] }),
        )
        .await;
        ok::<op::UntagResource>(root, json!({ "resourceArn": target, "tagKeys": ["b", "ghost"] })).await;
        let left = ok::<op::ListTagsForResource>(root, list).await;
        assert_eq!(left["tags"], json!([{ "key": "a", "value": "3" }]), "{target}");
    }
}

#[tokio::test]
async fn what_cannot_be_tagged_is_refused() {
    let server = with_everything().await;
    let tags = json!([{ "key": "a", "value": "1" }]);
    let many: Vec<Value> = (0..50)
        .map(|n| json!({ "key": format!("k{n}"), "value": "" }))
        .collect();
    ok::<op::TagResource>(
        &server.root,
        json!({ "resourceArn": arn("cluster/c"), "tags": many }),
    )
    .await;
    let twice = json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }]);
    let cases = [
        (
            "x".to_owned(),
            &tags,
            "InvalidParameterException: The ARN provided is invalid.",
        ),
        (
            arn("gateway/x"),
            &tags,
            "InvalidParameterException: The ARN provided is invalid.",
        ),
        (
            arn("service/web"),
            &tags,
            "InvalidParameterException: Long arn format must be used for tagging operations",
        ),
        (
            arn("cluster/ghost"),
            &tags,
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            arn("service/ghost/web"),
            &tags,
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            arn("service/c/ghost"),
            &tags,
            "ResourceNotFoundException: The specified resource does not exist.",
        ),
        (
            arn("task-definition/web:2"),
            &tags,
            "ResourceNotFoundException: The specified resource does not exist.",
        ),
        (
            arn("cluster/c"),
            &tags,
            "LimitExceededException: The number of tags exceeds the limit of 50.",
        ),
        (
            arn("service/c/web"),
            &twice,
            "InvalidParameterException: Duplicate tag keys found. Please note that Tag keys are case sensitive.",
        ),
    ];
    for (target, tags, expected) in cases {
        let text = err::<op::TagResource>(&server.root, json!({ "resourceArn": target, "tags": tags })).await;
        assert_eq!(text, expected, "{target}");
    }
}

#[tokio::test]
async fn r168_tagging_sees_the_tags_before_the_change() {
    let server = with_everything().await;
    let target = arn("service/c/web");
    let user = server
        .user(
            "u",
            &allow_if("ecs:*", "StringEquals", "aws:ResourceTag/Owner", "u"),
        )
        .await;
    let own = json!({ "resourceArn": target, "tags": [{ "key": "Owner", "value": "u" }] });
    assert!(
        err::<op::TagResource>(&user, own.clone())
            .await
            .starts_with("AccessDenied")
    );
    ok::<op::TagResource>(&server.root, own).await;
    ok::<op::UntagResource>(&user, json!({ "resourceArn": target, "tagKeys": ["Owner"] })).await;
    assert!(
        err::<op::ListTagsForResource>(&user, json!({ "resourceArn": target }))
            .await
            .starts_with("AccessDenied")
    );
}
