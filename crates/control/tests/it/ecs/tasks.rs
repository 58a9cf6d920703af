//! RunTask, StopTask, DescribeTasks, ListTasks and what agents submit (ecs.md 9, 15).

use portcullis_api::ecs::op;
use portcullis_control::schedule;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::agent::{Agent, Front, Instance, cluster, definition, eventually, is_connected, task_role};
use crate::harness::{ACCOUNT, Server, allow};

/// A server with cluster `c`, a connected instance and family `web`.
pub struct Scene {
    pub server: Server,
    pub front: Front,
    pub instance: Instance,
    pub agent: Agent,
}

impl Scene {
    pub async fn set() -> Self {
        let server = Server::start().await;
        cluster(&server, "c").await;
        let front = Front::open(&server).await;
        let instance = Instance::register(&server.root, "c", &[]).await;
        let agent = instance.connect(&front, true).await.unwrap();
        eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
        definition(&server, "web", |_| {}).await;
        Self {
            server,
            front,
            instance,
            agent,
        }
    }

    pub async fn run(&self, more: Value) -> Value {
        ok::<op::RunTask>(
            &self.server.root,
            merged(json!({ "cluster": "c", "taskDefinition": "web" }), more),
        )
        .await
    }

    pub async fn run_err(&self, more: Value) -> String {
        err::<op::RunTask>(
            &self.server.root,
            merged(json!({ "cluster": "c", "taskDefinition": "web" }), more),
        )
        .await
    }

    pub async fn run_one(&self, more: Value) -> String {
        text(&self.run(more).await["tasks"][0]["taskArn"])
    }

    async fn describe(&self, task: &str) -> Value {
        let input = json!({ "cluster": "c", "tasks": [task], "include": ["TAGS"] });
        ok::<op::DescribeTasks>(&self.server.root, input).await["tasks"][0].clone()
    }

    async fn list(&self, more: Value) -> Vec<String> {
        let reply = ok::<op::ListTasks>(&self.server.root, merged(json!({ "cluster": "c" }), more)).await;
        reply["taskArns"].as_array().unwrap().iter().map(text).collect()
    }
}

