//! Writing down what was noted, and forgetting what is too old.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_store::StoreError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::gate::Gate;
use crate::server::ordered;
use crate::world::records::Record;
use crate::world::records::uses::{KeyUse, LastUsed, ServiceUse, UseReport};
use crate::world::{Noted, Snapshot, Tx, World, WriteError};

/// How often uses are written down: a crash loses no more.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long uses are remembered, in days (5.8).
const TRACKED_DAYS: i64 = 400;
/// How long a report can be read, in seconds.
pub const REPORT_SECONDS: i64 = 24 * 3600;
/// How often old uses are looked for.
const FORGET_SECONDS: i64 = 24 * 3600;
/// Most principals or keys in one change, so that it never holds up other writers for long.
const BATCH: usize = 200;

/// Writes down what was noted every minute, and forgets what is too old, until `stop` turns true. Whoever ends the
/// server calls [`keep`] once more after the last request.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let world = gate.world();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forgotten = Timestamp::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = world.uses().many() => {}
            () = ordered(&mut stop) => return,
        }
        keep(world).await;
        let now = world.clock().now();
        if now.seconds_since(forgotten) >= FORGET_SECONDS {
            forget(world).await;
            forgotten = now;
        } else {
            forget_reports(world).await;
        }
    }
}

/// Writes down what was noted. What cannot be written stays noted and is tried again.
pub async fn keep(world: &World) {
    let _one_at_a_time = world.uses().keeping.lock().await;
    if let Err(error) = keep_all(world).await {
        tracing::error!(%error, "last uses could not be written down; it is tried again");
    }
}

async fn keep_all(world: &World) -> Result<(), StoreError> {
    for shard in world.uses().principals() {
        keep_part(world, &shard.leave(), keep_principal).await?;
        shard.arrived();
    }
    for shard in world.uses().keys() {
        keep_part(world, &shard.leave(), keep_key).await?;
        shard.arrived();
    }
    Ok(())
}

async fn keep_part(
    world: &World,
    noted: &HashMap<String, Noted>,
    keep_one: fn(&mut Tx<'_>, &str, &Noted),
) -> Result<(), StoreError> {
    let all: Vec<_> = noted.iter().collect();
    for batch in all.chunks(BATCH) {
        change(world, |tx| {
            batch.iter().for_each(|(id, noted)| keep_one(tx, id, noted));
        })
        .await?;
    }
    Ok(())
}

async fn change<R>(world: &World, change: impl FnOnce(&mut Tx<'_>) -> R) -> Result<R, StoreError> {
    let change = |tx: &mut Tx<'_>| -> Result<R, Infallible> { Ok(change(tx)) };
    world.write(change).await.map_err(|error| match error {
        WriteError::Refused(never) => match never {},
        WriteError::Store(error) => error,
    })
}

/// Nothing is kept of users and roles that are gone.
fn keep_principal(tx: &mut Tx<'_>, id: &str, noted: &Noted) {
    if tx.view().principals.get(id).is_none() {
        return;
    }
    let mut by_service: BTreeMap<&str, BTreeMap<String, LastUsed>> = BTreeMap::new();
    for ((service, action), last) in noted {
        let last = LastUsed {
            at: last.at,
            region: last.region.to_string(),
        };
        by_service
            .entry(service)
            .or_default()
            .insert((*action).to_owned(), last);
    }
    for (service, actions) in by_service {
        let known = tx.view().service_uses.get(&ServiceUse::key_of(id, service));
        let mut row = known.map_or_else(|| new_row(id, service), |known| ServiceUse::clone(known));
        row.actions.extend(actions);
        tx.put(row);
    }
}

fn new_row(principal: &str, service: &str) -> ServiceUse {
    ServiceUse {
        principal: principal.to_owned(),
        service: service.to_owned(),
        actions: BTreeMap::new(),
    }
}

/// Nothing is kept of keys that are gone.
fn keep_key(tx: &mut Tx<'_>, id: &str, noted: &Noted) {
    let last = noted.iter().max_by_key(|(_, last)| last.at);
    let Some(((service, _), last)) = last.filter(|_| tx.view().access_keys.get(id).is_some()) else {
        return;
    };
    tx.put(KeyUse {
        key: id.to_owned(),
        at: last.at,
        service: (*service).to_owned(),
        region: last.region.to_string(),
    });
}

/// Forgets what is too old: uses after [`TRACKED_DAYS`], reports after a day.
pub async fn forget(world: &World) {
    forget_reports(world).await;
    forget_uses(world).await;
}

/// Forgets reports nobody can read any more.
async fn forget_reports(world: &World) {
    loop {
        let end = world.clock().now().plus_seconds(-REPORT_SECONDS);
        let view = world.view();
        let old = view
            .use_reports_by_age()
            .take_while(|report| report.created <= end);
        let old: Vec<_> = old.take(BATCH).map(|report| report.key()).collect();
        if old.is_empty() || !delete::<UseReport>(world, &old, |_, _| true).await {
            return;
        }
    }
}

/// Forgets uses older than [`TRACKED_DAYS`], and those of users and roles that are gone.
async fn forget_uses(world: &World) {
    let end = tracked_since(world.clock().now());
    let view = world.view();
    let over = view
        .service_uses
        .iter()
        .filter(|(_, row)| is_over(&view, row, end));
    let over: Vec<_> = over.map(|(key, _)| key.to_owned()).collect();
    for batch in over.chunks(BATCH) {
        // Somebody may have used it in between.
        let still_over = |view: &Snapshot, key: &str| {
            let row = view.service_uses.get(key);
            row.is_some_and(|row| is_over(view, row, end))
        };
        if !delete::<ServiceUse>(world, batch, still_over).await {
            return;
        }
    }
}

fn is_over(view: &Snapshot, row: &ServiceUse, end: Timestamp) -> bool {
    view.principals.get(&row.principal).is_none() || row.actions.values().all(|last| last.at < end)
}

async fn delete<R: Record>(world: &World, keys: &[String], goes: impl Fn(&Snapshot, &str) -> bool) -> bool {
    let forgotten = change(world, |tx| {
        for key in keys {
            if goes(tx.view(), key) {
                tx.delete::<R>(key);
            }
        }
    });
    let forgotten = forgotten.await;
    forgotten
        .inspect_err(|error| tracing::error!(%error, "old uses could not be forgotten; it is tried again"))
        .is_ok()
}

/// The oldest uses that count at `now`.
pub fn tracked_since(now: Timestamp) -> Timestamp {
    now.plus_seconds(-TRACKED_DAYS * 24 * 3600)
}
