//! The body of a request: read in pieces, verified as it comes by everything the request says of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use md5::Md5;
use portcullis_blobs::{Blobs, Upload};
use portcullis_core::hex;
use portcullis_wire::sigv4::{ChunkVerifier, Chunked, PayloadForm};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::checksum::{Algorithm, Hasher};
use super::cipher::Sealer;
use super::errors::S3Error;
use crate::world::records::s3::Piece;

/// A body as the listener hands it over.
pub type RawBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// How long a document may take to arrive: it is in memory meanwhile.
pub(super) const DOCUMENT_TIME: Duration = Duration::from_secs(30);
/// Largest document.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest document of a caller who did not sign.
pub(super) const UNSIGNED_DOCUMENT_BYTES_MAX: u64 = 256 * 1024;

/// A body on its way in.
pub(super) struct Body {
    raw: RawBody,
    chunked: Option<Chunked>,
    claims: Claims,
    /// How many bytes it has without its encoding, if the request says so.
    pub length: Option<u64>,
    received: u64,
    md5: Md5,
    sha256: Option<Sha256>,
    /// By the algorithm that the request claims one by, or else by the one that is kept.
    checksum: Hasher,
    /// By the algorithm that is kept, where that is another.
    kept: Option<Hasher>,
}

/// What a request says of its body.
#[derive(Debug)]
struct Claims {
    sha256: Option<[u8; 32]>,
    md5: Option<Vec<u8>>,
    /// Whose value stands in a header, or follows the body.
    checksum: Option<(Algorithm, Option<String>)>,
}

/// A body that was read and is what the request said.
#[derive(Debug)]
pub(super) struct Received {
    pub size: u64,
    /// Its MD5, 32 digits.
    pub etag: String,
    /// In base 64.
    pub checksum: String,
    pub algorithm: Algorithm,
    /// The checksum that is answered: the one that was claimed, or else the one that is kept.
    pub shown: (Algorithm, String),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?} bytes)", self.length)
    }
}

