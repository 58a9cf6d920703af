//! T20, the replay of ECScape: a container has all of its instance role's keys and acts as the agent. What it gets: nothing,
//! and the operators hear of it. `registrant.rs` has the same for the keys of another machine.

use std::time::Duration;

use portcullis_api::{acs, ecs};
use portcullis_control::acs::Timing;
use portcullis_core::SystemRandom;
use portcullis_wire::agent_proof::AgentKey;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::acs::{definition_with_roles, one_agent};
use crate::agent::{Agent, Front, Instance, cluster, describe, eventually, is_connected, run};
use crate::harness::{Server, allow};
use crate::registrant::{instance_role, machine, register_again};

/// The bus's alerts, oldest first: name and operation.
fn alerts(server: &Server) -> Vec<(String, String)> {
    let world = server.gate.world();
    let batch = world.events().after(None, 4_096);
    let shown = batch.events.iter().map(|kept| kept.shown(world.account()));
    let alerts = shown.filter(|event| event["detail-type"] == "Portcullis Agent Identity Alert");
    alerts
        .map(|event| {
            assert_eq!(event["source"], "portcullis");
            let text = |name: &str| event["detail"][name].as_str().unwrap().to_owned();
            (text("eventName"), text("operation"))
        })
        .collect()
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

fn stopped(task: &str) -> ecs::SubmitTaskStateChangeRequest {
    ecs::SubmitTaskStateChangeRequest {
        cluster: Some("c".to_owned()),
        task: Some(task.to_owned()),
        status: Some("STOPPED".to_owned()),
        ..Default::default()
    }
}

#[tokio::test]
async fn t20_the_instances_own_keys_open_no_session_without_its_agents_key() {
    let (server, front, victim, _agent, _task) = machine_with_a_task().await;
    let without = Instance::of(&victim.arn, &victim.client, None);
    let own = AgentKey::generate(&SystemRandom).unwrap();
    let forged = Instance::of(&victim.arn, &victim.client, Some(own));
    for thief in [&without, &forged] {
        for refused in [
            thief.connect(&front, true).await.err(),
            thief.connect_telemetry(&front).await.err(),
        ] {
            let refused = refused.unwrap();
            assert!(refused.contains("the key of the container instance's agent did not sign"));
        }
    }
    // The agent never noticed, and the operators heard of it at once.
    assert!(is_connected(&server.gate.world().view(), &victim.arn));
    let told = |operation: &str| ("AGENT_IDENTITY_REFUSED".to_owned(), operation.to_owned());
    let alerts = alerts(&server);
    assert!(
        alerts.contains(&told("Poll")) && alerts.contains(&told("StartTelemetrySession")),
        "{alerts:?}"
    );
    let records = server.records().await;
    let refused =
        |record: &&serde_json::Value| record["eventName"] == "Poll" && record["errorCode"] == "AccessDenied";
    assert_eq!(records.iter().filter(refused).count(), 2);
}

#[tokio::test]
async fn t20_a_proof_opens_one_session_and_no_second() {
    let (server, front, victim, agent, _task) = machine_with_a_task().await;
    drop(agent);
    let overheard = victim.proof("Poll", &front);
    let mut agent = victim
        .connect_proving(&front, true, overheard.clone())
        .await
        .unwrap();
    let _: acs::TaskManifestMessage = agent.expect().await;
    let replayed = victim.connect_proving(&front, true, overheard.clone()).await;
    assert!(replayed.err().unwrap().contains("was used before"));
    assert!(
        alerts(&server)
            .iter()
            .any(|(name, _)| name == "AGENT_IDENTITY_REFUSED")
    );
    // Nor in another server's life: the record knows.
    let later = Front::open(&server).await;
    let moved = victim.connect_proving(&later, true, overheard).await;
    assert!(moved.is_err());
    // Nor for anything else.
    let telemetry = victim.proof("StartTelemetrySession", &front);
    assert!(victim.connect_proving(&front, true, telemetry).await.is_err());
    assert!(is_connected(&server.gate.world().view(), &victim.arn));
}

#[tokio::test]
async fn t20_the_instances_own_keys_register_nothing_that_gets_tasks() {
    let (server, front, victim, _agent, _task) = machine_with_a_task().await;
    let again = register_again(&victim.arn);
    let thief = AgentKey::generate(&SystemRandom).unwrap();
    let refused = victim
        .client
        .err::<ecs::op::RegisterContainerInstance>(&again)
        .await;
    assert!(
        refused.contains("the key of the container instance's agent did not sign"),
        "{refused}"
    );
    let refused = victim
        .client
        .call_with_key::<ecs::op::RegisterContainerInstance>(&thief, &victim.arn, &again)
        .await;
    assert!(refused.is_err());
    // Another instance of its own, with a key of its own: nobody lets it in, so nothing is placed there.
    let new = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        client_token: Some("thief".to_owned()),
        ..again
    };
    let made = victim
        .client
        .call_with_key::<ecs::op::RegisterContainerInstance>(&thief, "thief", &new)
        .await
        .unwrap();
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    assert!(victim.client.waits(&arn));
    let rogue = Instance::of(&arn, &victim.client, Some(thief));
    let refused = rogue.connect(&front, true).await.err().unwrap();
    assert!(
        refused.contains("AccessDeniedException") && refused.contains("waits for an operator"),
        "{refused}"
    );
    assert!(
        alerts(&server)
            .iter()
            .any(|(name, _)| name == "AGENT_AWAITS_APPROVAL")
    );
    // Nor can it be taken over by whoever repeats the agent's token.
    let repeated = ecs::RegisterContainerInstanceRequest {
        client_token: Some("thief".to_owned()),
        ..new
    };
    let refused = victim
        .client
        .call::<ecs::op::RegisterContainerInstance>(&repeated)
        .await;
    assert!(refused.is_err());
}

