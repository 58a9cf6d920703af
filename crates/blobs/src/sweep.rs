//! Mark and sweep: what nothing needs any more goes.

use std::io;
use std::time::Duration;

use portcullis_core::Timestamp;

#[cfg(feature = "s3")]
use crate::blobs::Shelf;
use crate::blobs::{Inner, lock};
use crate::{BlobError, Blobs, Digest};

/// How long an upload may rest before it is given up: as long as Amazon ECR keeps one.
pub const UPLOAD_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that nothing needed.
    pub blobs: u64,
    /// Uploads that nobody went on with.
    pub uploads: u64,
}

impl Blobs {
    /// Removes uploads that nobody went on with, and blobs that were neither made nor held for `grace` and that `needed`
    /// does not claim. It is asked at the last moment again, so whoever writes down that a blob is needed only has to
    /// make or hold it before, not longer ago than `grace`.
    pub async fn sweep(
        &self,
        grace: Duration,
        needed: impl Fn(&Digest) -> bool + Send + Sync + Clone + 'static,
    ) -> Result<Swept, BlobError> {
        let mut swept = Swept {
            uploads: self.aside(sweep_uploads).await?,
            blobs: 0,
        };
        #[cfg(feature = "s3")]
        if let Shelf::Away(away) = &self.inner.shelf {
            swept.blobs = away.sweep(grace, self.inner.clock.now(), &needed).await?;
            return Ok(swept);
        }
        for shelf in 0..=u8::MAX {
            let needed = needed.clone();
            let shelf = self.aside(move |inner| sweep_shelf(inner, shelf, grace, &needed));
            swept.blobs += shelf.await?;
        }
        Ok(swept)
    }
}

fn sweep_uploads(inner: &Inner) -> Result<u64, BlobError> {
    let mut swept = 0;
    for (name, written) in inner.medium.uploads()? {
        if !is_old(inner, written, UPLOAD_LIFE) {
            continue;
        }
        // Out of its owner's hands first, if it still is in any.
        let running = inner.running().remove(&name);
        if let Some(running) = running {
            lock(&running).end();
        }
        inner.medium.discard(&name)?;
        swept += 1;
    }
    Ok(swept)
}

fn sweep_shelf(
    inner: &Inner,
    shelf: u8,
    grace: Duration,
    needed: &dyn Fn(&Digest) -> bool,
) -> Result<u64, BlobError> {
    let mut swept = 0;
    for digest in inner.medium.blobs(shelf)? {
        if needed(&digest) {
            continue;
        }
        let _turn = inner.names();
        match inner.medium.held_at(&digest) {
            Ok(held) if is_old(inner, held, grace) && !needed(&digest) => {
                inner.medium.remove(&digest)?;
                swept += 1;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(swept)
}

fn is_old(inner: &Inner, since: Timestamp, life: Duration) -> bool {
    let age = inner.clock.now().as_millis().saturating_sub(since.as_millis());
    u128::try_from(age).is_ok_and(|age| age > life.as_millis())
}
