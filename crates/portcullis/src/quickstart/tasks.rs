//! Act 3: the same call on two clusters.

use anyhow::{Context as _, Result};
use portcullis_api::ecs;

use super::identities::OTHER_CLUSTER;
use super::policies::{CLUSTER, FAMILY};
use super::stage::{Stage, Wanted};
use super::tell::Tale;
use crate::client::Client;

/// The task of the story.
pub struct Task {
    /// Its ARN.
    pub arn: String,
}

impl Task {
    /// The last part of the ARN: also the name of its role session.
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

/// Runs the task where it is allowed and tries where it is not.
pub async fn act(stage: &Stage, tale: &mut Tale, richard: &Client) -> Result<Task> {
    tale.act("RunTask on the right cluster, and on another");
    let asked = format!("richard-roe: RunTask {FAMILY} on {CLUSTER}");
    let reply = stage
        .tell::<ecs::op::RunTask>(tale, richard, &asked, &run_on(CLUSTER), Wanted::Allowed)
        .await?;
    let reply = reply.context("without a task the story cannot go on")?;
    let failures = reply.failures.unwrap_or_default();
    let arn = reply.tasks.into_iter().flatten().find_map(|task| task.task_arn);
    let arn = arn.with_context(|| format!("no task was placed: {failures:?}"))?;
    tale.progress("the task starts");
    let task = stage
        .wait_for_task(&arn, |task| is(task, "RUNNING") || is(task, "STOPPED"))
        .await?;
    let reason = task.stopped_reason.clone().unwrap_or_default();
    let status = task.last_status.clone().unwrap_or_default();
    tale.step(
        "administrator: DescribeTasks",
        format!("{status} {reason}").trim(),
        "",
        is(&task, "RUNNING"),
    );
    let asked = format!("richard-roe: RunTask {FAMILY} on {OTHER_CLUSTER}");
    stage
        .tell::<ecs::op::RunTask>(tale, richard, &asked, &run_on(OTHER_CLUSTER), Wanted::Denied)
        .await?;
    Ok(Task { arn })
}

/// Whether the task's last known status is this one.
pub fn is(task: &ecs::Task, status: &str) -> bool {
    task.last_status.as_deref() == Some(status)
}

fn run_on(cluster: &str) -> ecs::RunTaskRequest {
    ecs::RunTaskRequest {
        cluster: Some(cluster.to_owned()),
        task_definition: FAMILY.to_owned(),
        ..Default::default()
    }
}
