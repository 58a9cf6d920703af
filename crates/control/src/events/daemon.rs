//! Daemons: the states of their deployments, and tasks of theirs that failed to start (AWS's page "Daemon events").

use std::sync::Arc;

use portcullis_core::Arn;
use serde_json::{Value, json};

use super::happening::Happening;
use crate::world::Snapshot;
use crate::world::changes::Step;
use crate::world::records::ecs::{
    Daemon, DaemonDeployment, DaemonRevision, LastStatus, ServiceDeploymentStatus, StopCode, Task,
};

/// A deployment that is in another state than before.
pub(super) fn happening(step: &Step<DaemonDeployment>) -> Option<Happening> {
    let after = step.after.as_ref()?;
    let known = step.before.as_ref().map(|before| before.status);
    (known != Some(after.status)).then(|| Happening::DaemonDeployment(Arc::clone(after)))
}

/// A daemon's task that ended without having run, with the revision it was started from.
pub(super) fn failure(snapshot: &Snapshot, step: &Step<Task>) -> Option<Happening> {
    let after = step.after.as_ref()?;
    let ended = |task: &Arc<Task>| task.last == LastStatus::Stopped;
    let is_news = ended(after) && !step.before.as_ref().is_some_and(ended);
    let is_failure = after
        .stop
        .as_ref()
        .is_some_and(|stop| stop.code == StopCode::TaskFailedToStart);
    if !is_news || !is_failure {
        return None;
    }
    let key = Daemon::key_of(&after.region, &after.cluster, after.daemon()?);
    let daemon = snapshot.ecs.daemons.get(&key);
    let revision = daemon.and_then(|daemon| {
        let mut deployments = daemon.deployments.iter();
        let from = deployments.find(|one| Some(&one.id) == after.started_by.as_ref())?;
        let key = DaemonRevision::key_of(&daemon.region, &daemon.cluster, &daemon.name, &from.revision);
        snapshot.ecs.daemon_revisions.get(&key).map(Arc::clone)
    });
    Some(Happening::DaemonTaskFailed(Arc::clone(after), revision))
}

/// The ARN of a deployment's daemon.
pub(super) fn arn(one: &DaemonDeployment) -> Arn {
    let text = beside(one, format_args!("daemon/{}/{}", one.cluster, one.daemon));
    text.parse().unwrap_or_else(|_| one.arn.clone())
}

fn beside(one: &DaemonDeployment, resource: std::fmt::Arguments<'_>) -> String {
    let arn = one.arn.as_str();
    let head = arn.strip_suffix(one.arn.resource()).unwrap_or(arn);
    format!("{head}{resource}")
}

/// `detail` of a deployment's event.
pub(super) fn deployment(one: &DaemonDeployment, cluster: &str, at: &str) -> Value {
    let kind = match one.status {
        ServiceDeploymentStatus::RollbackFailed => "ERROR",
        _ => "INFO",
    };
    let target = one.target.as_ref();
    let target = target.map(|id| {
        beside(
            one,
            format_args!("daemon-revision/{}/{}/{id}", one.cluster, one.daemon),
        )
    });
    let mut detail = json!({
        "eventType": kind,
        "eventName": format!("DAEMON_DEPLOYMENT_{}", one.status.as_str()),
        "clusterArn": cluster,
        "daemonArn": arn(one),
        "daemonDeploymentArn": one.arn,
        "updatedAt": at,
    });
    if let (Some(target), Some(members)) = (target, detail.as_object_mut()) {
        members.insert("targetDaemonRevisionArn".to_owned(), target.into());
    }
    detail
}

/// `detail` of the event of a task that did not start. Which capacity provider its instance belongs to is told where the task
/// knows.
pub(super) fn failed_task(task: &Task, revision: Option<&DaemonRevision>, cluster: &str, at: &str) -> Value {
    let daemon = task.daemon().unwrap_or_default();
    let reason = task.stop.as_ref().map(|stop| stop.reason.as_str());
    let mut detail = json!({
        "eventType": "WARNING",
        "eventName": "DAEMON_TASK_START_IMPAIRED",
        "clusterArn": cluster,
        "containerInstanceArn": task.container_instance_arn(),
        "taskArn": task.arn,
        "daemonArn": task.arn_beside(format_args!("daemon/{}/{daemon}", task.cluster)),
        "daemonTaskDefinitionArn": task.task_definition_arn(),
        "failureType": "TASK_FAILED_TO_RUN",
        "createdAt": at,
        "reason": reason.unwrap_or_default(),
    });
    let known = [
        ("daemonRevisionArn", revision.map(|one| one.arn.to_string())),
        ("capacityProviderName", task.capacity_provider.clone()),
    ];
    if let Some(members) = detail.as_object_mut() {
        let known = known
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        members.extend(known);
    }
    detail
}
