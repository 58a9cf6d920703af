//! Reading blobs, from a disk a part ahead of the reader.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::task::JoinHandle;

use crate::BlobError;
use crate::medium::Source;

/// How much is read at once.
const PART_BYTES: u64 = 512 * 1024;

/// A blob that was opened.
#[derive(Debug, Clone)]
pub struct Stored(Place);

#[derive(Debug, Clone)]
enum Place {
    Here(Arc<dyn Source>),
    #[cfg(feature = "s3")]
    Away(crate::away::Remote),
}

impl Stored {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        Self(Place::Here(Arc::from(source)))
    }

    #[cfg(feature = "s3")]
    pub(crate) fn remote(remote: crate::away::Remote) -> Self {
        Self(Place::Away(remote))
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Place::Here(source) => source.size(),
            #[cfg(feature = "s3")]
            Place::Away(remote) => remote.size,
        }
    }

    /// Its bytes in this range, as far as there are any. A stream that fails ends there; one that ends early would be a
    /// lie, so it fails.
    pub fn stream(&self, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let end = range.end.min(self.size());
        let source = match &self.0 {
            Place::Here(source) => Arc::clone(source),
            #[cfg(feature = "s3")]
            Place::Away(remote) => return remote.stream(range.start..end),
        };
        let reader = Reader {
            source,
            at: range.start,
            end,
            reading: None,
        };
        stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await? {
                Ok(part) => Some((Ok(part), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// All of a small blob.
    pub async fn whole(&self, max: u64) -> Result<Bytes, BlobError> {
        let size = self.size();
        if size > max {
            return Err(BlobError::TooLarge { size });
        }
        let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let mut parts = self.stream(0..size);
        while let Some(part) = parts.next().await {
            all.extend_from_slice(&part?);
        }
        Ok(all.into())
    }
}

struct Reader {
    source: Arc<dyn Source>,
    at: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Bytes, BlobError>> {
        let reading = self.reading.take().or_else(|| self.ahead())?;
        self.reading = self.ahead();
        Some(match reading.await {
            Ok(read) => read.map(Bytes::from).map_err(BlobError::from),
            Err(error) => Err(BlobError::Io(io::Error::other(error))),
        })
    }

    /// Begins to read the next part, if there is one.
    fn ahead(&mut self) -> Option<JoinHandle<io::Result<Vec<u8>>>> {
        let length = self.end.saturating_sub(self.at).min(PART_BYTES);
        if length == 0 {
            return None;
        }
        let (source, at) = (Arc::clone(&self.source), self.at);
        self.at += length;
        Some(tokio::task::spawn_blocking(move || {
            let wanted = usize::try_from(length).map_err(io::Error::other)?;
            let part = source.read(at, wanted)?;
            if part.len() < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(part)
        }))
    }
}
