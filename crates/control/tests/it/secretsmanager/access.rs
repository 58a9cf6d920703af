//! Who may: resources, condition keys, resource policies, other accounts, the key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_api::kms;
use portcullis_api::secretsmanager::op;
use serde_json::{Value, json};

use super::{err, ok, secret, token};
use crate::accounts::{account, create_role, trust};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn policy(statements: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn get(id: &str) -> Value {
    json!({ "SecretId": id })
}

#[tokio::test]
async fn a_refusal_names_the_secret_as_its_caller_did_whether_it_is_there_or_not() {
    let server = Server::start().await;
    let arn = secret(&server.root, "there", "x").await;
    let user = server.user("u", &allow("secretsmanager:ListSecrets", "*")).await;
    for id in ["there", "missing", &arn] {
        let refused = err::<op::GetSecretValue>(&user, get(id)).await;
        let expected = format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource: {id} because no identity-based policy allows the secretsmanager:GetSecretValue action"
        );
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn policies_name_secrets_by_arn_with_any_letters_at_the_end() {
    let server = Server::start().await;
    let arn = secret(&server.root, "app/one", "x").await;
    secret(&server.root, "app/two", "x").await;
    let region = "arn:aws:secretsmanager:us-east-1:123456789012:secret";
    for (number, (resource, allowed)) in [
        (arn.clone(), true),
        (format!("{region}:app/one-??????"), true),
        (format!("{region}:app/*"), true),
        (format!("{region}:app/one"), false),
        (format!("{region}:app/two-??????"), false),
    ]
    .into_iter()
    .enumerate()
    {
        let user = server
            .user(
                &format!("u{number}"),
                &allow("secretsmanager:GetSecretValue", &resource),
            )
            .await;
        assert_eq!(
            user.call::<op::GetSecretValue>(&super::input::<op::GetSecretValue>(&get("app/one")))
                .await
                .is_ok(),
            allowed,
            "{resource}"
        );
    }
    let maker = server
        .user(
            "maker",
            &allow("secretsmanager:*", &format!("{region}:mine/new-??????")),
        )
        .await;
    secret(&maker, "mine/new", "x").await;
    assert!(
        err::<op::CreateSecret>(&maker, json!({ "Name": "mine/other" }))
            .await
            .contains("on resource: mine/other because")
    );
    assert!(
        err::<op::GetSecretValue>(&maker, get("mine/missing"))
            .await
            .starts_with("AccessDenied")
    );
}

async fn user_when(server: &Server, name: &str, action: &str, condition: Value) -> Client {
    let statement = json!([{ "Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition }]);
    server.user(name, &policy(statement)).await
}

#[tokio::test]
async fn the_services_condition_keys_are_filled() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = secret(root, "s", "x").await;
    ok::<op::TagResource>(
        root,
        json!({ "SecretId": "s", "Tags": [{ "Key": "team", "Value": "a" }] }),
    )
    .await;
    let equals = |key: &str, value: &str| json!({ "StringEquals": { key: value } });
    let read = [
        ("tag", equals("secretsmanager:ResourceTag/team", "a"), get("s")),
        ("global-tag", equals("aws:ResourceTag/team", "a"), get("s")),
        (
            "id",
            json!({ "ArnEquals": { "secretsmanager:SecretId": arn } }),
            get("s"),
        ),
        (
            "region",
            equals("secretsmanager:SecretPrimaryRegion", "us-east-1"),
            get("s"),
        ),
        (
            "current",
            equals("secretsmanager:VersionStage", "AWSCURRENT"),
            get("s"),
        ),
        (
            "named",
            equals("secretsmanager:VersionStage", "AWSCURRENT"),
            json!({ "SecretId": "s", "VersionStage": "AWSCURRENT" }),
        ),
    ];
    for (name, condition, call) in read {
        let user = user_when(&server, name, "secretsmanager:GetSecretValue", condition).await;
        ok::<op::GetSecretValue>(&user, call).await;
    }
    let user = user_when(
        &server,
        "stage",
        "secretsmanager:GetSecretValue",
        equals("secretsmanager:VersionStage", "AWSPREVIOUS"),
    )
    .await;
    assert!(
        err::<op::GetSecretValue>(&user, get("s"))
            .await
            .starts_with("AccessDenied")
    );
}

#[tokio::test]
async fn the_condition_keys_of_changes_are_filled() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "x").await;
    let maker = user_when(&server, "maker", "secretsmanager:CreateSecret", json!({
        "StringEquals": { "secretsmanager:Name": "n", "secretsmanager:Description": "d", "aws:RequestTag/team": "a" } })).await;
    let create = json!({ "Name": "n", "Description": "d", "Tags": [{ "Key": "team", "Value": "a" }] });
    let refused = err::<op::CreateSecret>(&maker, create.clone()).await;
    assert!(
        refused.contains("secretsmanager:TagResource on resource: n"),
        "tags need a permission of their own: {refused}"
    );
    server
        .allow("maker", "tags", &allow("secretsmanager:TagResource", "*"))
        .await;
    ok::<op::CreateSecret>(&maker, create).await;
    assert!(
        err::<op::CreateSecret>(&maker, json!({ "Name": "n2", "Description": "d" }))
            .await
            .starts_with("AccessDenied")
    );
    let delete = [
        (
            "days",
            json!({ "NumericGreaterThanEquals": { "secretsmanager:RecoveryWindowInDays": "10" } }),
            json!({ "SecretId": "s", "RecoveryWindowInDays": 9 }),
        ),
        (
            "force",
            json!({ "Bool": { "secretsmanager:ForceDeleteWithoutRecovery": "false" } }),
            json!({ "SecretId": "s", "ForceDeleteWithoutRecovery": true }),
        ),
    ];
    for (name, condition, call) in delete {
        let user = user_when(&server, name, "secretsmanager:DeleteSecret", condition).await;
        assert!(
            err::<op::DeleteSecret>(&user, call)
                .await
                .starts_with("AccessDenied"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn block_public_policy_is_a_key() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "x").await;
    let blocking = user_when(
        &server,
        "block",
        "secretsmanager:PutResourcePolicy",
        json!({ "Bool": { "secretsmanager:BlockPublicPolicy": "true" } }),
    )
    .await;
    let mut put = json!({ "SecretId": "s", "ResourcePolicy": policy(json!([{ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "secretsmanager:DescribeSecret", "Resource": "*" }])) });
    assert!(
        err::<op::PutResourcePolicy>(&blocking, put.clone())
            .await
            .starts_with("AccessDenied")
    );
    put["BlockPublicPolicy"] = json!(true);
    ok::<op::PutResourcePolicy>(&blocking, put).await;
}

#[tokio::test]
async fn a_resource_policy_allows_denies_is_shown_and_goes() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "x").await;
    let user = server.user("u", "").await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/u");
    let allowing = policy(
        json!([{ "Effect": "Allow", "Principal": { "AWS": arn }, "Action": "secretsmanager:GetSecretValue", "Resource": "*" }]),
    );
    ok::<op::PutResourcePolicy>(root, json!({ "SecretId": "s", "ResourcePolicy": allowing })).await;
    ok::<op::GetSecretValue>(&user, get("s")).await;
    assert!(
        err::<op::DescribeSecret>(&user, get("s"))
            .await
            .starts_with("AccessDenied")
    );
    assert_eq!(
        ok::<op::GetResourcePolicy>(root, get("s")).await["ResourcePolicy"],
        json!(allowing)
    );
    let denying = policy(
        json!([{ "Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*" }]),
    );
    ok::<op::PutResourcePolicy>(root, json!({ "SecretId": "s", "ResourcePolicy": denying })).await;
    let refused = err::<op::GetSecretValue>(root, get("s")).await;
    assert!(
        refused.ends_with("with an explicit deny in a resource-based policy"),
        "{refused}"
    );
    ok::<op::DeleteResourcePolicy>(root, get("s")).await;
    ok::<op::GetSecretValue>(root, get("s")).await;
    assert_eq!(
        ok::<op::GetResourcePolicy>(root, get("s")).await["ResourcePolicy"],
        Value::Null
    );
}

#[tokio::test]
async fn public_and_broken_policies_are_told() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "x").await;
    let open = |condition: Value| {
        let mut statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*" });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        policy(json!([statement]))
    };
    let narrow = open(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } }));
    let put = |policy: &str| json!({ "SecretId": "s", "ResourcePolicy": policy, "BlockPublicPolicy": true });
    assert!(
        err::<op::PutResourcePolicy>(root, put(&open(Value::Null)))
            .await
            .starts_with("PublicPolicyException: ")
    );
    for vague in [
        json!({ "StringEquals": { "aws:RequestedRegion": "us-east-1" } }),
        json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-1" } }),
        json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-1" } }),
        json!({ "Null": { "aws:PrincipalOrgID": "true" } }),
        json!({ "StringLike": { "aws:PrincipalArn": "*" } }),
    ] {
        let refused = err::<op::PutResourcePolicy>(root, put(&open(vague))).await;
        assert!(refused.starts_with("PublicPolicyException: "), "{refused}");
    }
    ok::<op::PutResourcePolicy>(root, put(&narrow)).await;
    let nobody = policy(
        json!([{ "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/nobody") }, "Action": "secretsmanager:GetSecretValue", "Resource": "*" }]),
    );
    for broken in [
        "{",
        "[]",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"x","Resource":"*"}]}"#,
        nobody.as_str(),
    ] {
        assert!(
            err::<op::PutResourcePolicy>(root, put(broken))
                .await
                .starts_with("MalformedPolicyDocumentException: "),
            "{broken}"
        );
        let verdict = ok::<op::ValidateResourcePolicy>(root, json!({ "ResourcePolicy": broken })).await;
        assert_eq!(verdict["PolicyValidationPassed"], json!(false), "{broken}");
    }
    let verdict =
        ok::<op::ValidateResourcePolicy>(root, json!({ "SecretId": "s", "ResourcePolicy": narrow })).await;
    assert_eq!(
        verdict,
        json!({ "PolicyValidationPassed": true, "ValidationErrors": [] })
    );
}