pub fn merged(mut base: Value, more: Value) -> Value {
    base.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    base
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_new_task_shows_every_member() {
    let scene = Scene::set().await;
    let reply = scene
        .run(json!({ "startedBy": "me", "tags": [{ "key": "Owner", "value": "richard-roe" }] }))
        .await;
    assert_eq!(reply["failures"], json!([]));
    let mut task = reply["tasks"][0].clone();
    let id = id_of(task["taskArn"].as_str().unwrap()).to_owned();
    let instance = id_of(&scene.instance.arn).to_owned();
    let container = id_of(task["containers"][0]["containerArn"].as_str().unwrap()).to_owned();
    let shown = serde_json::to_string_pretty(&task.take()).unwrap();
    let shown = shown
        .replace(&id, "[task]")
        .replace(&instance, "[instance]")
        .replace(&container, "[container]");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn r144_run_task_is_decided_on_the_revision_and_its_cluster() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let stranger = scene.server.user("stranger", "").await;
    let input = json!({ "cluster": "c", "taskDefinition": "web" });
    let refused = err::<op::RunTask>(&stranger, input.clone()).await;
    let expected = format!(
        "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/stranger is not authorized to perform: ecs:RunTask on resource: {} because no identity-based policy allows the ecs:RunTask action",
        arn("task-definition/web:1")
    );
    assert_eq!(refused, expected);
    let bare = scene
        .server
        .user("bare", &allow("ecs:RunTask", &arn("task-definition/web")))
        .await;
    assert!(
        err::<op::RunTask>(&bare, input.clone())
            .await
            .contains("AccessDenied")
    );
    let family = scene
        .server
        .user("family", &allow("ecs:RunTask", &arn("task-definition/web:*")))
        .await;
    ok::<op::RunTask>(&family, input.clone()).await;
    let cluster_only = allow_if("ecs:RunTask", "ArnEquals", "ecs:cluster", &arn("cluster/c"));
    let limited = scene.server.user("limited", &cluster_only).await;
    ok::<op::RunTask>(&limited, input.clone()).await;
    cluster(&scene.server, "other").await;
    let elsewhere = json!({ "cluster": "other", "taskDefinition": "web" });
    assert!(
        err::<op::RunTask>(&limited, elsewhere)
            .await
            .contains("AccessDenied")
    );
    // An unknown definition is decided before it is missed (rule 4).
    let unknown = json!({ "cluster": "c", "taskDefinition": "nowhere" });
    assert!(
        err::<op::RunTask>(&stranger, unknown.clone())
            .await
            .contains("task-definition/nowhere:*")
    );
    assert_eq!(
        err::<op::RunTask>(root, unknown).await,
        "ClientException: Unable to describe task definition."
    );
}

#[tokio::test]
async fn r149_each_role_that_will_be_used_must_be_passable() {
    let scene = Scene::set().await;
    let one = task_role(&scene.server, "one", &allow("ecs:ListClusters", "*")).await;
    let two = task_role(&scene.server, "two", &allow("ecs:ListClusters", "*")).await;
    definition(&scene.server, "roles", |request| {
        request.task_role_arn = Some(one.clone());
        request.execution_role_arn = Some(one.clone());
    })
    .await;
    let user = scene.server.user("u", &allow("ecs:RunTask", "*")).await;
    let input = json!({ "cluster": "c", "taskDefinition": "roles" });
    let refused = err::<op::RunTask>(&user, input.clone()).await;
    assert!(refused.ends_with(&format!("is not authorized to perform: iam:PassRole on resource: {one} because no identity-based policy allows the iam:PassRole action")), "{refused}");
    let pass = |role: &str, to: &str| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
            "Condition": { "StringEquals": { "iam:PassedToService": to } },
        }] })
        .to_string()
    };
    scene
        .server
        .allow("u", "pass", &pass(&one, "ec2.amazonaws.com"))
        .await;
    assert!(
        err::<op::RunTask>(&user, input.clone())
            .await
            .contains("iam:PassRole")
    );
    scene
        .server
        .allow("u", "pass", &pass(&one, "ecs-tasks.amazonaws.com"))
        .await;
    ok::<op::RunTask>(&user, input.clone()).await;
    // A role of the overrides is used in place of the definition's.
    let overridden = merged(input, json!({ "overrides": { "taskRoleArn": two } }));
    let refused = err::<op::RunTask>(&user, overridden.clone()).await;
    assert!(
        refused.contains(&format!("iam:PassRole on resource: {two}")),
        "{refused}"
    );
    scene
        .server
        .allow("u", "pass-two", &pass(&two, "ecs-tasks.amazonaws.com"))
        .await;
    ok::<op::RunTask>(&user, overridden).await;
}

#[tokio::test]
async fn r148_tags_of_new_tasks_are_decided_on_the_literal_star() {
    let scene = Scene::set().await;
    let user = scene.server.user("u", &allow("ecs:RunTask", "*")).await;
    let input = json!({ "cluster": "c", "taskDefinition": "web", "tags": [{ "key": "a", "value": "b" }] });
    let refused = err::<op::RunTask>(&user, input.clone()).await;
    let expected = format!("ecs:TagResource on resource: {}", arn("task/c/*"));
    assert!(refused.contains(&expected), "{refused}");
    let tagging = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "ecs:TagResource", "Resource": arn("task/c/*"),
        "Condition": { "StringEquals": { "ecs:CreateAction": "RunTask", "aws:RequestTag/a": "b" } },
    }] });
    scene.server.allow("u", "tag", &tagging.to_string()).await;
    ok::<op::RunTask>(&user, input).await;
}

