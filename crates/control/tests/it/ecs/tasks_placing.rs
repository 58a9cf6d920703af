//! Where tasks go, and what speaks against it (ecs.md 8, 9, 10).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::tasks::{Scene, merged, text};
use super::{allow_if, arn, err, ok};
use crate::agent::{Instance, definition, eventually, is_connected};

async fn another(scene: &Scene, attributes: &[(&str, Option<&str>)]) -> (Instance, crate::agent::Agent) {
    let instance = Instance::register(&scene.server.root, "c", attributes).await;
    let agent = instance.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| {
        is_connected(view, &instance.arn)
    })
    .await;
    (instance, agent)
}

fn places(reply: &Value) -> Vec<String> {
    reply["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| text(&task["containerInstanceArn"]))
        .collect()
}

/// What the instance has left, by name.
async fn remaining(scene: &Scene) -> Vec<Value> {
    let input = json!({ "cluster": "c", "containerInstances": [scene.instance.arn] });
    let reply = ok::<op::DescribeContainerInstances>(&scene.server.root, input).await;
    let left = &reply["containerInstances"][0]["remainingResources"];
    left.as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["name"], one["integerValue"], one["stringSetValue"]]))
        .collect()
}

#[tokio::test]
async fn a_full_instance_says_what_it_lacks_and_gives_everything_back() {
    let scene = Scene::set().await;
    let sized = |family: &'static str, cpu: i32, memory: i32, port: Option<i32>| {
        definition(&scene.server, family, move |request| {
            let container = &mut request.container_definitions[0];
            container.cpu = Some(cpu);
            container.memory = Some(memory);
            container.port_mappings = port.map(|port| {
                vec![portcullis_api::ecs::PortMapping {
                    container_port: Some(80),
                    host_port: Some(port),
                    ..Default::default()
                }]
            });
        })
    };
    sized("cpu", 2048, 64, None).await;
    sized("memory", 1, 4096, None).await;
    sized("port", 1, 64, Some(8080)).await;
    sized("ssh", 1, 64, Some(22)).await;
    let before = remaining(&scene).await;
    let failure = |reason: &str| json!([{ "arn": scene.instance.arn, "reason": reason }]);
    let first = scene.run_one(json!({ "taskDefinition": "port" })).await;
    assert_ne!(remaining(&scene).await, before);
    assert_eq!(
        scene.run(json!({ "taskDefinition": "cpu" })).await["failures"],
        failure("RESOURCE:CPU")
    );
    assert_eq!(
        scene.run(json!({ "taskDefinition": "memory" })).await["failures"],
        failure("RESOURCE:MEMORY")
    );
    assert_eq!(
        scene.run(json!({ "taskDefinition": "port" })).await["failures"],
        failure("RESOURCE:PORTS")
    );
    assert_eq!(
        scene.run(json!({ "taskDefinition": "ssh" })).await["failures"],
        failure("RESOURCE:PORTS")
    );
    let partial = scene
        .run(json!({ "count": 10, "overrides": { "cpu": "1 vCPU" } }))
        .await;
    assert_eq!(
        partial["tasks"].as_array().unwrap().len(),
        1,
        "partial success is normal"
    );
    assert_eq!(partial["failures"].as_array().unwrap().len(), 9);
    for task in [first, text(&partial["tasks"][0]["taskArn"])] {
        ok::<op::StopTask>(&scene.server.root, json!({ "cluster": "c", "task": task })).await;
        scene.instance.submit(&task, "STOPPED", &[("app", Some(0))]).await;
    }
    assert_eq!(remaining(&scene).await, before);
}

#[tokio::test]
async fn an_instance_without_agent_or_capability_takes_nothing() {
    let scene = Scene::set().await;
    let lacking = Instance::register(&scene.server.root, "c", &[]).await;
    let failures = start(&scene, "web", &[&lacking.arn]).await["failures"].clone();
    assert_eq!(failures, json!([{ "arn": lacking.arn, "reason": "AGENT" }]));
    definition(&scene.server, "gelf", |request| {
        request.container_definitions[0].log_configuration = Some(portcullis_api::ecs::LogConfiguration {
            log_driver: "gelf".to_owned(),
            ..Default::default()
        });
    })
    .await;
    let reply = scene.run(json!({ "taskDefinition": "gelf" })).await;
    let mut reasons: Vec<_> = reply["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["reason"]))
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["AGENT", "ATTRIBUTE"]);
}

