//! Machines outside EC2 join by one-time tokens: activations of Systems Manager.

use portcullis_api::{iam, ssm, sts};
use portcullis_core::{SystemRandom, Timestamp};
use portcullis_wire::agent_proof::AgentKey;
use portcullis_wire::{ClientError, Operation};

use crate::harness::{ACCOUNT, Client, Server};

/// A role that Systems Manager gives to machines.
async fn role(server: &Server, name: &str, service: &str) {
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:SourceAccount": ACCOUNT } }
        }]
    });
    let create = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    };
    server.root.ok::<iam::op::CreateRole>(&create).await;
}

/// An activation's id and code.
async fn activation(server: &Server, limit: Option<i32>) -> (String, String) {
    let create = ssm::CreateActivationRequest {
        iam_role: "hosts".to_owned(),
        registration_limit: limit,
        default_instance_name: Some("shelf".to_owned()),
        ..Default::default()
    };
    let made = server.root.ok::<ssm::op::CreateActivation>(&create).await;
    (made.activation_id.unwrap(), made.activation_code.unwrap())
}

async fn start() -> Server {
    let server = Server::start().await;
    role(&server, "hosts", "ssm.amazonaws.com").await;
    server
}

async fn unsigned<O: Operation>(
    client: &Client,
    key: &AgentKey,
    holder: &str,
    input: &O::Input,
) -> Result<O::Output, ClientError> {
    let reply = client
        .unsigned::<O>(&client.proof::<O>(key, holder, input), input)
        .await;
    portcullis_wire::decode_reply::<O>(reply.status, &reply.body)
}

async fn join(client: &Client, key: &AgentKey, id: &str, code: &str) -> Result<String, String> {
    let input = ssm::RegisterManagedInstanceRequest {
        activation_id: id.to_owned(),
        activation_code: code.to_owned(),
        fingerprint: "f".to_owned(),
        public_key: key.public().to_string(),
        public_key_type: "Ed25519".to_owned(),
        ..Default::default()
    };
    let joined = unsigned::<ssm::op::RegisterManagedInstance>(client, key, id, &input).await;
    joined
        .map(|joined| joined.instance_id.unwrap())
        .map_err(|error| error.code().to_owned())
}

fn ask() -> ssm::RequestManagedInstanceRoleTokenRequest {
    ssm::RequestManagedInstanceRoleTokenRequest {
        fingerprint: "f".to_owned(),
    }
}

fn key() -> AgentKey {
    AgentKey::generate(&SystemRandom).unwrap()
}

#[tokio::test]
async fn an_activation_gives_a_machine_credentials_of_its_role_that_its_key_renews() {
    let server = start().await;
    let (id, code) = activation(&server, None).await;
    let key = key();
    let machine = join(&server.root, &key, &id, &code).await.unwrap();
    assert!(machine.starts_with("mi-") && machine.len() == 20, "{machine}");
    let mut keys = Vec::new();
    for _ in 0..2 {
        let token =
            unsigned::<ssm::op::RequestManagedInstanceRoleToken>(&server.root, &key, &machine, &ask())
                .await
                .unwrap();
        let me = server.root.with(
            &token.access_key_id.clone().unwrap(),
            &token.secret_access_key.unwrap(),
            token.session_token.as_deref(),
        );
        let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
        let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/hosts/{machine}");
        assert_eq!(who.arn.unwrap(), session);
        assert_eq!(
            token
                .token_expiration_date
                .unwrap()
                .seconds_since(server.root.now()),
            3_600
        );
        keys.push(token.access_key_id.unwrap());
        server.clock.advance_seconds(1_800);
    }
    assert_ne!(keys[0], keys[1]);
    let described = server
        .root
        .ok::<ssm::op::DescribeInstanceInformation>(&Default::default())
        .await;
    let shown = &described.instance_information_list.unwrap()[0];
    assert_eq!(shown.instance_id.as_deref(), Some(machine.as_str()));
    assert_eq!(
        (shown.ping_status.as_deref(), shown.name.as_deref()),
        (Some("Online"), Some("shelf"))
    );
}

