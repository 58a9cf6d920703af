//! GetObject and HeadObject.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use http_body_util::StreamBody;
use hyper::body::Bytes;
use portcullis_blobs::{BlobError, Blobs, Digest, Stored};

use super::answer::Answer;
use super::ask::Ask;
use super::body::{Body, RawBody};
use super::buckets::owner_alone;
use super::checks;
use super::checksum::Algorithm;
use super::cipher::{self, Key};
use super::conditions;
use super::describe::{describe, wants_checksum};
use super::errors::S3Error;
use super::sealing;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::world::Snapshot;
use crate::world::records::s3::{Object, Piece};

/// Query parameters of GetObject that stand in for the object's own headers.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// How many of an object's blobs are opened before the answer begins, so that they can be read to their end though they go
/// meanwhile. The others are opened when their turn comes: an object of thousands of parts would take all files that the
/// process may open.
const OPENED_FIRST: usize = 16;

pub(super) fn require(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(checks::on_existing_object(ask, view, "s3:GetObject"))
}

/// A checksum tells of the bytes: it takes their key, as on AWS.
pub(super) fn require_head(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    match wants_checksum(ask) {
        true => require_bytes(ask, view),
        false => require(ask, view),
    }
}

/// The bytes take the key they are under, too.
pub(super) fn require_bytes(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    let mut all = require(ask, view)?;
    let object = view.s3.object(ask.target.bucket(), ask.target.key());
    let under = object.and_then(|object| object.under.as_ref());
    all.extend(sealing::to_open(ask, view, under)?);
    Ok(all)
}

/// The object the request names.
pub(super) fn object<'v>(ask: &Ask<'_>, view: &'v Snapshot) -> Result<&'v Arc<Object>, S3Error> {
    ask.bucket(view)?;
    let key = ask.target.key();
    let found = view.s3.object(ask.target.bucket(), key);
    let found = found.ok_or_else(|| S3Error::NoSuchKey(key.to_owned()))?;
    match ask.target.parameter("versionId") {
        None | Some("null") => Ok(found),
        Some(other) => Err(S3Error::NoSuchVersion(other.to_owned())),
    }
}

/// What of an object is wanted.
struct Wanted {
    range: Range<u64>,
    is_part: bool,
    parts: Option<usize>,
}

fn wanted(ask: &Ask<'_>, object: &Object) -> Result<Wanted, S3Error> {
    let range = ask.header("range");
    let Some(number) = ask.target.parameter("partNumber") else {
        let range = range.and_then(|text| parse_range(text, object.size).transpose());
        let range = range.transpose()?;
        let is_part = range.is_some();
        let range = range.unwrap_or(0..object.size);
        return Ok(Wanted {
            range,
            is_part,
            parts: None,
        });
    };
    if range.is_some() {
        let text = "Cannot specify both Range header and partNumber query parameter";
        return Err(S3Error::InvalidRequest(text.to_owned()));
    }
    let number: usize = number.parse().map_err(|_| S3Error::InvalidPartNumber)?;
    let whole = [object.size];
    let sizes = object
        .parts
        .as_ref()
        .map_or(whole.as_slice(), |parts| parts.sizes.as_slice());
    let index = number.checked_sub(1).ok_or(S3Error::InvalidPartNumber)?;
    let size = sizes.get(index).ok_or(S3Error::InvalidPartNumber)?;
    let start: u64 = sizes.iter().take(index).sum();
    Ok(Wanted {
        range: start..start + size,
        is_part: true,
        parts: object.parts.as_ref().map(|parts| parts.sizes.len()),
    })
}

/// One range of bytes. What is no range, or several, counts for nothing; one that is not there is refused.
fn parse_range(text: &str, size: u64) -> Result<Option<Range<u64>>, S3Error> {
    let refused = || S3Error::InvalidRange {
        requested: text.to_owned(),
        size,
    };
    let Some((first, last)) = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(last)) if first.trim().is_empty() => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    if range.start >= size || range.is_empty() {
        Err(refused())
    } else {
        Ok(Some(range))
    }
}

fn head_of(ask: &Ask<'_>, object: &Object, wanted: &Wanted, answer: Answer) -> Answer {
    let mut answer = describe(ask, object, answer, !wanted.is_part);
    if wanted.is_part {
        answer.status = StatusCode::PARTIAL_CONTENT;
        let (first, last) = (wanted.range.start, wanted.range.end.saturating_sub(1));
        answer.add("content-range", &format!("bytes {first}-{last}/{}", object.size));
    }
    if let Some(parts) = wanted.parts {
        answer.add("x-amz-mp-parts-count", &parts.to_string());
    }
    for (parameter, header) in OVERRIDES {
        if let Some(value) = ask.target.parameter(parameter) {
            answer.add(header, value);
        }
    }
    answer
}

