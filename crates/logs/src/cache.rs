//! Indexes of segments that were read lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::LogsError;
use crate::segment::{Index, Opened, Segment};

/// Memory that indexes may take up.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Indexes by the segment they belong to.
#[derive(Debug, Default)]
pub(crate) struct IndexCache {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    indexes: HashMap<usize, Row>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Row {
    segment: std::sync::Weak<Segment>,
    index: Arc<Index>,
    bytes: usize,
    used: u64,
}

impl IndexCache {
    /// The index of a segment that was opened.
    pub(crate) fn of(&self, segment: &Arc<Segment>, opened: &Opened) -> Result<Arc<Index>, LogsError> {
        let id = Arc::as_ptr(segment).addr();
        if let Some(index) = self.found(id) {
            return Ok(index);
        }
        let (index, _) = opened.index()?;
        let index = Arc::new(index);
        self.keep(id, segment, &index);
        Ok(index)
    }

    fn found(&self, id: usize) -> Option<Arc<Index>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let used = kept.uses;
        let row = kept.indexes.get_mut(&id)?;
        // Another segment may stand where an old one stood; the weak reference keeps the place of a dead one taken.
        row.segment.upgrade()?;
        row.used = used;
        Some(Arc::clone(&row.index))
    }

    fn keep(&self, id: usize, segment: &Arc<Segment>, index: &Arc<Index>) {
        let bytes = index.memory_bytes();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let row = Row {
            segment: Arc::downgrade(segment),
            index: Arc::clone(index),
            bytes,
            used: kept.uses,
        };
        kept.bytes += bytes;
        if let Some(old) = kept.indexes.insert(id, row) {
            kept.bytes -= old.bytes;
        }
        kept.shrink();
    }
}

impl Kept {
    /// Lets go of those that were not used for longest.
    fn shrink(&mut self) {
        if self.bytes <= BYTES_MAX {
            return;
        }
        let mut rows: Vec<(u64, usize)> = self.indexes.iter().map(|(id, row)| (row.used, *id)).collect();
        rows.sort_unstable();
        for (_, id) in rows {
            if self.bytes <= BYTES_MAX / 2 {
                break;
            }
            if let Some(row) = self.indexes.remove(&id) {
                self.bytes -= row.bytes;
            }
        }
    }
}
