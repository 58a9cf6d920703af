//! The life of services: what the scheduler makes of them (ecs.md 11).

use std::collections::BTreeMap;

use portcullis_api::ecs::{self as api, op};
use portcullis_control::world::records::ecs::Health;
use serde_json::{Value, json};

use super::stage::{Stage, plain};
use super::{arn, err, ok};
use crate::agent::{definition, task_role};
use crate::harness::allow;

const A: &[&str] = &["us-east-1a"];
const ABC: &[&str] = &["us-east-1a", "us-east-1b", "us-east-1c"];

/// `[runningCount, pendingCount, desiredCount, number of deployments]`
async fn counts(stage: &Stage) -> Vec<i64> {
    let service = stage.service().await;
    let deployments = service["deployments"].as_array().unwrap().len();
    let count = |name: &str| service[name].as_i64().unwrap();
    vec![
        count("runningCount"),
        count("pendingCount"),
        count("desiredCount"),
        i64::try_from(deployments).unwrap(),
    ]
}

#[tokio::test]
async fn a_service_starts_its_tasks_and_reaches_a_steady_state() {
    let stage = Stage::set(A).await;
    let made = stage.create(json!({ "desiredCount": 2 })).await;
    assert_eq!(made["deployments"][0]["rolloutState"], "IN_PROGRESS");
    stage.settle().await;
    assert_eq!(counts(&stage).await, [0, 2, 2, 1]);
    stage.rest().await;
    assert_eq!(counts(&stage).await, [2, 0, 2, 1]);
    let service = stage.service().await;
    let deployment = &service["deployments"][0];
    let id = deployment["id"].as_str().unwrap();
    assert_eq!(deployment["rolloutState"], "COMPLETED");
    assert_eq!(
        deployment["rolloutStateReason"],
        format!("ECS deployment {id} completed.")
    );
    assert_eq!(
        stage.events().await,
        [
            "(service s) has reached a steady state.",
            "(service s) (deployment ID) deployment completed.",
            "(service s) has started 2 tasks: (task ID) (task ID).",
        ]
    );
    let running = stage.running();
    assert_eq!(running.len(), 2);
    for task in running {
        let shown = stage.task(&task).await;
        assert_eq!(shown["group"], "service:s");
        assert_eq!(shown["startedBy"], id);
    }
    // The waiters of every client end by this.
    stage.settle().await;
    assert_eq!(stage.events().await.len(), 3);
}

