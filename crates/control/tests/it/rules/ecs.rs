//! What ECS's calls are authorised on, and with which keys (R39, R50, R111, R140-R148).

use portcullis_api::ecs::op;
use portcullis_wire::Operation;
use serde_json::{Value, json};

use super::{arn, document, err, may, ok};
use crate::agent::{Front, Instance};
use crate::ecs::Scene;
use crate::harness::{Client, Server, allow};

/// The action and the resource a call is refused for.
async fn refused<O: Operation>(nobody: &Client, input: Value) -> (String, String) {
    let text = err::<O>(nobody, input).await;
    let (_, rest) = text
        .split_once("is not authorized to perform: ")
        .unwrap_or_else(|| panic!("{text}"));
    let (action, rest) = rest.split_once(" on resource: ").unwrap();
    let (resource, _) = rest.split_once(" because ").unwrap();
    (action.to_owned(), resource.to_owned())
}

/// Checks that a call of a caller without permissions is refused on a resource.
async fn on<O: Operation>(nobody: &Client, input: Value, resource: &str) {
    let action = format!("ecs:{}", O::META.name);
    assert_eq!(refused::<O>(nobody, input).await, (action, resource.to_owned()));
}

#[tokio::test]
async fn r39_r140_actions_that_know_no_resource_are_decided_on_a_star() {
    let server = Server::start().await;
    let nobody = &server.user("nobody", "").await;
    let setting = json!({ "name": "containerInsights", "value": "enabled" });
    on::<op::ListClusters>(nobody, json!({}), "*").await;
    on::<op::ListServices>(nobody, json!({}), "*").await;
    on::<op::ListTaskDefinitions>(nobody, json!({}), "*").await;
    on::<op::ListTaskDefinitionFamilies>(nobody, json!({}), "*").await;
    on::<op::DescribeTaskDefinition>(nobody, json!({ "taskDefinition": "web" }), "*").await;
    on::<op::DeregisterTaskDefinition>(nobody, json!({ "taskDefinition": "web:1" }), "*").await;
    on::<op::DiscoverPollEndpoint>(nobody, json!({}), "*").await;
    on::<op::ListAccountSettings>(nobody, json!({}), "*").await;
    on::<op::PutAccountSetting>(nobody, setting.clone(), "*").await;
    on::<op::PutAccountSettingDefault>(nobody, setting, "*").await;
    on::<op::DeleteAccountSetting>(nobody, json!({ "name": "containerInsights" }), "*").await;
}

