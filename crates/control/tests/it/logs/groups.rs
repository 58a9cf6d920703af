//! Groups and streams: names, pages, classes, protection, policies.

use portcullis_api::logs::{
    CreateLogGroupRequest, CreateLogStreamRequest, DeleteLogGroupRequest, DeleteLogStreamRequest,
    DeleteResourcePolicyRequest, DescribeLogGroupsRequest, DescribeLogStreamsRequest,
    DescribeResourcePoliciesRequest, DescribeSubscriptionFiltersRequest, ListLogGroupsRequest,
    PutLogGroupDeletionProtectionRequest, PutResourcePolicyRequest, PutRetentionPolicyRequest,
    PutSubscriptionFilterRequest, TagFilter, op,
};

use super::{arn, group, put, start, stream, words};
use crate::harness::{ACCOUNT, Client};

fn create(name: &str) -> CreateLogGroupRequest {
    CreateLogGroupRequest {
        log_group_name: name.to_owned(),
        ..Default::default()
    }
}

async fn described(client: &Client, request: &DescribeLogGroupsRequest) -> Vec<String> {
    let mut request = request.clone();
    let mut names = Vec::new();
    loop {
        let page = client.ok::<op::DescribeLogGroups>(&request).await;
        names.extend(
            page.log_groups
                .into_iter()
                .flatten()
                .filter_map(|row| row.log_group_name),
        );
        request.next_token = page.next_token;
        if request.next_token.is_none() {
            return names;
        }
    }
}

#[tokio::test]
async fn the_same_name_in_another_account_or_region_is_another_group() {
    let server = start(&["/ecs/api", "ecs"]).await;
    let root = &server.root;
    for foreign in [
        arn("ecs").replace(ACCOUNT, "999999999999"),
        arn("ecs").replace("us-east-1", "eu-west-1"),
    ] {
        let identified = DescribeLogGroupsRequest {
            log_group_identifiers: Some(vec![foreign.clone(), arn("/ecs/api")]),
            ..Default::default()
        };
        assert_eq!(described(root, &identified).await, ["/ecs/api"], "{foreign}");
    }
}

#[tokio::test]
async fn groups_are_listed_by_name_prefix_part_and_class_page_by_page() {
    let server = start(&[]).await;
    let root = &server.root;
    for name in ["/ecs/web", "/ecs/api", "ecs", "/lambda/web"] {
        group(root, name).await;
    }
    let cheap = CreateLogGroupRequest {
        log_group_class: Some("INFREQUENT_ACCESS".to_owned()),
        ..create("cheap")
    };
    root.ok::<op::CreateLogGroup>(&cheap).await;
    let request = DescribeLogGroupsRequest::default;
    let one = |limit| DescribeLogGroupsRequest {
        limit: Some(limit),
        ..request()
    };
    assert_eq!(
        described(root, &one(2)).await,
        ["/ecs/api", "/ecs/web", "/lambda/web", "cheap", "ecs"]
    );
    let text = |text: &str| Some(text.to_owned());
    let prefix = DescribeLogGroupsRequest {
        log_group_name_prefix: text("/ecs"),
        ..one(1)
    };
    assert_eq!(described(root, &prefix).await, ["/ecs/api", "/ecs/web"]);
    let part = DescribeLogGroupsRequest {
        log_group_name_pattern: text("web"),
        ..one(1)
    };
    assert_eq!(described(root, &part).await, ["/ecs/web", "/lambda/web"]);
    let brief = root
        .ok::<op::DescribeLogGroups>(&part)
        .await
        .log_groups
        .unwrap()
        .remove(0);
    assert_eq!(
        (brief.arn, brief.log_group_arn),
        (Some(format!("{}:*", arn("/ecs/web"))), None)
    );
    let class = DescribeLogGroupsRequest {
        log_group_class: text("ESSENTIALS"),
        ..request()
    };
    assert_eq!(described(root, &class).await, ["cheap"]);
    let identified = DescribeLogGroupsRequest {
        log_group_identifiers: Some(vec!["ecs".to_owned(), arn("/ecs/api"), "none".to_owned()]),
        ..request()
    };
    assert_eq!(described(root, &identified).await, ["/ecs/api", "ecs"]);
    let both = DescribeLogGroupsRequest {
        log_group_name_prefix: text("/ecs"),
        ..part
    };
    let refused = root.call::<op::DescribeLogGroups>(&both).await.unwrap_err();
    let expected = "InvalidParameterException: LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
    assert_eq!(words(&refused), expected);
    let elsewhere = root.region("eu-west-1");
    assert_eq!(described(&elsewhere, &request()).await, Vec::<String>::new());
    let list = ListLogGroupsRequest {
        log_group_name_pattern: text("^/ecs|amb"),
        ..Default::default()
    };
    let listed = root.ok::<op::ListLogGroups>(&list).await.log_groups.unwrap();
    let names: Vec<_> = listed.into_iter().filter_map(|row| row.log_group_name).collect();
    assert_eq!(names, ["/ecs/api", "/ecs/web", "/lambda/web"]);
}

