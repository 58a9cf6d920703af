//! Managed and inline policies.

use portcullis_api::iam::{self as api, op};

use super::{group, policy, role};
use crate::harness::{ACCOUNT, Server, allow};

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

#[tokio::test]
async fn r28_documents_come_back_byte_for_byte_percent_encoded() {
    let server = Server::start().await;
    let text = " {\n\t\"Version\" : \"2012-10-17\", \"Statement\": {\"Sid\": \"\", \"Effect\":\"Deny\",\"Action\":\"ecs:*\",\"Resource\":\"*\"}}\r\n";
    server.user("u", text).await;
    let get = api::GetUserPolicyRequest {
        user_name: "U".to_owned(),
        policy_name: "p".to_owned(),
    };
    let reply = server.root.ok::<op::GetUserPolicy>(&get).await;
    assert!(
        reply
            .policy_document
            .starts_with("%20%7B%0A%09%22Version%22%20%3A%20")
    );
    assert_eq!(
        (decoded(&reply.policy_document).as_str(), reply.user_name.as_str()),
        (text, "u")
    );
    let arn = policy(&server, "m", text).await;
    let get = api::GetPolicyVersionRequest {
        policy_arn: arn,
        version_id: "v1".to_owned(),
    };
    let version = server
        .root
        .ok::<op::GetPolicyVersion>(&get)
        .await
        .policy_version
        .unwrap();
    assert_eq!(decoded(&version.document.unwrap()), text);
}

#[tokio::test]
async fn malformed_documents_are_refused_with_the_engines_texts() {
    let server = Server::start().await;
    server.user("u", "").await;
    let cases = [
        ("{", "Syntax errors in policy."),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecs","Resource":"*"}}"#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
    ];
    for (text, message) in cases {
        let put = api::PutUserPolicyRequest {
            user_name: "u".to_owned(),
            policy_name: "p".to_owned(),
            policy_document: text.to_owned(),
        };
        let refused = server.root.err::<op::PutUserPolicy>(&put).await;
        assert_eq!(refused, format!("MalformedPolicyDocument: {message}"));
    }
}

#[tokio::test]
async fn inline_policies_of_all_three_holders() {
    let server = Server::start().await;
    let (root, document) = (&server.root, allow("ecs:*", "*"));
    role(&server, "r").await;
    group(&server, "g").await;
    for name in ["b", "a"] {
        let (policy_name, policy_document) = (name.to_owned(), document.clone());
        let put = api::PutRolePolicyRequest {
            role_name: "r".to_owned(),
            policy_name,
            policy_document,
        };
        root.ok::<op::PutRolePolicy>(&put).await;
    }
    let listed = api::ListRolePoliciesRequest {
        role_name: "r".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        root.ok::<op::ListRolePolicies>(&listed).await.policy_names,
        ["a", "b"]
    );
    let get = api::GetRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_name: "none".to_owned(),
    };
    let refused = root.err::<op::GetRolePolicy>(&get).await;
    assert_eq!(
        refused,
        "NoSuchEntity: The role policy with name none cannot be found."
    );
    let get = api::GetGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_name: "p".to_owned(),
    };
    let refused = root.err::<op::GetGroupPolicy>(&get).await;
    assert_eq!(
        refused,
        "NoSuchEntity: The group policy with name p cannot be found."
    );
}

