//! What time does to keys: those whose window is over are destroyed, with all their material, aliases and grants; those
//! whose period is over get new material.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::rotation;
use crate::gate::Gate;
use crate::server::ordered;
use crate::world::records::Record as _;
use crate::world::records::kms::{Alias, Grant, Key, Rotation, RotationType, State};
use crate::world::{Tx, World};

/// How often keys are looked at. A key whose window is over is not found from that moment on, whether or not it is
/// cleared away.
const INTERVAL: Duration = Duration::from_secs(60);
/// Most keys in one change, so that it never holds up other writers for long.
const BATCH: usize = 50;

/// Does what time does to keys, every minute until `stop` turns true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ordered(&mut stop) => return,
        }
        sweep(gate.world()).await;
        gate.environment().log_keys.forget_old(gate.world().clock().now());
    }
}

/// Does all that is due now.
pub async fn sweep(world: &World) {
    loop {
        let now = world.clock().now();
        let due = world.view().kms.due(now, BATCH);
        if due.is_empty() {
            return;
        }
        let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            due.iter().for_each(|row| settle(tx, row));
            Ok(())
        };
        if let Err(error) = world.write(change).await {
            tracing::error!(%error, "KMS keys could not be destroyed or rotated; it is tried again");
            return;
        }
    }
}

fn settle(tx: &mut Tx<'_>, row: &str) {
    let Some(key) = tx.view().kms.keys.get(row).map(|key| Key::clone(key)) else {
        return;
    };
    match key.state {
        State::PendingDeletion { at, .. } if at <= tx.now => destroy(tx, &key),
        State::Enabled => renew(tx, key),
        State::Disabled | State::PendingDeletion { .. } => {}
    }
}

fn destroy(tx: &mut Tx<'_>, key: &Key) {
    for name in tx.view().kms.aliases_of(key) {
        tx.delete::<Alias>(&format!("{}/{name}", key.region));
    }
    let prefix = format!("{}/", key.key());
    let grants = tx.view().kms.grants.prefix(&prefix);
    let grants: Vec<_> = grants.map(|(row, _)| row.to_owned()).collect();
    grants.iter().for_each(|row| tx.delete::<Grant>(row));
    tx.delete::<Key>(&key.key());
    tracing::info!(key = %key.arn, "a KMS key was destroyed: its window was over");
}

fn renew(tx: &mut Tx<'_>, mut key: Key) {
    let Some(rotation) = key.rotation.filter(|rotation| rotation.next <= tx.now) else {
        return;
    };
    let by = RotationType::Automatic;
    if let Err(error) = rotation::rotate(&mut key, tx.vault, tx.random, tx.now, by) {
        tracing::error!(key = %key.arn, %error, "a KMS key could not be rotated; it is tried again tomorrow");
    }
    // A period that passed while nobody looked does not make several rotations.
    let failed = key.current().is_none_or(|material| material.since != tx.now);
    let days = if failed { 1 } else { rotation.days };
    key.rotation = Some(Rotation {
        next: rotation::next(tx.now, days),
        ..rotation
    });
    tx.put(key);
}
