//! Uploads in parts: begun, fed, completed, given up. Parts are blobs; the object refers to them in order, so that completing
//! moves no bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use portcullis_core::uuid;

use super::answer::Answer;
use super::ask::Ask;
use super::body::{Body, Received};
use super::buckets::iso;
use super::checks;
use super::checksum::{Algorithm, composite, etag_of_parts};
use super::conditions;
use super::copy::{add_checksum, checks_on_source, source_object};
use super::describe::{checksum_type, description, quoted};
use super::errors::S3Error;
use super::get::as_body;
use super::put::{PUT_BYTES_MAX, check_length, checksum_of};
use super::sealing;
use super::xml::{self, Element};
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::world::records::s3::{Checksum, MultipartUpload, Object, Part, PartsOf, Piece};
use crate::world::{Snapshot, Tx};

/// Parts have numbers up to this.
const PARTS_MAX: u32 = 10_000;
/// Least bytes of every part but the last.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// Most bytes of an object.
const OBJECT_BYTES_MAX: u64 = 48_828_125 * 1024 * 1024;

/// Which checksum the object is to have, and whether it is of the parts' checksums.
fn checksum_wanted(ask: &Ask<'_>) -> Result<(Algorithm, bool), S3Error> {
    let invalid = |name: &'static str, value: &str| S3Error::InvalidArgument {
        message: "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
                  CRC64NVME, SHA1, SHA256]",
        name,
        value: value.to_owned(),
    };
    let algorithm = match ask.header("x-amz-checksum-algorithm") {
        None => Algorithm::Crc64Nvme,
        Some(name) => Algorithm::named(name).ok_or_else(|| invalid("x-amz-checksum-algorithm", name))?,
    };
    let is_composite = match (ask.header("x-amz-checksum-type"), algorithm) {
        (None, Algorithm::Crc64Nvme) => false,
        (None, _) => true,
        (Some("COMPOSITE"), algorithm) if algorithm != Algorithm::Crc64Nvme => true,
        (Some("FULL_OBJECT"), algorithm) if algorithm.combines() => false,
        (Some(kind), algorithm) => {
            let name = algorithm.name().to_lowercase();
            let text = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
            return Err(S3Error::InvalidRequest(text));
        }
    };
    Ok((algorithm, is_composite))
}

pub(super) fn create(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    ask.bucket(tx.view())?;
    let description = description(ask)?;
    let (algorithm, composite_checksum) = checksum_wanted(ask)?;
    let drawn = sealing::draw(ask, tx.view(), tx.random)?;
    let under = sealing::keep(ask, tx, drawn.as_ref())?;
    let id = uuid(tx.random).replace('-', "");
    let initiated = tx.now;
    tx.put(MultipartUpload {
        id: id.clone(),
        bucket: ask.target.bucket().to_owned(),
        key: ask.target.key().to_owned(),
        initiated,
        initiator: ask.call.caller.arn(),
        description,
        checksum_algorithm: algorithm.name().to_owned(),
        composite_checksum,
        checksum_named: ask.header("x-amz-checksum-algorithm").is_some(),
        under: under.clone(),
    });
    let document = Element::document("InitiateMultipartUploadResult")
        .text("Bucket", ask.target.bucket())
        .text("Key", ask.target.key())
        .text("UploadId", id);
    let mut answer = sealing::shown(Answer::xml(&document), under.as_ref());
    if ask.header("x-amz-checksum-algorithm").is_some() {
        answer.add("x-amz-checksum-algorithm", algorithm.name());
        answer.add("x-amz-checksum-type", checksum_type(composite_checksum));
    }
    Ok(answer)
}

/// The upload that the request names.
pub(super) fn upload<'v>(ask: &Ask<'_>, view: &'v Snapshot) -> Result<&'v Arc<MultipartUpload>, S3Error> {
    ask.bucket(view)?;
    let id = ask.target.parameter("uploadId").unwrap_or_default();
    let key = MultipartUpload::key_of(ask.target.bucket(), ask.target.key(), id);
    view.s3
        .uploads
        .get(&key)
        .ok_or_else(|| S3Error::NoSuchUpload(id.to_owned()))
}

