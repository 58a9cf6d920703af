//! Repositories that another account pulls from and pushes to: both accounts must say so.

use portcullis_api::ecr::{self as api, op};
use portcullis_api::iam;
use portcullis_blobs::Digest;
use serde_json::json;

use super::{arn, layer, manifest, put, repository};
use crate::accounts::account;
use crate::harness::{ACCOUNT, Client, Server, allow};

const PULL: [&str; 3] = [
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchCheckLayerAvailability",
];

async fn grant(server: &Server, name: &str, principal: &str, actions: &[&str]) {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions }] });
    let input = api::SetRepositoryPolicyRequest {
        repository_name: name.to_owned(),
        policy_text: policy.to_string(),
        ..Default::default()
    };
    server.root.ok::<op::SetRepositoryPolicy>(&input).await;
}

/// A user of the other account with one inline policy, or none.
async fn user(admin: &Client, name: &str, policy: &str) -> Client {
    let create = iam::CreateUserRequest {
        user_name: name.to_owned(),
        ..Default::default()
    };
    admin.ok::<iam::op::CreateUser>(&create).await;
    if !policy.is_empty() {
        let put = iam::PutUserPolicyRequest {
            user_name: name.to_owned(),
            policy_name: "p".to_owned(),
            policy_document: policy.to_owned(),
        };
        admin.ok::<iam::op::PutUserPolicy>(&put).await;
    }
    let create = iam::CreateAccessKeyRequest {
        user_name: Some(name.to_owned()),
    };
    let key = admin.ok::<iam::op::CreateAccessKey>(&create).await.access_key;
    admin.with(&key.access_key_id, &key.secret_access_key, None)
}

fn get(tag: &str) -> api::BatchGetImageRequest {
    api::BatchGetImageRequest {
        registry_id: Some(ACCOUNT.to_owned()),
        repository_name: "app".to_owned(),
        image_ids: vec![super::by_tag(tag)],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_pull_across_accounts_needs_both_sides() {
    let server = Server::start().await;
    let (id, admin) = account(&server, "puller").await;
    repository(&server.root, "app").await;
    super::push(&server.root, "app", "one", Some("v1")).await;
    let reader = user(&admin, "reader", &allow("ecr:*", &arn("app"))).await;
    let stranger = user(&admin, "stranger", "").await;

    let refused = reader.err::<op::BatchGetImage>(&get("v1")).await;
    let text = format!(
        "AccessDeniedException: User: arn:aws:iam::{id}:user/reader is not authorized to perform: ecr:BatchGetImage on resource: {}",
        arn("app")
    );
    assert_eq!(refused, text);
    grant(&server, "app", &format!("arn:aws:iam::{id}:root"), &PULL).await;
    let reply = reader.ok::<op::BatchGetImage>(&get("v1")).await;
    assert_eq!(reply.images.unwrap()[0].registry_id.as_deref(), Some(ACCOUNT));
    let refused = stranger.err::<op::BatchGetImage>(&get("v1")).await;
    // R179: callers of another account are not told whose policy it is.
    let end = format!("ecr:BatchGetImage on resource: {}", arn("app"));
    assert!(refused.ends_with(&end), "{refused}");
    // What was not granted is not.
    let put = api::PutImageTagMutabilityRequest {
        registry_id: Some(ACCOUNT.to_owned()),
        repository_name: "app".to_owned(),
        image_tag_mutability: "IMMUTABLE".to_owned(),
        ..Default::default()
    };
    let refused = reader.err::<op::PutImageTagMutability>(&put).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    // Without the account's number the repository is the caller's own.
    let own = api::BatchGetImageRequest {
        registry_id: None,
        ..get("v1")
    };
    let absent = user(&admin, "owner", &allow("ecr:*", "*"))
        .await
        .err::<op::BatchGetImage>(&own)
        .await;
    assert!(absent.starts_with("RepositoryNotFoundException: "), "{absent}");
}

#[tokio::test]
async fn a_push_across_accounts_goes_to_the_owner() {
    let server = Server::start().await;
    let (id, admin) = account(&server, "pusher").await;
    repository(&server.root, "app").await;
    let config = layer(&server.root, "app", b"{}").await;
    let bytes = layer(&server.root, "app", b"layer").await;
    let writer = user(&admin, "writer", &allow("ecr:*", "*")).await;
    let manifest = manifest(&config, &bytes);
    let push = api::PutImageRequest {
        registry_id: Some(ACCOUNT.to_owned()),
        ..put("app", &manifest, Some("v1"))
    };
    assert!(writer.call::<op::PutImage>(&push).await.is_err());
    grant(
        &server,
        "app",
        &format!("arn:aws:iam::{id}:user/writer"),
        &["ecr:PutImage"],
    )
    .await;
    writer.ok::<op::PutImage>(&push).await;
    let digest = Digest::of(manifest.to_string().as_bytes()).to_string();
    assert_eq!(
        super::images(&server.root, "app").await,
        [(digest, vec!["v1".to_owned()])]
    );

    // In both histories, under one id.
    let of = |records: Vec<serde_json::Value>| {
        let found = records
            .into_iter()
            .find(|record| record["eventName"] == "PutImage" && record["errorCode"].is_null());
        found.unwrap()
    };
    let (own, other) = (of(server.records().await), of(admin.records().await));
    assert_eq!(own["sharedEventID"], other["sharedEventID"]);
    assert!(own["sharedEventID"].is_string());
    assert_eq!(own["userIdentity"]["accountId"], id.as_str());
    assert_eq!(own["recipientAccountId"], ACCOUNT);
    assert_eq!(other["recipientAccountId"], id.as_str());
    // Its refusal is the caller's alone.
    let refused = |records: Vec<serde_json::Value>| {
        records
            .into_iter()
            .any(|record| record["eventName"] == "PutImage" && record["errorCode"] == "AccessDenied")
    };
    assert!(refused(admin.records().await) && !refused(server.records().await));
}

#[tokio::test]
async fn names_in_policies_are_those_of_the_callers_account() {
    let server = Server::start().await;
    let (id, admin) = account(&server, "namesake").await;
    repository(&server.root, "app").await;
    super::push(&server.root, "app", "one", Some("v1")).await;
    // Two users of one name: what is granted to one is not the other's.
    let here = server.user("twin", "").await;
    let there = user(&admin, "twin", &allow("ecr:*", "*")).await;
    grant(
        &server,
        "app",
        &format!("arn:aws:iam::{ACCOUNT}:user/twin"),
        &PULL,
    )
    .await;
    assert!(here.call::<op::BatchGetImage>(&get("v1")).await.is_ok());
    assert!(there.call::<op::BatchGetImage>(&get("v1")).await.is_err());
    grant(&server, "app", &format!("arn:aws:iam::{id}:user/twin"), &PULL).await;
    assert!(here.call::<op::BatchGetImage>(&get("v1")).await.is_err());
    assert!(there.call::<op::BatchGetImage>(&get("v1")).await.is_ok());
}
