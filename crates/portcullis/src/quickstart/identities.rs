//! Act 1: an administrator, a user, and policies from the mission's documents.

use anyhow::{Context as _, Result};
use portcullis_api::{ecs, iam};
use portcullis_core::Secret;

use super::policies::{CLUSTER, RICHARDS};
use super::stage::{Stage, Wanted};
use super::tell::Tale;
use crate::client::{Client, Credentials};

/// The user of the story, as the documents name him.
pub const RICHARD: &str = "richard-roe";
/// A cluster he may not run tasks on.
pub const OTHER_CLUSTER: &str = "other";

/// Makes the user and shows what tags decide; answers his client.
pub async fn act(stage: &Stage, tale: &mut Tale) -> Result<Client> {
    tale.act("An account with an administrator, and richard-roe with policies from the documents");
    let admin = &stage.admin;
    let user = iam::CreateUserRequest {
        user_name: RICHARD.to_owned(),
        ..Default::default()
    };
    stage
        .tell::<iam::op::CreateUser>(
            tale,
            admin,
            "administrator: CreateUser richard-roe",
            &user,
            Wanted::Allowed,
        )
        .await?;
    for printed in RICHARDS {
        tale.note(&format!("policy {}: {}", printed.name, printed.remark));
        let put = iam::PutUserPolicyRequest {
            user_name: RICHARD.to_owned(),
            policy_name: printed.name.to_owned(),
            policy_document: printed.document(&stage.account, &stage.region),
        };
        admin.expect::<iam::op::PutUserPolicy>(&put).await?;
    }
    let richard = client_of(admin, RICHARD).await?;
    for cluster in [CLUSTER, OTHER_CLUSTER] {
        let create = ecs::CreateClusterRequest {
            cluster_name: Some(cluster.to_owned()),
            ..Default::default()
        };
        admin.expect::<ecs::op::CreateCluster>(&create).await?;
    }
    services(stage, tale, &richard).await?;
    Ok(richard)
}

/// Two services; he may see the one that is tagged with his name.
async fn services(stage: &Stage, tale: &mut Tale, richard: &Client) -> Result<()> {
    let definition = ecs::RegisterTaskDefinitionRequest {
        family: "quiet".to_owned(),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("quiet".to_owned()),
            image: Some("quiet:1".to_owned()),
            memory: Some(16),
            ..Default::default()
        }],
        ..Default::default()
    };
    stage
        .admin
        .expect::<ecs::op::RegisterTaskDefinition>(&definition)
        .await?;
    for (service, owner) in [("his-service", RICHARD), ("her-service", "jane-doe")] {
        let create = ecs::CreateServiceRequest {
            cluster: Some(CLUSTER.to_owned()),
            service_name: service.to_owned(),
            task_definition: Some("quiet".to_owned()),
            desired_count: Some(0),
            tags: Some(vec![ecs::Tag {
                key: Some("Owner".to_owned()),
                value: Some(owner.to_owned()),
            }]),
            ..Default::default()
        };
        stage.admin.expect::<ecs::op::CreateService>(&create).await?;
    }
    for (service, wanted) in [("his-service", Wanted::Allowed), ("her-service", Wanted::Denied)] {
        let describe = ecs::DescribeServicesRequest {
            cluster: Some(CLUSTER.to_owned()),
            services: vec![service.to_owned()],
            ..Default::default()
        };
        let asked = format!("richard-roe: DescribeServices {service}");
        stage
            .tell::<ecs::op::DescribeServices>(tale, richard, &asked, &describe, wanted)
            .await?;
    }
    Ok(())
}

/// A client with a new access key of the user.
async fn client_of(admin: &Client, user: &str) -> Result<Client> {
    let request = iam::CreateAccessKeyRequest {
        user_name: Some(user.to_owned()),
    };
    let key = admin
        .expect::<iam::op::CreateAccessKey>(&request)
        .await?
        .access_key;
    Ok(admin.with(Credentials::new(
        key.access_key_id,
        Secret::new(key.secret_access_key),
        None,
    )))
}

/// Makes a role; answers its ARN.
pub async fn create_role(admin: &Client, name: &str, trust: &str) -> Result<String> {
    let request = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_owned(),
        ..Default::default()
    };
    let role = admin
        .expect::<iam::op::CreateRole>(&request)
        .await
        .context("the role could not be made")?
        .role;
    Ok(role.arn)
}