#[tokio::test]
async fn scaling_keeps_zones_even_and_says_who_stopped_a_task() {
    let stage = Stage::set(ABC).await;
    stage.create(json!({ "desiredCount": 6 })).await;
    stage.rest().await;
    assert!(
        stage.by_zone().values().all(|count| *count == 2),
        "{:?}",
        stage.by_zone()
    );
    let deployment = stage.service().await["deployments"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = stage.running();
    stage.update(json!({ "desiredCount": 3 })).await;
    stage.rest().await;
    assert_eq!(counts(&stage).await, [3, 0, 3, 1]);
    assert!(
        stage.by_zone().values().all(|count| *count == 1),
        "{:?}",
        stage.by_zone()
    );
    let left = stage.running();
    let gone = before
        .iter()
        .filter(|task| left.iter().all(|other| other.id != task.id));
    for task in gone {
        let shown = stage.task(task).await;
        assert_eq!(shown["stopCode"], "ServiceSchedulerInitiated");
        assert_eq!(
            shown["stoppedReason"],
            format!("Scaling activity initiated by (deployment {deployment})")
        );
    }
    let events = stage.events().await;
    assert!(
        events[1].starts_with("(service s) has stopped 3 running tasks: (task ID) (task ID) (task ID)."),
        "{events:?}"
    );
    stage.update(json!({ "desiredCount": 0 })).await;
    stage.rest().await;
    assert_eq!(counts(&stage).await, [0, 0, 0, 1]);
}

#[tokio::test]
async fn t27_a_rolling_update_stays_between_its_bounds() {
    // desired, minimumHealthyPercent, maximumPercent
    for (desired, minimum, maximum) in [
        (4_usize, 50_usize, 100),
        (4, 100, 200),
        (3, 100, 150),
        (2, 0, 100),
        (5, 60, 120),
    ] {
        let stage = Stage::set(ABC).await;
        let bounds = json!({ "minimumHealthyPercent": minimum, "maximumPercent": maximum });
        stage
            .create(json!({ "desiredCount": desired, "deploymentConfiguration": bounds }))
            .await;
        stage.rest().await;
        definition(&stage.server, "web", |_| {}).await;
        stage.update(json!({ "taskDefinition": "web:2" })).await;
        let lower = (desired * minimum).div_ceil(100);
        let upper = desired * maximum / 100;
        stage
            .play(|stage| {
                let (running, wanted) = (stage.running().len(), stage.wanted().len());
                assert!(
                    running >= lower && wanted <= upper,
                    "{lower} {running} {wanted} {upper}"
                );
            })
            .await;
        assert_eq!(stage.by_definition(), [("web:2".to_owned(), desired)].into());
        assert_eq!(stage.service().await["deployments"].as_array().unwrap().len(), 1);
        assert_eq!(
            stage.service().await["deployments"][0]["rolloutState"],
            "COMPLETED"
        );
    }
}

#[tokio::test]
async fn a_forced_deployment_replaces_every_task() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 3 })).await;
    stage.rest().await;
    let before = stage.running();
    stage.update(json!({ "forceNewDeployment": true })).await;
    assert_eq!(counts(&stage).await, [3, 0, 3, 2]);
    stage.rest().await;
    let after = stage.running();
    assert_eq!(after.len(), 3);
    assert!(
        after
            .iter()
            .all(|task| before.iter().all(|old| old.id != task.id))
    );
    assert_eq!(counts(&stage).await, [3, 0, 3, 1]);
}