/// The number of the part that the request names.
fn part_number(ask: &Ask<'_>) -> Result<u32, S3Error> {
    let text = ask.target.parameter("partNumber").unwrap_or_default();
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=PARTS_MAX).contains(number));
    number.ok_or_else(|| S3Error::InvalidArgument {
        message: "Part number must be an integer between 1 and 10000, inclusive",
        name: "partNumber",
        value: text.to_owned(),
    })
}

pub(super) fn require_part(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(vec![checks::on_object(ask, view, "s3:PutObject")])
}

/// The bytes take the key that the upload is under, too.
pub(super) fn require_bytes(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    let mut all = require_part(ask, view)?;
    all.extend(to_open(ask, view)?);
    Ok(all)
}

fn to_open(ask: &Ask<'_>, view: &Snapshot) -> Result<Option<Check>, S3Error> {
    // An upload that is not there is told to who may write.
    let upload = upload(ask, view).ok();
    sealing::to_open(ask, view, upload.and_then(|upload| upload.under.as_ref()))
}

/// Keeps a part in its upload, which may have ended meanwhile.
async fn keep_part(ask: &Ask<'_>, body: Body) -> Result<(Received, Checksum, Part), ServiceError> {
    let number = part_number(ask)?;
    let under = upload(ask, &ask.decided)?.under.as_ref();
    let key = sealing::open(ask, under)?;
    let sealer = sealing::sealer(ask, key.as_ref())?;
    let (piece, received) = body.keep(ask.blobs(), PUT_BYTES_MAX, sealer).await?;
    let checksum = checksum_of(&received);
    let etag = sealing::etag(ask, key.is_some(), &received.etag);
    let part = ask
        .change(|tx| {
            let upload_id = upload(ask, tx.view())?.id.clone();
            let part = Part {
                upload_id,
                number,
                size: received.size,
                etag: etag.clone(),
                piece: piece.clone(),
                checksum: Some(checksum.clone()),
                modified: tx.now,
            };
            tx.put(part.clone());
            Ok(part)
        })
        .await?;
    Ok((received, checksum, part))
}

/// The algorithm of the upload's checksums.
fn algorithm_of(upload: &MultipartUpload) -> Algorithm {
    Algorithm::named(&upload.checksum_algorithm).unwrap_or(Algorithm::Crc64Nvme)
}

pub(super) fn put_part<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    body: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let mut body = body.ok_or(S3Error::MissingContentLength)?;
        part_number(ask)?;
        check_length(&body)?;
        let upload = upload(ask, &ask.decided)?;
        body.expect(algorithm_of(upload), upload.checksum_named)?;
        let (received, _, part) = keep_part(ask, body).await?;
        let answer = Answer::empty(StatusCode::OK).with("etag", &quoted(&part.etag));
        let mut answer = sealing::shown(answer, upload.under.as_ref());
        let (algorithm, checksum) = &received.shown;
        answer.add(algorithm.header(), checksum);
        Ok(answer)
    }
    .boxed()
}

pub(super) fn require_copy_part(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    let mut all = checks_on_source(ask, view, "s3:GetObject")?;
    all.push(checks::on_object(ask, view, "s3:PutObject"));
    all.extend(to_open(ask, view)?);
    Ok(all)
}

pub(super) fn copy_part<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        part_number(ask)?;
        let upload = upload(ask, &ask.decided)?;
        let algorithm = algorithm_of(upload);
        let source = source_object(ask)?;
        let range = copied_range(ask, source.size)?;
        let size = range.end - range.start;
        if size > PUT_BYTES_MAX {
            let text = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {PUT_BYTES_MAX}"
            );
            return Err(S3Error::InvalidRequest(text).into());
        }
        let key = sealing::open(ask, source.under.as_ref())?;
        let body = as_body(ask.blobs(), &source.pieces, range, key, Some(algorithm)).await?;
        let (_, checksum, part) = keep_part(ask, body).await?;
        let document = Element::document("CopyPartResult")
            .text("LastModified", iso(part.modified))
            .text("ETag", quoted(&part.etag))
            .text(&format!("Checksum{}", checksum.algorithm), &checksum.value);
        Ok(sealing::shown(Answer::xml(&document), upload.under.as_ref()))
    }
    .boxed()
}

