//! Tags of objects.

use http::StatusCode;
use portcullis_core::Tags;

use super::answer::Answer;
use super::ask::Ask;
use super::checks;
use super::describe::TAGS_MAX;
use super::errors::S3Error;
use super::get::object;
use super::settings::{tagging, tags_of_document};
use crate::gate::operation::Check;
use crate::world::records::s3::Object;
use crate::world::{Snapshot, Tx};

pub(super) fn require_get(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(checks::on_existing_object(ask, view, "s3:GetObjectTagging"))
}

pub(super) fn get(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    Ok(Answer::xml(&tagging(&object(ask, view)?.description.tags)))
}

pub(super) fn require_put(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    let tags = tags_of_document(ask.document, TAGS_MAX)?;
    let checks = checks::on_existing_object(ask, view, "s3:PutObjectTagging");
    Ok(checks
        .into_iter()
        .map(|check| checks::with_object_tags(check, &tags))
        .collect())
}

pub(super) fn put(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let tags = tags_of_document(ask.document, TAGS_MAX)?;
    set(ask, tx, tags)?;
    Ok(Answer::empty(StatusCode::OK))
}

pub(super) fn require_delete(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(checks::on_existing_object(ask, view, "s3:DeleteObjectTagging"))
}

pub(super) fn delete(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    set(ask, tx, Tags::new())?;
    Ok(Answer::no_content())
}

fn set(ask: &Ask<'_>, tx: &mut Tx<'_>, tags: Tags) -> Result<(), S3Error> {
    let mut changed = Object::clone(object(ask, tx.view())?);
    changed.description.tags = tags;
    tx.put(changed);
    Ok(())
}
