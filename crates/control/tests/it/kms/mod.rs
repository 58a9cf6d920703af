//! AWS KMS: keys, their policies, grants, encryption, rotation, deletion, other accounts.

mod across;
mod ciphers;
mod grants;
mod keys;
mod life;
mod policies;
mod records;
mod via_services;

use portcullis_api::kms::{self as api, op};
use std::collections::BTreeMap;

use crate::harness::{ACCOUNT, Client, Server};

/// An encryption context.
pub fn context(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Some(pairs.collect())
}

/// A key with the default policy: its id and ARN.
pub async fn key(client: &Client) -> (String, String) {
    made(client, &api::CreateKeyRequest::default()).await
}

/// A key with this policy, whether or not it locks its maker out.
pub async fn key_with(client: &Client, policy: &serde_json::Value) -> (String, String) {
    let create = api::CreateKeyRequest {
        policy: Some(policy.to_string()),
        bypass_policy_lockout_safety_check: Some(true),
        ..Default::default()
    };
    made(client, &create).await
}

/// A key as asked: its id and ARN.
pub async fn made(client: &Client, create: &api::CreateKeyRequest) -> (String, String) {
    let metadata = client.ok::<op::CreateKey>(create).await.key_metadata.unwrap();
    (metadata.key_id, metadata.arn.unwrap())
}

/// A statement of a key policy.
pub fn statement(
    effect: &str,
    principal: &serde_json::Value,
    action: &str,
    condition: &serde_json::Value,
) -> serde_json::Value {
    let mut statement =
        serde_json::json!({ "Effect": effect, "Principal": principal, "Action": action, "Resource": "*" });
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    statement
}

/// A key policy.
pub fn policy(statements: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The ARN of the account's root.
pub fn root() -> serde_json::Value {
    serde_json::json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") })
}

/// A user as a principal.
pub fn user(name: &str) -> serde_json::Value {
    serde_json::json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:user/{name}") })
}

/// Encrypting under a key.
pub fn encrypt(key: &str, pairs: &[(&str, &str)]) -> api::EncryptRequest {
    api::EncryptRequest {
        key_id: key.to_owned(),
        plaintext: b"plain".to_vec(),
        encryption_context: context(pairs),
        ..Default::default()
    }
}

/// A ciphertext of `plain` under a key.
pub async fn ciphertext(client: &Client, key: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let reply = client.ok::<op::Encrypt>(&encrypt(key, pairs)).await;
    reply.ciphertext_blob.unwrap()
}

/// Decrypting a ciphertext.
pub fn decrypt(blob: &[u8], pairs: &[(&str, &str)]) -> api::DecryptRequest {
    api::DecryptRequest {
        ciphertext_blob: Some(blob.to_vec()),
        encryption_context: context(pairs),
        ..Default::default()
    }
}

/// The plaintext of a ciphertext.
pub async fn plaintext(client: &Client, blob: &[u8], pairs: &[(&str, &str)]) -> Vec<u8> {
    let reply = client.ok::<op::Decrypt>(&decrypt(blob, pairs)).await;
    reply.plaintext.unwrap()
}

/// Whether a caller may encrypt under a key and decrypt again.
pub async fn may_use(client: &Client, server: &Server, key: &str) -> (bool, bool) {
    let blob = ciphertext(&server.root, key, &[]).await;
    let encrypts = client.call::<op::Encrypt>(&encrypt(key, &[])).await.is_ok();
    let decrypts = client.call::<op::Decrypt>(&decrypt(&blob, &[])).await.is_ok();
    (encrypts, decrypts)
}
