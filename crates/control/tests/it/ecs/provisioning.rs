//! Tasks that wait for room of a capacity provider with managed scaling (ecs.md 3).

use portcullis_api::ec2::op as ec2;
use portcullis_api::ecs::op;
use portcullis_api::iam::op::UpdateAssumeRolePolicy;
use portcullis_control::world::records::ecs::{LastStatus, Task};
use serde_json::{Value, json};

use super::interfaces::OWN_NETWORKS;
use super::stage::Stage;
use super::tasks::{id_of, merged};
use super::{err, ok};
use crate::agent::{definition, task_role};
use crate::harness::{Client, allow};

const GROUP: (&str, Option<&str>) = ("portcullis.auto-scaling-group", Some("hosts"));
const TASK_ROLES: (&str, Option<&str>) = ("com.amazonaws.ecs.capability.task-iam-role", None);
const ZONE: &str = "us-east-1a";

/// A cluster with a provider that scales, and no instance.
async fn stage() -> Stage {
    let stage = Stage::set(&[]).await;
    let provider = json!({ "name": "auto", "autoScalingGroupProvider": { "autoScalingGroupArn": "hosts",
        "managedScaling": { "status": "ENABLED" } } });
    ok::<op::CreateCapacityProvider>(&stage.server.root, provider).await;
    let strategy = json!([{ "capacityProvider": "auto" }]);
    let put =
        json!({ "cluster": "c", "capacityProviders": ["auto"], "defaultCapacityProviderStrategy": strategy });
    ok::<op::PutClusterCapacityProviders>(&stage.server.root, put).await;
    stage
}

fn run(more: Value) -> Value {
    merged(json!({ "cluster": "c", "taskDefinition": "web" }), more)
}

/// Runs one task that finds no room; its ARN.
async fn wait(client: &Client, more: Value) -> String {
    let reply = ok::<op::RunTask>(client, run(more)).await;
    assert_eq!(reply["failures"], json!([]));
    let task = &reply["tasks"][0];
    assert_eq!(task["lastStatus"], "PROVISIONING");
    task["taskArn"].as_str().unwrap().to_owned()
}

async fn describe(stage: &Stage, task: &str) -> Value {
    let input = json!({ "cluster": "c", "tasks": [task], "include": ["TAGS"] });
    ok::<op::DescribeTasks>(&stage.server.root, input).await["tasks"][0].clone()
}

fn row(stage: &Stage, task: &str) -> Task {
    let view = stage.server.gate.world().view();
    let key = format!("us-east-1/c/{}", id_of(task));
    Task::clone(view.ecs.tasks.get(&key).unwrap())
}