#[tokio::test]
async fn an_activation_lets_in_as_many_as_it_says_and_no_one_more() {
    let server = start().await;
    for limit in [None, Some(3)] {
        let (id, code) = activation(&server, limit).await;
        let first = key();
        let machine = join(&server.root, &first, &id, &code).await.unwrap();
        // A machine that never heard the answer is not another one.
        assert_eq!(join(&server.root, &first, &id, &code).await, Ok(machine));
        for _ in 1..limit.unwrap_or(1) {
            join(&server.root, &key(), &id, &code).await.unwrap();
        }
        let refused = join(&server.root, &key(), &id, &code).await;
        assert_eq!(refused, Err("RegistrationLimitExceeded".to_owned()), "{limit:?}");
    }
}

#[tokio::test]
async fn an_activation_ends_with_its_time_with_itself_and_is_good_with_its_code_only() {
    let server = start().await;
    let (id, code) = activation(&server, Some(10)).await;
    let (other, _) = activation(&server, Some(10)).await;
    let invalid = Err("InvalidActivation".to_owned());
    let wrong = code.replace(|letter: char| letter.is_ascii_lowercase(), "0");
    let nowhere = "00000000-0000-0000-0000-000000000000".to_owned();
    for (id, code) in [(&id, &wrong), (&other, &code), (&nowhere, &code)] {
        assert_eq!(join(&server.root, &key(), id, code).await, invalid);
    }
    server.clock.advance_seconds(24 * 3_600 - 1);
    join(&server.root, &key(), &id, &code).await.unwrap();
    server.clock.advance_seconds(1);
    let late = join(&server.root, &key(), &id, &code).await;
    assert_eq!(late, Err("ActivationExpired".to_owned()));
    let (id, code) = activation(&server, Some(10)).await;
    let delete = ssm::DeleteActivationRequest {
        activation_id: id.clone(),
    };
    server.root.ok::<ssm::op::DeleteActivation>(&delete).await;
    assert_eq!(join(&server.root, &key(), &id, &code).await, invalid);
}

#[tokio::test]
async fn t20_only_the_machines_key_renews_its_credentials_and_each_proof_once() {
    let server = start().await;
    let (id, code) = activation(&server, None).await;
    let own = key();
    let machine = join(&server.root, &own, &id, &code).await.unwrap();
    type Token = ssm::op::RequestManagedInstanceRoleToken;
    for (key, holder) in [(&key(), machine.as_str()), (&own, "mi-00000000000000000")] {
        assert!(
            unsigned::<Token>(&server.root, key, holder, &ask())
                .await
                .is_err()
        );
    }
    let overheard = server.root.proof::<Token>(&own, &machine, &ask());
    assert_eq!(
        server.root.unsigned::<Token>(&overheard, &ask()).await.status,
        200
    );
    assert_eq!(
        server.root.unsigned::<Token>(&overheard, &ask()).await.status,
        400
    );
    assert_eq!(
        server.root.unsigned::<Token>("nonsense", &ask()).await.status,
        400
    );
    server.clock.advance_seconds(1);
    // A proof of possession is part of joining.
    let input = ssm::RegisterManagedInstanceRequest {
        public_key: own.public().to_string(),
        public_key_type: "Rsa".to_owned(),
        activation_id: id.clone(),
        activation_code: code,
        fingerprint: "f".to_owned(),
        ..Default::default()
    };
    let refused = unsigned::<ssm::op::RegisterManagedInstance>(&server.root, &own, &id, &input).await;
    assert_eq!(refused.unwrap_err().code(), "InvalidParameters");
}

