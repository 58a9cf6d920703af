//! What services and their deployments raise on the event bus (ecs.md 12).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{arn, daemons, ok};
use crate::harness::ACCOUNT;

fn all(stage: &Stage) -> Vec<Value> {
    let bus = stage.server.gate.world().events().clone();
    let batch = bus.after(None, usize::MAX);
    assert!(!batch.missed);
    let shown = batch.events.iter().map(|kept| kept.shown(bus.account()).clone());
    shown.collect()
}

/// The events of services, as `TYPE NAME`.
fn told(stage: &Stage) -> Vec<(String, Value)> {
    let shown = all(stage).into_iter();
    let of_services = shown.filter(|event| event["resources"][0].as_str().unwrap().contains(":service/"));
    of_services
        .map(|event| {
            let detail = &event["detail"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                format!("{} {}", text(&detail["eventType"]), text(&detail["eventName"])),
                event,
            )
        })
        .collect()
}

#[tokio::test]
async fn ecs_12_a_deployment_and_its_steady_state_are_told_once_each() {
    let stage = Stage::set(&["us-east-1a"]).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    stage.settle().await;
    let told = told(&stage);
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "INFO SERVICE_DEPLOYMENT_IN_PROGRESS",
            "INFO SERVICE_DEPLOYMENT_COMPLETED",
            "INFO SERVICE_STEADY_STATE"
        ]
    );
    let service = stage.service().await;
    let (deployment, steady) = (&told[1].1, &told[2].1);
    assert_eq!(deployment["detail-type"], "ECS Deployment State Change");
    assert_eq!(deployment["resources"], json!([service["serviceArn"]]));
    assert_eq!(
        deployment["detail"]["deploymentId"],
        service["deployments"][0]["id"]
    );
    assert_eq!(
        deployment["detail"]["reason"],
        service["deployments"][0]["rolloutStateReason"]
    );
    assert_eq!(steady["detail-type"], "ECS Service Action");
    assert_eq!(steady["detail"]["clusterArn"], service["clusterArn"]);
    assert!(steady["detail"]["createdAt"].as_str().unwrap().ends_with(".000Z"));
    assert!(steady["detail"].get("reason").is_none());
    assert_eq!(steady["account"], ACCOUNT);
}

#[tokio::test]
async fn ecs_12_a_task_that_finds_no_place_is_an_error() {
    let stage = Stage::set(&["us-east-1a"]).await;
    let nowhere = json!([{ "type": "memberOf", "expression": "attribute:there == never" }]);
    stage
        .create(json!({ "desiredCount": 1, "placementConstraints": nowhere }))
        .await;
    stage.rest().await;
    let told = told(&stage);
    let (_, failure) = told
        .iter()
        .find(|(name, _)| name == "ERROR SERVICE_TASK_PLACEMENT_FAILURE")
        .unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(
        failure["detail"]["reason"],
        "MemberOf placement constraint unsatisfied."
    );
}

/// What the events of an instance say: version, CPU units left.
fn room(stage: &Stage, instance: &str) -> Vec<(i64, i64)> {
    let told = all(stage)
        .into_iter()
        .filter(|event| event["resources"][0] == instance);
    let cpu = |event: &Value| {
        let left = event["detail"]["remainingResources"].as_array().unwrap().clone();
        let cpu = left.iter().find(|one| one["name"] == "CPU").unwrap();
        (
            event["detail"]["version"].as_i64().unwrap(),
            cpu["integerValue"].as_i64().unwrap(),
        )
    };
    told.map(|event| cpu(&event)).collect()
}

