//! Events in words: EventBridge's envelope around ECS's detail (ecs.md 12).

use portcullis_core::{AccountId, Arn, Timestamp};
use portcullis_wire::json::to_value;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::happening::Happening;
use super::service;
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
        "source": "aws.ecs",
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
        Happening::Instance(instance, _) => instance.version.to_string(),
        Happening::Action { event, .. } => event.id.clone(),
        Happening::Deployment { id, rollout, .. } => format!("{id} {}", rollout.name()),
    }
}

fn detail_type(happening: &Happening) -> &'static str {
    match happening {
        Happening::Task(_) => "ECS Task State Change",
        Happening::Instance(..) => "ECS Container Instance State Change",
        Happening::Action { .. } => "ECS Service Action",
        Happening::Deployment { .. } => "ECS Deployment State Change",
    }
}

fn resource(happening: &Happening) -> &Arn {
    match happening {
        Happening::Task(task) => &task.arn,
        Happening::Instance(instance, _) => &instance.arn,
        Happening::Action { service, .. } | Happening::Deployment { service, .. } => &service.arn,
    }
}

/// The region of the event's resource.
pub(super) fn region(happening: &Happening) -> &str {
    match happening {
        Happening::Task(task) => task.region.as_str(),
        Happening::Instance(instance, _) => instance.region.as_str(),
        Happening::Action { service, .. } | Happening::Deployment { service, .. } => service.region.as_str(),
    }
}

/// The ARN of the cluster the event's resource belongs to.
pub(super) fn cluster_arn(happening: &Happening) -> String {
    let cluster = match happening {
        Happening::Task(task) => &task.cluster,
        Happening::Instance(instance, _) => &instance.cluster,
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
        Happening::Action { name, event, .. } => {
            let mut detail = json!({
                "eventType": name.kind,
                "eventName": name.name,
                "clusterArn": cluster,
                "createdAt": iso(event.at),
            });
            if name.kind != "INFO" {
                add(&mut detail, "reason", service::reason(*name, event).into());
            }
            detail
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
