//! What is known of last uses, how it lasts, and how it ends.

use std::sync::Arc;

use portcullis_api::iam::{self as api, op};
use portcullis_api::{ecs, sts};
use portcullis_control::advisor;
use portcullis_core::{FixedClock, SeededRandom, Timestamp};
use portcullis_store::{Opened, open_in_memory};

use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow};

const DAY: i64 = 24 * 3600;

/// A role that everybody of the account may assume, with a policy.
async fn role(server: &Server, name: &str, policy: &str) -> String {
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": ["sts:AssumeRole", "sts:TagSession"] }]
    });
    let create = api::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    };
    let made = server.root.ok::<op::CreateRole>(&create).await.role;
    let put = api::PutRolePolicyRequest {
        role_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: policy.to_owned(),
    };
    server.root.ok::<op::PutRolePolicy>(&put).await;
    made.arn
}

async fn session(client: &Client, role: &str) -> Client {
    let assume = sts::AssumeRoleRequest {
        role_arn: role.to_owned(),
        role_session_name: "session".to_owned(),
        ..Default::default()
    };
    let made = client
        .ok::<sts::op::AssumeRole>(&assume)
        .await
        .credentials
        .unwrap();
    client.with(
        &made.access_key_id,
        &made.secret_access_key,
        Some(&made.session_token),
    )
}

async fn list_clusters(client: &Client) {
    // Whether it is allowed does not matter here.
    let _ = client.call::<ecs::op::ListClusters>(&Default::default()).await;
}

async fn role_last_used(server: &Server, name: &str) -> Option<(Timestamp, String)> {
    let get = api::GetRoleRequest {
        role_name: name.to_owned(),
    };
    let role = server.root.ok::<op::GetRole>(&get).await.role;
    let last = role.role_last_used.unwrap();
    Some((last.last_used_date?, last.region?))
}

async fn key_last_used(server: &Server, key: &str) -> Option<Timestamp> {
    let request = api::GetAccessKeyLastUsedRequest {
        access_key_id: key.to_owned(),
    };
    let reply = server.root.ok::<op::GetAccessKeyLastUsed>(&request).await;
    reply.access_key_last_used.unwrap().last_used_date
}

/// What a user tried of ECS, as the picture and the notes have it.
fn attempts(server: &Server, user: &str) -> Vec<String> {
    let world = server.gate.world();
    let view = world.view();
    let id = &view.user(user).unwrap().id;
    let since = advisor::tracked_since(world.clock().now());
    let attempts = advisor::attempts(&view, world.uses(), id, since);
    attempts
        .get("ecs")
        .into_iter()
        .flatten()
        .map(|(action, _)| action.clone())
        .collect()
}

#[tokio::test]
async fn a_call_writes_nothing_for_its_last_use() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let before = server.gate.world().view().sequence;
    for _ in 0..3 {
        list_clusters(&user).await;
    }
    assert_eq!(server.gate.world().view().sequence, before);
    assert_eq!(attempts(&server, "u"), ["ListClusters"]);
    advisor::keep(server.gate.world()).await;
    assert!(server.gate.world().view().sequence > before);
    assert_eq!(attempts(&server, "u"), ["ListClusters"]);
}

#[tokio::test]
async fn nothing_new_is_nothing_to_write() {
    let server = Server::start().await;
    advisor::keep(server.gate.world()).await;
    let before = server.gate.world().view().sequence;
    advisor::keep(server.gate.world()).await;
    assert_eq!(server.gate.world().view().sequence, before);
}

#[tokio::test]
async fn what_was_written_down_survives_a_crash_and_the_rest_does_not() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let (store, vault) = (opened.store.clone(), opened.vault.clone());
    let server = Server::over(opened, clock.clone()).await;
    let user = server.user("u", "").await;
    list_clusters(&user).await;
    advisor::keep(server.gate.world()).await;
    clock.advance_seconds(90);
    user.call::<ecs::op::ListTasks>(&Default::default())
        .await
        .unwrap_err();
    assert_eq!(attempts(&server, "u"), ["ListClusters", "ListTasks"]);
    let key = user.access_key_id.clone();
    drop((server, user));

    let again = Server::over(Opened { store, vault }, clock.clone()).await;
    assert_eq!(attempts(&again, "u"), ["ListClusters"]);
    assert_eq!(
        key_last_used(&again, &key).await,
        Some(BEGINNING.parse().unwrap())
    );
}