const OWN_TASKS: &str = "portcullis.capability.own-tasks-only";

/// `portcullis run`, twice by one developer: there is nothing to approve, since nobody else's tasks come there.
#[tokio::test]
async fn t20_an_instance_for_its_registrants_own_tasks_gets_no_others() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let front = Front::open(&server).await;
    let developer = server.user("developer", &allow("*", "*")).await;
    let host = Instance::register_only(&developer, "c", &[]).await;
    let own = Instance::register_only(&developer, "c", &[(OWN_TASKS, None)]).await;
    let another = Instance::register_only(&developer, "c", &[]).await;
    let waits = [&host, &own, &another].map(|one| developer.waits(&one.arn));
    assert_eq!(waits, [false, false, true]);
    let mut agent = own.connect(&front, true).await.unwrap();
    eventually(&server, "connected", |view| is_connected(view, &own.arn)).await;

    // What becomes of the attribute later makes no host of it.
    let unmark = ecs::DeleteAttributesRequest {
        cluster: Some("c".to_owned()),
        attributes: vec![ecs::Attribute {
            name: OWN_TASKS.to_owned(),
            target_id: Some(own.arn.clone()),
            ..Default::default()
        }],
    };
    developer.ok::<ecs::op::DeleteAttributes>(&unmark).await;
    let definition = definition_with_roles(&server).await;
    let start = ecs::StartTaskRequest {
        cluster: Some("c".to_owned()),
        container_instances: vec![own.arn.clone()],
        task_definition: definition.clone(),
        ..Default::default()
    };
    let by_root = server.root.ok::<ecs::op::StartTask>(&start).await.failures;
    let run = run("c", &definition);
    let placed = developer.ok::<ecs::op::RunTask>(&run).await.failures;
    for failures in [by_root, placed] {
        let here = |one: &&ecs::Failure| one.arn.as_ref() == Some(&own.arn);
        let failures = failures.unwrap();
        let refused = failures.iter().find(here).unwrap();
        assert_eq!(refused.reason.as_deref(), Some("ATTRIBUTE"));
    }
    let started = developer.ok::<ecs::op::StartTask>(&start).await;
    assert_eq!(started.failures.unwrap(), []);
    let task = started.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    assert_eq!(agent.take().await.tasks[0].arn, task);
}

