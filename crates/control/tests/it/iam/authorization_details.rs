//! GetAccountAuthorizationDetails.

use portcullis_api::iam::{self as api, op};

use super::{group, policy, role};
use crate::harness::{Server, allow};

async fn account() -> Server {
    let server = Server::start().await;
    server.user("u", &allow("ecs:*", "*")).await;
    group(&server, "g").await;
    role(&server, "r").await;
    policy(&server, "p", &allow("ecs:*", "*")).await;
    let attach = api::AttachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: "arn:aws:iam::aws:policy/AmazonECS_FullAccess".to_owned(),
    };
    server.root.ok::<op::AttachRolePolicy>(&attach).await;
    server
}

fn names(reply: api::GetAccountAuthorizationDetailsResponse) -> Vec<String> {
    let users = reply
        .user_detail_list
        .into_iter()
        .flatten()
        .filter_map(|user| user.user_name);
    let groups = reply
        .group_detail_list
        .into_iter()
        .flatten()
        .filter_map(|group| group.group_name);
    let roles = reply
        .role_detail_list
        .into_iter()
        .flatten()
        .filter_map(|role| role.role_name);
    let policies = reply
        .policies
        .into_iter()
        .flatten()
        .filter_map(|policy| policy.policy_name);
    users.chain(roles).chain(groups).chain(policies).collect()
}

#[tokio::test]
async fn everybody_is_there_with_their_policies_and_aws_policies_in_use() {
    let server = account().await;
    let reply = server
        .root
        .ok::<op::GetAccountAuthorizationDetails>(&Default::default())
        .await;
    let user = &reply.user_detail_list.as_ref().unwrap()[0];
    assert_eq!(
        user.user_policy_list.as_ref().unwrap()[0].policy_name.as_deref(),
        Some("p")
    );
    assert_eq!(names(reply), ["u", "r", "g", "p", "AmazonECS_FullAccess"]);
}

#[tokio::test]
async fn pages_run_through_all_kinds_and_a_filter_leaves_kinds_out() {
    let server = account().await;
    for size in 1..=5 {
        let mut request = api::GetAccountAuthorizationDetailsRequest {
            max_items: Some(size),
            ..Default::default()
        };
        let mut seen = Vec::new();
        loop {
            let reply = server
                .root
                .ok::<op::GetAccountAuthorizationDetails>(&request)
                .await;
            request.marker = reply.marker.clone();
            seen.extend(names(reply));
            if request.marker.is_none() {
                break;
            }
        }
        assert_eq!(
            seen,
            ["u", "r", "g", "p", "AmazonECS_FullAccess"],
            "{size} a page"
        );
    }
    let filter = Some(vec!["Group".to_owned(), "LocalManagedPolicy".to_owned()]);
    let request = api::GetAccountAuthorizationDetailsRequest {
        filter,
        ..Default::default()
    };
    let reply = server
        .root
        .ok::<op::GetAccountAuthorizationDetails>(&request)
        .await;
    assert_eq!(names(reply), ["g", "p"]);
}
