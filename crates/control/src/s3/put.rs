//! PutObject.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::answer::Answer;
use super::ask::Ask;
use super::body::{Body, Received};
use super::checks;
use super::conditions;
use super::describe::{description, quoted, tags, with_checksum};
use super::errors::S3Error;
use super::sealing;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::world::records::s3::{Checksum, Object};
use crate::world::{Snapshot, Tx};

/// Most bytes that one request may bring.
pub(super) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

pub(super) fn require(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    let tags = tags(ask)?;
    let check = checks::with_object_tags(checks::on_object(ask, view, "s3:PutObject"), &tags);
    let mut all = vec![check];
    if !tags.is_empty() {
        let tagging = checks::on_object(ask, view, "s3:PutObjectTagging");
        all.push(checks::with_object_tags(tagging, &tags));
    }
    all.extend(sealing::to_seal(ask, view)?);
    Ok(all)
}

/// The length of a body that is to be kept.
pub(super) fn check_length(body: &Body) -> Result<(), S3Error> {
    let proposed = body.length.ok_or(S3Error::MissingContentLength)?;
    if proposed > PUT_BYTES_MAX {
        return Err(S3Error::EntityTooLarge {
            proposed,
            max: PUT_BYTES_MAX,
        });
    }
    Ok(())
}

/// The checksum of a body.
pub(super) fn checksum_of(received: &Received) -> Checksum {
    Checksum {
        algorithm: received.algorithm.name().to_owned(),
        value: received.checksum.clone(),
        composite: false,
    }
}

pub(super) fn put<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    body: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let body = body.ok_or(S3Error::MissingContentLength)?;
        check_length(&body)?;
        let description = description(ask)?;
        conditions::before_writing(ask, &ask.decided)?;
        let drawn = sealing::draw(ask, &ask.decided, ask.owner.world().random().as_ref())?;
        let sealer = sealing::sealer(ask, drawn.as_ref().map(|drawn| &drawn.key))?;
        let (piece, received) = body.keep(ask.blobs(), PUT_BYTES_MAX, sealer).await?;
        let checksum = checksum_of(&received);
        let etag = sealing::etag(ask, drawn.is_some(), &received.etag);
        let change = |tx: &mut Tx<'_>| {
            ask.bucket(tx.view())?;
            conditions::before_writing(ask, tx.view())?;
            let under = sealing::keep(ask, tx, drawn.as_ref())?;
            let modified = tx.now;
            tx.put(Object {
                bucket: ask.target.bucket().to_owned(),
                key: ask.target.key().to_owned(),
                size: received.size,
                etag: etag.clone(),
                pieces: piece.iter().cloned().collect(),
                modified,
                description: description.clone(),
                checksum: Some(checksum.clone()),
                parts: None,
                under: under.clone(),
            });
            Ok(under)
        };
        let under = ask.change(change).await?;
        let answer = Answer::empty(StatusCode::OK).with("etag", &quoted(&etag));
        Ok(with_checksum(sealing::shown(answer, under.as_ref()), &checksum))
    }
    .boxed()
}
