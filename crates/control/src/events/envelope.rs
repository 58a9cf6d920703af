//! Events in words: EventBridge's envelope around ECS's detail (ecs.md 12).

use portcullis_core::{AccountId, Arn, Timestamp};
use portcullis_wire::json::to_value;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::happening::Happening;
use super::{daemon, service};
use crate::services::ecs::{shown_instance, shown_task};
use crate::world::records::ecs::Load;

/// `2026-11-22T01:02:03.004Z`
const ISO_WITH_MILLIS: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

/// The event as EventBridge shows it. The same event has the same id whenever it is told.
pub(super) fn event(account: &AccountId, at: Timestamp, happening: &Happening) -> Value {
    let (kind, detail) = (detail_type(happening), detail(at, happening));
    let resource = resource(happening).to_string();
    let id = id_of(&[kind, &resource, &identity(happening)]);
    json!({
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": source(happening),
        "account": account.as_str(),
        "time": at.to_iso(),
        "region": region(happening),
        "resources": [resource],
        "detail": detail,
    })
}

/// What tells it from the other events of its type and resource.
fn identity(happening: &Happening) -> String {
    match happening {
        Happening::Task(task) => task.version.to_string(),
        Happening::Instance(instance, load) => {
            let load = load.as_deref().unwrap_or(const { &Load::NONE });
            instance.shown_version(load).to_string()
        }
        Happening::Alert(_, alert) => format!("{} {}", alert.kind.as_str(), alert.at.as_millis()),
        Happening::Action { event, .. } => event.id.clone(),
        Happening::Deployment { id, rollout, .. } => format!("{id} {}", rollout.name()),
        Happening::DaemonDeployment(one) => format!("{} {}", one.id, one.status.as_str()),
        Happening::DaemonTaskFailed(task, _) => task.version.to_string(),
    }
}

/// Events that EventBridge does not have are marked as ours.
fn source(happening: &Happening) -> &'static str {
    match happening {
        Happening::Alert(..) => "portcullis",
        _ => "aws.ecs",
    }
}

fn detail_type(happening: &Happening) -> &'static str {
    match happening {
        Happening::Task(_) => "ECS Task State Change",
        Happening::Instance(..) => "ECS Container Instance State Change",
        Happening::Alert(..) => "Portcullis Agent Identity Alert",
        Happening::Action { .. } => "ECS Service Action",
        Happening::Deployment { .. } => "ECS Deployment State Change",
        Happening::DaemonDeployment(_) => "ECS Daemon Deployment State Change",
        Happening::DaemonTaskFailed(..) => "ECS Daemon Service Action",
    }
}

fn resource(happening: &Happening) -> Arn {
    match happening {
        Happening::Task(task) | Happening::DaemonTaskFailed(task, _) => task.arn.clone(),
        Happening::Instance(instance, _) | Happening::Alert(instance, _) => instance.arn.clone(),
        Happening::Action { service, .. } | Happening::Deployment { service, .. } => service.arn.clone(),
        Happening::DaemonDeployment(one) => daemon::arn(one),
    }
}

/// The region of the event's resource.
pub(super) fn region(happening: &Happening) -> &str {
    match happening {
        Happening::Task(task) | Happening::DaemonTaskFailed(task, _) => task.region.as_str(),
        Happening::DaemonDeployment(one) => one.region.as_str(),
        Happening::Instance(instance, _) | Happening::Alert(instance, _) => instance.region.as_str(),
        Happening::Action { service, .. } | Happening::Deployment { service, .. } => service.region.as_str(),
    }
}

/// The ARN of the cluster the event's resource belongs to.
pub(super) fn cluster_arn(happening: &Happening) -> String {
    let cluster = match happening {
        Happening::Task(task) | Happening::DaemonTaskFailed(task, _) => &task.cluster,
        Happening::DaemonDeployment(one) => &one.cluster,
        Happening::Instance(instance, _) | Happening::Alert(instance, _) => &instance.cluster,
        Happening::Action { service, .. } | Happening::Deployment { service, .. } => &service.cluster,
    };
    let arn = resource(happening);
    let head = arn.as_str().strip_suffix(arn.resource()).unwrap_or_default();
    format!("{head}cluster/{cluster}")
}

fn detail(at: Timestamp, happening: &Happening) -> Value {
    let cluster = cluster_arn(happening);
    let iso = |at: Timestamp| at.format(ISO_WITH_MILLIS);
    match happening {
        Happening::Task(task) => {
            let mut detail = to_value(&shown_task(task));
            in_words(&mut detail);
            add(&mut detail, "updatedAt", iso(at).into());
            detail
        }
        Happening::Instance(instance, load) => {
            let load = load.as_deref().unwrap_or(const { &Load::NONE });
            let mut detail = to_value(&shown_instance(instance, load));
            in_words(&mut detail);
            add(&mut detail, "clusterArn", cluster.into());
            add(&mut detail, "updatedAt", iso(at).into());
            detail
        }
        Happening::Alert(instance, alert) => json!({
            "eventType": alert.kind.event_type(),
            "eventName": alert.kind.as_str(),
            "clusterArn": cluster,
            "containerInstanceArn": instance.arn.as_str(),
            "caller": alert.caller,
            "sourceIPAddress": alert.source,
            "operation": alert.operation,
            "reason": alert.reason,
            "createdAt": iso(alert.at),
        }),
        Happening::Action { action, event, .. } => {
            let (kind, name) = service::action_name(action);
            let mut detail = json!({
                "eventType": kind,
                "eventName": name,
                "clusterArn": cluster,
                "createdAt": iso(event.at),
            });
            if let Some(reason) = service::reason(action, &event.message) {
                add(&mut detail, "reason", reason.into());
            }
            detail
        }
        Happening::DaemonDeployment(one) => daemon::deployment(one, &cluster, &iso(at)),
        Happening::DaemonTaskFailed(task, revision) => {
            daemon::failed_task(task, revision.as_deref(), &cluster, &iso(at))
        }
        Happening::Deployment {
            id, rollout, reason, ..
        } => json!({
            "eventType": rollout.kind(),
            "eventName": rollout.name(),
            "clusterArn": cluster,
            "deploymentId": id,
            "updatedAt": iso(at),
            "reason": reason,
        }),
    }
}

fn add(detail: &mut Value, name: &str, value: Value) {
    if let Some(members) = detail.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// Moments as ISO 8601, which the JSON protocol sends as seconds: numbers whose name ends in `At`. Tags are no part of
/// events.
fn in_words(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("tags");
            for (name, member) in members.iter_mut() {
                match member.as_f64().filter(|_| name.ends_with("At")) {
                    Some(seconds) => {
                        let at = Timestamp::from_fractional_seconds(seconds);
                        *member = at.format(ISO_WITH_MILLIS).into();
                    }
                    None => in_words(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_words),
        _ => {}
    }
}

/// A UUID made of what the event is.
fn id_of(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n").as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-5{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}