#[tokio::test]
async fn streams_are_listed_by_name_and_by_their_last_event() {
    let server = start(&["g"]).await;
    let root = &server.root;
    for (name, offset) in [("old", 0), ("new", 100), ("newer", 200)] {
        stream(root, "g", name).await;
        put(root, "g", name, offset, &["m"]).await;
    }
    let listed = async |order: &str, descending: bool| {
        let mut request = DescribeLogStreamsRequest {
            log_group_identifier: Some(arn("g")),
            order_by: Some(order.to_owned()),
            descending: Some(descending),
            limit: Some(1),
            ..Default::default()
        };
        let mut names = Vec::new();
        loop {
            let page = root.ok::<op::DescribeLogStreams>(&request).await;
            names.extend(
                page.log_streams
                    .into_iter()
                    .flatten()
                    .filter_map(|row| row.log_stream_name),
            );
            request.next_token = page.next_token;
            if request.next_token.is_none() {
                return names;
            }
        }
    };
    assert_eq!(listed("LogStreamName", false).await, ["new", "newer", "old", "s"]);
    assert_eq!(listed("LogStreamName", true).await, ["s", "old", "newer", "new"]);
    assert_eq!(listed("LastEventTime", true).await, ["newer", "new", "old", "s"]);
    assert_eq!(listed("LastEventTime", false).await, ["old", "new", "newer", "s"]);
    let request = DescribeLogStreamsRequest {
        log_group_name: Some("g".to_owned()),
        log_stream_name_prefix: Some("newe".to_owned()),
        ..Default::default()
    };
    let shown = root
        .ok::<op::DescribeLogStreams>(&request)
        .await
        .log_streams
        .unwrap();
    let now = root.now().as_millis();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        shown[0].arn.as_deref(),
        Some(format!("{}:log-stream:newer", arn("g")).as_str())
    );
    assert_eq!(
        (shown[0].first_event_timestamp, shown[0].last_event_timestamp),
        (Some(now + 200), Some(now + 200))
    );
    assert_eq!(
        (shown[0].last_ingestion_time, shown[0].stored_bytes),
        (Some(now), Some(0))
    );
}

#[tokio::test]
async fn a_protected_group_keeps_its_streams_until_it_is_let_go() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let protect = |on| PutLogGroupDeletionProtectionRequest {
        log_group_identifier: arn("g"),
        deletion_protection_enabled: on,
    };
    let of_group = DeleteLogGroupRequest {
        log_group_name: "g".to_owned(),
    };
    let of_stream = DeleteLogStreamRequest {
        log_group_name: "g".to_owned(),
        log_stream_name: "s".to_owned(),
    };
    root.ok::<op::PutLogGroupDeletionProtection>(&protect(true)).await;
    let expected = "ValidationException: The log group is protected from deletion. Disable its deletion protection first.";
    assert_eq!(
        words(&root.call::<op::DeleteLogGroup>(&of_group).await.unwrap_err()),
        expected
    );
    assert_eq!(
        words(&root.call::<op::DeleteLogStream>(&of_stream).await.unwrap_err()),
        expected
    );
    root.ok::<op::PutLogGroupDeletionProtection>(&protect(false))
        .await;
    root.ok::<op::DeleteLogStream>(&of_stream).await;
    root.ok::<op::DeleteLogGroup>(&of_group).await;
}

