//! The bytes of an object under a data key: AES-256-GCM, chunk by chunk, so that a stretch can be read without the rest. Every
//! blob is under a key of its own, derived from the data key and the salt it begins with; a chunk's nonce is its number, so
//! that chunks cannot change places. How many there are the object's row says.

use std::ops::Range;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hmac::{Hmac, Mac as _};
use hyper::body::Bytes;
use portcullis_blobs::{BlobError, Stored};
use portcullis_core::Random;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::errors::S3Error;

/// Bytes of a chunk before it is encrypted; the last may have fewer.
const CHUNK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 16;

/// Secret bytes, wiped when dropped.
pub(super) type Key = Zeroizing<Vec<u8>>;

fn cipher(key: &Key, salt: &[u8]) -> Option<Aes256Gcm> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"s3 piece");
    mac.update(salt);
    let mut derived = mac.finalize().into_bytes();
    let cipher = Aes256Gcm::new_from_slice(&derived).ok();
    derived.zeroize();
    cipher
}

fn nonce(chunk: u64) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = chunk.to_be_bytes();
    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

/// Encrypts the bytes of one blob as they come.
pub(super) struct Sealer {
    cipher: Aes256Gcm,
    chunk: u64,
    clear: Vec<u8>,
    done: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(key: &Key, random: &dyn Random) -> Result<Self, S3Error> {
        let mut salt = vec![0; SALT_BYTES];
        random.fill(&mut salt);
        Ok(Self {
            cipher: cipher(key, &salt).ok_or(S3Error::Internal)?,
            chunk: 0,
            clear: Vec::with_capacity(CHUNK_BYTES),
            done: salt,
        })
    }

    /// Takes bytes, and gives back what is encrypted by now.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Bytes, S3Error> {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.clear.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.clear.extend_from_slice(now);
            bytes = later;
            if self.clear.len() == CHUNK_BYTES {
                self.seal()?;
            }
        }
        Ok(std::mem::take(&mut self.done).into())
    }

    /// The rest.
    pub(super) fn finish(mut self) -> Result<Bytes, S3Error> {
        if !self.clear.is_empty() {
            self.seal()?;
        }
        Ok(self.done.into())
    }

    fn seal(&mut self) -> Result<(), S3Error> {
        let nonce = Nonce::from(nonce(self.chunk));
        let sealed = self.cipher.encrypt(&nonce, self.clear.as_slice());
        self.done
            .extend_from_slice(&sealed.map_err(|_| S3Error::Internal)?);
        self.chunk += 1;
        self.clear.zeroize();
        Ok(())
    }
}

/// The bytes of a range, which is not empty, of what a blob holds under a key.
pub(super) fn opened(
    stored: &Stored,
    key: &Key,
    range: &Range<u64>,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let (chunk, sealed) = (CHUNK_BYTES as u64, (CHUNK_BYTES + TAG_BYTES) as u64);
    let first = range.start / chunk;
    let after_last = range.end.div_ceil(chunk);
    let salt = SALT_BYTES as u64;
    let end = stored.size().min(salt + after_last * sealed);
    let opening = Opening {
        key: key.clone(),
        salt: stored.stream(0..salt),
        sealed: stored.stream(salt + first * sealed..end),
        cipher: None,
        read: Vec::new(),
        chunk: first,
        skip: usize::try_from(range.start - first * chunk).unwrap_or(usize::MAX),
        left: range.end - range.start,
    };
    let next = |mut opening: Opening| async {
        let bytes = opening.next().await?;
        Ok(bytes.map(|bytes| (bytes, opening)))
    };
    stream::try_unfold(opening, next).boxed()
}

struct Opening {
    key: Key,
    salt: BoxStream<'static, Result<Bytes, BlobError>>,
    sealed: BoxStream<'static, Result<Bytes, BlobError>>,
    cipher: Option<Aes256Gcm>,
    read: Vec<u8>,
    chunk: u64,
    /// How many bytes of the next chunk come before the range.
    skip: usize,
    left: u64,
}

