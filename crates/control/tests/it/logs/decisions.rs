//! Who may: which resource each action is about, tags, and accounts.

use portcullis_api::logs::{
    CreateLogGroupRequest, DescribeLogGroupsRequest, GetLogEventsRequest, ListTagsForResourceRequest,
    ListTagsLogGroupRequest, PutSubscriptionFilterRequest, TagResourceRequest, op,
};
use portcullis_wire::Operation;

use super::{arn, batch, filter, get, put, start, words};
use crate::harness::{ACCOUNT, Client, Server, allow};

/// Whether a call with that policy alone gets through.
async fn may<O: Operation>(server: &Server, client: &Client, policy: &str, input: &O::Input) -> bool {
    server.allow("u", "p", policy).await;
    match client.call::<O>(input).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), "AccessDeniedException");
            false
        }
    }
}

/// Which of these resources in a policy let an action through.
async fn through<O: Operation>(
    server: &Server,
    client: &Client,
    resources: &[String],
    input: &O::Input,
) -> Vec<bool> {
    let action = format!("logs:{}", O::META.name);
    let mut found = Vec::new();
    for resource in resources {
        found.push(may::<O>(server, client, &allow(&action, resource), input).await);
    }
    found
}

#[tokio::test]
async fn each_action_is_about_the_resource_that_aws_names() {
    let server = start(&["g", "h"]).await;
    let user = server.user("u", "").await;
    put(&server.root, "g", "s", 0, &["m"]).await;
    let resources = [
        arn("g"),
        format!("{}:*", arn("g")),
        format!("{}:log-stream:s", arn("g")),
        format!("{}:log-stream:", arn("g")),
        format!("{}:*", arn("h")),
        "*".to_owned(),
    ];
    let (no, yes) = (false, true);
    let on_stream = [no, yes, yes, no, no, yes];
    assert_eq!(
        through::<op::GetLogEvents>(&server, &user, &resources, &get("g", "s")).await,
        on_stream
    );
    let events = batch(&server.root, "g", "s", 0, &["m"]);
    assert_eq!(
        through::<op::PutLogEvents>(&server, &user, &resources, &events).await,
        on_stream
    );
    let on_group = [no, yes, no, yes, no, yes];
    assert_eq!(
        through::<op::FilterLogEvents>(&server, &user, &resources, &filter("g")).await,
        on_group
    );
    let by_name = ListTagsLogGroupRequest {
        log_group_name: "g".to_owned(),
    };
    assert_eq!(
        through::<op::ListTagsLogGroup>(&server, &user, &resources, &by_name).await,
        on_group
    );
    let by_arn = ListTagsForResourceRequest {
        resource_arn: arn("g"),
    };
    let bare = [yes, no, no, no, no, yes];
    assert_eq!(
        through::<op::ListTagsForResource>(&server, &user, &resources, &by_arn).await,
        bare
    );
    let everything = [
        arn(""),
        format!("{}:*", arn("")),
        format!("{}*", arn("")),
        arn("g*"),
    ];
    let request = DescribeLogGroupsRequest {
        log_group_name_prefix: Some("g".to_owned()),
        ..Default::default()
    };
    let found = through::<op::DescribeLogGroups>(&server, &user, &everything, &request).await;
    assert_eq!(found, [no, yes, yes, no]);
}

#[tokio::test]
async fn a_refusal_names_the_resource_as_aws_does() {
    let server = start(&["g"]).await;
    let user = server.user("u", "").await;
    let refusal = |action: &str, resource: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        )
    };
    let got = user.call::<op::GetLogEvents>(&get("g", "s")).await.unwrap_err();
    assert_eq!(
        words(&got),
        refusal("logs:GetLogEvents", &format!("{}:log-stream:s", arn("g")))
    );
    let filtered = user.call::<op::FilterLogEvents>(&filter("g")).await.unwrap_err();
    assert_eq!(
        words(&filtered),
        refusal("logs:FilterLogEvents", &format!("{}:log-stream:", arn("g")))
    );
    let listed = user
        .call::<op::DescribeLogGroups>(&DescribeLogGroupsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        words(&listed),
        refusal("logs:DescribeLogGroups", &format!("{}:log-stream:", arn("")))
    );
    let subscribe = PutSubscriptionFilterRequest {
        log_group_name: "g".to_owned(),
        filter_name: "f".to_owned(),
        destination_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        ..Default::default()
    };
    let subscribed = user
        .call::<op::PutSubscriptionFilter>(&subscribe)
        .await
        .unwrap_err();
    assert_eq!(
        words(&subscribed),
        refusal("logs:PutSubscriptionFilter", &format!("{}:log-stream:", arn("g")))
    );
}