#[tokio::test]
async fn a_machine_that_is_deregistered_loses_its_credentials_at_once() {
    let server = start().await;
    let (id, code) = activation(&server, None).await;
    let own = key();
    let machine = join(&server.root, &own, &id, &code).await.unwrap();
    type Token = ssm::op::RequestManagedInstanceRoleToken;
    let token = unsigned::<Token>(&server.root, &own, &machine, &ask())
        .await
        .unwrap();
    let me = server.root.with(
        &token.access_key_id.unwrap(),
        &token.secret_access_key.unwrap(),
        token.session_token.as_deref(),
    );
    me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    let deregister = ssm::DeregisterManagedInstanceRequest {
        instance_id: machine.clone(),
    };
    server
        .root
        .ok::<ssm::op::DeregisterManagedInstance>(&deregister)
        .await;
    let refused = me.err::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert!(refused.starts_with("InvalidClientTokenId"), "{refused}");
    server.clock.advance_seconds(1);
    let gone = unsigned::<Token>(&server.root, &own, &machine, &ask()).await;
    assert_eq!(
        gone.unwrap_err().to_string(),
        format!("InvalidInstanceId: Not existing InstanceId {machine}")
    );
}

#[tokio::test]
async fn activations_need_a_role_for_systems_manager_that_the_caller_may_pass() {
    let server = start().await;
    role(&server, "tasks", "ecs-tasks.amazonaws.com").await;
    let create = |role: &str, end: Option<Timestamp>| ssm::CreateActivationRequest {
        iam_role: role.to_owned(),
        expiration_date: end,
        ..Default::default()
    };
    for role in ["tasks", "nobody", "service-role/hosts"] {
        assert_eq!(
            server
                .root
                .err::<ssm::op::CreateActivation>(&create(role, None))
                .await,
            format!(
                "ValidationException: Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::{ACCOUNT}:role/{role}"
            )
        );
    }
    let now = server.root.now();
    for end in [now, now.plus_seconds(-1), now.plus_seconds(31 * 24 * 3_600)] {
        let refused = server
            .root
            .err::<ssm::op::CreateActivation>(&create("hosts", Some(end)))
            .await;
        assert!(refused.starts_with("ValidationException"), "{refused}");
    }
    let policy = |pass: &str| {
        serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "ssm:CreateActivation", "Resource": "*" },
            { "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": { "StringEquals": { "iam:PassedToService": pass } } },
        ]})
        .to_string()
    };
    let tasks = server.user("tasks", &policy("ecs-tasks.amazonaws.com")).await;
    let refused = tasks
        .err::<ssm::op::CreateActivation>(&create("hosts", None))
        .await;
    assert!(
        refused.contains(&format!(
            "iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/hosts"
        )),
        "{refused}"
    );
    let hosts = server.user("hosts", &policy("ssm.amazonaws.com")).await;
    hosts
        .ok::<ssm::op::CreateActivation>(&create("hosts", None))
        .await;
}

#[tokio::test]
async fn t23_the_code_is_in_no_record() {
    let server = start().await;
    let (id, code) = activation(&server, None).await;
    let own = key();
    let machine = join(&server.root, &own, &id, &code).await.unwrap();
    type Token = ssm::op::RequestManagedInstanceRoleToken;
    let token = unsigned::<Token>(&server.root, &own, &machine, &ask())
        .await
        .unwrap();
    let records = serde_json::to_string(&server.records().await).unwrap();
    for name in [
        "CreateActivation",
        "RegisterManagedInstance",
        "RequestManagedInstanceRoleToken",
    ] {
        assert!(records.contains(name), "{name}");
    }
    let view = server.gate.world().view();
    let row = serde_json::to_string(view.ssm.activations.get(&id).unwrap().as_ref()).unwrap();
    for secret in [
        code,
        token.secret_access_key.unwrap(),
        token.session_token.unwrap(),
    ] {
        assert!(!records.contains(&secret) && !row.contains(&secret));
    }
}
