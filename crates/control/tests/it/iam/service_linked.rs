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
    let detach = api::DetachRolePolicyRequest {
        role_name: name.clone(),
        policy_arn: "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy".to_owned(),
    };
    assert_eq!(root.err::<op::DetachRolePolicy>(&detach).await, protected);
    let unput = api::DeleteRolePolicyRequest {
        role_name: name.clone(),
        policy_name: "p".to_owned(),
    };
    assert_eq!(root.err::<op::DeleteRolePolicy>(&unput).await, protected);
    let unbound = api::DeleteRolePermissionsBoundaryRequest {
        role_name: name.clone(),
    };
    assert_eq!(
        root.err::<op::DeleteRolePermissionsBoundary>(&unbound).await,
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
}

#[tokio::test]
async fn r133_customers_can_describe_it() {
    let server = Server::start().await;
    let root = &server.root;
    root.ok::<op::CreateServiceLinkedRole>(&create("ecs.amazonaws.com"))
        .await;
    let described = api::UpdateRoleDescriptionRequest {
        role_name: ROLE.to_owned(),
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

async fn delete(server: &Server, name: &str) -> Result<String, String> {
    let delete = api::DeleteServiceLinkedRoleRequest {
        role_name: name.to_owned(),
    };
    let asked = server.root.call::<op::DeleteServiceLinkedRole>(&delete).await;
    asked
        .map(|reply| reply.deletion_task_id)
        .map_err(|error| error.to_string())
}

async fn outcome(
    server: &Server,
    task: &str,
) -> Result<api::GetServiceLinkedRoleDeletionStatusResponse, String> {
    let status = api::GetServiceLinkedRoleDeletionStatusRequest {
        deletion_task_id: task.to_owned(),
    };
    let known = server
        .root
        .call::<op::GetServiceLinkedRoleDeletionStatus>(&status)
        .await;
    known.map_err(|error| error.to_string())
}

#[tokio::test]
async fn r133_it_is_deleted_by_a_task_and_not_while_its_service_needs_it() {
    use portcullis_api::ecs;
    let server = Server::start().await;
    let cluster = ecs::CreateClusterRequest {
        cluster_name: Some("web".to_owned()),
        ..Default::default()
    };
    server.root.ok::<ecs::op::CreateCluster>(&cluster).await;
    let task = delete(&server, ROLE).await.unwrap();
    assert!(
        task.starts_with(&format!("task/aws-service-role/ecs.amazonaws.com/{ROLE}/")),
        "{task}"
    );
    let failed = outcome(&server, &task).await.unwrap();
    assert_eq!(failed.status, "FAILED");
    let usage = &failed.reason.unwrap().role_usage_list.unwrap()[0];
    assert_eq!(usage.region.as_deref(), Some("us-east-1"));
    assert_eq!(
        usage.resources,
        Some(vec![format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/web")])
    );
    let gone = ecs::DeleteClusterRequest {
        cluster: "web".to_owned(),
    };
    server.root.ok::<ecs::op::DeleteCluster>(&gone).await;
    let task = delete(&server, ROLE).await.unwrap();
    assert_eq!(outcome(&server, &task).await.unwrap().status, "SUCCEEDED");
    let missing = format!("NoSuchEntity: The role with name {ROLE} cannot be found.");
    assert_eq!(delete(&server, ROLE).await.unwrap_err(), missing);
    let unknown = format!("task/aws-service-role/ecs.amazonaws.com/{ROLE}/none");
    assert_eq!(
        outcome(&server, &unknown).await.unwrap_err(),
        "NoSuchEntity: Cannot find deletion status for given id."
    );
    assert_eq!(
        outcome(&server, "no-task").await.unwrap_err(),
        "InvalidInput: Invalid task id"
    );
    super::role(&server, "ordinary").await;
    assert!(
        delete(&server, "ordinary")
            .await
            .unwrap_err()
            .starts_with("NoSuchEntity: ")
    );
}
