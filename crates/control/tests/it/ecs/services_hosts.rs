//! Services and the instances under them: room, draining, daemons, zones (ecs.md 8, 10, 11).

use portcullis_api::ec2;
use portcullis_api::ecs::op;
use portcullis_control::schedule::services::Keeper;
use portcullis_control::world::Tx;
use portcullis_control::world::records::iam::Role;
use serde_json::json;

use super::interfaces::OWN_NETWORKS;
use super::ok;
use super::stage::Stage;
use super::tasks::{id_of, merged};
use crate::agent::definition;
use crate::harness::ACCOUNT;

const A: &[&str] = &["us-east-1a"];
const ABC: &[&str] = &["us-east-1a", "us-east-1b", "us-east-1c"];

async fn state(stage: &Stage, instance: &str, status: &str) {
    let input = json!({ "cluster": "c", "containerInstances": [instance], "status": status });
    ok::<op::UpdateContainerInstancesState>(&stage.server.root, input).await;
}

#[tokio::test]
async fn what_finds_no_room_is_told_once_and_placed_when_there_is_some() {
    let mut stage = Stage::set(&[]).await;
    // 2,048 CPU units an instance.
    definition(&stage.server, "big", |request| {
        request.container_definitions[0].cpu = Some(1_500)
    })
    .await;
    stage
        .create(json!({ "taskDefinition": "big", "desiredCount": 2 }))
        .await;
    stage.rest().await;
    let unable =
        "(service s) was unable to place a task because no container instance met all of its requirements.";
    let trouble = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";
    let none = format!("{unable} Reason: No Container Instances were found in your cluster. {trouble}");
    assert_eq!(stage.events().await, [none]);
    stage.instance("us-east-1a", &[]).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 1);
    let events = stage.events().await;
    let cpu = format!(
        "{unable} The closest matching (container-instance ID) has insufficient CPU units available. {trouble}"
    );
    assert!(events.contains(&cpu), "{events:#?}");
    let told = events.len();
    stage.rest().await;
    assert_eq!(
        stage.events().await.len(),
        told,
        "the same is not told again for six hours"
    );
    let second = stage.instance("us-east-1a", &[]).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
    assert!(stage.by_instance().contains_key(id_of(&second)));
}

#[tokio::test]
async fn an_instance_that_drains_loses_its_tasks_within_the_bounds() {
    let mut stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 4 })).await;
    stage.rest().await;
    let first = stage.instances[0].arn.clone();
    let second = stage.instance("us-east-1a", &[]).await;
    state(&stage, &first, "DRAINING").await;
    stage.play(|stage| assert!(stage.running().len() >= 4)).await;
    assert_eq!(stage.by_instance(), [(id_of(&second).to_owned(), 4)].into());
}

#[tokio::test]
async fn an_instance_that_is_deregistered_takes_its_tasks_along() {
    let mut stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    let first = stage.instances[0].arn.clone();
    let second = stage.instance("us-east-1a", &[]).await;
    let gone = json!({ "cluster": "c", "containerInstance": first, "force": true });
    ok::<op::DeregisterContainerInstance>(&stage.server.root, gone).await;
    stage.rest().await;
    assert_eq!(stage.by_instance(), [(id_of(&second).to_owned(), 2)].into());
    assert_eq!(stage.service().await["deployments"][0]["failedTasks"], 0);
}

#[tokio::test]
async fn a_task_is_not_replaced_because_its_agent_is_away() {
    let stage = Stage::set(ABC).await;
    stage.create(json!({ "desiredCount": 3 })).await;
    stage.rest().await;
    let before = stage.running();
    stage.connect(&stage.instances[0].arn, false).await;
    stage.rest().await;
    assert_eq!(stage.running(), before);
}

