//! Services (ecs.md 11), as far as they go.

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::harness::{Server, allow};

async fn with_definition() -> Server {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let containers = json!([{ "name": "app", "image": "busybox", "memory": 64 }]);
    let definition = json!({ "family": "web", "containerDefinitions": containers });
    ok::<op::RegisterTaskDefinition>(&server.root, definition).await;
    server
}

fn web(tags: Value) -> Value {
    json!({ "cluster": "c", "serviceName": "web", "taskDefinition": "web", "desiredCount": 0, "tags": tags })
}

#[tokio::test]
async fn a_service_without_tasks_is_made_shown_and_deleted() {
    let server = with_definition().await;
    let root = &server.root;
    let made = ok::<op::CreateService>(root, web(json!([]))).await;
    assert_eq!(ok::<op::CreateService>(root, web(json!([]))).await, made);
    let mut shown = made;
    let deployment = &mut shown["service"]["deployments"][0];
    assert!(deployment["id"].as_str().unwrap().starts_with("ecs-svc/"));
    deployment["id"] = json!("ID");
    deployment["rolloutStateReason"] = json!("REASON");
    insta::assert_json_snapshot!(shown);
    let other = err::<op::CreateService>(root, web(json!([{ "key": "a", "value": "b" }]))).await;
    assert_eq!(
        other,
        "InvalidParameterException: Creation of service was not idempotent."
    );
    let listed = ok::<op::ListServices>(root, json!({ "cluster": "c" })).await;
    assert_eq!(listed["serviceArns"], json!([arn("service/c/web")]));
    let full = err::<op::DeleteCluster>(root, json!({ "cluster": "c" })).await;
    assert_eq!(
        full,
        "ClusterContainsServicesException: The Cluster cannot be deleted while Services are active."
    );
    let described =
        ok::<op::DescribeServices>(root, json!({ "cluster": "c", "services": ["web", "ghost"] })).await;
    assert_eq!(described["services"][0]["serviceArn"], arn("service/c/web"));
    assert_eq!(
        described["failures"],
        json!([{ "arn": arn("service/c/ghost"), "reason": "MISSING" }])
    );
    let gone = ok::<op::DeleteService>(root, json!({ "cluster": "c", "service": "web" })).await;
    assert_eq!(gone["service"]["status"], "INACTIVE");
    assert_eq!(
        ok::<op::ListServices>(root, json!({ "cluster": "c" })).await["serviceArns"],
        json!([])
    );
    ok::<op::DeleteCluster>(root, json!({ "cluster": "c" })).await;
}

#[tokio::test]
async fn what_needs_the_scheduler_is_refused_honestly() {
    let server = with_definition().await;
    let cases = [
        (
            json!({ "desiredCount": 1 }),
            "UnsupportedFeatureException: This server does not support services with a desired count above 0 yet.",
        ),
        (
            json!({ "schedulingStrategy": "DAEMON" }),
            "UnsupportedFeatureException: This server does not support the DAEMON scheduling strategy yet.",
        ),
        (
            json!({ "desiredCount": -1 }),
            "InvalidParameterException: The desired count must be specified and cannot be negative.",
        ),
        (
            json!({ "taskDefinition": "ghost" }),
            "ClientException: Unable to describe task definition.",
        ),
        (
            json!({ "serviceName": "a b" }),
            "InvalidParameterException: Service name contains invalid characters.",
        ),
        (
            json!({ "launchType": "FARGATE" }),
            "InvalidParameterException: Task definition does not support launch_type FARGATE.",
        ),
        (
            json!({ "cluster": "ghost" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
    ];
    for (change, expected) in cases {
        let mut input = web(json!([]));
        change
            .as_object()
            .unwrap()
            .iter()
            .for_each(|(name, value)| input[name] = value.clone());
        assert_eq!(err::<op::CreateService>(&server.root, input).await, expected);
    }
}

#[tokio::test]
async fn seed_002_services_are_shown_only_to_their_owner() {
    let server = with_definition().await;
    ok::<op::CreateService>(
        &server.root,
        web(json!([{ "key": "Owner", "value": "richard-roe" }])),
    )
    .await;
    let policy = allow_if(
        "ecs:DescribeServices",
        "StringEquals",
        "ecs:ResourceTag/Owner",
        "${aws:username}",
    );
    let describe = json!({ "cluster": "c", "services": ["web"] });
    let owner = server.user("richard-roe", &policy).await;
    ok::<op::DescribeServices>(&owner, describe.clone()).await;
    let other = server.user("jane-doe", &policy).await;
    let refused = err::<op::DescribeServices>(&other, describe).await;
    assert!(refused.contains(&arn("service/c/web")), "{refused}");
}

#[tokio::test]
async fn r144_a_bare_family_is_resolved_before_the_decision() {
    let server = with_definition().await;
    let key = "ecs:task-definition";
    let user = server
        .user(
            "u",
            &allow_if("ecs:CreateService", "ArnEquals", key, &arn("task-definition/web")),
        )
        .await;
    let refused = err::<op::CreateService>(&user, web(json!([]))).await;
    assert!(refused.contains("ecs:CreateService"), "{refused}");
    server
        .allow(
            "u",
            "p",
            &allow_if(
                "ecs:CreateService",
                "ArnEquals",
                key,
                &arn("task-definition/web:1"),
            ),
        )
        .await;
    ok::<op::CreateService>(&user, web(json!([]))).await;
}

#[tokio::test]
async fn lists_of_services_match_star_only_and_know_their_cluster() {
    let server = with_definition().await;
    let user = server
        .user("u", &allow("ecs:ListServices", &arn("service/c/*")))
        .await;
    let list = json!({ "cluster": "c" });
    assert!(
        err::<op::ListServices>(&user, list.clone())
            .await
            .contains("on resource: *")
    );
    server
        .allow(
            "u",
            "p",
            &allow_if("ecs:ListServices", "ArnEquals", "ecs:cluster", &arn("cluster/c")),
        )
        .await;
    ok::<op::ListServices>(&user, list).await;
}