#[tokio::test]
async fn names_keys_classes_and_retentions_that_cannot_be_are_refused() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let cases = [
        (
            create("g"),
            "ResourceAlreadyExistsException: The specified log group already exists",
        ),
        (
            create("aws/mine"),
            "InvalidParameterException: Log groups starting with AWS/ are reserved for AWS.",
        ),
        (
            CreateLogGroupRequest {
                kms_key_id: Some("alias/k".to_owned()),
                ..create("k")
            },
            "InvalidParameterException: The specified KMS Key Id could not be found.",
        ),
        (
            CreateLogGroupRequest {
                tags: Some([("aws:x".to_owned(), String::new())].into()),
                ..create("t")
            },
            "InvalidParameterException: aws: prefixed tag key names are not allowed for external use.",
        ),
    ];
    for (request, expected) in cases {
        let refused = root.call::<op::CreateLogGroup>(&request).await.unwrap_err();
        assert_eq!(words(&refused), expected);
    }
    let again = CreateLogStreamRequest {
        log_group_name: "g".to_owned(),
        log_stream_name: "s".to_owned(),
    };
    let refused = root.call::<op::CreateLogStream>(&again).await.unwrap_err();
    assert_eq!(
        words(&refused),
        "ResourceAlreadyExistsException: The specified log stream already exists"
    );
    let delivery = CreateLogGroupRequest {
        log_group_class: Some("DELIVERY".to_owned()),
        ..create("d")
    };
    root.ok::<op::CreateLogGroup>(&delivery).await;
    let retention = |name: &str, days| PutRetentionPolicyRequest {
        log_group_name: name.to_owned(),
        retention_in_days: days,
    };
    for (request, expected) in [
        (
            retention("d", 7),
            "The retention of log groups of the DELIVERY class cannot be changed.",
        ),
        (
            retention("g", 2),
            "1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
        ),
    ] {
        let refused = root.call::<op::PutRetentionPolicy>(&request).await.unwrap_err();
        assert_eq!(words(&refused), format!("InvalidParameterException: {expected}"));
    }
}

#[tokio::test]
async fn groups_are_listed_by_their_tags() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let tagged = CreateLogGroupRequest {
        tags: Some([("stage".to_owned(), "test".to_owned())].into()),
        ..create("t")
    };
    root.ok::<op::CreateLogGroup>(&tagged).await;
    let list = ListLogGroupsRequest {
        log_group_tags: Some(vec![TagFilter {
            key: "stage".to_owned(),
            values: None,
        }]),
        ..Default::default()
    };
    let listed = root.ok::<op::ListLogGroups>(&list).await.log_groups.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].log_group_arn.as_deref(), Some(arn("t").as_str()));
}

#[tokio::test]
async fn no_subscription_filter_is_taken_whose_destination_cannot_answer() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let subscribe = |destination: &str, role: Option<&str>| PutSubscriptionFilterRequest {
        log_group_name: "g".to_owned(),
        filter_name: "f".to_owned(),
        filter_pattern: String::new(),
        destination_arn: destination.to_owned(),
        role_arn: role.map(str::to_owned),
        ..Default::default()
    };
    let role = Some("arn:aws:iam::123456789012:role/r");
    // Terraform tries for minutes again what is refused in AWS's words for a destination that does not answer.
    let undelivered = "Subscription filters are not delivered by this server: there is no Kinesis, Firehose or Lambda to deliver to.";
    let cases = [
        (
            "arn:aws:kinesis:us-east-1:123456789012:stream/s",
            None,
            "destinationArn for vendor kinesis cannot be used without roleArn",
        ),
        (
            "arn:aws:kinesis:us-east-1:123456789012:stream/s",
            role,
            undelivered,
        ),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            role,
            "destinationArn for vendor lambda cannot be used with roleArn",
        ),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            None,
            undelivered,
        ),
        (
            "arn:aws:sns:us-east-1:123456789012:t",
            None,
            "PutSubscriptionFilter operation cannot work with destinationArn for vendor sns",
        ),
    ];
    for (destination, role, expected) in cases {
        let refused = root
            .call::<op::PutSubscriptionFilter>(&subscribe(destination, role))
            .await
            .unwrap_err();
        assert_eq!(words(&refused), format!("InvalidParameterException: {expected}"));
    }
    let describe = DescribeSubscriptionFiltersRequest {
        log_group_name: "g".to_owned(),
        ..Default::default()
    };
    let shown = root.ok::<op::DescribeSubscriptionFilters>(&describe).await;
    assert_eq!(shown.subscription_filters, Some(Vec::new()));
}