#[tokio::test]
async fn ecs_12_an_instance_is_told_of_when_its_tasks_change_what_is_left_and_numbers_never_return() {
    let stage = Stage::set(&["us-east-1a"]).await;
    let instance = stage.instances[0].arn.clone();
    let before = room(&stage, &instance);
    let (version, whole) = *before.last().unwrap();
    let root = &stage.server.root;
    let run = json!({ "cluster": "c", "taskDefinition": "web", "count": 2 });
    let ran = ok::<op::RunTask>(root, run.clone()).await;
    let taken = room(&stage, &instance);
    // Two tasks of one call are one change of the instance.
    assert_eq!(taken.len(), before.len() + 1);
    let (after, left) = *taken.last().unwrap();
    assert!(after > version && left < whole, "{taken:?}");
    let describe = json!({ "cluster": "c", "containerInstances": [instance] });
    let shown = ok::<op::DescribeContainerInstances>(root, describe.clone()).await;
    assert_eq!(shown["containerInstances"][0]["version"], after);
    stage.rest().await;
    assert_eq!(
        room(&stage, &instance),
        taken,
        "a task that runs takes no more than one that will"
    );
    let stop = json!({ "cluster": "c", "task": ran["tasks"][0]["taskArn"] });
    ok::<op::StopTask>(root, stop).await;
    let (last, more) = *room(&stage, &instance).last().unwrap();
    assert!(last > after && more > left);
    let stage = stage.restart().await;
    let shown = ok::<op::DescribeContainerInstances>(&stage.server.root, describe).await;
    let again = shown["containerInstances"][0]["version"].as_i64().unwrap();
    assert!(again > last, "{again} after {last}");
    ok::<op::RunTask>(&stage.server.root, run).await;
    let (newest, _) = *room(&stage, &instance).last().unwrap();
    assert!(newest > again);
}

#[tokio::test]
async fn deployments_of_daemons_and_tasks_of_theirs_that_fail_are_told() {
    let mut stage = daemons::stage(1).await;
    daemons::create(&stage, json!({})).await;
    stage.rest().await;
    let events = all(&stage);
    let of = |kind: &str| {
        events
            .iter()
            .filter(|event| event["detail-type"] == kind)
            .collect::<Vec<_>>()
    };
    let deployments = of("ECS Daemon Deployment State Change");
    let names: Vec<_> = deployments
        .iter()
        .map(|event| event["detail"]["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "DAEMON_DEPLOYMENT_PENDING",
            "DAEMON_DEPLOYMENT_IN_PROGRESS",
            "DAEMON_DEPLOYMENT_SUCCESSFUL"
        ]
    );
    let detail = &deployments[0]["detail"];
    assert_eq!(deployments[0]["resources"], json!([arn("daemon/c/d")]));
    assert_eq!(
        (&detail["eventType"], &detail["daemonArn"]),
        (&json!("INFO"), &json!(arn("daemon/c/d")))
    );
    assert_eq!(detail["clusterArn"], arn("cluster/c"));
    let text = |name: &str| detail[name].as_str().unwrap().to_owned();
    assert!(text("daemonDeploymentArn").starts_with(&arn("daemon-deployment/c/d/")));
    assert!(text("targetDaemonRevisionArn").starts_with(&arn("daemon-revision/c/d/")));
    assert_eq!(of("ECS Daemon Service Action").len(), 0);

    stage.broken.insert("log".to_owned());
    let root = &stage.server.root;
    let again = json!({ "daemonArn": arn("daemon/c/d"), "daemonTaskDefinitionArn": arn("daemon-task-definition/log:1"),
        "capacityProviderArns": [arn("capacity-provider/p")] });
    ok::<op::UpdateDaemon>(root, again).await;
    stage.settle().await;
    stage.work().await;
    stage.settle().await;
    stage.work().await;
    let events = all(&stage);
    let failed = events
        .iter()
        .find(|event| event["detail-type"] == "ECS Daemon Service Action");
    let detail = &failed.unwrap_or_else(|| panic!("{events:#?}"))["detail"];
    assert_eq!(
        (&detail["eventName"], &detail["failureType"], &detail["eventType"]),
        (
            &json!("DAEMON_TASK_START_IMPAIRED"),
            &json!("TASK_FAILED_TO_RUN"),
            &json!("WARNING")
        )
    );
    assert_eq!(
        detail["daemonTaskDefinitionArn"],
        arn("daemon-task-definition/log:1")
    );
    assert_eq!(detail["containerInstanceArn"], stage.instances[0].arn);
    assert!(
        detail["daemonRevisionArn"]
            .as_str()
            .unwrap()
            .starts_with(&arn("daemon-revision/c/d/"))
    );
}
