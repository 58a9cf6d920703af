//! Appending a stream: while one part is written and hashed the next one comes in.

use std::mem;

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::{BlobError, Blobs, Upload};

/// How much is written at once.
const PART_BYTES: usize = 1024 * 1024;

/// Writes to the end of an upload; memory stays at two parts. What was not flushed may stay or not: [`Blobs::uploaded`]
/// tells.
#[derive(Debug)]
pub struct Writer {
    blobs: Blobs,
    upload: Upload,
    /// Where the next part goes.
    offset: u64,
    filling: Vec<u8>,
    writing: Option<JoinHandle<Result<Vec<u8>, BlobError>>>,
}

impl Writer {
    pub(crate) fn new(blobs: Blobs, upload: Upload, offset: u64) -> Self {
        Self {
            blobs,
            upload,
            offset,
            filling: Vec::new(),
            writing: None,
        }
    }

    /// Takes bytes; waits when the disk is slower than they come.
    pub async fn write(&mut self, bytes: &Bytes) -> Result<(), BlobError> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let room = PART_BYTES.saturating_sub(self.filling.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.filling.extend_from_slice(now);
            rest = later;
            if self.filling.len() >= PART_BYTES {
                self.pass_on().await?;
            }
        }
        Ok(())
    }

    /// Makes everything last that was written. Gives the upload's length.
    pub async fn flush(mut self) -> Result<u64, BlobError> {
        if !self.filling.is_empty() {
            self.pass_on().await?;
        }
        self.settled().await?;
        let offset = self.offset;
        let acknowledge = self.blobs.with(&self.upload, move |inner, name, running| {
            let length = running.length()?;
            if length != offset {
                return Err(BlobError::WrongOffset { length });
            }
            running.acknowledge(inner.medium.as_ref(), name, inner.clock.now())
        });
        acknowledge.await
    }

    /// Hands the filled part to the disk.
    async fn pass_on(&mut self) -> Result<(), BlobError> {
        let spare = self.settled().await?;
        let part = mem::replace(&mut self.filling, spare);
        let (blobs, upload, offset) = (self.blobs.clone(), self.upload.clone(), self.offset);
        self.offset += part.len() as u64;
        self.writing = Some(tokio::spawn(async move {
            let write = blobs.with(&upload, move |inner, name, running| {
                running.append(inner.medium.as_ref(), name, offset, &part)?;
                Ok(part)
            });
            write.await
        }));
        Ok(())
    }

    /// Waits for the part that is being written; gives back its room.
    async fn settled(&mut self) -> Result<Vec<u8>, BlobError> {
        let Some(writing) = self.writing.take() else {
            return Ok(Vec::with_capacity(PART_BYTES));
        };
        let mut part = writing
            .await
            .map_err(|error| BlobError::Io(std::io::Error::other(error)))??;
        part.clear();
        Ok(part)
    }
}
