//! Container instances (ecs.md 8) and attributes (ecs.md 5).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::harness::{Client, Server};

fn registration() -> Value {
    let number = |name: &str, value: i32| json!({ "name": name, "type": "INTEGER", "integerValue": value });
    json!({
        "cluster": "c",
        "totalResources": [number("CPU", 2048), number("MEMORY", 4096)],
        "attributes": [
            { "name": "ecs.os-type", "value": "linux" },
            { "name": "com.amazonaws.ecs.capability.task-iam-role" },
            { "name": "stack", "value": "prod" },
        ],
        "versionInfo": { "agentVersion": "1.90.0" },
        "clientToken": "token-1",
    })
}

async fn with_cluster() -> Server {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    server
}

async fn register(client: &Client, input: Value) -> Value {
    ok::<op::RegisterContainerInstance>(client, input).await["containerInstance"].clone()
}

#[tokio::test]
async fn an_instance_shows_every_attribute_it_sent_and_a_zone() {
    let server = with_cluster().await;
    let mut made = register(&server.root, registration()).await;
    made["containerInstanceArn"] = json!("ARN");
    insta::assert_json_snapshot!(made);
}

#[tokio::test]
async fn the_identity_document_of_ec2_is_read() {
    let server = with_cluster().await;
    let mut input = registration();
    let document = json!({ "instanceId": "i-1", "instanceType": "t3.nano", "imageId": "ami-1", "availabilityZone": "us-east-1c" });
    input["instanceIdentityDocument"] = json!(document.to_string());
    let made = register(&server.root, input.clone()).await;
    assert_eq!(made["ec2InstanceId"], "i-1");
    let attributes = made["attributes"].as_array().unwrap();
    for (name, value) in [
        ("ecs.availability-zone", "us-east-1c"),
        ("ecs.instance-type", "t3.nano"),
        ("ecs.ami-id", "ami-1"),
    ] {
        assert!(
            attributes.contains(&json!({ "name": name, "value": value })),
            "{name}"
        );
    }
    input["clientToken"] = json!("other");
    input["instanceIdentityDocument"] = json!("{");
    let refused = err::<op::RegisterContainerInstance>(&server.root, input).await;
    assert_eq!(
        refused,
        "ClientException: The instance identity document is not valid."
    );
}

#[tokio::test]
async fn a_token_or_an_arn_names_the_same_instance_again() {
    let server = with_cluster().await;
    let first = register(&server.root, registration()).await;
    let again = register(&server.root, registration()).await;
    assert_eq!(again["containerInstanceArn"], first["containerInstanceArn"]);
    let mut other = registration();
    other["clientToken"] = json!("token-2");
    assert_ne!(
        register(&server.root, other).await["containerInstanceArn"],
        first["containerInstanceArn"]
    );

    let id = first["containerInstanceArn"].clone();
    let custom = json!([{ "name": "mine", "value": "1", "targetId": id }]);
    ok::<op::PutAttributes>(&server.root, json!({ "cluster": "c", "attributes": custom })).await;
    let mut restarted = registration();
    restarted["containerInstanceArn"] = id.clone();
    restarted["attributes"] = json!([{ "name": "stack", "value": "test" }]);
    let restarted = register(&server.root, restarted).await;
    assert_eq!(restarted["containerInstanceArn"], id);
    let names: Vec<_> = restarted["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ecs.availability-zone", "mine", "stack"]);

    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "d" })).await;
    let mut moved = registration();
    moved["cluster"] = json!("d");
    moved["containerInstanceArn"] = id;
    let refused = err::<op::RegisterContainerInstance>(&server.root, moved).await;
    assert_eq!(
        refused,
        "InvalidParameterException: Identifier is for c. Your cluster is d"
    );
}

#[tokio::test]
async fn the_agent_learns_that_its_cluster_is_missing() {
    let server = Server::start().await;
    let refused = err::<op::RegisterContainerInstance>(&server.root, registration()).await;
    assert_eq!(refused, "ClusterNotFoundException: Cluster not found.");
}

