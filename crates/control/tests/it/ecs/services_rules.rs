//! The rules of services, with AWS's texts (ecs.md 11).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::stage::Stage;
use super::tasks::merged;
use super::{arn, err, ok};
use crate::agent::definition;

const A: &[&str] = &["us-east-1a"];

/// A cluster with an instance, a definition without a role and one for Fargate.
async fn stage() -> Stage {
    let stage = Stage::set(A).await;
    let root = &stage.server.root;
    let ports = json!([{ "containerPort": 80, "name": "http" }]);
    let app = json!([{ "name": "app", "image": "busybox", "memory": 64, "portMappings": ports }]);
    let plain = json!({ "family": "plain", "containerDefinitions": app });
    ok::<op::RegisterTaskDefinition>(root, plain).await;
    let fargate = json!({
        "family": "fargate", "containerDefinitions": app, "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "requiresCompatibilities": ["FARGATE"],
    });
    ok::<op::RegisterTaskDefinition>(root, fargate).await;
    let gone = json!({ "family": "gone", "containerDefinitions": app });
    ok::<op::RegisterTaskDefinition>(root, gone).await;
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "gone:1" })).await;
    stage
}

/// A service that would be made.
fn service(change: Value) -> Value {
    let base = json!({ "cluster": "c", "serviceName": "s", "taskDefinition": "plain", "desiredCount": 1 });
    let mut all = merged(base, change);
    if let Some(members) = all.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    all
}

fn daemon(change: Value) -> Value {
    service(merged(
        json!({ "schedulingStrategy": "DAEMON", "desiredCount": null }),
        change,
    ))
}

fn external(change: Value) -> Value {
    let base = json!({ "deploymentController": { "type": "EXTERNAL" }, "taskDefinition": null });
    service(merged(base, change))
}

async fn refused(stage: &Stage, cases: Vec<(Value, &str)>) {
    for (input, expected) in cases {
        let found = err::<op::CreateService>(&stage.server.root, input.clone()).await;
        let (code, text) = found.split_once(": ").unwrap();
        let expected = match expected.split_once("Exception: ") {
            Some(_) => expected.to_owned(),
            None => format!("InvalidParameterException: {expected}"),
        };
        assert_eq!(format!("{code}: {text}"), expected, "{input}");
    }
    let listed = ok::<op::ListServices>(&stage.server.root, json!({ "cluster": "c" })).await;
    assert_eq!(listed["serviceArns"], json!([]));
}

#[tokio::test]
async fn names_counts_and_definitions_are_checked() {
    let stage = stage().await;
    let cases = vec![
        (
            service(json!({ "serviceName": "a b" })),
            "Service name contains invalid characters.",
        ),
        (
            service(json!({ "serviceName": "x".repeat(256) })),
            "Service name contains invalid characters.",
        ),
        (
            service(json!({ "cluster": "ghost" })),
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            service(json!({ "desiredCount": null })),
            "The desired count must be specified and cannot be negative.",
        ),
        (
            service(json!({ "desiredCount": -1 })),
            "The desired count must be specified and cannot be negative.",
        ),
        (
            service(json!({ "taskDefinition": null })),
            "TaskDefinition can not be blank.",
        ),
        (
            service(json!({ "taskDefinition": "ghost" })),
            "ClientException: Unable to describe task definition.",
        ),
        (
            service(json!({ "taskDefinition": "gone:1" })),
            "TaskDefinition is inactive",
        ),
        (
            service(json!({ "clientToken": "x".repeat(37) })),
            "clientToken is too long or contains invalid characters.",
        ),
        (
            service(json!({ "clientToken": "a b" })),
            "clientToken is too long or contains invalid characters.",
        ),
        (
            service(json!({ "healthCheckGracePeriodSeconds": -1 })),
            "healthCheckGracePeriodSeconds must be between 0 and 2147483647.",
        ),
        (
            service(json!({ "enableExecuteCommand": true })),
            "The service couldn't be created because a valid taskRoleArn is not being specified. Specify a valid task role in your task definition and try again.",
        ),
        (
            service(json!({ "role": "ecsServiceRole" })),
            "You cannot specify an IAM role for services that require a service linked role.",
        ),
        (
            service(json!({ "tags": [{ "key": "aws:x", "value": "1" }] })),
            "Tag keys and values cannot start with aws:",
        ),
    ];
    refused(&stage, cases).await;
}

