//! Push and pull by callers of another account: their own policies and the repository's must both allow it.

use portcullis_api::ecr::{self, op};
use portcullis_api::iam;
use serde_json::json;

use super::{MANIFEST, Registry, manifest, start};
use crate::accounts::account;
use crate::harness::{ACCOUNT, Client, Server, allow};

/// The owner's registry, as the host says.
const HOST: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

async fn user(admin: &Client, name: &str, policy: &str) -> Client {
    let create = iam::CreateUserRequest {
        user_name: name.to_owned(),
        ..Default::default()
    };
    admin.ok::<iam::op::CreateUser>(&create).await;
    let put = iam::PutUserPolicyRequest {
        user_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: policy.to_owned(),
    };
    admin.ok::<iam::op::PutUserPolicy>(&put).await;
    let create = iam::CreateAccessKeyRequest {
        user_name: Some(name.to_owned()),
    };
    let key = admin.ok::<iam::op::CreateAccessKey>(&create).await.access_key;
    admin.with(&key.access_key_id, &key.secret_access_key, None)
}

async fn grant(server: &Server, principal: &str) {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "ecr:*" }] });
    let input = ecr::SetRepositoryPolicyRequest {
        repository_name: "app".to_owned(),
        policy_text: policy.to_string(),
        ..Default::default()
    };
    server.root.ok::<op::SetRepositoryPolicy>(&input).await;
}

async fn at_the_owners(server: &Server, client: &Client) -> Registry {
    Registry {
        host: HOST.to_owned(),
        ..Registry::of(server, client).await
    }
}

#[tokio::test]
async fn push_and_pull_across_accounts_need_both_sides() {
    assert_eq!(ACCOUNT, "123456789012");
    let (server, owner) = start().await;
    let image = owner.push_image("app", "v1", b"layer").await;
    let (id, admin) = account(&server, "other").await;
    let able = user(&admin, "able", &allow("ecr:*", "*")).await;
    let token_only = user(&admin, "token-only", &allow("ecr:GetAuthorizationToken", "*")).await;
    let able = at_the_owners(&server, &able).await;
    let token_only = at_the_owners(&server, &token_only).await;
    let path = "/v2/app/manifests/v1";
    let resource = format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/app");

    // The repository's policy is missing.
    let refused = able.get(path).await;
    refused.is(403, "DENIED");
    let text = format!(
        "User: arn:aws:iam::{id}:user/able is not authorized to perform: ecr:BatchGetImage on resource: {resource}"
    );
    assert!(refused.error().1.starts_with(&text), "{refused:?}");
    able.send("POST", "/v2/app/blobs/uploads/", &[], b"")
        .await
        .is(403, "DENIED");

    grant(&server, &format!("arn:aws:iam::{id}:root")).await;
    // The caller's own policy is missing.
    token_only.get(path).await.is(403, "DENIED");
    token_only
        .send("POST", "/v2/app/blobs/uploads/", &[], b"")
        .await
        .is(403, "DENIED");
    let put = token_only.put_manifest("app", "v2", MANIFEST, &image).await;
    put.is(403, "DENIED");

    // Both are there: the push lies with the owner.
    assert_eq!(able.get(path).await.body, image);
    let pushed = able.push_image("app", "v2", b"from another account").await;
    assert_eq!(pushed, manifest(b"from another account", None));
    assert_eq!(owner.get("/v2/app/manifests/v2").await.body, pushed);
    let own = Registry::of(&server, &able.client).await;
    own.get("/v2/app/manifests/v2").await.is(404, "NAME_UNKNOWN");
}
