//! Layers that come in: at once, or in parts that follow each other.

use http::{Response, StatusCode, header};
use portcullis_api::ecr::{self, op};
use portcullis_blobs::{Digest, Upload};
use serde_json::{Value, json};

use super::answer::{self, CONTENT_DIGEST, UPLOAD_UUID};
use super::desk::Desk;
use super::errors::{Code, Refusal};
use super::path::checked;
use super::receive::{self, Incoming};
use crate::events::Body;
use crate::gate::error::ServiceError;
use crate::services::ecr::for_registry;
use crate::upstream::LAYER_BYTES_MAX;
use crate::world::Tx;

/// Begins an upload, or does all of it: by a body with its digest, or by a layer of another repository.
pub(super) async fn begin(
    desk: &Desk<'_>,
    name: &str,
    body: impl Incoming,
) -> Result<Response<Body>, Refusal> {
    if let (Some(digest), Some(from)) = (desk.parameter("mount"), desk.parameter("from"))
        && let Some(mounted) = mount(desk, name, &digest, &from).await
    {
        return Ok(mounted);
    }
    let digest = match desk.parameter("digest") {
        Some(digest) => Some(digest.parse().map_err(|_| Refusal::digest())?),
        None => None,
    };
    let input = ecr::InitiateLayerUploadRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    };
    let begun = desk.call::<op::InitiateLayerUpload>(&input).await;
    let begun = begun.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    let upload = desk.upload(name, &begun.upload_id.unwrap_or_default());
    match digest {
        Some(digest) => {
            append(desk, name, &upload, body).await?;
            complete(desk, name, &upload, &digest).await
        }
        None => Ok(state(desk, name, &upload, 0, StatusCode::ACCEPTED)),
    }
}

/// Takes a layer over from another repository of the registry, if the registry lets layers be shared, and the caller may
/// read it there and write it here. If not, the client sends the bytes, as after every refusal of a mount.
async fn mount(desk: &Desk<'_>, name: &str, digest: &str, from: &str) -> Option<Response<Body>> {
    let digest: Digest = digest.parse().ok()?;
    let from = checked(from).ok()?;
    if !for_registry::mounts_blobs(&desk.gate().world().view(), &desk.region) {
        return None;
    }
    let input = ecr::GetDownloadUrlForLayerRequest {
        repository_name: from.clone(),
        layer_digest: digest.to_string(),
        ..Default::default()
    };
    desk.call::<op::GetDownloadUrlForLayer>(&input).await.ok()?;
    let operation = "CompleteLayerUpload";
    let call = desk
        .admit(operation, "ecr:CompleteLayerUpload", name)
        .await
        .ok()?;
    if !desk.blobs().hold(&digest).await.ok()? {
        return None;
    }
    let parameters = json!({ "repositoryName": name, "layerDigests": [digest.to_string()] });
    let link = |tx: &mut Tx<'_>| {
        for_registry::found(tx.view(), &call, name)?;
        match for_registry::link(tx, &call.region, &from, name, &digest) {
            true => Ok(Value::Null),
            false => Err(ServiceError::new(
                "LayersNotFoundException",
                400,
                "The layer is gone.",
            )),
        }
    };
    let linked = desk.gate().change_on_record(&call, parameters, link).await;
    linked.ok().map(|_| created(desk, name, &digest))
}

/// A part that follows what is there.
pub(super) async fn patch(
    desk: &Desk<'_>,
    name: &str,
    id: &str,
    body: impl Incoming,
) -> Result<Response<Body>, Refusal> {
    let upload = desk.upload(name, id);
    let length = append(desk, name, &upload, body).await?;
    Ok(state(desk, name, &upload, length, StatusCode::ACCEPTED))
}

/// The end of an upload, with or without a last part.
pub(super) async fn put(
    desk: &Desk<'_>,
    name: &str,
    id: &str,
    mut body: impl Incoming,
) -> Result<Response<Body>, Refusal> {
    let digest = desk.parameter("digest").and_then(|digest| digest.parse().ok());
    let digest = digest.ok_or_else(Refusal::digest)?;
    let upload = desk.upload(name, id);
    if !body.is_end_stream()
        && let Err(refusal) = append(desk, name, &upload, &mut body).await
    {
        if !refusal.is_no_upload() {
            return Err(refusal);
        }
        // Sent again with its last part: it may be a blob already whose end could not be written down.
        receive::nothing(&mut body, LAYER_BYTES_MAX).await?;
    }
    complete(desk, name, &upload, &digest).await
}

/// How far an upload has come.
pub(super) async fn status(desk: &Desk<'_>, name: &str, id: &str) -> Result<Response<Body>, Refusal> {
    desk.admit("UploadLayerPart", "ecr:UploadLayerPart", name).await?;
    let upload = desk.upload(name, id);
    let length = uploaded(desk, &upload).await?;
    Ok(state(desk, name, &upload, length, StatusCode::NO_CONTENT))
}

/// Gives an upload up.
pub(super) async fn cancel(desk: &Desk<'_>, name: &str, id: &str) -> Result<Response<Body>, Refusal> {
    desk.admit("UploadLayerPart", "ecr:UploadLayerPart", name).await?;
    let upload = desk.upload(name, id);
    let discarded = desk.blobs().discard(&upload).await;
    discarded.map_err(|error| Refusal::of_blobs(&error))?;
    desk.forget(&upload);
    Ok(answer::bare(StatusCode::NO_CONTENT, &[]))
}

