//! What RunTask refuses, in AWS's words where they are known (ecs.md 9, 10).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::tasks::Scene;
use super::{err, ok};
use crate::agent::{cluster, definition, task_role};
use crate::harness::allow;

/// What is asked beside cluster `c` and family `web`, and the answer.
const REFUSED: &[(&str, &str)] = &[
    (
        r#"{ "cluster": "nowhere" }"#,
        "ClusterNotFoundException: Cluster not found.",
    ),
    (
        r#"{ "cluster": "gone" }"#,
        "ClusterNotFoundException: The referenced cluster was inactive.",
    ),
    (
        r#"{ "cluster": "empty" }"#,
        "InvalidParameterException: No Container Instances were found in your cluster.",
    ),
    (
        r#"{ "taskDefinition": "old:1" }"#,
        "InvalidParameterException: TaskDefinition is inactive",
    ),
    (
        r#"{ "count": 11 }"#,
        "InvalidParameterException: count must be between 1 and 10.",
    ),
    (
        r#"{ "count": 0 }"#,
        "InvalidParameterException: count must be between 1 and 10.",
    ),
    (
        r#"{ "group": "service:x" }"#,
        "InvalidParameterException: group cannot start with 'service:'.",
    ),
    (
        r#"{ "startedBy": "a b" }"#,
        "InvalidParameterException: startedBy is too long or contains invalid characters.",
    ),
    (
        r#"{ "overrides": { "containerOverrides": [{ "name": "x" }] } }"#,
        "InvalidParameterException: Override for container named x is not a container in the TaskDefinition.",
    ),
    (
        r#"{ "overrides": { "containerOverrides": [{ "name": "app", "cpu": 1 }, { "name": "app", "memory": 32 }] } }"#,
        "InvalidParameterException: Override for container named app is specified more than once.",
    ),
    (
        r#"{ "overrides": { "containerOverrides": [{ "name": "app", "environment": [{ "name": "", "value": "v" }] }] } }"#,
        "InvalidParameterException: Override for container named app has an environment variable without a name.",
    ),
    (
        r#"{ "overrides": { "containerOverrides": [{ "name": "app", "environment": [{ "value": "v" }] }] } }"#,
        "InvalidParameterException: Override for container named app has an environment variable without a name.",
    ),
    (
        r#"{ "overrides": { "inferenceAcceleratorOverrides": [{ "deviceName": "d", "deviceType": "t" }] } }"#,
        "InvalidParameterException: Override for inference accelerator named d is not an inference accelerator in the TaskDefinition.",
    ),
    (
        r#"{ "overrides": { "ephemeralStorage": { "sizeInGiB": 30 } } }"#,
        "InvalidParameterException: Override for ephemeralStorage is not supported for tasks that do not run on Fargate.",
    ),
    (
        r#"{ "taskDefinition": "fargate", "launchType": "FARGATE", "overrides": { "ephemeralStorage": { "sizeInGiB": 20 } }, "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-47f7b3cdee39910b8"] } } }"#,
        "ClientException: EphemeralStorage size should be at least 21",
    ),
    (
        r#"{ "taskDefinition": "fargate", "launchType": "FARGATE", "platformVersion": "1.3.0", "overrides": { "ephemeralStorage": { "sizeInGiB": 30 } }, "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-47f7b3cdee39910b8"] } } }"#,
        "PlatformTaskDefinitionIncompatibilityException: The specified platform version does not satisfy the task definition's required capabilities.",
    ),
    (
        r#"{ "launchType": "FOO" }"#,
        "InvalidParameterException: launch type should be one of [EC2,FARGATE,EXTERNAL]",
    ),
    (
        r#"{ "launchType": "MANAGED_INSTANCES" }"#,
        "InvalidParameterException: launch type should be one of [EC2,FARGATE,EXTERNAL]",
    ),
    (
        r#"{ "taskDefinition": "vpc" }"#,
        "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    ),
    (
        r#"{ "taskDefinition": "vpc", "networkConfiguration": { "awsvpcConfiguration": { "subnets": [] } } }"#,
        "InvalidParameterException: subnets can not be empty.",
    ),
    (
        r#"{ "taskDefinition": "vpc", "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"] } } }"#,
        "InvalidParameterException: subnets can have at most 16 items.",
    ),
    (
        r#"{ "taskDefinition": "vpc", "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["s"], "securityGroups": ["1","2","3","4","5","6"] } } }"#,
        "InvalidParameterException: securityGroups can have at most 5 items.",
    ),
    (
        r#"{ "taskDefinition": "fargate", "launchType": "FARGATE", "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-47f7b3cdee39910b8"] } } }"#,
        "ClientException: Capacity is unavailable at this time. Please try again later or in a different availability zone",
    ),
    (
        r#"{ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } } }"#,
        "InvalidParameterException: Network Configuration is not valid for the given networkMode of this task definition.",
    ),
    (
        r#"{ "propagateTags": "SERVICE" }"#,
        "InvalidParameterException: propagateTags can only be TASK_DEFINITION for standalone tasks.",
    ),
    (
        r#"{ "enableExecuteCommand": true }"#,
        "InvalidParameterException: enableExecuteCommand requires a task role.",
    ),
    (
        r#"{ "clientToken": "a b" }"#,
        "InvalidParameterException: clientToken is too long or contains invalid characters.",
    ),
    (
        r#"{ "volumeConfigurations": [{ "name": "v" }] }"#,
        "UnsupportedFeatureException: This server does not support EBS volumes yet.",
    ),
    (
        r#"{ "launchType": "FARGATE" }"#,
        "InvalidParameterException: Task definition does not support launch_type FARGATE.",
    ),
    (
        r#"{ "launchType": "EC2", "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] }"#,
        "InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported",
    ),
    (
        r#"{ "platformVersion": "1.4.0" }"#,
        "InvalidParameterException: The platform version must be null when specifying an EC2 launch type.",
    ),
    (
        r#"{ "placementConstraints": [{ "type": "memberOf", "expression": "x" }] }"#,
        "InvalidParameterException: Invalid expression: unexpected `x` at position 0",
    ),
    (
        r#"{ "placementConstraints": [{ "type": "distinctInstance", "expression": "x" }] }"#,
        "InvalidParameterException: distinctInstance expression should not be specified",
    ),
    (
        r#"{ "placementStrategy": [{ "type": "binpack", "field": "disk" }] }"#,
        "InvalidParameterException: binpack field 'disk' is invalid",
    ),
];

#[tokio::test]
async fn what_cannot_be_run_is_refused_and_nothing_is_half_done() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    definition(&scene.server, "vpc", |request| {
        request.network_mode = Some("awsvpc".into())
    })
    .await;
    definition(&scene.server, "fargate", |request| {
        request.network_mode = Some("awsvpc".into());
        request.requires_compatibilities = Some(vec!["FARGATE".into()]);
        request.cpu = Some("256".into());
        request.memory = Some("512".into());
    })
    .await;
    definition(&scene.server, "old", |_| {}).await;
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "old:1" })).await;
    cluster(&scene.server, "empty").await;
    cluster(&scene.server, "gone").await;
    ok::<op::DeleteCluster>(root, json!({ "cluster": "gone" })).await;
    for (more, expected) in REFUSED {
        let asked: Value = serde_json::from_str(more).unwrap();
        assert_eq!(scene.run_err(asked).await, *expected, "{more}");
    }
    let long = json!({ "containerOverrides": [{ "name": "app", "command": ["x".repeat(8192)] }] });
    let refused = scene.run_err(json!({ "overrides": long })).await;
    assert_eq!(
        refused,
        "InvalidParameterException: Overrides can not exceed 8192 characters."
    );
    assert_eq!(scene.list(json!({})).await, Vec::<String>::new());
}

