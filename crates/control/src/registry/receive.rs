//! What comes in: never whole in memory, but for manifests, and never slower than one part a minute.

use std::fmt::Display;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes};
use portcullis_blobs::Writer;

use super::errors::{Code, Refusal};

/// How long a client may send nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A body that comes in.
pub(super) trait Incoming: HttpBody<Data = Bytes, Error: Display> + Send + Unpin {}

impl<B: HttpBody<Data = Bytes, Error: Display> + Send + Unpin> Incoming for B {}

/// The next bytes, or `None` at the end.
async fn next(body: &mut impl Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let Ok(frame) = tokio::time::timeout(SILENCE_MAX, body.frame()).await else {
            return Err(Refusal::new(Code::BlobUploadInvalid, "The client fell silent."));
        };
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a body broke off");
                return Err(Refusal::new(Code::BlobUploadInvalid, "The body broke off."));
            }
        }
    }
}

/// Writes a body to an upload. `announced` is how many bytes it has to have, if the request says so; `room` is how many it
/// may have.
pub(super) async fn layer(
    mut body: impl Incoming,
    mut writer: Writer,
    announced: Option<u64>,
    room: u64,
) -> Result<u64, Refusal> {
    let mut received = 0_u64;
    while let Some(bytes) = next(&mut body).await? {
        received += bytes.len() as u64;
        if announced.is_some_and(|announced| received > announced) {
            return Err(wrong_size());
        }
        if received > room {
            return Err(too_large());
        }
        writer
            .write(&bytes)
            .await
            .map_err(|error| Refusal::of_blobs(&error))?;
    }
    if announced.is_some_and(|announced| received != announced) {
        return Err(wrong_size());
    }
    writer.flush().await.map_err(|error| Refusal::of_blobs(&error))
}

/// A whole body of at most `max` bytes.
pub(super) async fn small(mut body: impl Incoming, max: usize) -> Result<Vec<u8>, Refusal> {
    let mut whole = Vec::new();
    while let Some(bytes) = next(&mut body).await? {
        if whole.len() + bytes.len() > max {
            let text = format!("The manifest is larger than {max} bytes, the most that a manifest may have.");
            return Err(Refusal::new(Code::ManifestTooLarge, text));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// Lets a body of at most `room` bytes pass that nobody needs.
pub(super) async fn nothing(body: &mut impl Incoming, room: u64) -> Result<(), Refusal> {
    let mut received = 0_u64;
    while let Some(bytes) = next(body).await? {
        received += bytes.len() as u64;
        if received > room {
            return Err(too_large());
        }
    }
    Ok(())
}

fn too_large() -> Refusal {
    let text = "The layer is larger than 52,000 MiB, the most that a layer may have.";
    Refusal::new(Code::LayerTooLarge, text)
}

fn wrong_size() -> Refusal {
    Refusal::new(
        Code::SizeInvalid,
        "The body has not as many bytes as its head says.",
    )
}
