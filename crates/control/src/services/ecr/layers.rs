//! Layers: uploaded in parts, looked for, downloaded. Their bytes lie in the blob store, once for all repositories; a
//! repository has a layer when there is a row that says so.

use futures_util::future::BoxFuture;
use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, BatchCheckLayerAvailabilityResponse, CompleteLayerUploadRequest,
    CompleteLayerUploadResponse, GetDownloadUrlForLayerResponse, InitiateLayerUploadRequest,
    InitiateLayerUploadResponse, UploadLayerPartRequest, UploadLayerPartResponse,
};
use portcullis_blobs::{Blob, BlobError, Blobs, Bytes, Digest, Upload};

use super::checks::{Checks, on_repository, or_create};
use super::errors::EcrError;
use super::names::{Named, upload_owner};
use super::upkeep::is_promised;
use super::{templates, tickets};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, NotMade, Prepared};
use crate::world::records::ecr::Layer;
use crate::world::{Snapshot, Tx, UNFINISHED_MAX};

/// How large parts are best, as ECR says.
const PART_BYTES: i64 = 10 * 1024 * 1024;
/// How large every part but the last must be.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// The repository, which a template may make.
pub(super) fn require_initiate(ask: Ask<'_, InitiateLayerUploadRequest>) -> Checks {
    Ok(or_create(&ask, "ecr:InitiateLayerUpload"))
}

/// Makes room for a layer.
pub(super) fn begin<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::InitiateLayerUpload>,
) -> BoxFuture<'a, Result<Box<Prepared>, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
        if named.find(view, call).is_none() && templates::on_push(view, &call.region, named.name).is_none() {
            return Err(EcrError::NoRepository(named.place(call)).into());
        }
        if !env.images.has_room(&call.region, call.now) {
            let text = format!(
                "The registry with id '{}' has {UNFINISHED_MAX} uploads that were begun and not completed: complete them, or wait a day.",
                call.account
            );
            return Err(EcrError::Limit(text).into());
        }
        let owner = upload_owner(&call.account, &call.region, named.name);
        let begun = env.blobs.begin(&owner).await;
        let upload = begun.map_err(|error| EcrError::of_blobs(error, "", &named.place(call)))?;
        env.images.note_upload(&call.region, upload.id(), call.now);
        let id: Box<Prepared> = Box::new(upload.id().to_owned());
        Ok(id)
    })
}

/// Answers with the upload; makes the repository if it is not there.
pub(super) fn initiated(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::InitiateLayerUpload>,
) -> Result<InitiateLayerUploadResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    templates::found_or_made(tx, call, named)?;
    Ok(InitiateLayerUploadResponse {
        upload_id: auth.prepared::<String>().cloned(),
        part_size: Some(PART_BYTES),
    })
}

/// Nobody was told of the upload.
pub(super) fn not_begun<'a>(
    env: &'a Environment,
    auth: Authorized<'a, op::InitiateLayerUpload>,
    _why: NotMade,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
        let Some(id) = auth.prepared::<String>() else {
            return;
        };
        if let Err(error) = env.blobs.discard(&upload_of(call, named, id)).await {
            tracing::warn!(%error, "an upload that was not begun stays for a day");
        }
        env.images.forget_upload(&call.region, id);
    })
}

/// The repository.
pub(super) fn require_part(ask: Ask<'_, UploadLayerPartRequest>) -> Checks {
    Ok(vec![on_repository(&ask, "ecr:UploadLayerPart")])
}

/// Takes the next part of a layer.
pub(super) fn part<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::UploadLayerPart>,
) -> BoxFuture<'a, Result<UploadLayerPartResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
        named.found(view, call)?;
        let upload = upload_of(call, named, &input.upload_id);
        let length = append(&env.blobs, &upload, input, named, call).await?;
        let is_small = input.layer_part_blob.len() < PART_BYTES_MIN;
        env.images.note_part(upload.id(), is_small);
        Ok(UploadLayerPartResponse {
            registry_id: Some(call.account.to_string()),
            repository_name: Some(input.repository_name.clone()),
            upload_id: Some(input.upload_id.clone()),
            last_byte_received: Some(last_byte(length)),
        })
    })
}