/// `bytes=FIRST-LAST`, both there.
fn copied_range(ask: &Ask<'_>, size: u64) -> Result<std::ops::Range<u64>, S3Error> {
    let Some(text) = ask.header("x-amz-copy-source-range") else {
        return Ok(0..size);
    };
    let invalid = || S3Error::InvalidArgument {
        message: "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                  zero-based offsets of the first and last bytes to copy",
        name: "x-amz-copy-source-range",
        value: text.to_owned(),
    };
    let range = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'));
    let (first, last) = range.ok_or_else(invalid)?;
    let first: u64 = first.parse().map_err(|_| invalid())?;
    let last: u64 = last.parse().map_err(|_| invalid())?;
    if first > last {
        return Err(invalid());
    }
    if last >= size {
        let requested = text.to_owned();
        return Err(S3Error::InvalidRange { requested, size });
    }
    Ok(first..last + 1)
}

/// A part as the completing request names it.
struct Named {
    number: u32,
    etag: String,
    checksums: BTreeMap<&'static str, String>,
}

fn named_parts(document: &[u8]) -> Result<Vec<Named>, S3Error> {
    xml::read(document, "CompleteMultipartUpload", |root| {
        let parts = xml::children(root, "Part").map(|part| {
            let number = xml::text(part, "PartNumber").ok_or(S3Error::MalformedXml)?;
            let etag = xml::text(part, "ETag").ok_or(S3Error::MalformedXml)?;
            let checksum = |algorithm: Algorithm| {
                let value = xml::text(part, &format!("Checksum{}", algorithm.name()))?;
                Some((algorithm.name(), value.to_owned()))
            };
            Ok(Named {
                number: number.trim().parse().map_err(|_| S3Error::MalformedXml)?,
                etag: etag.trim().trim_matches('"').to_owned(),
                checksums: Algorithm::ALL.into_iter().filter_map(checksum).collect(),
            })
        });
        let parts = parts.collect::<Result<Vec<_>, S3Error>>()?;
        if parts.is_empty() || parts.len() > PARTS_MAX as usize {
            return Err(S3Error::MalformedXml);
        }
        Ok(parts)
    })
}

/// The parts that were named, in order.
fn chosen(view: &Snapshot, upload_id: &str, named: &[Named]) -> Result<Vec<Arc<Part>>, S3Error> {
    if !named.is_sorted_by(|one, next| one.number < next.number) {
        return Err(S3Error::InvalidPartOrder(upload_id.to_owned()));
    }
    let mut parts = Vec::with_capacity(named.len());
    for (index, wanted) in named.iter().enumerate() {
        let missing = || S3Error::InvalidPart {
            upload_id: upload_id.to_owned(),
            part: wanted.number,
        };
        let part = view
            .s3
            .parts
            .get(&Part::key_of(upload_id, wanted.number))
            .ok_or_else(missing)?;
        let agrees = |(name, value): (&&str, &String)| {
            let known = part.checksum.as_ref().filter(|known| known.algorithm == **name);
            known.is_none_or(|known| known.value == *value)
        };
        if part.etag != wanted.etag || !wanted.checksums.iter().all(agrees) {
            return Err(missing());
        }
        if part.size < PART_BYTES_MIN && index + 1 < named.len() {
            return Err(S3Error::EntityTooSmall {
                proposed: part.size,
                min: PART_BYTES_MIN,
                part: part.number,
            });
        }
        parts.push(Arc::clone(part));
    }
    Ok(parts)
}

/// The checksum of the whole.
fn whole_checksum(upload: &MultipartUpload, parts: &[Arc<Part>]) -> Option<Checksum> {
    let algorithm = algorithm_of(upload);
    let values = parts.iter().map(|part| {
        let checksum = part.checksum.as_ref()?;
        Some((checksum.value.as_str(), part.size))
    });
    let values = values.collect::<Option<Vec<_>>>()?;
    let value = if upload.composite_checksum {
        composite(algorithm, values.iter().map(|(value, _)| *value))
    } else {
        let mut values = values.into_iter();
        let (first, _) = values.next()?;
        values.try_fold(first.to_owned(), |whole, (next, size)| {
            algorithm.combined(&whole, next, size)
        })?
    };
    Some(Checksum {
        algorithm: algorithm.name().to_owned(),
        value,
        composite: upload.composite_checksum,
    })
}

