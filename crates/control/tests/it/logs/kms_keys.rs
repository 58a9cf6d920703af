//! KMS keys of log groups: CloudWatch Logs must be let by the key's policy, and events are out of reach without their key.

use portcullis_api::kms;
use portcullis_api::logs::{
    AssociateKmsKeyRequest, CreateLogGroupRequest, DescribeLogGroupsRequest, DisassociateKmsKeyRequest,
    GetLogEventsRequest, op,
};
use portcullis_core::AccountId;
use portcullis_logs::{Filter, LogsError, Order, Pattern, Streams};
use serde_json::{Value, json};

use super::{arn, batch, filter, get, group, put, start, stream, words};
use crate::accounts::account;
use crate::harness::{ACCOUNT, Client, Server, allow};
use crate::kms::{key, key_with, made, policy, root, statement};

const NOT_ALLOWED: &str = "The specified KMS key does not exist or is not allowed to be used with Arn";

/// Lets CloudWatch Logs use a key, for a group or for all.
fn logs_may(group: Option<&str>) -> Value {
    let principal = json!({ "Service": "logs.us-east-1.amazonaws.com" });
    let condition =
        group.map(|group| json!({ "ArnEquals": { "kms:EncryptionContext:aws:logs:arn": arn(group) } }));
    statement("Allow", &principal, "kms:*", &condition.unwrap_or_default())
}

fn account_may() -> Value {
    statement("Allow", &root(), "kms:*", &Value::Null)
}

/// A key for log groups: its id and ARN.
async fn log_key(client: &Client, group: Option<&str>) -> (String, String) {
    key_with(client, &policy(&[account_may(), logs_may(group)])).await
}

fn create(name: &str, key: &str) -> CreateLogGroupRequest {
    CreateLogGroupRequest {
        log_group_name: name.to_owned(),
        kms_key_id: Some(key.to_owned()),
        ..Default::default()
    }
}

fn associate(group: &str, key: &str) -> AssociateKmsKeyRequest {
    AssociateKmsKeyRequest {
        log_group_name: Some(group.to_owned()),
        kms_key_id: key.to_owned(),
        ..Default::default()
    }
}

fn disassociate(group: &str) -> DisassociateKmsKeyRequest {
    DisassociateKmsKeyRequest {
        log_group_name: Some(group.to_owned()),
        ..Default::default()
    }
}

async fn disable(server: &Server, id: &str) {
    let disable = kms::DisableKeyRequest {
        key_id: id.to_owned(),
    };
    server.root.ok::<kms::op::DisableKey>(&disable).await;
}

async fn enable(server: &Server, id: &str) {
    let enable = kms::EnableKeyRequest {
        key_id: id.to_owned(),
    };
    server.root.ok::<kms::op::EnableKey>(&enable).await;
}

/// The messages of a stream, or the refusal.
async fn read(client: &Client, request: &GetLogEventsRequest) -> Result<Vec<String>, String> {
    let page = client.call::<op::GetLogEvents>(request).await;
    let page = page.map_err(|error| words(&error))?;
    let events = page.events.unwrap_or_default().into_iter();
    Ok(events.filter_map(|event| event.message).collect())
}

/// The key that a group is shown with.
async fn shown(client: &Client, group: &str) -> Option<String> {
    let request = DescribeLogGroupsRequest {
        log_group_name_prefix: Some(group.to_owned()),
        ..Default::default()
    };
    let groups = client.ok::<op::DescribeLogGroups>(&request).await.log_groups;
    groups.unwrap().into_iter().find_map(|row| row.kms_key_id)
}

async fn refused(client: &Client, request: &CreateLogGroupRequest) -> String {
    words(&client.call::<op::CreateLogGroup>(request).await.unwrap_err())
}

/// KMS's records of what CloudWatch Logs did.
async fn uses(server: &Server, operation: &str) -> Vec<Value> {
    let records = server.records().await.into_iter();
    let by_logs = |record: &Value| record["userIdentity"]["invokedBy"] == "logs.us-east-1.amazonaws.com";
    records
        .filter(|record| record["eventName"] == operation && by_logs(record))
        .collect()
}

/// What the store has of a group, to somebody without keys.
async fn stored(server: &Server, group: &str) -> Result<usize, LogsError> {
    let world = server.gate.world();
    let account: AccountId = ACCOUNT.parse().unwrap();
    let row = world
        .view()
        .logs
        .group(&"us-east-1".parse().unwrap(), group)
        .unwrap()
        .clone();
    let everything = Filter {
        group: row.stored_as(&account),
        streams: Streams::All,
        from: None,
        until: None,
        pattern: Pattern::everything(),
        order: Order::OldestFirst,
        token: None,
        limit: 100,
    };
    world
        .logs()
        .filter(everything)
        .await
        .map(|found| found.events.len())
}

