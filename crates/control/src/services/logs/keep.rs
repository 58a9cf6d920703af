//! What the store of log events is told after a change: to forget the events of what was removed, and how long to keep others.

use std::convert::Infallible;
use std::sync::Arc;

use portcullis_logs::{LogsError, StreamId};
use tokio::sync::watch;

use crate::gate::Gate;
use crate::server::ordered;
use crate::world::World;
use crate::world::records::Record as _;
use crate::world::records::logs::{Errand, What, stored_group};

/// How long to wait when the store could not do it.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs the errands of an account as they come, until `stop` turns true.
pub(crate) async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let world = gate.world();
    let mut changes = world.changes();
    loop {
        changes.mark_unchanged();
        let all_done = settle(world).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY), if !all_done => {}
            () = ordered(&mut stop) => return,
        }
    }
}

/// Runs the errands that are there; says whether all were done.
pub async fn settle(world: &World) -> bool {
    let view = world.view();
    for (_, errand) in view.logs.errands.iter() {
        if let Err(error) = perform(world, errand).await {
            tracing::warn!(%error, "the store of log events could not follow a change; it is tried again");
            return false;
        }
        let done = world.write::<_, Infallible>(|tx| {
            // Another retention may have been set meanwhile.
            let present = tx.view().logs.errands.get(&errand.key());
            if present.is_some_and(|present| present.what == errand.what) {
                tx.delete::<Errand>(&errand.key());
            }
            Ok(())
        });
        if let Err(error) = done.await {
            tracing::warn!(%error, "that an errand is done could not be noted; it is done again");
            return false;
        }
    }
    true
}

async fn perform(world: &World, errand: &Errand) -> Result<(), LogsError> {
    let group = stored_group(world.account(), &errand.region, &errand.group_id);
    match &errand.what {
        What::ForgetGroup => world.logs().remove_group(&group).await,
        What::ForgetStream(stream) => world.logs().remove_stream(&group, &StreamId::new(stream)).await,
        What::Retain(days) => world.logs().retain(&group, *days).await,
    }
}