/// Whether it is KMS's record of a value that was opened.
fn is_decrypt(record: &Value) -> bool {
    record["eventSource"] == "kms.amazonaws.com" && record["eventName"] == "Decrypt"
}

async fn the_use_of_the_key_is_in_both_histories(root: &Client, other: &Client, id: &str) {
    let there: Vec<_> = root.records().await.into_iter().filter(is_decrypt).collect();
    let here: Vec<_> = other.records().await.into_iter().filter(is_decrypt).collect();
    let [(theirs, ours)] = there
        .iter()
        .filter(|record| record["sharedEventID"].is_string())
        .zip(&here)
        .collect::<Vec<_>>()[..]
    else {
        panic!("KMS's record is in both histories: {there:?} {here:?}");
    };
    assert_eq!(theirs["sharedEventID"], ours["sharedEventID"]);
    assert_eq!(
        (&theirs["recipientAccountId"], &ours["recipientAccountId"]),
        (&json!(ACCOUNT), &json!(id))
    );
    assert_eq!(theirs["userIdentity"], ours["userIdentity"]);
}

#[tokio::test]
async fn another_account_reads_by_policy_identity_and_a_key_of_the_customers() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, other) = account(&server, "reader").await;
    let role = create_role(&other, "reading", &trust(&id)).await;
    let by_default = secret(root, "default", "x").await;
    let key = ok::<kms::op::CreateKey>(root, json!({})).await["KeyMetadata"]["Arn"]
        .as_str()
        .unwrap()
        .to_owned();
    let keyed = user_when(
        &server,
        "keyed",
        "secretsmanager:CreateSecret",
        json!({ "ArnEquals": { "secretsmanager:KmsKeyArn": key }, "StringEquals": { "secretsmanager:KmsKeyId": key } }),
    )
    .await;
    ok::<op::CreateSecret>(&keyed, json!({ "Name": "keyed", "KmsKeyId": key })).await;
    let create = json!({ "Name": "own", "SecretString": "y", "KmsKeyId": key });
    let own = ok::<op::CreateSecret>(root, create).await["ARN"]
        .as_str()
        .unwrap()
        .to_owned();
    let _ = role;
    let refused = err::<op::GetSecretValue>(&other, get(&own)).await;
    assert!(
        refused.starts_with("AccessDeniedException: "),
        "no policy of the secret: {refused}"
    );
    let policy = policy(
        json!([{ "Effect": "Allow", "Principal": { "AWS": id }, "Action": "secretsmanager:GetSecretValue", "Resource": "*" }]),
    );
    for secret in [&by_default, &own] {
        ok::<op::PutResourcePolicy>(root, json!({ "SecretId": secret, "ResourcePolicy": policy })).await;
        let refused = err::<op::GetSecretValue>(&other, get(secret)).await;
        assert_eq!(
            refused, "AccessDeniedException: Access to KMS is not allowed",
            "{secret}"
        );
    }
    let of_key = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") }, "Action": "kms:*", "Resource": "*" },
        { "Effect": "Allow", "Principal": { "AWS": id }, "Action": "kms:Decrypt", "Resource": "*",
          "Condition": { "StringEquals": { "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com", "kms:EncryptionContext:SecretARN": own } } }] });
    ok::<kms::op::PutKeyPolicy>(root, json!({ "KeyId": key, "Policy": of_key.to_string() })).await;
    assert_eq!(
        ok::<op::GetSecretValue>(&other, get(&own)).await["SecretString"],
        json!("y")
    );
    the_use_of_the_key_is_in_both_histories(root, &other, &id).await;
    let partial = own.rsplit_once('-').unwrap().0;
    assert!(
        err::<op::GetSecretValue>(&other, get(partial))
            .await
            .starts_with("AccessDeniedException: "),
        "the whole ARN"
    );
    assert!(
        err::<op::PutSecretValue>(&other, json!({ "SecretId": own, "SecretString": "z" }))
            .await
            .starts_with("AccessDenied")
    );
}

