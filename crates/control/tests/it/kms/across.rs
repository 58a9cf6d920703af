//! Keys of other accounts: both sides must allow (R123), and nothing shows whether a key is there.

use portcullis_api::kms::{self as api, op};
use serde_json::{Value, json};

use super::{ciphertext, decrypt, encrypt, key, key_with, policy, root, statement};
use crate::accounts::account;
use crate::harness::{ACCOUNT, Server, allow};

#[tokio::test]
async fn r123_across_accounts_key_policy_and_identity_policy_must_allow() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let near = server.user("near", "").await;
    let by_account = json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") });
    let by_user = json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:user/near") });
    let own_root = json!({ "AWS": format!("arn:aws:iam::{id}:root") });
    let keep = statement("Allow", &own_root, "kms:*", &Value::Null);
    let all = allow("kms:*", "*");
    let nothing = allow("ecs:*", "*");
    for (name, more, own, expected) in [
        ("nothing", None, &all, false),
        ("account alone", Some(&by_account), &nothing, false),
        ("account and own", Some(&by_account), &all, true),
        ("user alone", Some(&by_user), &nothing, false),
        ("user and own", Some(&by_user), &all, true),
    ] {
        let more = more.map(|who| statement("Allow", who, "kms:*", &Value::Null));
        let statements: Vec<_> = std::iter::once(keep.clone()).chain(more).collect();
        let (_, arn) = key_with(&other, &policy(&statements)).await;
        server.allow("near", "own", own).await;
        let made = near.call::<op::Encrypt>(&encrypt(&arn, &[])).await;
        assert_eq!(made.is_ok(), expected, "{name}");
        let blob = ciphertext(&other, &arn, &[]).await;
        // The ciphertext says whose key it is.
        let opened = near.call::<op::Decrypt>(&decrypt(&blob, &[])).await;
        assert_eq!(opened.is_ok(), expected, "{name}");
    }
}

#[tokio::test]
async fn nobody_learns_whether_another_accounts_key_is_there() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let near = server.user("near", &allow("kms:*", "*")).await;
    let (_, there) = key(&other).await;
    let missing = format!("arn:aws:kms:us-east-1:{id}:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let words = |arn: &str| {
        let near = near.clone();
        let arn = arn.to_owned();
        async move { near.err::<op::Encrypt>(&encrypt(&arn, &[])).await }
    };
    assert_eq!(words(&there).await, words(&missing).await);
    // What concerns the key itself is its own account's, whatever its policy says.
    let open = policy(&[statement("Allow", &json!("*"), "kms:*", &Value::Null)]);
    let (_, open) = key_with(&other, &open).await;
    near.ok::<op::Encrypt>(&encrypt(&open, &[])).await;
    let disable = api::DisableKeyRequest { key_id: open };
    let refused = near.err::<op::DisableKey>(&disable).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
}

#[tokio::test]
async fn both_accounts_have_the_use_in_their_histories() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let open = policy(&[
        statement(
            "Allow",
            &json!({ "AWS": format!("arn:aws:iam::{id}:root") }),
            "kms:*",
            &Value::Null,
        ),
        statement("Allow", &root(), "kms:Encrypt", &Value::Null),
    ]);
    let (_, arn) = key_with(&other, &open).await;
    server.root.ok::<op::Encrypt>(&encrypt(&arn, &[])).await;
    let find = |records: Vec<Value>| {
        records
            .into_iter()
            .find(|record| record["eventName"] == "Encrypt")
            .unwrap()
    };
    let (here, there) = (find(server.records().await), find(other.records().await));
    assert_eq!(here["sharedEventID"], there["sharedEventID"]);
    assert!(here["sharedEventID"].is_string());
    assert_eq!(here["recipientAccountId"], ACCOUNT);
    assert_eq!(there["recipientAccountId"], id.as_str());
    assert_eq!(there["resources"][0]["ARN"], arn.as_str());
}

#[tokio::test]
async fn grants_on_another_accounts_key_are_made_used_and_retired_from_here() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let near = server.user("near", &allow("kms:*", "*")).await;
    let by_account = json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:root") });
    let own_root = json!({ "AWS": format!("arn:aws:iam::{id}:root") });
    let statements = [
        statement("Allow", &own_root, "kms:*", &Value::Null),
        statement("Allow", &by_account, "kms:CreateGrant", &Value::Null),
    ];
    let (_, arn) = key_with(&other, &policy(&statements)).await;
    let near_arn = format!("arn:aws:iam::{ACCOUNT}:user/near");
    let create = api::CreateGrantRequest {
        key_id: arn.clone(),
        grantee_principal: Some(near_arn.clone()),
        retiring_principal: Some(near_arn.clone()),
        operations: vec!["Encrypt".to_owned(), "Decrypt".to_owned()],
        ..Default::default()
    };
    assert!(near.call::<op::Encrypt>(&encrypt(&arn, &[])).await.is_err());
    let made = near.ok::<op::CreateGrant>(&create).await;
    let blob = ciphertext(&near, &arn, &[]).await;
    near.ok::<op::Decrypt>(&decrypt(&blob, &[])).await;
    let list = api::ListGrantsRequest {
        key_id: arn.clone(),
        ..Default::default()
    };
    let [shown] = &other.ok::<op::ListGrants>(&list).await.grants.unwrap()[..] else {
        panic!("one grant");
    };
    assert_eq!(shown.grantee_principal.as_deref(), Some(near_arn.as_str()));
    let issuer = format!("arn:aws:iam::{ACCOUNT}:root");
    assert_eq!(shown.issuing_account.as_deref(), Some(issuer.as_str()));
    // Both histories have it.
    for records in [server.records().await, other.records().await] {
        assert!(records.iter().any(|record| record["eventName"] == "CreateGrant"));
    }
    // Revoking is for who administers the key; retiring for whom the grant names.
    let revoke = api::RevokeGrantRequest {
        key_id: arn.clone(),
        grant_id: made.grant_id.unwrap(),
        ..Default::default()
    };
    let refused = near.err::<op::RevokeGrant>(&revoke).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    let retire = api::RetireGrantRequest {
        grant_token: made.grant_token,
        ..Default::default()
    };
    let stranger = server.user("stranger", &allow("kms:*", "*")).await;
    let refused = stranger.err::<op::RetireGrant>(&retire).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    near.ok::<op::RetireGrant>(&retire).await;
    assert!(near.call::<op::Encrypt>(&encrypt(&arn, &[])).await.is_err());
    // A grantee without a policy of its own has half of what it takes (R123).
    let poor = server.user("poor", "").await;
    let to_poor = api::CreateGrantRequest {
        grantee_principal: Some(format!("arn:aws:iam::{ACCOUNT}:user/poor")),
        ..create
    };
    other.ok::<op::CreateGrant>(&to_poor).await;
    assert!(poor.call::<op::Encrypt>(&encrypt(&arn, &[])).await.is_err());
    server.allow("poor", "p", &allow("kms:Encrypt", &arn)).await;
    poor.ok::<op::Encrypt>(&encrypt(&arn, &[])).await;
}
