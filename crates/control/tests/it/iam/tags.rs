//! Tags and the condition keys they fill.

use portcullis_api::iam::{self as api, op};

use super::{policy, role, tag};
use crate::harness::{ACCOUNT, Server, allow};

fn conditional(action: &str, operator: &str, key: &str, value: &str) -> String {
    let mut condition = serde_json::Map::new();
    condition.insert(operator.to_owned(), serde_json::json!({ key: value }));
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": action, "Resource": "*", "Condition": condition }
    })
    .to_string()
}

#[tokio::test]
async fn tags_are_set_listed_and_removed_without_case() {
    let server = Server::start().await;
    server.user("u", "").await;
    let set = |tags| api::TagUserRequest {
        user_name: "u".to_owned(),
        tags,
    };
    server
        .root
        .ok::<op::TagUser>(&set(vec![tag("Owner", "a"), tag("Team", "x")]))
        .await;
    server.root.ok::<op::TagUser>(&set(vec![tag("owner", "b")])).await;
    let list = api::ListUserTagsRequest {
        user_name: "u".to_owned(),
        ..Default::default()
    };
    let listed = server.root.ok::<op::ListUserTags>(&list).await.tags;
    assert_eq!(listed, [tag("Team", "x"), tag("owner", "b")]);
    let remove = api::UntagUserRequest {
        user_name: "u".to_owned(),
        tag_keys: vec!["TEAM".to_owned()],
    };
    server.root.ok::<op::UntagUser>(&remove).await;
    assert_eq!(
        server.root.ok::<op::ListUserTags>(&list).await.tags,
        [tag("owner", "b")]
    );
    let refused = server
        .root
        .err::<op::TagUser>(&set(vec![tag("a", ""), tag("A", "")]))
        .await;
    assert_eq!(
        refused,
        "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive."
    );
}

#[tokio::test]
async fn other_resources_have_tags_too() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = policy(&server, "p", &allow("ecs:*", "*")).await;
    root.ok::<op::TagPolicy>(&api::TagPolicyRequest {
        policy_arn: arn.clone(),
        tags: vec![tag("k", "v")],
    })
    .await;
    let list = api::ListPolicyTagsRequest {
        policy_arn: arn.clone(),
        ..Default::default()
    };
    assert_eq!(root.ok::<op::ListPolicyTags>(&list).await.tags, [tag("k", "v")]);
    root.ok::<op::UntagPolicy>(&api::UntagPolicyRequest {
        policy_arn: arn,
        tag_keys: vec!["k".to_owned()],
    })
    .await;
    assert!(root.ok::<op::ListPolicyTags>(&list).await.tags.is_empty());
    let create = api::CreateInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        tags: Some(vec![tag("k", "v")]),
        path: None,
    };
    root.ok::<op::CreateInstanceProfile>(&create).await;
    let list = api::ListInstanceProfileTagsRequest {
        instance_profile_name: "i".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        root.ok::<op::ListInstanceProfileTags>(&list).await.tags,
        [tag("k", "v")]
    );
    role(&server, "r").await;
    root.ok::<op::TagRole>(&api::TagRoleRequest {
        role_name: "r".to_owned(),
        tags: vec![tag("k", "v")],
    })
    .await;
    let list = api::ListRoleTagsRequest {
        role_name: "r".to_owned(),
        ..Default::default()
    };
    assert_eq!(root.ok::<op::ListRoleTags>(&list).await.tags, [tag("k", "v")]);
}