#[tokio::test]
async fn the_circuit_breaker_goes_back_to_what_ran() {
    let mut stage = Stage::set(A).await;
    let breaker = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true } });
    stage
        .create(json!({ "desiredCount": 2, "deploymentConfiguration": breaker }))
        .await;
    stage.rest().await;
    let before: Vec<_> = stage.running().iter().map(|task| task.id.clone()).collect();
    let first = stage.service().await["deployments"][0]["id"].clone();
    definition(&stage.server, "broken", |_| {}).await;
    stage.broken.insert("broken".to_owned());
    stage.update(json!({ "taskDefinition": "broken" })).await;
    for _ in 0..6 {
        stage.rest().await;
        stage.server.clock.advance_seconds(900);
    }
    stage.rest().await;
    let service = stage.service().await;
    let deployments = service["deployments"].as_array().unwrap();
    assert_eq!(deployments.len(), 1, "{deployments:#?}");
    assert_ne!(
        deployments[0]["id"], first,
        "a new deployment of the old revision"
    );
    assert_eq!(deployments[0]["runningCount"], 2);
    assert_eq!(deployments[0]["rolloutState"], "COMPLETED");
    assert_eq!(service["taskDefinition"], arn("task-definition/web:1"));
    let after: Vec<_> = stage.running().iter().map(|task| task.id.clone()).collect();
    assert_eq!(before, after, "what ran all the time goes on");
    let events = stage.events().await;
    for expected in [
        "(service s) (deployment ID) deployment failed: tasks failed to start.",
        "(service s) rolling back to (deployment ID).",
    ] {
        assert!(
            events.iter().any(|event| event == expected),
            "{expected}: {events:#?}"
        );
    }
    let history =
        ok::<op::ListServiceDeployments>(&stage.server.root, json!({ "cluster": "c", "service": "s" })).await;
    assert_eq!(history["serviceDeployments"][0]["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(history["serviceDeployments"][1]["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn the_circuit_breaker_without_rollback_stops_trying() {
    let mut stage = Stage::set(A).await;
    stage.broken.insert("web".to_owned());
    let breaker = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": false } });
    stage
        .create(json!({ "desiredCount": 1, "deploymentConfiguration": breaker }))
        .await;
    for _ in 0..6 {
        stage.rest().await;
        stage.server.clock.advance_seconds(900);
    }
    stage.rest().await;
    let deployment = stage.service().await["deployments"][0].clone();
    assert_eq!(deployment["rolloutState"], "FAILED");
    assert_eq!(
        deployment["rolloutStateReason"],
        "ECS deployment circuit breaker: task failed to start."
    );
    // desired 1: three failures (ecs.md 11).
    assert_eq!(deployment["failedTasks"], 3);
    assert!(stage.wanted().is_empty());
    // More tasks of what fails are not started, and why is told.
    stage.update(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    assert!(stage.wanted().is_empty());
    assert_eq!(
        stage.events().await[0],
        "(service s) was unable to start tasks because (deployment ID) failed and there is no earlier deployment that completed. Update the service to begin a new deployment."
    );
}

#[tokio::test]
async fn an_aborted_deployment_is_held_by_what_worked_and_ends_when_nothing_of_it_is_left() {
    let stage = Stage::set(ABC).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    definition(&stage.server, "web", |_| {}).await;
    stage.server.clock.advance_seconds(1);
    stage.update(json!({ "taskDefinition": "web:2" })).await;
    let input = json!({ "cluster": "c", "service": "s" });
    let history = ok::<op::ListServiceDeployments>(&stage.server.root, input).await;
    let abort = json!({ "stopType": "ABORT",
        "serviceDeploymentArn": history["serviceDeployments"][0]["serviceDeploymentArn"] });
    ok::<op::StopServiceDeployment>(&stage.server.root, abort).await;
    stage.rest().await;
    assert_eq!(stage.service().await["deployments"][0]["rolloutState"], "FAILED");
    assert_eq!(stage.by_definition(), [("web:1".to_owned(), 2)].into());
    stage.update(json!({ "desiredCount": 4 })).await;
    stage.rest().await;
    assert_eq!(stage.by_definition(), [("web:1".to_owned(), 4)].into());
    let one = stage.running()[0].arn.to_string();
    ok::<op::StopTask>(&stage.server.root, json!({ "cluster": "c", "task": one })).await;
    stage.rest().await;
    assert_eq!(stage.by_definition(), [("web:1".to_owned(), 4)].into());
    stage.update(json!({ "desiredCount": 0 })).await;
    stage.rest().await;
    let service = stage.service().await;
    assert_eq!(service["runningCount"], 0);
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tasks_that_fail_to_start_are_tried_ever_more_seldom() {
    let mut stage = Stage::set(A).await;
    stage.broken.insert("web".to_owned());
    stage.create(json!({ "desiredCount": 1 })).await;
    let mut made = Vec::new();
    for _ in 0..120 {
        stage.rest().await;
        made.push(stage.server.gate.world().view().ecs.tasks.len());
        stage.server.clock.advance_seconds(30);
    }
    let in_first_half = made[59] - made[0];
    let in_second_half = made[119] - made[60];
    assert!(in_first_half > in_second_half && in_second_half > 0, "{made:?}");
    let events = stage.events().await;
    let impaired = events
        .iter()
        .filter(|event| event.starts_with("(service s) is unable to consistently start tasks successfully."));
    assert_eq!(impaired.count(), 1, "told once in six hours");
    // An update begins anew.
    stage.broken.clear();
    stage.update(json!({ "forceNewDeployment": true })).await;
    stage.rest().await;
    assert_eq!(counts(&stage).await, [1, 0, 1, 1]);
}

#[tokio::test]
async fn a_task_that_ends_is_replaced_at_once() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    let first = stage.running()[0].clone();
    stage.instances[0]
        .submit(first.arn.as_str(), "STOPPED", &[("app", Some(1))])
        .await;
    stage.rest().await;
    let second = stage.running()[0].clone();
    assert_ne!(first.id, second.id);
    ok::<op::StopTask>(&stage.server.root, json!({ "cluster": "c", "task": second.id })).await;
    stage.rest().await;
    assert_ne!(stage.running()[0].id, second.id);
    assert_eq!(counts(&stage).await, [1, 0, 1, 1]);
}

#[tokio::test]
async fn a_task_whose_health_checks_fail_is_replaced() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "checked", |request| {
        request.container_definitions[0].health_check = Some(api::HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            ..Default::default()
        });
    })
    .await;
    stage
        .create(json!({ "taskDefinition": "checked", "desiredCount": 2 }))
        .await;
    stage.rest().await;
    // Running is not enough.
    assert_eq!(
        stage.service().await["deployments"][0]["rolloutState"],
        "IN_PROGRESS"
    );
    for task in stage.running() {
        stage.health(&task, Health::Healthy).await;
    }
    stage.rest().await;
    assert_eq!(
        stage.service().await["deployments"][0]["rolloutState"],
        "COMPLETED"
    );
    let sick = stage.running()[0].clone();
    stage.health(&sick, Health::Unhealthy).await;
    for _ in 0..3 {
        stage.rest().await;
        for task in stage.running() {
            if task.id != sick.id {
                stage.health(&task, Health::Healthy).await;
            }
        }
    }
    stage.rest().await;
    assert_eq!(counts(&stage).await, [2, 0, 2, 1]);
    let shown = stage.task(&sick).await;
    assert_eq!(shown["stoppedReason"], "Task failed container health checks");
    assert_eq!(shown["stopCode"], "ServiceSchedulerInitiated");
}