#[tokio::test]
async fn a_task_without_room_waits_and_is_placed_when_there_is_some() {
    let mut stage = stage().await;
    let task = wait(&stage.server.root, json!({ "startedBy": "me" })).await;
    let shown = describe(&stage, &task).await;
    assert_eq!(
        (
            &shown["desiredStatus"],
            &shown["capacityProviderName"],
            &shown["launchType"]
        ),
        (&json!("RUNNING"), &json!("auto"), &json!("EC2"))
    );
    assert_eq!(shown["containers"][0]["lastStatus"], "PENDING");
    for absent in [
        "containerInstanceArn",
        "availabilityZone",
        "connectivity",
        "startedAt",
    ] {
        assert_eq!(shown.get(absent), None, "{absent}");
    }
    for filter in [
        json!({}),
        json!({ "startedBy": "me" }),
        json!({ "family": "web" }),
    ] {
        let listed = ok::<op::ListTasks>(&stage.server.root, merged(json!({ "cluster": "c" }), filter)).await;
        assert_eq!(listed["taskArns"], json!([task]));
    }
    let cluster = ok::<op::DescribeClusters>(&stage.server.root, json!({ "clusters": ["c"] })).await;
    assert_eq!(cluster["clusters"][0]["pendingTasksCount"], 1);
    stage.settle().await;
    assert_eq!(row(&stage, &task).version, 1, "nothing changed");
    let other = stage.instance(ZONE, &[]).await;
    stage.settle().await;
    assert_eq!(
        row(&stage, &task).last,
        LastStatus::Provisioning,
        "not of the group"
    );
    let instance = stage.instance(ZONE, &[GROUP]).await;
    stage.settle().await;
    let placed = row(&stage, &task);
    assert_eq!((placed.last, placed.version), (LastStatus::Pending, 2));
    assert_eq!(placed.container_instance, id_of(&instance));
    assert_ne!(placed.container_instance, id_of(&other));
    assert_eq!(placed.waits, None);
    stage.rest().await;
    let shown = describe(&stage, &task).await;
    assert_eq!(
        (&shown["lastStatus"], &shown["containerInstanceArn"]),
        (&json!("RUNNING"), &json!(instance))
    );
    let bus = stage.server.gate.world().events().clone();
    let events = bus.after(None, usize::MAX).events;
    let events = events.iter().map(|kept| kept.shown(bus.account()).clone());
    let told: Vec<_> = events
        .filter(|event| event["detail"]["taskArn"] == task.as_str())
        .map(|event| event["detail"]["lastStatus"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["PROVISIONING", "PENDING", "RUNNING"]);
}

#[tokio::test]
async fn what_waits_too_long_fails_to_start_for_awss_reason() {
    // What keeps a task waiting, and the reason it fails for.
    for (instances, overrides, expected) in [
        (0, json!({}), "EMPTY CAPACITY PROVIDER"),
        (1, json!({ "cpu": "4096" }), "RESOURCE:CPU"),
        (1, json!({ "memory": "16384" }), "RESOURCE:MEMORY"),
        (2, json!({}), "NO ACTIVE INSTANCES"),
        (3, json!({}), "AGENT"),
    ] {
        let mut stage = stage().await;
        let mut instance = String::new();
        if instances > 0 {
            instance = stage.instance(ZONE, &[GROUP]).await;
        }
        if instances == 2 {
            let drain = json!({ "cluster": "c", "containerInstances": [instance], "status": "DRAINING" });
            ok::<op::UpdateContainerInstancesState>(&stage.server.root, drain).await;
        }
        if instances == 3 {
            stage.connect(&instance, false).await;
        }
        let task = wait(&stage.server.root, json!({ "overrides": overrides })).await;
        stage.server.clock.advance_seconds(899);
        stage.settle().await;
        assert_eq!(row(&stage, &task).last, LastStatus::Provisioning, "{expected}");
        stage.server.clock.advance_seconds(1);
        stage.settle().await;
        let shown = describe(&stage, &task).await;
        assert_eq!(
            (&shown["lastStatus"], &shown["desiredStatus"], &shown["stopCode"]),
            (&json!("STOPPED"), &json!("STOPPED"), &json!("TaskFailedToStart"))
        );
        assert_eq!(shown["stoppedReason"], format!("TaskFailedToStart: {expected}"));
    }
}

#[tokio::test]
async fn constraints_and_strategies_of_the_request_hold_when_there_is_room() {
    let mut stage = stage().await;
    let there = json!([{ "type": "memberOf", "expression": "attribute:there exists" }]);
    let task = wait(&stage.server.root, json!({ "placementConstraints": there })).await;
    stage.instance(ZONE, &[GROUP]).await;
    stage.settle().await;
    assert!(!row(&stage, &task).is_placed());
    let right = stage.instance(ZONE, &[GROUP, ("there", Some("yes"))]).await;
    stage.settle().await;
    assert_eq!(row(&stage, &task).container_instance, id_of(&right));
    let never = wait(
        &stage.server.root,
        json!({ "placementConstraints": [
        { "type": "memberOf", "expression": "attribute:there == no" }] }),
    )
    .await;
    stage.server.clock.advance_seconds(900);
    stage.settle().await;
    let reason = row(&stage, &never).stop.unwrap().reason;
    assert_eq!(
        reason,
        "TaskFailedToStart: MemberOf placement constraint unsatisfied"
    );
}

#[tokio::test]
async fn a_waiting_task_stops_at_once_and_nobody_reports_on_it() {
    let mut stage = stage().await;
    let task = wait(
        &stage.server.root,
        json!({ "tags": [{ "key": "a", "value": "b" }] }),
    )
    .await;
    let report = json!({ "cluster": "c", "task": task, "status": "RUNNING" });
    assert_eq!(
        err::<op::SubmitTaskStateChange>(&stage.server.root, report).await,
        "InvalidParameterException: The referenced task was not found."
    );
    let delete = err::<op::DeleteCluster>(&stage.server.root, json!({ "cluster": "c" })).await;
    assert!(delete.starts_with("ClusterContainsTasksException"), "{delete}");
    let put = json!({ "cluster": "c", "capacityProviders": [], "defaultCapacityProviderStrategy": [] });
    let refused = err::<op::PutClusterCapacityProviders>(&stage.server.root, put).await;
    assert!(refused.starts_with("ResourceInUseException"), "{refused}");
    let stopped = ok::<op::StopTask>(&stage.server.root, json!({ "cluster": "c", "task": task })).await;
    let stopped = &stopped["task"];
    assert_eq!(
        (&stopped["lastStatus"], &stopped["stopCode"], &stopped["tags"]),
        (&json!("STOPPED"), &json!("UserInitiated"), &json!([]))
    );
    stage.instance(ZONE, &[GROUP]).await;
    stage.settle().await;
    assert!(!row(&stage, &task).is_placed(), "it does not come back");
}

#[tokio::test]
async fn a_task_whose_subnets_went_while_it_waited_fails_to_start() {
    let mut stage = stage().await;
    definition(&stage.server, "own", |request| {
        request.network_mode = Some("awsvpc".to_owned());
    })
    .await;
    let root = &stage.server.root;
    let vpc = ok::<ec2::CreateVpc>(root, json!({ "CidrBlock": "10.0.0.0/16" })).await;
    let subnet =
        json!({ "VpcId": vpc["Vpc"]["VpcId"], "CidrBlock": "10.0.1.0/28", "AvailabilityZone": ZONE });
    let subnet = ok::<ec2::CreateSubnet>(root, subnet).await["Subnet"]["SubnetId"].clone();
    let network = json!({ "awsvpcConfiguration": { "subnets": [subnet] } });
    let asked = json!({ "taskDefinition": "own", "networkConfiguration": network });
    let task = wait(root, asked).await;
    ok::<ec2::DeleteSubnet>(root, json!({ "SubnetId": subnet })).await;
    let attributes = [&[GROUP], OWN_NETWORKS].concat();
    stage.instance(ZONE, &attributes).await;
    stage.settle().await;
    let shown = describe(&stage, &task).await;
    assert_eq!(
        (
            &shown["lastStatus"],
            &shown["stopCode"],
            &shown["attachments"][0]["status"]
        ),
        (&json!("STOPPED"), &json!("TaskFailedToStart"), &json!("DELETED"))
    );
    assert_eq!(
        shown["stoppedReason"],
        format!(
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment disabled in subnet '{}': InvalidSubnetID.NotFound",
            subnet.as_str().unwrap()
        )
    );
    let view = stage.server.gate.world().view();
    let host = format!("us-east-1/c/{}", row(&stage, &task).container_instance);
    let load = view.ecs.loads.get(&host).unwrap();
    assert_eq!((load.cpu, load.memory), (0, 0), "its host is free again");
}

#[tokio::test]
async fn the_longest_waiting_comes_first_and_as_many_as_there_is_room_for() {
    let mut stage = stage().await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let wants = json!({ "overrides": { "cpu": "1024", "memory": "512" } });
        tasks.push(wait(&stage.server.root, wants).await);
        stage.server.clock.advance_seconds(1);
    }
    let small = wait(
        &stage.server.root,
        json!({ "overrides": { "cpu": "3000", "memory": "512" } }),
    )
    .await;
    stage.instance(ZONE, &[GROUP]).await;
    stage.settle().await;
    let placed: Vec<_> = tasks.iter().map(|task| row(&stage, task).is_placed()).collect();
    assert_eq!(placed, [true, true, false, false]);
    assert!(!row(&stage, &small).is_placed());
    ok::<op::StopTask>(&stage.server.root, json!({ "cluster": "c", "task": tasks[0] })).await;
    stage.settle().await;
    assert!(row(&stage, &tasks[2]).is_placed(), "the room of a stopped one");
}