impl Body {
    /// A body, from the headers of its request. `form` is what is signed of it.
    pub(super) fn of(
        headers: &HeaderMap,
        raw: RawBody,
        form: &PayloadForm,
        verifier: Option<ChunkVerifier>,
    ) -> Result<Self, S3Error> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let chunked = match form {
            PayloadForm::Chunks { signed, trailer } => {
                Some(Chunked::new(verifier.filter(|_| *signed), *trailer))
            }
            _ => None,
        };
        let length = match &chunked {
            Some(_) => text("x-amz-decoded-content-length"),
            None => text("content-length"),
        };
        let claims = Claims::of(headers, form)?;
        let algorithm = claims.checksum.as_ref().map(|(algorithm, _)| *algorithm);
        Ok(Self {
            raw,
            chunked,
            length: length.and_then(|length| length.trim().parse().ok()),
            received: 0,
            md5: Md5::new(),
            sha256: claims.sha256.is_some().then(Sha256::new),
            checksum: Hasher::new(algorithm.unwrap_or(Algorithm::Crc64Nvme)),
            kept: None,
            claims,
        })
    }

    /// Bytes of our own, of which nobody claims anything.
    pub(super) fn within(raw: RawBody, length: u64, algorithm: Option<Algorithm>) -> Self {
        Self {
            raw,
            chunked: None,
            length: Some(length),
            received: 0,
            md5: Md5::new(),
            sha256: None,
            checksum: Hasher::new(algorithm.unwrap_or(Algorithm::Crc64Nvme)),
            kept: None,
            claims: Claims {
                sha256: None,
                md5: None,
                checksum: None,
            },
        }
    }

    /// Keeps the checksum by this algorithm. One that the request claims by another is verified too, or refused when only
    /// this one is taken.
    pub(super) fn expect(&mut self, algorithm: Algorithm, alone: bool) -> Result<(), S3Error> {
        match &self.claims.checksum {
            None => self.checksum = Hasher::new(algorithm),
            Some((claimed, _)) if *claimed == algorithm => {}
            Some(_) if !alone => self.kept = Some(Hasher::new(algorithm)),
            Some((claimed, _)) => {
                let (expected, actual) = (algorithm.name().to_lowercase(), claimed.name().to_lowercase());
                let text = format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
                );
                return Err(S3Error::InvalidRequest(text));
            }
        }
        Ok(())
    }

    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let frame = tokio::time::timeout(IDLE, self.raw.frame());
        let frame = frame.await.map_err(|_| S3Error::RequestTimeout)?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| S3Error::IncompleteBody)?;
        // Headers after the body, of HTTP itself: nobody asked for them.
        let Ok(bytes) = frame.into_data() else {
            return Ok(Some(Bytes::new()));
        };
        let bytes = match &mut self.chunked {
            None => bytes,
            Some(chunked) => {
                let mut data = Vec::with_capacity(bytes.len());
                chunked.push(&bytes, &mut |part| data.extend_from_slice(part))?;
                Bytes::from(data)
            }
        };
        self.received += bytes.len() as u64;
        if self.length.is_some_and(|length| self.received > length) {
            return Err(S3Error::IncompleteBody);
        }
        self.md5.update(&bytes);
        self.checksum.update(&bytes);
        if let Some(kept) = &mut self.kept {
            kept.update(&bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&bytes);
        }
        Ok(Some(bytes))
    }

    /// Whether it was all that the request said.
    fn finish(self) -> Result<Received, S3Error> {
        if self.length.is_some_and(|length| self.received != length) {
            return Err(S3Error::IncompleteBody);
        }
        let trailers = match self.chunked {
            Some(chunked) => chunked.finish()?,
            None => Vec::new(),
        };
        if let (Some(claimed), Some(sha256)) = (self.claims.sha256, self.sha256) {
            let computed = sha256.finalize();
            if claimed.as_slice() != computed.as_slice() {
                let (claimed, computed) = (hex(&claimed), hex(&computed));
                return Err(S3Error::ContentSha256Mismatch { claimed, computed });
            }
        }
        let md5 = self.md5.finalize();
        if self.claims.md5.is_some_and(|claimed| claimed != md5.as_slice()) {
            return Err(S3Error::BadDigest);
        }
        let claimed_algorithm = self.checksum.algorithm();
        let claimed_value = self.checksum.finish();
        if let Some((algorithm, in_header)) = self.claims.checksum {
            let trailer = trailers.into_iter().find(|(name, _)| name == algorithm.header());
            let claimed = in_header.or(trailer.map(|(_, value)| value));
            // A trailer that was announced and did not come.
            let claimed = claimed.ok_or(S3Error::IncompleteBody)?;
            if !algorithm.is_value(&claimed) {
                return Err(S3Error::InvalidChecksum(algorithm.name()));
            }
            if claimed != claimed_value {
                return Err(S3Error::BadChecksum(algorithm.name()));
            }
        }
        let claimed = (claimed_algorithm, claimed_value);
        let kept = self.kept.map(|kept| (kept.algorithm(), kept.finish()));
        let (algorithm, checksum) = kept.unwrap_or_else(|| claimed.clone());
        Ok(Received {
            size: self.received,
            etag: hex(&md5),
            checksum,
            algorithm,
            shown: claimed,
        })
    }

    /// All of a document, if it comes in time.
    pub(super) async fn document(self, max: u64, within: Duration) -> Result<Bytes, S3Error> {
        if self.length.is_some_and(|length| length > max) {
            return Err(S3Error::MaxMessageLengthExceeded);
        }
        let read = tokio::time::timeout(within, self.whole(max));
        read.await.map_err(|_| S3Error::RequestTimeout)?
    }

    async fn whole(mut self, max: u64) -> Result<Bytes, S3Error> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await? {
            if self.received > max {
                return Err(S3Error::MaxMessageLengthExceeded);
            }
            all.extend_from_slice(&part);
        }
        self.finish()?;
        Ok(all.into())
    }

    /// Keeps the bytes, encrypted if something is given for it, and says where. Nothing is kept when they are not what the
    /// request said.
    pub(super) async fn keep(
        mut self,
        blobs: &Blobs,
        max: u64,
        mut sealer: Option<Sealer>,
    ) -> Result<(Option<Piece>, Received), S3Error> {
        let begun = Begun::new(blobs).await?;
        let upload = &begun.upload;
        let kept = async {
            let mut writer = blobs.writer(upload, 0).await?;
            while let Some(part) = self.next().await? {
                if self.received > max {
                    let proposed = self.received;
                    return Err(S3Error::EntityTooLarge { proposed, max });
                }
                match &mut sealer {
                    None => writer.write(&part).await?,
                    Some(sealer) => writer.write(&sealer.push(&part)?).await?,
                }
            }
            if let Some(sealer) = sealer.take() {
                writer.write(&sealer.finish()?).await?;
            }
            writer.flush().await?;
            let received = self.finish()?;
            if received.size == 0 {
                return Ok((None, received));
            }
            let blob = blobs.finish(upload, None).await?;
            let piece = Piece {
                digest: blob.digest.hex(),
                size: received.size,
            };
            Ok((Some(piece), received))
        };
        let kept = kept.await;
        let is_blob = matches!(kept, Ok((Some(_), _)));
        begun.end(is_blob).await;
        kept
    }

    /// Reads what a refused client still sends, if it is little: it would not read its answer before.
    pub(super) async fn drain(mut self) {
        const LITTLE: u64 = 256 * 1024;
        if self.length.is_none_or(|length| length > LITTLE) {
            return;
        }
        let rest = async { while let Ok(Some(_)) = self.next().await {} };
        if tokio::time::timeout(DOCUMENT_TIME, rest).await.is_err() {
            tracing::debug!("a refused client was too slow to be heard out");
        }
    }
}

