//! What a look at a container changes in its picture.

use portcullis_core::Timestamp;

use super::model::{Container, Known};
use crate::engine::{EngineError, Exit, Facts, Launched, Observed};

/// A container that should be there and is not [S].
const REASON_VANISHED: &str = "ContainerVanishedError: No container matching saved ID found";

/// The try to start it is over.
pub(super) fn launched(container: &mut Container, result: Result<Launched, EngineError>, now: Timestamp) {
    container.busy = false;
    match result {
        Ok(launched) => {
            container.runtime_id = Some(launched.runtime_id);
            container.started = true;
            container.known = container.known.max(Known::Running);
            container.started_at.get_or_insert(now);
        }
        Err(error) => ended(
            container,
            Exit {
                reason: Some(error.to_string()),
                ..Exit::default()
            },
            now,
        ),
    }
}

/// Somebody looked. True when anything changed.
pub(super) fn observed(container: &mut Container, seen: Observed, now: Timestamp) -> bool {
    // While it is being started only the end of that try counts.
    if container.known != Known::Running {
        return false;
    }
    let before = container.clone();
    match seen {
        Observed::Running(facts) => running(container, facts, now),
        Observed::Exited(exit) => ended(container, exit, now),
        Observed::Missing => {
            ended(
                container,
                Exit {
                    reason: Some(REASON_VANISHED.to_owned()),
                    ..Exit::default()
                },
                now,
            );
        }
        Observed::Created => {}
    }
    *container != before
}

fn running(container: &mut Container, facts: Facts, now: Timestamp) {
    if container.health != facts.health {
        container.health = facts.health;
        container.health_since = Some(now);
    }
    container.runtime_id = Some(facts.runtime_id);
    container.image_id = facts.image_id;
    container.created_at = facts.created_at;
    container.started_at = facts.started_at.or(container.started_at);
    container.bindings = facts.bindings;
    container.addresses = facts.addresses;
    container.host_network = facts.host_network;
}

fn ended(container: &mut Container, exit: Exit, now: Timestamp) {
    container.known = Known::Stopped;
    container.exit_code = exit.code;
    container.reason = exit.reason;
    container.finished_at = Some(exit.finished_at.unwrap_or(now));
    // Docker gives the address to the next container.
    container.addresses.clear();
    if !exit.runtime_id.is_empty() {
        container.runtime_id = Some(exit.runtime_id);
    }
}