#[tokio::test]
async fn deployment_configurations_are_checked() {
    let stage = stage().await;
    let configured = |what: Value| service(json!({ "deploymentConfiguration": what }));
    let breaker = |kind: &str, value: i32| {
        let threshold = json!({ "type": kind, "value": value });
        configured(
            json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true, "thresholdConfiguration": threshold } }),
        )
    };
    let unsupported = "UnsupportedFeatureException: This server does not support ";
    let cases = vec![
        (
            configured(json!({ "minimumHealthyPercent": 101 })),
            "minimumHealthyPercent must be at most 100".to_owned(),
        ),
        (
            configured(json!({ "minimumHealthyPercent": -1 })),
            "minimumHealthyPercent must be at least 0".to_owned(),
        ),
        (
            configured(json!({ "maximumPercent": 99 })),
            "maximumPercent must be at least 100".to_owned(),
        ),
        (
            configured(json!({ "minimumHealthyPercent": 100, "maximumPercent": 100 })),
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments"
                .to_owned(),
        ),
        (
            breaker("COUNT", 0),
            "The threshold value 0 of the deployment circuit breaker is not valid.".to_owned(),
        ),
        (
            breaker("BOUNDED_PERCENT", 101),
            "The threshold value 101 of the deployment circuit breaker is not valid.".to_owned(),
        ),
        (
            configured(json!({ "alarms": { "alarmNames": [], "enable": true, "rollback": false } })),
            "alarmNames can not be empty when deployment alarms are enabled.".to_owned(),
        ),
        (
            configured(json!({ "strategy": "BLUE_GREEN" })),
            format!("{unsupported}deployment strategies other than ROLLING yet."),
        ),
        (
            configured(json!({ "bakeTimeInMinutes": 5 })),
            format!("{unsupported}a bake time of deployments yet."),
        ),
        (
            external(
                json!({ "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": true, "rollback": false } } }),
            ),
            "Deployment circuit breaker feature can be configured only with ECS deployment controller"
                .to_owned(),
        ),
    ];
    let cases = cases
        .iter()
        .map(|(input, text)| (input.clone(), text.as_str()))
        .collect();
    refused(&stage, cases).await;
}

#[tokio::test]
async fn daemons_take_no_count_no_strategy_and_no_providers() {
    let stage = stage().await;
    let cases = vec![
        (
            daemon(json!({ "desiredCount": 0 })),
            "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again",
        ),
        (
            daemon(json!({ "deploymentConfiguration": { "maximumPercent": 200 } })),
            "The daemon scheduling strategy does not support values above 100 for maximumPercent on a deployment configuration. Change the maximumPercent value to 100, and try again",
        ),
        (
            daemon(json!({ "placementStrategy": [{ "type": "random" }] })),
            "The daemon scheduling strategy does not support placement strategies. Remove the placement strategy and try again",
        ),
        (
            daemon(json!({ "availabilityZoneRebalancing": "ENABLED" })),
            "Availability Zone Rebalancing does not support DAEMON services",
        ),
        (
            daemon(json!({ "deploymentController": { "type": "EXTERNAL" }, "taskDefinition": null })),
            "The daemon scheduling strategy does not support the EXTERNAL deployment controller.",
        ),
        (
            daemon(json!({ "launchType": "FARGATE", "taskDefinition": "fargate" })),
            "The daemon scheduling strategy does not support the FARGATE launch type.",
        ),
    ];
    refused(&stage, cases).await;
    let made = ok::<op::CreateService>(&stage.server.root, daemon(json!({}))).await;
    let configuration = &made["service"]["deploymentConfiguration"];
    assert_eq!(configuration["minimumHealthyPercent"], 0);
    assert_eq!(configuration["maximumPercent"], 100);
    assert_eq!(made["service"]["availabilityZoneRebalancing"], "DISABLED");
}

