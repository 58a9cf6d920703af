//! What RunTask shows, requires and refuses (ecs.md 9, 15).

use portcullis_api::ecs::op;
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

    pub async fn describe(&self, task: &str) -> Value {
        let input = json!({ "cluster": "c", "tasks": [task], "include": ["TAGS"] });
        ok::<op::DescribeTasks>(&self.server.root, input).await["tasks"][0].clone()
    }

    pub async fn list(&self, more: Value) -> Vec<String> {
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

pub fn id_of(arn: &str) -> &str {
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
