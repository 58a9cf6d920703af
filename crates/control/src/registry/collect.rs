//! Bytes that nothing needs any more go, whichever service had them.

use std::sync::Arc;
use std::time::Duration;

use portcullis_blobs::{Digest, Swept};
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::server::ordered;
use crate::services::ecr::for_registry;

/// Between two sweeps.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How long bytes stay that nothing needs yet: between a layer's upload and its row lies no more than a call.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Sweeps until `stop` turns true.
pub(crate) async fn run(accounts: Arc<Accounts>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = ordered(&mut stop) => return,
        }
        sweep(&accounts).await;
    }
}

/// Removes the bytes that no row of any account needs, and uploads that nobody went on with.
pub async fn sweep(accounts: &Arc<Accounts>) {
    let blobs = accounts.first().gate.world().blobs();
    let all = Arc::clone(accounts);
    match blobs.sweep(GRACE, move |digest| is_needed(&all, digest)).await {
        Ok(Swept { blobs: 0, uploads: 0 }) => {}
        Ok(Swept { blobs, uploads }) => {
            tracing::info!(blobs, uploads, "bytes that nothing needs were removed");
        }
        Err(error) => tracing::warn!(%error, "bytes that nothing needs could not be removed"),
    }
}

/// Whether any account of the server has a row that refers to these bytes.
fn is_needed(accounts: &Accounts, digest: &Digest) -> bool {
    accounts.all().iter().any(|doors| {
        let view = doors.gate.world().view();
        for_registry::needs_blob(&view, digest) || view.s3.needs(digest)
    })
}