#[tokio::test]
async fn the_keys_policy_must_let_cloudwatch_logs_for_the_group_and_nobody_else_is_asked() {
    let server = start(&[]).await;
    let user = server.user("u", &allow("logs:*", "*")).await;
    let (_, closed) = key(&server.root).await;
    let expected = format!("AccessDeniedException: {NOT_ALLOWED} '{}'", arn("g"));
    assert_eq!(refused(&user, &create("g", &closed)).await, expected);
    let (_, of_another) = log_key(&server.root, Some("h")).await;
    assert_eq!(refused(&user, &create("g", &of_another)).await, expected);
    assert_eq!(shown(&user, "g").await, None);

    let (_, own) = log_key(&server.root, Some("g")).await;
    user.ok::<op::CreateLogGroup>(&create("g", &own)).await;
    assert_eq!(shown(&user, "g").await, Some(own.clone()));
    stream(&user, "g", "s").await;
    put(&user, "g", "s", 0, &["one", "two"]).await;
    assert_eq!(read(&user, &get("g", "s")).await.unwrap(), ["one", "two"]);
    let found = user.ok::<op::FilterLogEvents>(&filter("g")).await.events.unwrap();
    assert_eq!(found.len(), 2);
    assert!(matches!(stored(&server, "g").await, Err(LogsError::Sealed(_))));

    for operation in ["GenerateDataKey", "Decrypt"] {
        let used = uses(&server, operation).await;
        assert_eq!(used.len(), 1, "{operation}");
        assert_eq!(used[0]["userIdentity"]["type"], "AWSService");
        assert_eq!(used[0]["resources"][0]["ARN"], own.as_str());
        assert_eq!(
            used[0]["requestParameters"]["encryptionContext"],
            json!({ "aws:logs:arn": arn("g") })
        );
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_not_taken() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let (id, own) = log_key(root, None).await;
    let (off, disabled) = log_key(root, None).await;
    disable(&server, &off).await;
    let codes = kms::CreateKeyRequest {
        key_spec: Some("HMAC_256".to_owned()),
        key_usage: Some("GENERATE_VERIFY_MAC".to_owned()),
        policy: Some(policy(&[account_may(), logs_may(None)]).to_string()),
        ..Default::default()
    };
    let (_, codes) = made(root, &codes).await;
    let not_found = "The specified KMS Key Id could not be found.";
    let (nobodys, elsewhere) = (
        own.replace("key/", "key/0"),
        own.replace("us-east-1", "eu-west-1"),
    );
    for (key, expected) in [
        (id.as_str(), not_found),
        ("alias/k", not_found),
        (nobodys.as_str(), not_found),
        (elsewhere.as_str(), not_found),
        (disabled.as_str(), "The specified KMS Key Id is disabled."),
        (
            codes.as_str(),
            "The specified KMS Key Id is not that of a symmetric encryption key.",
        ),
    ] {
        let expected = format!("InvalidParameterException: {expected}");
        assert_eq!(refused(root, &create("n", key)).await, expected, "{key}");
        let associated = root.call::<op::AssociateKmsKey>(&associate("g", key)).await;
        assert_eq!(words(&associated.unwrap_err()), expected, "{key}");
    }
    assert_eq!(shown(root, "g").await, None);
}

#[tokio::test]
async fn nobody_learns_whether_another_accounts_key_is_there() {
    let server = start(&[]).await;
    let (id, other) = account(&server, "other").await;
    let (_, closed) = key(&other).await;
    let missing = format!("arn:aws:kms:us-east-1:{id}:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let expected = format!("AccessDeniedException: {NOT_ALLOWED} '{}'", arn("g"));
    for key in [closed, missing] {
        assert_eq!(refused(&server.root, &create("g", &key)).await, expected, "{key}");
    }
}

#[tokio::test]
async fn without_its_key_nothing_is_written_and_nothing_read() {
    let server = start(&[]).await;
    let root = &server.root;
    let (id, own) = log_key(root, None).await;
    root.ok::<op::CreateLogGroup>(&create("g", &own)).await;
    stream(root, "g", "s").await;
    put(root, "g", "s", 0, &["one"]).await;
    disable(&server, &id).await;
    let expected = format!("AccessDeniedException: {NOT_ALLOWED} '{}'", arn("g"));
    assert_eq!(read(root, &get("g", "s")).await.unwrap_err(), expected);
    let filtered = root.call::<op::FilterLogEvents>(&filter("g")).await;
    assert_eq!(words(&filtered.unwrap_err()), expected);
    let written = root
        .call::<op::PutLogEvents>(&batch(root, "g", "s", 1, &["two"]))
        .await;
    assert_eq!(words(&written.unwrap_err()), expected);
    enable(&server, &id).await;
    put(root, "g", "s", 1, &["two"]).await;
    assert_eq!(read(root, &get("g", "s")).await.unwrap(), ["one", "two"]);
    let close = kms::PutKeyPolicyRequest {
        key_id: id,
        policy: policy(&[account_may()]).to_string(),
        ..Default::default()
    };
    root.ok::<kms::op::PutKeyPolicy>(&close).await;
    assert_eq!(read(root, &get("g", "s")).await.unwrap_err(), expected);
}

#[tokio::test]
async fn events_stay_under_the_key_they_came_in_with() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let (first_id, first) = log_key(root, None).await;
    let (_, second) = log_key(root, None).await;
    put(root, "g", "s", 0, &["clear"]).await;
    root.ok::<op::AssociateKmsKey>(&associate("g", &first)).await;
    put(root, "g", "s", 10, &["first"]).await;
    let by_arn = AssociateKmsKeyRequest {
        log_group_name: None,
        resource_identifier: Some(arn("g")),
        ..associate("g", &second)
    };
    root.ok::<op::AssociateKmsKey>(&by_arn).await;
    assert_eq!(shown(root, "g").await, Some(second));
    put(root, "g", "s", 20, &["second"]).await;
    for _ in 0..2 {
        root.ok::<op::DisassociateKmsKey>(&disassociate("g")).await;
        assert_eq!(shown(root, "g").await, None);
    }
    put(root, "g", "s", 30, &["clear again"]).await;
    let all = ["clear", "first", "second", "clear again"];
    assert_eq!(read(root, &get("g", "s")).await.unwrap(), all);
    disable(&server, &first_id).await;
    assert!(read(root, &get("g", "s")).await.is_err());
    let now = root.now().as_millis();
    for (from, until, expected) in [
        (0, now + 5, &["clear"][..]),
        (now + 15, now + 50, &["second", "clear again"]),
    ] {
        let part = GetLogEventsRequest {
            start_time: Some(from),
            end_time: Some(until),
            ..get("g", "s")
        };
        assert_eq!(read(root, &part).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn kms_is_asked_to_decrypt_once_in_five_minutes() {
    let server = start(&[]).await;
    let root = &server.root;
    let (_, own) = log_key(root, None).await;
    root.ok::<op::CreateLogGroup>(&create("g", &own)).await;
    stream(root, "g", "s").await;
    for (offset, seconds, expected) in [(0, 0, 1), (1, 299, 1), (2, 1, 2), (3, 0, 2)] {
        server.clock.advance_seconds(seconds);
        put(root, "g", "s", offset, &["m"]).await;
        read(root, &get("g", "s")).await.unwrap();
        assert_eq!(uses(&server, "Decrypt").await.len(), expected, "{offset}");
    }
}

#[tokio::test]
async fn a_key_is_for_a_group_named_in_one_way() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let (_, own) = log_key(root, None).await;
    let results = format!("arn:aws:logs:us-east-1:{ACCOUNT}:query-result:*");
    let name_or_resource =
        "InvalidParameterException: Specify either logGroupName or resourceIdentifier, and only one of them.";
    for (name, resource, expected) in [
        (None, None, name_or_resource),
        (Some("g"), Some(arn("g")), name_or_resource),
        (
            None,
            Some("g".to_owned()),
            "InvalidParameterException: The specified log group identifier is invalid.",
        ),
        (
            None,
            Some(results),
            "InvalidParameterException: There are no query results to encrypt: Logs Insights is not on this server.",
        ),
        (
            Some("none"),
            None,
            "ResourceNotFoundException: The specified log group does not exist.",
        ),
    ] {
        let give = AssociateKmsKeyRequest {
            log_group_name: name.map(str::to_owned),
            resource_identifier: resource.clone(),
            kms_key_id: own.clone(),
        };
        let given = root.call::<op::AssociateKmsKey>(&give).await;
        assert_eq!(words(&given.unwrap_err()), expected, "{name:?} {resource:?}");
        let take = DisassociateKmsKeyRequest {
            log_group_name: name.map(str::to_owned),
            resource_identifier: resource.clone(),
        };
        let taken = root.call::<op::DisassociateKmsKey>(&take).await;
        assert_eq!(words(&taken.unwrap_err()), expected, "{name:?} {resource:?}");
    }
    group(root, "h").await;
    root.ok::<op::DisassociateKmsKey>(&disassociate("h")).await;
}
