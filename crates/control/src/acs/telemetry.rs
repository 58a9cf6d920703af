//! One TCS connection: takes metrics, container health and instance status, and answers them (agent.md 5.3).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use futures_util::{SinkExt as _, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_api::acs;
use portcullis_core::{Timestamp, uuid};
use portcullis_wire::{Frame, encode_frame};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{Session, Socket, refused};
use crate::telemetry::{Fetch, Origin, Owner};
use crate::world::records::ecs::{Health, Task};
use crate::world::{Snapshot, Tx, WriteError};

/// Largest head of a frame, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most fetches of credentials an agent tells at a time.
const FETCHES_MAX: i32 = 250;

/// Serves a connection until it ends.
pub(super) async fn run(session: Session, mut socket: Socket) {
    let random = session.gate.world().random();
    if session.opening.is_ours() && !offer_audit(&session, &mut socket).await {
        return;
    }
    let mut beat = Instant::now() + session.timing.heartbeat(random.as_ref());
    let why = loop {
        let answer = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(_)) if !session.is_still_allowed() => break Some(refused()),
                Some(Ok(Message::Text(text))) => receive(&session, text.as_bytes()).await,
                Some(Ok(Message::Binary(bytes))) => receive(&session, &bytes).await,
                None | Some(Err(_) | Ok(Message::Close(_))) => break None,
                Some(Ok(_)) => continue,
            },
            () = sleep_until(beat) => {
                beat = Instant::now() + session.timing.heartbeat(random.as_ref());
                if !session.is_still_allowed() {
                    break Some(refused());
                }
                Ok(Some(encode_frame(&acs::HeartbeatMessage { healthy: true, message_id: Some(uuid(random.as_ref())) })))
            }
        };
        let text = match answer {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(Unsigned) => {
                tracing::warn!(instance = %session.accepted.arn, "a telemetry frame was not signed by its agent");
                break None;
            }
        };
        if !matches!(
            timeout(session.timing.write, socket.send(Message::text(text))).await,
            Ok(Ok(()))
        ) {
            break None;
        }
    };
    let _ = timeout(session.timing.write, socket.close(why)).await;
}

/// The frame's signature is missing, wrong, or somebody else's.
#[derive(Debug, PartialEq, Eq)]
struct Unsigned;

async fn receive(session: &Session, bytes: &[u8]) -> Result<Option<String>, Unsigned> {
    let (head, body) = split(bytes).ok_or(Unsigned)?;
    verify(session, head, body)?;
    let Ok(frame) = Frame::parse(body) else {
        return Ok(None);
    };
    Ok(match frame.kind.as_str() {
        "PublishMetricsRequest" => {
            if let Ok(request) = frame.read::<acs::PublishMetricsRequest>() {
                keep_metrics(session, request);
            }
            Some(encode_frame(&acs::AckPublishMetric { message: None }))
        }
        "PortcullisAuditRequest" if session.opening.is_ours() => {
            let request = frame.read::<acs::PortcullisAuditRequest>();
            keep_fetches(session, request.unwrap_or_default()).await
        }
        "PublishHealthRequest" => {
            if let Ok(request) = frame.read::<acs::PublishHealthRequest>() {
                keep_health(session, request).await;
            }
            Some(encode_frame(&acs::AckPublishHealth { message: None }))
        }
        "PublishInstanceStatusRequest" => {
            Some(encode_frame(&acs::AckPublishInstanceStatus { message: None }))
        }
        _ => None,
    })
}

/// The signed head and the JSON behind the blank line.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes
        .windows(4)
        .take(HEAD_BYTES_MAX)
        .position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Some((head, bytes.get(end + 4..)?))
}

/// Each frame is signed as a GET of the connection's own URL over its JSON, by whoever opened the connection.
fn verify(session: &Session, head: &str, body: &[u8]) -> Result<(), Unsigned> {
    let mut parts: Parts = session.parts.clone();
    parts.headers = HeaderMap::new();
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(Unsigned)?;
        let name = HeaderName::from_str(name.trim()).map_err(|_| Unsigned)?;
        parts
            .headers
            .append(name, HeaderValue::from_str(value.trim()).map_err(|_| Unsigned)?);
    }
    let view = session.gate.world().view();
    let who = session
        .gate
        .authenticate(&view, session.accepted.call.service, &parts, body)
        .map_err(|_| Unsigned)?;
    if who.caller.identity == session.accepted.call.caller.identity {
        Ok(())
    } else {
        Err(Unsigned)
    }
}

/// Tells an agent of ours that its audit log's lines are taken here. AWS's agents are told nothing they would not know.
async fn offer_audit(session: &Session, socket: &mut Socket) -> bool {
    let offer = acs::PortcullisAuditOffer {
        records_max: Some(FETCHES_MAX),
    };
    let sent = socket.send(Message::text(encode_frame(&offer)));
    matches!(timeout(session.timing.write, sent).await, Ok(Ok(())))
}

/// Acknowledged once they last; without an answer the agent tells them again.
async fn keep_fetches(session: &Session, request: acs::PortcullisAuditRequest) -> Option<String> {
    let world = session.gate.world();
    let now = world.clock().now();
    let first = request.first?;
    if let Some(dropped) = request.dropped.filter(|dropped| *dropped > 0) {
        tracing::warn!(instance = %session.accepted.arn, dropped, "an agent had no room for all fetches of credentials");
    }
    let told = request.records.unwrap_or_default();
    let count = i32::try_from(told.len()).ok()?;
    // Numbers that no agent of ours counts up to.
    first.checked_add(i64::from(count))?;
    let fetches = fetches(session, first, told, now);
    let region = session.accepted.call.region.as_str();
    let kept = &world.telemetry().fetches;
    match kept.keep(world.store().as_ref(), region, &fetches, now).await {
        Ok(()) => Some(encode_frame(&acs::AckPortcullisAudit {
            first: Some(first),
            count: Some(count),
        })),
        Err(error) => {
            tracing::error!(%error, "fetches of credentials could not be kept");
            None
        }
    }
}

