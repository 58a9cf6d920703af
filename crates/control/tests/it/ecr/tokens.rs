//! Tokens of registry clients: who they make somebody, and for how long.

use portcullis_api::ecr::{self as api, op};
use portcullis_api::{iam, sts};
use serde_json::json;

use super::repository;
use crate::accounts::{account, create_role, trust};
use crate::harness::{ACCOUNT, Client, REGION, Server, allow};
use crate::registry::Registry;

const HOURS: i64 = 3_600;

/// Someone who may do everything in the registry, or all that `policy` lets through.
async fn session(server: &Server, policy: Option<String>) -> Client {
    create_role(
        &server.root,
        "puller",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:root")),
    )
    .await;
    let put = iam::PutRolePolicyRequest {
        role_name: "puller".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("ecr:*", "*"),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let user = server.user("opener", &allow("sts:AssumeRole", "*")).await;
    let assume = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/puller"),
        role_session_name: "session".to_owned(),
        duration_seconds: Some(3_600),
        policy,
        ..Default::default()
    };
    let keys = user.ok::<sts::op::AssumeRole>(&assume).await.credentials.unwrap();
    server.root.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    )
}

async fn life(client: &Client) -> i64 {
    let reply = client.ok::<op::GetAuthorizationToken>(&Default::default()).await;
    let data = reply.authorization_data.unwrap().remove(0);
    data.expires_at.unwrap().seconds_since(client.now())
}

#[tokio::test]
async fn a_token_lives_twelve_hours_and_never_longer_than_its_session() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    assert_eq!(life(&server.root).await, 12 * HOURS);
    let session = session(&server, None).await;
    assert_eq!(life(&session).await, HOURS);
    let registry = Registry::of(&server, &session).await;
    assert_eq!(registry.get("/v2/app/tags/list").await.status, 200);
    server.clock.advance_seconds(HOURS);
    registry.get("/v2/app/tags/list").await.is(403, "DENIED");
}

#[tokio::test]
async fn a_token_may_what_its_session_may() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let narrow = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "ecr:ListImages"], "Resource": "*" }] });
    let session = session(&server, Some(narrow.to_string())).await;
    let registry = Registry::of(&server, &session).await;
    assert_eq!(registry.get("/v2/app/tags/list").await.status, 200);
    let refused = registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    refused.is(403, "DENIED");
    assert!(
        refused
            .error()
            .1
            .contains("because no session policy allows the ecr:InitiateLayerUpload action")
    );
    // A change of the role binds the next request.
    let delete = iam::DeleteRolePolicyRequest {
        role_name: "puller".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteRolePolicy>(&delete).await;
    registry.get("/v2/app/tags/list").await.is(403, "DENIED");
}

#[tokio::test]
async fn a_token_of_a_key_that_was_off_for_a_while_stays_dead() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let user = server.user("dev", &allow("ecr:*", "*")).await;
    let registry = Registry::of(&server, &user).await;
    assert_eq!(registry.get("/v2/app/tags/list").await.status, 200);
    for status in ["Inactive", "Active"] {
        server.clock.advance_seconds(1);
        let update = iam::UpdateAccessKeyRequest {
            user_name: Some("dev".to_owned()),
            access_key_id: user.access_key_id.clone(),
            status: status.to_owned(),
        };
        server.root.ok::<iam::op::UpdateAccessKey>(&update).await;
        assert_ne!(registry.get("/v2/app/tags/list").await.status, 200, "{status}");
    }
    server.clock.advance_seconds(1);
    let again = Registry::of(&server, &user).await;
    assert_eq!(again.get("/v2/app/tags/list").await.status, 200);
}

#[tokio::test]
async fn a_token_leads_to_another_account_where_both_say_so() {
    let server = Server::start().await;
    let (id, admin) = account(&server, "elsewhere").await;
    repository(&server.root, "app").await;
    let registry = Registry::of(&server, &admin).await;
    let path = format!("/v2/{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/app/tags/list");
    registry.get(&path).await.is(403, "DENIED");
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": id }, "Action": "ecr:ListImages" }] });
    let set = api::SetRepositoryPolicyRequest {
        repository_name: "app".to_owned(),
        policy_text: policy.to_string(),
        ..Default::default()
    };
    server.root.ok::<op::SetRepositoryPolicy>(&set).await;
    assert_eq!(registry.get(&path).await.status, 200);
    // Its own registry has no such repository.
    registry.get("/v2/app/tags/list").await.is(404, "NAME_UNKNOWN");
}
