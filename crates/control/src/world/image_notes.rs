//! What is noted of images in memory, without a write: pulls until they are written down, and how far uploads are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_blobs::{Blob, UPLOAD_LIFE};
use portcullis_core::{Region, Timestamp};

/// Most uploads whose parts are remembered; beyond that all are forgotten, and a small part passes.
const UPLOADS_MAX: usize = 10_000;
/// Most uploads of a registry that have begun and not ended; those that nobody went on with for a day are gone.
pub(crate) const UNFINISHED_MAX: usize = 1_000;
/// Most uploads that are blobs without a row; beyond that all are forgotten, and their bytes have to be sent again.
const FINISHED_MAX: usize = 1_000;
/// Most pulls that wait to be written down.
const PULLS_MAX: usize = 100_000;

/// Notes of one account.
#[derive(Debug, Default)]
pub struct ImageNotes(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    pulls: HashMap<String, Timestamp>,
    parts: HashMap<String, Parts>,
    /// When uploads began that have not ended, by region and id.
    uploads: BTreeMap<String, HashMap<String, Timestamp>>,
    /// What uploads became whose end could not be written down, by owner and id.
    finished: HashMap<String, Blob>,
}

/// What is known of an upload's parts.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    is_last_small: bool,
    has_small: bool,
}

impl ImageNotes {
    /// An image was pulled.
    pub(crate) fn note_pull(&self, key: &str, at: Timestamp) {
        let mut notes = self.notes();
        if notes.pulls.len() < PULLS_MAX {
            notes.pulls.insert(key.to_owned(), at);
        }
    }

    /// When images were last pulled, by their keys; asked once.
    pub(crate) fn take_pulls(&self) -> HashMap<String, Timestamp> {
        std::mem::take(&mut self.notes().pulls)
    }

    /// Whether a registry takes one more upload.
    pub(crate) fn has_room(&self, region: &Region, at: Timestamp) -> bool {
        let mut notes = self.notes();
        let Some(uploads) = notes.uploads.get_mut(region.as_str()) else {
            return true;
        };
        if uploads.len() < UNFINISHED_MAX {
            return true;
        }
        let life = i64::try_from(UPLOAD_LIFE.as_secs()).unwrap_or(i64::MAX);
        uploads.retain(|_, begun| at.seconds_since(*begun) < life);
        uploads.len() < UNFINISHED_MAX
    }

    /// An upload has begun.
    pub(crate) fn note_upload(&self, region: &Region, upload: &str, at: Timestamp) {
        let mut notes = self.notes();
        let uploads = notes.uploads.entry(region.as_str().to_owned()).or_default();
        uploads.insert(upload.to_owned(), at);
    }

    /// Another part of an upload came.
    pub(crate) fn note_part(&self, upload: &str, is_small: bool) {
        let mut notes = self.notes();
        if notes.parts.len() >= UPLOADS_MAX {
            notes.parts.clear();
        }
        let parts = notes.parts.entry(upload.to_owned()).or_default();
        parts.has_small |= parts.is_last_small;
        parts.is_last_small = is_small;
    }

    /// Whether a part before the last one was too small.
    pub(crate) fn has_small_part(&self, upload: &str) -> bool {
        self.notes()
            .parts
            .get(upload)
            .is_some_and(|parts| parts.has_small)
    }

    /// An upload has ended.
    pub(crate) fn forget_upload(&self, region: &Region, upload: &str) {
        let mut notes = self.notes();
        notes.parts.remove(upload);
        if let Some(uploads) = notes.uploads.get_mut(region.as_str()) {
            uploads.remove(upload);
        }
    }

    /// An upload became a blob, and no row could say so.
    pub(crate) fn note_finished(&self, upload: String, blob: Blob) {
        let mut notes = self.notes();
        if notes.finished.len() >= FINISHED_MAX {
            notes.finished.clear();
        }
        notes.finished.insert(upload, blob);
    }

    /// What an upload became that no row tells of; asked once.
    pub(crate) fn take_finished(&self, upload: &str) -> Option<Blob> {
        self.notes().finished.remove(upload)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
