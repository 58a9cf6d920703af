//! How IAM names resources when it refuses (cloudtrail-facts `message_forms`).

use portcullis_api::iam::{self as api, op};
use portcullis_wire::Operation;

use super::{group, policy, role};
use crate::harness::{ACCOUNT, Client, Server, allow};

async fn refused<O: Operation>(client: &Client, input: O::Input, resource: &str) {
    let text = client.err::<O>(&input).await;
    let action = format!("iam:{}", O::META.name);
    assert_eq!(
        text,
        format!(
            "AccessDenied: User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        )
    );
}

fn name(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn users_roles_and_groups_are_named() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    role(&server, "r").await;
    group(&server, "g").await;
    refused::<op::GetUser>(&user, api::GetUserRequest::default(), "user u").await;
    refused::<op::CreateAccessKey>(
        &user,
        api::CreateAccessKeyRequest {
            user_name: Some(name("x")),
        },
        "user x",
    )
    .await;
    refused::<op::DeleteUser>(&user, api::DeleteUserRequest { user_name: name("u") }, "user u").await;
    let listed = api::ListRolePoliciesRequest {
        role_name: name("r"),
        ..Default::default()
    };
    refused::<op::ListRolePolicies>(&user, listed, "role r").await;
    let add = api::AddUserToGroupRequest {
        group_name: name("g"),
        user_name: name("u"),
    };
    refused::<op::AddUserToGroup>(&user, add, "group g").await;
    let add = api::AddRoleToInstanceProfileRequest {
        instance_profile_name: name("i"),
        role_name: name("r"),
    };
    refused::<op::AddRoleToInstanceProfile>(&user, add, "instance profile i").await;
}

#[tokio::test]
async fn creations_and_lists_show_arns() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = |rest: &str| format!("arn:aws:iam::{ACCOUNT}:{rest}");
    let create = api::CreateUserRequest {
        user_name: name("n"),
        path: Some(name("/p/")),
        ..Default::default()
    };
    refused::<op::CreateUser>(&user, create, &arn("user/p/n")).await;
    let create = api::CreateGroupRequest {
        group_name: name("n"),
        path: None,
    };
    refused::<op::CreateGroup>(&user, create, &arn("group/n")).await;
    refused::<op::ListUsers>(&user, Default::default(), &arn("user/")).await;
    refused::<op::ListRoles>(&user, Default::default(), &arn("role/")).await;
    refused::<op::ListGroups>(&user, Default::default(), &arn("group/")).await;
    refused::<op::ListInstanceProfiles>(&user, Default::default(), &arn("instance-profile/")).await;
    refused::<op::GetAccountAuthorizationDetails>(&user, Default::default(), "*").await;
    let simulate = api::SimulatePrincipalPolicyRequest {
        policy_source_arn: arn("user/u"),
        action_names: vec![name("ecs:RunTask")],
        ..Default::default()
    };
    refused::<op::SimulatePrincipalPolicy>(&user, simulate, &arn("user/u")).await;
}

#[tokio::test]
async fn policies_are_named_or_shown_with_version() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = policy(&server, "p", &allow("ecs:*", "*")).await;
    let create = api::CreatePolicyRequest {
        policy_name: name("n"),
        policy_document: allow("ecs:*", "*"),
        ..Default::default()
    };
    refused::<op::CreatePolicy>(&user, create, "policy n").await;
    let version = api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: allow("ecs:*", "*"),
        set_as_default: None,
    };
    refused::<op::CreatePolicyVersion>(&user, version, &format!("policy {arn}")).await;
    let set = api::SetDefaultPolicyVersionRequest {
        policy_arn: arn.clone(),
        version_id: name("v1"),
    };
    refused::<op::SetDefaultPolicyVersion>(&user, set, &format!("policy {arn} version v1")).await;
}

#[tokio::test]
async fn r181_a_refused_caller_cannot_tell_whether_an_entity_exists() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    role(&server, "there").await;
    for role in ["there", "missing"] {
        let get = api::GetRoleRequest {
            role_name: name(role),
        };
        refused::<op::GetRole>(&user, get, &format!("role {role}")).await;
    }
}