#[tokio::test]
async fn r141_r143_each_action_is_decided_on_its_type_of_resource() {
    let server = Server::start().await;
    let nobody = &server.user("nobody", "").await;
    let (cluster, instance, task) = (
        arn("cluster/c"),
        arn("container-instance/c/0123"),
        arn("task/c/4567"),
    );
    on::<op::CreateCluster>(nobody, json!({ "clusterName": "c" }), &cluster).await;
    on::<op::DeleteCluster>(nobody, json!({ "cluster": "c" }), &cluster).await;
    on::<op::DescribeClusters>(nobody, json!({ "clusters": ["c"] }), &cluster).await;
    on::<op::UpdateCluster>(nobody, json!({ "cluster": "c" }), &cluster).await;
    on::<op::UpdateClusterSettings>(nobody, json!({ "cluster": "c", "settings": [] }), &cluster).await;
    let providers = json!({ "cluster": "c", "capacityProviders": [], "defaultCapacityProviderStrategy": [] });
    on::<op::PutClusterCapacityProviders>(nobody, providers, &cluster).await;
    on::<op::RegisterContainerInstance>(nobody, json!({ "cluster": "c" }), &cluster).await;
    on::<op::DeregisterContainerInstance>(
        nobody,
        json!({ "cluster": "c", "containerInstance": "0123" }),
        &cluster,
    )
    .await;
    on::<op::ListContainerInstances>(nobody, json!({ "cluster": "c" }), &cluster).await;
    on::<op::ListAttributes>(
        nobody,
        json!({ "cluster": "c", "targetType": "container-instance" }),
        &cluster,
    )
    .await;
    on::<op::SubmitTaskStateChange>(nobody, json!({ "cluster": "c", "task": task }), &cluster).await;
    on::<op::SubmitContainerStateChange>(nobody, json!({ "cluster": "c", "task": task }), &cluster).await;
    let describe = json!({ "cluster": "c", "containerInstances": ["0123"] });
    on::<op::DescribeContainerInstances>(nobody, describe, &instance).await;
    let drain = json!({ "cluster": "c", "containerInstances": ["0123"], "status": "DRAINING" });
    on::<op::UpdateContainerInstancesState>(nobody, drain, &instance).await;
    let attributes = json!({ "cluster": "c", "attributes": [{ "name": "a", "targetId": instance }] });
    on::<op::PutAttributes>(nobody, attributes.clone(), &instance).await;
    on::<op::DeleteAttributes>(nobody, attributes, &instance).await;
    let service = arn("service/c/web");
    let create = json!({ "cluster": "c", "serviceName": "web", "taskDefinition": "web:1" });
    on::<op::CreateService>(nobody, create, &service).await;
    on::<op::DeleteService>(nobody, json!({ "cluster": "c", "service": "web" }), &service).await;
    on::<op::DescribeServices>(nobody, json!({ "cluster": "c", "services": ["web"] }), &service).await;
    on::<op::DescribeTasks>(nobody, json!({ "cluster": "c", "tasks": ["4567"] }), &task).await;
    let definition = arn("task-definition/web:1");
    on::<op::RunTask>(
        nobody,
        json!({ "cluster": "c", "taskDefinition": "web:1" }),
        &definition,
    )
    .await;
    let start = json!({ "cluster": "c", "taskDefinition": "web:1", "containerInstances": ["0123"] });
    on::<op::StartTask>(nobody, start, &definition).await;
    on::<op::DeleteTaskDefinitions>(nobody, json!({ "taskDefinitions": ["web:1"] }), &definition).await;
    for tagged in [&cluster, &instance, &task, &service, &definition] {
        on::<op::TagResource>(nobody, json!({ "resourceArn": tagged, "tags": [] }), tagged).await;
        on::<op::UntagResource>(nobody, json!({ "resourceArn": tagged, "tagKeys": [] }), tagged).await;
        on::<op::ListTagsForResource>(nobody, json!({ "resourceArn": tagged }), tagged).await;
    }
}

#[tokio::test]
async fn r142_stop_task_is_decided_on_the_task_and_list_tasks_on_container_instances() {
    let server = Server::start().await;
    let nobody = &server.user("nobody", "").await;
    on::<op::StopTask>(
        nobody,
        json!({ "cluster": "c", "task": "4567" }),
        &arn("task/c/4567"),
    )
    .await;
    on::<op::ListTasks>(nobody, json!({ "cluster": "c" }), &arn("container-instance/c/*")).await;
    let one = json!({ "cluster": "c", "containerInstance": "0123" });
    on::<op::ListTasks>(nobody, one, &arn("container-instance/c/0123")).await;
    // The mission's policy 000 names the task definition: it never lets anybody stop a task.
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let seed = server
        .user("seed", &allow("ecs:StopTask", &arn("task-definition/web:*")))
        .await;
    on::<op::StopTask>(
        &seed,
        json!({ "cluster": "c", "task": "4567" }),
        &arn("task/c/4567"),
    )
    .await;
}

#[tokio::test]
async fn r50_the_star_of_a_list_is_literal_text() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let list = json!({ "cluster": "c" });
    for (n, (pattern, allowed)) in [
        ("container-instance/c/*", true),
        ("container-instance/*", true),
        ("container-instance/c/0*", false),
        ("container-instance/c/0123", false),
    ]
    .into_iter()
    .enumerate()
    {
        let user = server
            .user(&format!("u{n}"), &allow("ecs:ListTasks", &arn(pattern)))
            .await;
        assert_eq!(
            may::<op::ListTasks>(&user, list.clone()).await,
            allowed,
            "{pattern}"
        );
    }
}

