//! What ends with the credentials it began with: sessions of a key that is deactivated or deleted, and of a user who
//! leaves, also through role chaining, in another account and after a restart.

use std::sync::Arc;

use portcullis_api::{ecs, iam, sts};
use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::{Opened, open_in_memory};
use serde_json::json;

use crate::accounts::{account, assume, create_role, trust};
use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow};
use crate::scim::provider::Provider;

/// What a session that has ended answers.
const ENDED: &str = "UnrecognizedClientException";
/// What it answers where the protocol is Query.
const ENDED_QUERY: &str = "InvalidClientTokenId";

/// Sessions that all began with the key of `mia`.
struct Chains {
    key: Client,
    sessions: Vec<(&'static str, Client)>,
}

fn with(client: &Client, credentials: Option<sts::Credentials>) -> Client {
    let made = credentials.unwrap();
    client.with(
        &made.access_key_id,
        &made.secret_access_key,
        Some(&made.session_token),
    )
}

async fn role_session(client: &Client, role: &str) -> Client {
    let assumed = client.ok::<sts::op::AssumeRole>(&assume(role)).await;
    with(client, assumed.credentials)
}

/// A role that may list clusters and assume roles.
async fn role(client: &Client, name: &str, trust: &str) -> String {
    let arn = create_role(client, name, trust).await;
    let put = iam::PutRolePolicyRequest {
        role_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("*", "*"),
    };
    client.ok::<iam::op::PutRolePolicy>(&put).await;
    arn
}

async fn new_key(server: &Server, user: &str) -> Client {
    let create = iam::CreateAccessKeyRequest {
        user_name: Some(user.to_owned()),
    };
    let key = server
        .root
        .ok::<iam::op::CreateAccessKey>(&create)
        .await
        .access_key;
    server.root.with(&key.access_key_id, &key.secret_access_key, None)
}

async fn sessions_of(server: &Server, key: Client) -> Chains {
    let anybody = trust(&format!("arn:aws:iam::{ACCOUNT}:root"));
    let first = role(&server.root, "first", &anybody).await;
    let second = role(&server.root, "second", &anybody).await;
    let (_, other) = account(server, "other").await;
    let there = role(&other, "there", &anybody).await;

    let made = key.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let own = with(&key, made.credentials);
    let input = sts::GetFederationTokenRequest {
        name: "guest".to_owned(),
        policy: Some(allow("*", "*")),
        ..Default::default()
    };
    let made = key.ok::<sts::op::GetFederationToken>(&input).await;
    let federated = with(&key, made.credentials);
    let assumed = role_session(&key, &first).await;
    let chained = role_session(&assumed, &second).await;
    let by_token = role_session(&own, &first).await;
    let across = role_session(&chained, &there).await;
    let sessions = vec![
        ("GetSessionToken", own),
        ("GetFederationToken", federated),
        ("AssumeRole", assumed),
        ("chained", chained),
        ("AssumeRole of a GetSessionToken session", by_token),
        ("chained into another account", across),
    ];
    let opened = Chains { key, sessions };
    opened.all_live().await;
    opened
}

impl Chains {
    async fn all_live(&self) {
        for (name, session) in &self.sessions {
            let listed = session.call::<ecs::op::ListClusters>(&Default::default()).await;
            assert!(listed.is_ok(), "{name}: {listed:?}");
        }
    }

