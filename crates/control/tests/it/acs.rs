//! The agents' protocol as an agent sees it (agent.md 5).

use std::time::Duration;

use portcullis_api::{acs, ecs, iam, sts};
use portcullis_control::acs::Timing;

use crate::agent::{
    Agent, Front, Instance, client_of, cluster, definition, describe, eventually, is_connected, run,
    task_role,
};
use crate::harness::{ACCOUNT, Server, allow};
use crate::leaving::{LEAVINGS, Leaver, Leaving};
use crate::scim::provider::Provider;

const TRUSTED_POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:ListClusters","Resource":"*"}]}"#;

/// A server with a cluster `c`, an instance in it and its agent.
pub async fn one_agent() -> (Server, Front, Instance, Agent) {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let front = Front::open(&server).await;
    let instance = Instance::register(&server.root, "c", &[]).await;
    let agent = instance.connect(&front, true).await.unwrap();
    eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
    (server, front, instance, agent)
}

/// Family `web` with a task role and an execution role; its ARN.
pub async fn definition_with_roles(server: &Server) -> String {
    let task = task_role(server, "task", TRUSTED_POLICY).await;
    let execution = task_role(server, "execution", TRUSTED_POLICY).await;
    definition(server, "web", |request| {
        request.task_role_arn = Some(task);
        request.execution_role_arn = Some(execution);
    })
    .await
}

fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn r132_a_task_lives_from_run_task_to_stop_task_with_credentials_of_its_own() {
    let (server, _front, instance, mut agent) = one_agent().await;
    let definition = definition_with_roles(&server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let made = ran.tasks.unwrap().pop().unwrap();
    assert_eq!(
        (made.last_status.as_deref(), made.desired_status.as_deref()),
        (Some("PENDING"), Some("RUNNING"))
    );
    let arn = made.task_arn.unwrap();

    let payload = agent.take().await;
    let task = payload.tasks.first().unwrap();
    assert_eq!(
        (task.arn.as_str(), task.desired_status.as_str()),
        (arn.as_str(), "RUNNING")
    );
    let role = task.role_credentials.clone().unwrap();
    let execution = task.execution_role_credentials.clone().unwrap();
    assert_ne!(role.credentials_id, execution.credentials_id);
    instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    let shown = describe(&server, "c", &arn).await;
    assert_eq!(shown.last_status.as_deref(), Some("RUNNING"));
    assert!(shown.started_at.is_some() && shown.connectivity.as_deref() == Some("CONNECTED"));

    let me = client_of(&server.root, &role);
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(
        who.arn.unwrap(),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/task/{}", id_of(&arn))
    );
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let refused = me.err::<ecs::op::DescribeClusters>(&Default::default()).await;
    assert!(
        refused.starts_with("AccessDeniedException: User: arn:aws:sts::"),
        "{refused}"
    );

    let stop = ecs::StopTaskRequest {
        cluster: Some("c".to_owned()),
        task: arn.clone(),
        reason: None,
    };
    let stopped = server.root.ok::<ecs::op::StopTask>(&stop).await.task.unwrap();
    assert_eq!(
        (stopped.desired_status.as_deref(), stopped.last_status.as_deref()),
        (Some("STOPPED"), Some("RUNNING"))
    );
    let last = agent.take().await;
    assert!(last.seq_num > payload.seq_num);
    assert_eq!(last.tasks[0].desired_status, "STOPPED");
    assert!(last.tasks[0].role_credentials.is_none());
    instance.submit(&arn, "STOPPED", &[("app", Some(143))]).await;
    let shown = describe(&server, "c", &arn).await;
    assert_eq!(shown.last_status.as_deref(), Some("STOPPED"));
    assert_eq!(shown.stop_code.as_deref(), Some("UserInitiated"));
    assert_eq!(shown.stopped_reason.as_deref(), Some("Task stopped by user"));
    assert_eq!(shown.containers.unwrap()[0].exit_code, Some(143));
    // Ours: the sessions end with the task.
    for ended in [&role, &execution] {
        let refused = client_of(&server.root, ended)
            .err::<sts::op::GetCallerIdentity>(&Default::default())
            .await;
        assert!(refused.starts_with("InvalidClientTokenId"), "{refused}");
    }
}

#[tokio::test]
async fn r155_roles_of_tasks_are_assumed_on_record_by_the_service() {
    let (server, _front, _instance, mut agent) = one_agent().await;
    let definition = definition_with_roles(&server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    agent.take().await;
    let records = server.records().await;
    let assumed: Vec<_> = records
        .iter()
        .filter(|record| record["eventName"] == "AssumeRole")
        .collect();
    assert_eq!(assumed.len(), 2);
    for record in assumed {
        let who = serde_json::json!({ "type": "AWSService", "invokedBy": "ecs-tasks.amazonaws.com" });
        assert_eq!(record["userIdentity"], who);
        assert_eq!(record["sourceIPAddress"], "ecs-tasks.amazonaws.com");
        assert_eq!(record["userAgent"], "ecs-tasks.amazonaws.com");
        assert_eq!(record["requestParameters"]["roleSessionName"], id_of(&arn));
        assert!(record["responseElements"]["credentials"]["secretAccessKey"].is_null());
        assert!(
            record["responseElements"]["credentials"]["accessKeyId"]
                .as_str()
                .unwrap()
                .starts_with("ASIA")
        );
    }
}

#[tokio::test]
async fn credentials_are_rotated_at_half_life_under_the_same_id() {
    let (server, _front, instance, mut agent) = one_agent().await;
    let definition = definition_with_roles(&server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    let payload = agent.take().await;
    let first = payload.tasks[0].role_credentials.clone().unwrap();
    instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    server.clock.advance_seconds(3 * 3_600);
    let mut rotated = Vec::new();
    for _ in 0..2 {
        let message: acs::IAMRoleCredentialsMessage = agent.expect().await;
        agent
            .acknowledge(&message.message_id, &message.role_credentials)
            .await;
        assert_eq!(message.task_arn, arn);
        rotated.push(message);
    }
    rotated.sort_by(|a, b| a.role_type.cmp(&b.role_type));
    assert_eq!(rotated[0].role_type, "TaskApplication");
    assert_eq!(rotated[1].role_type, "TaskExecution");
    let second = &rotated[0].role_credentials;
    assert_eq!(second.credentials_id, first.credentials_id);
    assert_ne!(second.access_key_id, first.access_key_id);
    // Both work until the first runs out.
    for role in [&first, second] {
        client_of(&server.root, role)
            .ok::<sts::op::GetCallerIdentity>(&Default::default())
            .await;
    }
    // Not acknowledged: sent again.
    server.clock.advance_seconds(3 * 3_600);
    let lost: acs::IAMRoleCredentialsMessage = agent.expect().await;
    let _: acs::IAMRoleCredentialsMessage = agent.expect().await;
    server.clock.advance_seconds(60);
    let again: acs::IAMRoleCredentialsMessage = agent.expect().await;
    assert_eq!(
        again.role_credentials.credentials_id.len(),
        lost.role_credentials.credentials_id.len()
    );
}

#[tokio::test]
async fn an_agent_that_lost_its_credentials_gets_those_of_all_its_tasks() {
    let (server, front, instance, mut agent) = one_agent().await;
    let definition = definition_with_roles(&server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    agent.take().await;
    instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    agent.close().await;
    eventually(&server, "disconnected", |view| !is_connected(view, &instance.arn)).await;
    // A plain reconnection brings a manifest and nothing else.
    let mut agent = instance.connect(&front, false).await.unwrap();
    let manifest = agent.next().await.unwrap();
    assert_eq!(manifest.kind, "TaskManifestMessage");
    agent.close().await;
    eventually(&server, "disconnected", |view| !is_connected(view, &instance.arn)).await;
    let mut agent = instance.connect(&front, true).await.unwrap();
    let one: acs::IAMRoleCredentialsMessage = agent.expect().await;
    let two: acs::IAMRoleCredentialsMessage = agent.expect().await;
    assert_ne!(one.role_type, two.role_type);
    assert_eq!((one.task_arn, two.task_arn), (arn.clone(), arn));
}

#[tokio::test]
async fn a_second_session_of_an_instance_ends_the_first() {
    let (server, front, instance, mut first) = one_agent().await;
    let mut second = instance.connect(&front, false).await.unwrap();
    while first.next().await.is_some() {}
    let manifest: acs::TaskManifestMessage = second.expect().await;
    assert!(manifest.tasks.is_empty());
    assert!(is_connected(&server.gate.world().view(), &instance.arn));
}

#[tokio::test]
async fn an_agent_that_answers_no_heartbeats_is_let_go() {
    let (server, _front, instance, mut agent) = one_agent().await;
    agent.answers = false;
    while agent.next().await.is_some() {}
    eventually(&server, "disconnected", |view| !is_connected(view, &instance.arn)).await;
}

#[tokio::test]
async fn an_agent_sees_only_tasks_placed_on_its_own_instance() {
    let (server, front, one, mut first) = one_agent().await;
    let two = Instance::register(&server.root, "c", &[]).await;
    let mut second = two.connect(&front, true).await.unwrap();
    eventually(&server, "connected", |view| is_connected(view, &two.arn)).await;
    let definition = definition_with_roles(&server).await;
    let start = ecs::StartTaskRequest {
        cluster: Some("c".to_owned()),
        container_instances: vec![two.arn.clone()],
        task_definition: definition,
        ..Default::default()
    };
    let started = server.root.ok::<ecs::op::StartTask>(&start).await;
    assert_eq!(started.failures.unwrap(), []);
    let payload = second.take().await;
    assert_eq!(payload.container_instance_arn, two.arn);
    // What the first agent hears next is its own task, not the other's.
    let start = ecs::StartTaskRequest {
        container_instances: vec![one.arn.clone()],
        ..start
    };
    let started = server.root.ok::<ecs::op::StartTask>(&start).await;
    let arn = started.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    assert_eq!(first.take().await.tasks[0].arn, arn);
}

#[tokio::test]
async fn only_tasks_nobody_wants_are_confirmed_for_stopping() {
    let (server, _front, _instance, mut agent) = one_agent().await;
    let manifest: acs::TaskManifestMessage = agent.expect().await;
    let definition = definition(&server, "web", |_| {}).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let wanted = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    let payload = agent.take().await;
    assert!(payload.seq_num.unwrap() > manifest.timeline);
    let unknown = wanted.replace(id_of(&wanted), "00000000000000000000000000000000");
    let candidate = |arn: &str| acs::TaskIdentifier {
        task_arn: arn.to_owned(),
        task_cluster_arn: format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/c"),
        desired_status: "STOPPED".to_owned(),
    };
    let question = acs::TaskStopVerificationMessage {
        message_id: manifest.message_id.clone(),
        stop_candidates: vec![candidate(&wanted), candidate(&unknown)],
    };
    agent.send(&question).await;
    let answer: acs::TaskStopVerificationAck = agent.expect().await;
    assert_eq!(answer.message_id, manifest.message_id);
    assert_eq!(answer.stop_tasks, [candidate(&unknown)]);
}

#[tokio::test]
async fn agent_5_2_refusals_name_the_exception() {
    let (server, front, instance, agent) = one_agent().await;
    let stranger = Instance {
        client: server.user("stranger", "").await,
        ..instance.clone()
    };
    let refused = stranger.connect(&front, true).await.err().unwrap();
    let expected = format!(
        r#"{{"AccessDeniedException":"User: arn:aws:iam::{ACCOUNT}:user/stranger is not authorized to perform: ecs:Poll on resource: {} because no identity-based policy allows the ecs:Poll action"}}"#,
        instance.arn
    );
    assert_eq!(refused, expected);
    let elsewhere = Instance {
        client: server.user("limited", &elsewhere_only()).await,
        ..instance.clone()
    };
    assert!(
        elsewhere
            .connect(&front, true)
            .await
            .err()
            .unwrap()
            .contains("AccessDeniedException")
    );

    let unknown = Instance {
        arn: instance.arn.replace(id_of(&instance.arn), "0"),
        ..instance.clone()
    };
    assert!(
        unknown
            .connect(&front, true)
            .await
            .err()
            .unwrap()
            .starts_with(r#"{"InvalidInstanceException""#)
    );
    let forged = Instance {
        client: server.root.with("AKIAROOT", "wrong", None),
        ..instance.clone()
    };
    assert!(
        forged
            .connect(&front, true)
            .await
            .err()
            .unwrap()
            .starts_with(r#"{"InvalidSignatureException""#)
    );

    let deregister = ecs::DeregisterContainerInstanceRequest {
        cluster: Some("c".to_owned()),
        container_instance: instance.arn.clone(),
        force: None,
    };
    let mut agent = agent;
    server
        .root
        .ok::<ecs::op::DeregisterContainerInstance>(&deregister)
        .await;
    while agent.next().await.is_some() {}
    assert!(
        instance
            .connect(&front, true)
            .await
            .err()
            .unwrap()
            .starts_with(r#"{"InactiveInstanceException""#)
    );
}

/// Poll, but only in another cluster.
fn elsewhere_only() -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "ecs:Poll",
            "Resource": "*",
            "Condition": { "ArnEquals": { "ecs:cluster": format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/other") } }
        }]
    })
    .to_string()
}

#[tokio::test]
async fn a_permission_taken_away_ends_the_session() {
    let (server, front, _instance, _agent) = one_agent().await;
    let user = server.user("agent", &allow("ecs:*", "*")).await;
    let instance = Instance::register(&user, "c", &[]).await;
    let mut agent = instance.connect(&front, true).await.unwrap();
    let _: acs::TaskManifestMessage = agent.expect().await;
    let delete = iam::DeleteUserPolicyRequest {
        user_name: "agent".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUserPolicy>(&delete).await;
    while agent.next().await.is_some() {}
}

/// Sessions that neither beat nor look by the clock while a test runs.
const SLOW: Timing = Timing {
    heartbeat_min: Duration::from_secs(3_600),
    heartbeat_jitter: Duration::ZERO,
    check: Duration::from_secs(3_600),
    pause: Duration::from_millis(1),
    write: Duration::from_secs(5),
};

async fn start(server: &Server, instance: &Instance, definition: &str) -> String {
    let start = ecs::StartTaskRequest {
        cluster: Some("c".to_owned()),
        container_instances: vec![instance.arn.clone()],
        task_definition: definition.to_owned(),
        ..Default::default()
    };
    let started = server.root.ok::<ecs::op::StartTask>(&start).await;
    started.tasks.unwrap().pop().unwrap().task_arn.unwrap()
}

/// The instance of somebody who is about to leave, and its agent.
async fn leaver_s_agent(server: &Server, front: &Front, leaver: &Leaver) -> (Instance, Agent) {
    let instance = Instance::register(&leaver.client, "c", &[]).await;
    let mut agent = instance.connect(front, true).await.unwrap();
    let _: acs::TaskManifestMessage = agent.expect().await;
    eventually(server, "connected", |view| is_connected(view, &instance.arn)).await;
    (instance, agent)
}

async fn is_refused(server: &Server, instance: &Instance, agent: &mut Agent, how: Leaving) {
    let heard = agent.next().await.map(|frame| frame.kind);
    assert_eq!((heard, agent.close_code), (None, Some(1008)), "{how:?}");
    eventually(server, "disconnected", |view| !is_connected(view, &instance.arn)).await;
}

#[tokio::test]
async fn an_agent_whose_principal_has_ended_gets_no_payload_any_more() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let provider = Provider::open(&server).await;
    let front = Front::open_with(&server, SLOW).await;
    let definition = definition_with_roles(&server).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&server, &provider, how, "ecs:*").await;
        let (instance, mut agent) = leaver_s_agent(&server, &front, &leaver).await;
        start(&server, &instance, &definition).await;
        assert!(agent.take().await.tasks[0].role_credentials.is_some());
        leaver.leave(&server, &provider).await;
        start(&server, &instance, &definition).await;
        is_refused(&server, &instance, &mut agent, how).await;
    }
}

#[tokio::test]
async fn an_agent_whose_principal_has_ended_gets_no_fresh_credentials_any_more() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let provider = Provider::open(&server).await;
    let front = Front::open_with(&server, SLOW).await;
    let definition = definition_with_roles(&server).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&server, &provider, how, "ecs:*").await;
        let (instance, mut agent) = leaver_s_agent(&server, &front, &leaver).await;
        let task = start(&server, &instance, &definition).await;
        agent.take().await;
        instance.submit(&task, "RUNNING", &[("app", None)]).await;
        leaver.leave(&server, &provider).await;
        server.clock.advance_seconds(3 * 3_600 + 60);
        let touch = ecs::PutAttributesRequest {
            cluster: Some("c".to_owned()),
            attributes: vec![ecs::Attribute {
                name: "touched".to_owned(),
                target_id: Some(instance.arn.clone()),
                ..Default::default()
            }],
        };
        server.root.ok::<ecs::op::PutAttributes>(&touch).await;
        is_refused(&server, &instance, &mut agent, how).await;
    }
}

