//! Who may: tokens, and the gate's decision on whatever they ask for.

use portcullis_api::iam::{self, op};
use serde_json::json;

use super::provider::{Provider, USER, token};
use crate::accounts::account;
use crate::harness::{Server, allow};

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let good = provider.token.clone();
    let other = format!("{}AAAA", good.get(..good.len() - 4).unwrap());
    let bearers = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer PCSCIM".to_owned()),
        Some("Bearer PCSCIM====".to_owned()),
        Some("Bearer garbage".to_owned()),
        Some(format!("Basic {good}")),
        Some(format!("Bearer {other}")),
        Some(format!("Bearer {}", good.strip_prefix("PCSCIM").unwrap())),
        // Access keys are no tokens.
        Some(format!("Bearer {}", server.root.secret.expose())),
    ];
    for bearer in bearers {
        for path in ["/Users", "/ServiceProviderConfig", "/nothing"] {
            let reply = provider.send_as(bearer.as_deref(), "GET", path, "").await;
            assert_eq!(reply.error(), "401", "{bearer:?} {path}");
            assert!(
                reply.head.to_lowercase().contains("www-authenticate: bearer"),
                "{}",
                reply.head
            );
        }
    }
    provider.get("/Users").await.is(200);
}

#[tokio::test]
async fn a_token_ends_with_its_credential_its_time_and_its_user() {
    let server = Server::start().await;
    let mut provider = Provider::open(&server).await;
    let list = iam::ListServiceSpecificCredentialsRequest {
        user_name: Some("okta".to_owned()),
        ..Default::default()
    };
    let listed = server.root.ok::<op::ListServiceSpecificCredentials>(&list).await;
    let id = listed
        .service_specific_credentials
        .unwrap()
        .remove(0)
        .service_specific_credential_id;
    let set = async |status: &str| {
        let input = iam::UpdateServiceSpecificCredentialRequest {
            user_name: Some("okta".to_owned()),
            service_specific_credential_id: id.clone(),
            status: status.to_owned(),
        };
        server
            .root
            .ok::<op::UpdateServiceSpecificCredential>(&input)
            .await;
    };
    set("Inactive").await;
    assert_eq!(provider.get("/Users").await.error(), "401");
    set("Active").await;
    provider.get("/Users").await.is(200);
    let reset = iam::ResetServiceSpecificCredentialRequest {
        user_name: Some("okta".to_owned()),
        service_specific_credential_id: id.clone(),
    };
    server.root.ok::<op::ResetServiceSpecificCredential>(&reset).await;
    assert_eq!(provider.get("/Users").await.error(), "401");

    provider.token = token(&server.root, "okta", Some(1)).await;
    provider.get("/Users").await.is(200);
    server.clock.advance_seconds(86_400);
    assert_eq!(provider.get("/Users").await.error(), "401");
}

#[tokio::test]
async fn the_gate_decides_and_the_history_tells() {
    let server = Server::start().await;
    server.user("reader", &allow("iam:List*", "*")).await;
    let token = token(&server.root, "reader", None).await;
    let provider = Provider::listen(&server, token, true).await;
    let body = json!({ "schemas": [USER], "userName": "mia" });
    let reply = provider.post("/Users", &body).await;
    assert_eq!(reply.error(), "403");
    let detail = reply.body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with(
            "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: iam:CreateUser on"
        ),
        "{detail}"
    );
    let records = server.records().await;
    let record = records
        .iter()
        .find(|record| record["errorCode"] == "AccessDenied")
        .unwrap();
    assert_eq!(
        (&record["eventName"], &record["userIdentity"]["userName"]),
        (&json!("CreateUser"), &json!("reader"))
    );
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
    // A change of the policy binds the next request.
    server.allow("reader", "more", &allow("iam:*", "*")).await;
    provider.post("/Users", &body).await.is(201);
}

#[tokio::test]
async fn a_token_finds_its_account() {
    let server = Server::start().await;
    let (_, admin) = account(&server, "other").await;
    let create = iam::CreateUserRequest {
        user_name: "okta".to_owned(),
        ..Default::default()
    };
    admin.ok::<op::CreateUser>(&create).await;
    let put = iam::PutUserPolicyRequest {
        user_name: "okta".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("iam:*", "*"),
    };
    admin.ok::<op::PutUserPolicy>(&put).await;
    let provider = Provider::listen(&server, token(&admin, "okta", None).await, true).await;
    let id = provider.user("mia").await;
    let get = iam::GetUserRequest {
        user_name: Some("mia".to_owned()),
    };
    assert_eq!(admin.ok::<op::GetUser>(&get).await.user.user_id, id);
    assert!(
        server
            .root
            .err::<op::GetUser>(&get)
            .await
            .starts_with("NoSuchEntity")
    );
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let server = Server::start().await;
    server.user("okta", &allow("iam:*", "*")).await;
    let provider = Provider::listen(&server, token(&server.root, "okta", None).await, false).await;
    let reply = provider
        .post("/Users", &json!({ "schemas": [USER], "userName": "mia" }))
        .await;
    assert!(
        (400..500).contains(&reply.status) && reply.body["schemas"].is_null(),
        "{}",
        reply.status
    );
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