    async fn all_have_ended(&self) {
        for (name, session) in &self.sessions {
            let refused = session.err::<ecs::op::ListClusters>(&Default::default()).await;
            assert!(refused.starts_with(ENDED), "{name}: {refused}");
            let refused = session
                .err::<sts::op::GetCallerIdentity>(&Default::default())
                .await;
            assert!(refused.starts_with(ENDED_QUERY), "{name}: {refused}");
        }
    }
}

async fn set_status(server: &Server, key: &Client, status: &str) {
    let update = iam::UpdateAccessKeyRequest {
        user_name: Some("mia".to_owned()),
        access_key_id: key.access_key_id.clone(),
        status: status.to_owned(),
    };
    server.root.ok::<iam::op::UpdateAccessKey>(&update).await;
}

#[tokio::test]
async fn the_sessions_of_a_key_end_when_it_is_deactivated_and_stay_ended() {
    let server = Server::start().await;
    let key = server.user("mia", &allow("*", "*")).await;
    let opened = sessions_of(&server, key).await;
    let beside = new_key(&server, "mia").await;
    let made = beside.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let beside = with(&beside, made.credentials);

    set_status(&server, &opened.key, "Inactive").await;
    opened.all_have_ended().await;
    beside.ok::<ecs::op::ListClusters>(&Default::default()).await;

    set_status(&server, &opened.key, "Active").await;
    opened.key.ok::<ecs::op::ListClusters>(&Default::default()).await;
    opened.all_have_ended().await;
    server.clock.advance_seconds(1);
    let made = opened
        .key
        .ok::<sts::op::GetSessionToken>(&Default::default())
        .await;
    with(&opened.key, made.credentials)
        .ok::<ecs::op::ListClusters>(&Default::default())
        .await;
    // Said twice, nothing new ends.
    set_status(&server, &opened.key, "Active").await;
    beside.ok::<ecs::op::ListClusters>(&Default::default()).await;
}

#[tokio::test]
async fn the_sessions_of_a_key_end_when_it_is_deleted() {
    let server = Server::start().await;
    let key = server.user("mia", &allow("*", "*")).await;
    let opened = sessions_of(&server, key).await;
    let delete = iam::DeleteAccessKeyRequest {
        user_name: Some("mia".to_owned()),
        access_key_id: opened.key.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    opened.all_have_ended().await;
}

#[tokio::test]
async fn every_session_of_a_user_ends_when_he_leaves_and_none_comes_back_with_him() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let id = provider.user("mia").await;
    server.allow("mia", "p", &allow("*", "*")).await;
    let key = new_key(&server, "mia").await;
    let opened = sessions_of(&server, key).await;
    let path = format!("/Users/{id}");
    let set = |active: bool| json!([{ "op": "replace", "path": "active", "value": active }]);

    provider.patch(&path, set(false)).await.is(200);
    opened.all_have_ended().await;
    let refused = opened.key.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(refused.starts_with(ENDED), "{refused}");

    assert_eq!(provider.patch(&path, set(true)).await.is(200)["active"], true);
    opened.key.ok::<ecs::op::ListClusters>(&Default::default()).await;
    opened.all_have_ended().await;
    server.clock.advance_seconds(1);
    let made = opened
        .key
        .ok::<sts::op::GetSessionToken>(&Default::default())
        .await;
    with(&opened.key, made.credentials)
        .ok::<ecs::op::ListClusters>(&Default::default())
        .await;
}

#[tokio::test]
async fn every_session_of_a_user_ends_when_he_is_deleted() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let id = provider.user("mia").await;
    server.allow("mia", "p", &allow("*", "*")).await;
    let key = new_key(&server, "mia").await;
    let opened = sessions_of(&server, key).await;
    assert_eq!(provider.delete(&format!("/Users/{id}")).await.status, 204);
    opened.all_have_ended().await;
    // Somebody else of the same name opens no old door.
    provider.user("mia").await;
    server.allow("mia", "p", &allow("*", "*")).await;
    opened.all_have_ended().await;
}

#[tokio::test]
async fn a_user_who_left_is_away_after_a_restart_as_well() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(7))).unwrap();
    let (store, vault) = (opened.store.clone(), opened.vault.clone());
    let server = Server::over(opened, clock.clone()).await;
    let provider = Provider::open(&server).await;
    let id = provider.user("mia").await;
    server.allow("mia", "p", &allow("*", "*")).await;
    let mine = sessions_of(&server, new_key(&server, "mia").await).await;
    provider
        .patch(
            &format!("/Users/{id}"),
            json!([{ "op": "replace", "value": { "active": false } }]),
        )
        .await
        .is(200);

    let again = Server::over(Opened { store, vault }, clock).await;
    let on = |client: &Client| {
        let token = client.token.as_ref().map(portcullis_core::Secret::expose);
        again
            .root
            .with(&client.access_key_id, client.secret.expose(), token)
    };
    let here = Chains {
        key: on(&mine.key),
        sessions: mine.sessions.iter().map(|(name, one)| (*name, on(one))).collect(),
    };
    here.all_have_ended().await;
    let provider = Provider::listen(&again, provider.token, true).await;
    let shown = provider.get(&format!("/Users/{id}")).await.is(200);
    assert_eq!(shown["active"], false);
}