#[tokio::test]
async fn a_daemon_service_wants_no_strategy_of_its_cluster_either() {
    let stage = stage().await;
    let root = &stage.server.root;
    let strategy = json!([{ "capacityProvider": "FARGATE", "weight": 1 }]);
    let providers = json!({
        "cluster": "c", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": strategy,
    });
    ok::<op::PutClusterCapacityProviders>(root, providers).await;
    let text = "Specifying a capacity provider strategy is not supported when you create a service using the DAEMON scheduling strategy.";
    refused(
        &stage,
        vec![(daemon(json!({ "taskDefinition": "fargate" })), text)],
    )
    .await;
    ok::<op::CreateService>(root, daemon(json!({ "launchType": "EC2" }))).await;
}

#[tokio::test]
async fn other_controllers_leave_versions_to_task_sets() {
    let stage = stage().await;
    let balancer = json!([{ "targetGroupArn": "tg", "containerName": "app", "containerPort": 80 }]);
    let code_deploy = json!({ "deploymentController": { "type": "CODE_DEPLOY" } });
    let cases = vec![
        (
            external(json!({ "taskDefinition": "plain" })),
            "TaskDefinition must be blank",
        ),
        (
            external(json!({ "loadBalancers": balancer })),
            "LoadBalancers must be empty or null",
        ),
        (
            external(json!({ "launchType": "EC2" })),
            "LaunchType must be blank",
        ),
        (
            service(code_deploy.clone()),
            "the service requires an Application Load Balancer or Network Load Balancer",
        ),
        (
            service(merged(code_deploy, json!({ "loadBalancers": balancer }))),
            "UnsupportedFeatureException: This server does not support the CODE_DEPLOY deployment controller yet.",
        ),
    ];
    refused(&stage, cases).await;
    let made = ok::<op::CreateService>(&stage.server.root, external(json!({}))).await;
    assert_eq!(made["service"]["deployments"], json!([]));
    assert_eq!(made["service"]["taskSets"], json!([]));
    assert_eq!(
        made["service"]["deploymentController"],
        json!({ "type": "EXTERNAL" })
    );
}

#[tokio::test]
async fn placement_and_launching_are_checked() {
    let stage = stage().await;
    let strategy = json!([{ "capacityProvider": "FARGATE", "weight": 1 }]);
    let random: Vec<_> = (0..6).map(|_| json!({ "type": "random" })).collect();
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    let cases = vec![
        (
            service(json!({ "launchType": "EC2", "capacityProviderStrategy": strategy })),
            "Specifying both a launch type and capacity provider strategy is not supported",
        ),
        (
            service(json!({ "launchType": "FARGATE" })),
            "Task definition does not support launch_type FARGATE.",
        ),
        (
            service(json!({ "platformVersion": "1.4.0" })),
            "The platform version must be null when specifying an EC2 launch type.",
        ),
        (
            service(
                json!({ "launchType": "FARGATE", "taskDefinition": "fargate", "placementStrategy": [{ "type": "random" }] }),
            ),
            "Placement strategies are not supported with FARGATE launch type.",
        ),
        (
            service(
                json!({ "launchType": "FARGATE", "taskDefinition": "fargate", "placementConstraints": [{ "type": "distinctInstance" }] }),
            ),
            "Placement constraints are not supported with FARGATE launch type.",
        ),
        (
            service(
                json!({ "launchType": "FARGATE", "taskDefinition": "fargate", "networkConfiguration": network, "platformVersion": "9.9" }),
            ),
            "PlatformUnknownException: The specified platform version does not exist.",
        ),
        (
            service(json!({ "placementStrategy": random })),
            "placementStrategy can have at most 5 items.",
        ),
        (
            service(json!({ "placementStrategy": [{ "type": "binpack", "field": "disk" }] })),
            "binpack field 'disk' is invalid",
        ),
        (
            service(json!({ "placementConstraints": [{ "type": "distinctInstance", "expression": "x" }] })),
            "distinctInstance expression should not be specified",
        ),
        (
            service(
                json!({ "placementStrategy": [{ "type": "random" }], "availabilityZoneRebalancing": "ENABLED" }),
            ),
            "Availability Zone Rebalancing requires the first placement strategy to be spread on attribute:ecs.availability-zone, or none.",
        ),
        (
            service(json!({ "networkConfiguration": network })),
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ),
    ];
    refused(&stage, cases).await;
}

