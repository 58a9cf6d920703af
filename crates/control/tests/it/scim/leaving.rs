//! Deprovisioning: what was given ends with the next request.

use portcullis_api::iam::{self, op};
use portcullis_api::{ecs, sts};
use serde_json::{Value, json};

use super::provider::{GROUP, Provider, token};
use crate::harness::{Client, Server, allow};

/// A user with a key, an open session and a group that lets it list clusters.
struct Colleague {
    id: String,
    key: Client,
    session: Client,
}

async fn colleague(server: &Server, provider: &Provider) -> Colleague {
    let id = provider.user("mia").await;
    let body = json!({ "schemas": [GROUP], "displayName": "developers", "members": [{ "value": id }] });
    provider.post("/Groups", &body).await.is(201);
    let put = iam::PutGroupPolicyRequest {
        group_name: "developers".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("ecs:*", "*"),
    };
    server.root.ok::<op::PutGroupPolicy>(&put).await;
    let create = iam::CreateAccessKeyRequest {
        user_name: Some("mia".to_owned()),
    };
    let made = server.root.ok::<op::CreateAccessKey>(&create).await.access_key;
    let key = server
        .root
        .with(&made.access_key_id, &made.secret_access_key, None);
    let session = session(server, &key).await;
    for client in [&key, &session] {
        client.ok::<ecs::op::ListClusters>(&Default::default()).await;
    }
    Colleague { id, key, session }
}

async fn session(server: &Server, key: &Client) -> Client {
    let made = key
        .ok::<sts::op::GetSessionToken>(&Default::default())
        .await
        .credentials
        .unwrap();
    server.root.with(
        &made.access_key_id,
        &made.secret_access_key,
        Some(&made.session_token),
    )
}

async fn refused(client: &Client) -> String {
    let error = client.err::<ecs::op::ListClusters>(&Default::default()).await;
    error.split(':').next().unwrap().to_owned()
}

fn set_active(active: Value) -> Value {
    json!([{ "op": "Replace", "path": "active", "value": active }])
}

#[tokio::test]
async fn a_deactivated_user_is_refused_with_the_next_request() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = colleague(&server, &provider).await;
    let path = format!("/Users/{}", mia.id);
    // Some clients write truth as text.
    let left = provider.patch(&path, set_active(json!("False"))).await.is(200);
    assert_eq!((&left["active"], &left["groups"]), (&json!(false), &json!([])));
    for client in [&mia.key, &mia.session] {
        assert_eq!(refused(client).await, "UnrecognizedClientException");
    }
    let list = iam::ListAccessKeysRequest {
        user_name: Some("mia".to_owned()),
        ..Default::default()
    };
    let keys = server
        .root
        .ok::<op::ListAccessKeys>(&list)
        .await
        .access_key_metadata;
    assert_eq!(keys[0].status.as_deref(), Some("Inactive"));

    // Every step is in the history, done by the provider's user.
    let records = server.records().await;
    for event in ["DeactivateUser", "UpdateAccessKey", "RemoveUserFromGroup"] {
        let record = records
            .iter()
            .find(|record| record["eventName"] == event)
            .unwrap();
        assert_eq!(record["userIdentity"]["userName"], "okta", "{event}");
        assert_eq!(record["requestParameters"]["userName"], "mia", "{event}");
        assert_eq!(record["userAgent"], "provider", "{event}");
        assert!(
            record["userIdentity"]["accessKeyId"]
                .as_str()
                .unwrap()
                .starts_with("ACCA")
        );
    }

    // Saying nothing activates nobody; coming back gives back the keys, no memberships and no session.
    let body = json!({ "schemas": [super::provider::USER], "userName": "mia" });
    assert_eq!(provider.put(&path, &body).await.is(200)["active"], false);
    let back = provider.patch(&path, set_active(json!(true))).await.is(200);
    assert_eq!((&back["active"], &back["groups"]), (&json!(true), &json!([])));
    server.allow("mia", "own", &allow("ecs:*", "*")).await;
    mia.key.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert_eq!(refused(&mia.session).await, "UnrecognizedClientException");
    server.clock.advance_seconds(1);
    let fresh = session(&server, &mia.key).await;
    fresh.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert_eq!(refused(&mia.session).await, "UnrecognizedClientException");
}

async fn new_key(server: &Server) -> Client {
    let create = iam::CreateAccessKeyRequest {
        user_name: Some("mia".to_owned()),
    };
    let made = server.root.ok::<op::CreateAccessKey>(&create).await.access_key;
    server
        .root
        .with(&made.access_key_id, &made.secret_access_key, None)
}

async fn set_key(server: &Server, key: &Client, status: &str) {
    let input = iam::UpdateAccessKeyRequest {
        user_name: Some("mia".to_owned()),
        access_key_id: key.access_key_id.clone(),
        status: status.to_owned(),
    };
    server.root.ok::<op::UpdateAccessKey>(&input).await;
}