#[tokio::test]
async fn no_launch_type_is_no_launch_type_wherever_it_is_said() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let foo = json!({ "cluster": "c", "launchType": "FOO" });
    let of_tasks = "InvalidParameterException: launch type should be one of [EC2,FARGATE,EXTERNAL]";
    assert_eq!(err::<op::ListTasks>(root, foo.clone()).await, of_tasks);
    assert_eq!(err::<op::ListServices>(root, foo.clone()).await, of_tasks);
    let service = super::tasks::merged(
        foo,
        json!({ "serviceName": "s", "taskDefinition": "web", "desiredCount": 1 }),
    );
    assert_eq!(
        err::<op::CreateService>(root, service).await,
        "ClientException: launch type should be one of [EC2,FARGATE]"
    );
}

#[tokio::test]
async fn start_task_refuses_the_same_overrides() {
    let scene = Scene::set().await;
    let start = |overrides: Value| json!({ "cluster": "c", "taskDefinition": "web", "containerInstances": ["x"], "overrides": overrides });
    let root = &scene.server.root;
    let storage = start(json!({ "ephemeralStorage": { "sizeInGiB": 30 } }));
    assert_eq!(
        err::<op::StartTask>(root, storage).await,
        "InvalidParameterException: Override for ephemeralStorage is not supported for tasks that do not run on Fargate."
    );
    let empty = start(json!({ "containerOverrides": [{}] }));
    let started = ok::<op::StartTask>(root, empty).await;
    assert_eq!(started["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn a_definition_with_secrets_runs_only_where_the_agent_fetches_them() {
    let scene = Scene::set().await;
    let role = task_role(&scene.server, "execution", &allow("ssm:*", "*")).await;
    definition(&scene.server, "secret", |request| {
        request.execution_role_arn = Some(role);
        request.container_definitions[0].secrets = Some(vec![portcullis_api::ecs::Secret {
            name: "PASSWORD".into(),
            value_from: "parameter".into(),
        }]);
    })
    .await;
    let reply = scene.run(json!({ "taskDefinition": "secret" })).await;
    assert_eq!(reply["failures"][0]["reason"], "ATTRIBUTE");
}