#[tokio::test]
async fn more_than_the_quota_do_not_wait() {
    let stage = stage().await;
    for _ in 0..50 {
        ok::<op::RunTask>(&stage.server.root, run(json!({ "count": 10 }))).await;
    }
    assert_eq!(
        err::<op::RunTask>(&stage.server.root, run(json!({}))).await,
        "ClientException: Tasks provisioning capacity limit exceeded."
    );
    let some = ok::<op::ListTasks>(&stage.server.root, json!({ "cluster": "c", "maxResults": 1 })).await;
    let stop = json!({ "cluster": "c", "task": some["taskArns"][0] });
    ok::<op::StopTask>(&stage.server.root, stop).await;
    wait(&stage.server.root, json!({})).await;
}

#[tokio::test]
async fn waiting_outlives_the_server() {
    let mut stage = stage().await;
    let first = wait(&stage.server.root, json!({})).await;
    let second = wait(&stage.server.root, json!({ "overrides": { "cpu": "4096" } })).await;
    stage.server.clock.advance_seconds(600);
    stage = stage.restart().await;
    stage.settle().await;
    stage.instance(ZONE, &[GROUP]).await;
    stage.settle().await;
    assert!(row(&stage, &first).is_placed());
    stage.server.clock.advance_seconds(300);
    stage.settle().await;
    assert_eq!(row(&stage, &second).last, LastStatus::Stopped, "its time goes on");
}