#[tokio::test]
async fn t20_the_instances_own_keys_report_and_drain_nothing() {
    let (server, _front, victim, _agent, task) = machine_with_a_task().await;
    let client = &victim.client;
    let denied = "the key of the container instance's agent did not sign";
    let submitted = client
        .err::<ecs::op::SubmitTaskStateChange>(&stopped(&task))
        .await;
    assert!(submitted.contains(denied), "{submitted}");
    let drain = ecs::UpdateContainerInstancesStateRequest {
        cluster: Some("c".to_owned()),
        container_instances: vec![victim.arn.clone()],
        status: "DRAINING".to_owned(),
    };
    let drained = client.err::<ecs::op::UpdateContainerInstancesState>(&drain).await;
    assert!(drained.contains(denied), "{drained}");
    let deregister = ecs::DeregisterContainerInstanceRequest {
        cluster: Some("c".to_owned()),
        container_instance: victim.arn.clone(),
        force: Some(true),
    };
    // What it may ask tells it nothing.
    let asked = ecs::DiscoverPollEndpointRequest {
        container_instance: Some(victim.arn.clone()),
        cluster: Some("c".to_owned()),
        zone_id: None,
    };
    let told = client.ok::<ecs::op::DiscoverPollEndpoint>(&asked).await;
    assert!(told.endpoint.unwrap().ends_with("/acs/"));
    let shown = describe(&server, "c", &task).await;
    assert_eq!(shown.last_status.as_deref(), Some("RUNNING"));
    let ended = client
        .err::<ecs::op::DeregisterContainerInstance>(&deregister)
        .await;
    assert!(ended.contains(denied), "{ended}");
    // The agent itself still may.
    victim
        .call::<ecs::op::UpdateContainerInstancesState>(&drain)
        .await
        .unwrap();
    victim
        .call::<ecs::op::DeregisterContainerInstance>(&deregister)
        .await
        .unwrap();
}

fn end(instance: &str) -> ecs::DeregisterContainerInstanceRequest {
    ecs::DeregisterContainerInstanceRequest {
        cluster: Some("c".to_owned()),
        container_instance: instance.to_owned(),
        force: Some(true),
    }
}

#[tokio::test]
async fn t20_keys_outlive_their_instance_and_another_waits() {
    let (server, front, victim, _agent, _task) = machine_with_a_task().await;
    // An operator deregisters the instance: who only has its role's keys is not the next one.
    server
        .root
        .ok::<ecs::op::DeregisterContainerInstance>(&end(&victim.arn))
        .await;
    let thief = Instance::register_only(&victim.client, "c", &[]).await;
    assert!(victim.client.waits(&thief.arn));
    let refused = thief.connect(&front, true).await.err().unwrap();
    assert!(refused.contains("waits for an operator"), "{refused}");
    let plain = Instance::register_plain(&victim.client, "c", &[]).await;
    assert!(victim.client.waits(&plain.arn));
    // Those it registered in vain are gone before it comes back: by the operator's word, its own would not do.
    for rogue in [&thief.arn, &plain.arn] {
        server
            .root
            .ok::<ecs::op::DeregisterContainerInstance>(&end(rogue))
            .await;
    }
    // The agent comes back with its key, and needs nobody.
    let token = "again";
    let again = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        client_token: Some(token.to_owned()),
        ..register_again("")
    };
    let key = victim.key.as_ref().unwrap();
    let made = victim
        .client
        .call_with_key::<ecs::op::RegisterContainerInstance>(key, token, &again)
        .await
        .unwrap();
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    assert!(!victim.client.waits(&arn));
}

