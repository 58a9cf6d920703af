//! CopyObject. The new row refers to the blobs of the old one; bytes are read only where another checksum is wanted.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use portcullis_blobs::Digest;

use super::answer::Answer;
use super::ask::Ask;
use super::body::Body;
use super::buckets::{iso, refuse_acl};
use super::checks;
use super::checksum::Algorithm;
use super::conditions;
use super::describe::{checksum_type, description, quoted, tags};
use super::errors::S3Error;
use super::get::as_body;
use super::put::{PUT_BYTES_MAX, checksum_of};
use super::sealing::{self, Drawn};
use super::xml::Element;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::world::Snapshot;
use crate::world::records::s3::{Checksum, Description, Object, Piece};

/// What is copied, by its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub bucket: String,
    pub key: String,
    version: Option<String>,
}

/// The source as its condition key has it: `BUCKET/KEY`.
pub(super) fn source_text(ask: &Ask<'_>) -> Option<String> {
    let source = source(ask).ok()?;
    Some(format!("{}/{}", source.bucket, source.key))
}

/// The source that the header names.
pub(super) fn source(ask: &Ask<'_>) -> Result<Source, S3Error> {
    let text = ask.header("x-amz-copy-source").unwrap_or_default();
    let invalid = || S3Error::InvalidArgument {
        message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        name: "x-amz-copy-source",
        value: text.to_owned(),
    };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
    if bucket.is_empty() || key.is_empty() || key.contains('\0') {
        return Err(invalid());
    }
    Ok(Source {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: query.strip_prefix("versionId=").map(str::to_owned),
    })
}

/// A picture of the source's account.
fn source_view(call: &Call, view: &Snapshot, source: &Source) -> Result<Arc<Snapshot>, S3Error> {
    if view.s3.buckets.get(&source.bucket).is_some() {
        return Ok(Arc::new(view.clone()));
    }
    // What is copied is looked up in the picture that was decided on.
    let decided = call
        .others
        .having(|view| view.s3.buckets.get(&source.bucket).is_some());
    let looked_up = || {
        let owner = view.neighbours().bucket_owner(&source.bucket)?;
        call.others.of(view, &owner)
    };
    let found = decided.or_else(looked_up);
    found.ok_or_else(|| S3Error::NoSuchBucket(source.bucket.clone()))
}

/// The checks on what is copied.
pub(super) fn checks_on_source(
    ask: &Ask<'_>,
    view: &Snapshot,
    action: &'static str,
) -> Result<Vec<Check>, S3Error> {
    let source = source(ask)?;
    let theirs = source_view(ask.call, view, &source)?;
    let mut all = checks::on_existing_object_of(ask, &theirs, action, &source.bucket, &source.key);
    let object = theirs.s3.object(&source.bucket, &source.key);
    let under = object.and_then(|object| object.under.as_ref());
    all.extend(sealing::to_open(ask, view, under)?);
    Ok(all)
}

/// The object that is copied.
pub(super) fn source_object(ask: &Ask<'_>) -> Result<Arc<Object>, S3Error> {
    let source = source(ask)?;
    if source.version.as_ref().is_some_and(|version| version != "null") {
        return Err(S3Error::NoSuchVersion(source.version.unwrap_or_default()));
    }
    let view = source_view(ask.call, &ask.decided, &source)?;
    let found = view.s3.object(&source.bucket, &source.key).cloned();
    let object = found.ok_or_else(|| S3Error::NoSuchKey(source.key.clone()))?;
    conditions::before_reading(ask, "x-amz-copy-source-", &object)?;
    Ok(object)
}

/// Whether a directive says that something of the source is replaced.
fn replaces(ask: &Ask<'_>, header: &'static str) -> Result<bool, S3Error> {
    match ask.header(header) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(S3Error::InvalidArgument {
            message: "Unknown metadata directive.",
            name: header,
            value: other.to_owned(),
        }),
    }
}

const TAGGING_DIRECTIVE: &str = "x-amz-tagging-directive";

pub(super) fn require(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    let mut all = checks_on_source(ask, view, "s3:GetObject")?;
    let source = source(ask)?;
    let theirs = source_view(ask.call, view, &source)?;
    let tags = match replaces(ask, TAGGING_DIRECTIVE)? {
        true => tags(ask)?,
        false => {
            let object = theirs.s3.object(&source.bucket, &source.key);
            object
                .map(|object| object.description.tags.clone())
                .unwrap_or_default()
        }
    };
    all.push(checks::with_object_tags(
        checks::on_object(ask, view, "s3:PutObject"),
        &tags,
    ));
    if !tags.is_empty() {
        if !replaces(ask, TAGGING_DIRECTIVE)? {
            let read = checks::on_object_of(ask, &theirs, "s3:GetObjectTagging", &source.bucket, &source.key);
            all.push(read);
        }
        let write = checks::on_object(ask, view, "s3:PutObjectTagging");
        all.push(checks::with_object_tags(write, &tags));
    }
    all.extend(sealing::to_seal(ask, view)?);
    Ok(all)
}