#[tokio::test]
async fn coming_back_gives_back_what_worked_and_nothing_else_works_in_between() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = colleague(&server, &provider).await;
    server.allow("mia", "own", &allow("*", "*")).await;
    let path = format!("/Users/{}", mia.id);
    // Her own token for SCIM is one of the things that end.
    let hers = Provider::listen(&server, token(&server.root, "mia", None).await, true).await;
    hers.get(&path).await.is(200);
    let off = new_key(&server).await;
    set_key(&server, &off, "Inactive").await;
    provider.patch(&path, set_active(json!(false))).await.is(200);
    provider.patch(&path, set_active(json!(false))).await.is(200);
    hers.get(&path).await.is(401);

    // Neither a key nor a permission given meanwhile opens the door.
    set_key(&server, &mia.key, "Active").await;
    server.allow("mia", "more", &allow("*", "*")).await;
    assert_eq!(refused(&mia.key).await, "UnrecognizedClientException");
    let credentials = iam::ListServiceSpecificCredentialsRequest {
        user_name: Some("mia".to_owned()),
        ..Default::default()
    };
    let listed = server
        .root
        .ok::<op::ListServiceSpecificCredentials>(&credentials)
        .await;
    let listed = listed.service_specific_credentials.unwrap();
    assert_eq!(listed[0].status, "Inactive");

    provider.patch(&path, set_active(json!(true))).await.is(200);
    mia.key.ok::<ecs::op::ListClusters>(&Default::default()).await;
    hers.get(&path).await.is(200);
    assert_eq!(refused(&off).await, "UnrecognizedClientException");
    let records = server.records().await;
    let back = records
        .iter()
        .find(|record| record["eventName"] == "ReactivateUser");
    assert_eq!(back.unwrap()["requestParameters"], json!({ "userName": "mia" }));
}

#[tokio::test]
async fn no_full_quota_keeps_anything_of_a_leaver_open() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = colleague(&server, &provider).await;
    // Inline policies to the last letter, ten attached policies, fifty tags.
    let filler = "x".repeat(2_048 - allow("ecs:", "*").len());
    server
        .allow("mia", "own", &allow(&format!("ecs:{filler}"), "*"))
        .await;
    for n in 0..10 {
        let create = iam::CreatePolicyRequest {
            policy_name: format!("p{n}"),
            policy_document: allow("ecs:*", "*"),
            ..Default::default()
        };
        let made = server.root.ok::<op::CreatePolicy>(&create).await.policy.unwrap();
        let attach = iam::AttachUserPolicyRequest {
            user_name: "mia".to_owned(),
            policy_arn: made.arn.unwrap(),
        };
        server.root.ok::<op::AttachUserPolicy>(&attach).await;
    }
    let tags = iam::TagUserRequest {
        user_name: "mia".to_owned(),
        tags: (0..50)
            .map(|n| iam::Tag {
                key: format!("k{n}"),
                value: String::new(),
            })
            .collect(),
    };
    server.root.ok::<op::TagUser>(&tags).await;
    let left = provider
        .patch(&format!("/Users/{}", mia.id), set_active(json!(false)))
        .await
        .is(200);
    assert_eq!((&left["active"], &left["groups"]), (&json!(false), &json!([])));
    for client in [&mia.key, &mia.session] {
        assert_eq!(refused(client).await, "UnrecognizedClientException");
    }
    assert_eq!(provider.delete(&format!("/Users/{}", mia.id)).await.status, 204);
}

#[tokio::test]
async fn who_may_not_take_memberships_away_ends_keys_and_sessions_all_the_same() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = colleague(&server, &provider).await;
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["iam:UpdateAccessKey","iam:RemoveUserFromGroup"],"Resource":"*"}}"#;
    server.allow("okta", "deny", deny).await;
    let path = format!("/Users/{}", mia.id);
    assert_eq!(
        provider.patch(&path, set_active(json!(false))).await.error(),
        "403"
    );
    for client in [&mia.key, &mia.session] {
        assert_eq!(refused(client).await, "UnrecognizedClientException");
    }
    assert_eq!(provider.get(&path).await.is(200)["active"], false);

    // Leaving is a change of the user: who may not change users makes nobody leave.
    let deny = deny.replace("iam:UpdateAccessKey", "iam:UpdateUser");
    server.allow("okta", "deny", &deny).await;
    let refused = provider.patch(&path, set_active(json!(true))).await;
    assert_eq!(refused.error(), "403");
    assert_eq!(provider.get(&path).await.is(200)["active"], false);
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = colleague(&server, &provider).await;
    server.allow("mia", "own", &allow("iam:*", "*")).await;
    let attach = iam::AttachUserPolicyRequest {
        user_name: "mia".to_owned(),
        policy_arn: "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned(),
    };
    server.root.ok::<op::AttachUserPolicy>(&attach).await;
    let password = iam::CreateLoginProfileRequest {
        user_name: Some("mia".to_owned()),
        password: Some("correct-Horse-7".to_owned()),
        ..Default::default()
    };
    server.root.ok::<op::CreateLoginProfile>(&password).await;
    token(&server.root, "mia", None).await;
    assert_eq!(provider.delete(&format!("/Users/{}", mia.id)).await.status, 204);
    assert_eq!(refused(&mia.key).await, "UnrecognizedClientException");
    assert_eq!(refused(&mia.session).await, "UnrecognizedClientException");
    let get = iam::GetUserRequest {
        user_name: Some("mia".to_owned()),
    };
    assert!(
        server
            .root
            .err::<op::GetUser>(&get)
            .await
            .starts_with("NoSuchEntity")
    );
}

#[tokio::test]
async fn a_user_may_be_made_inactive_and_nobody_shuts_itself_out() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let body = json!({ "schemas": [super::provider::USER], "userName": "later", "active": false });
    assert_eq!(provider.post("/Users", &body).await.is(201)["active"], false);
    let own = provider
        .get("/Users?filter=userName%20eq%20%22okta%22")
        .await
        .is(200);
    let path = format!("/Users/{}", own["Resources"][0]["id"].as_str().unwrap());
    assert_eq!(
        provider.patch(&path, set_active(json!(false))).await.error(),
        "403"
    );
    assert_eq!(provider.delete(&path).await.error(), "403");
    provider.get(&path).await.is(200);
}
