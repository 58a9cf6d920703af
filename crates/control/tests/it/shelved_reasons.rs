//! Refusals are kept as what they were decided from, and explained when somebody asks: in the words they would have had
//! at once, whatever has changed since (R175).

use std::sync::Arc;

use portcullis_api::iam_toolbox::op::{GetRequestAuthorizationDetails, GetRequestAuthorizationPolicy};
use portcullis_api::{ecs, iam, iam_toolbox as toolbox, sts};
use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::{Opened, open_in_memory};
use portcullis_wire::Operation;
use serde_json::{Value, json};

use crate::accounts;
use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow, without_authorization_id};
use crate::reasons::denying;

async fn refused<O: Operation>(client: &Client, input: &O::Input) -> String {
    let error = client.call::<O>(input).await.err().unwrap().to_string();
    without_authorization_id(&error).1.unwrap()
}

/// Everything a reader can get: the details with what is ours, and the texts of the policies.
async fn told(reader: &Client, id: &str) -> (Value, Vec<String>) {
    let about = toolbox::GetRequestAuthorizationDetailsInput {
        authorization_id: id.to_owned(),
        portcullis: Some(true),
        ..Default::default()
    };
    let details = reader.ok::<GetRequestAuthorizationDetails>(&about).await;
    let details = portcullis_wire::json::to_value(&details);
    let mut texts = Vec::new();
    for policy in details["policies"].as_array().unwrap() {
        let text = toolbox::GetRequestAuthorizationPolicyInput {
            authorization_id: id.to_owned(),
            policy_uri: policy["uri"].as_str().unwrap().to_owned(),
        };
        let answer = reader.call::<GetRequestAuthorizationPolicy>(&text).await;
        texts.push(match answer {
            Ok(output) => output.policy_document.to_string(),
            Err(error) => error.to_string(),
        });
    }
    (details, texts)
}

fn needing_tls(action: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Tls", "Effect": "Allow", "Action": action, "Resource": "arn:aws:ecs:*:*:cluster/${aws:username}-*",
        "Condition": { "Bool": { "aws:SecureTransport": "true" }, "DateLessThan": { "aws:CurrentTime": "2020-01-01T00:00:00Z" } },
    }] })
    .to_string()
}

/// A user with an inline policy, two of AWS's, a group's and a boundary.
async fn of_many_policies(server: &Server) -> Client {
    let user = server
        .user("many", &denying("NoPlain", "ecs:CreateCluster"))
        .await;
    for policy in ["AmazonECS_FullAccess", "IAMFullAccess"] {
        let attach = iam::AttachUserPolicyRequest {
            user_name: "many".to_owned(),
            policy_arn: format!("arn:aws:iam::aws:policy/{policy}"),
        };
        server.root.ok::<iam::op::AttachUserPolicy>(&attach).await;
    }
    let group = || "crew".to_owned();
    let create = iam::CreateGroupRequest {
        group_name: group(),
        ..Default::default()
    };
    server.root.ok::<iam::op::CreateGroup>(&create).await;
    let put = iam::PutGroupPolicyRequest {
        group_name: group(),
        policy_name: "g".to_owned(),
        policy_document: needing_tls("ecs:*"),
    };
    server.root.ok::<iam::op::PutGroupPolicy>(&put).await;
    let add = iam::AddUserToGroupRequest {
        group_name: group(),
        user_name: "many".to_owned(),
    };
    server.root.ok::<iam::op::AddUserToGroup>(&add).await;
    let boundary = iam::PutUserPermissionsBoundaryRequest {
        user_name: "many".to_owned(),
        permissions_boundary: "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned(),
    };
    server
        .root
        .ok::<iam::op::PutUserPermissionsBoundary>(&boundary)
        .await;
    user
}

/// A session of a role, with a session policy and a tag.
async fn narrow_session(server: &Server, caller: &Client) -> Client {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": ["sts:AssumeRole", "sts:TagSession"] }] });
    let role = accounts::create_role(&server.root, "wide", &trust.to_string()).await;
    let put = iam::PutRolePolicyRequest {
        role_name: "wide".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("*", "*"),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let assume = sts::AssumeRoleRequest {
        policy: Some(allow("ecs:List*", "*")),
        ..accounts::assume(&role)
    };
    let keys = caller
        .ok::<sts::op::AssumeRole>(&assume)
        .await
        .credentials
        .unwrap();
    caller.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    )
}

