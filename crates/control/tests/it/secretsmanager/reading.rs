//! Values, versions and labels.

use portcullis_api::secretsmanager::op;
use serde_json::{Value, json};

use super::{err, ok, secret, text, token};
use crate::harness::{ACCOUNT, Server};

#[tokio::test]
async fn a_secret_is_found_by_name_by_arn_and_by_an_arn_without_its_letters() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = secret(root, "app/db-pass", "hunter2").await;
    let (partial, letters) = arn.rsplit_once('-').unwrap();
    assert_eq!(
        partial,
        format!("arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:app/db-pass")
    );
    assert!(
        letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{letters}"
    );
    for id in ["app/db-pass", arn.as_str(), partial] {
        let got = ok::<op::GetSecretValue>(root, json!({ "SecretId": id })).await;
        assert_eq!(
            (&got["SecretString"], &got["ARN"]),
            (&json!("hunter2"), &json!(arn)),
            "{id}"
        );
        assert_eq!(got["VersionStages"], json!(["AWSCURRENT"]));
    }
    let missing = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";
    let elsewhere = arn.replace("us-east-1", "eu-west-1");
    for id in ["app/db", "app/db-pass-", &format!("{partial}-AAAAAA"), &elsewhere] {
        assert_eq!(
            err::<op::GetSecretValue>(root, json!({ "SecretId": id })).await,
            missing,
            "{id}"
        );
    }
    let other_region = root.region("eu-west-1");
    assert_eq!(
        err::<op::GetSecretValue>(&other_region, json!({ "SecretId": "app/db-pass" })).await,
        missing
    );
}

#[tokio::test]
async fn labels_follow_the_values_that_are_put() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "one").await;
    ok::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "two" })).await;
    let pending =
        json!({ "SecretId": "s", "SecretString": "three", "VersionStages": ["AWSPENDING", "mine"] });
    let put = ok::<op::PutSecretValue>(root, pending).await;
    assert_eq!(put["VersionStages"], json!(["AWSPENDING", "mine"]));
    for (stage, value) in [
        ("AWSCURRENT", "two"),
        ("AWSPREVIOUS", "one"),
        ("AWSPENDING", "three"),
        ("mine", "three"),
    ] {
        assert_eq!(text(root, "s", stage).await, json!(value), "{stage}");
    }
    let listed = ok::<op::ListSecretVersionIds>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 3);
    assert_eq!(
        listed["Versions"][0]["KmsKeyIds"],
        json!(["DefaultEncryptionKey"])
    );
    // What no label is on is deprecated: listed on demand only.
    ok::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "four" })).await;
    let listed = ok::<op::ListSecretVersionIds>(root, json!({ "SecretId": "s", "MaxResults": 2 })).await;
    let next = listed["NextToken"].as_str().unwrap();
    let rest = ok::<op::ListSecretVersionIds>(root, json!({ "SecretId": "s", "NextToken": next })).await;
    assert_eq!(rest["Versions"].as_array().unwrap().len(), 1);
    let all =
        ok::<op::ListSecretVersionIds>(root, json!({ "SecretId": "s", "IncludeDeprecated": true })).await;
    assert_eq!(all["Versions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_token_makes_one_version_and_never_another_value() {
    let server = Server::start().await;
    let root = &server.root;
    let token = token("t");
    let create = json!({ "Name": "s", "SecretString": "one", "ClientRequestToken": token });
    let made = ok::<op::CreateSecret>(root, create.clone()).await;
    assert_eq!(made["VersionId"], json!(token));
    assert_eq!(ok::<op::CreateSecret>(root, create).await, made, "tried again");
    let other = json!({ "Name": "s", "SecretString": "other", "ClientRequestToken": token });
    let arn = made["ARN"].as_str().unwrap();
    let in_use = format!(
        "ResourceExistsException: You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    );
    assert_eq!(err::<op::CreateSecret>(root, other).await, in_use);
    for call in [
        json!({ "SecretString": "other" }),
        json!({ "SecretBinary": "b25l" }),
    ] {
        let mut call = call;
        call["SecretId"] = json!("s");
        call["ClientRequestToken"] = json!(token);
        assert_eq!(err::<op::PutSecretValue>(root, call.clone()).await, in_use);
        assert_eq!(err::<op::UpdateSecret>(root, call).await, in_use);
    }
    let again = json!({ "SecretId": "s", "SecretString": "one", "ClientRequestToken": token });
    assert_eq!(
        ok::<op::PutSecretValue>(root, again).await["VersionId"],
        json!(token)
    );
    let exists = "ResourceExistsException: The operation failed because the secret s already exists.";
    assert_eq!(
        err::<op::CreateSecret>(root, json!({ "Name": "s", "SecretString": "one" })).await,
        exists
    );
}

#[tokio::test]
async fn what_a_call_asks_for_must_be_there_and_belong_together() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateSecret>(root, json!({ "Name": "empty" })).await;
    let one = token("one");
    ok::<op::CreateSecret>(
        root,
        json!({ "Name": "s", "SecretString": "1", "ClientRequestToken": one }),
    )
    .await;
    ok::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "2" })).await;
    let not_found = "ResourceNotFoundException: Secrets Manager can't find the specified secret value for";
    let missing = token("missing");
    for (call, expected) in [
        (json!({ "SecretId": "empty" }), format!("{not_found} staging label: AWSCURRENT")),
        (json!({ "SecretId": "s", "VersionStage": "x" }), format!("{not_found} staging label: x")),
        (json!({ "SecretId": "s", "VersionId": missing }), format!("{not_found} VersionId: {missing}")),
        (
            json!({ "SecretId": "s", "VersionId": one, "VersionStage": "AWSCURRENT" }),
            "InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.".to_owned(),
        ),
    ] {
        assert_eq!(err::<op::GetSecretValue>(root, call).await, expected);
    }
    let both = json!({ "SecretId": "s", "VersionId": one, "VersionStage": "AWSPREVIOUS" });
    assert_eq!(
        ok::<op::GetSecretValue>(root, both).await["SecretString"],
        json!("1")
    );
}