async fn start(scene: &Scene, definition: &str, instances: &[&str]) -> Value {
    let input = json!({ "cluster": "c", "taskDefinition": definition, "containerInstances": instances });
    ok::<op::StartTask>(&scene.server.root, input).await
}

#[tokio::test]
async fn r146_start_task_goes_where_it_is_told_and_is_decided_for_each_instance() {
    let scene = Scene::set().await;
    let (two, _agent) = another(&scene, &[]).await;
    let missing = arn("container-instance/c/00000000000000000000000000000000");
    let reply = start(&scene, "web", &[&scene.instance.arn, &two.arn, &missing]).await;
    assert_eq!(places(&reply), [scene.instance.arn.clone(), two.arn.clone()]);
    assert_eq!(
        reply["failures"],
        json!([{ "arn": missing, "reason": "MISSING" }])
    );
    let policy = allow_if("ecs:StartTask", "ArnEquals", "ecs:container-instances", &two.arn);
    let user = scene.server.user("u", &policy).await;
    let input = |instances: &[&str]| json!({ "cluster": "c", "taskDefinition": "web", "containerInstances": instances });
    ok::<op::StartTask>(&user, input(&[&two.arn])).await;
    let refused = err::<op::StartTask>(&user, input(&[&two.arn, &scene.instance.arn])).await;
    assert!(refused.contains("ecs:StartTask"), "{refused}");
}

#[tokio::test]
async fn constraints_and_strategies_choose_the_instance() {
    let scene = Scene::set().await;
    let (two, _agent) = another(&scene, &[("stack", Some("blue"))]).await;
    let member =
        json!({ "placementConstraints": [{ "type": "memberOf", "expression": "attribute:stack == blue" }] });
    let reply = scene.run(merged(json!({ "count": 2 }), member)).await;
    assert_eq!(places(&reply), [two.arn.clone(), two.arn.clone()]);
    let distinct =
        json!({ "count": 3, "group": "g", "placementConstraints": [{ "type": "distinctInstance" }] });
    let reply = scene.run(distinct).await;
    assert_eq!(reply["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(
        reply["failures"][0]["reason"],
        "DistinctInstance placement constraint unsatisfied."
    );
    let packed = json!({ "placementStrategy": [{ "type": "binpack", "field": "memory" }] });
    assert_eq!(
        places(&scene.run(packed).await),
        std::slice::from_ref(&two.arn),
        "three tasks against one"
    );
    let spread = json!({ "count": 2, "group": "h", "placementStrategy": [{ "type": "spread", "field": "instanceId" }] });
    let mut spread = places(&scene.run(spread).await);
    spread.sort();
    let mut both = vec![scene.instance.arn.clone(), two.arn.clone()];
    both.sort();
    assert_eq!(spread, both);
    let by_group =
        json!({ "placementConstraints": [{ "type": "memberOf", "expression": "task:group == h" }] });
    assert_eq!(scene.run(by_group).await["failures"], json!([]));
    let nowhere =
        json!({ "placementConstraints": [{ "type": "memberOf", "expression": "task:group == x" }] });
    let failures = scene.run(nowhere).await["failures"].clone();
    assert_eq!(
        failures[1]["reason"],
        "MemberOf placement constraint unsatisfied."
    );
}

#[tokio::test]
async fn external_instances_take_external_tasks_and_those_that_do_not_say() {
    let scene = Scene::set().await;
    let refused = scene.run_err(json!({ "launchType": "EXTERNAL" })).await;
    assert_eq!(
        refused,
        "InvalidParameterException: No Container Instances were found in your cluster."
    );
    let (outside, _agent) = another(&scene, &[("ecs.capability.external", None)]).await;
    assert_eq!(
        places(&scene.run(json!({ "launchType": "EXTERNAL" })).await),
        std::slice::from_ref(&outside.arn)
    );
    assert_eq!(
        places(&scene.run(json!({})).await),
        std::slice::from_ref(&scene.instance.arn)
    );
    let drain = json!({ "cluster": "c", "containerInstances": [scene.instance.arn], "status": "DRAINING" });
    ok::<op::UpdateContainerInstancesState>(&scene.server.root, drain).await;
    let reply = scene.run(json!({})).await;
    assert_eq!(places(&reply), std::slice::from_ref(&outside.arn));
    assert_eq!(reply["tasks"][0]["launchType"], "EXTERNAL");
}
