//! What ECS asks of EC2: the network of awsvpc tasks (ecs.md 9).

use portcullis_api::{ec2, ecs};
use serde_json::{Value, json};

use super::{err, group, ok, subnet, text, vpc};
use crate::harness::{Client, Server};

async fn run(client: &Client, subnets: Value, groups: Value) -> String {
    let network = json!({ "awsvpcConfiguration": { "subnets": subnets, "securityGroups": groups } });
    err::<ecs::op::RunTask>(
        client,
        json!({ "taskDefinition": "vpc", "networkConfiguration": network }),
    )
    .await
}

async fn server() -> Server {
    let server = Server::start().await;
    ok::<ecs::op::CreateCluster>(&server.root, json!({})).await;
    let containers = json!([{ "name": "app", "image": "i", "memory": 16 }]);
    let definition = json!({ "family": "vpc", "networkMode": "awsvpc", "containerDefinitions": containers });
    ok::<ecs::op::RegisterTaskDefinition>(&server.root, definition).await;
    server
}

#[tokio::test]
async fn an_awsvpc_task_needs_subnets_and_groups_that_are_there_and_in_one_vpc() {
    let server = server().await;
    let root = &server.root;
    let none = "InvalidParameterException: No Container Instances were found in your cluster.";
    let nothing = "subnet-0123456789abcdef0";
    for id in [nothing, "subnet-1"] {
        assert_eq!(
            run(root, json!([id]), json!([])).await,
            format!(
                "InvalidParameterException: Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            )
        );
    }
    let shown = ok::<ec2::op::DescribeSubnets>(root, json!({})).await;
    let default = text(&shown, "/Subnets/0/SubnetId");
    assert_eq!(run(root, json!([default]), json!([])).await, none);
    let id = "sg-0123456789abcdef0";
    assert_eq!(
        run(root, json!([default]), json!([id])).await,
        format!(
            "InvalidParameterException: Error retrieving security group information for [{id}]: The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
        )
    );
    let other = vpc(root, "10.0.0.0/16").await;
    let own = subnet(root, &other, "10.0.0.0/24").await;
    let members = group(root, &other, "members").await;
    assert_eq!(run(root, json!([own]), json!([members])).await, none);
    assert_eq!(
        run(root, json!([default]), json!([members])).await,
        format!(
            "InvalidParameterException: Security Group {members} does not appear to belong to the same VPC as the input subnets."
        )
    );
    assert!(
        run(root, json!([default, own]), json!([]))
            .await
            .starts_with(&format!(
                "InvalidParameterException: Subnet {own} does not appear"
            ))
    );
    // Another region's subnets are not there.
    let elsewhere = ok::<ec2::op::DescribeSubnets>(&root.region("eu-west-1"), json!({})).await;
    let elsewhere = text(&elsewhere, "/Subnets/0/SubnetId");
    assert!(
        run(root, json!([elsewhere]), json!([]))
            .await
            .contains("InvalidSubnetID.NotFound")
    );
}

#[tokio::test]
async fn a_service_needs_the_same() {
    let server = server().await;
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    let create = json!({
        "serviceName": "s", "taskDefinition": "vpc", "desiredCount": 0, "launchType": "EC2", "networkConfiguration": network
    });
    let refused = err::<ecs::op::CreateService>(&server.root, create).await;
    assert!(
        refused.contains("Error retrieving subnet information for [subnet-1]: "),
        "{refused}"
    );
}