#[tokio::test]
async fn the_roles_are_asked_again_when_there_is_room() {
    let mut stage = stage().await;
    let role = task_role(&stage.server, "app", &allow("s3:GetObject", "*")).await;
    definition(&stage.server, "app", |request| {
        request.task_role_arn = Some(role.clone())
    })
    .await;
    let both = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecs:*","iam:PassRole"],"Resource":"*"}]}"#;
    let user = stage.server.user("runner", both).await;
    let app = json!({ "taskDefinition": "app" });
    let revoked = wait(&user, app.clone()).await;
    let by_root = wait(&stage.server.root, app.clone()).await;
    stage.server.allow("runner", "p", &allow("ecs:*", "*")).await;
    stage.instance(ZONE, &[GROUP, TASK_ROLES]).await;
    stage.settle().await;
    let stop = row(&stage, &revoked).stop.unwrap();
    assert_eq!(
        stop.reason,
        format!(
            "User: arn:aws:iam::123456789012:user/runner is not authorized to perform: iam:PassRole on resource: {role}"
        )
    );
    assert_eq!(stop.code.as_str(), "TaskFailedToStart");
    assert!(row(&stage, &by_root).is_placed(), "who may still does");
}

#[tokio::test]
async fn a_role_that_trusts_ecs_no_more_keeps_what_waits_from_starting() {
    let mut stage = stage().await;
    let role = task_role(&stage.server, "app", &allow("s3:GetObject", "*")).await;
    definition(&stage.server, "app", |request| request.task_role_arn = Some(role)).await;
    let task = wait(&stage.server.root, json!({ "taskDefinition": "app" })).await;
    let others = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let trust = json!({ "RoleName": "app", "PolicyDocument": others });
    ok::<UpdateAssumeRolePolicy>(&stage.server.root, trust).await;
    stage.instance(ZONE, &[GROUP, TASK_ROLES]).await;
    stage.settle().await;
    let reason = row(&stage, &task).stop.unwrap().reason;
    assert!(
        reason.starts_with("ECS was unable to assume the role"),
        "{reason}"
    );
}

#[tokio::test]
async fn tasks_of_a_service_wait_and_are_its_pending_ones() {
    let mut stage = stage().await;
    let strategy = json!([{ "capacityProvider": "auto" }]);
    stage
        .create(json!({ "desiredCount": 3, "capacityProviderStrategy": strategy }))
        .await;
    stage.rest().await;
    let service = stage.service().await;
    assert_eq!(
        (&service["pendingCount"], &service["runningCount"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        stage.events().await,
        ["(service s) has started 3 tasks: (task ID) (task ID) (task ID)."]
    );
    stage.update(json!({ "desiredCount": 2 })).await;
    stage.rest().await;
    assert_eq!(stage.wanted().len(), 2, "scaled in at once");
    stage.instance(ZONE, &[GROUP]).await;
    stage.rest().await;
    let service = stage.service().await;
    assert_eq!(
        (&service["pendingCount"], &service["runningCount"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    ok::<op::DeleteService>(
        &stage.server.root,
        json!({ "cluster": "c", "service": "s", "force": true }),
    )
    .await;
    stage.rest().await;
    assert_eq!(stage.service().await["status"], "INACTIVE");
}

#[tokio::test]
async fn tasks_of_a_service_that_wait_too_long_have_failed_to_start() {
    let stage = stage().await;
    let strategy = json!([{ "capacityProvider": "auto" }]);
    stage
        .create(json!({ "desiredCount": 1, "capacityProviderStrategy": strategy }))
        .await;
    stage.rest().await;
    stage.server.clock.advance_seconds(900);
    stage.rest().await;
    let service = stage.service().await;
    assert_eq!(service["deployments"][0]["failedTasks"], 1);
    assert_eq!(service["pendingCount"], 0, "the next one waits for its turn");
    stage.server.clock.advance_seconds(5);
    stage.rest().await;
    assert_eq!(stage.service().await["pendingCount"], 1);
}
