//! Access keys: shown once, at most two, dead at once.

use portcullis_api::iam::{self as api, op};
use portcullis_api::sts;

use crate::harness::{Server, allow};

#[tokio::test]
async fn the_secret_is_shown_once_and_never_recorded() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:*", "*")).await;
    let made = user
        .ok::<op::CreateAccessKey>(&Default::default())
        .await
        .access_key;
    assert_eq!((made.user_name.as_str(), made.status.as_str()), ("u", "Active"));
    assert_eq!(made.secret_access_key.len(), 40);
    let other = server
        .root
        .with(&made.access_key_id, &made.secret_access_key, None);
    other.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(records.contains(&made.access_key_id) && !records.contains(&made.secret_access_key));
}

#[tokio::test]
async fn a_user_has_at_most_two_keys() {
    let server = Server::start().await;
    server.user("u", "").await;
    let create = api::CreateAccessKeyRequest {
        user_name: Some("U".to_owned()),
    };
    server.root.ok::<op::CreateAccessKey>(&create).await;
    let refused = server.root.err::<op::CreateAccessKey>(&create).await;
    assert_eq!(
        refused,
        "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"
    );
}

#[tokio::test]
async fn an_inactive_or_deleted_key_signs_nothing() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let me = sts::GetCallerIdentityRequest::default();
    let update = |status: &str| api::UpdateAccessKeyRequest {
        user_name: Some("u".to_owned()),
        access_key_id: user.access_key_id.clone(),
        status: status.to_owned(),
    };
    server.root.ok::<op::UpdateAccessKey>(&update("Inactive")).await;
    let refused = user.err::<sts::op::GetCallerIdentity>(&me).await;
    assert!(refused.starts_with("InvalidClientTokenId: "), "{refused}");
    server.root.ok::<op::UpdateAccessKey>(&update("Active")).await;
    user.ok::<sts::op::GetCallerIdentity>(&me).await;
    let refused = server.root.err::<op::UpdateAccessKey>(&update("Expired")).await;
    assert!(refused.starts_with("InvalidInput: "), "{refused}");
    let delete = api::DeleteAccessKeyRequest {
        user_name: Some("u".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<op::DeleteAccessKey>(&delete).await;
    assert!(user.call::<sts::op::GetCallerIdentity>(&me).await.is_err());
    let refused = server.root.err::<op::DeleteAccessKey>(&delete).await;
    assert_eq!(
        refused,
        format!(
            "NoSuchEntity: The Access Key with id {} cannot be found.",
            user.access_key_id
        )
    );
}

#[tokio::test]
async fn a_key_belongs_to_its_user_only() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    server.user("other", "").await;
    let delete = api::DeleteAccessKeyRequest {
        user_name: Some("other".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    assert!(
        server
            .root
            .err::<op::DeleteAccessKey>(&delete)
            .await
            .starts_with("NoSuchEntity: ")
    );
}

#[tokio::test]
async fn the_last_use_names_user_time_service_and_region() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let request = api::GetAccessKeyLastUsedRequest {
        access_key_id: user.access_key_id.clone(),
    };
    let reply = server.root.ok::<op::GetAccessKeyLastUsed>(&request).await;
    assert_eq!(reply.user_name.as_deref(), Some("u"));
    assert_eq!(reply.access_key_last_used.unwrap().service_name, "N/A");
    user.region("eu-west-1")
        .call::<portcullis_api::ecs::op::ListClusters>(&Default::default())
        .await
        .unwrap_err();
    let last = server
        .root
        .ok::<op::GetAccessKeyLastUsed>(&request)
        .await
        .access_key_last_used
        .unwrap();
    assert_eq!(
        (last.service_name.as_str(), last.region.as_str()),
        ("ecs", "eu-west-1")
    );
    assert_eq!(
        last.last_used_date,
        Some(crate::harness::BEGINNING.parse().unwrap())
    );
}

#[tokio::test]
async fn the_roots_keys_are_its_own() {
    let server = Server::start().await;
    let listed = server
        .root
        .ok::<op::ListAccessKeys>(&Default::default())
        .await
        .access_key_metadata;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].access_key_id.as_deref(), Some("AKIAROOT"));
}
