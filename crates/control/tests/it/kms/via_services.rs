//! Keys as other services use them for their callers: `kms:ViaService`, the keys that services have of their own, and what
//! histories show.

use portcullis_api::kms::{self as api, op};
use portcullis_api::secretsmanager as secrets;
use serde_json::{Value, json};

use super::{encrypt, key, key_with, policy, root, statement, user};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn create(name: &str, key: Option<&str>) -> secrets::CreateSecretRequest {
    secrets::CreateSecretRequest {
        name: name.to_owned(),
        kms_key_id: key.map(str::to_owned),
        secret_string: Some("hush".to_owned()),
        ..Default::default()
    }
}

async fn read(client: &Client, name: &str) -> Result<String, String> {
    let get = secrets::GetSecretValueRequest {
        secret_id: name.to_owned(),
        ..Default::default()
    };
    let got = client.call::<secrets::op::GetSecretValue>(&get).await;
    got.map(|got| got.secret_string.unwrap())
        .map_err(|error| error.to_string())
}

fn via(service: &str) -> Value {
    json!({ "StringEquals": {
        "kms:ViaService": format!("{service}.us-east-1.amazonaws.com"), "kms:CallerAccount": ACCOUNT,
    } })
}

#[tokio::test]
async fn a_key_that_is_for_one_service_is_used_through_it_and_not_otherwise() {
    let server = Server::start().await;
    let caller = server.user("caller", &allow("secretsmanager:*", "*")).await;
    let keep = statement("Allow", &root(), "kms:*", &Value::Null);
    for (service, expected) in [("secretsmanager", true), ("ssm", false)] {
        let statements = [
            keep.clone(),
            statement("Allow", &user("caller"), "kms:*", &via(service)),
        ];
        let (id, _) = key_with(&server.root, &policy(&statements)).await;
        let made = caller
            .call::<secrets::op::CreateSecret>(&create(service, Some(&id)))
            .await;
        assert_eq!(made.is_ok(), expected, "{service}");
        if expected {
            assert_eq!(read(&caller, service).await.unwrap(), "hush");
        }
        assert!(
            caller.call::<op::Encrypt>(&encrypt(&id, &[])).await.is_err(),
            "{service}"
        );
    }
}

#[tokio::test]
async fn the_encryption_context_of_a_secret_is_seen_by_its_key() {
    let server = Server::start().await;
    let caller = server.user("caller", &allow("secretsmanager:*", "*")).await;
    let (id, _) = key(&server.root).await;
    server
        .root
        .ok::<secrets::op::CreateSecret>(&create("one", Some(&id)))
        .await;
    server
        .root
        .ok::<secrets::op::CreateSecret>(&create("other", Some(&id)))
        .await;
    let own = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
        "Condition": { "StringLike": { "kms:EncryptionContext:SecretARN": "*:secret:one-*" } } }] });
    server.allow("caller", "kms", &own.to_string()).await;
    assert_eq!(read(&caller, "one").await.unwrap(), "hush");
    assert!(read(&caller, "other").await.unwrap_err().contains("KMS"));
}

#[tokio::test]
async fn a_services_own_key_lets_its_callers_in_through_the_service_and_changes_by_nobodys_hand() {
    let server = Server::start().await;
    let caller = server.user("caller", &allow("secretsmanager:*", "*")).await;
    let describe = api::DescribeKeyRequest {
        key_id: "alias/aws/secretsmanager".to_owned(),
        ..Default::default()
    };
    assert!(server.root.call::<op::DescribeKey>(&describe).await.is_err());
    caller.ok::<secrets::op::CreateSecret>(&create("s", None)).await;
    assert_eq!(read(&caller, "s").await.unwrap(), "hush");
    let shown = server
        .root
        .ok::<op::DescribeKey>(&describe)
        .await
        .key_metadata
        .unwrap();
    assert_eq!(shown.key_manager.as_deref(), Some("AWS"));
    let id = shown.key_id;
    // Even root only looks.
    assert!(server.root.call::<op::Encrypt>(&encrypt(&id, &[])).await.is_err());
    let refused = [
        server
            .root
            .err::<op::DisableKey>(&api::DisableKeyRequest { key_id: id.clone() })
            .await,
        server
            .root
            .err::<op::ScheduleKeyDeletion>(&api::ScheduleKeyDeletionRequest {
                key_id: id.clone(),
                ..Default::default()
            })
            .await,
        server
            .root
            .err::<op::PutKeyPolicy>(&api::PutKeyPolicyRequest {
                key_id: id.clone(),
                policy: policy(&[statement("Allow", &root(), "kms:*", &Value::Null)]).to_string(),
                ..Default::default()
            })
            .await,
    ];
    for refused in refused {
        assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    }
    let rotation = api::GetKeyRotationStatusRequest { key_id: id };
    assert_eq!(
        server
            .root
            .ok::<op::GetKeyRotationStatus>(&rotation)
            .await
            .key_rotation_enabled,
        Some(true)
    );
}

#[tokio::test]
async fn histories_show_kms_own_call_with_the_service_that_made_it() {
    let server = Server::start().await;
    let (id, arn) = key(&server.root).await;
    let made = server
        .root
        .ok::<secrets::op::CreateSecret>(&create("s", Some(&id)))
        .await;
    read(&server.root, "s").await.unwrap();
    let records = server.records().await;
    for (name, member) in [("GenerateDataKey", "keyId"), ("Decrypt", "encryptionAlgorithm")] {
        let shown = records.iter().find(|record| record["eventName"] == name).unwrap();
        assert_eq!(shown["userIdentity"]["invokedBy"], "secretsmanager.amazonaws.com");
        assert_eq!(shown["userIdentity"]["type"], "Root");
        assert_eq!(shown["sourceIPAddress"], "secretsmanager.amazonaws.com");
        assert_eq!(shown["resources"][0]["ARN"], arn.as_str());
        assert!(shown["requestParameters"][member].is_string(), "{shown}");
        let context = &shown["requestParameters"]["encryptionContext"];
        assert_eq!(context["SecretARN"].as_str(), made.arn.as_deref());
    }
}

#[tokio::test]
async fn a_secret_is_out_of_reach_while_its_key_is_disabled() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    server
        .root
        .ok::<secrets::op::CreateSecret>(&create("s", Some(&id)))
        .await;
    server
        .root
        .ok::<op::DisableKey>(&api::DisableKeyRequest { key_id: id.clone() })
        .await;
    assert!(read(&server.root, "s").await.is_err());
    server
        .root
        .ok::<op::EnableKey>(&api::EnableKeyRequest { key_id: id.clone() })
        .await;
    let rotate = api::RotateKeyOnDemandRequest { key_id: id };
    server.root.ok::<op::RotateKeyOnDemand>(&rotate).await;
    assert_eq!(read(&server.root, "s").await.unwrap(), "hush");
}
