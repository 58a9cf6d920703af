//! Act 6: the task stops; its credentials are worth nothing any more, and everything is on record.

use anyhow::Result;
use portcullis_api::{cloudtrail, ecs, sts};
use serde_json::Value;

use super::policies::CLUSTER;
use super::stage::Stage;
use super::tasks::{Task, is};
use super::tell::Tale;
use super::theft;

/// Stops the task and shows what is left.
pub async fn act(stage: &Stage, tale: &mut Tale, task: &Task) -> Result<()> {
    tale.act("The task stops: endpoint and session end with it");
    let loot = theft::steal(stage, task).await?;
    let thief = stage.admin.with(loot.credentials);
    let who = sts::GetCallerIdentityRequest::default();
    let before = thief.call::<sts::op::GetCallerIdentity>(&who).await?.result;
    let reply = match &before {
        Ok(identity) => format!("allowed, as {}", identity.arn.clone().unwrap_or_default()),
        Err(refusal) => refusal.to_string(),
    };
    tale.step(
        "somebody with credentials taken out of the task: GetCallerIdentity",
        reply,
        "",
        before.is_ok(),
    );
    stop(stage, tale, task).await?;
    let (status, body) = thief.get(&loot.url, loot.authorization.as_deref()).await?;
    tale.step(
        "GET on the task's credentials endpoint",
        format!("{status}: {body}"),
        "",
        status == 400,
    );
    let after = thief.call::<sts::op::GetCallerIdentity>(&who).await?.result;
    let (reply, refused) = match after {
        Ok(_) => ("allowed".to_owned(), false),
        Err(refusal) => (refusal.to_string(), refusal.code == "InvalidClientTokenId"),
    };
    let why = "the session was revoked with its task (ours; AWS lets it run out, see docs/fidelity.md)";
    tale.step(
        "the same credentials again: GetCallerIdentity",
        reply,
        why,
        refused,
    );
    records(stage, tale).await?;
    let log = std::fs::read_to_string(&stage.agent()?.audit_log)?;
    let lines = log
        .lines()
        .filter(|line| line.contains("/v2/credentials"))
        .collect::<Vec<_>>();
    tale.step("the agent's audit log", lines.join("\n"), "", !lines.is_empty());
    Ok(())
}

async fn stop(stage: &Stage, tale: &mut Tale, task: &Task) -> Result<()> {
    let request = ecs::StopTaskRequest {
        cluster: Some(CLUSTER.to_owned()),
        task: task.arn.clone(),
        reason: Some("the quickstart ends".to_owned()),
    };
    stage.admin.expect::<ecs::op::StopTask>(&request).await?;
    tale.progress("the task stops");
    let stopped = stage.wait_for_task(&task.arn, |task| is(task, "STOPPED")).await?;
    let text = |text: Option<String>| text.unwrap_or_default();
    let reply = format!(
        "STOPPED, {}: {}",
        text(stopped.stop_code.clone()),
        text(stopped.stopped_reason)
    );
    tale.step(
        "administrator: StopTask",
        reply,
        "",
        stopped.stop_code.as_deref() == Some("UserInitiated"),
    );
    Ok(())
}

/// The whole story as CloudTrail has it.
async fn records(stage: &Stage, tale: &mut Tale) -> Result<()> {
    let reply = stage
        .admin
        .expect::<cloudtrail::op::LookupEvents>(&cloudtrail::LookupEventsRequest::default())
        .await?;
    let texts = reply
        .events
        .into_iter()
        .flatten()
        .filter_map(|event| event.cloud_trail_event);
    let records: Vec<Value> = texts
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect();
    let mut lines: Vec<String> = records
        .iter()
        .filter(|record| is_of_the_story(record))
        .map(line)
        .collect();
    // LookupEvents answers the newest first; a story is told from its beginning.
    lines.reverse();
    let denied = lines.iter().filter(|line| line.contains("AccessDenied")).count();
    let by_service = records
        .iter()
        .any(|r| r.pointer("/userIdentity/invokedBy") == Some(&"ecs-tasks.amazonaws.com".into()));
    tale.step(
        "administrator: LookupEvents",
        lines.join("\n"),
        "",
        denied >= 4 && by_service,
    );
    Ok(())
}

/// Looking itself is on record as well, many times; it says nothing about the story.
fn is_of_the_story(record: &Value) -> bool {
    let name = record
        .get("eventName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    !matches!(name, "LookupEvents" | "DescribeTasks" | "DiscoverPollEndpoint")
}

fn line(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let who = text("/userIdentity/arn")
        .or_else(|| text("/userIdentity/invokedBy"))
        .unwrap_or_default();
    let what = text("/eventName").unwrap_or_default();
    let when = text("/eventTime").unwrap_or_default();
    format!(
        "{when} {what:<26} {:<12} {who}",
        text("/errorCode").unwrap_or("ok")
    )
}
