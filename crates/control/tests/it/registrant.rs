//! A container instance belongs to the principal that registered it: T20, the replay of ECScape.

use portcullis_api::{acs, ecs, iam, sts};
use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::ContainerInstance;

use crate::acs::{definition_with_roles, one_agent};
use crate::agent::{Agent, Front, Instance, cluster, describe, eventually, is_connected, run};
use crate::harness::{ACCOUNT, Client, Server, allow};

const AGENT_POLICY: &str = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role";

/// Whoever hands machines their credentials.
async fn machines(server: &Server) -> Client {
    let number = server.gate.world().view().users.iter().count();
    server
        .user(&format!("ec2-{number}"), &allow("sts:AssumeRole", "*"))
        .await
}

/// A session of role `instances`, which has the managed policy of container instances' roles.
pub async fn machine(server: &Server, session: &str) -> Client {
    let caller = machines(server).await;
    let assume = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/instances"),
        role_session_name: session.to_owned(),
        ..Default::default()
    };
    let assumed = caller.ok::<sts::op::AssumeRole>(&assume).await;
    let keys = assumed.credentials.unwrap();
    caller.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    )
}

pub async fn instance_role(server: &Server) {
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole" }]
    });
    let create = iam::CreateRoleRequest {
        role_name: "instances".to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    };
    server.root.ok::<iam::op::CreateRole>(&create).await;
    let attach = iam::AttachRolePolicyRequest {
        role_name: "instances".to_owned(),
        policy_arn: AGENT_POLICY.to_owned(),
    };
    server.root.ok::<iam::op::AttachRolePolicy>(&attach).await;
}

/// What a session of the instances' role is told when it acts for another machine's instance.
fn not_yours(session: &str, action: &str, instance: &str) -> String {
    format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/instances/{session} is not authorized to perform: {action} on resource: {instance} because another principal registered the container instance"
    )
}

/// A machine's registration anew.
pub fn register_again(instance: &str) -> ecs::RegisterContainerInstanceRequest {
    let number = |name: &str| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(4096),
        ..Default::default()
    };
    ecs::RegisterContainerInstanceRequest {
        cluster: Some("c".to_owned()),
        container_instance_arn: Some(instance.to_owned()),
        total_resources: Some(vec![number("CPU"), number("MEMORY")]),
        ..Default::default()
    }
}

/// Machine `i-1` with its agent and a running task that has roles.
async fn machine_with_a_task() -> (Server, Front, Instance, Agent, String) {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open(&server).await;
    let victim = Instance::register(&machine(&server, "i-1").await, "c", &[]).await;
    let mut agent = victim.connect(&front, true).await.unwrap();
    eventually(&server, "connected", |view| is_connected(view, &victim.arn)).await;
    let definition = definition_with_roles(&server).await;
    let ran = server.root.ok::<ecs::op::RunTask>(&run("c", &definition)).await;
    let task = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    agent.take().await;
    victim.submit(&task, "RUNNING", &[("app", None)]).await;
    (server, front, victim, agent, task)
}

#[tokio::test]
async fn t20_keys_of_another_machine_of_the_same_role_open_nothing() {
    let (server, front, victim, _agent, task) = machine_with_a_task().await;
    let thief = Instance {
        client: machine(&server, "i-2").await,
        ..victim.clone()
    };
    let refusal = |action: &str| {
        let text = not_yours("i-2", action, &victim.arn);
        serde_json::json!({ "AccessDeniedException": text }).to_string()
    };
    let polled = thief.connect(&front, true).await.err().unwrap();
    assert_eq!(polled, refusal("ecs:Poll"));
    let told = thief.connect_telemetry(&front).await.err().unwrap();
    assert_eq!(told, refusal("ecs:StartTelemetrySession"));
    let stopped = ecs::SubmitTaskStateChangeRequest {
        cluster: Some("c".to_owned()),
        task: Some(task.clone()),
        status: Some("STOPPED".to_owned()),
        ..Default::default()
    };
    let denied = |action: &str| format!("AccessDeniedException: {}", not_yours("i-2", action, &victim.arn));
    assert_eq!(
        thief.client.err::<ecs::op::SubmitTaskStateChange>(&stopped).await,
        denied("ecs:SubmitTaskStateChange")
    );
    let stopped = ecs::SubmitContainerStateChangeRequest {
        cluster: Some("c".to_owned()),
        task: Some(task.clone()),
        container_name: Some("app".to_owned()),
        status: Some("STOPPED".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        thief
            .client
            .err::<ecs::op::SubmitContainerStateChange>(&stopped)
            .await,
        denied("ecs:SubmitContainerStateChange")
    );
    let again = register_again(&victim.arn);
    assert_eq!(
        thief
            .client
            .err::<ecs::op::RegisterContainerInstance>(&again)
            .await,
        denied("ecs:RegisterContainerInstance")
    );

    // The agent never noticed, and stays itself under new keys.
    assert!(is_connected(&server.gate.world().view(), &victim.arn));
    let shown = describe(&server, "c", &task).await;
    assert_eq!(shown.last_status.as_deref(), Some("RUNNING"));
    let renewed = Instance {
        client: machine(&server, "i-1").await,
        ..victim.clone()
    };
    renewed
        .call::<ecs::op::RegisterContainerInstance>(&again)
        .await
        .unwrap();
    let mut agent = renewed.connect(&front, true).await.unwrap();
    let _: acs::IAMRoleCredentialsMessage = agent.expect().await;
    renewed.submit(&task, "STOPPED", &[("app", Some(0))]).await;
}

/// A machine that would like to be another, and the instance that one registered.
pub async fn thief(server: &Server) -> (Client, String) {
    cluster(server, "c").await;
    instance_role(server).await;
    let first = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        ..register_again("")
    };
    let owner = machine(server, "i-1").await;
    let made = owner.ok::<ecs::op::RegisterContainerInstance>(&first).await;
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    (machine(server, "i-2").await, arn)
}