async fn append(
    blobs: &Blobs,
    upload: &Upload,
    input: &UploadLayerPartRequest,
    named: Named<'_>,
    call: &Call,
) -> Result<u64, EcrError> {
    let place = named.place(call);
    let failed = |error| EcrError::of_blobs(error, upload.id(), &place);
    let (first, last) = (input.part_first_byte, input.part_last_byte);
    let misplaced = |length| EcrError::InvalidPart {
        first,
        last,
        received: last_byte(length),
        upload: upload.id().to_owned(),
        place: place.clone(),
    };
    let promised = last.checked_sub(first).and_then(|more| more.checked_add(1));
    let bytes = &input.layer_part_blob;
    let offset = u64::try_from(first).ok();
    let offset = offset.filter(|_| promised.and_then(|n| usize::try_from(n).ok()) == Some(bytes.len()));
    let Some(offset) = offset else {
        return Err(misplaced(blobs.uploaded(upload).await.map_err(failed)?));
    };
    match blobs.append(upload, offset, Bytes::copy_from_slice(bytes)).await {
        Err(BlobError::WrongOffset { length }) => Err(misplaced(length)),
        other => other.map_err(failed),
    }
}

/// The last of that many bytes; -1 of none.
fn last_byte(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX) - 1
}

fn upload_of(call: &Call, named: Named<'_>, id: &str) -> Upload {
    let owner = upload_owner(&call.account, &call.region, named.name);
    Upload::of(&owner, &id.to_ascii_lowercase())
}

/// The repository.
pub(super) fn require_complete(ask: Ask<'_, CompleteLayerUploadRequest>) -> Checks {
    Ok(vec![on_repository(&ask, "ecr:CompleteLayerUpload")])
}

/// Makes an upload a blob, if its bytes are those that were promised.
pub(super) fn finish<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::CompleteLayerUpload>,
) -> BoxFuture<'a, Result<Box<Prepared>, ServiceError>> {
    Box::pin(async move {
        let blob = finished(view, env, auth.input(), auth.call()).await?;
        let blob: Box<Prepared> = Box::new(blob);
        Ok(blob)
    })
}

async fn finished(
    view: &Snapshot,
    env: &Environment,
    input: &CompleteLayerUploadRequest,
    call: &Call,
) -> Result<Blob, EcrError> {
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let place = named.place(call);
    named.found(view, call)?;
    if let Some(blob) = finished_before(env, input, call).await {
        return Ok(blob);
    }
    let upload = upload_of(call, named, &input.upload_id);
    let failed = |error| EcrError::of_blobs(error, &input.upload_id, &place);
    if env.blobs.uploaded(&upload).await.map_err(failed)? == 0 {
        return Err(EcrError::EmptyUpload(input.upload_id.clone()));
    }
    if env.images.has_small_part(upload.id()) {
        return Err(EcrError::PartTooSmall);
    }
    let given = input.layer_digests.join(", ");
    let promised = input
        .layer_digests
        .iter()
        .find_map(|digest| digest.parse::<Digest>().ok());
    let Some(promised) = promised else {
        let actual = "sha256".to_owned();
        return Err(EcrError::InvalidLayer { given, actual });
    };
    let digest = promised.to_string();
    let known = view.ecr.layer(&call.region, named.name, &digest);
    if known.is_some_and(|known| is_promised(known, call.now)) {
        return Err(EcrError::LayerThere { digest, place });
    }
    match env.blobs.finish(&upload, Some(promised)).await {
        Err(BlobError::WrongDigest { actual }) => Err(EcrError::InvalidLayer {
            given,
            actual: actual.to_string(),
        }),
        finished => {
            env.images.forget_upload(&call.region, upload.id());
            finished.map_err(failed)
        }
    }
}

/// What an upload became when it was completed before and that could not be written down.
async fn finished_before(env: &Environment, input: &CompleteLayerUploadRequest, call: &Call) -> Option<Blob> {
    let upload = finished_upload(input, call);
    let blob = env.images.take_finished(&upload)?;
    let is_promised = input.layer_digests.contains(&blob.digest.to_string());
    match env.blobs.hold(&blob.digest).await {
        Ok(is_there) if is_promised || !is_there => is_there.then_some(blob),
        _ => {
            env.images.note_finished(upload, blob);
            None
        }
    }
}

