//! What must go before an entity can go.

use portcullis_api::iam::{self as api, op};

use super::{group, policy, role};
use crate::harness::{Server, allow};

const ECS: &str = "arn:aws:iam::aws:policy/AmazonECS_FullAccess";

#[tokio::test]
async fn a_user_goes_last() {
    let server = Server::start().await;
    let (root, name) = (&server.root, "u".to_owned());
    let user = server.user("u", &allow("*", "*")).await;
    group(&server, "g").await;
    let add = api::AddUserToGroupRequest {
        group_name: "g".to_owned(),
        user_name: name.clone(),
    };
    root.ok::<op::AddUserToGroup>(&add).await;
    let attach = api::AttachUserPolicyRequest {
        user_name: name.clone(),
        policy_arn: ECS.to_owned(),
    };
    root.ok::<op::AttachUserPolicy>(&attach).await;
    let delete = api::DeleteUserRequest {
        user_name: name.clone(),
    };
    let conflict = |first: &str| format!("DeleteConflict: Cannot delete entity, must {first} first.");
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("remove users from group")
    );
    let remove = api::RemoveUserFromGroupRequest {
        group_name: "g".to_owned(),
        user_name: name.clone(),
    };
    root.ok::<op::RemoveUserFromGroup>(&remove).await;
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("detach all policies")
    );
    let detach = api::DetachUserPolicyRequest {
        user_name: name.clone(),
        policy_arn: ECS.to_owned(),
    };
    root.ok::<op::DetachUserPolicy>(&detach).await;
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("delete policies")
    );
    let inline = api::DeleteUserPolicyRequest {
        user_name: name.clone(),
        policy_name: "p".to_owned(),
    };
    root.ok::<op::DeleteUserPolicy>(&inline).await;
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("delete access keys")
    );
    let key = api::DeleteAccessKeyRequest {
        user_name: Some(name),
        access_key_id: user.access_key_id.clone(),
    };
    root.ok::<op::DeleteAccessKey>(&key).await;
    root.ok::<op::DeleteUser>(&delete).await;
    assert!(
        root.err::<op::DeleteUser>(&delete)
            .await
            .starts_with("NoSuchEntity: ")
    );
}

#[tokio::test]
async fn a_role_goes_after_its_instance_profiles_and_policies() {
    let server = Server::start().await;
    let (root, name) = (&server.root, "r".to_owned());
    role(&server, "r").await;
    let profile = api::CreateInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        ..Default::default()
    };
    root.ok::<op::CreateInstanceProfile>(&profile).await;
    let add = api::AddRoleToInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        role_name: "R".to_owned(),
    };
    root.ok::<op::AddRoleToInstanceProfile>(&add).await;
    let full = root.err::<op::AddRoleToInstanceProfile>(&add).await;
    assert_eq!(
        full,
        "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    );
    let delete = api::DeleteRoleRequest {
        role_name: name.clone(),
    };
    let conflict = "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.";
    assert_eq!(root.err::<op::DeleteRole>(&delete).await, conflict);
    let unprofile = api::DeleteInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
    };
    assert_eq!(root.err::<op::DeleteInstanceProfile>(&unprofile).await, conflict);
    let listed = api::ListInstanceProfilesForRoleRequest {
        role_name: name.clone(),
        ..Default::default()
    };
    let profiles = root
        .ok::<op::ListInstanceProfilesForRole>(&listed)
        .await
        .instance_profiles;
    assert_eq!(profiles[0].roles[0].role_name, "r");
    let remove = api::RemoveRoleFromInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        role_name: name,
    };
    root.ok::<op::RemoveRoleFromInstanceProfile>(&remove).await;
    assert!(
        root.err::<op::RemoveRoleFromInstanceProfile>(&remove)
            .await
            .starts_with("NoSuchEntity: ")
    );
    root.ok::<op::DeleteInstanceProfile>(&unprofile).await;
    root.ok::<op::DeleteRole>(&delete).await;
}

#[tokio::test]
async fn a_group_goes_after_its_members() {
    let server = Server::start().await;
    group(&server, "g").await;
    server.user("u", "").await;
    let add = api::AddUserToGroupRequest {
        group_name: "g".to_owned(),
        user_name: "u".to_owned(),
    };
    server.root.ok::<op::AddUserToGroup>(&add).await;
    let delete = api::DeleteGroupRequest {
        group_name: "g".to_owned(),
    };
    let refused = server.root.err::<op::DeleteGroup>(&delete).await;
    assert_eq!(
        refused,
        "DeleteConflict: Cannot delete entity, must remove users from group first."
    );
}

#[tokio::test]
async fn a_policy_goes_after_its_attachments_and_versions() {
    let server = Server::start().await;
    let root = &server.root;
    let arn = policy(&server, "p", &allow("ecs:*", "*")).await;
    role(&server, "r").await;
    let attach = api::AttachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: arn.clone(),
    };
    root.ok::<op::AttachRolePolicy>(&attach).await;
    let delete = api::DeletePolicyRequest {
        policy_arn: arn.clone(),
    };
    let refused = root.err::<op::DeletePolicy>(&delete).await;
    assert_eq!(
        refused,
        "DeleteConflict: Cannot delete a policy attached to entities."
    );
    let detach = api::DetachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: arn.clone(),
    };
    root.ok::<op::DetachRolePolicy>(&detach).await;
    assert_eq!(
        root.err::<op::DetachRolePolicy>(&detach).await,
        format!("NoSuchEntity: Policy {arn} was not found.")
    );
    let boundary = api::PutRolePermissionsBoundaryRequest {
        role_name: "r".to_owned(),
        permissions_boundary: arn.clone(),
    };
    root.ok::<op::PutRolePermissionsBoundary>(&boundary).await;
    assert!(
        root.err::<op::DeletePolicy>(&delete)
            .await
            .starts_with("DeleteConflict: ")
    );
    let unbind = api::DeleteRolePermissionsBoundaryRequest {
        role_name: "r".to_owned(),
    };
    root.ok::<op::DeleteRolePermissionsBoundary>(&unbind).await;
    let version = api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: allow("ecs:List*", "*"),
        set_as_default: Some(true),
    };
    root.ok::<op::CreatePolicyVersion>(&version).await;
    assert!(
        root.err::<op::DeletePolicy>(&delete)
            .await
            .contains("more than one version")
    );
    let default = api::DeletePolicyVersionRequest {
        policy_arn: arn.clone(),
        version_id: "v2".to_owned(),
    };
    let refused = root.err::<op::DeletePolicyVersion>(&default).await;
    assert_eq!(
        refused,
        "DeleteConflict: Cannot delete the default version of a policy."
    );
    let old = api::DeletePolicyVersionRequest {
        version_id: "v1".to_owned(),
        ..default
    };
    root.ok::<op::DeletePolicyVersion>(&old).await;
    root.ok::<op::DeletePolicy>(&delete).await;
}