#[tokio::test]
async fn an_instance_shows_no_agent_soon_after_its_principal_has_ended() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let provider = Provider::open(&server).await;
    let seldom = Timing {
        check: Duration::from_millis(10),
        ..SLOW
    };
    let front = Front::open_with(&server, seldom).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&server, &provider, how, "ecs:*").await;
        let (instance, mut agent) = leaver_s_agent(&server, &front, &leaver).await;
        leaver.leave(&server, &provider).await;
        is_refused(&server, &instance, &mut agent, how).await;
    }
}

#[tokio::test]
async fn agent_5_3_telemetry_of_a_principal_that_has_ended_is_not_answered() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let provider = Provider::open(&server).await;
    let front = Front::open_with(&server, SLOW).await;
    for how in LEAVINGS {
        let leaver = Leaver::new(&server, &provider, how, "ecs:*").await;
        let (instance, _agent) = leaver_s_agent(&server, &front, &leaver).await;
        let mut telemetry = instance.connect_telemetry(&front).await.unwrap();
        let metrics = acs::PublishMetricsRequest::default();
        telemetry.publish(&metrics, false).await;
        let _: acs::AckPublishMetric = telemetry.expect().await;
        leaver.leave(&server, &provider).await;
        telemetry.publish(&metrics, false).await;
        let heard = telemetry.next().await.map(|frame| frame.kind);
        assert_eq!((heard, telemetry.close_code), (None, Some(1008)), "{how:?}");
    }
}

