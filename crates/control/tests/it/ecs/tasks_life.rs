//! The life of tasks: tokens, StopTask, DescribeTasks, ListTasks, what agents submit, retention (ecs.md 9).

use portcullis_api::ecs::op;
use portcullis_control::schedule;
use serde_json::{Value, json};

use super::tasks::{Scene, id_of, merged, text};
use super::{allow_if, arn, as_agent, err, ok};
use crate::agent::definition;
use crate::harness::allow;

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
    assert_eq!(scene.list(json!({})).await, std::slice::from_ref(&first));
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
async fn r142_list_tasks_is_decided_on_container_instances() {
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
        std::slice::from_ref(&other)
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
        std::slice::from_ref(&other)
    );
    assert_eq!(scene.list(json!({ "desiredStatus": "RUNNING" })).await, web);
    assert_eq!(paged(&scene, 2).await, web);
}

/// The tasks of family `web`, some at a time.
async fn paged(scene: &Scene, size: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut input = json!({ "cluster": "c", "family": "web", "maxResults": size });
    loop {
        let reply = ok::<op::ListTasks>(&scene.server.root, input.clone()).await;
        let page = reply["taskArns"].as_array().unwrap();
        assert!(page.len() <= size);
        all.extend(page.iter().map(text));
        match &reply["nextToken"] {
            Value::Null => return all,
            token => input["nextToken"] = token.clone(),
        }
    }
}

#[tokio::test]
async fn lists_refuse_what_cannot_be_listed() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
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
    let (root, agent) = (&scene.server.root, &scene.instance);
    let task = scene.run_one(json!({})).await;
    let report = |status: &str| json!({ "cluster": "c", "task": task, "status": status, "reason": "" });
    as_agent::<op::SubmitTaskStateChange>(agent, report("RUNNING")).await;
    let running = scene.describe(&task).await;
    as_agent::<op::SubmitTaskStateChange>(agent, report("PENDING")).await;
    as_agent::<op::SubmitTaskStateChange>(agent, report("RUNNING")).await;
    assert_eq!(
        scene.describe(&task).await,
        running,
        "repeated and late news change nothing"
    );
    let container = json!({
        "cluster": "c", "task": task, "containerName": "app", "status": "STOPPED", "exitCode": 7, "runtimeId": "d0c",
    });
    as_agent::<op::SubmitContainerStateChange>(agent, container).await;
    let ending = scene.describe(&task).await;
    assert_eq!(ending["desiredStatus"], "STOPPED");
    assert_eq!(ending["stopCode"], "EssentialContainerExited");
    assert_eq!(ending["stoppedReason"], "Essential container in task exited");
    assert_eq!(ending["containers"][0]["exitCode"], 7);
    as_agent::<op::SubmitTaskStateChange>(agent, report("STOPPED")).await;
    let stopped = scene.describe(&task).await;
    as_agent::<op::SubmitTaskStateChange>(agent, report("RUNNING")).await;
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
    as_agent::<op::SubmitTaskStateChange>(&scene.instance, report).await;
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