#[tokio::test]
async fn a_role_was_last_used_when_a_session_of_it_called_even_if_denied() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:AssumeRole", "*")).await;
    let arn = role(&server, "r", &allow("iam:ListUsers", "*")).await;
    let session = session(&user, &arn).await;
    assert_eq!(role_last_used(&server, "r").await, None);
    list_clusters(&session.region("eu-west-1")).await;
    let beginning: Timestamp = BEGINNING.parse().unwrap();
    assert_eq!(
        role_last_used(&server, "r").await,
        Some((beginning, "eu-west-1".to_owned()))
    );
    // Also when it is written down, and with what came later.
    advisor::keep(server.gate.world()).await;
    assert_eq!(
        role_last_used(&server, "r").await,
        Some((beginning, "eu-west-1".to_owned()))
    );
    server.clock.advance_seconds(5);
    session
        .region("eu-west-1")
        .ok::<op::ListUsers>(&Default::default())
        .await;
    let later = Some((beginning.plus_seconds(5), "us-east-1".to_owned()));
    assert_eq!(role_last_used(&server, "r").await, later);
    // The session's key is no long-term key, and the user is not the role.
    assert_eq!(attempts(&server, "u"), [""; 0]);
}

#[tokio::test]
async fn a_calls_other_checks_count_as_attempts_but_passing_a_role_does_not() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let create = ecs::CreateClusterRequest {
        tags: Some(vec![ecs::Tag {
            key: Some("a".to_owned()),
            value: Some("b".to_owned()),
        }]),
        ..Default::default()
    };
    user.call::<ecs::op::CreateCluster>(&create).await.unwrap_err();
    assert_eq!(attempts(&server, "u"), ["CreateCluster", "TagResource"]);
    let register = ecs::RegisterTaskDefinitionRequest {
        family: "f".to_owned(),
        task_role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/r")),
        ..Default::default()
    };
    user.call::<ecs::op::RegisterTaskDefinition>(&register)
        .await
        .unwrap_err();
    let world = server.gate.world();
    let view = world.view();
    let id = &view.user("u").unwrap().id;
    let all = advisor::attempts(&view, world.uses(), id, Timestamp::default());
    assert!(!all.contains_key("iam"), "{all:?}");
}

#[tokio::test]
async fn uses_are_tracked_for_400_days() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    list_clusters(&user).await;
    advisor::keep(server.gate.world()).await;
    server.clock.advance_seconds(400 * DAY);
    assert_eq!(attempts(&server, "u"), ["ListClusters"]);
    advisor::forget(server.gate.world()).await;
    assert_eq!(server.gate.world().view().service_uses.len(), 1);
    server.clock.advance_seconds(1);
    assert_eq!(attempts(&server, "u"), [""; 0]);
    advisor::forget(server.gate.world()).await;
    assert!(server.gate.world().view().service_uses.is_empty());
}

#[tokio::test]
async fn a_new_user_of_an_old_name_has_used_nothing() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    list_clusters(&user).await;
    advisor::keep(server.gate.world()).await;
    // Noted, but not written down before the user goes.
    user.call::<ecs::op::ListTasks>(&Default::default())
        .await
        .unwrap_err();
    let delete = api::DeleteAccessKeyRequest {
        user_name: Some("u".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<op::DeleteAccessKey>(&delete).await;
    let delete = api::DeleteUserRequest {
        user_name: "u".to_owned(),
    };
    server.root.ok::<op::DeleteUser>(&delete).await;
    server.user("u", "").await;
    assert_eq!(attempts(&server, "u"), [""; 0]);
    advisor::keep(server.gate.world()).await;
    advisor::forget(server.gate.world()).await;
    let view = server.gate.world().view();
    assert!(view.service_uses.is_empty());
    assert!(view.key_uses.get(&user.access_key_id).is_none());
}

#[tokio::test]
async fn thousands_of_principals_are_written_down_in_one_round() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:AssumeRole", "*")).await;
    let mut names = Vec::new();
    for number in 0..450 {
        let name = format!("r{number}");
        let arn = role(&server, &name, &allow("ecs:ListClusters", "*")).await;
        list_clusters(&session(&user, &arn).await).await;
        names.push(name);
    }
    let before = server.gate.world().view().sequence;
    advisor::keep(server.gate.world()).await;
    let view = server.gate.world().view();
    assert!(names.iter().all(|name| {
        let id = &view.role(name).unwrap().id;
        view.service_uses.get(&format!("{id}/ecs")).is_some()
    }));
    assert!(
        view.sequence - before <= 40,
        "one change for many, not one for each"
    );
}

#[tokio::test]
async fn each_account_keeps_the_uses_of_its_own() {
    let server = Server::start().await;
    let (id, other) = crate::accounts::account(&server, "other").await;
    list_clusters(&other).await;
    server.accounts.keep().await;
    let rows = |gate: &portcullis_control::gate::Gate| {
        let view = gate.world().view();
        let rows = view.service_uses.iter();
        rows.map(|(_, row)| {
            (
                row.service.clone(),
                row.actions.keys().cloned().collect::<Vec<_>>(),
            )
        })
        .collect::<Vec<_>>()
    };
    let member = server.accounts.get(&id.parse().unwrap()).unwrap();
    let of = |service: &str, action: &str| (service.to_owned(), vec![action.to_owned()]);
    assert_eq!(rows(&member.gate), [of("ecs", "ListClusters")]);
    // The role was assumed by a user of the first account.
    assert_eq!(rows(&server.gate), [of("sts", "AssumeRole")]);
}