/// Strangers would set headers of others' objects.
fn refuse_overrides_of_nobody(ask: &Ask<'_>) -> Result<(), S3Error> {
    let overrides = OVERRIDES
        .iter()
        .any(|(name, _)| ask.target.parameter(name).is_some());
    if overrides && ask.signed.is_none() {
        let text = "Request specific response headers cannot be used for anonymous GET requests.";
        return Err(S3Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

pub(super) fn head(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    refuse_overrides_of_nobody(ask)?;
    let object = object(ask, view)?;
    conditions::before_reading(ask, "", object)?;
    let wanted = wanted(ask, object)?;
    let length = wanted.range.end - wanted.range.start;
    let answer = Answer::stream(length, stream::empty().boxed());
    Ok(head_of(ask, object, &wanted, answer))
}

pub(super) fn get<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        refuse_overrides_of_nobody(ask)?;
        let object = object(ask, &ask.decided)?;
        conditions::before_reading(ask, "", object)?;
        let wanted = wanted(ask, object)?;
        let length = wanted.range.end - wanted.range.start;
        let key = sealing::open(ask, object.under.as_ref())?;
        let bytes = read(ask.blobs(), &object.pieces, wanted.range.clone(), key).await?;
        let answer = Answer::stream(length, bytes);
        Ok(head_of(ask, object, &wanted, answer))
    }
    .boxed()
}

/// The bytes of a range, as a body that can be kept again.
pub(super) async fn as_body(
    blobs: &Blobs,
    pieces: &[Piece],
    range: Range<u64>,
    key: Option<Key>,
    algorithm: Option<Algorithm>,
) -> Result<Body, S3Error> {
    let length = range.end - range.start;
    let bytes = read(blobs, pieces, range, key).await?;
    let frames = bytes.map(|bytes| Ok(hyper::body::Frame::data(bytes)));
    Ok(Body::within(
        RawBody::new(StreamBody::new(frames)),
        length,
        algorithm,
    ))
}

/// The blobs that a range of some pieces lies in, and which of the bytes of each.
fn stretches(pieces: &[Piece], range: &Range<u64>) -> Result<Vec<(Digest, Range<u64>)>, S3Error> {
    let mut found = Vec::new();
    let mut at = 0;
    for piece in pieces {
        let (start, end) = (at, at + piece.size);
        at = end;
        let wanted = range.start.max(start)..range.end.min(end);
        if wanted.is_empty() {
            continue;
        }
        let digest = Digest::from_hex(&piece.digest).map_err(|_| S3Error::Internal)?;
        found.push((digest, wanted.start - start..wanted.end - start));
    }
    Ok(found)
}

async fn opened(blobs: &Blobs, digest: &Digest) -> Result<Stored, BlobError> {
    let found = blobs.open(digest).await?;
    found.ok_or_else(|| BlobError::Io(std::io::ErrorKind::NotFound.into()))
}

/// The bytes of a range, decrypted if there is a key.
async fn read(
    blobs: &Blobs,
    pieces: &[Piece],
    range: Range<u64>,
    key: Option<Key>,
) -> Result<BoxStream<'static, Bytes>, S3Error> {
    let mut wanted = stretches(pieces, &range)?.into_iter();
    let mut first = Vec::new();
    for (digest, range) in wanted.by_ref().take(OPENED_FIRST) {
        first.push(Ok((opened(blobs, &digest).await?, range)));
    }
    let blobs = blobs.clone();
    let later = stream::iter(wanted).then(move |(digest, range)| {
        let blobs = blobs.clone();
        async move { Ok((opened(&blobs, &digest).await?, range)) }
    });
    let found = stream::iter(first).chain(later);
    let bytes = found.flat_map(
        move |found: Result<(Stored, Range<u64>), BlobError>| match (found, &key) {
            (Ok((stored, range)), None) => stored.stream(range),
            (Ok((stored, range)), Some(key)) => cipher::opened(&stored, key, &range),
            (Err(error), _) => stream::iter([Err(error)]).boxed(),
        },
    );
    // What breaks off is shorter than was said, and so no whole answer to any client.
    let whole = bytes.scan((), |(), part| {
        let part =
            part.inspect_err(|error| tracing::error!(%error, "an object could not be read to its end"));
        std::future::ready(part.ok())
    });
    Ok(whole.boxed())
}

pub(super) fn require_acl(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(checks::on_existing_object(ask, view, "s3:GetObjectAcl"))
}

pub(super) fn acl(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    object(ask, view)?;
    Ok(Answer::xml(&owner_alone(&view.account)))
}

#[cfg(test)]
mod tests {
    use portcullis_core::{FixedClock, SeededRandom, Timestamp};

    use super::*;

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[tokio::test]
    async fn an_object_of_many_parts_takes_few_open_files_and_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(1_000)));
        let blobs = Blobs::in_directory(folder.path(), clock, Arc::new(SeededRandom::new(1))).unwrap();
        let (mut pieces, mut whole) = (Vec::new(), Vec::new());
        for number in 0..400_u32 {
            let bytes = number.to_be_bytes();
            let blob = blobs.put(Bytes::copy_from_slice(&bytes)).await.unwrap();
            pieces.push(Piece {
                digest: blob.digest.hex(),
                size: blob.size,
            });
            whole.extend_from_slice(&bytes);
        }
        let before = open_files();
        let mut parts = read(&blobs, &pieces, 2..1_599, None).await.unwrap();
        let (mut got, mut most) = (Vec::new(), open_files());
        while let Some(part) = parts.next().await {
            got.extend_from_slice(&part);
            most = most.max(open_files());
        }
        assert_eq!(got, whole[2..1_599]);
        assert!(most - before < 200, "{most} files are open, {before} were before");
    }

    #[test]
    fn ranges_are_those_of_http() {
        for (text, size, expected) in [
            ("bytes=0-4", 10, Ok(Some(0..5))),
            ("bytes=5-", 10, Ok(Some(5..10))),
            ("bytes=-3", 10, Ok(Some(7..10))),
            ("bytes=-30", 10, Ok(Some(0..10))),
            ("bytes=8-99", 10, Ok(Some(8..10))),
            ("bytes=9-3", 10, Ok(None)),
            ("bytes=0-1,3-4", 10, Ok(None)),
            ("lines=0-1", 10, Ok(None)),
            ("bytes=10-", 10, Err(())),
            ("bytes=-0", 10, Err(())),
            ("bytes=0-0", 0, Err(())),
            ("bytes=0-18446744073709551615", 10, Ok(Some(0..10))),
        ] {
            assert_eq!(
                parse_range(text, size).map_err(|_| ()),
                expected,
                "{text} of {size}"
            );
        }
    }
}
