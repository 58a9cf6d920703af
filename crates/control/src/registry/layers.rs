//! Layers that go out.

use std::ops::Range;

use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use portcullis_api::ecr::{self, op};
use portcullis_blobs::{Blobs, Digest};

use super::answer::{self, CONTENT_DIGEST};
use super::desk::Desk;
use super::errors::{Code, Refusal};
use crate::accounts::Accounts;
use crate::events::Body;
use crate::services::ecr::for_registry::tickets;

/// GET or HEAD of a layer or configuration.
pub(super) async fn get(desk: &Desk<'_>, name: &str, digest: &str) -> Result<Response<Body>, Refusal> {
    let digest: Digest = digest.parse().map_err(|_| Refusal::digest())?;
    match desk.parts.method {
        Method::HEAD => look(desk, name, &digest).await,
        _ => download(desk, name, &digest).await,
    }
}

async fn look(desk: &Desk<'_>, name: &str, digest: &Digest) -> Result<Response<Body>, Refusal> {
    let input = ecr::BatchCheckLayerAvailabilityRequest {
        repository_name: name.to_owned(),
        layer_digests: vec![digest.to_string()],
        ..Default::default()
    };
    let found = desk.call::<op::BatchCheckLayerAvailability>(&input).await;
    let found = found.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    let mut layers = found.layers.unwrap_or_default().into_iter();
    let layer = layers.find(|layer| layer.layer_availability.as_deref() == Some("AVAILABLE"));
    let layer = layer.ok_or_else(|| unknown(digest))?;
    let size = layer.layer_size.and_then(|size| u64::try_from(size).ok());
    let digest = digest.to_string();
    Ok(answer::head(size.unwrap_or_default(), &headers(&digest)))
}

async fn download(desk: &Desk<'_>, name: &str, digest: &Digest) -> Result<Response<Body>, Refusal> {
    let input = ecr::GetDownloadUrlForLayerRequest {
        repository_name: name.to_owned(),
        layer_digest: digest.to_string(),
        ..Default::default()
    };
    let granted = desk.call::<op::GetDownloadUrlForLayer>(&input).await;
    granted.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    bytes(desk.blobs(), digest, desk.parts).await
}

/// GET of a layer by whoever has a ticket for it, which GetDownloadUrlForLayer gave.
pub(super) async fn ticketed(accounts: &Accounts, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let text = parts.uri.path().strip_prefix(tickets::PATH).unwrap_or_default();
    let digest: Digest = text.parse().map_err(|_| Refusal::digest())?;
    if parts.method != Method::GET {
        return Err(Refusal::unsupported());
    }
    let world = accounts.first().gate.world();
    let query = parts.uri.query().unwrap_or_default();
    if !tickets::admits(world.vault(), text, query, world.clock().now()) {
        return Err(Refusal::new(
            Code::Denied,
            "The address of the layer is no longer good, or never was.",
        ));
    }
    bytes(world.blobs(), &digest, parts).await
}

async fn bytes(blobs: &Blobs, digest: &Digest, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let blob = blobs.open(digest).await;
    let blob = blob.map_err(|error| Refusal::of_blobs(&error))?;
    let blob = blob.ok_or_else(|| unknown(digest))?;
    let (size, text) = (blob.size(), digest.to_string());
    let range = parts.headers.get(header::RANGE);
    match wanted(range.and_then(|range| range.to_str().ok()), size) {
        None => Ok(answer::stored(StatusCode::OK, &blob, 0..size, &headers(&text))),
        Some(Some(range)) => {
            let content = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let mut headers = headers(&text).to_vec();
            headers.push((header::CONTENT_RANGE, &content));
            Ok(answer::stored(
                StatusCode::PARTIAL_CONTENT,
                &blob,
                range,
                &headers,
            ))
        }
        Some(None) => {
            let text = format!("The layer has {size} bytes: the range is beyond its end.");
            Err(Refusal::new(Code::RangeInvalid, text).with(header::CONTENT_RANGE, format!("bytes */{size}")))
        }
    }
}

fn headers(digest: &str) -> [(header::HeaderName, &str); 3] {
    [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::ACCEPT_RANGES, "bytes"),
        (CONTENT_DIGEST, digest),
    ]
}

/// The range a request asks for: `None` if for everything, `Some(None)` if for nothing that is there. Whatever is not one
/// range of bytes is passed over, as HTTP has it.
fn wanted(header: Option<&str>, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = header?.trim().strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", last) => size.saturating_sub(last.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(Some(range).filter(|range| range.start < range.end))
}

/// There is no such layer.
pub(super) fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(
        Code::BlobUnknown,
        format!("The layer with digest '{digest}' does not exist."),
    )
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn one_range_of_bytes_is_taken_as_it_is_meant() {
        let cases = [
            ("bytes=0-0", Some(Some(0..1))),
            ("bytes=2-", Some(Some(2..10))),
            ("bytes=2-99", Some(Some(2..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-99", Some(Some(0..10))),
            ("bytes=10-", Some(None)),
            ("bytes=99-100", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-4", None),
            ("bytes=a-b", None),
            ("bytes=0-1,3-4", None),
            ("items=0-1", None),
            ("bytes=18446744073709551615-18446744073709551615", Some(None)),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
        assert_eq!(wanted(None, 10), None);
    }
}