#[tokio::test]
async fn t20_a_registration_cannot_be_repeated_with_a_stolen_token() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let first = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        client_token: Some("token".to_owned()),
        ..register_again("")
    };
    let owner = machine(&server, "i-1").await;
    let made = owner.ok::<ecs::op::RegisterContainerInstance>(&first).await;
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    let thief = machine(&server, "i-2").await;
    assert_eq!(
        thief.err::<ecs::op::RegisterContainerInstance>(&first).await,
        format!(
            "AccessDeniedException: {}",
            not_yours("i-2", "ecs:RegisterContainerInstance", &arn)
        )
    );
}

#[tokio::test]
async fn t20_an_instance_of_before_belongs_to_whoever_registers_next() {
    let (server, front, instance, agent) = one_agent().await;
    agent.close().await;
    let forget = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        let found = tx
            .view()
            .ecs
            .container_instances
            .iter()
            .map(|(_, one)| ContainerInstance::clone(one))
            .find(|one| one.arn.as_str() == instance.arn);
        tx.put(ContainerInstance {
            registered_by: None,
            ..found.unwrap()
        });
        Ok(())
    };
    server.gate.world().write(forget).await.unwrap();
    let other = Instance {
        client: server.user("agent", &allow("ecs:*", "*")).await,
        ..instance.clone()
    };
    let mut before = instance.connect(&front, false).await.unwrap();
    let _: acs::TaskManifestMessage = before.expect().await;
    let again = register_again(&instance.arn);
    other
        .client
        .ok::<ecs::op::RegisterContainerInstance>(&again)
        .await;
    while before.next().await.is_some() {}
    assert!(instance.connect(&front, false).await.is_err());
    assert!(other.connect(&front, false).await.is_ok());
}

#[tokio::test]
async fn t20_every_session_is_on_record_with_its_caller() {
    let (server, front, instance, mut first) = one_agent().await;
    let mut second = instance.connect(&front, true).await.unwrap();
    while first.next().await.is_some() {}
    let _: acs::TaskManifestMessage = second.expect().await;
    let stranger = Instance {
        client: server.user("other", &allow("ecs:*", "*")).await,
        ..instance.clone()
    };
    stranger.connect(&front, true).await.err().unwrap();
    let records = server.records().await;
    let polls: Vec<_> = records
        .iter()
        .filter(|record| record["eventName"] == "Poll")
        .collect();
    assert_eq!(polls.len(), 3);
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let allowed: Vec<_> = polls
        .iter()
        .filter(|record| record["errorCode"].is_null())
        .collect();
    assert_eq!(allowed.len(), 2);
    for record in allowed {
        assert_eq!(record["userIdentity"]["arn"], root);
        assert_eq!(record["requestParameters"]["containerInstanceArn"], instance.arn);
    }
    let refused = polls
        .iter()
        .find(|record| record["errorCode"] == "AccessDenied")
        .unwrap();
    assert_eq!(
        refused["userIdentity"]["arn"],
        format!("arn:aws:iam::{ACCOUNT}:user/other")
    );
}

#[tokio::test]
async fn two_users_sessions_of_one_name_are_not_one_registrant() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let mut sessions = Vec::new();
    for name in ["mia", "eve"] {
        let user = server.user(name, &allow("*", "*")).await;
        let input = sts::GetFederationTokenRequest {
            name: "agent".to_owned(),
            policy: Some(allow("ecs:*", "*")),
            ..Default::default()
        };
        let made = user.ok::<sts::op::GetFederationToken>(&input).await;
        let keys = made.credentials.unwrap();
        sessions.push(user.with(
            &keys.access_key_id,
            &keys.secret_access_key,
            Some(&keys.session_token),
        ));
    }
    let register = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        ..register_again("")
    };
    let made = sessions[0]
        .ok::<ecs::op::RegisterContainerInstance>(&register)
        .await;
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    sessions[0]
        .ok::<ecs::op::RegisterContainerInstance>(&register_again(&arn))
        .await;
    let refused = sessions[1]
        .err::<ecs::op::RegisterContainerInstance>(&register_again(&arn))
        .await;
    assert!(
        refused.ends_with("because another principal registered the container instance"),
        "{refused}"
    );
}