#[tokio::test]
async fn the_key_is_asked_in_secrets_managers_words() {
    let server = Server::start().await;
    let root = &server.root;
    let user = server.user("u", &allow("secretsmanager:*", "*")).await;
    // The service's own key is for everybody of the account who may use Secrets Manager.
    secret(&user, "default", "x").await;
    ok::<op::GetSecretValue>(&user, get("default")).await;
    let key = ok::<kms::op::CreateKey>(root, json!({})).await["KeyMetadata"]["KeyId"]
        .as_str()
        .unwrap()
        .to_owned();
    let create = json!({ "Name": "own", "SecretString": "y", "KmsKeyId": key });
    let refusal = "AccessDeniedException: Access to KMS is not allowed";
    assert_eq!(err::<op::CreateSecret>(&user, create.clone()).await, refusal);
    server
        .allow("u", "seal", &allow("kms:GenerateDataKey", "*"))
        .await;
    assert_eq!(
        err::<op::CreateSecret>(&user, create.clone()).await,
        refusal,
        "and to read it"
    );
    server.allow("u", "seal", &policy(json!([{ "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
        "Condition": { "StringLike": { "kms:EncryptionContext:SecretARN": "*:secret:own-??????" }, "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"] } } }]))).await;
    ok::<op::CreateSecret>(&user, create).await;
    ok::<op::GetSecretValue>(&user, get("own")).await;
    let missing = json!({ "Name": "lost", "SecretString": "y", "KmsKeyId": "alias/nothing" });
    let refused = err::<op::CreateSecret>(root, missing).await;
    assert!(refused.starts_with("EncryptionFailure: "), "{refused}");
    // A secret's key that can be none shows to those alone who may write.
    ok::<op::CreateSecret>(root, json!({ "Name": "empty", "KmsKeyId": "no key" })).await;
    let put = json!({ "SecretId": "empty", "SecretString": "x" });
    let stranger = server.user("stranger", "").await;
    let refused = err::<op::PutSecretValue>(&stranger, put.clone()).await;
    assert!(refused.starts_with("AccessDeniedException: User: "), "{refused}");
    let refused = err::<op::PutSecretValue>(root, put).await;
    assert!(refused.starts_with("EncryptionFailure: "), "{refused}");
}