#[tokio::test]
async fn a_deleted_service_stops_its_tasks_and_ends() {
    let stage = Stage::set(A).await;
    let tags = json!([{ "key": "a", "value": "b" }]);
    stage.create(json!({ "desiredCount": 2, "tags": tags })).await;
    stage.rest().await;
    let root = &stage.server.root;
    assert_eq!(
        err::<op::DeleteService>(root, json!({ "cluster": "c", "service": "s" })).await,
        "InvalidParameterException: The service cannot be stopped while it is scaled above 0."
    );
    let deleted =
        ok::<op::DeleteService>(root, json!({ "cluster": "c", "service": "s", "force": true })).await;
    assert_eq!(deleted["service"]["status"], "DRAINING");
    stage.rest().await;
    let service = stage.service().await;
    assert_eq!(service["status"], "INACTIVE");
    assert_eq!(service["deployments"], json!([]));
    assert!(stage.alive().is_empty());
    // The name is free again.
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    assert_eq!(counts(&stage).await, [1, 0, 1, 1]);
}

#[tokio::test]
async fn protected_tasks_outlive_scale_in_until_their_protection_ends() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    let ids: Vec<_> = stage.running().iter().map(|task| task.id.clone()).collect();
    let protect = json!({ "cluster": "c", "tasks": ids, "protectionEnabled": true, "expiresInMinutes": 60 });
    ok::<op::UpdateTaskProtection>(&stage.server.root, protect).await;
    stage.update(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
    let events = stage.events().await;
    assert!(
        events[0].ends_with("The number of protected tasks are more than the desired count of tasks."),
        "{events:?}"
    );
    stage.server.clock.advance_seconds(3_601);
    stage.rest().await;
    assert_eq!(stage.running().len(), 1);
}