/// What the copy says of itself.
fn described(ask: &Ask<'_>, source: &Object) -> Result<Description, S3Error> {
    refuse_acl(ask)?;
    let asked = description(ask)?;
    let tags = match replaces(ask, TAGGING_DIRECTIVE)? {
        true => asked.tags.clone(),
        false => source.description.tags.clone(),
    };
    let whole = match replaces(ask, "x-amz-metadata-directive")? {
        true => asked,
        false => source.description.clone(),
    };
    Ok(Description { tags, ..whole })
}

/// The bytes of a copy.
struct Copied {
    pieces: Vec<Piece>,
    etag: String,
    checksum: Option<Checksum>,
}

/// Refers to the source's blobs, or keeps its bytes again: one blob of what came in parts or goes from key to key, with the
/// checksum of its bytes.
async fn bytes(
    ask: &Ask<'_>,
    source: &Object,
    wanted: Option<Algorithm>,
    drawn: Option<&Drawn>,
) -> Result<Copied, S3Error> {
    let blobs = ask.blobs();
    let is_clear = source.under.is_none() && drawn.is_none();
    let known = source
        .checksum
        .as_ref()
        .map(|checksum| checksum.algorithm.as_str());
    let is_known = wanted.is_none_or(|wanted| known == Some(wanted.name()));
    if source.parts.is_none() && is_known && is_clear {
        for piece in &source.pieces {
            let digest = Digest::from_hex(&piece.digest).map_err(|_| S3Error::Internal)?;
            if !blobs.hold(&digest).await? {
                return Err(S3Error::NoSuchKey(source.key.clone()));
            }
        }
        return Ok(Copied {
            pieces: source.pieces.clone(),
            etag: source.etag.clone(),
            checksum: source.checksum.clone(),
        });
    }
    let algorithm = wanted.or_else(|| Algorithm::named(known?));
    let key = sealing::open(ask, source.under.as_ref())?;
    let body = as_body(blobs, &source.pieces, 0..source.size, key, algorithm).await?;
    let sealer = sealing::sealer(ask, drawn.map(|drawn| &drawn.key))?;
    let (piece, received) = body.keep(blobs, PUT_BYTES_MAX, sealer).await?;
    Ok(Copied {
        pieces: piece.into_iter().collect(),
        etag: sealing::etag(ask, drawn.is_some(), &received.etag),
        checksum: Some(checksum_of(&received)),
    })
}

pub(super) fn copy<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let from = source_object(ask)?;
        let named = source(ask)?;
        let is_same = named.bucket == ask.target.bucket() && named.key == ask.target.key();
        let changes = replaces(ask, "x-amz-metadata-directive")?;
        if is_same && !changes && ask.header("x-amz-server-side-encryption").is_none() {
            let text = "This copy request is illegal because it is trying to copy an object to itself without changing the \
                        object's metadata, storage class, website redirect location or encryption attributes.";
            return Err(S3Error::InvalidRequest(text.to_owned()).into());
        }
        if from.size > PUT_BYTES_MAX {
            let text = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {PUT_BYTES_MAX}"
            );
            return Err(S3Error::InvalidRequest(text).into());
        }
        let description = described(ask, &from)?;
        let wanted = ask.header("x-amz-checksum-algorithm").and_then(Algorithm::named);
        let drawn = sealing::draw(ask, &ask.decided, ask.owner.world().random().as_ref())?;
        let copied = bytes(ask, &from, wanted, drawn.as_ref()).await?;
        let (modified, under) = ask
            .change(|tx| {
                ask.bucket(tx.view())?;
                conditions::before_writing(ask, tx.view())?;
                let under = sealing::keep(ask, tx, drawn.as_ref())?;
                let modified = tx.now;
                tx.put(Object {
                    bucket: ask.target.bucket().to_owned(),
                    key: ask.target.key().to_owned(),
                    size: from.size,
                    etag: copied.etag.clone(),
                    pieces: copied.pieces.clone(),
                    modified,
                    description: description.clone(),
                    checksum: copied.checksum.clone(),
                    parts: None,
                    under: under.clone(),
                });
                Ok((modified, under))
            })
            .await?;
        let result = Element::document("CopyObjectResult")
            .text("LastModified", iso(modified))
            .text("ETag", quoted(&copied.etag));
        let document = add_checksum(result, copied.checksum.as_ref());
        Ok(sealing::shown(Answer::xml(&document), under.as_ref()))
    }
    .boxed()
}

/// `ChecksumCRC32` and `ChecksumType` in a result.
pub(super) fn add_checksum(result: Element, checksum: Option<&Checksum>) -> Element {
    match checksum {
        Some(checksum) => result
            .text(&format!("Checksum{}", checksum.algorithm), &checksum.value)
            .text("ChecksumType", checksum_type(checksum.composite)),
        None => result,
    }
}
