//! What services and their deployments raise on the event bus (ecs.md 12).

use serde_json::{Value, json};

use super::stage::Stage;
use crate::harness::ACCOUNT;

/// The events of services, as `TYPE NAME`.
fn told(stage: &Stage) -> Vec<(String, Value)> {
    let bus = stage.server.gate.world().events().clone();
    let batch = bus.after(None, usize::MAX);
    assert!(!batch.missed);
    let shown = batch.events.iter().map(|kept| kept.shown(bus.account()).clone());
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
    assert!(failure["detail"]["reason"].is_string(), "{failure}");
}