#[tokio::test]
async fn tags_are_propagated_as_the_service_says() {
    let stage = Stage::set(A).await;
    definition(&stage.server, "tagged", |request| {
        request.tags = Some(vec![api::Tag {
            key: Some("of".into()),
            value: Some("definition".into()),
        }]);
    })
    .await;
    let tag = |key: &str, value: &str| json!({ "key": key, "value": value });
    let managed = [tag("aws:ecs:clusterName", "c"), tag("aws:ecs:serviceName", "s")];
    let cases = [
        (json!({}), vec![]),
        (
            json!({ "propagateTags": "TASK_DEFINITION" }),
            vec![tag("of", "definition")],
        ),
        (json!({ "propagateTags": "SERVICE" }), vec![tag("of", "service")]),
        (
            json!({ "propagateTags": "SERVICE", "enableECSManagedTags": true }),
            [vec![tag("of", "service")], managed.to_vec()].concat(),
        ),
    ];
    for (asked, expected) in cases {
        let mut more =
            json!({ "taskDefinition": "tagged", "desiredCount": 1, "tags": [tag("of", "service")] });
        more.as_object_mut()
            .unwrap()
            .extend(asked.as_object().unwrap().clone());
        stage.create(more).await;
        stage.rest().await;
        let mut tags = stage.task(&stage.running()[0]).await["tags"]
            .as_array()
            .unwrap()
            .clone();
        tags.sort_by_key(|tag| tag["key"] != "of");
        assert_eq!(tags, expected, "{asked}");
        let delete = json!({ "cluster": "c", "service": "s", "force": true });
        ok::<op::DeleteService>(&stage.server.root, delete).await;
        stage.rest().await;
    }
}

#[tokio::test]
async fn r155_a_role_that_can_no_longer_be_assumed_fails_the_launch() {
    let stage = Stage::set(A).await;
    let role = task_role(&stage.server, "task", &allow("ecs:ListClusters", "*")).await;
    definition(&stage.server, "roles", |request| {
        request.task_role_arn = Some(role.clone())
    })
    .await;
    let root = &stage.server.root;
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole",
    }] });
    let update = portcullis_api::iam::UpdateAssumeRolePolicyRequest {
        role_name: "task".to_owned(),
        policy_document: trust.to_string(),
    };
    root.ok::<portcullis_api::iam::op::UpdateAssumeRolePolicy>(&update)
        .await;
    stage
        .create(json!({ "taskDefinition": "roles", "desiredCount": 1 }))
        .await;
    stage.rest().await;
    assert!(stage.wanted().is_empty());
    let events = stage.events().await;
    assert_eq!(
        events[0],
        format!(
            "(service s) failed to launch a task with (error ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.)."
        )
    );
    assert_eq!(stage.service().await["deployments"][0]["failedTasks"], 1);
}

