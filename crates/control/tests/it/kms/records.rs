//! What histories show of KMS: the key, what was asked, and nothing secret.

use portcullis_api::kms::{self as api, op};
use serde_json::{Value, json};

use super::{ciphertext, context, decrypt, key};
use crate::harness::{ACCOUNT, Server};

async fn record(server: &Server, name: &str) -> Value {
    let records = server.records().await;
    records
        .into_iter()
        .find(|record| record["eventName"] == name)
        .unwrap()
}

#[tokio::test]
async fn a_record_names_the_key_and_shows_no_secret() {
    let server = Server::start().await;
    let (id, arn) = key(&server.root).await;
    let resources = json!([{ "accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": arn }]);
    let created = record(&server, "CreateKey").await;
    assert_eq!(created["resources"], resources);
    assert_eq!(created["readOnly"], false);
    assert_eq!(created["responseElements"]["keyMetadata"]["keyId"], id.as_str());

    let blob = ciphertext(&server.root, &id, &[("App", "web")]).await;
    let shown = record(&server, "Encrypt").await;
    assert_eq!(shown["eventSource"], "kms.amazonaws.com");
    assert_eq!(shown["resources"], resources);
    assert_eq!(
        shown["requestParameters"],
        json!({ "keyId": id, "encryptionContext": { "App": "web" } })
    );
    assert_eq!(
        (&shown["responseElements"], &shown["readOnly"]),
        (&Value::Null, &json!(true))
    );

    server
        .root
        .ok::<op::Decrypt>(&decrypt(&blob, &[("App", "web")]))
        .await;
    let shown = record(&server, "Decrypt").await;
    assert_eq!(shown["resources"], resources);
    assert_eq!(
        shown["requestParameters"],
        json!({ "encryptionContext": { "App": "web" } })
    );

    let generate = api::GenerateDataKeyRequest {
        key_id: id.clone(),
        key_spec: Some("AES_256".to_owned()),
        encryption_context: context(&[]),
        ..Default::default()
    };
    server.root.ok::<op::GenerateDataKey>(&generate).await;
    let shown = record(&server, "GenerateDataKey").await;
    assert_eq!(shown["requestParameters"]["keySpec"], "AES_256");
    assert_eq!(shown["responseElements"], Value::Null);
}

#[tokio::test]
async fn a_refused_call_shows_no_parameters() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    let stranger = server.user("stranger", "").await;
    let blob = ciphertext(&server.root, &id, &[]).await;
    assert!(stranger.call::<op::Decrypt>(&decrypt(&blob, &[])).await.is_err());
    let shown = record(&server, "Decrypt").await;
    assert_eq!(shown["errorCode"], "AccessDenied");
    assert_eq!(shown["requestParameters"], Value::Null);
}

#[tokio::test]
async fn an_aliass_record_names_alias_and_key() {
    let server = Server::start().await;
    let (id, arn) = key(&server.root).await;
    let alias = api::CreateAliasRequest {
        alias_name: "alias/app".to_owned(),
        target_key_id: id,
    };
    server.root.ok::<op::CreateAlias>(&alias).await;
    let shown = record(&server, "CreateAlias").await;
    let named: Vec<_> = shown["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["ARN"])
        .collect();
    assert_eq!(
        named,
        [
            &json!(format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/app")),
            &json!(arn)
        ]
    );
}
