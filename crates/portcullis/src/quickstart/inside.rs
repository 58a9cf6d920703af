//! Act 4: what the task did with credentials of its own, as the records show it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_api::cloudtrail;
use serde_json::Value;

use super::roles::Roles;
use super::stage::Stage;
use super::tasks::Task;
use super::tell::Tale;

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads from CloudTrail what the task called and how it was decided.
pub async fn act(stage: &Stage, tale: &mut Tale, roles: &Roles, task: &Task) -> Result<()> {
    tale.act("Inside the task: credentials from the endpoint, calls as assumed-role/ROLE/TASK-ID");
    tale.progress("the task fetches its credentials and makes its calls");
    let role = roles.task.rsplit('/').next().unwrap_or_default();
    let identity = format!("arn:aws:sts::{}:assumed-role/{role}/{}", stage.account, task.id());
    for (operation, wanted) in [
        ("GetCallerIdentity", ""),
        ("DescribeClusters", ""),
        ("DeleteCluster", "AccessDenied"),
    ] {
        let record = wait_for(stage, task, operation).await?;
        let text = |pointer: &str| {
            record
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (arn, code, message) = (
            text("/userIdentity/arn"),
            text("/errorCode"),
            text("/errorMessage"),
        );
        let reply = if code.is_empty() {
            format!("allowed, as {arn}")
        } else {
            format!("on record as {code}: {message}")
        };
        let why = stage.why(&text("/requestID"));
        tale.step(
            format!("the task: {operation}"),
            reply,
            why,
            code == wanted && arn == identity,
        );
    }
    let log =
        std::fs::read_to_string(&stage.agent()?.audit_log).context("the agent's audit log cannot be read")?;
    let line = log
        .lines()
        .find(|line| line.contains(&task.arn))
        .unwrap_or_default();
    let fetched = line.contains("GetCredentials");
    tale.step("the agent's audit log, for this task", line, "", fetched);
    Ok(())
}

/// The record of a call of the task, as soon as there is one.
async fn wait_for(stage: &Stage, task: &Task, operation: &str) -> Result<Value> {
    let looking = async {
        loop {
            for record in records_of(stage, task.id()).await? {
                if record.get("eventName").and_then(Value::as_str) == Some(operation) {
                    return Ok(record);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.with_context(|| format!("the task did not call {operation}"))?
}

/// All records of a role session, by its session name.
async fn records_of(stage: &Stage, session: &str) -> Result<Vec<Value>> {
    let attribute = cloudtrail::LookupAttribute {
        attribute_key: "Username".to_owned(),
        attribute_value: session.to_owned(),
    };
    let request = cloudtrail::LookupEventsRequest {
        lookup_attributes: Some(vec![attribute]),
        ..Default::default()
    };
    let reply = stage
        .admin
        .expect::<cloudtrail::op::LookupEvents>(&request)
        .await?;
    let texts = reply
        .events
        .into_iter()
        .flatten()
        .filter_map(|event| event.cloud_trail_event);
    texts
        .map(|text| serde_json::from_str(&text).context("a record is no JSON"))
        .collect()
}