#[tokio::test]
async fn a_batch_decides_each_secret_by_itself() {
    let server = Server::start().await;
    let root = &server.root;
    for name in ["a/one", "a/two", "b/one"] {
        secret(root, name, name).await;
    }
    let user = server.user("u", &policy(json!([
        { "Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*" },
        { "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:a/*" }]))).await;
    let batch = json!({ "SecretIdList": ["a/one", "b/one", "a/missing"] });
    let reply = ok::<op::BatchGetSecretValue>(&user, batch).await;
    assert_eq!(reply["SecretValues"].as_array().unwrap().len(), 1);
    assert_eq!(reply["SecretValues"][0]["SecretString"], json!("a/one"));
    let errors: Vec<_> = reply["Errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["SecretId"], &one["ErrorCode"]))
        .collect();
    assert_eq!(
        errors,
        [
            (&json!("b/one"), &json!("AccessDeniedException")),
            (&json!("a/missing"), &json!("ResourceNotFoundException"))
        ]
    );
    let filters = json!({ "Filters": [{ "Key": "name", "Values": ["a/"] }], "MaxResults": 1 });
    assert!(
        err::<op::BatchGetSecretValue>(&user, filters.clone())
            .await
            .contains("secretsmanager:ListSecrets")
    );
    server
        .allow("u", "list", &allow("secretsmanager:ListSecrets", "*"))
        .await;
    let page = ok::<op::BatchGetSecretValue>(&user, filters.clone()).await;
    assert_eq!(page["SecretValues"][0]["Name"], json!("a/one"));
    let mut rest = filters;
    rest["NextToken"] = page["NextToken"].clone();
    let page = ok::<op::BatchGetSecretValue>(&user, rest).await;
    assert_eq!(
        (&page["SecretValues"][0]["Name"], &page["NextToken"]),
        (&json!("a/two"), &Value::Null)
    );
    for wrong in [
        json!({}),
        json!({ "SecretIdList": ["a/one"], "Filters": [] }),
        json!({ "SecretIdList": ["a/one"], "MaxResults": 1 }),
    ] {
        assert!(
            err::<op::BatchGetSecretValue>(root, wrong)
                .await
                .starts_with("InvalidParameterException: ")
        );
    }
}

/// What the secrets of another account take at the decision and afterwards may differ: it changes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_refuses_what_it_refused_whatever_other_accounts_do_meanwhile() {
    const ROUNDS: usize = 400;
    let server = Server::start().await;
    let (_, other) = account(&server, "flipping").await;
    let theirs = secret(&other, "theirs", "x").await;
    secret(&server.root, "denied", "canary").await;
    let user = server.user("u", &policy(json!([
        { "Effect": "Allow", "Action": ["secretsmanager:*", "kms:*"], "Resource": "*" },
        { "Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:denied-*" }]))).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let flipping = tokio::spawn({
        let (is_over, theirs) = (Arc::clone(&is_over), theirs.clone());
        async move {
            while !is_over.load(Ordering::Relaxed) {
                ok::<op::DeleteSecret>(&other, get(&theirs)).await;
                ok::<op::RestoreSecret>(&other, get(&theirs)).await;
            }
        }
    });
    let mut ids = vec![theirs; 19];
    ids.push("denied".to_owned());
    let batch = json!({ "SecretIdList": ids });
    for _ in 0..ROUNDS {
        let reply = ok::<op::BatchGetSecretValue>(&user, batch.clone()).await;
        assert_eq!(reply["SecretValues"], json!([]));
    }
    is_over.store(true, Ordering::Relaxed);
    flipping.await.unwrap();
}

