//! Secrets: made, listed, deleted, restored, forgotten.

use portcullis_api::secretsmanager::op;
use portcullis_control::schedule;
use serde_json::{Value, json};

use super::{err, ok, secret, text};
use crate::harness::Server;

const DAY: i64 = 24 * 3_600;
const MARKED: &str = "InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.";

#[tokio::test]
async fn a_deleted_secret_waits_for_its_window_and_can_come_back() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = secret(root, "s", "one").await;
    let deleted = ok::<op::DeleteSecret>(root, json!({ "SecretId": "s", "RecoveryWindowInDays": 7 })).await;
    assert_eq!(deleted["ARN"], json!(arn));
    for call in [json!({ "SecretId": "s" }), json!({ "SecretId": arn })] {
        assert_eq!(err::<op::GetSecretValue>(root, call.clone()).await, MARKED);
        assert_eq!(err::<op::DeleteSecret>(root, call).await, MARKED);
    }
    assert_eq!(
        err::<op::PutSecretValue>(root, json!({ "SecretId": "s", "SecretString": "x" })).await,
        MARKED
    );
    assert!(
        err::<op::CreateSecret>(root, json!({ "Name": "s" }))
            .await
            .starts_with("InvalidRequestException: You can't create")
    );
    let shown = ok::<op::DescribeSecret>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(shown["DeletedDate"], deleted["DeletionDate"]);
    ok::<op::RestoreSecret>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(text(root, "s", "AWSCURRENT").await, json!("one"));

    ok::<op::DeleteSecret>(root, json!({ "SecretId": "s" })).await;
    server.clock.advance_seconds(30 * DAY - 1);
    assert_eq!(
        err::<op::GetSecretValue>(root, json!({ "SecretId": "s" })).await,
        MARKED
    );
    server.clock.advance_seconds(1);
    let missing = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";
    assert_eq!(
        err::<op::RestoreSecret>(root, json!({ "SecretId": "s" })).await,
        missing
    );
    schedule::forget(server.gate.world()).await;
    let view = server.gate.world().view();
    assert!(view.secrets.secrets.is_empty() && view.secrets.versions.is_empty());
}

#[tokio::test]
async fn what_is_made_anew_under_an_old_name_is_another_secret() {
    let server = Server::start().await;
    let root = &server.root;
    let old = secret(root, "s", "one").await;
    ok::<op::DeleteSecret>(
        root,
        json!({ "SecretId": "s", "ForceDeleteWithoutRecovery": true }),
    )
    .await;
    let again = json!({ "SecretId": "s", "ForceDeleteWithoutRecovery": true });
    ok::<op::DeleteSecret>(root, again).await;
    ok::<op::CreateSecret>(root, json!({ "Name": "s" })).await;
    let new = ok::<op::DescribeSecret>(root, json!({ "SecretId": "s" })).await;
    assert_ne!(new["ARN"], json!(old));
    assert_eq!(new["VersionIdsToStages"], Value::Null);
    assert!(
        err::<op::DescribeSecret>(root, json!({ "SecretId": old }))
            .await
            .starts_with("ResourceNotFound")
    );
    // Nor does one whose window ended stand in the way, before anybody forgot it.
    ok::<op::DeleteSecret>(root, json!({ "SecretId": "s", "RecoveryWindowInDays": 7 })).await;
    server.clock.advance_seconds(7 * DAY);
    secret(root, "s", "three").await;
    assert_eq!(text(root, "s", "AWSCURRENT").await, json!("three"));
}

#[tokio::test]
async fn windows_have_7_to_30_days_and_no_force() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "one").await;
    for days in [0, 6, 31] {
        let refused =
            err::<op::DeleteSecret>(root, json!({ "SecretId": "s", "RecoveryWindowInDays": days })).await;
        assert!(
            refused.starts_with("InvalidParameterException: RecoveryWindowInDays value must be"),
            "{refused}"
        );
    }
    let both = json!({ "SecretId": "s", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true });
    assert!(
        err::<op::DeleteSecret>(root, both)
            .await
            .starts_with("InvalidParameterException: You can't use Force")
    );
}