#[tokio::test]
async fn draining_and_deregistering_change_what_is_listed() {
    let server = with_cluster().await;
    let root = &server.root;
    let id = register(root, registration()).await["containerInstanceArn"].clone();
    let update =
        |status: &str| json!({ "cluster": "c", "containerInstances": [id, "ghost"], "status": status });
    let drained = ok::<op::UpdateContainerInstancesState>(root, update("DRAINING")).await;
    assert_eq!(drained["containerInstances"][0]["status"], "DRAINING");
    assert_eq!(
        drained["failures"],
        json!([{ "arn": arn("container-instance/c/ghost"), "reason": "MISSING" }])
    );
    let list = async |input: Value| {
        let arns = ok::<op::ListContainerInstances>(root, input).await["containerInstanceArns"].clone();
        arns.as_array().unwrap().len()
    };
    assert_eq!(list(json!({ "cluster": "c" })).await, 1);
    assert_eq!(list(json!({ "cluster": "c", "status": "ACTIVE" })).await, 0);
    assert_eq!(
        err::<op::UpdateContainerInstancesState>(root, update("DEREGISTERING")).await,
        "InvalidParameterException: Container instance status should be one of [ACTIVE,DRAINING]"
    );
    assert_eq!(
        err::<op::DeleteCluster>(root, json!({ "cluster": "c" })).await,
        "ClusterContainsContainerInstancesException: The Cluster cannot be deleted while Container Instances are active or draining."
    );
    let gone =
        ok::<op::DeregisterContainerInstance>(root, json!({ "cluster": "c", "containerInstance": id })).await;
    assert_eq!(gone["containerInstance"]["status"], "INACTIVE");
    assert_eq!(list(json!({ "cluster": "c" })).await, 0);
    let again =
        err::<op::DeregisterContainerInstance>(root, json!({ "cluster": "c", "containerInstance": id }))
            .await;
    assert_eq!(
        again,
        "InvalidParameterException: The specified container instance was not found."
    );
    let described = ok::<op::DescribeClusters>(root, json!({ "clusters": ["c"] })).await;
    assert_eq!(described["clusters"][0]["registeredContainerInstancesCount"], 0);
    let inactive = ok::<op::UpdateContainerInstancesState>(root, update("ACTIVE")).await;
    assert_eq!(
        inactive["failures"][0],
        json!({ "arn": id, "reason": "INACTIVE" })
    );
    ok::<op::DeleteCluster>(root, json!({ "cluster": "c" })).await;
}

#[tokio::test]
async fn lists_take_the_query_language() {
    let server = with_cluster().await;
    let root = &server.root;
    register(root, registration()).await;
    let matches = async |filter: &str| {
        let input = json!({ "cluster": "c", "filter": filter });
        ok::<op::ListContainerInstances>(root, input).await["containerInstanceArns"]
            .as_array()
            .unwrap()
            .len()
            == 1
    };
    assert!(matches("attribute:stack == prod").await);
    assert!(!matches("attribute:stack == test").await);
    assert!(matches("agentVersion >= 1.9.0 and not(agentConnected == true)").await);
    let bad = err::<op::ListContainerInstances>(root, json!({ "cluster": "c", "filter": "stack ==" })).await;
    assert!(
        bad.starts_with("InvalidParameterException: Invalid expression: "),
        "{bad}"
    );
}

