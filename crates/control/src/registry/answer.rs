//! Answers.

use futures_util::TryStreamExt as _;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use portcullis_blobs::Stored;
use serde_json::Value;
use std::ops::Range;

use crate::events::Body;

/// The digest of what an answer is about.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The id of an upload.
pub(super) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// Which filters a list of referrers went through.
pub(super) const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The subject of a manifest, said by registries that list referrers.
pub(super) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// An answer without a body.
pub(super) fn bare(status: StatusCode, headers: &[(HeaderName, &str)]) -> Response<Body> {
    with(status, Bytes::new(), headers)
}

/// An answer with a whole body.
pub(super) fn with(status: StatusCode, body: Bytes, headers: &[(HeaderName, &str)]) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Full::new(body)));
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A list.
pub(super) fn json(value: &Value, headers: &[(HeaderName, &str)]) -> Response<Body> {
    let kind = (header::CONTENT_TYPE, "application/json");
    let headers: Vec<_> = [kind].into_iter().chain(headers.iter().cloned()).collect();
    with(StatusCode::OK, Bytes::from(value.to_string()), &headers)
}

/// What the answer to GET would be, without its body.
pub(super) fn head(size: u64, headers: &[(HeaderName, &str)]) -> Response<Body> {
    let mut response = bare(StatusCode::OK, headers);
    response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    response
}

/// Bytes of a blob.
pub(super) fn stored(
    status: StatusCode,
    blob: &Stored,
    range: Range<u64>,
    headers: &[(HeaderName, &str)],
) -> Response<Body> {
    let length = range.end.saturating_sub(range.start);
    let parts = blob.stream(range).map_err(Into::into);
    bare(status, headers).map(|_| Body::Sized(Box::pin(parts), length))
}