#[tokio::test]
async fn what_services_connect_with_is_checked_and_then_refused_honestly() {
    let stage = stage().await;
    let balancer = |what: Value| service(json!({ "loadBalancers": [what] }));
    let connect = |what: Value| {
        service(json!({ "serviceConnectConfiguration": merged(json!({ "enabled": true }), what) }))
    };
    let unsupported =
        |what: &str| format!("UnsupportedFeatureException: This server does not support {what} yet.");
    let services = json!([{ "portName": "grpc" }]);
    let named = json!([{ "portName": "http" }]);
    let registry = json!({ "registryArn": "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1" });
    let volume =
        json!({ "name": "v", "managedEBSVolume": { "roleArn": "arn:aws:iam::123456789012:role/ebs" } });
    let lattice =
        json!({ "roleArn": "arn:aws:iam::123456789012:role/l", "targetGroupArn": "tg", "portName": "http" });
    let cases = vec![
        (
            balancer(json!({ "targetGroupArn": "a", "loadBalancerName": "b" })),
            "loadBalancerName and targetGroupArn cannot both be specified. You must specify either a loadBalancerName or a targetGroupArn.".to_owned(),
        ),
        (
            balancer(json!({ "targetGroupArn": "a", "containerName": "x", "containerPort": 80 })),
            "The container x does not exist in the task definition.".to_owned(),
        ),
        (
            balancer(json!({ "targetGroupArn": "a", "containerName": "app", "containerPort": 81 })),
            "The container app did not have a container port 81 defined.".to_owned(),
        ),
        (
            balancer(json!({ "targetGroupArn": "a", "containerName": "app", "containerPort": 80 })),
            unsupported("load balancers"),
        ),
        (
            service(json!({ "serviceRegistries": [registry, registry] })),
            "service registries can have at most 1 items.".to_owned(),
        ),
        (service(json!({ "serviceRegistries": [registry] })), unsupported("service registries")),
        (connect(json!({})), "Namespace is missing.".to_owned()),
        (
            connect(json!({ "namespace": "n", "services": services })),
            "portName(grpc) does not refer to any named PortMapping in the container definitions.".to_owned(),
        ),
        (connect(json!({ "namespace": "n", "services": named })), unsupported("Service Connect")),
        (
            service(json!({ "volumeConfigurations": [volume] })),
            "The volume name 'v' in your request does not have a matching volume in your Task Definition.".to_owned(),
        ),
        (service(json!({ "vpcLatticeConfigurations": [lattice] })), unsupported("VPC Lattice")),
    ];
    let cases = cases
        .iter()
        .map(|(input, text)| (input.clone(), text.as_str()))
        .collect();
    refused(&stage, cases).await;
}

#[tokio::test]
async fn the_same_request_or_token_answers_the_same_service_and_another_none() {
    let stage = stage().await;
    let root = &stage.server.root;
    let made = ok::<op::CreateService>(root, service(json!({ "clientToken": "t" }))).await;
    assert_eq!(
        ok::<op::CreateService>(root, service(json!({ "clientToken": "t" }))).await,
        made
    );
    // The token stands for the request it came with, whatever the second one says.
    let other = service(json!({ "clientToken": "t", "desiredCount": 5 }));
    assert_eq!(ok::<op::CreateService>(root, other).await, made);
    let same = ok::<op::CreateService>(root, service(json!({ "clientToken": "u" }))).await;
    assert_eq!(same["service"]["serviceArn"], made["service"]["serviceArn"]);
    for change in [
        json!({ "desiredCount": 2 }),
        json!({ "propagateTags": "SERVICE" }),
        json!({ "tags": [{ "key": "a", "value": "b" }] }),
        json!({ "deploymentConfiguration": { "maximumPercent": 150 } }),
    ] {
        let found = err::<op::CreateService>(root, service(change)).await;
        assert_eq!(
            found,
            "InvalidParameterException: Creation of service was not idempotent."
        );
    }
}