#[tokio::test]
async fn t20_the_instances_own_keys_end_no_instance_of_a_genuine_agent() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open(&server).await;
    let host = genuine(&server).await;
    for approved in [false, true] {
        if approved {
            assert_eq!(server.root.approve(&host.arn, "127.0.0.1").await.0, 200);
        }
        let refused = host
            .client
            .err::<ecs::op::DeregisterContainerInstance>(&end(&host.arn))
            .await;
        assert!(
            refused.contains("an agent without a key does not deregister"),
            "{refused}"
        );
    }
    server
        .root
        .ok::<ecs::op::DeregisterContainerInstance>(&end(&host.arn))
        .await;
    // Its principal is known by an agent without a key: one with a key is another.
    let thief = Instance::register_only(&host.client, "c", &[]).await;
    assert!(host.client.waits(&thief.arn));
    assert!(thief.connect(&front, true).await.is_err());
    // Whom an operator lets in is the one that is known from then on.
    assert_eq!(server.root.approve(&thief.arn, "127.0.0.1").await.0, 200);
    thief.connect(&front, true).await.unwrap();
}

#[tokio::test]
async fn t20_an_operator_approves_the_key_that_was_seen() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open(&server).await;
    let host = genuine(&server).await;
    let key = AgentKey::generate(&SystemRandom).unwrap();
    host.client
        .call_with_key::<ecs::op::RegisterContainerInstance>(&key, &host.arn, &register_again(&host.arn))
        .await
        .unwrap();
    let public = key.public().to_string();
    let thief = Instance::of(&host.arn, &host.client, Some(key));
    let other = AgentKey::generate(&SystemRandom).unwrap().public().to_string();
    for seen in [None, Some(other.as_str())] {
        let (status, answer) = server.root.approve_key(&host.arn, "127.0.0.1", seen).await;
        assert_eq!(
            (status, answer.contains("list the hosts again")),
            (409, true),
            "{answer}"
        );
        assert!(thief.connect(&front, true).await.is_err());
    }
    let (status, answer) = server
        .root
        .approve_key(&host.arn, "127.0.0.1", Some(&public))
        .await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn t20_a_newer_session_with_the_key_ends_the_older_and_is_told() {
    let (server, front, victim, mut first, _task) = machine_with_a_task().await;
    let mut second = victim.connect(&front, true).await.unwrap();
    while first.next().await.is_some() {}
    let _: acs::TaskManifestMessage = second.expect().await;
    assert!(is_connected(&server.gate.world().view(), &victim.arn));
    assert!(
        alerts(&server)
            .iter()
            .any(|(name, _)| name == "AGENT_SESSION_REPLACED")
    );
}

/// Sessions that hear nothing for a while go on.
fn patient() -> Timing {
    Timing {
        check: Duration::from_millis(10),
        ..Timing::default()
    }
}

/// A genuine agent: no key, and it calls from this machine.
async fn genuine(server: &Server) -> Instance {
    let mut client = machine(server, "i-9").await;
    client.peer.address = "127.0.0.1".to_owned();
    Instance::register_plain(&client, "c", &[]).await
}

