//! Room that is kept for daemons, and how fast services start tasks (ecs.md 11).

use portcullis_api::ecs::op;
use portcullis_control::bootstrap::{IamQuotas, iam_quotas};
use serde_json::{Value, json};

use super::ok;
use super::stage::Stage;
use super::tasks::id_of;
use crate::agent::definition;

/// An instance with a DAEMON service that takes about half of it, at rest; and `big`, which takes the other half and more.
async fn stage() -> Stage {
    let stage = Stage::set(&["us-east-1a"]).await;
    for (family, cpu) in [("half", 1_000), ("big", 1_100)] {
        definition(&stage.server, family, |request| {
            request.container_definitions[0].cpu = Some(cpu);
        })
        .await;
    }
    stage
        .create(json!({ "taskDefinition": "half", "schedulingStrategy": "DAEMON" }))
        .await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 1);
    stage
}

/// Tries to run a task that only the daemon's room could hold; why it cannot.
async fn run_big(stage: &Stage) -> Option<String> {
    let run = json!({ "cluster": "c", "taskDefinition": "big" });
    let reply = ok::<op::RunTask>(&stage.server.root, run).await;
    let start = json!({ "cluster": "c", "taskDefinition": "big",
        "containerInstances": [stage.instances[0].arn] });
    let reason = |reply: &Value| Some(reply["failures"][0]["reason"].as_str()?.to_owned());
    if reason(&reply).is_some() {
        let started = ok::<op::StartTask>(&stage.server.root, start).await;
        assert_eq!(reason(&reply), reason(&started), "StartTask finds the same");
    }
    reason(&reply)
}

#[tokio::test]
async fn ecs_11_the_room_of_a_daemon_is_kept_while_its_task_is_replaced() {
    let mut stage = stage().await;
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.settle().await;
    assert_eq!(stage.wanted().len(), 0, "the old task is on its way out");
    assert_eq!(run_big(&stage).await.as_deref(), Some("RESOURCE:CPU"));
    stage = stage.restart().await;
    assert_eq!(
        run_big(&stage).await.as_deref(),
        Some("RESOURCE:CPU"),
        "also after a restart"
    );
    let instance = json!({ "cluster": "c", "containerInstances": [stage.instances[0].arn] });
    let shown = ok::<op::DescribeContainerInstances>(&stage.server.root, instance).await;
    let left = shown["containerInstances"][0]["remainingResources"]
        .as_array()
        .unwrap()
        .clone();
    let cpu = left.iter().find(|one| one["name"] == "CPU").unwrap();
    assert_eq!(cpu["integerValue"], 2_048, "what is kept is not taken");
    stage.rest().await;
    assert_eq!(stage.running().len(), 1, "the daemon is back");
    assert!(stage.server.gate.world().view().ecs.kept_rooms.is_empty());
    assert_eq!(
        run_big(&stage).await.as_deref(),
        Some("RESOURCE:CPU"),
        "its task takes it"
    );
}

#[tokio::test]
async fn ecs_11_the_room_of_a_daemon_is_kept_while_it_waits_after_failures() {
    let mut stage = stage().await;
    stage.broken.insert("half".to_owned());
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.rest().await;
    assert_eq!(stage.wanted().len(), 0, "it waits");
    assert_eq!(run_big(&stage).await.as_deref(), Some("RESOURCE:CPU"));
    stage.broken.clear();
    stage.server.clock.advance_seconds(900);
    stage.rest().await;
    assert_eq!(stage.running().len(), 1);
}

#[tokio::test]
async fn ecs_11_a_daemon_that_goes_gives_its_room_back() {
    let stage = stage().await;
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.settle().await;
    assert!(run_big(&stage).await.is_some());
    ok::<op::DeleteService>(&stage.server.root, json!({ "cluster": "c", "service": "s" })).await;
    stage.settle().await;
    assert_eq!(run_big(&stage).await, None);
}

#[tokio::test]
async fn ecs_11_no_room_is_kept_where_the_daemon_does_not_belong_any_more() {
    let stage = stage().await;
    let instance = stage.instances[0].arn.clone();
    let drain = json!({ "cluster": "c", "containerInstances": [instance], "status": "DRAINING" });
    ok::<op::UpdateContainerInstancesState>(&stage.server.root, drain).await;
    stage.rest().await;
    let view = stage.server.gate.world().view();
    assert!(view.ecs.kept_rooms.is_empty());
    let active = json!({ "cluster": "c", "containerInstances": [instance], "status": "ACTIVE" });
    ok::<op::UpdateContainerInstancesState>(&stage.server.root, active).await;
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.settle().await;
    let deregister = json!({ "cluster": "c", "containerInstance": instance, "force": true });
    ok::<op::DeregisterContainerInstance>(&stage.server.root, deregister).await;
    stage.settle().await;
    let view = stage.server.gate.world().view();
    assert!(view.ecs.kept_rooms.is_empty());
    let load = view.ecs.loads.get(&format!("us-east-1/c/{}", id_of(&instance)));
    assert!(load.is_none_or(|load| load.kept_rooms == 0 && load.kept_cpu == 0 && load.kept_memory == 0));
}

#[tokio::test]
async fn ecs_11_a_service_starts_only_so_many_tasks_a_minute() {
    let stage = Stage::set(&["us-east-1a"; 6]).await;
    let mut quotas = IamQuotas::default();
    quotas.set_of_ecs("service-launches-per-minute=25").unwrap();
    iam_quotas(stage.server.gate.world(), quotas).await.unwrap();
    stage.create(json!({ "desiredCount": 40 })).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 25);
    stage.server.clock.advance_seconds(59);
    stage.rest().await;
    assert_eq!(stage.running().len(), 25);
    stage.server.clock.advance_seconds(1);
    stage.rest().await;
    assert_eq!(stage.running().len(), 40);
    assert_eq!(
        stage.service().await["deployments"][0]["rolloutState"],
        "COMPLETED"
    );
}