#[tokio::test]
async fn histories_show_who_read_what_and_no_value() {
    let server = Server::start().await;
    let root = &server.root;
    let call = json!({ "Name": "s", "SecretString": "canary-value", "ClientRequestToken": token("t") });
    let arn = ok::<op::CreateSecret>(root, call).await["ARN"].clone();
    ok::<op::GetSecretValue>(root, get("s")).await;
    let records = server.records().await;
    let of = |name: &str| records.iter().find(|record| record["eventName"] == name).unwrap();
    assert_eq!(
        of("GetSecretValue")["requestParameters"],
        json!({ "secretId": "s" })
    );
    assert_eq!(of("GetSecretValue")["responseElements"], Value::Null);
    assert_eq!(
        of("CreateSecret")["requestParameters"],
        json!({ "name": "s", "clientRequestToken": token("t") })
    );
    assert_eq!(of("CreateSecret")["responseElements"]["arn"], arn);
    let decrypt = of("Decrypt");
    assert_eq!(
        decrypt["userIdentity"]["invokedBy"],
        "secretsmanager.amazonaws.com"
    );
    let context = json!({ "SecretARN": arn, "SecretVersionId": token("t") });
    assert_eq!(decrypt["requestParameters"]["encryptionContext"], context);
    assert!(!json!(records).to_string().contains("canary-value"));
}