#[tokio::test]
async fn r145_the_cluster_is_a_full_arn_however_it_is_named() {
    let server = Server::start().await;
    for name in ["default", "c"] {
        ok::<op::CreateCluster>(&server.root, json!({ "clusterName": name })).await;
    }
    let within = |cluster: &str| {
        document(&json!({ "Effect": "Allow", "Action": "ecs:*", "Resource": "*",
            "Condition": { "StringEquals": { "ecs:cluster": arn(&format!("cluster/{cluster}")) } } }))
    };
    let of_default = server.user("default", &within("default")).await;
    let of_c = server.user("c", &within("c")).await;
    for unnamed in [
        json!({}),
        json!({ "cluster": "" }),
        json!({ "cluster": "default" }),
        json!({ "cluster": arn("cluster/default") }),
    ] {
        assert!(
            may::<op::ListServices>(&of_default, unnamed.clone()).await,
            "{unnamed}"
        );
        assert!(!may::<op::ListServices>(&of_c, unnamed).await);
    }
    for named in [json!({ "cluster": "c" }), json!({ "cluster": arn("cluster/c") })] {
        assert!(may::<op::ListServices>(&of_c, named.clone()).await, "{named}");
        assert!(!may::<op::ListServices>(&of_default, named).await);
    }
}

#[tokio::test]
async fn r111_r147_keys_of_ecs_hold_what_the_call_is_about() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateCluster>(root, json!({ "clusterName": "c" })).await;
    let register = json!({ "family": "web", "cpu": "256", "memory": "512", "containerDefinitions": [{ "name": "app", "image": "i" }] });
    ok::<op::RegisterTaskDefinition>(root, register).await;
    let user = &server.user("u", "").await;
    let holds = async |operator: &str, key: &str, value: &str, input: Value| {
        let condition = json!({ "Effect": "Allow", "Action": "ecs:CreateService", "Resource": "*", "Condition": { operator: { key: value } } });
        server.allow("u", "p", &document(&condition)).await;
        // What is refused afterwards was authorised.
        match user
            .call::<op::CreateService>(&portcullis_wire::json::from_value(&input).unwrap())
            .await
        {
            Ok(_) => true,
            Err(error) => !error
                .to_string()
                .contains("is not authorized to perform: ecs:CreateService"),
        }
    };
    let named = |name: &str| {
        json!({ "cluster": "c", "serviceName": name, "taskDefinition": "web", "desiredCount": 0,
            "enableECSManagedTags": true, "enableExecuteCommand": true, "propagateTags": "SERVICE",
            "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] })
    };
    let definition = arn("task-definition/web:1");
    let provider = arn("capacity-provider/FARGATE");
    for (operator, key, value) in [
        ("StringEquals", "ecs:cluster", arn("cluster/c").as_str()),
        ("StringEquals", "ecs:task-definition", &definition),
        ("NumericEquals", "ecs:task-cpu", "256"),
        ("NumericLessThan", "ecs:task-memory", "513"),
        ("StringEquals", "ecs:propagate-tags", "SERVICE"),
        ("StringEquals", "ecs:enable-execute-command", "true"),
        ("Bool", "ecs:enable-ecs-managed-tags", "true"),
        ("ForAllValues:StringEquals", "ecs:capacity-provider", &provider),
        ("ForAnyValue:StringEquals", "ecs:capacity-provider", &provider),
        // Only ExecuteCommand has the container's name, and only AccountSetting calls the setting's.
        ("Null", "ecs:container-name", "true"),
        ("Null", "ecs:account-setting", "true"),
    ] {
        assert!(
            holds(operator, key, value, named("a")).await,
            "{operator} {key} {value}"
        );
    }
    for (operator, key, value) in [
        (
            "StringEquals",
            "ecs:task-definition",
            arn("task-definition/web").as_str(),
        ),
        ("StringEquals", "ecs:cluster", "c"),
        ("NumericEquals", "ecs:task-cpu", "0.25"),
        // A list is no single value (R89).
        ("StringEquals", "ecs:capacity-provider", &provider),
    ] {
        assert!(
            !holds(operator, key, value, named("b")).await,
            "{operator} {key} {value}"
        );
    }
}

#[tokio::test]
async fn r140_r141_agents_are_decided_on_their_instance() {
    let scene = Scene::set().await;
    let front: &Front = &scene.front;
    let nobody = Instance {
        client: scene.server.user("nobody", "").await,
        ..scene.instance.clone()
    };
    let poll = nobody.connect(front, true).await.err().unwrap();
    assert!(
        poll.contains(&format!("ecs:Poll on resource: {} ", scene.instance.arn)),
        "{poll}"
    );
    let telemetry = nobody.connect_telemetry(front).await.err().unwrap();
    let expected = format!("ecs:StartTelemetrySession on resource: {} ", scene.instance.arn);
    assert!(telemetry.contains(&expected), "{telemetry}");
}
