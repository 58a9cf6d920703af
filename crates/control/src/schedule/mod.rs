//! Placement and task life cycle: pure plans from a picture to actions, then one loop that acts.

#[cfg(test)]
pub(crate) mod fixtures;
mod history;
pub mod interfaces;
pub mod life_cycle;
pub mod placement;
pub mod providers;
pub mod query;
pub mod resources;
pub mod services;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::gate::Gate;
use crate::server::ordered;
use crate::services::ecr;
use crate::services::ecs::sweep;
use crate::services::secretsmanager;
use crate::services::ssm::parameters;
use crate::world::records::Record as _;
use crate::world::records::iam::Revocation;
use crate::world::{Snapshot, Tx, World, WriteError};

/// How often the picture is looked through for what is over.
const INTERVAL: Duration = Duration::from_secs(15);
/// Most revocations forgotten at once.
const BATCH: usize = 500;

/// Forgets what is over - stopped tasks, deleted clusters, revocations of sessions that could no longer be alive, old
/// events - until `stop` turns true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => forget(gate.world()).await,
            () = ordered(&mut stop) => return,
        }
    }
}

/// One round of forgetting.
pub async fn forget(world: &World) {
    forget_records(world).await;
    ecr::upkeep::round(world).await;
    if let Err(error) = history::forget(world.store().as_ref(), world.clock().now()).await {
        tracing::error!(%error, "old events could not be forgotten; it is tried again");
    }
}

async fn forget_records(world: &World) {
    loop {
        let now = world.clock().now();
        let view = world.view();
        let secrets_are_due = secretsmanager::sweep::is_due(&view, now) || parameters::is_due(&view, now);
        if !sweep::is_due(&view, now) && !secrets_are_due && over(&view, now).is_empty() {
            return;
        }
        let change = |tx: &mut Tx<'_>| -> Result<bool, Infallible> {
            let over = over(tx.view(), tx.now);
            over.iter().for_each(|key| tx.delete::<Revocation>(key));
            let more_secrets = secretsmanager::sweep::sweep(tx) | parameters::sweep(tx);
            Ok(sweep::sweep(tx) || more_secrets || over.len() == BATCH)
        };
        match world.write(change).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(WriteError::Refused(never)) => match never {},
            Err(WriteError::Store(error)) => {
                tracing::error!(%error, "what is over could not be forgotten; it is tried again");
                return;
            }
        }
    }
}

/// Keys of revocations no token can need any more.
fn over(view: &Snapshot, now: Timestamp) -> Vec<String> {
    let rows = view.revocations.iter().filter(|(_, row)| row.expires <= now);
    rows.take(BATCH).map(|(_, row)| row.key()).collect()
}
