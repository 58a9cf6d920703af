//! Events that are sealed: by whom, and under what key, the store does not know. Whoever appends brings a function that seals, whoever
//! reads one that opens. Compressed first, sealed then: what is sealed does not become smaller any more.

use std::fmt;
use std::sync::Arc;

use crate::{LogsError, StreamId};

/// Seals the events of one append.
pub type Seal<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, LogsError> + 'a;

type Open = dyn Fn(&StreamId, &[u8]) -> Result<Vec<u8>, LogsError> + Send + Sync;

/// Opens what a [`Seal`] made of events of one group; it is told the stream they stand in.
#[derive(Clone)]
pub struct Opener(Arc<Open>);

impl Opener {
    /// Opens by this function. It is called on a thread that may wait.
    pub fn new(
        open: impl Fn(&StreamId, &[u8]) -> Result<Vec<u8>, LogsError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(open))
    }

    pub(crate) fn open(&self, stream: &StreamId, sealed: &[u8]) -> Result<Vec<u8>, LogsError> {
        (self.0)(stream, sealed)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}