#[tokio::test]
async fn r166_both_resource_tag_keys_show_a_roles_tags() {
    let server = Server::start().await;
    role(&server, "r").await;
    let tags = api::TagRoleRequest {
        role_name: "r".to_owned(),
        tags: vec![tag("Owner", "u")],
    };
    server.root.ok::<op::TagRole>(&tags).await;
    let get = api::GetRoleRequest {
        role_name: "r".to_owned(),
    };
    for key in ["iam:ResourceTag/owner", "aws:ResourceTag/Owner"] {
        let name = key.replace([':', '/'], "-");
        let user = server
            .user(&name, &conditional("iam:GetRole", "StringEquals", key, "u"))
            .await;
        user.ok::<op::GetRole>(&get).await;
        server
            .allow(
                &name,
                "p",
                &conditional("iam:GetRole", "StringEquals", key, "other"),
            )
            .await;
        assert!(user.call::<op::GetRole>(&get).await.is_err(), "{key}");
    }
}

#[tokio::test]
async fn tags_on_create_need_the_right_to_tag() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:CreateUser", "*")).await;
    let create = |name: &str| api::CreateUserRequest {
        user_name: name.to_owned(),
        tags: Some(vec![tag("Team", "a")]),
        ..Default::default()
    };
    let refused = user.err::<op::CreateUser>(&create("new")).await;
    assert!(
        refused.contains(&format!(
            "iam:TagUser on resource: arn:aws:iam::{ACCOUNT}:user/new "
        )),
        "{refused}"
    );
    server
        .allow(
            "u",
            "tag",
            &conditional("iam:TagUser", "StringEquals", "aws:RequestTag/Team", "a"),
        )
        .await;
    let made = user.ok::<op::CreateUser>(&create("new")).await.user.unwrap();
    assert_eq!(made.tags, Some(vec![tag("Team", "a")]));
}

#[tokio::test]
async fn r168_untag_shows_the_keys() {
    let server = Server::start().await;
    server.user("target", "").await;
    let policy = conditional(
        "iam:UntagUser",
        "ForAllValues:StringEquals",
        "aws:TagKeys",
        "Team",
    );
    let user = server.user("u", &policy).await;
    let remove = |key: &str| api::UntagUserRequest {
        user_name: "target".to_owned(),
        tag_keys: vec![key.to_owned()],
    };
    user.ok::<op::UntagUser>(&remove("Team")).await;
    assert!(user.call::<op::UntagUser>(&remove("Owner")).await.is_err());
}

#[tokio::test]
async fn r110_the_key_policy_arn_guards_attachments() {
    let server = Server::start().await;
    server.user("target", "").await;
    let ecs = "arn:aws:iam::aws:policy/AmazonECS_FullAccess";
    let user = server
        .user(
            "u",
            &conditional("iam:AttachUserPolicy", "ArnEquals", "iam:PolicyARN", ecs),
        )
        .await;
    let attach = |policy: &str| api::AttachUserPolicyRequest {
        user_name: "target".to_owned(),
        policy_arn: policy.to_owned(),
    };
    user.ok::<op::AttachUserPolicy>(&attach(ecs)).await;
    let admin = attach("arn:aws:iam::aws:policy/AdministratorAccess");
    assert!(
        user.err::<op::AttachUserPolicy>(&admin)
            .await
            .starts_with("AccessDenied: ")
    );
}

#[tokio::test]
async fn r110_the_key_permissions_boundary_guards_creation() {
    let server = Server::start().await;
    let ecs = "arn:aws:iam::aws:policy/AmazonECS_FullAccess";
    let policy = conditional("iam:CreateUser", "StringEquals", "iam:PermissionsBoundary", ecs);
    let user = server.user("u", &policy).await;
    let create = |boundary: Option<&str>| api::CreateUserRequest {
        user_name: "new".to_owned(),
        permissions_boundary: boundary.map(str::to_owned),
        ..Default::default()
    };
    assert!(
        user.err::<op::CreateUser>(&create(None))
            .await
            .starts_with("AccessDenied: ")
    );
    let made = user.ok::<op::CreateUser>(&create(Some(ecs))).await.user.unwrap();
    assert_eq!(
        made.permissions_boundary
            .unwrap()
            .permissions_boundary_arn
            .as_deref(),
        Some(ecs)
    );
}