#[tokio::test]
async fn bytes_stay_bytes_up_to_64_kib_and_errors_say_nothing_of_them() {
    let server = Server::start().await;
    let root = &server.root;
    let bytes = json!({ "Name": "b", "SecretBinary": "AAECAw==" });
    ok::<op::CreateSecret>(root, bytes).await;
    let got = ok::<op::GetSecretValue>(root, json!({ "SecretId": "b" })).await;
    assert_eq!(
        (&got["SecretBinary"], &got["SecretString"]),
        (&json!("AAECAw=="), &Value::Null)
    );
    let largest = "x".repeat(65_536);
    ok::<op::PutSecretValue>(root, json!({ "SecretId": "b", "SecretString": largest })).await;
    assert_eq!(text(root, "b", "AWSCURRENT").await, json!(largest));
    for too_long in ["canary".repeat(10_923), "é".repeat(32_769)] {
        let refused =
            err::<op::PutSecretValue>(root, json!({ "SecretId": "b", "SecretString": too_long })).await;
        assert!(!refused.contains("canary") && !refused.contains('é'), "{refused}");
    }
    let two = json!({ "SecretId": "b", "SecretString": "x", "SecretBinary": "AAEC" });
    assert!(
        err::<op::PutSecretValue>(root, two)
            .await
            .starts_with("InvalidParameterException: You can't specify both")
    );
}

#[tokio::test]
async fn labels_move_only_from_where_their_caller_says_they_are() {
    let server = Server::start().await;
    let root = &server.root;
    let (one, two) = (token("one"), token("two"));
    ok::<op::CreateSecret>(
        root,
        json!({ "Name": "s", "SecretString": "1", "ClientRequestToken": one }),
    )
    .await;
    let put =
        json!({ "SecretId": "s", "SecretString": "2", "ClientRequestToken": two, "VersionStages": ["mine"] });
    ok::<op::PutSecretValue>(root, put).await;
    let call = |stage: &str, from: Option<&str>, to: Option<&str>| json!({ "SecretId": "s", "VersionStage": stage, "RemoveFromVersionId": from, "MoveToVersionId": to });
    let (one, two) = (Some(one.as_str()), Some(two.as_str()));
    let refused = [
        (
            call("AWSCURRENT", None, two),
            "InvalidParameterException: The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version one-----------------------------, so you must explicitly reference that version in RemoveFromVersionId.",
        ),
        (
            call("AWSCURRENT", two, one),
            "InvalidParameterException: Staging label AWSCURRENT is not attached to version two-----------------------------.",
        ),
        (
            call("AWSCURRENT", one, None),
            "InvalidParameterException: You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.",
        ),
        (
            call("mine", None, None),
            "InvalidParameterException: You must specify MoveToVersionId, RemoveFromVersionId, or both.",
        ),
        (
            call("mine", None, Some("nowhere-------------------------")),
            "ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: nowhere-------------------------",
        ),
    ];
    for (call, expected) in refused {
        assert_eq!(err::<op::UpdateSecretVersionStage>(root, call).await, expected);
    }
    ok::<op::UpdateSecretVersionStage>(root, call("AWSCURRENT", one, two)).await;
    assert_eq!(
        (
            text(root, "s", "AWSCURRENT").await,
            text(root, "s", "AWSPREVIOUS").await
        ),
        (json!("2"), json!("1"))
    );
    ok::<op::UpdateSecretVersionStage>(root, call("mine", two, None)).await;
    ok::<op::UpdateSecretVersionStage>(root, call("new", None, one)).await;
    let described = ok::<op::DescribeSecret>(root, json!({ "SecretId": "s" })).await;
    let stages = json!({ one.unwrap(): ["AWSPREVIOUS", "new"], two.unwrap(): ["AWSCURRENT"] });
    assert_eq!(described["VersionIdsToStages"], stages);
}