#[tokio::test]
async fn tags_decide_and_to_give_some_while_creating_takes_one_of_two_permissions() {
    let server = start(&[]).await;
    let user = server.user("u", "").await;
    let create = |name: &str, stage: &str| CreateLogGroupRequest {
        log_group_name: name.to_owned(),
        tags: Some([("stage".to_owned(), stage.to_owned())].into()),
        ..Default::default()
    };
    server.allow("u", "p", &allow("logs:CreateLogGroup", "*")).await;
    let refused = user
        .call::<op::CreateLogGroup>(&create("a", "test"))
        .await
        .unwrap_err();
    let expected = format!(
        "AccessDeniedException: User with accountId: {ACCOUNT} is not authorized to perform CreateLogGroup with Tags"
    );
    assert_eq!(words(&refused), expected);
    for (name, action) in [("a", "logs:TagResource"), ("b", "logs:TagLogGroup")] {
        server.allow("u", "q", &allow(action, "*")).await;
        user.ok::<op::CreateLogGroup>(&create(name, "test")).await;
    }
    server
        .root
        .ok::<op::CreateLogGroup>(&create("c", "production"))
        .await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["logs:FilterLogEvents","logs:TagResource"],"Resource":"*",
        "Condition":{"StringEquals":{"aws:ResourceTag/stage":"test"},"ForAllValues:StringEquals":{"aws:TagKeys":["owner"]}}}}"#;
    server.allow("u", "q", policy).await;
    user.ok::<op::FilterLogEvents>(&filter("a")).await;
    user.call::<op::FilterLogEvents>(&filter("c")).await.unwrap_err();
    let tag = |group: &str, key: &str| TagResourceRequest {
        resource_arn: arn(group),
        tags: [(key.to_owned(), "v".to_owned())].into(),
    };
    user.ok::<op::TagResource>(&tag("a", "owner")).await;
    user.call::<op::TagResource>(&tag("a", "stage"))
        .await
        .unwrap_err();
    user.call::<op::TagResource>(&tag("c", "owner"))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn unmasking_takes_a_permission_and_other_accounts_groups_are_out_of_reach() {
    let server = start(&["g"]).await;
    let user = server.user("u", &allow("logs:GetLogEvents", "*")).await;
    let unmasked = GetLogEventsRequest {
        unmask: Some(true),
        ..get("g", "s")
    };
    let refused = user.call::<op::GetLogEvents>(&unmasked).await.unwrap_err();
    assert!(
        words(&refused)
            .contains("logs:Unmask on resource: arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream:")
    );
    server.allow("u", "q", &allow("logs:Unmask", "*")).await;
    user.ok::<op::GetLogEvents>(&unmasked).await;
    let foreign = GetLogEventsRequest {
        log_group_name: None,
        log_group_identifier: Some("arn:aws:logs:us-east-1:999999999999:log-group:g".to_owned()),
        ..get("g", "s")
    };
    let refused = user.call::<op::GetLogEvents>(&foreign).await.unwrap_err();
    assert_eq!(refused.code(), "AccessDeniedException");
    let elsewhere = GetLogEventsRequest {
        log_group_identifier: Some(format!("arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:g")),
        ..foreign
    };
    let refused = user.call::<op::GetLogEvents>(&elsewhere).await.unwrap_err();
    assert_eq!(
        words(&refused),
        "ResourceNotFoundException: The specified log group does not exist."
    );
}