#[tokio::test]
async fn only_what_tasks_are_made_of_starts_a_deployment() {
    let stage = stage().await;
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    definition(&stage.server, "web", |_| {}).await;
    let constraint = json!([{ "type": "distinctInstance" }]);
    let quiet = [
        json!({ "desiredCount": 2 }),
        json!({ "desiredCount": 1 }),
        json!({ "deploymentConfiguration": { "maximumPercent": 250 } }),
        json!({ "placementConstraints": constraint }),
        json!({ "placementStrategy": [{ "type": "spread", "field": "attribute:ecs.availability-zone" }] }),
        json!({ "healthCheckGracePeriodSeconds": 10 }),
        json!({ "enableECSManagedTags": true, "propagateTags": "SERVICE" }),
        json!({ "availabilityZoneRebalancing": "DISABLED" }),
        json!({ "taskDefinition": "web:1" }),
        json!({}),
    ];
    for change in quiet {
        let updated = stage.update(change.clone()).await;
        assert_eq!(updated["deployments"].as_array().unwrap().len(), 1, "{change}");
    }
    let service = stage.service().await;
    assert_eq!(service["placementConstraints"], constraint);
    assert_eq!(service["propagateTags"], "SERVICE");
    assert_eq!(service["deploymentConfiguration"]["minimumHealthyPercent"], 100);
    assert_eq!(
        stage.update(json!({ "placementConstraints": [] })).await["placementConstraints"],
        json!([])
    );
    stage.rest().await;
    for change in [
        json!({ "forceNewDeployment": true }),
        json!({ "taskDefinition": "web:2" }),
    ] {
        let updated = stage.update(change.clone()).await;
        let deployments = updated["deployments"].as_array().unwrap().clone();
        assert_eq!(deployments.len(), 2, "{change}");
        assert_eq!(deployments[0]["status"], "PRIMARY");
        assert_eq!(deployments[1]["status"], "ACTIVE");
        stage.rest().await;
    }
    assert_eq!(
        stage.service().await["taskDefinition"],
        arn("task-definition/web:2")
    );
}