fn listed(reply: &Value) -> Vec<String> {
    let list = reply["SecretList"].as_array().unwrap().iter();
    list.map(|one| one["Name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let server = Server::start().await;
    let root = &server.root;
    for (name, description, tag) in [
        ("prod/b", "Main database", "red"),
        ("prod/a", "cache", "blue"),
        ("dev/a", "The Database", "red"),
    ] {
        let create =
            json!({ "Name": name, "Description": description, "Tags": [{ "Key": "colour", "Value": tag }] });
        ok::<op::CreateSecret>(root, create).await;
        server.clock.advance_seconds(1);
    }
    ok::<op::CreateSecret>(&root.region("eu-west-1"), json!({ "Name": "elsewhere" })).await;
    ok::<op::CreateSecret>(root, json!({ "Name": "gone" })).await;
    ok::<op::DeleteSecret>(root, json!({ "SecretId": "gone" })).await;
    let cases = [
        (json!({}), vec!["prod/b", "prod/a", "dev/a"]),
        (json!({ "SortOrder": "desc" }), vec!["dev/a", "prod/a", "prod/b"]),
        (json!({ "SortBy": "name" }), vec!["dev/a", "prod/a", "prod/b"]),
        (
            json!({ "IncludePlannedDeletion": true, "SortBy": "name", "SortOrder": "desc" }),
            vec!["prod/b", "prod/a", "gone", "dev/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "name", "Values": ["prod/"] }] }),
            vec!["prod/b", "prod/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "name", "Values": ["!prod/"] }] }),
            vec!["dev/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "description", "Values": ["database"] }] }),
            vec!["prod/b", "dev/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "tag-key", "Values": ["col"] }, { "Key": "tag-value", "Values": ["red", "green"] }] }),
            vec!["prod/b", "dev/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "all", "Values": ["DATABASE blue"] }] }),
            vec!["prod/b", "prod/a", "dev/a"],
        ),
        (
            json!({ "Filters": [{ "Key": "owning-service", "Values": ["rds"] }] }),
            vec![],
        ),
    ];
    for (call, expected) in cases {
        let reply = ok::<op::ListSecrets>(root, call.clone()).await;
        assert_eq!(listed(&reply), expected, "{call}");
        let mut paged = Vec::new();
        let mut call = call;
        call["MaxResults"] = json!(1);
        loop {
            let reply = ok::<op::ListSecrets>(root, call.clone()).await;
            paged.extend(listed(&reply));
            match reply["NextToken"].as_str() {
                Some(next) => call["NextToken"] = json!(next),
                None => break,
            }
        }
        assert_eq!(paged, expected);
    }
    let nonsense = json!({ "NextToken": "%%%" });
    assert!(
        err::<op::ListSecrets>(root, nonsense)
            .await
            .starts_with("InvalidNextTokenException: ")
    );
}

#[tokio::test]
async fn rotation_and_replication_are_answered_plainly() {
    let server = Server::start().await;
    let root = &server.root;
    secret(root, "s", "one").await;
    let refused = err::<op::RotateSecret>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(
        refused,
        "InvalidRequestException: No Lambda rotation function ARN is associated with this secret."
    );
    let function =
        json!({ "SecretId": "s", "RotationLambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:f" });
    let refused = err::<op::RotateSecret>(root, function).await;
    assert!(
        refused.starts_with("AccessDeniedException: Secrets Manager cannot invoke"),
        "{refused}"
    );
    ok::<op::CancelRotateSecret>(root, json!({ "SecretId": "s" })).await;
    let shown = ok::<op::DescribeSecret>(root, json!({ "SecretId": "s" })).await;
    assert_eq!(shown["RotationEnabled"], json!(false));
    let replicas = json!({ "Name": "r", "AddReplicaRegions": [{ "Region": "eu-west-1" }] });
    assert!(
        err::<op::CreateSecret>(root, replicas)
            .await
            .starts_with("InvalidParameterException: Replication")
    );
}

#[tokio::test]
async fn names_and_tags_have_their_letters() {
    let server = Server::start().await;
    let root = &server.root;
    for name in ["a b", "a:b", "é", "a\nb", "a*"] {
        let refused = err::<op::CreateSecret>(root, json!({ "Name": name })).await;
        assert!(
            refused.starts_with("ValidationException: Invalid name."),
            "{name}: {refused}"
        );
    }
    ok::<op::CreateSecret>(
        root,
        json!({ "Name": "a/b_c+d=e.f@g-h!", "Tags": [{ "Key": "k", "Value": "v" }] }),
    )
    .await;
    let id = "a/b_c+d=e.f@g-h!";
    for tags in [
        json!([{ "Key": "aws:x", "Value": "" }]),
        json!([{ "Key": "a", "Value": "1" }, { "Key": "a", "Value": "2" }]),
    ] {
        let refused = err::<op::TagResource>(root, json!({ "SecretId": id, "Tags": tags })).await;
        assert!(refused.starts_with("InvalidParameterException: "), "{refused}");
    }
    ok::<op::TagResource>(
        root,
        json!({ "SecretId": id, "Tags": [{ "Key": "l", "Value": "w" }] }),
    )
    .await;
    ok::<op::UntagResource>(root, json!({ "SecretId": id, "TagKeys": ["k", "nothing"] })).await;
    let shown = ok::<op::DescribeSecret>(root, json!({ "SecretId": id })).await;
    assert_eq!(shown["Tags"], json!([{ "Key": "l", "Value": "w" }]));
}

#[tokio::test]
async fn random_passwords_have_every_kind_and_nothing_excluded() {
    let server = Server::start().await;
    let root = &server.root;
    let password = |call: Value| async move {
        let reply = ok::<op::GetRandomPassword>(root, call).await;
        reply["RandomPassword"].as_str().unwrap().to_owned()
    };
    let one = password(json!({})).await;
    assert_eq!(one.chars().count(), 32);
    assert_ne!(one, password(json!({})).await);
    for _ in 0..50 {
        let four = password(json!({ "PasswordLength": 4 })).await;
        for kind in [
            char::is_ascii_lowercase as fn(&char) -> bool,
            char::is_ascii_uppercase,
            char::is_ascii_digit,
            char::is_ascii_punctuation,
        ] {
            assert_eq!(four.chars().filter(kind).count(), 1, "{four}");
        }
    }
    let digits = json!({ "ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true, "ExcludeCharacters": "0123" });
    assert!(
        password(digits)
            .await
            .bytes()
            .all(|byte| (b'4'..=b'9').contains(&byte))
    );
    let short = err::<op::GetRandomPassword>(root, json!({ "PasswordLength": 3 })).await;
    assert!(
        short.starts_with("InvalidParameterException: Password length"),
        "{short}"
    );
    let none = json!({ "ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true, "ExcludeNumbers": true });
    assert!(
        err::<op::GetRandomPassword>(root, none)
            .await
            .starts_with("InvalidParameterException: ")
    );
}
