//! Groups and their members.

use portcullis_api::iam::{self as api, op};

use super::group;
use crate::harness::{ACCOUNT, Server, allow};

fn add(user: &str, group: &str) -> api::AddUserToGroupRequest {
    api::AddUserToGroupRequest {
        group_name: group.to_owned(),
        user_name: user.to_owned(),
    }
}

#[tokio::test]
async fn r135_membership_acts_at_once_and_survives_a_rename() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    group(&server, "g").await;
    let put = api::PutGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("iam:ListUsers", "*"),
    };
    server.root.ok::<op::PutGroupPolicy>(&put).await;
    assert!(user.call::<op::ListUsers>(&Default::default()).await.is_err());
    server.root.ok::<op::AddUserToGroup>(&add("u", "G")).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
    let update = api::UpdateGroupRequest {
        group_name: "g".to_owned(),
        new_path: None,
        new_group_name: Some("renamed".to_owned()),
    };
    server.root.ok::<op::UpdateGroup>(&update).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
    let list = api::ListGroupsForUserRequest {
        user_name: "u".to_owned(),
        ..Default::default()
    };
    let listed = server.root.ok::<op::ListGroupsForUser>(&list).await.groups;
    assert_eq!(listed[0].arn, format!("arn:aws:iam::{ACCOUNT}:group/renamed"));
    let remove = api::RemoveUserFromGroupRequest {
        group_name: "renamed".to_owned(),
        user_name: "u".to_owned(),
    };
    server.root.ok::<op::RemoveUserFromGroup>(&remove).await;
    assert!(user.call::<op::ListUsers>(&Default::default()).await.is_err());
    assert!(
        server
            .root
            .err::<op::RemoveUserFromGroup>(&remove)
            .await
            .starts_with("NoSuchEntity: ")
    );
}

#[tokio::test]
async fn members_are_listed_page_by_page() {
    let server = Server::start().await;
    group(&server, "g").await;
    for name in ["c", "a", "B"] {
        server.user(name, "").await;
        server.root.ok::<op::AddUserToGroup>(&add(name, "g")).await;
        server.root.ok::<op::AddUserToGroup>(&add(name, "g")).await;
    }
    let mut request = api::GetGroupRequest {
        group_name: "g".to_owned(),
        max_items: Some(2),
        ..Default::default()
    };
    let first = server.root.ok::<op::GetGroup>(&request).await;
    request.marker = first.marker;
    let second = server.root.ok::<op::GetGroup>(&request).await;
    let names: Vec<_> = first
        .users
        .iter()
        .chain(&second.users)
        .map(|user| user.user_name.as_str())
        .collect();
    assert_eq!(names, ["a", "B", "c"]);
    assert_eq!(second.is_truncated, Some(false));
}