/// Refusals of every kind of caller and of rule.
async fn refusals(server: &Server) -> Vec<String> {
    let create = ecs::CreateClusterRequest {
        cluster_name: Some("nobodys".to_owned()),
        tags: Some(vec![ecs::Tag {
            key: Some("team".to_owned()),
            value: Some("web".to_owned()),
        }]),
        ..Default::default()
    };
    // The organization first: which one there is belongs to no account's picture.
    let (other, elsewhere) = accounts::account(server, "other").await;
    let mut ids = Vec::new();
    let many = of_many_policies(server).await;
    ids.push(refused::<ecs::op::CreateCluster>(&many, &create).await);
    let none = server.user("none", "").await;
    ids.push(refused::<ecs::op::CreateCluster>(&none, &create).await);
    ids.push(refused::<iam::op::ListUsers>(&none, &Default::default()).await);
    let near = server.user("near", &needing_tls("ecs:CreateCluster")).await;
    ids.push(refused::<ecs::op::CreateCluster>(&near, &create).await);
    let assumer = server.user("assumer", &allow("sts:*", "*")).await;
    let session = narrow_session(server, &assumer).await;
    ids.push(refused::<ecs::op::CreateCluster>(&session, &create).await);
    let made = assumer.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let keys = made.credentials.unwrap();
    let by_token = assumer.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    );
    ids.push(refused::<sts::op::GetSessionToken>(&by_token, &Default::default()).await);
    let janes = accounts::trust(&format!("arn:aws:iam::{ACCOUNT}:user/none"));
    let there = accounts::create_role(&server.root, "there", &janes).await;
    let foreign = accounts::create_role(&elsewhere, "shared", &accounts::trust(&other)).await;
    let missing = format!("arn:aws:iam::{ACCOUNT}:role/missing");
    for role in [&there, &missing, &foreign] {
        ids.push(refused::<sts::op::AssumeRole>(&assumer, &accounts::assume(role)).await);
    }
    ids.push(refused::<sts::op::AssumeRole>(&server.root, &accounts::assume(&there)).await);
    let (thief, instance) = crate::registrant::thief(server).await;
    let again = crate::registrant::register_again(&instance);
    ids.push(refused::<ecs::op::RegisterContainerInstance>(&thief, &again).await);
    let registrar = server.user("registrar", &allow("ecs:*", "*")).await;
    let input: ecs::RegisterTaskDefinitionRequest = portcullis_wire::json::from_value(&json!({
        "family": "f", "taskRoleArn": there, "containerDefinitions": [{ "name": "c", "image": "i", "memory": 64 }],
    }))
    .unwrap();
    ids.push(refused::<ecs::op::RegisterTaskDefinition>(&registrar, &input).await);
    ids
}

#[tokio::test]
async fn r175_what_is_explained_later_says_the_same_whatever_has_changed() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let Opened { store, vault } = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let opened = || Opened {
        store: store.clone(),
        vault: vault.clone(),
    };
    let server = Server::over(opened(), clock.clone()).await;
    let ids = refusals(&server).await;
    let mut at_once = Vec::new();
    for id in &ids {
        at_once.push(told(&server.root, id).await);
    }
    for user in ["near", "assumer", "none", "registrar"] {
        server.allow(user, "p", &allow("*", "*")).await;
    }
    server.allow("many", "another", &allow("*", "*")).await;
    let delete = iam::DeleteRolePolicyRequest {
        role_name: "wide".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteRolePolicy>(&delete).await;
    let delete = iam::DeleteRoleRequest {
        role_name: "there".to_owned(),
    };
    server.root.ok::<iam::op::DeleteRole>(&delete).await;
    server.gate.settle();
    drop(server);

    let server = Server::over(opened(), clock.clone()).await;
    clock.advance_seconds(6 * 24 * 3_600);
    for (number, (id, at_once)) in ids.iter().zip(at_once).enumerate() {
        assert!(
            !at_once.0["evaluations"].as_array().unwrap().is_empty(),
            "{number}"
        );
        assert_eq!(told(&server.root, id).await, at_once, "{number}");
    }
}

#[tokio::test]
async fn refusals_of_one_caller_share_the_policies_that_are_kept() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let Opened { store, vault } = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let kept = |prefix: &str| store.range(prefix.as_bytes(), None, 1_000).unwrap().entries;
    let opened = Opened {
        store: store.clone(),
        vault,
    };
    let server = Server::over(opened, clock).await;
    let many = of_many_policies(&server).await;
    for _ in 0..40 {
        refused::<ecs::op::CreateCluster>(&many, &Default::default()).await;
    }
    server.allow("many", "another", &allow("ecs:List*", "*")).await;
    refused::<ecs::op::CreateCluster>(&many, &Default::default()).await;
    server.gate.settle();
    let refusals = kept("authorization/");
    assert_eq!(refusals.len(), 41);
    assert_eq!(kept("authorization-policies/").len(), 2);
    let heaviest = refusals.iter().map(|entry| entry.value.len()).max().unwrap();
    assert!(heaviest < 2_048, "{heaviest}");
}