#[tokio::test]
async fn a_version_has_at_most_20_labels() {
    let server = Server::start().await;
    let root = &server.root;
    let only = token("only");
    ok::<op::CreateSecret>(
        root,
        json!({ "Name": "s", "SecretString": "1", "ClientRequestToken": only }),
    )
    .await;
    let call =
        |label: u32| json!({ "SecretId": "s", "VersionStage": format!("l{label}"), "MoveToVersionId": only });
    for label in 1..20 {
        ok::<op::UpdateSecretVersionStage>(root, call(label)).await;
    }
    assert!(
        err::<op::UpdateSecretVersionStage>(root, call(20))
            .await
            .starts_with("LimitExceededException: ")
    );
}

#[tokio::test]
async fn about_100_versions_are_kept_and_the_oldest_without_a_label_goes_after_a_day() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "first").await;
    let keep = json!({ "SecretId": "s", "SecretString": "kept", "VersionStages": ["kept"] });
    ok::<op::PutSecretValue>(root, keep).await;
    for number in 0..98 {
        ok::<op::PutSecretValue>(
            root,
            json!({ "SecretId": "s", "SecretString": format!("{number}") }),
        )
        .await;
    }
    let more = || json!({ "SecretId": "s", "SecretString": "more" });
    assert!(
        err::<op::PutSecretValue>(root, more())
            .await
            .starts_with("LimitExceededException: ")
    );
    server.clock.advance_seconds(24 * 3_600);
    ok::<op::PutSecretValue>(root, more()).await;
    let all = json!({ "SecretId": "s", "IncludeDeprecated": true });
    let listed = ok::<op::ListSecretVersionIds>(root, all).await;
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 100);
    for (stage, value) in [("AWSCURRENT", "more"), ("AWSPREVIOUS", "97"), ("kept", "kept")] {
        assert_eq!(text(root, "s", stage).await, json!(value), "{stage}");
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_seals_anew_under_another_key() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "one").await;
    ok::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "two" })).await;
    let key = ok::<portcullis_api::kms::op::CreateKey>(root, json!({})).await;
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap();
    let update = json!({ "SecretId": "s", "Description": "d", "KmsKeyId": key });
    let updated = ok::<op::UpdateSecret>(root, update).await;
    assert_eq!(updated["VersionId"], Value::Null);
    let shown = ok::<op::DescribeSecret>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(
        (&shown["Description"], &shown["KmsKeyId"]),
        (&json!("d"), &json!(key))
    );
    for (stage, value) in [("AWSCURRENT", "two"), ("AWSPREVIOUS", "one")] {
        assert_eq!(text(root, "s", stage).await, json!(value));
    }
    let listed = ok::<op::ListSecretVersionIds>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(listed["Versions"][0]["KmsKeyIds"], json!([key]));
    ok::<portcullis_api::kms::op::DisableKey>(root, json!({ "KeyId": key })).await;
    let refused = err::<op::GetSecretValue>(root, json!({ "SecretId": "s" })).await;
    assert!(refused.starts_with("DecryptionFailure: "), "{refused}");
    let refused = err::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "x" })).await;
    assert!(refused.starts_with("EncryptionFailure: "), "{refused}");
}