/// Decides ecr:UploadLayerPart, then lets the bytes through. Gives the upload's length.
async fn append(desk: &Desk<'_>, name: &str, upload: &Upload, body: impl Incoming) -> Result<u64, Refusal> {
    let call = desk.admit("UploadLayerPart", "ecr:UploadLayerPart", name).await?;
    let begin = uploaded(desk, upload).await?;
    let part = Part::announced(desk)?;
    if part.first.is_some_and(|first| first != begin) {
        let text = format!("The upload holds {begin} bytes: the next part goes on from there.");
        let range = range(begin);
        return Err(Refusal::new(Code::RangeInvalid, text)
            .with(header::RANGE, range)
            .with(header::LOCATION, location(desk, name, upload)));
    }
    let writer = desk.blobs().writer(upload, begin).await;
    let writer = writer.map_err(|error| Refusal::of_blobs(&error))?;
    let room = LAYER_BYTES_MAX.saturating_sub(begin);
    let length = receive::layer(body, writer, part.length, room).await?;
    let parameters = json!({
        "repositoryName": name,
        "uploadId": upload.id(),
        "partFirstByte": begin,
        "partLastByte": length.saturating_sub(1),
    });
    desk.note(&call, true, parameters).await;
    Ok(length)
}

/// What a head says of the part that comes.
struct Part {
    first: Option<u64>,
    length: Option<u64>,
}

impl Part {
    fn announced(desk: &Desk<'_>) -> Result<Self, Refusal> {
        let invalid = |text: &str| Refusal::new(Code::BlobUploadInvalid, text);
        let length = match desk.header(header::CONTENT_LENGTH) {
            Some(length) => Some(
                length
                    .parse()
                    .map_err(|_| invalid("Content-Length is no number."))?,
            ),
            None => None,
        };
        let Some(range) = desk.header(header::CONTENT_RANGE) else {
            return Ok(Self { first: None, length });
        };
        // The specification has `0-99`; some clients send `bytes 0-99/*`.
        let range = range.trim().strip_prefix("bytes").unwrap_or(range).trim();
        let range = range.split_once('/').map_or(range, |(range, _)| range);
        let ends = range
            .split_once('-')
            .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
        let (first, last) = ends
            .filter(|(first, last)| first <= last)
            .ok_or_else(|| invalid("Content-Range is no range of bytes."))?;
        let announced = (last - first).saturating_add(1);
        if length.is_some_and(|length| length != announced) {
            let text = "Content-Range and Content-Length contradict each other.";
            return Err(Refusal::new(Code::SizeInvalid, text));
        }
        Ok(Self {
            first: Some(first),
            length: Some(announced),
        })
    }
}

async fn uploaded(desk: &Desk<'_>, upload: &Upload) -> Result<u64, Refusal> {
    let length = desk.blobs().uploaded(upload).await;
    length.map_err(|error| Refusal::of_blobs(&error))
}

async fn complete(
    desk: &Desk<'_>,
    name: &str,
    upload: &Upload,
    digest: &Digest,
) -> Result<Response<Body>, Refusal> {
    let input = ecr::CompleteLayerUploadRequest {
        repository_name: name.to_owned(),
        upload_id: upload.id().to_owned(),
        layer_digests: vec![digest.to_string()],
        ..Default::default()
    };
    match desk.call::<op::CompleteLayerUpload>(&input).await {
        Ok(_) => Ok(created(desk, name, digest)),
        // To the registry's clients a layer that is there is as good as one that was made, if it is what they sent.
        Err(error) if error.code() == "LayerAlreadyExistsException" => {
            let finished = desk.blobs().finish(upload, Some(*digest)).await;
            finished.map_err(|error| Refusal::of_blobs(&error))?;
            desk.forget(upload);
            Ok(created(desk, name, digest))
        }
        Err(error) => Err(Refusal::of_ecr(&error, Code::BlobUploadInvalid)),
    }
}

fn created(desk: &Desk<'_>, name: &str, digest: &Digest) -> Response<Body> {
    let digest = digest.to_string();
    let location = desk.path(format_args!("{name}/blobs/{digest}"));
    let headers = [
        (header::LOCATION, location.as_str()),
        (CONTENT_DIGEST, digest.as_str()),
    ];
    answer::bare(StatusCode::CREATED, &headers)
}

fn state(desk: &Desk<'_>, name: &str, upload: &Upload, length: u64, status: StatusCode) -> Response<Body> {
    let (location, range) = (location(desk, name, upload), range(length));
    let headers = [
        (header::LOCATION, location.as_str()),
        (header::RANGE, range.as_str()),
        (UPLOAD_UUID, upload.id()),
    ];
    answer::bare(status, &headers)
}

fn location(desk: &Desk<'_>, name: &str, upload: &Upload) -> String {
    desk.path(format_args!("{name}/blobs/uploads/{}", upload.id()))
}

/// The bytes an upload holds, in the form of the specification, which cannot say "none".
fn range(length: u64) -> String {
    format!("0-{}", length.saturating_sub(1))
}