/// An upload that was begun. Its bytes are given back unless they became a blob, also when the client hangs up and nobody
/// goes on with its request.
struct Begun {
    blobs: Blobs,
    upload: Upload,
    has_ended: bool,
}

impl Begun {
    async fn new(blobs: &Blobs) -> Result<Self, S3Error> {
        Ok(Self {
            upload: blobs.begin("s3").await?,
            blobs: blobs.clone(),
            has_ended: false,
        })
    }

    async fn end(mut self, is_blob: bool) {
        if !is_blob {
            give_back(&self.blobs, &self.upload).await;
        }
        self.has_ended = true;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(runtime) = Handle::try_current().ok().filter(|_| !self.has_ended) else {
            return;
        };
        let (blobs, upload) = (self.blobs.clone(), self.upload.clone());
        runtime.spawn(async move { give_back(&blobs, &upload).await });
    }
}

async fn give_back(blobs: &Blobs, upload: &Upload) {
    if let Err(error) = blobs.discard(upload).await {
        tracing::debug!(%error, "an upload that was given up stays until it is swept");
    }
}

impl Claims {
    fn of(headers: &HeaderMap, form: &PayloadForm) -> Result<Self, S3Error> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = text("content-md5").map(|text| STANDARD.decode(text.trim()));
        let md5 = match md5 {
            None => None,
            Some(Ok(md5)) if md5.len() == 16 => Some(md5),
            Some(_) => return Err(S3Error::InvalidDigest),
        };
        let sha256 = match form {
            PayloadForm::Whole(digest) => Some(*digest),
            PayloadForm::Unsigned | PayloadForm::Chunks { .. } => None,
        };
        Ok(Self {
            sha256,
            md5,
            checksum: checksum(headers)?,
        })
    }
}

/// The checksum that a header holds or announces. There may be one.
fn checksum(headers: &HeaderMap) -> Result<Option<(Algorithm, Option<String>)>, S3Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(value) = text(algorithm.header()) {
            found.push((algorithm, Some(value.trim().to_owned())));
        }
    }
    if let Some(trailers) = text("x-amz-trailer") {
        let named = trailers.split(',').map(|name| name.trim().to_ascii_lowercase());
        found.extend(named.filter_map(|name| Some((Algorithm::of_header(&name)?, None))));
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let text = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            Err(S3Error::InvalidRequest(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;

    use futures_util::FutureExt as _;
    use futures_util::stream::{self, StreamExt as _};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use portcullis_core::{FixedClock, SeededRandom, Timestamp};

    use super::*;

    #[tokio::test]
    async fn a_document_that_does_not_end_is_given_up_in_time() {
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"<Delete>")))]);
        let raw = RawBody::new(StreamBody::new(first.chain(stream::pending())));
        let body = Body::of(&HeaderMap::new(), raw, &PayloadForm::Unsigned, None).unwrap();
        let read = body.document(DOCUMENT_BYTES_MAX, Duration::from_millis(1)).await;
        assert_eq!(read, Err(S3Error::RequestTimeout));
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_no_bytes() {
        let blobs = || {
            let clock = Arc::new(FixedClock::at(Timestamp::default()));
            Blobs::in_memory(clock, Arc::new(SeededRandom::new(1)))
        };
        // The same randomness gives the same id.
        let upload = blobs().begin("s3").await.unwrap();
        let blobs = blobs();
        let is_asked_for_more = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked_for_more);
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"half")))]);
        let rest = stream::poll_fn(move |_| {
            asked.store(true, Ordering::Relaxed);
            Poll::Pending
        });
        let raw = RawBody::new(StreamBody::new(first.chain(rest)));
        let mut keeping = Body::within(raw, 8, None).keep(&blobs, 8, None).boxed();
        while !is_asked_for_more.load(Ordering::Relaxed) {
            assert!(futures_util::poll!(&mut keeping).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(blobs.uploaded(&upload).await.is_ok());
        drop(keeping);
        while blobs.uploaded(&upload).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