#[tokio::test]
async fn describing_needs_targets_and_tells_what_is_missing() {
    let server = with_cluster().await;
    let none = json!({ "cluster": "c", "containerInstances": [] });
    let refused = err::<op::DescribeContainerInstances>(&server.root, none).await;
    assert_eq!(refused, "ClientException: Container Instances cannot be empty.");
    let ghost = json!({ "cluster": "c", "containerInstances": ["ghost"] });
    let described = ok::<op::DescribeContainerInstances>(&server.root, ghost).await;
    assert_eq!(described["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn attributes_are_put_listed_and_deleted() {
    let server = with_cluster().await;
    let root = &server.root;
    let id = register(root, registration()).await["containerInstanceArn"].clone();
    let short = id.as_str().unwrap().rsplit('/').next().unwrap();
    let custom = |count: i32| -> Vec<Value> {
        let one = |n| json!({ "name": format!("a{n}"), "value": "x", "targetType": "container-instance", "targetId": short });
        (0..count).map(one).collect()
    };
    ok::<op::PutAttributes>(root, json!({ "cluster": "c", "attributes": custom(10) })).await;
    let eleventh = json!([{ "name": "b", "targetId": short }]);
    assert_eq!(
        err::<op::PutAttributes>(root, json!({ "cluster": "c", "attributes": eleventh })).await,
        "AttributeLimitExceededException: The number of custom attributes on a resource cannot exceed 10."
    );
    let list = async |mut input: Value| {
        input["cluster"] = json!("c");
        input["targetType"] = json!("container-instance");
        ok::<op::ListAttributes>(root, input).await
    };
    let one = list(json!({ "attributeName": "a3", "attributeValue": "x" })).await;
    assert_eq!(
        one["attributes"],
        json!([{ "name": "a3", "value": "x", "targetId": id }])
    );
    let mut names = Vec::new();
    let mut input = json!({ "maxResults": 4 });
    loop {
        let page = list(input.clone()).await;
        names.extend(
            page["attributes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|a| a["name"].clone()),
        );
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(names.len(), 14);
    names.dedup();
    assert_eq!(names.len(), 14);
    ok::<op::DeleteAttributes>(root, json!({ "cluster": "c", "attributes": custom(10) })).await;
    assert_eq!(
        list(json!({ "attributeName": "a3" })).await["attributes"],
        json!([])
    );
    let ghost = json!([{ "name": "a", "targetId": "ghost" }]);
    let refused = err::<op::PutAttributes>(root, json!({ "cluster": "c", "attributes": ghost })).await;
    assert!(refused.starts_with("TargetNotFoundException: "), "{refused}");
    let none = err::<op::PutAttributes>(root, json!({ "cluster": "c", "attributes": [] })).await;
    assert_eq!(none, "InvalidParameterException: attributes can not be empty");
}

#[tokio::test]
async fn r145_r166_instances_are_decided_with_their_cluster_and_tags() {
    let server = with_cluster().await;
    let mut input = registration();
    input["tags"] = json!([{ "key": "Team", "value": "blue" }]);
    let id = register(&server.root, input).await["containerInstanceArn"].clone();
    let describe = json!({ "cluster": "c", "containerInstances": [id] });
    for (n, (key, value, fits)) in [
        ("ecs:cluster", arn("cluster/c"), true),
        ("ecs:cluster", arn("cluster/d"), false),
        ("ecs:ResourceTag/Team", "blue".to_owned(), true),
        ("aws:ResourceTag/Team", "red".to_owned(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let policy = allow_if("ecs:DescribeContainerInstances", "StringEquals", key, &value);
        let user = server.user(&format!("u{n}"), &policy).await;
        if fits {
            ok::<op::DescribeContainerInstances>(&user, describe.clone()).await;
        } else {
            let refused = err::<op::DescribeContainerInstances>(&user, describe.clone()).await;
            assert!(refused.contains(id.as_str().unwrap()), "{refused}");
        }
    }
}

#[tokio::test]
async fn agents_are_sent_where_they_came_from() {
    let server = Server::start().await;
    let found = ok::<op::DiscoverPollEndpoint>(&server.root, json!({ "cluster": "c" })).await;
    assert_eq!(found["endpoint"], "http://127.0.0.1:4566/acs/");
    assert_eq!(found["telemetryEndpoint"], "http://127.0.0.1:4566/tcs/");
}