impl Opening {
    async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.cipher.is_none() {
            let salt: Vec<Bytes> = self.salt.by_ref().try_collect().await?;
            self.cipher = cipher(&self.key, &salt.concat());
        }
        let whole = CHUNK_BYTES + TAG_BYTES;
        while self.read.len() < whole
            && let Some(bytes) = self.sealed.try_next().await?
        {
            self.read.extend_from_slice(&bytes);
        }
        let sealed: Vec<u8> = self.read.drain(..whole.min(self.read.len())).collect();
        let clear = self.open(&sealed).ok_or_else(altered)?;
        self.chunk += 1;
        let from = std::mem::take(&mut self.skip);
        let until = usize::try_from(self.left).map_or(usize::MAX, |left| left.saturating_add(from));
        let until = until.min(clear.len());
        let wanted = clear.get(from..until).filter(|wanted| !wanted.is_empty());
        let wanted = Bytes::copy_from_slice(wanted.ok_or_else(altered)?);
        self.left -= wanted.len() as u64;
        Ok(Some(wanted))
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::from(nonce(self.chunk));
        self.cipher.as_ref()?.decrypt(&nonce, sealed).ok()
    }
}

fn altered() -> BlobError {
    let text = "an encrypted blob is not what was written";
    BlobError::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_blobs::Blobs;
    use portcullis_core::{FixedClock, SeededRandom, Timestamp};

    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    fn sealed(key: &Key, clear: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(key, &SeededRandom::new(3)).unwrap();
        let mut sealed = Vec::new();
        for part in clear.chunks(30_001) {
            sealed.extend_from_slice(&sealer.push(part).unwrap());
        }
        sealed.extend_from_slice(&sealer.finish().unwrap());
        sealed
    }

    async fn read(stored: &[u8], key: &Key, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(1_000)));
        let blobs = Blobs::in_memory(clock, Arc::new(SeededRandom::new(1)));
        let blob = blobs.put(Bytes::copy_from_slice(stored)).await.unwrap();
        let stored = blobs.open(&blob.digest).await.unwrap().unwrap();
        let parts: Vec<Bytes> = opened(&stored, key, &range).try_collect().await?;
        Ok(parts.concat())
    }

    #[tokio::test]
    async fn every_range_of_what_was_sealed_is_read_again() {
        let key = Zeroizing::new(vec![7; 32]);
        for size in [
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            3 * CHUNK_BYTES + 5,
        ] {
            let clear = bytes(size);
            let stored = sealed(&key, &clear);
            assert_eq!(
                stored.len(),
                SALT_BYTES + size + size.div_ceil(CHUNK_BYTES) * TAG_BYTES
            );
            let middle = size / 2;
            for (from, to) in [
                (0, size),
                (0, 1),
                (size - 1, size),
                (middle, size),
                (middle / 2, middle + 1),
            ] {
                let got = read(&stored, &key, from as u64..to as u64).await.unwrap();
                assert_eq!(got, clear[from..to], "{from}..{to} of {size}");
            }
        }
    }

    #[tokio::test]
    async fn nothing_opens_that_was_altered_moved_cut_or_is_under_another_key() {
        let key = Zeroizing::new(vec![7; 32]);
        let size = 2 * CHUNK_BYTES;
        let whole = 0..size as u64;
        let stored = sealed(&key, &bytes(size));
        let other = Zeroizing::new(vec![8; 32]);
        assert!(read(&stored, &other, whole.clone()).await.is_err());
        let (head, chunks) = stored.split_at(SALT_BYTES);
        let (first, second) = chunks.split_at(CHUNK_BYTES + TAG_BYTES);
        let mut altered = stored.clone();
        altered[SALT_BYTES + 9] ^= 1;
        for changed in [
            [head, second, first].concat(),
            [head, first].concat(),
            [head, first, &second[1..]].concat(),
            altered,
        ] {
            assert!(read(&changed, &key, whole.clone()).await.is_err());
        }
    }
}
