//! Act 2: a task role and an execution role, and the permission to pass them on.

use anyhow::{Context as _, Result};
use portcullis_agent::EngineKind;
use portcullis_api::{ecs, iam};

use super::identities::{RICHARD, create_role};
use super::policies::{self, FAMILY};
use super::stage::{Stage, Wanted};
use super::tell::Tale;
use crate::client::Client;
use crate::image;

/// The roles of the story, by ARN.
pub struct Roles {
    /// What the task may do.
    pub task: String,
}

const TASK_ROLE: &str = "quickstart-task";
const EXECUTION_ROLE: &str = "quickstart-execution";

/// Makes the roles; registers the definition, refused first, then allowed.
pub async fn act(stage: &mut Stage, tale: &mut Tale, richard: &Client) -> Result<Roles> {
    tale.act("A task role and an execution role, and who may pass them");
    let task = create_role(&stage.admin, TASK_ROLE, policies::trust_ecs_tasks()).await?;
    let execution = create_role(&stage.admin, EXECUTION_ROLE, policies::trust_ecs_tasks()).await?;
    let put = iam::PutRolePolicyRequest {
        role_name: TASK_ROLE.to_owned(),
        policy_name: "DescribeOwnCluster".to_owned(),
        policy_document: policies::task_permissions(&stage.account, &stage.region),
    };
    stage.admin.expect::<iam::op::PutRolePolicy>(&put).await?;
    stage.start_agent(tale).await?;
    let definition = definition(stage, &task, &execution)?;
    let asked = "richard-roe: RegisterTaskDefinition with both roles";
    stage
        .tell::<ecs::op::RegisterTaskDefinition>(tale, richard, asked, &definition, Wanted::Denied)
        .await?;
    let pass = iam::PutUserPolicyRequest {
        user_name: RICHARD.to_owned(),
        policy_name: "PassTaskRoles".to_owned(),
        policy_document: policies::pass_roles(&[task.clone(), execution]),
    };
    let asked =
        "administrator: PutUserPolicy iam:PassRole on these two roles, to ecs-tasks.amazonaws.com only";
    stage
        .tell::<iam::op::PutUserPolicy>(tale, &stage.admin, asked, &pass, Wanted::Allowed)
        .await?;
    let asked = "richard-roe: RegisterTaskDefinition again";
    stage
        .tell::<ecs::op::RegisterTaskDefinition>(tale, richard, asked, &definition, Wanted::Allowed)
        .await?;
    Ok(Roles { task })
}

/// The demo task: this very program, from the image made of it or as a child process.
fn definition(stage: &Stage, task: &str, execution: &str) -> Result<ecs::RegisterTaskDefinitionRequest> {
    let (program, image) = match stage.agent()?.engine {
        EngineKind::Docker => (image::PROGRAM.to_owned(), image::IMAGE),
        EngineKind::Process => {
            let program = std::env::current_exe().context("the path of this program is unknown")?;
            (program.display().to_string(), "none:1")
        }
    };
    let container = ecs::ContainerDefinition {
        name: Some("demo".to_owned()),
        image: Some(image.to_owned()),
        memory: Some(64),
        essential: Some(true),
        entry_point: Some(vec![program]),
        command: Some(vec!["demo-task".to_owned()]),
        stop_timeout: Some(5),
        ..Default::default()
    };
    Ok(ecs::RegisterTaskDefinitionRequest {
        family: FAMILY.to_owned(),
        task_role_arn: Some(task.to_owned()),
        execution_role_arn: Some(execution.to_owned()),
        container_definitions: vec![container],
        ..Default::default()
    })
}