#[tokio::test]
async fn updates_are_held_against_the_same_rules() {
    let stage = stage().await;
    let root = &stage.server.root;
    let update = |change: Value| err_update(&stage, "s", change);
    assert_eq!(
        update(json!({})).await,
        "ServiceNotFoundException: Service not found."
    );
    stage.create(json!({ "desiredCount": 0 })).await;
    let cases = [
        (
            json!({ "desiredCount": -1 }),
            "InvalidParameterException: The desired count must be specified and cannot be negative.",
        ),
        (
            json!({ "taskDefinition": "ghost" }),
            "ClientException: Unable to describe task definition.",
        ),
        (
            json!({ "taskDefinition": "gone:1" }),
            "InvalidParameterException: TaskDefinition is inactive",
        ),
        (
            json!({ "platformVersion": "1.4.0" }),
            "InvalidParameterException: The platform version must be null when specifying an EC2 launch type.",
        ),
        (
            json!({ "deploymentController": { "type": "EXTERNAL" } }),
            "UnsupportedFeatureException: This server does not support changing the deployment controller yet.",
        ),
        (
            json!({ "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] }),
            "InvalidParameterException: The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(update(change.clone()).await, expected, "{change}");
    }
    ok::<op::CreateService>(root, merged(daemon(json!({})), json!({ "serviceName": "d" }))).await;
    let counted = err_update(&stage, "d", json!({ "desiredCount": 1 })).await;
    assert!(counted.contains("does not support a desired count"), "{counted}");
    ok::<op::CreateService>(root, merged(external(json!({})), json!({ "serviceName": "e" }))).await;
    let external = err_update(&stage, "e", json!({ "taskDefinition": "plain" })).await;
    assert_eq!(
        external,
        "InvalidParameterException: Unable to update task definition on services with an EXTERNAL deployment controller. Use task sets to deploy a new version."
    );
    ok::<op::UpdateService>(root, json!({ "cluster": "c", "service": "e", "desiredCount": 3 })).await;
    ok::<op::DeleteService>(root, json!({ "cluster": "c", "service": "s" })).await;
    assert_eq!(
        update(json!({})).await,
        "ServiceNotActiveException: Service was not ACTIVE."
    );
}

async fn err_update(stage: &Stage, service: &str, change: Value) -> String {
    let base = json!({ "cluster": "c", "service": service });
    err::<op::UpdateService>(&stage.server.root, merged(base, change)).await
}

#[tokio::test]
async fn a_scaled_service_needs_force_and_drains() {
    let stage = stage().await;
    let root = &stage.server.root;
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    let delete = json!({ "cluster": "c", "service": "s" });
    assert_eq!(
        err::<op::DeleteService>(root, delete.clone()).await,
        "InvalidParameterException: The service cannot be stopped while it is scaled above 0."
    );
    let forced = ok::<op::DeleteService>(root, merged(delete.clone(), json!({ "force": true }))).await;
    assert_eq!(forced["service"]["status"], "DRAINING");
    assert_eq!(forced["service"]["desiredCount"], 0);
    let listed = ok::<op::ListServices>(root, json!({ "cluster": "c" })).await;
    assert_eq!(listed["serviceArns"], json!([]));
    assert_eq!(
        err::<op::CreateService>(root, service(json!({}))).await,
        "InvalidParameterException: Unable to Start a service that is still Draining."
    );
    stage.rest().await;
    let ended = stage.service().await;
    assert_eq!(ended["status"], "INACTIVE");
    assert_eq!(ended["deployments"], json!([]));
    let again = ok::<op::CreateService>(root, service(json!({}))).await;
    assert_eq!(again["service"]["status"], "ACTIVE");
    let deployments = ok::<op::ListServiceDeployments>(root, json!({ "cluster": "c", "service": "s" })).await;
    assert_eq!(deployments["serviceDeployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_wants_and_a_cluster_holds_as_many_as_their_quotas_allow() {
    let stage = stage().await;
    let text = err::<op::CreateService>(&stage.server.root, service(json!({ "desiredCount": 5_001 }))).await;
    assert_eq!(text, "InvalidParameterException: Desired count exceeds limit.");
    let mut quotas = portcullis_control::bootstrap::IamQuotas::default();
    quotas.set_of_ecs("tasks-per-service=3").unwrap();
    quotas.set_of_ecs("services-per-cluster=1").unwrap();
    assert!(quotas.set_of_ecs("roles=3").is_err());
    portcullis_control::bootstrap::iam_quotas(stage.server.gate.world(), quotas)
        .await
        .unwrap();
    ok::<op::CreateService>(&stage.server.root, service(json!({ "desiredCount": 3 }))).await;
    let more = service(json!({ "serviceName": "more", "desiredCount": 0 }));
    let text = err::<op::CreateService>(&stage.server.root, more).await;
    assert!(
        text.starts_with("InvalidParameterException: The maximum number of services"),
        "{text}"
    );
    let name = service(json!({}))["serviceName"].clone();
    let cluster = service(json!({}))["cluster"].clone();
    let four = json!({ "cluster": cluster, "service": name, "desiredCount": 4 });
    let text = err::<op::UpdateService>(&stage.server.root, four).await;
    assert_eq!(text, "InvalidParameterException: Desired count exceeds limit.");
}
