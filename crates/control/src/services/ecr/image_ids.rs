//! Images as calls name them: by digest, by tag, or by both.

use std::sync::Arc;

use portcullis_api::ecr as api;

use super::errors::{EcrError, Place};
use super::layers::is_digest;
use super::names::Named;
use crate::gate::call::Call;
use crate::world::Snapshot;
use crate::world::records::ecr::Image;

/// Longest tag.
const TAG_BYTES_MAX: usize = 128;

/// Why an image is not there: what batch replies say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Absent {
    /// Such as `ImageNotFound`.
    pub code: &'static str,
    /// In words.
    pub reason: &'static str,
}

/// The image is not there.
pub(super) const NOT_FOUND: Absent = Absent {
    code: "ImageNotFound",
    reason: "Requested image not found",
};
const NOTHING_GIVEN: Absent = Absent {
    code: "MissingDigestAndTag",
    reason: "Invalid request parameters: both tag and digest cannot be null",
};
const NO_DIGEST: Absent = Absent {
    code: "InvalidImageDigest",
    reason: "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
};
const NO_TAG: Absent = Absent {
    code: "InvalidImageTag",
    reason: "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'",
};
const NOT_THE_SAME: Absent = Absent {
    code: "ImageTagDoesNotMatchDigest",
    reason: "The image tag and the image digest do not belong to the same image",
};

/// Whether a text can be a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    begins && text.len() <= TAG_BYTES_MAX && text.bytes().all(is_good)
}

/// The image that a call names in a repository.
pub(super) fn find<'v>(
    view: &'v Snapshot,
    call: &Call,
    named: Named<'_>,
    id: &api::ImageIdentifier,
) -> Result<&'v Arc<Image>, Absent> {
    let (digest, tag) = (id.image_digest.as_deref(), id.image_tag.as_deref());
    if digest.is_none() && tag.is_none() {
        return Err(NOTHING_GIVEN);
    }
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(NO_DIGEST);
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(NO_TAG);
    }
    let tables = &view.ecr;
    let tagged = tag
        .map(|tag| tables.tagged(&call.region, named.name, tag).ok_or(NOT_FOUND))
        .transpose()?;
    let wanted = digest.or(tagged).ok_or(NOT_FOUND)?;
    let image = tables.image(&call.region, named.name, wanted).ok_or(NOT_FOUND)?;
    match tagged {
        Some(tagged) if tagged != wanted => Err(NOT_THE_SAME),
        _ => Ok(image),
    }
}

/// As errors print an image's id.
pub(super) fn printed(id: &api::ImageIdentifier) -> String {
    let text = |member: &Option<String>| match member {
        Some(text) => format!("'{text}'"),
        None => "'null'".to_owned(),
    };
    format!(
        "{{imageDigest:{}, imageTag:{}}}",
        text(&id.image_digest),
        text(&id.image_tag)
    )
}

/// An image that must be there.
pub(super) fn found<'v>(
    view: &'v Snapshot,
    call: &Call,
    named: Named<'_>,
    id: &api::ImageIdentifier,
    place: &Place,
) -> Result<&'v Arc<Image>, EcrError> {
    find(view, call, named, id).map_err(|absent| match absent.code {
        "ImageNotFound" | "ImageTagDoesNotMatchDigest" => EcrError::NoImage {
            image: printed(id),
            place: place.clone(),
        },
        _ => EcrError::parameter("imageId", absent.reason),
    })
}

/// What a batch reply says of an image that is not there.
pub(super) fn failure(id: &api::ImageIdentifier, absent: Absent) -> api::ImageFailure {
    api::ImageFailure {
        image_id: Some(id.clone()),
        failure_code: Some(absent.code.to_owned()),
        failure_reason: Some(absent.reason.to_owned()),
    }
}
