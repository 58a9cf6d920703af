//! Key policies: they must allow explicitly (R124), and together with the caller's own policies they decide as AWS says.

use portcullis_api::iam;
use portcullis_api::kms::{self as api, op};
use serde_json::{Value, json};

use super::{ciphertext, decrypt, encrypt, key, key_with, may_use, policy, root, statement, user};
use crate::harness::{ACCOUNT, Server, allow};

const NULL: Value = Value::Null;

/// What the policy of the key says, what the caller's own says, and what comes of it.
#[tokio::test]
async fn r124_a_key_policy_must_allow_and_lets_identity_policies_only_where_it_names_the_account() {
    let server = Server::start().await;
    let keep = statement(
        "Allow",
        &root(),
        "kms:*",
        &json!({ "ArnEquals": { "aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:root") } }),
    );
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
    let (account, caller, other) = (root(), user("caller"), user("other"));
    let silent = vec![keep.clone()];
    let account = vec![statement("Allow", &account, "kms:*", &NULL)];
    let caller_named = vec![keep.clone(), statement("Allow", &caller, "kms:*", &NULL)];
    let other_named = vec![keep.clone(), statement("Allow", &other, "kms:*", &NULL)];
    let denied = vec![
        statement("Allow", &root(), "kms:*", &NULL),
        statement("Deny", &caller, "kms:Encrypt", &NULL),
        statement("Deny", &caller, "kms:Decrypt", &NULL),
    ];
    server.user("other", "").await;
    let caller = server.user("caller", "").await;
    let all = allow("kms:*", "*");
    for (name, statements, own, expected) in [
        ("silent, nothing", &silent, "", false),
        ("silent, all", &silent, all.as_str(), false),
        ("account, nothing", &account, "", false),
        ("account, all", &account, &all, true),
        ("account, deny", &account, deny, false),
        ("caller, nothing", &caller_named, "", true),
        ("caller, deny", &caller_named, deny, false),
        ("other, all", &other_named, &all, false),
        ("denied, all", &denied, &all, false),
    ] {
        let (id, _) = key_with(&server.root, &policy(statements)).await;
        let own = if own.is_empty() {
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs:*","Resource":"*"}}"#
        } else {
            own
        };
        server.allow("caller", "own", own).await;
        assert_eq!(
            may_use(&caller, &server, &id).await,
            (expected, expected),
            "{name}"
        );
    }
}

#[tokio::test]
async fn r124_even_root_needs_the_key_policy() {
    let server = Server::start().await;
    server.user("caller", "").await;
    let (id, arn) = key_with(
        &server.root,
        &policy(&[statement("Allow", &user("caller"), "kms:*", &NULL)]),
    )
    .await;
    let refused = server.root.err::<op::Encrypt>(&encrypt(&id, &[])).await;
    assert_eq!(
        refused,
        format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:Encrypt on resource: {arn} because no resource-based policy allows the kms:Encrypt action"
        )
    );
}

/// Operator, key and value of conditions, and whether a call of `alias/app` with the context `app=web` fulfils them.
const CONDITIONS: [(&str, &str, &[&str], bool); 19] = [
    ("StringEquals", "kms:CallerAccount", &[ACCOUNT], true),
    ("StringEquals", "kms:CallerAccount", &["111111111111"], false),
    ("StringEquals", "kms:KeySpec", &["SYMMETRIC_DEFAULT"], true),
    ("StringEquals", "kms:KeyUsage", &["GENERATE_VERIFY_MAC"], false),
    ("StringEquals", "kms:KeyOrigin", &["AWS_KMS"], true),
    ("Bool", "kms:MultiRegion", &["false"], true),
    (
        "StringEquals",
        "kms:EncryptionAlgorithm",
        &["SYMMETRIC_DEFAULT"],
        true,
    ),
    ("StringEquals", "kms:EncryptionContext:app", &["web"], true),
    ("StringEquals", "kms:EncryptionContext:App", &["web"], true),
    ("StringEquals", "kms:EncryptionContext:app", &["db"], false),
    (
        "ForAllValues:StringEquals",
        "kms:EncryptionContextKeys",
        &["app", "stage"],
        true,
    ),
    (
        "ForAnyValue:StringEquals",
        "kms:EncryptionContextKeys",
        &["other"],
        false,
    ),
    (
        "ForAnyValue:StringEquals",
        "kms:ResourceAliases",
        &["alias/app"],
        true,
    ),
    (
        "ForAnyValue:StringEquals",
        "kms:ResourceAliases",
        &["alias/other"],
        false,
    ),
    ("StringEquals", "kms:RequestAlias", &["alias/app"], true),
    ("StringEquals", "aws:ResourceTag/team", &["blue"], true),
    ("StringEquals", "aws:ResourceTag/team", &["red"], false),
    ("StringLike", "kms:ViaService", &["*"], false),
    (
        "StringEquals",
        "kms:BypassPolicyLockoutSafetyCheck",
        &["false"],
        false,
    ),
];