#[tokio::test]
async fn nobody_is_asked_for_pass_role_again_when_a_task_is_replaced() {
    let stage = Stage::set(A).await;
    let role = task_role(&stage.server, "task", &allow("ecs:ListClusters", "*")).await;
    definition(&stage.server, "roles", |request| {
        request.task_role_arn = Some(role.clone())
    })
    .await;
    stage
        .create(json!({ "taskDefinition": "roles", "desiredCount": 1 }))
        .await;
    stage.rest().await;
    let names = |records: Vec<Value>| {
        let mut counts = BTreeMap::new();
        for record in records {
            *counts
                .entry(record["eventName"].as_str().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        counts
    };
    let mut expected = names(stage.server.records().await);
    let task = stage.running()[0].clone();
    stage.instances[0]
        .submit(task.arn.as_str(), "STOPPED", &[("app", Some(1))])
        .await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 1);
    // The end of the one task, the start of the other, and the look at the records: nobody is asked anything.
    *expected.get_mut("SubmitTaskStateChange").unwrap() += 2;
    expected.insert("LookupEvents".to_owned(), 1);
    assert_eq!(names(stage.server.records().await), expected);
}

#[tokio::test]
async fn a_server_that_starts_anew_goes_on_where_it_was() {
    let stage = Stage::set(ABC).await;
    stage
        .create(json!({ "desiredCount": 6, "deploymentConfiguration": { "minimumHealthyPercent": 50, "maximumPercent": 100 } }))
        .await;
    stage.rest().await;
    definition(&stage.server, "web", |_| {}).await;
    stage.update(json!({ "taskDefinition": "web:2" })).await;
    stage.settle().await;
    stage.work().await;
    assert_eq!(stage.service().await["deployments"].as_array().unwrap().len(), 2);
    let stage = stage.restart().await;
    stage
        .play(|stage| assert!(stage.running().len() >= 3 && stage.wanted().len() <= 6))
        .await;
    assert_eq!(stage.by_definition(), [("web:2".to_owned(), 6)].into());
    assert_eq!(counts(&stage).await, [6, 0, 6, 1]);
    let events = stage.events().await;
    let told: Vec<_> = events.iter().take(2).map(|event| plain(event)).collect();
    assert_eq!(
        told,
        [
            "(service s) has reached a steady state.",
            "(service s) (deployment ID) deployment completed.",
        ]
    );
}

#[tokio::test]
async fn failures_are_counted_once_also_over_a_restart() {
    let mut stage = Stage::set(A).await;
    stage.broken.insert("web".to_owned());
    stage.create(json!({ "desiredCount": 2 })).await;
    stage.settle().await;
    stage.work().await;
    let stage = stage.restart().await;
    stage.settle().await;
    stage.settle().await;
    assert_eq!(stage.service().await["deployments"][0]["failedTasks"], 2);
}

#[tokio::test]
async fn tasks_that_only_look_like_a_services_are_left_alone() {
    let stage = Stage::set(A).await;
    stage.create(json!({ "desiredCount": 1 })).await;
    stage.rest().await;
    let deployment = stage.service().await["deployments"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = json!({ "cluster": "c", "taskDefinition": "web", "startedBy": deployment });
    ok::<op::RunTask>(&stage.server.root, run).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
    assert_eq!(counts(&stage).await, [1, 0, 1, 1]);
    let events = stage.events().await;
    assert_eq!(events.len(), 3, "{events:?}");
}

#[tokio::test]
async fn task_sets_hold_their_share() {
    let stage = Stage::set(ABC).await;
    let root = &stage.server.root;
    let service = json!({
        "cluster": "c", "serviceName": "s", "desiredCount": 4, "deploymentController": { "type": "EXTERNAL" },
    });
    ok::<op::CreateService>(root, service).await;
    let set = |scale: f64| {
        json!({
            "cluster": "c", "service": "s", "taskDefinition": "web",
            "scale": { "unit": "PERCENT", "value": scale },
        })
    };
    let first = ok::<op::CreateTaskSet>(root, set(100.0)).await["taskSet"].clone();
    let second = ok::<op::CreateTaskSet>(root, set(50.0)).await["taskSet"].clone();
    stage.rest().await;
    assert_eq!(stage.running().len(), 6);
    let shown = stage.service().await["taskSets"].clone();
    let rows: Vec<Value> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|set| {
            json!([
                set["computedDesiredCount"],
                set["runningCount"],
                set["stabilityStatus"]
            ])
        })
        .collect();
    assert_eq!(
        rows,
        [json!([4, 4, "STEADY_STATE"]), json!([2, 2, "STEADY_STATE"])]
    );
    let delete = json!({ "cluster": "c", "service": "s", "taskSet": first["id"], "force": true });
    ok::<op::DeleteTaskSet>(root, delete).await;
    stage.rest().await;
    let left = stage.running();
    assert_eq!(left.len(), 2);
    assert!(
        left.iter()
            .all(|task| task.started_by.as_deref() == second["id"].as_str())
    );
    assert_eq!(stage.service().await["taskSets"].as_array().unwrap().len(), 1);
}
