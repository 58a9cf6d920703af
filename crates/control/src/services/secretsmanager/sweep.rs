//! Forgetting secrets whose recovery window has ended.

use portcullis_core::Timestamp;

use super::versions;
use crate::world::{Snapshot, Tx};

/// Most secrets one sweep forgets, so that it never holds up other writers for long.
const BATCH: usize = 20;

/// Whether there is anything to forget.
pub(crate) fn is_due(view: &Snapshot, now: Timestamp) -> bool {
    view.secrets.gone(now).next().is_some()
}

/// Forgets what may be forgotten; says whether more is left.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> bool {
    let gone: Vec<_> = tx
        .view()
        .secrets
        .gone(tx.now)
        .take(BATCH)
        .map(str::to_owned)
        .collect();
    for key in &gone {
        if let Some(secret) = tx.view().secrets.secrets.get(key).cloned() {
            versions::forget(tx, &secret);
        }
    }
    gone.len() == BATCH
}
