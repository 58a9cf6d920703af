//! IAM through its door: one module per group of operations.

mod access_keys;
mod authorization_details;
mod binding;
pub mod certificates;
mod credential_report;
mod deletion;
mod denials;
mod groups;
mod last_accessed;
mod last_uses;
mod mfa;
mod oidc_providers;
mod passwords;
mod policies;
mod quotas;
mod roles;
mod service_linked;
mod simulate;
mod tags;
mod user_keys;
mod users;

use portcullis_api::iam::{self as api, op};

use crate::harness::Server;

/// A trust policy for the service of ECS tasks.
pub const TASKS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Makes a role that ECS tasks may use.
pub async fn role(server: &Server, name: &str) -> api::Role {
    let create = api::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: TASKS.to_owned(),
        ..Default::default()
    };
    server.root.ok::<op::CreateRole>(&create).await.role
}

/// Makes a group.
pub async fn group(server: &Server, name: &str) {
    let create = api::CreateGroupRequest {
        group_name: name.to_owned(),
        ..Default::default()
    };
    server.root.ok::<op::CreateGroup>(&create).await;
}

/// Makes a managed policy and gives its ARN.
pub async fn policy(server: &Server, name: &str, document: &str) -> String {
    let create = api::CreatePolicyRequest {
        policy_name: name.to_owned(),
        policy_document: document.to_owned(),
        ..Default::default()
    };
    server
        .root
        .ok::<op::CreatePolicy>(&create)
        .await
        .policy
        .unwrap()
        .arn
        .unwrap()
}

/// A tag.
pub fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