#[tokio::test]
async fn the_default_version_decides_and_numbers_are_never_used_again() {
    let server = Server::start().await;
    let root = &server.root;
    let user = server.user("u", "").await;
    let arn = policy(&server, "p", &allow("iam:ListUsers", "*")).await;
    let attach = api::AttachUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_arn: arn.clone(),
    };
    root.ok::<op::AttachUserPolicy>(&attach).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
    let create = |default| api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: allow("iam:ListRoles", "*"),
        set_as_default: Some(default),
    };
    let made = root
        .ok::<op::CreatePolicyVersion>(&create(false))
        .await
        .policy_version
        .unwrap();
    assert_eq!(
        (made.version_id.as_deref(), made.is_default_version),
        (Some("v2"), Some(false))
    );
    user.ok::<op::ListUsers>(&Default::default()).await;
    let set = api::SetDefaultPolicyVersionRequest {
        policy_arn: arn.clone(),
        version_id: "v2".to_owned(),
    };
    root.ok::<op::SetDefaultPolicyVersion>(&set).await;
    assert!(user.call::<op::ListUsers>(&Default::default()).await.is_err());
    user.ok::<op::ListRoles>(&Default::default()).await;
    for _ in 0..3 {
        root.ok::<op::CreatePolicyVersion>(&create(false)).await;
    }
    let refused = root.err::<op::CreatePolicyVersion>(&create(false)).await;
    assert!(
        refused.starts_with("LimitExceeded: A managed policy can have up to 5 versions."),
        "{refused}"
    );
    let delete = api::DeletePolicyVersionRequest {
        policy_arn: arn.clone(),
        version_id: "v5".to_owned(),
    };
    root.ok::<op::DeletePolicyVersion>(&delete).await;
    let made = root
        .ok::<op::CreatePolicyVersion>(&create(true))
        .await
        .policy_version
        .unwrap();
    assert_eq!(made.version_id.as_deref(), Some("v6"));
    let refused = root.err::<op::DeletePolicyVersion>(&delete).await;
    assert_eq!(
        refused,
        format!("NoSuchEntity: Policy {arn} version v5 does not exist or is not attachable.")
    );
    let listed = api::ListPolicyVersionsRequest {
        policy_arn: arn.clone(),
        ..Default::default()
    };
    let versions = root.ok::<op::ListPolicyVersions>(&listed).await.versions.unwrap();
    let ids: Vec<_> = versions
        .iter()
        .map(|version| version.version_id.as_deref().unwrap())
        .collect();
    assert_eq!(ids, ["v6", "v4", "v3", "v2", "v1"]);
    assert!(versions.iter().all(|version| version.document.is_none()));
}

#[tokio::test]
async fn r134_aws_managed_policies_are_there_and_cannot_be_changed() {
    let server = Server::start().await;
    let (root, arn) = (
        &server.root,
        "arn:aws:iam::aws:policy/AdministratorAccess".to_owned(),
    );
    let get = api::GetPolicyRequest {
        policy_arn: arn.clone(),
    };
    let shown = root.ok::<op::GetPolicy>(&get).await.policy.unwrap();
    assert_eq!(
        (shown.default_version_id.as_deref(), shown.attachment_count),
        (Some("v1"), Some(0))
    );
    let get = api::GetPolicyVersionRequest {
        policy_arn: arn.clone(),
        version_id: "v1".to_owned(),
    };
    let version = root
        .ok::<op::GetPolicyVersion>(&get)
        .await
        .policy_version
        .unwrap();
    assert!(decoded(&version.document.unwrap()).contains("\"Action\":\"*\""));
    let delete = api::DeletePolicyRequest {
        policy_arn: arn.clone(),
    };
    assert!(
        root.err::<op::DeletePolicy>(&delete)
            .await
            .starts_with("AccessDenied: ")
    );
    let create = api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: allow("*", "*"),
        set_as_default: None,
    };
    assert!(
        root.err::<op::CreatePolicyVersion>(&create)
            .await
            .starts_with("AccessDenied: ")
    );
    let user = server.user("u", "").await;
    let attach = api::AttachUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_arn: arn,
    };
    root.ok::<op::AttachUserPolicy>(&attach).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
}

#[tokio::test]
async fn policies_of_services_fit_no_customers_role() {
    let server = Server::start().await;
    role(&server, "r").await;
    let attach = |policy: &str| api::AttachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: policy.to_owned(),
    };
    let linked = attach("arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy");
    let refused = server.root.err::<op::AttachRolePolicy>(&linked).await;
    assert_eq!(
        refused,
        "PolicyNotAttachable: Cannot attach a Service Role Policy to a Customer Role."
    );
    let missing = format!("arn:aws:iam::{ACCOUNT}:policy/none");
    let refused = server.root.err::<op::AttachRolePolicy>(&attach(&missing)).await;
    assert_eq!(
        refused,
        format!("NoSuchEntity: Policy {missing} does not exist or is not attachable.")
    );
    let refused = server
        .root
        .err::<op::AttachRolePolicy>(&attach("no-arn-but-twenty-letters"))
        .await;
    assert_eq!(
        refused,
        "InvalidInput: ARN no-arn-but-twenty-letters is not valid."
    );
}

