//! Alerts: what happened to an agent's identity, noted in its instance's record, from where it reaches the bus of events
//! (reliability-and-security.md 4.9, T20).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use portcullis_core::{Arn, Timestamp};

use crate::gate::call::Call;
use crate::world::records::ecs::{Alert, AlertKind, ContainerInstance};
use crate::world::{Tx, World, WriteError};

/// An attempt of a kind at an operation is told once in so many seconds: attempts must not fill the store.
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
    let is_there = world.view().ecs.container_instances.get(&key).is_some();
    if !is_there || !world.alarms().begins(&key, &alert) {
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

/// When what was told last, of an account's instances: by the instance's key, the kind and the operation. Not by the caller: a
/// session's name is whatever its caller likes.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<(String, &'static str, String), Timestamp>>);

impl Alarms {
    /// Whether an alert is to be told: none like it was a moment ago.
    fn begins(&self, key: &str, alert: &Alert) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back keeps nothing quiet.
        told.retain(|_, at| (0..PAUSE_SECONDS).contains(&alert.at.seconds_since(*at)));
        let what = (key.to_owned(), alert.kind.as_str(), alert.operation.clone());
        let is_told = told.contains_key(&what);
        told.entry(what).or_insert(alert.at);
        !is_told
    }
}

/// The key of the instance with that ARN.
pub(crate) fn key_of(arn: &str) -> Option<String> {
    let arn: Arn = arn.parse().ok()?;
    let (kind, rest) = arn.resource_parts()?;
    let (cluster, id) = rest.split_once('/')?;
    let region = arn.region().parse().ok()?;
    (kind == "container-instance").then(|| ContainerInstance::key_of(&region, cluster, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(seconds: i64, operation: &str, caller: &str) -> Alert {
        Alert {
            at: Timestamp::from_seconds(seconds),
            kind: AlertKind::AgentIdentityRefused,
            caller: caller.to_owned(),
            source: "10.0.0.1".to_owned(),
            operation: operation.to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn attempts_that_alternate_are_told_once_each_in_a_while() {
        let alarms = Alarms::default();
        let begins =
            |at, operation: &str, caller: &str| alarms.begins("r/c/i", &alert(at, operation, caller));
        let operation = |at: i64| {
            if at % 2 == 0 {
                "Poll"
            } else {
                "SubmitTaskStateChange"
            }
        };
        let told = (100..160).filter(|at| begins(*at, operation(*at), "a"));
        assert_eq!(told.count(), 4, "two operations, twice in a minute");
        assert!(!begins(159, "Poll", "b"), "whoever calls");
        assert!(alarms.begins("r/c/other", &alert(159, "Poll", "a")));
        assert!(begins(50, "Poll", "a"), "a clock that was set back");
    }
}