#[tokio::test]
async fn resource_policies_are_kept_by_name_and_by_group_with_their_revisions() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"es.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}]}"#;
    let policy = |name: Option<&str>, group: Option<&str>, revision: Option<&str>| PutResourcePolicyRequest {
        policy_name: name.map(str::to_owned),
        policy_document: Some(text.to_owned()),
        resource_arn: group.map(arn),
        expected_revision_id: revision.map(str::to_owned),
    };
    for number in 0..10 {
        root.ok::<op::PutResourcePolicy>(&policy(Some(&format!("p{number}")), None, None))
            .await;
    }
    let too_many = policy(Some("p10"), None, None);
    let refused = root.call::<op::PutResourcePolicy>(&too_many).await.unwrap_err();
    let expected = "LimitExceededException: Resource limit exceeded.";
    assert_eq!(words(&refused), expected);
    let made = root
        .ok::<op::PutResourcePolicy>(&policy(None, Some("g"), None))
        .await;
    let revision = made.revision_id.unwrap();
    let stale = "OperationAbortedException: The revision of the resource policy is not the expected one.";
    for wrong in [None, Some("other")] {
        let refused = root
            .call::<op::PutResourcePolicy>(&policy(None, Some("g"), wrong))
            .await
            .unwrap_err();
        assert_eq!(words(&refused), stale);
    }
    let changed = root
        .ok::<op::PutResourcePolicy>(&policy(None, Some("g"), Some(&revision)))
        .await;
    let describe = |scope: Option<&str>, group: Option<&str>| DescribeResourcePoliciesRequest {
        policy_scope: scope.map(str::to_owned),
        resource_arn: group.map(arn),
        ..Default::default()
    };
    for (request, count) in [
        (describe(None, None), 10),
        (describe(Some("RESOURCE"), None), 1),
        (describe(None, Some("g")), 1),
    ] {
        let shown = root
            .ok::<op::DescribeResourcePolicies>(&request)
            .await
            .resource_policies
            .unwrap();
        assert_eq!(shown.len(), count);
        assert_eq!(shown[0].policy_document.as_deref(), Some(text));
    }
    let delete = |revision: Option<String>| DeleteResourcePolicyRequest {
        resource_arn: Some(arn("g")),
        expected_revision_id: revision,
        ..Default::default()
    };
    let refused = root
        .call::<op::DeleteResourcePolicy>(&delete(Some(revision)))
        .await
        .unwrap_err();
    assert_eq!(words(&refused), stale);
    root.ok::<op::DeleteResourcePolicy>(&delete(changed.revision_id))
        .await;
    let none = DeleteResourcePolicyRequest {
        policy_name: Some("none".to_owned()),
        ..Default::default()
    };
    let refused = root.call::<op::DeleteResourcePolicy>(&none).await.unwrap_err();
    let expected = "ResourceNotFoundException: Policy with name [none] does not exist.";
    assert_eq!(words(&refused), expected);
}

#[tokio::test]
async fn of_a_group_that_is_gone_the_store_only_hears_that() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let retention = PutRetentionPolicyRequest {
        log_group_name: "g".to_owned(),
        retention_in_days: 7,
    };
    root.ok::<op::PutRetentionPolicy>(&retention).await;
    let gone = DeleteLogGroupRequest {
        log_group_name: "g".to_owned(),
    };
    root.ok::<op::DeleteLogGroup>(&gone).await;
    let view = server.gate.world().view();
    let errands: Vec<_> = view
        .logs
        .errands
        .iter()
        .map(|(key, _)| key.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(errands, ["forget"]);
}