/// Whether the whole is what the completing request says.
fn check_claims(ask: &Ask<'_>, size: u64, checksum: Option<&Checksum>) -> Result<(), S3Error> {
    if size > OBJECT_BYTES_MAX {
        return Err(S3Error::EntityTooLarge {
            proposed: size,
            max: OBJECT_BYTES_MAX,
        });
    }
    let claimed = ask.header("x-amz-mp-object-size");
    if claimed.is_some_and(|claimed| claimed.parse() != Ok(size)) {
        let text = "The provided 'x-amz-mp-object-size' header value does not match what was computed.";
        return Err(S3Error::InvalidRequest(text.to_owned()));
    }
    for algorithm in Algorithm::ALL {
        let Some(claimed) = ask.header(algorithm.header()) else {
            continue;
        };
        let known = checksum.filter(|known| known.algorithm == algorithm.name());
        if known.is_none_or(|known| known.value != claimed) {
            return Err(S3Error::BadChecksum(algorithm.name()));
        }
    }
    Ok(())
}

pub(super) fn complete(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let named = named_parts(ask.document)?;
    let (bucket, key) = (ask.target.bucket(), ask.target.key());
    let upload = match upload(ask, tx.view()) {
        Ok(upload) => Arc::clone(upload),
        // Asked again, because the first answer was lost.
        Err(error) => return completed_before(ask, tx.view()).ok_or(error),
    };
    conditions::before_writing(ask, tx.view())?;
    let parts = chosen(tx.view(), &upload.id, &named)?;
    let size = parts.iter().map(|part| part.size).sum();
    let checksum = whole_checksum(&upload, &parts);
    check_claims(ask, size, checksum.as_ref())?;
    let pieces: Vec<Piece> = parts.iter().filter_map(|part| part.piece.clone()).collect();
    let object = Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        size,
        etag: etag_of_parts(parts.iter().map(|part| part.etag.as_str())),
        pieces,
        modified: tx.now,
        description: upload.description.clone(),
        checksum,
        parts: Some(PartsOf {
            upload_id: upload.id.clone(),
            sizes: parts.iter().map(|part| part.size).collect(),
        }),
        under: upload.under.clone(),
    };
    let answer = completed(ask, &object);
    tx.put(object);
    end(tx, &upload);
    Ok(answer)
}

fn completed_before(ask: &Ask<'_>, view: &Snapshot) -> Option<Answer> {
    let object = view.s3.object(ask.target.bucket(), ask.target.key())?;
    let id = ask.target.parameter("uploadId")?;
    let parts = object.parts.as_ref();
    parts
        .is_some_and(|parts| parts.upload_id == id)
        .then(|| completed(ask, object))
}

fn completed(ask: &Ask<'_>, object: &Object) -> Answer {
    let host = ask.header("host").unwrap_or_default();
    let scheme = if ask.call.tls.is_some() { "https" } else { "http" };
    let result = Element::document("CompleteMultipartUploadResult")
        .text(
            "Location",
            format!("{scheme}://{host}/{}/{}", object.bucket, object.key),
        )
        .text("Bucket", &object.bucket)
        .text("Key", &object.key)
        .text("ETag", quoted(&object.etag));
    let document = add_checksum(result, object.checksum.as_ref());
    sealing::shown(Answer::xml(&document), object.under.as_ref())
}

/// Takes an upload and what is left of its parts away.
fn end(tx: &mut Tx<'_>, upload: &MultipartUpload) {
    let below = format!("{}/", upload.id);
    let parts: Vec<String> = tx
        .view()
        .s3
        .parts
        .prefix(&below)
        .map(|(key, _)| key.to_owned())
        .collect();
    for part in parts {
        tx.delete::<Part>(&part);
    }
    tx.delete::<MultipartUpload>(&MultipartUpload::key_of(&upload.bucket, &upload.key, &upload.id));
}

pub(super) fn require_abort(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(vec![checks::on_object(ask, view, "s3:AbortMultipartUpload")])
}

pub(super) fn abort(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let upload = Arc::clone(upload(ask, tx.view())?);
    end(tx, &upload);
    Ok(Answer::no_content())
}