#[tokio::test]
async fn conditions_see_the_keys_of_the_service() {
    let server = Server::start().await;
    let caller = server.user("caller", &allow("kms:*", "*")).await;
    let tagged = api::CreateKeyRequest {
        tags: Some(vec![api::Tag {
            tag_key: "team".to_owned(),
            tag_value: "blue".to_owned(),
        }]),
        ..Default::default()
    };
    let (id, _) = super::made(&server.root, &tagged).await;
    let alias = api::CreateAliasRequest {
        alias_name: "alias/app".to_owned(),
        target_key_id: id.clone(),
    };
    server.root.ok::<op::CreateAlias>(&alias).await;
    for (operator, key, values, expected) in CONDITIONS {
        let condition = json!({ operator: { key: values } });
        let own = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", "Condition": condition } ] });
        server.allow("caller", "p", &own.to_string()).await;
        let encrypts = caller
            .call::<op::Encrypt>(&encrypt("alias/app", &[("app", "web")]))
            .await;
        assert_eq!(encrypts.is_ok(), expected, "{condition}");
    }
    // Called by its id, there is no alias of the request.
    let own = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*",
        "Condition": { "StringEquals": { "kms:RequestAlias": "alias/app" } } }] });
    server.allow("caller", "p", &own.to_string()).await;
    assert!(caller.call::<op::Encrypt>(&encrypt(&id, &[])).await.is_err());
}