#[tokio::test]
async fn lists_are_whole_over_both_kinds_and_filters_hold() {
    let server = Server::start().await;
    let root = &server.root;
    for name in ["a", "b", "c"] {
        policy(&server, name, &allow("ecs:*", "*")).await;
    }
    let mut request = api::ListPoliciesRequest {
        max_items: Some(500),
        ..Default::default()
    };
    let mut names = Vec::new();
    loop {
        let page = root.ok::<op::ListPolicies>(&request).await;
        names.extend(
            page.policies
                .unwrap()
                .into_iter()
                .map(|policy| policy.arn.unwrap()),
        );
        match page.marker {
            Some(marker) => request.marker = Some(marker),
            None => break,
        }
    }
    let aws = names
        .iter()
        .filter(|arn| arn.starts_with("arn:aws:iam::aws:"))
        .count();
    assert_eq!(names.len(), aws + 3);
    assert!(aws > 1_500);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), aws + 3);
    let local = api::ListPoliciesRequest {
        scope: Some("Local".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        root.ok::<op::ListPolicies>(&local).await.policies.unwrap().len(),
        3
    );
    role(&server, "r").await;
    let ecs = "arn:aws:iam::aws:policy/AmazonECS_FullAccess".to_owned();
    let attach = api::AttachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: ecs.clone(),
    };
    root.ok::<op::AttachRolePolicy>(&attach).await;
    let used = api::ListPoliciesRequest {
        only_attached: Some(true),
        ..Default::default()
    };
    let used = root.ok::<op::ListPolicies>(&used).await.policies.unwrap();
    assert_eq!(used.len(), 1);
    assert_eq!(
        (used[0].arn.as_ref(), used[0].attachment_count),
        (Some(&ecs), Some(1))
    );
    let path = api::ListPoliciesRequest {
        path_prefix: Some("/aws-service-role/".to_owned()),
        max_items: Some(1),
        ..Default::default()
    };
    let below = root.ok::<op::ListPolicies>(&path).await.policies.unwrap();
    assert_eq!(below[0].path.as_deref(), Some("/aws-service-role/"));
}

#[tokio::test]
async fn the_entities_of_a_policy_by_usage() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = policy(&server, "p", &allow("ecs:*", "*")).await;
    server.user("u", "").await;
    group(&server, "g").await;
    role(&server, "r").await;
    let attach = api::AttachGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_arn: arn.clone(),
    };
    root.ok::<op::AttachGroupPolicy>(&attach).await;
    let attach = api::AttachUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_arn: arn.clone(),
    };
    root.ok::<op::AttachUserPolicy>(&attach).await;
    let bound = api::PutRolePermissionsBoundaryRequest {
        role_name: "r".to_owned(),
        permissions_boundary: arn.clone(),
    };
    root.ok::<op::PutRolePermissionsBoundary>(&bound).await;
    let all = api::ListEntitiesForPolicyRequest {
        policy_arn: arn.clone(),
        ..Default::default()
    };
    let reply = root.ok::<op::ListEntitiesForPolicy>(&all).await;
    let count = |reply: &api::ListEntitiesForPolicyResponse| {
        let users = reply.policy_users.as_ref().map_or(0, Vec::len);
        let groups = reply.policy_groups.as_ref().map_or(0, Vec::len);
        (users, groups, reply.policy_roles.as_ref().map_or(0, Vec::len))
    };
    assert_eq!(count(&reply), (1, 1, 1));
    let bounds = api::ListEntitiesForPolicyRequest {
        policy_usage_filter: Some("PermissionsBoundary".to_owned()),
        ..all.clone()
    };
    assert_eq!(
        count(&root.ok::<op::ListEntitiesForPolicy>(&bounds).await),
        (0, 0, 1)
    );
    let users = api::ListEntitiesForPolicyRequest {
        entity_filter: Some("User".to_owned()),
        ..all
    };
    assert_eq!(
        count(&root.ok::<op::ListEntitiesForPolicy>(&users).await),
        (1, 0, 0)
    );
    let listed = api::ListAttachedGroupPoliciesRequest {
        group_name: "g".to_owned(),
        ..Default::default()
    };
    let attached = root
        .ok::<op::ListAttachedGroupPolicies>(&listed)
        .await
        .attached_policies
        .unwrap();
    assert_eq!(
        (attached[0].policy_name.as_deref(), &attached[0].policy_arn),
        (Some("p"), &Some(arn))
    );
}