#[tokio::test]
async fn a_daemon_has_one_task_on_each_instance_that_matches() {
    let mut stage = Stage::set(ABC).await;
    let constraint = json!([{ "type": "memberOf", "expression": "attribute:role != none" }]);
    stage
        .create(json!({ "schedulingStrategy": "DAEMON", "placementConstraints": constraint }))
        .await;
    stage.rest().await;
    assert_eq!(stage.by_instance().values().collect::<Vec<_>>(), [&1, &1, &1]);
    let service = stage.service().await;
    assert_eq!(
        (&service["desiredCount"], &service["runningCount"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    // A new instance gets one; one that does not match does not.
    let fourth = stage.instance("us-east-1a", &[]).await;
    let other = stage.instance("us-east-1a", &[("role", Some("none"))]).await;
    stage.rest().await;
    let by_instance = stage.by_instance();
    assert!(by_instance.contains_key(id_of(&fourth)) && !by_instance.contains_key(id_of(&other)));
    assert_eq!(by_instance.len(), 4);
    // Draining takes it away; the service wants one less.
    state(&stage, &fourth, "DRAINING").await;
    stage.rest().await;
    assert!(!stage.by_instance().contains_key(id_of(&fourth)));
    assert_eq!(stage.service().await["desiredCount"], 3);
    // An update replaces them all.
    definition(&stage.server, "web", |_| {}).await;
    stage.update(json!({ "taskDefinition": "web:2" })).await;
    stage
        .play(|stage| assert!(stage.by_instance().values().all(|count| *count == 1)))
        .await;
    assert_eq!(stage.by_definition(), [("web:2".to_owned(), 3)].into());
}

#[tokio::test]
async fn zones_are_evened_out_when_another_one_opens() {
    let mut stage = Stage::set(A).await;
    stage
        .create(json!({ "desiredCount": 4, "availabilityZoneRebalancing": "ENABLED" }))
        .await;
    stage.rest().await;
    assert_eq!(stage.by_zone(), [("us-east-1a".to_owned(), 4)].into());
    stage.instance("us-east-1b", &[]).await;
    stage.play(|stage| assert!(stage.running().len() >= 4)).await;
    assert_eq!(
        stage.by_zone(),
        [("us-east-1a".to_owned(), 2), ("us-east-1b".to_owned(), 2)].into()
    );
}

#[tokio::test]
async fn zones_that_cannot_be_evened_out_are_left_alone() {
    let mut stage = Stage::set(A).await;
    let full = stage.instance("us-east-1b", &[]).await;
    definition(&stage.server, "full", |request| {
        request.container_definitions[0].cpu = Some(2_048)
    })
    .await;
    let start = json!({ "cluster": "c", "taskDefinition": "full", "containerInstances": [full] });
    ok::<op::StartTask>(&stage.server.root, start).await;
    stage.work().await;
    // Full is one zone, another takes no such tasks.
    stage.instance("us-east-1c", &[("role", Some("none"))]).await;
    let chosen = json!({
        "desiredCount": 4,
        "availabilityZoneRebalancing": "ENABLED",
        "placementConstraints": [{ "type": "memberOf", "expression": "attribute:role != none" }],
    });
    stage.create(chosen).await;
    stage.rest().await;
    stage.server.clock.advance_seconds(86_400);
    stage.rest().await;
    assert_eq!(stage.running().len(), 5);
    let events = stage.events().await;
    assert!(
        events.iter().all(|event| !event.contains("unable")),
        "{events:#?}"
    );
}

#[tokio::test]
async fn strategies_and_constraints_of_the_service_hold() {
    let stage = Stage::set(&["us-east-1a", "us-east-1b", "us-east-1b"]).await;
    let chosen = json!({
        "desiredCount": 2,
        "placementConstraints": [
            { "type": "distinctInstance" },
            { "type": "memberOf", "expression": "attribute:ecs.availability-zone == us-east-1b" },
        ],
    });
    stage.create(chosen).await;
    stage.rest().await;
    assert_eq!(stage.by_zone(), [("us-east-1b".to_owned(), 2)].into());
    assert_eq!(stage.by_instance().len(), 2);
}

#[tokio::test]
async fn room_that_another_task_gives_back_is_taken() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "big", |request| {
        request.container_definitions[0].cpu = Some(1_500)
    })
    .await;
    let root = &stage.server.root;
    let run = json!({ "cluster": "c", "taskDefinition": "big" });
    let other = ok::<op::RunTask>(root, run).await["tasks"][0]["taskArn"].clone();
    stage.work().await;
    stage
        .create(json!({ "taskDefinition": "big", "desiredCount": 1 }))
        .await;
    let mut keeper = Keeper::default();
    keeper.settle(&stage.server.gate).await;
    assert_eq!(stage.running().len(), 1);
    ok::<op::StopTask>(root, json!({ "cluster": "c", "task": other })).await;
    keeper.settle(&stage.server.gate).await;
    stage.work().await;
    keeper.settle(&stage.server.gate).await;
    assert_eq!(stage.service().await["runningCount"], 1);
    assert_eq!(
        stage.service().await["deployments"][0]["rolloutState"],
        "COMPLETED"
    );
    assert!(
        keeper.wakes_at().is_some(),
        "the steady state is told again after six hours"
    );
}

#[tokio::test]
async fn draining_ends_for_daemons_when_everything_else_has_stopped_and_not_before() {
    let stage = Stage::set(ABC).await;
    let root = &stage.server.root;
    for name in ["d1", "d2"] {
        let daemon = json!({ "serviceName": name, "schedulingStrategy": "DAEMON" });
        stage.create(daemon).await;
    }
    stage.rest().await;
    let first = stage.instances[0].arn.clone();
    let start = json!({ "cluster": "c", "taskDefinition": "web", "containerInstances": [first] });
    let other = ok::<op::StartTask>(root, start).await["tasks"][0]["taskArn"].clone();
    stage.rest().await;
    // One keeper from here on: it must be woken by what happens, not by looking at everything anew.
    let mut keeper = Keeper::default();
    keeper.settle(&stage.server.gate).await;
    state(&stage, &first, "DRAINING").await;
    keeper.settle(&stage.server.gate).await;
    assert_eq!(stage.by_instance()[id_of(&first)], 3, "daemons stay to the last");
    ok::<op::StopTask>(root, json!({ "cluster": "c", "task": other })).await;
    keeper.settle(&stage.server.gate).await;
    assert_eq!(stage.by_instance()[id_of(&first)], 2, "what stops is still there");
    while stage.work().await {
        keeper.settle(&stage.server.gate).await;
    }
    assert!(
        !stage.by_instance().contains_key(id_of(&first)),
        "daemons do not wait for each other"
    );
}

#[tokio::test]
async fn a_capacity_provider_without_hosts_is_named() {
    let stage = Stage::set(A).await;
    let root = &stage.server.root;
    let group =
        format!("arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:uuid:autoScalingGroupName/empty");
    let provider = json!({ "name": "empty", "autoScalingGroupProvider": { "autoScalingGroupArn": group } });
    ok::<op::CreateCapacityProvider>(root, provider).await;
    let put =
        json!({ "cluster": "c", "capacityProviders": ["empty"], "defaultCapacityProviderStrategy": [] });
    ok::<op::PutClusterCapacityProviders>(root, put).await;
    let strategy = json!([{ "capacityProvider": "empty" }]);
    stage
        .create(json!({ "desiredCount": 1, "capacityProviderStrategy": strategy }))
        .await;
    stage.rest().await;
    let told = stage.events().await;
    assert!(
        told[0].contains("Reason: The capacity provider empty has no container instances"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_daemon_is_placed_before_other_tasks_that_wait_for_the_same_room() {
    let mut stage = Stage::set(&[]).await;
    definition(&stage.server, "full", |request| {
        request.container_definitions[0].cpu = Some(2_048)
    })
    .await;
    // By their names the scheduler would look at the other service first.
    let daemon = json!({ "serviceName": "z", "schedulingStrategy": "DAEMON" });
    stage.create(daemon).await;
    let replica = json!({ "serviceName": "a", "taskDefinition": "full", "desiredCount": 1 });
    stage.create(replica).await;
    let mut keeper = Keeper::default();
    keeper.settle(&stage.server.gate).await;
    stage.instance("us-east-1a", &[]).await;
    keeper.settle(&stage.server.gate).await;
    assert_eq!(stage.by_definition(), [("web:1".to_owned(), 1)].into());
}

#[tokio::test]
async fn fargate_without_capacity_does_not_tell_whose_hosts_there_are() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "far", |request| {
        request.network_mode = Some("awsvpc".to_owned());
        request.requires_compatibilities = Some(vec!["FARGATE".to_owned()]);
        request.cpu = Some("256".to_owned());
        request.memory = Some("512".to_owned());
    })
    .await;
    let (subnet, group) = network(&stage, "us-east-1a").await;
    let network = json!({ "awsvpcConfiguration": { "subnets": [subnet], "securityGroups": [group] } });
    let chosen = json!({
        "taskDefinition": "far", "desiredCount": 1, "launchType": "FARGATE", "networkConfiguration": network,
    });
    stage.create(chosen).await;
    stage.rest().await;
    assert_eq!(
        stage.events().await,
        [
            "(service s) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
        ]
    );
}

/// The ids of the default subnet of a zone and of the default security group.
async fn network(stage: &Stage, zone: &str) -> (String, String) {
    let root = &stage.server.root;
    let subnets = root
        .ok::<ec2::op::DescribeSubnets>(&Default::default())
        .await
        .subnets
        .unwrap();
    let subnet = subnets
        .into_iter()
        .find(|one| one.availability_zone.as_deref() == Some(zone))
        .unwrap();
    let groups = root
        .ok::<ec2::op::DescribeSecurityGroups>(&Default::default())
        .await
        .security_groups
        .unwrap();
    (subnet.subnet_id.unwrap(), groups[0].group_id.clone().unwrap())
}

/// A service of `awsvpc` tasks in a subnet.
async fn awsvpc(stage: &Stage, subnet: &str, group: &str) {
    definition(&stage.server, "own", |request| {
        request.network_mode = Some("awsvpc".to_owned())
    })
    .await;
    let network = json!({ "awsvpcConfiguration": { "subnets": [subnet], "securityGroups": [group] } });
    stage
        .create(json!({ "taskDefinition": "own", "desiredCount": 2, "networkConfiguration": network }))
        .await;
}

#[tokio::test]
async fn ecs_9_an_instance_in_another_zone_than_the_subnets_is_a_location() {
    let mut stage = Stage::set(&[]).await;
    let instance = stage.instance("us-east-1a", OWN_NETWORKS).await;
    definition(&stage.server, "own", |request| {
        request.network_mode = Some("awsvpc".to_owned())
    })
    .await;
    let (there, _) = network(&stage, "us-east-1a").await;
    let (elsewhere, _) = network(&stage, "us-east-1b").await;
    for (subnets, reason) in [
        (vec![&elsewhere], Some("LOCATION")),
        (vec![&elsewhere, &there], None),
        (vec![&there], None),
    ] {
        let own = json!({ "cluster": "c", "taskDefinition": "own",
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": subnets } } });
        let run = ok::<op::RunTask>(&stage.server.root, own.clone()).await;
        let start = merged(own, json!({ "containerInstances": [instance] }));
        let start = ok::<op::StartTask>(&stage.server.root, start).await;
        for reply in [run, start] {
            let failure = &reply["failures"][0];
            assert_eq!(failure["reason"].as_str(), reason, "{subnets:?}");
            assert!(reason.is_none() || failure["arn"] == instance.as_str());
        }
    }
}

#[tokio::test]
async fn what_ecs_asks_by_itself_it_asks_as_its_service_linked_role() {
    let mut stage = Stage::set(&[]).await;
    let eni = OWN_NETWORKS;
    for zone in ABC {
        stage.instance(zone, eni).await;
    }
    let (subnet, group) = network(&stage, "us-east-1b").await;
    awsvpc(&stage, &subnet, &group).await;
    stage.rest().await;
    assert_eq!(
        stage.by_zone(),
        [("us-east-1b".to_owned(), 2)].into(),
        "where the subnet is"
    );
    let records = stage.server.records().await;
    let asked: Vec<_> = records
        .iter()
        .filter(|record| record["sourceIPAddress"] == "ecs.amazonaws.com")
        // Their interfaces are another matter: `interfaces.rs`.
        .filter(|record| !record.to_string().contains("ecs-eni-provisioning"))
        .collect();
    let of = |name: &str| {
        let mut of = asked.iter().filter(|record| record["eventName"] == name);
        let first = of.next().unwrap();
        assert!(of.next().is_none(), "{name} once");
        *first
    };
    let (subnets, assumed) = (of("DescribeSubnets"), of("AssumeRole"));
    of("DescribeSecurityGroups");
    assert_eq!(asked.len(), 3);
    assert_eq!(
        assumed["userIdentity"],
        json!({ "type": "AWSService", "invokedBy": "ecs.amazonaws.com" })
    );
    let identity = &subnets["userIdentity"];
    assert_eq!(identity["type"], "AssumedRole");
    assert_eq!(identity["invokedBy"], "ecs.amazonaws.com");
    assert_eq!(
        identity["arn"],
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForECS/ecs-service-scheduler")
    );
    assert_eq!(subnets["userAgent"], "ecs.amazonaws.com");
    assert_eq!(subnets["eventSource"], "ec2.amazonaws.com");
}

#[tokio::test]
async fn without_its_role_or_its_network_a_service_starts_nothing() {
    let mut stage = Stage::set(&[]).await;
    stage.instance("us-east-1a", OWN_NETWORKS).await;
    let (subnet, group) = network(&stage, "us-east-1a").await;
    awsvpc(&stage, &subnet, &group).await;
    let forget = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        tx.delete::<Role>("awsserviceroleforecs");
        Ok(())
    };
    stage.server.gate.world().write(forget).await.unwrap();
    stage.rest().await;
    assert_eq!(
        stage.events().await,
        [
            "(service s) failed to launch a task with (error Unable to assume the service linked role. Please verify that the ECS service linked role exists.)."
        ]
    );
    assert!(stage.wanted().is_empty());
}
