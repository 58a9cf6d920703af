//! CloudTrail's event history goes back 90 days; what is older is forgotten.

use portcullis_core::Timestamp;
use portcullis_store::{Change, Store, StoreError, Txn};

use crate::gate::record::event_key;

/// How long events are kept.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;
/// Events deleted in one transaction.
const BATCH: usize = 200;
/// Transactions of one round, so that a long backlog holds up nothing else.
const BATCHES_MAX: usize = 100;
/// Sorts after every time and every id in an event's key.
const LAST: char = '~';

/// Deletes events older than 90 days, of all regions.
pub(super) async fn forget(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let cutoff = now.plus_seconds(-KEPT_SECONDS);
    let mut batches = 0;
    let mut last = None;
    while let Some(region) = next_region(store, last.as_deref())? {
        // Later events sort first: everything after the key of the oldest that is kept goes.
        let kept = event_key(&region, cutoff, &LAST.to_string()).into_bytes();
        loop {
            let old = store.range(prefix(&region).as_bytes(), Some(&kept), BATCH)?;
            if old.entries.is_empty() {
                break;
            }
            if batches == BATCHES_MAX {
                return Ok(());
            }
            batches += 1;
            let deletes = old
                .entries
                .into_iter()
                .map(|event| Change::delete(event.key.to_vec()));
            store.commit(Txn::of(deletes.collect()).relaxed())?.await?;
        }
        last = Some(region);
    }
    Ok(())
}

fn prefix(region: &str) -> String {
    format!("event/{region}/")
}

/// The first region with events after `last`, in the order of names.
fn next_region(store: &dyn Store, last: Option<&str>) -> Result<Option<String>, StoreError> {
    let after = last.map(|last| format!("{}{LAST}", prefix(last)));
    let page = store.range(b"event/", after.as_deref().map(str::as_bytes), 1)?;
    let key = page
        .entries
        .first()
        .map(|event| String::from_utf8_lossy(&event.key).into_owned());
    let region = key.as_deref().and_then(|key| key.split('/').nth(1));
    Ok(region.map(str::to_owned))
}