/// The name under which the end of an upload is noted: nobody else's.
fn finished_upload(input: &CompleteLayerUploadRequest, call: &Call) -> String {
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let owner = upload_owner(&call.account, &call.region, named.name);
    format!("{owner}:{}", input.upload_id.to_ascii_lowercase())
}

/// The bytes are a blob already: whoever tries again when the store works need not send them again.
pub(super) fn not_completed<'a>(
    env: &'a Environment,
    auth: Authorized<'a, op::CompleteLayerUpload>,
    why: NotMade,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        if why == NotMade::NotKept
            && let Some(blob) = auth.prepared::<Blob>()
        {
            env.images
                .note_finished(finished_upload(auth.input(), auth.call()), *blob);
        }
    })
}

/// Says that the repository has the layer.
pub(super) fn completed(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CompleteLayerUpload>,
) -> Result<CompleteLayerUploadResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(tx.view(), call)?;
    let blob = auth.prepared::<Blob>().ok_or(EcrError::Internal)?;
    let digest = blob.digest.to_string();
    // Somebody else may have brought the same layer since this one was looked at. Both brought it whole.
    let known = tx.view().ecr.layer(&call.region, named.name, &digest).cloned();
    let media_type = known.and_then(|known| known.media_type.clone());
    tx.put(Layer {
        region: call.region.clone(),
        repository: input.repository_name.clone(),
        digest: digest.clone(),
        size: blob.size,
        media_type,
        unused_since: None,
    });
    Ok(CompleteLayerUploadResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        upload_id: Some(input.upload_id.clone()),
        layer_digest: Some(digest),
    })
}

/// Which of some layers the repository has.
pub(super) fn availability(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::BatchCheckLayerAvailability>,
) -> Result<BatchCheckLayerAvailabilityResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for digest in &input.layer_digests {
        let layer = view.ecr.layer(&call.region, named.name, digest);
        match layer.filter(|layer| is_promised(layer, call.now)) {
            Some(layer) => layers.push(available(layer)),
            None if is_digest(digest) => layers.push(unavailable(digest)),
            None => failures.push(misnamed(digest)),
        }
    }
    Ok(BatchCheckLayerAvailabilityResponse {
        layers: Some(layers),
        failures: Some(failures),
    })
}

fn available(layer: &Layer) -> api::Layer {
    api::Layer {
        layer_digest: Some(layer.digest.clone()),
        layer_availability: Some("AVAILABLE".to_owned()),
        layer_size: i64::try_from(layer.size).ok(),
        media_type: layer.media_type.clone(),
    }
}

fn unavailable(digest: &str) -> api::Layer {
    api::Layer {
        layer_digest: Some(digest.to_owned()),
        layer_availability: Some("UNAVAILABLE".to_owned()),
        ..api::Layer::default()
    }
}

fn misnamed(digest: &str) -> api::LayerFailure {
    let (code, reason) = match digest {
        "" => (
            "MissingLayerDigest",
            "Invalid parameter at 'layerDigest': it is empty",
        ),
        _ => (
            "InvalidLayerDigest",
            "Invalid parameter at 'layerDigest' failed to satisfy constraint: 'must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''",
        ),
    };
    api::LayerFailure {
        layer_digest: Some(digest.to_owned()),
        failure_code: Some(code.to_owned()),
        failure_reason: Some(reason.to_owned()),
    }
}

/// Whether a text has the form of a digest, of whatever algorithm.
pub(super) fn is_digest(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
    text.rsplit_once(':').is_some_and(|(algorithm, hex)| {
        let named = !algorithm.is_empty() && algorithm.bytes().all(is_name);
        named && !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Where a layer's bytes can be fetched for a while, without a signature.
pub(super) fn download_url(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetDownloadUrlForLayer>,
) -> Result<GetDownloadUrlForLayerResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    let layer = view.ecr.layer(&call.region, named.name, &input.layer_digest);
    let layer = layer.ok_or_else(|| EcrError::NoLayer {
        digest: input.layer_digest.clone(),
        place: named.place(call),
    })?;
    let url = tickets::url(call, &env.vault, &layer.digest).ok_or(EcrError::Internal)?;
    Ok(GetDownloadUrlForLayerResponse {
        download_url: Some(url),
        layer_digest: Some(layer.digest.clone()),
    })
}
