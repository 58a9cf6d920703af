//! The task in the control plane.

use anyhow::{Context as _, Result, bail};
use portcullis_api::ecs;
use portcullis_core::Timestamp;

use super::door::Door;
use super::host::{self, Host};
use super::{LOOK, holder};
use crate::client::Client;
use crate::printable::printable;

/// Family of the definitions, and `startedBy` of the tasks.
const NAME: &str = "portcullis-run";
const CONTAINER: &str = "program";
/// How often a task is tried to be started while the server does not know the agent's connection.
const TRIES_MAX: usize = 20;
/// MiB; the holder takes less, the program is not held to it.
const MEMORY: i32 = 16;

/// The roles the task is to have, by name or ARN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roles<'a> {
    pub task: &'a str,
    pub execution: Option<&'a str>,
}

/// The task.
#[derive(Debug)]
pub(super) struct Task<'a> {
    /// Its id, which is the name of its role's sessions.
    pub id: String,
    /// When the server made it.
    pub created: Timestamp,
    client: Client,
    cluster: &'a str,
    arn: String,
    definition: String,
}

/// Makes the cluster when it is not there. Who may not ask goes on: joining it says more.
pub(super) async fn make_cluster(client: &Client, name: &str) -> Result<()> {
    let describe = ecs::DescribeClustersRequest {
        clusters: Some(vec![name.to_owned()]),
        include: None,
    };
    let found = match client.call::<ecs::op::DescribeClusters>(&describe).await?.result {
        Ok(reply) => reply.clusters.unwrap_or_default(),
        Err(_) => return Ok(()),
    };
    if found.iter().any(|one| one.status.as_deref() == Some("ACTIVE")) {
        return Ok(());
    }
    let create = ecs::CreateClusterRequest {
        cluster_name: Some(name.to_owned()),
        ..ecs::CreateClusterRequest::default()
    };
    client.expect::<ecs::op::CreateCluster>(&create).await?;
    Ok(())
}

impl<'a> Task<'a> {
    /// Registers a definition and starts a task of it on this machine.
    pub async fn start(client: &Client, host: &'a Host, roles: Roles<'_>, door: &Door) -> Result<Self> {
        let register = definition(roles)?;
        let registered = client
            .expect::<ecs::op::RegisterTaskDefinition>(&register)
            .await?;
        let definition = registered.task_definition.and_then(|one| one.task_definition_arn);
        let definition = definition.context("the definition has no ARN")?;
        let start = order(host, &definition, door);
        match started(client, &start).await {
            Ok(task) => {
                let arn = task.task_arn.context("the task has no ARN")?;
                let (_, id) = arn.rsplit_once('/').context("the task's ARN has no id")?;
                Ok(Self {
                    id: id.to_owned(),
                    created: task.created_at.context("the task has no beginning")?,
                    client: client.clone(),
                    cluster: &host.cluster,
                    arn,
                    definition,
                })
            }
            Err(error) => {
                retire(client, &definition).await?;
                Err(error)
            }
        }
    }

    /// Waits until the task ends by itself: why.
    pub async fn failure(&self) -> anyhow::Error {
        let request = ecs::DescribeTasksRequest {
            cluster: Some(self.cluster.to_owned()),
            tasks: vec![self.arn.clone()],
            include: None,
        };
        loop {
            tokio::time::sleep(LOOK).await;
            let answer = self.client.call::<ecs::op::DescribeTasks>(&request).await;
            // Who may not ask waits for the holder alone.
            let Some(reply) = answer.ok().and_then(|answer| answer.result.ok()) else {
                continue;
            };
            let found = reply.tasks.into_iter().flatten().next();
            if let Some(task) = found.filter(|task| task.last_status.as_deref() == Some("STOPPED")) {
                let mut containers = task.containers.iter().flatten();
                let why = containers
                    .find_map(|one| one.reason.clone())
                    .or(task.stopped_reason);
                return anyhow::anyhow!("the task stopped: {}", printable(&why.unwrap_or_default()));
            }
        }
    }

    /// Takes its definition out of use.
    pub async fn forget(&self, client: &Client) -> Result<()> {
        retire(client, &self.definition).await
    }
}

async fn started(client: &Client, start: &ecs::StartTaskRequest) -> Result<ecs::Task> {
    let mut tries = 0;
    loop {
        let reply = client.expect::<ecs::op::StartTask>(start).await?;
        let Some(failure) = reply.failures.into_iter().flatten().next() else {
            let task = reply.tasks.into_iter().flatten().next();
            return task.context("no task was started");
        };
        let reason = failure.reason.unwrap_or_default();
        tries += 1;
        // The agent has heard from the server, which may not have noted its connection yet.
        if reason != "AGENT" || tries > TRIES_MAX {
            bail!("this machine cannot take the task: {reason}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn retire(client: &Client, definition: &str) -> Result<()> {
    let deregister = ecs::DeregisterTaskDefinitionRequest {
        task_definition: definition.to_owned(),
    };
    client
        .expect::<ecs::op::DeregisterTaskDefinition>(&deregister)
        .await?;
    Ok(())
}

fn definition(roles: Roles<'_>) -> Result<ecs::RegisterTaskDefinitionRequest> {
    let container = ecs::ContainerDefinition {
        name: Some(CONTAINER.to_owned()),
        // The process engine uses none.
        image: Some(NAME.to_owned()),
        memory: Some(MEMORY),
        entry_point: Some(host::command()?),
        ..ecs::ContainerDefinition::default()
    };
    Ok(ecs::RegisterTaskDefinitionRequest {
        family: NAME.to_owned(),
        task_role_arn: Some(roles.task.to_owned()),
        execution_role_arn: roles.execution.map(str::to_owned),
        container_definitions: vec![container],
        ..ecs::RegisterTaskDefinitionRequest::default()
    })
}

/// The task with what its holder needs to come back to us.
fn order(host: &Host, definition: &str, door: &Door) -> ecs::StartTaskRequest {
    let variable = |name: &str, value: String| ecs::KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value),
    };
    let own = ecs::ContainerOverride {
        name: Some(CONTAINER.to_owned()),
        environment: Some(vec![
            variable(holder::SOCKET, door.path.display().to_string()),
            variable(holder::WORD, door.word.expose().to_owned()),
        ]),
        ..ecs::ContainerOverride::default()
    };
    ecs::StartTaskRequest {
        cluster: Some(host.cluster.clone()),
        container_instances: vec![host.instance.clone()],
        task_definition: definition.to_owned(),
        started_by: Some(NAME.to_owned()),
        overrides: Some(ecs::TaskOverride {
            container_overrides: Some(vec![own]),
            ..ecs::TaskOverride::default()
        }),
        ..ecs::StartTaskRequest::default()
    }
}