#[tokio::test]
async fn a_decision_is_on_the_keys_arn_whatever_it_was_called() {
    let server = Server::start().await;
    let (id, arn) = key(&server.root).await;
    let (other, _) = key(&server.root).await;
    let alias = |name: &str, key: &str| api::CreateAliasRequest {
        alias_name: name.to_owned(),
        target_key_id: key.to_owned(),
    };
    server.root.ok::<op::CreateAlias>(&alias("alias/mine", &id)).await;
    server
        .root
        .ok::<op::CreateAlias>(&alias("alias/other", &other))
        .await;
    let caller = server.user("caller", &allow("kms:Encrypt", &arn)).await;
    for (name, expected) in [
        (id.as_str(), true),
        ("alias/mine", true),
        (&other, false),
        ("alias/other", false),
    ] {
        assert_eq!(
            caller.call::<op::Encrypt>(&encrypt(name, &[])).await.is_ok(),
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn nobody_locks_himself_out_unless_he_says_so() {
    let server = Server::start().await;
    server.user("other", "").await;
    let caller = server.user("caller", &allow("kms:*", "*")).await;
    let (id, _) = key(&server.root).await;
    let others = policy(&[statement("Allow", &user("other"), "kms:*", &NULL)]).to_string();
    let lockout = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.";
    let put = |policy: &str, bypass: bool| api::PutKeyPolicyRequest {
        key_id: id.clone(),
        policy: policy.to_owned(),
        bypass_policy_lockout_safety_check: Some(bypass),
        ..Default::default()
    };
    let create = api::CreateKeyRequest {
        policy: Some(others.clone()),
        ..Default::default()
    };
    assert_eq!(caller.err::<op::CreateKey>(&create).await, lockout);
    assert_eq!(
        caller.err::<op::PutKeyPolicy>(&put(&others, false)).await,
        lockout
    );
    let mine = policy(&[statement("Allow", &user("caller"), "kms:PutKeyPolicy", &NULL)]).to_string();
    caller.ok::<op::PutKeyPolicy>(&put(&mine, false)).await;
    caller.ok::<op::PutKeyPolicy>(&put(&others, true)).await;
    assert!(
        caller
            .err::<op::PutKeyPolicy>(&put(&mine, true))
            .await
            .starts_with("AccessDeniedException: ")
    );
    // Bypassing is a key of its own, so that it can be forbidden.
    let own = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*", "Condition": { "Bool": { "kms:BypassPolicyLockoutSafetyCheck": "true" } } }] });
    server.allow("caller", "p", &own.to_string()).await;
    let create = api::CreateKeyRequest {
        bypass_policy_lockout_safety_check: Some(true),
        ..create
    };
    assert!(
        caller
            .err::<op::CreateKey>(&create)
            .await
            .starts_with("AccessDeniedException: ")
    );
}

#[tokio::test]
async fn a_policy_that_is_none_or_names_nobody_is_refused() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    let nobody = policy(&[
        statement("Allow", &root(), "kms:*", &NULL),
        statement("Allow", &user("nobody"), "kms:*", &NULL),
    ]);
    for (policy, expected) in [
        ("{}", "MalformedPolicyDocumentException: Syntax errors in policy."),
        (
            &nobody.to_string(),
            "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
        ),
        (
            &format!("{{\"x\":\"{}\"}}", "y".repeat(33_000)),
            "LimitExceededException: The key policy is longer than 32768 bytes.",
        ),
    ] {
        let put = api::PutKeyPolicyRequest {
            key_id: id.clone(),
            policy: policy.to_owned(),
            ..Default::default()
        };
        assert_eq!(server.root.err::<op::PutKeyPolicy>(&put).await, expected);
    }
    let get = api::GetKeyPolicyRequest {
        key_id: id.clone(),
        policy_name: Some("other".to_owned()),
    };
    assert_eq!(
        server.root.err::<op::GetKeyPolicy>(&get).await,
        "NotFoundException: No such policy exists"
    );
}

#[tokio::test]
async fn r65_a_user_made_anew_does_not_inherit_a_key() {
    let server = Server::start().await;
    let caller = server.user("caller", "").await;
    let statements = [
        statement("Allow", &root(), "kms:*", &NULL),
        statement("Allow", &user("caller"), "kms:*", &NULL),
    ];
    let (id, _) = key_with(&server.root, &policy(&statements)).await;
    assert_eq!(may_use(&caller, &server, &id).await, (true, true));
    let get = api::GetKeyPolicyRequest {
        key_id: id.clone(),
        ..Default::default()
    };
    let shown = server.root.ok::<op::GetKeyPolicy>(&get).await.policy.unwrap();
    assert!(
        shown.contains(&format!("arn:aws:iam::{ACCOUNT}:user/caller")),
        "{shown}"
    );
    let again = remade(&server).await;
    assert_eq!(may_use(&again, &server, &id).await, (false, false));
    let shown = server.root.ok::<op::GetKeyPolicy>(&get).await.policy.unwrap();
    assert!(shown.contains("AIDA"), "{shown}");
}

async fn remade(server: &Server) -> crate::harness::Client {
    let list = iam::ListAccessKeysRequest {
        user_name: Some("caller".to_owned()),
        ..Default::default()
    };
    for key in server
        .root
        .ok::<iam::op::ListAccessKeys>(&list)
        .await
        .access_key_metadata
    {
        let delete = iam::DeleteAccessKeyRequest {
            user_name: Some("caller".to_owned()),
            access_key_id: key.access_key_id.unwrap(),
        };
        server.root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    }
    server
        .root
        .ok::<iam::op::DeleteUser>(&iam::DeleteUserRequest {
            user_name: "caller".to_owned(),
        })
        .await;
    server.user("caller", "").await
}

#[tokio::test]
async fn contexts_of_sessions_and_boundaries_bind_as_everywhere() {
    let server = Server::start().await;
    let caller = server.user("caller", &allow("kms:*", "*")).await;
    let (id, _) = key(&server.root).await;
    let federate = portcullis_api::sts::GetFederationTokenRequest {
        name: "guest".to_owned(),
        policy: Some(allow("kms:Decrypt", "*")),
        ..Default::default()
    };
    server.allow("caller", "more", &allow("sts:*", "*")).await;
    let keys = caller
        .ok::<portcullis_api::sts::op::GetFederationToken>(&federate)
        .await
        .credentials
        .unwrap();
    let guest = caller.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    );
    let blob = ciphertext(&server.root, &id, &[]).await;
    assert!(guest.call::<op::Decrypt>(&decrypt(&blob, &[])).await.is_ok());
    assert!(guest.call::<op::Encrypt>(&encrypt(&id, &[])).await.is_err());
}
