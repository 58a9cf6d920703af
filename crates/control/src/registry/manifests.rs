//! Manifests: what an image is made of.

use http::{Method, Response, StatusCode, header};
use hyper::body::Bytes;
use portcullis_api::ecr::{self, op};
use portcullis_blobs::Digest;
use serde_json::Value;

use super::answer::{self, CONTENT_DIGEST, SUBJECT};
use super::desk::Desk;
use super::errors::{Code, Refusal};
use super::receive::{self, Incoming};
use crate::events::Body;
use crate::services::ecr::for_registry::is_tag;

/// Largest manifest, in bytes: as long as ECR's model lets `imageManifest` be.
const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
pub(super) const DEFAULT_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What an image is called by.
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    /// Reads the last part of a path.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return Ok(Self::Digest(text.parse().map_err(|_| Refusal::digest())?));
        }
        match is_tag(text) {
            true => Ok(Self::Tag(text.to_owned())),
            false => Err(Refusal::new(
                Code::TagInvalid,
                "The tag is none that an image can have.",
            )),
        }
    }

    /// What is known to be a tag or a digest.
    pub fn text(&self) -> String {
        match self {
            Self::Tag(tag) => tag.clone(),
            Self::Digest(digest) => digest.to_string(),
        }
    }

    fn image_id(&self) -> ecr::ImageIdentifier {
        let (image_digest, image_tag) = match self {
            Self::Tag(tag) => (None, Some(tag.clone())),
            Self::Digest(digest) => (Some(digest.to_string()), None),
        };
        ecr::ImageIdentifier {
            image_digest,
            image_tag,
        }
    }
}

/// GET or HEAD of a manifest.
pub(super) async fn get(desk: &Desk<'_>, name: &str, reference: &str) -> Result<Response<Body>, Refusal> {
    let reference = Reference::read(reference)?;
    let input = ecr::BatchGetImageRequest {
        repository_name: name.to_owned(),
        image_ids: vec![reference.image_id()],
        ..Default::default()
    };
    let found = desk.call::<op::BatchGetImage>(&input).await;
    let found = found.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    let Some(image) = found.images.unwrap_or_default().into_iter().next() else {
        return Err(missing(found.failures.unwrap_or_default()));
    };
    let manifest = image.image_manifest.unwrap_or_default();
    let id = image.image_id.unwrap_or_default();
    let digest = id.image_digest.unwrap_or_default();
    let kind = image.image_manifest_media_type;
    let headers = [
        (header::CONTENT_TYPE, kind.as_deref().unwrap_or(DEFAULT_TYPE)),
        (CONTENT_DIGEST, digest.as_str()),
    ];
    Ok(match desk.parts.method {
        Method::HEAD => answer::head(manifest.len() as u64, &headers),
        _ => answer::with(StatusCode::OK, Bytes::from(manifest), &headers),
    })
}

/// A new manifest.
pub(super) async fn put(
    desk: &Desk<'_>,
    name: &str,
    reference: &str,
    body: impl Incoming,
) -> Result<Response<Body>, Refusal> {
    let reference = Reference::read(reference)?;
    let manifest = receive::small(body, MANIFEST_BYTES_MAX).await?;
    let manifest = String::from_utf8(manifest)
        .map_err(|_| Refusal::new(Code::ManifestInvalid, "The manifest is no text in UTF-8."))?;
    let id = reference.image_id();
    let kind = desk.header(header::CONTENT_TYPE);
    let kind = kind.map(|kind| kind.split_once(';').map_or(kind, |(kind, _)| kind).trim());
    let subject = subject(&manifest);
    let input = ecr::PutImageRequest {
        repository_name: name.to_owned(),
        image_manifest: manifest,
        image_manifest_media_type: kind.map(str::to_owned),
        image_tag: id.image_tag,
        image_digest: id.image_digest,
        ..Default::default()
    };
    match desk.call::<op::PutImage>(&input).await {
        // To the registry's clients an image that is there is as good as one that was made.
        Err(error) if error.code() != "ImageAlreadyExistsException" => {
            return Err(Refusal::of_ecr(&error, Code::ManifestInvalid));
        }
        _ => {}
    }
    let digest = Digest::of(input.image_manifest.as_bytes()).to_string();
    let location = desk.path(format_args!("{name}/manifests/{digest}"));
    let mut headers = vec![
        (header::LOCATION, location.as_str()),
        (CONTENT_DIGEST, digest.as_str()),
    ];
    headers.extend(subject.as_deref().map(|subject| (SUBJECT, subject)));
    Ok(answer::bare(StatusCode::CREATED, &headers))
}

/// The digest of the manifest that this one is about.
fn subject(manifest: &str) -> Option<String> {
    let manifest: Value = serde_json::from_str(manifest).ok()?;
    let subject = manifest.get("subject")?.get("digest")?.as_str()?;
    Some(subject.to_owned())
}

/// Takes an image away, or one of its tags.
pub(super) async fn delete(desk: &Desk<'_>, name: &str, reference: &str) -> Result<Response<Body>, Refusal> {
    let input = ecr::BatchDeleteImageRequest {
        repository_name: name.to_owned(),
        image_ids: vec![Reference::read(reference)?.image_id()],
        ..Default::default()
    };
    let deleted = desk.call::<op::BatchDeleteImage>(&input).await;
    let deleted = deleted.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    let failures = deleted.failures.unwrap_or_default();
    match failures.is_empty() {
        true => Ok(answer::bare(StatusCode::ACCEPTED, &[])),
        false => Err(missing(failures)),
    }
}

/// Why one image was not answered.
fn missing(failures: Vec<ecr::ImageFailure>) -> Refusal {
    let failure = failures.into_iter().next().unwrap_or_default();
    let code = match failure.failure_code.as_deref() {
        Some("InvalidImageDigest") => Code::DigestInvalid,
        Some("InvalidImageTag") => Code::TagInvalid,
        Some("ImageReferencedByManifestList") => Code::ManifestInUse,
        Some("UpstreamAccessDenied") => Code::Denied,
        Some("UpstreamTooManyRequests") => Code::TooManyRequests,
        Some("UpstreamUnavailable") => Code::Unavailable,
        _ => Code::ManifestUnknown,
    };
    let reason = failure.failure_reason;
    Refusal::new(
        code,
        reason.unwrap_or_else(|| "Requested image not found".to_owned()),
    )
}