#[tokio::test]
async fn a_genuine_agent_waits_for_an_operator_whom_iam_lets() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open(&server).await;
    let host = genuine(&server).await;
    // A refusal that it retries, not the one that sends it away for an hour (agent.md 5.2).
    let refused = host.connect(&front, true).await.err().unwrap();
    assert!(
        refused.contains("AccessDeniedException") && refused.contains("waits for an operator"),
        "{refused}"
    );
    let (_, listed) = server.root.hosts("GET", "?cluster=c", b"").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["hosts"][0]["standing"], "WAITING");
    assert_eq!(listed["hosts"][0]["registeredFrom"], "127.0.0.1");

    // Who runs tasks is not who lets machines in; nor does the instance's own role.
    let runner = server.user("runner", &allow("ecs:*", "*")).await;
    for nobody in [&runner, &host.client] {
        let (status, answer) = nobody.approve(&host.arn, "127.0.0.1").await;
        assert_eq!(status, 403, "{answer}");
        assert_eq!(nobody.hosts("GET", "", b"").await.0, 403);
    }
    let operator = server
        .user("operator", &allow("portcullis:ApproveHost", &host.arn))
        .await;
    for (source, status) in [
        ("172.17.0.2", 400),
        ("169.254.170.2", 400),
        ("nowhere", 400),
        ("127.0.0.1", 200),
    ] {
        let (got, answer) = operator.approve(&host.arn, source).await;
        assert_eq!(got, status, "{source}: {answer}");
    }
    host.connect(&front, true).await.unwrap();
    let records = server.records().await;
    let approved = records
        .iter()
        .find(|record| record["eventName"] == "ApproveHost" && record["errorCode"].is_null());
    assert_eq!(
        approved.unwrap()["requestParameters"]["containerInstance"],
        host.arn
    );
}

#[tokio::test]
async fn t20_a_genuine_agent_has_one_session_from_one_address() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open_with(&server, patient()).await;
    let host = genuine(&server).await;
    assert_eq!(server.root.approve(&host.arn, "127.0.0.1").await.0, 200);
    let mut agent = host.connect(&front, true).await.unwrap();
    let _: acs::TaskManifestMessage = agent.expect().await;
    eventually(&server, "connected", |view| is_connected(view, &host.arn)).await;
    // A container with the same keys comes second, and while the agent is there it stays out.
    let second = host.connect(&front, true).await.err().unwrap();
    assert!(second.contains("a session of it is open already"), "{second}");
    assert!(is_connected(&server.gate.world().view(), &host.arn));
    assert!(
        alerts(&server)
            .iter()
            .any(|(name, _)| name == "AGENT_IDENTITY_REFUSED")
    );
    // From anywhere else it neither registers nor reports.
    let mut elsewhere = host.client.clone();
    elsewhere.peer.address = "198.51.100.7".to_owned();
    let refused = elsewhere
        .err::<ecs::op::RegisterContainerInstance>(&register_again(&host.arn))
        .await;
    assert!(refused.contains("was approved for another address"), "{refused}");
    // Nor does it claim the instance by a key.
    let key = AgentKey::generate(&SystemRandom).unwrap();
    let claimed = host
        .client
        .call_with_key::<ecs::op::RegisterContainerInstance>(&key, &host.arn, &register_again(&host.arn))
        .await;
    assert!(
        claimed
            .unwrap_err()
            .to_string()
            .contains("approved without an agent key")
    );
    // Approved for another address, the agent is out at once.
    assert_eq!(server.root.approve(&host.arn, "198.51.100.7").await.0, 200);
    while agent.next().await.is_some() {}
    let refused = host.connect(&front, true).await.err().unwrap();
    assert!(refused.contains("was approved for another address"), "{refused}");
}

