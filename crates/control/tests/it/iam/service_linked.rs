//! Service-linked roles (R133).

use portcullis_api::iam::{self as api, op};

use crate::harness::{ACCOUNT, Server, allow};

const ROLE: &str = "AWSServiceRoleForECS";

fn create(service: &str) -> api::CreateServiceLinkedRoleRequest {
    api::CreateServiceLinkedRoleRequest {
        aws_service_name: service.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn r133_it_is_made_for_its_service_once() {
    let server = Server::start().await;
    let role = server
        .root
        .ok::<op::CreateServiceLinkedRole>(&create("ecs.amazonaws.com"))
        .await
        .role
        .unwrap();
    assert_eq!(
        role.arn,
        format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/{ROLE}")
    );
    let listed = api::ListAttachedRolePoliciesRequest {
        role_name: ROLE.to_owned(),
        ..Default::default()
    };
    let attached = server
        .root
        .ok::<op::ListAttachedRolePolicies>(&listed)
        .await
        .attached_policies
        .unwrap();
    assert_eq!(
        attached[0].policy_name.as_deref(),
        Some("AmazonECSServiceRolePolicy")
    );
    let refused = server
        .root
        .err::<op::CreateServiceLinkedRole>(&create("ecs.amazonaws.com"))
        .await;
    let text = format!(
        "InvalidInput: Service role name {ROLE} has been taken in this account, please try a different suffix."
    );
    assert_eq!(refused, text);
    assert!(
        server
            .root
            .err::<op::CreateServiceLinkedRole>(&create("no.amazonaws.com"))
            .await
            .starts_with("InvalidInput: ")
    );
}

#[tokio::test]
async fn r133_customers_cannot_change_it() {
    let server = Server::start().await;
    let root = &server.root;
    root.ok::<op::CreateServiceLinkedRole>(&create("ecs.amazonaws.com"))
        .await;
    let name = ROLE.to_owned();
    let policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess".to_owned();
    let protected = format!(
        "UnmodifiableEntity: Cannot perform the operation on the protected role '{ROLE}' - this role is only modifiable by AWS"
    );
    let attach = api::AttachRolePolicyRequest {
        role_name: name.clone(),
        policy_arn: policy_arn.clone(),
    };
    assert_eq!(root.err::<op::AttachRolePolicy>(&attach).await, protected);
    let put = api::PutRolePolicyRequest {
        role_name: name.clone(),
        policy_name: "p".to_owned(),
        policy_document: allow("*", "*"),
    };
    assert_eq!(root.err::<op::PutRolePolicy>(&put).await, protected);
    let trust = api::UpdateAssumeRolePolicyRequest {
        role_name: name.clone(),
        policy_document: super::TASKS.to_owned(),
    };
    assert_eq!(root.err::<op::UpdateAssumeRolePolicy>(&trust).await, protected);
    let bound = api::PutRolePermissionsBoundaryRequest {
        role_name: name.clone(),
        permissions_boundary: policy_arn,
    };
    assert_eq!(
        root.err::<op::PutRolePermissionsBoundary>(&bound).await,
        protected
    );
    assert_eq!(
        root.err::<op::DeleteRole>(&api::DeleteRoleRequest {
            role_name: name.clone()
        })
        .await,
        protected
    );
    let longer = api::UpdateRoleRequest {
        role_name: name.clone(),
        max_session_duration: Some(7_200),
        description: None,
    };
    assert_eq!(root.err::<op::UpdateRole>(&longer).await, protected);
    let described = api::UpdateRoleDescriptionRequest {
        role_name: name,
        description: "ours".to_owned(),
    };
    let role = root
        .ok::<op::UpdateRoleDescription>(&described)
        .await
        .role
        .unwrap();
    assert_eq!(role.description.as_deref(), Some("ours"));
}

#[tokio::test]
async fn r110_r133_the_key_aws_service_name_guards_it() {
    let server = Server::start().await;
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*",
            "Condition": { "StringLike": { "iam:AWSServiceName": "ecs.amazonaws.com" } }
        }
    });
    let user = server.user("u", &policy.to_string()).await;
    let refused = user
        .err::<op::CreateServiceLinkedRole>(&create("spot.amazonaws.com"))
        .await;
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    user.ok::<op::CreateServiceLinkedRole>(&create("ecs.amazonaws.com"))
        .await;
}