fn fetches(
    session: &Session,
    first: i64,
    told: Vec<acs::PortcullisAuditRecord>,
    now: Timestamp,
) -> Vec<Fetch> {
    let view = session.gate.world().view();
    let owner_of = |arn: &str, is_execution: bool| owner_of(session, &view, arn, is_execution);
    let origin = Origin {
        cluster_arn: session.accepted.cluster_arn.as_str(),
        container_instance_arn: session.accepted.arn.as_str(),
        owner_of: &owner_of,
    };
    let numbered = (first..)
        .zip(told)
        .take(usize::try_from(FETCHES_MAX).unwrap_or_default());
    numbered
        .filter_map(|(number, record)| origin.fetch(number, record, now))
        .collect()
}

/// Whose task a fetch is of, with the role behind it: nobody speaks for others' tasks.
fn owner_of(session: &Session, view: &Snapshot, arn: &str, is_execution: bool) -> Owner {
    let Some((home, instance)) = session.accepted.key.rsplit_once('/') else {
        return Owner::Other;
    };
    let id = arn.rsplit('/').next().unwrap_or_default();
    let of_cluster = session
        .accepted
        .cluster_arn
        .as_str()
        .replacen(":cluster/", ":task/", 1);
    if arn.strip_suffix(id) != Some(&format!("{of_cluster}/")) {
        return Owner::Other;
    }
    let Some(task) = view.ecs.tasks.get(&format!("{home}/{id}")) else {
        return Owner::Forgotten;
    };
    let role = match is_execution {
        true => &task.execution_role,
        false => &task.task_role,
    };
    match task.container_instance == instance {
        true => Owner::Host(role.as_ref().map(ToString::to_string)),
        false => Owner::Other,
    }
}

/// Figures of containers, but only of tasks placed on this instance.
fn keep_metrics(session: &Session, request: acs::PublishMetricsRequest) {
    let world = session.gate.world();
    let view = world.view();
    let mut tasks = request.task_metrics.unwrap_or_default();
    tasks.retain_mut(|told| {
        let arn = told.task_arn.clone();
        let arn = arn.as_deref().unwrap_or_default();
        let id = arn.rsplit('/').next().unwrap_or_default();
        let placed = session
            .accepted
            .key
            .rsplit_once('/')
            .and_then(|(home, instance)| {
                let task = view.ecs.tasks.get(&format!("{home}/{id}"))?;
                let is_here = task.arn.as_str() == arn && task.container_instance == instance;
                is_here.then(|| keep_own_containers(told, task))
            });
        placed.is_some()
    });
    let now = world.clock().now();
    world.telemetry().metrics.keep(&session.accepted.key, tasks, now);
}

/// Each container of the task's own once, however many are told.
fn keep_own_containers(told: &mut acs::TaskMetric, task: &Task) {
    let mut names: BTreeSet<_> = task.containers.iter().map(|one| one.name.as_str()).collect();
    if let Some(metrics) = &mut told.container_metrics {
        metrics.retain(|one| {
            one.container_name
                .as_deref()
                .is_some_and(|name| names.remove(name))
        });
        metrics.shrink_to_fit();
    }
}

/// Health of containers, but only of tasks placed on this instance.
async fn keep_health(session: &Session, request: acs::PublishHealthRequest) {
    let mut reported: BTreeMap<String, BTreeMap<String, Health>> = BTreeMap::new();
    for task in request.tasks.into_iter().flatten() {
        let containers = task.containers.into_iter().flatten();
        let healths =
            containers.filter_map(|one| Some((one.container_name?, health(one.health_status.as_deref()?)?)));
        reported
            .entry(task.task_arn.unwrap_or_default())
            .or_default()
            .extend(healths);
    }
    let Some((home, instance)) = session.accepted.key.rsplit_once('/') else {
        return;
    };
    let changed = |task: &Task, healths: &BTreeMap<String, Health>| {
        let differs = |(name, health): (&String, &Health)| {
            task.containers
                .iter()
                .any(|one| one.name == *name && one.health != *health)
        };
        task.container_instance == instance && healths.iter().any(differs)
    };
    let find = |view: &crate::world::Snapshot, arn: &str| {
        let id = arn.rsplit('/').next().unwrap_or_default();
        view.ecs
            .tasks
            .get(&format!("{home}/{id}"))
            .filter(|task| task.arn.as_str() == arn)
            .cloned()
    };
    let view = session.gate.world().view();
    reported.retain(|arn, healths| find(&view, arn).is_some_and(|task| changed(&task, healths)));
    if reported.is_empty() {
        return;
    }
    let change = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        for (arn, healths) in &reported {
            if let Some(found) = find(tx.view(), arn) {
                let mut task = Task::clone(&found);
                task.report_health(healths);
                tx.put(task);
            }
        }
        Ok(())
    };
    if let Err(WriteError::Store(error)) = session.gate.world().write(change).await {
        tracing::error!(%error, "the health of containers could not be kept");
    }
}

fn health(word: &str) -> Option<Health> {
    match word {
        "HEALTHY" => Some(Health::Healthy),
        "UNHEALTHY" => Some(Health::Unhealthy),
        "UNKNOWN" => Some(Health::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_5_3_a_frame_is_a_head_a_blank_line_and_json() {
        assert_eq!(
            split(b"Host: x\r\nA: b\r\n\r\n{}"),
            Some(("Host: x\r\nA: b", b"{}".as_slice()))
        );
        assert_eq!(split(b"{}"), None);
    }
}
