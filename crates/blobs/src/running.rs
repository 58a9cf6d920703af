//! What is known of an upload that is under way, beside its bytes.

use std::io;

use portcullis_core::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::medium::Medium;
use crate::{BlobError, Digest};

/// How much of an upload is read at once when its digest has to be found anew.
const REREAD_BYTES: usize = 1024 * 1024;

/// An upload's end and the digest of what comes before it. Blocks in everything it does.
#[derive(Debug)]
pub(crate) struct Running {
    length: u64,
    /// The digest so far; unknown after a restart until somebody goes on.
    hasher: Option<Sha256>,
    /// What was acknowledged, and the digest of that: where a failed append falls back to.
    safe: (u64, Option<Sha256>),
    /// Whether this process knows that what is safe lasts. Of what an earlier one left, the end may be bytes that it never
    /// acknowledged.
    is_synced: bool,
    over: bool,
}

impl Running {
    /// An upload without a byte.
    pub fn empty() -> Self {
        Self::with(0, Some(Sha256::new()))
    }

    /// One that an earlier life of the process began. Whatever is there was appended in order.
    pub fn found(length: u64) -> Self {
        Self::with(length, (length == 0).then(Sha256::new))
    }

    fn with(length: u64, hasher: Option<Sha256>) -> Self {
        Self {
            length,
            safe: (length, hasher.clone()),
            hasher,
            is_synced: length == 0,
            over: false,
        }
    }

    /// How many bytes there are, if the upload is not over.
    pub fn length(&self) -> Result<u64, BlobError> {
        if self.over {
            Err(BlobError::NoUpload)
        } else {
            Ok(self.length)
        }
    }

    /// Appends; nothing of a failed append stays, and nothing that was not acknowledged before it.
    pub fn append(
        &mut self,
        medium: &dyn Medium,
        name: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), BlobError> {
        let length = self.length()?;
        if offset != length {
            return Err(BlobError::WrongOffset { length });
        }
        let mut hasher = self.hasher(medium, name)?;
        if let Err(error) = medium.write(name, offset, bytes) {
            self.fall_back(medium, name);
            return Err(self.judge(error));
        }
        hasher.update(bytes);
        self.hasher = Some(hasher);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything so far last.
    pub fn acknowledge(&mut self, medium: &dyn Medium, name: &str, now: Timestamp) -> Result<u64, BlobError> {
        let length = self.length()?;
        if let Err(error) = medium.sync(name, now) {
            if self.is_synced {
                // Nobody knows what a failed sync has left of the bytes.
                self.fall_back(medium, name);
                self.forget_digest();
            } else {
                self.give_up(medium, name);
            }
            return Err(self.judge(error));
        }
        self.safe = (length, self.hasher.clone());
        self.is_synced = true;
        Ok(length)
    }

    /// The digest of everything so far.
    pub fn digest(&mut self, medium: &dyn Medium, name: &str) -> Result<Digest, BlobError> {
        self.length()?;
        let hasher = self.hasher(medium, name)?;
        self.hasher = Some(hasher.clone());
        Ok(Digest::finish(hasher))
    }

    /// Whether all of it was acknowledged, and by this process.
    pub fn is_safe(&self) -> bool {
        self.is_synced && self.safe.0 == self.length
    }

    /// Nothing can be done with it any more.
    pub fn end(&mut self) {
        self.over = true;
    }

    fn hasher(&mut self, medium: &dyn Medium, name: &str) -> Result<Sha256, BlobError> {
        if let Some(hasher) = self.hasher.take() {
            return Ok(hasher);
        }
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < self.length {
            let wanted = usize::try_from(self.length - at).unwrap_or(REREAD_BYTES);
            let read = medium.read_upload(name, at, wanted.min(REREAD_BYTES));
            let part = read.map_err(|error| self.judge(error))?;
            if part.is_empty() {
                return Err(BlobError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            hasher.update(&part);
            at += part.len() as u64;
        }
        Ok(hasher)
    }

    /// Goes back to what was acknowledged.
    fn fall_back(&mut self, medium: &dyn Medium, name: &str) {
        let (length, hasher) = self.safe.clone();
        match medium.truncate(name, length) {
            Ok(()) => {
                self.length = length;
                self.hasher = hasher;
            }
            Err(error) => {
                tracing::warn!(%error, "an upload could not be taken back to what was acknowledged");
                self.length = medium.length(name).unwrap_or(length);
                self.hasher = None;
            }
        }
    }

    /// There is nothing to go back to: of what an earlier process left, a second sync might say that it lasts although the
    /// first one lost it.
    fn give_up(&mut self, medium: &dyn Medium, name: &str) {
        self.over = true;
        if let Err(error) = medium.discard(name) {
            tracing::warn!(%error, "an upload that may have lost bytes stays for a day");
        }
    }

    fn forget_digest(&mut self) {
        self.hasher = None;
        self.safe.1 = None;
    }

    fn judge(&mut self, error: io::Error) -> BlobError {
        if error.kind() == io::ErrorKind::NotFound {
            self.over = true;
            return BlobError::NoUpload;
        }
        error.into()
    }
}