#[tokio::test]
async fn tags_of_the_definition_decide_run_task_and_those_of_the_task_stop_task() {
    let scene = Scene::set().await;
    definition(&scene.server, "tagged", |request| {
        request.tags = Some(vec![portcullis_api::ecs::Tag {
            key: Some("Department".into()),
            value: Some("Finance".into()),
        }]);
    })
    .await;
    let policy = allow_if("ecs:*", "StringEquals", "aws:ResourceTag/Department", "Finance");
    let user = scene.server.user("u", &policy).await;
    let refused = err::<op::RunTask>(&user, json!({ "cluster": "c", "taskDefinition": "web" })).await;
    assert!(refused.contains("ecs:RunTask"), "{refused}");
    let run = json!({ "cluster": "c", "taskDefinition": "tagged" });
    let bare = text(&ok::<op::RunTask>(&user, run.clone()).await["tasks"][0]["taskArn"]);
    let refused = err::<op::StopTask>(&user, json!({ "cluster": "c", "task": bare })).await;
    assert!(
        refused.contains(&format!("ecs:StopTask on resource: {bare}")),
        "{refused}"
    );
    let propagated = merged(
        run,
        json!({ "propagateTags": "TASK_DEFINITION", "enableECSManagedTags": true }),
    );
    let tagged = ok::<op::RunTask>(&user, propagated).await["tasks"][0].clone();
    let tags =
        json!([{ "key": "Department", "value": "Finance" }, { "key": "aws:ecs:clusterName", "value": "c" }]);
    assert_eq!(tagged["tags"], tags);
    ok::<op::StopTask>(&user, json!({ "cluster": "c", "task": tagged["taskArn"] })).await;
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_in_awss_words() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    definition(&scene.server, "vpc", |request| {
        request.network_mode = Some("awsvpc".into())
    })
    .await;
    definition(&scene.server, "old", |_| {}).await;
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "old:1" })).await;
    cluster(&scene.server, "empty").await;
    cluster(&scene.server, "gone").await;
    ok::<op::DeleteCluster>(root, json!({ "cluster": "gone" })).await;
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"] } });
    let cases = [
        (
            json!({ "cluster": "nowhere" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            json!({ "cluster": "gone" }),
            "ClusterNotFoundException: The referenced cluster was inactive.",
        ),
        (
            json!({ "cluster": "empty" }),
            "InvalidParameterException: No Container Instances were found in your cluster.",
        ),
        (
            json!({ "taskDefinition": "old:1" }),
            "InvalidParameterException: TaskDefinition is inactive",
        ),
        (
            json!({ "count": 11 }),
            "InvalidParameterException: count must be between 1 and 10.",
        ),
        (
            json!({ "count": 0 }),
            "InvalidParameterException: count must be between 1 and 10.",
        ),
        (
            json!({ "group": "service:x" }),
            "InvalidParameterException: group cannot start with 'service:'.",
        ),
        (
            json!({ "startedBy": "a b" }),
            "InvalidParameterException: startedBy is too long or contains invalid characters.",
        ),
        (
            json!({ "overrides": { "containerOverrides": [{ "name": "x" }] } }),
            "InvalidParameterException: Override for container named x is not a container in the TaskDefinition.",
        ),
        (
            json!({ "overrides": { "containerOverrides": [{ "name": "app", "command": ["x".repeat(8192)] }] } }),
            "InvalidParameterException: Overrides can not exceed 8192 characters.",
        ),
        (
            json!({ "taskDefinition": "vpc" }),
            "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            json!({ "networkConfiguration": network }),
            "InvalidParameterException: Network Configuration is not valid for the given networkMode of this task definition.",
        ),
        (
            json!({ "launchType": "FARGATE" }),
            "InvalidParameterException: Task definition does not support launch_type FARGATE.",
        ),
        (
            json!({ "launchType": "EC2", "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }] }),
            "InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported",
        ),
        (
            json!({ "platformVersion": "1.4.0" }),
            "InvalidParameterException: The platform version must be null when specifying an EC2 launch type.",
        ),
        (
            json!({ "propagateTags": "SERVICE" }),
            "InvalidParameterException: propagateTags can only be TASK_DEFINITION for standalone tasks.",
        ),
        (
            json!({ "enableExecuteCommand": true }),
            "InvalidParameterException: enableExecuteCommand requires a task role.",
        ),
        (
            json!({ "clientToken": "a b" }),
            "InvalidParameterException: clientToken is too long or contains invalid characters.",
        ),
        (
            json!({ "placementConstraints": [{ "type": "memberOf", "expression": "x" }] }),
            "InvalidParameterException: Invalid expression: unexpected `x` at position 0",
        ),
        (
            json!({ "placementConstraints": [{ "type": "distinctInstance", "expression": "x" }] }),
            "InvalidParameterException: distinctInstance expression should not be specified",
        ),
        (
            json!({ "placementStrategy": [{ "type": "binpack", "field": "disk" }] }),
            "InvalidParameterException: binpack field 'disk' is invalid",
        ),
        (
            json!({ "volumeConfigurations": [{ "name": "v" }] }),
            "UnsupportedFeatureException: This server does not support EBS volumes yet.",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(scene.run_err(more.clone()).await, expected, "{more}");
    }
    assert_eq!(
        scene.list(json!({})).await,
        Vec::<String>::new(),
        "nothing was half done"
    );
}

#[tokio::test]
async fn a_definition_with_secrets_is_not_run_without_them() {
    let scene = Scene::set().await;
    let role = task_role(&scene.server, "execution", &allow("ssm:*", "*")).await;
    definition(&scene.server, "secret", |request| {
        request.execution_role_arn = Some(role);
        request.container_definitions[0].secrets = Some(vec![portcullis_api::ecs::Secret {
            name: "PASSWORD".into(),
            value_from: "parameter".into(),
        }]);
    })
    .await;
    let refused = scene.run_err(json!({ "taskDefinition": "secret" })).await;
    assert_eq!(
        refused,
        "UnsupportedFeatureException: This server does not support container secrets yet."
    );
}

#[tokio::test]
async fn a_token_repeats_the_answer_and_clashes_with_other_parameters() {
    let scene = Scene::set().await;
    let first = scene.run_one(json!({ "clientToken": "t", "count": 1 })).await;
    assert_eq!(
        scene.run_one(json!({ "clientToken": "t", "count": 1 })).await,
        first
    );
    let root = &scene.server.root;
    let clash = json!({ "cluster": "c", "taskDefinition": "web", "clientToken": "t", "count": 2 });
    let input = portcullis_wire::json::from_value(&clash).unwrap();
    let reply = root.send::<op::RunTask>(&input).await;
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 400);
    assert!(
        body["__type"].as_str().unwrap().ends_with("ConflictException"),
        "{body}"
    );
    assert_eq!(body["resourceIds"], json!([first]));
    assert_eq!(scene.list(json!({})).await, [first.clone()]);
    scene.server.clock.advance_seconds(24 * 3_600);
    assert_ne!(
        scene.run_one(json!({ "clientToken": "t", "count": 1 })).await,
        first
    );
}

#[tokio::test]
async fn stop_task_is_idempotent_and_keeps_the_first_reason() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let task = scene
        .run_one(json!({ "tags": [{ "key": "a", "value": "b" }] }))
        .await;
    let stop = |reason: &str| json!({ "cluster": "c", "task": id_of(&task), "reason": reason });
    let first = ok::<op::StopTask>(root, stop("because")).await["task"].clone();
    let second = ok::<op::StopTask>(root, stop("other")).await["task"].clone();
    assert_eq!(first["stoppedReason"], "because");
    assert_eq!(first, second);
    scene.instance.submit(&task, "STOPPED", &[("app", Some(0))]).await;
    let stopped = ok::<op::StopTask>(root, stop("late")).await["task"].clone();
    assert_eq!(
        (&stopped["lastStatus"], &stopped["stoppedReason"]),
        (&json!("STOPPED"), &json!("because"))
    );
    assert_eq!(stopped["tags"], json!([]), "stopping a task deletes its tags");
    let unknown = json!({ "cluster": "c", "task": "00000000000000000000000000000000" });
    assert_eq!(
        err::<op::StopTask>(root, unknown).await,
        "InvalidParameterException: The referenced task was not found."
    );
}

#[tokio::test]
async fn describe_answers_what_is_missing_and_refuses_other_clusters() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let task = scene.run_one(json!({})).await;
    let missing = arn("task/c/00000000000000000000000000000000");
    let reply =
        ok::<op::DescribeTasks>(root, json!({ "cluster": "c", "tasks": [id_of(&task), missing] })).await;
    assert_eq!(reply["tasks"][0]["taskArn"], json!(task));
    assert_eq!(
        reply["failures"],
        json!([{ "arn": missing, "reason": "MISSING" }])
    );
    assert_eq!(
        err::<op::DescribeTasks>(root, json!({ "cluster": "c", "tasks": [] })).await,
        "InvalidParameterException: Tasks cannot be empty."
    );
    assert_eq!(
        err::<op::DescribeTasks>(root, json!({ "cluster": "d", "tasks": [task] })).await,
        "InvalidParameterException: Identifier is for c. Your cluster is d"
    );
    // One refused target refuses the whole call (rule 3), existing or not (rule 4).
    let user = scene.server.user("u", &allow("ecs:DescribeTasks", &task)).await;
    ok::<op::DescribeTasks>(&user, json!({ "cluster": "c", "tasks": [task] })).await;
    let refused = err::<op::DescribeTasks>(&user, json!({ "cluster": "c", "tasks": [task, missing] })).await;
    assert!(
        refused.contains(&format!("ecs:DescribeTasks on resource: {missing}")),
        "{refused}"
    );
}

#[tokio::test]
async fn list_tasks_is_decided_on_container_instances() {
    let scene = Scene::set().await;
    let literal = scene
        .server
        .user("literal", &allow("ecs:ListTasks", &arn("container-instance/c/*")))
        .await;
    ok::<op::ListTasks>(&literal, json!({ "cluster": "c" })).await;
    let stranger = scene.server.user("stranger", "").await;
    let refused = err::<op::ListTasks>(&stranger, json!({ "cluster": "c" })).await;
    assert!(
        refused.contains(&format!(
            "ecs:ListTasks on resource: {} ",
            arn("container-instance/c/*")
        )),
        "{refused}"
    );
    let seed_14 = allow_if("ecs:ListTasks", "ArnEquals", "ecs:cluster", &arn("cluster/c"));
    let seed = scene.server.user("seed", &seed_14).await;
    ok::<op::ListTasks>(&seed, json!({ "cluster": "c" })).await;
    assert!(
        err::<op::ListTasks>(&seed, json!({}))
            .await
            .contains("AccessDenied")
    );
    let one = scene
        .server
        .user("one", &allow("ecs:ListTasks", &scene.instance.arn))
        .await;
    ok::<op::ListTasks>(
        &one,
        json!({ "cluster": "c", "containerInstance": scene.instance.arn }),
    )
    .await;
    assert!(
        err::<op::ListTasks>(&one, json!({ "cluster": "c" }))
            .await
            .contains("AccessDenied")
    );
}

#[tokio::test]
async fn lists_of_tasks_filter_and_page() {
    let scene = Scene::set().await;
    definition(&scene.server, "other", |_| {}).await;
    let mut web = Vec::new();
    for _ in 0..3 {
        web.push(scene.run_one(json!({ "startedBy": "me/1" })).await);
    }
    let other = scene.run_one(json!({ "taskDefinition": "other" })).await;
    web.sort();
    let mut all = web.clone();
    all.push(other.clone());
    all.sort();
    assert_eq!(scene.list(json!({})).await, all);
    assert_eq!(scene.list(json!({ "family": "web" })).await, web);
    assert_eq!(scene.list(json!({ "startedBy": "me/1" })).await, web);
    assert_eq!(
        scene.list(json!({ "startedBy": "me" })).await,
        Vec::<String>::new()
    );
    assert_eq!(
        scene
            .list(json!({ "containerInstance": scene.instance.arn, "family": "other" }))
            .await,
        [other.clone()]
    );
    assert_eq!(
        scene.list(json!({ "launchType": "FARGATE" })).await,
        Vec::<String>::new()
    );
    assert_eq!(
        scene.list(json!({ "desiredStatus": "PENDING" })).await,
        Vec::<String>::new()
    );
    let root = &scene.server.root;
    ok::<op::StopTask>(root, json!({ "cluster": "c", "task": other })).await;
    assert_eq!(
        scene.list(json!({ "desiredStatus": "STOPPED" })).await,
        [other.clone()]
    );
    assert_eq!(scene.list(json!({ "desiredStatus": "RUNNING" })).await, web);
    let mut paged = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "cluster": "c", "family": "web", "maxResults": 2 });
        if !token.is_null() {
            input["nextToken"] = token.clone();
        }
        let reply = ok::<op::ListTasks>(root, input).await;
        paged.extend(reply["taskArns"].as_array().unwrap().iter().map(text));
        token = reply["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(paged, web);
    let cases = [
        (
            json!({ "startedBy": "x", "family": "web" }),
            "InvalidParameterException: startedBy must be the only filter.",
        ),
        (
            json!({ "serviceName": "x" }),
            "ServiceNotFoundException: Service not found.",
        ),
        (
            json!({ "nextToken": "AAAA" }),
            "InvalidParameterException: Invalid token.",
        ),
        (
            json!({ "cluster": "x" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
    ];
    for (more, expected) in cases {
        let refused = err::<op::ListTasks>(root, merged(json!({ "cluster": "c" }), more.clone())).await;
        assert_eq!(refused, expected, "{more}");
    }
}

#[tokio::test]
async fn reports_only_move_a_task_forward() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let task = scene.run_one(json!({})).await;
    let report = |status: &str| json!({ "cluster": "c", "task": task, "status": status, "reason": "" });
    ok::<op::SubmitTaskStateChange>(root, report("RUNNING")).await;
    let running = scene.describe(&task).await;
    ok::<op::SubmitTaskStateChange>(root, report("PENDING")).await;
    ok::<op::SubmitTaskStateChange>(root, report("RUNNING")).await;
    assert_eq!(
        scene.describe(&task).await,
        running,
        "repeated and late news change nothing"
    );
    let container = json!({
        "cluster": "c", "task": task, "containerName": "app", "status": "STOPPED", "exitCode": 7, "runtimeId": "d0c",
    });
    ok::<op::SubmitContainerStateChange>(root, container).await;
    let ending = scene.describe(&task).await;
    assert_eq!(ending["desiredStatus"], "STOPPED");
    assert_eq!(ending["stopCode"], "EssentialContainerExited");
    assert_eq!(ending["stoppedReason"], "Essential container in task exited");
    assert_eq!(ending["containers"][0]["exitCode"], 7);
    ok::<op::SubmitTaskStateChange>(root, report("STOPPED")).await;
    let stopped = scene.describe(&task).await;
    ok::<op::SubmitTaskStateChange>(root, report("RUNNING")).await;
    assert_eq!(scene.describe(&task).await, stopped);
    assert!(stopped["version"].as_i64() > ending["version"].as_i64());
    let unknown = json!({ "cluster": "c", "task": "00000000000000000000000000000000", "status": "RUNNING" });
    assert_eq!(
        err::<op::SubmitTaskStateChange>(root, unknown).await,
        "InvalidParameterException: The referenced task was not found."
    );
    let attachments =
        json!({ "cluster": "c", "attachments": [{ "attachmentArn": "a", "status": "ATTACHED" }] });
    assert_eq!(
        ok::<op::SubmitAttachmentStateChanges>(root, attachments).await["acknowledgment"],
        "ACK"
    );
}

#[tokio::test]
async fn a_task_that_never_ran_failed_to_start_for_its_containers_reason() {
    let scene = Scene::set().await;
    let task = scene.run_one(json!({})).await;
    let report = json!({
        "cluster": "c", "task": task, "status": "STOPPED", "reason": "",
        "containers": [{ "containerName": "app", "status": "STOPPED", "reason": "CannotPullContainerError: no such image" }],
    });
    ok::<op::SubmitTaskStateChange>(&scene.server.root, report).await;
    let stopped = scene.describe(&task).await;
    assert_eq!(stopped["stopCode"], "TaskFailedToStart");
    assert_eq!(
        stopped["stoppedReason"],
        "CannotPullContainerError: no such image"
    );
    assert!(stopped["startedAt"].is_null());
}

#[tokio::test]
async fn stopped_tasks_are_shown_for_an_hour() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let task = scene.run_one(json!({})).await;
    ok::<op::StopTask>(root, json!({ "cluster": "c", "task": task })).await;
    scene.instance.submit(&task, "STOPPED", &[("app", Some(0))]).await;
    let world = scene.server.gate.world();
    scene.server.clock.advance_seconds(3_599);
    schedule::forget(world).await;
    assert_eq!(scene.describe(&task).await["lastStatus"], "STOPPED");
    scene.server.clock.advance_seconds(1);
    schedule::forget(world).await;
    let reply = ok::<op::DescribeTasks>(root, json!({ "cluster": "c", "tasks": [task] })).await;
    assert_eq!(reply["failures"], json!([{ "arn": task, "reason": "MISSING" }]));
    assert_eq!(
        scene.list(json!({ "desiredStatus": "STOPPED" })).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn tasks_of_a_deregistered_instance_stop() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let task = scene.run_one(json!({})).await;
    let deregister = json!({ "cluster": "c", "containerInstance": scene.instance.arn });
    assert_eq!(
        err::<op::DeregisterContainerInstance>(root, deregister.clone()).await,
        "InvalidParameterException: Found running tasks on the instance."
    );
    let force = merged(deregister, json!({ "force": true }));
    ok::<op::DeregisterContainerInstance>(root, force).await;
    let stopped = scene.describe(&task).await;
    assert_eq!(
        (&stopped["lastStatus"], &stopped["stopCode"]),
        (&json!("STOPPED"), &json!("TerminationNotice"))
    );
    drop(scene.agent);
}