#[tokio::test]
async fn r157_a_role_that_stops_trusting_ecs_fails_the_task_before_it_starts() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let front = Front::open(&server).await;
    let instance = Instance::register(&server.root, "c", &[]).await;
    let mut agent = instance.connect(&front, true).await.unwrap();
    eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
    let definition = definition_with_roles(&server).await;
    let distrust = iam::UpdateAssumeRolePolicyRequest {
        role_name: "task".to_owned(),
        policy_document: serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }]
        })
        .to_string(),
    };
    server.root.ok::<iam::op::UpdateAssumeRolePolicy>(&distrust).await;
    let refused = server.root.err::<ecs::op::RunTask>(&run("c", &definition)).await;
    let expected = format!(
        "ClientException: ECS was unable to assume the role 'arn:aws:iam::{ACCOUNT}:role/task' that was provided for this task."
    );
    assert!(refused.starts_with(&expected), "{refused}");
    let _: acs::TaskManifestMessage = agent.expect().await;
}

#[tokio::test]
async fn agent_5_3_telemetry_is_answered_and_health_is_kept() {
    let (server, front, instance, mut agent) = one_agent().await;
    let definition = definition(&server, "web", |request| {
        let check = ecs::HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            ..Default::default()
        };
        request.container_definitions[0].health_check = Some(check);
    })
    .await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    agent.take().await;
    instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    assert_eq!(
        describe(&server, "c", &arn).await.health_status.as_deref(),
        Some("UNKNOWN")
    );

    let mut telemetry = instance.connect_telemetry(&front).await.unwrap();
    telemetry
        .publish(&acs::PublishMetricsRequest::default(), false)
        .await;
    let _: acs::AckPublishMetric = telemetry.expect().await;
    telemetry
        .publish(&acs::PublishInstanceStatusRequest::default(), false)
        .await;
    let _: acs::AckPublishInstanceStatus = telemetry.expect().await;
    let health = acs::PublishHealthRequest {
        tasks: Some(vec![acs::TaskHealth {
            task_arn: Some(arn.clone()),
            containers: Some(vec![acs::ContainerHealth {
                container_name: Some("app".to_owned()),
                health_status: Some("HEALTHY".to_owned()),
                ..Default::default()
            }]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    telemetry.publish(&health, false).await;
    let _: acs::AckPublishHealth = telemetry.expect().await;
    assert_eq!(
        describe(&server, "c", &arn).await.health_status.as_deref(),
        Some("HEALTHY")
    );
    telemetry.publish(&health, true).await;
    assert!(
        telemetry.next().await.is_none(),
        "a frame signed over other bytes ends the connection"
    );
}
