//! Services (ecs.md 11): who may what, and a life without tasks.

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
    shown["service"]["currentServiceDeployment"] = json!("ARN");
    shown["service"]["currentServiceRevisions"][0]["arn"] = json!("ARN");
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

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages_of_ten() {
    let server = with_definition().await;
    let root = &server.root;
    for n in 0..11 {
        let service = json!({ "cluster": "c", "serviceName": format!("s{n:02}"), "taskDefinition": "web", "desiredCount": 0 });
        ok::<op::CreateService>(root, service).await;
    }
    let daemon = json!({ "cluster": "c", "serviceName": "d", "taskDefinition": "web", "schedulingStrategy": "DAEMON" });
    ok::<op::CreateService>(root, daemon).await;
    let first = ok::<op::ListServices>(root, json!({ "cluster": "c" })).await;
    assert_eq!(first["serviceArns"].as_array().unwrap().len(), 10);
    let next = json!({ "cluster": "c", "nextToken": first["nextToken"] });
    let second = ok::<op::ListServices>(root, next).await;
    assert_eq!(
        second["serviceArns"],
        json!([arn("service/c/s09"), arn("service/c/s10")])
    );
    assert!(second["nextToken"].is_null());
    for (filter, expected) in [
        (json!({ "schedulingStrategy": "DAEMON" }), 1),
        (json!({ "schedulingStrategy": "REPLICA" }), 11),
        (json!({ "launchType": "EC2" }), 12),
        (json!({ "launchType": "FARGATE" }), 0),
        (json!({ "resourceManagementType": "CUSTOMER" }), 12),
        (json!({ "resourceManagementType": "ECS" }), 0),
    ] {
        let input = super::tasks::merged(json!({ "cluster": "c", "maxResults": 100 }), filter.clone());
        let found = ok::<op::ListServices>(root, input).await;
        assert_eq!(
            found["serviceArns"].as_array().unwrap().len(),
            expected,
            "{filter}"
        );
    }
    let many: Vec<_> = (0..11).map(|n| format!("s{n:02}")).collect();
    assert_eq!(
        err::<op::DescribeServices>(root, json!({ "cluster": "c", "services": many })).await,
        "InvalidParameterException: services can have at most 10 items."
    );
}

#[tokio::test]
async fn tasks_of_a_service_are_listed_only_where_there_is_one() {
    let server = with_definition().await;
    ok::<op::CreateService>(&server.root, web(json!([]))).await;
    let list = |name: &str| json!({ "cluster": "c", "serviceName": name });
    assert_eq!(
        ok::<op::ListTasks>(&server.root, list("web")).await["taskArns"],
        json!([])
    );
    assert_eq!(
        err::<op::ListTasks>(&server.root, list("ghost")).await,
        "ServiceNotFoundException: Service not found."
    );
}

#[tokio::test]
async fn namespaces_are_those_that_clusters_name() {
    let server = with_definition().await;
    let namespace = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1";
    let of = json!({ "namespace": namespace });
    let list = |namespace: &str| json!({ "namespace": namespace });
    let root = &server.root;
    assert_eq!(
        err::<op::ListServicesByNamespace>(root, of.clone()).await,
        "NamespaceNotFoundException: The specified namespace wasn't found."
    );
    ok::<op::CreateCluster>(root, json!({ "clusterName": "n", "serviceConnectDefaults": of })).await;
    assert_eq!(
        ok::<op::ListServicesByNamespace>(root, of).await["serviceArns"],
        json!([])
    );
    assert_eq!(
        err::<op::ListServicesByNamespace>(root, list("arn:aws:ecs:us-east-1:123456789012:cluster/n")).await,
        "InvalidParameterException: Invalid identifier: arn:aws:ecs:us-east-1:123456789012:cluster/n"
    );
    let policy = allow_if(
        "ecs:ListServicesByNamespace",
        "ArnEquals",
        "ecs:namespace",
        namespace,
    );
    let user = server.user("u", &policy).await;
    ok::<op::ListServicesByNamespace>(&user, list(namespace)).await;
    err::<op::ListServicesByNamespace>(&user, list("other")).await;
}
