//! Which images the tasks of a service run: those the first task of its deployment found (`versionConsistency`).

use portcullis_api::ecs::op;
use portcullis_control::world::records::ecs::Task;
use serde_json::{Value, json};

use super::stage::Stage;
use super::tasks::id_of;
use super::{as_agent, ok};
use crate::agent::definition;

const A: &[&str] = &["us-east-1a"];
const OF_ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

async fn stage(image: &str, consistency: Option<&str>) -> Stage {
    let stage = Stage::set(A).await;
    definition(&stage.server, "pinned", |request| {
        let container = &mut request.container_definitions[0];
        container.image = Some(image.to_owned());
        container.version_consistency = consistency.map(str::to_owned);
    })
    .await;
    stage
        .create(json!({ "taskDefinition": "pinned", "desiredCount": 3 }))
        .await;
    stage.settle().await;
    stage
}

async fn report(stage: &Stage, task: &Task, status: &str, digest: &str) {
    let is_its = |one: &&crate::agent::Instance| id_of(&one.arn) == task.container_instance;
    let agent = stage.instances.iter().find(is_its).unwrap();
    let input = json!({ "cluster": "c", "task": task.arn.as_str(), "status": status, "reason": "", "containers": [
        { "containerName": "app", "status": status, "imageDigest": digest }] });
    as_agent::<op::SubmitTaskStateChange>(agent, input).await;
    stage.settle().await;
}

async fn images(stage: &Stage) -> Value {
    let listed =
        ok::<op::ListServiceDeployments>(&stage.server.root, json!({ "cluster": "c", "service": "s" })).await;
    let revision = &listed["serviceDeployments"][0]["targetServiceRevisionArn"];
    let input = json!({ "serviceRevisionArns": [revision] });
    let found = ok::<op::DescribeServiceRevisions>(&stage.server.root, input).await;
    found["serviceRevisions"][0]["containerImages"].clone()
}

#[tokio::test]
async fn the_first_task_of_a_deployment_finds_out_what_the_others_run() {
    let stage = stage(OF_ECR, None).await;
    let first = stage.alive();
    assert_eq!(first.len(), 1, "it goes alone");
    assert_eq!(images(&stage).await[0].get("imageDigest"), None);
    report(&stage, &first[0], "PENDING", DIGEST).await;
    assert_eq!(stage.alive().len(), 3);
    let known = json!([{ "containerName": "app", "image": OF_ECR, "imageDigest": DIGEST }]);
    assert_eq!(images(&stage).await, known);
    let second = stage.alive();
    let second = second.iter().find(|one| one.id != first[0].id).unwrap();
    report(&stage, second, "PENDING", "sha256:other").await;
    assert_eq!(images(&stage).await, known, "the first one counts");
    stage.rest().await;
    assert_eq!(stage.running().len(), 3);
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.settle().await;
    assert_eq!(images(&stage).await[0].get("imageDigest"), None, "asked anew");
}

#[tokio::test]
async fn a_first_task_that_needs_no_registry_holds_nobody_up() {
    let stage = stage(OF_ECR, None).await;
    assert_eq!(stage.alive().len(), 1);
    assert!(stage.work().await);
    stage.settle().await;
    assert_eq!(stage.alive().len(), 3);
}

#[tokio::test]
async fn after_three_first_tasks_that_failed_a_deployment_goes_on_without_digests() {
    let mut stage = stage(OF_ECR, None).await;
    stage.broken.insert("pinned".to_owned());
    for _ in 0..3 {
        assert_eq!(stage.alive().len(), 1);
        assert!(stage.work().await);
        // The failure is counted, then its back-off passes.
        stage.settle().await;
        stage.server.clock.advance_seconds(3_600);
        stage.settle().await;
    }
    assert_eq!(stage.alive().len(), 3);
}

#[tokio::test]
async fn nobody_waits_for_images_by_digest_or_of_elsewhere_or_without_consistency() {
    let by_digest = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/app@{DIGEST}");
    for (image, consistency) in [
        (by_digest.as_str(), None),
        ("example.com/app:1", None),
        (OF_ECR, Some("disabled")),
    ] {
        let stage = stage(image, consistency).await;
        assert_eq!(stage.alive().len(), 3, "{image} {consistency:?}");
        report(&stage, &stage.alive()[0], "PENDING", DIGEST).await;
        let kept = images(&stage).await[0].get("imageDigest").is_some();
        assert_eq!(kept, consistency.is_none(), "{image}");
    }
}
