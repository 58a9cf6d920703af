//! Alerts: what happened to an agent's identity, noted in its instance's record, from where it reaches the bus of events
//! (reliability-and-security.md 4.9, T20).

use std::convert::Infallible;

use portcullis_core::Arn;

use crate::gate::call::Call;
use crate::world::records::ecs::{Alert, AlertKind, ContainerInstance};
use crate::world::{Snapshot, Tx, World, WriteError};

/// The same caller's same attempt is told once in so many seconds: attempts must not fill the store.
const PAUSE_SECONDS: i64 = 30;
/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 512;

/// Notes an alert about the instance with that ARN, if there is one.
pub(crate) async fn raise(world: &World, call: &Call, instance: &str, kind: AlertKind, reason: &str) {
    let alert = Alert {
        at: call.now,
        kind,
        caller: call.caller.arn(),
        source: call.source_ip.clone(),
        operation: call.operation.to_owned(),
        reason: reason.chars().take(REASON_CHARS_MAX).collect(),
    };
    let Some(key) = key_of(instance) else { return };
    if told(&world.view(), &key, &alert).is_none_or(|told| told) {
        return;
    }
    tracing::warn!(
        instance,
        kind = kind.as_str(),
        caller = alert.caller,
        source = alert.source,
        reason,
        "an agent's identity"
    );
    let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        let found = tx.view().ecs.container_instances.get(&key);
        if let Some(mut row) = found.map(|found| ContainerInstance::clone(found)) {
            row.agent.alert = Some(alert.clone());
            tx.put(row);
        }
        Ok(())
    };
    if let Err(WriteError::Store(error)) = world.write(change).await {
        tracing::error!(%error, instance, "an alert could not be kept");
    }
}

/// Whether the alert was told a moment ago; `None` when there is no such instance.
fn told(view: &Snapshot, key: &str, alert: &Alert) -> Option<bool> {
    let row = view.ecs.container_instances.get(key)?;
    let is_same = |last: &Alert| {
        last.kind == alert.kind
            && last.caller == alert.caller
            && last.source == alert.source
            && last.operation == alert.operation
            && alert.at.seconds_since(last.at) < PAUSE_SECONDS
    };
    Some(row.agent.alert.as_ref().is_some_and(is_same))
}

/// The key of the instance with that ARN.
pub(crate) fn key_of(arn: &str) -> Option<String> {
    let arn: Arn = arn.parse().ok()?;
    let (kind, rest) = arn.resource_parts()?;
    let (cluster, id) = rest.split_once('/')?;
    let region = arn.region().parse().ok()?;
    (kind == "container-instance").then(|| ContainerInstance::key_of(&region, cluster, id))
}