/// A line to the front. When its agent's machine dies, which it does without a word, the next packet is answered with a
/// reset, as by a machine that has started anew.
async fn mortal_line(front: &Front) -> (Front, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = front.behind(listener.local_addr().unwrap());
    let (dies, mut is_dead) = watch::channel(false);
    let address = front.address;
    tokio::spawn(async move {
        let (mut agent, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(address).await.unwrap();
        let died = async { is_dead.wait_for(|dead| *dead).await.is_ok() };
        let is_dead = tokio::select! {
            _ = copy_bidirectional(&mut agent, &mut server) => false,
            died = died => died,
        };
        if is_dead {
            let _ = server.read(&mut [0; 1_024]).await;
            server.set_zero_linger().unwrap();
        }
    });
    (line, dies)
}

#[tokio::test]
async fn a_genuine_agent_whose_machine_died_without_a_word_need_not_wait_until_it_is_missed() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    // Its own beats tell the server nothing for as long as this takes.
    let timing = Timing {
        heartbeat_min: Duration::from_secs(3_600),
        ..patient()
    };
    let front = Front::open_with(&server, timing).await;
    let host = genuine(&server).await;
    assert_eq!(server.root.approve(&host.arn, "127.0.0.1").await.0, 200);
    let (line, dies) = mortal_line(&front).await;
    let mut agent = host.connect(&line, true).await.unwrap();
    let _: acs::TaskManifestMessage = agent.expect().await;
    eventually(&server, "connected", |view| is_connected(view, &host.arn)).await;
    dies.send_replace(true);
    let mut tries = 0;
    let mut agent = loop {
        match host.connect(&front, true).await {
            Ok(agent) => break agent,
            Err(refused) => assert!(refused.contains("a session of it is open already"), "{refused}"),
        }
        tries += 1;
        assert!(tries < 10, "nobody found out");
    };
    let _: acs::TaskManifestMessage = agent.expect().await;
}

#[tokio::test]
async fn a_genuine_agent_that_closes_comes_back_at_once() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    instance_role(&server).await;
    let front = Front::open(&server).await;
    let host = genuine(&server).await;
    assert_eq!(server.root.approve(&host.arn, "127.0.0.1").await.0, 200);
    for _ in 0..3 {
        let mut agent = host.connect(&front, false).await.unwrap();
        let _: acs::TaskManifestMessage = agent.expect().await;
        agent.close().await;
    }
    assert!(
        !alerts(&server)
            .iter()
            .any(|(name, _)| name == "AGENT_IDENTITY_REFUSED")
    );
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_found_again_by_its_key() {
    let server = Server::start().await;
    cluster(&server, "c").await;
    let key = AgentKey::generate(&SystemRandom).unwrap();
    let request = ecs::RegisterContainerInstanceRequest {
        container_instance_arn: None,
        client_token: Some("token".to_owned()),
        ..register_again("")
    };
    let mut arns = Vec::new();
    for _ in 0..2 {
        let made = server
            .root
            .call_with_key::<ecs::op::RegisterContainerInstance>(&key, "token", &request)
            .await
            .unwrap();
        arns.push(made.container_instance.unwrap().container_instance_arn.unwrap());
    }
    assert_eq!(arns[0], arns[1]);
    assert!(!server.root.waits(&arns[0]));
    // A key that its bringer does not hold is none.
    let stranger = AgentKey::generate(&SystemRandom).unwrap();
    let other = ecs::RegisterContainerInstanceRequest {
        client_token: Some("other".to_owned()),
        ..request
    };
    let refused = server
        .root
        .call_with_key::<ecs::op::RegisterContainerInstance>(&stranger, "another name", &other)
        .await;
    assert!(refused.unwrap_err().to_string().contains("not proven"));
}

#[tokio::test]
async fn a_host_that_needs_no_approval_says_so() {
    let (server, _front, instance, _agent) = one_agent().await;
    let (status, answer) = server.root.approve(&instance.arn, "127.0.0.1").await;
    assert_eq!(
        (status, answer.contains("needs no approval")),
        (400, true),
        "{answer}"
    );
    let nowhere = instance.arn.replace("us-east-1", "eu-west-1");
    assert_eq!(server.root.approve(&nowhere, "127.0.0.1").await.0, 404);
    for (method, query, body, status) in [
        ("DELETE", "", "", 405),
        ("POST", "", "{}", 400),
        ("POST", "", "[", 400),
        ("GET", "?x=1", "", 400),
        ("GET", "?cluster=a%2Fb!", "", 400),
    ] {
        let (got, answer) = server.root.hosts(method, query, body.as_bytes()).await;
        assert_eq!(got, status, "{method} {query} {body}: {answer}");
    }
}
