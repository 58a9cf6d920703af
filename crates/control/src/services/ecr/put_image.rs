//! An image comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{PutImageRequest, PutImageResponse};
use portcullis_blobs::Digest;

use super::checks::{Checks, or_create};
use super::errors::{EcrError, Place};
use super::image_ids::is_tag;
use super::images::shown;
use super::layers::is_digest;
use super::manifests::{Manifest, Part};
use super::mutability::is_immutable;
use super::names::Named;
use super::templates;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized};
use crate::world::records::ecr::{Image, Layer, Repository};
use crate::world::{Snapshot, Tx};

/// Most tags one image can have.
const TAGS_MAX: usize = 1_000;

/// The repository, which a template may make.
pub(super) fn require(ask: Ask<'_, PutImageRequest>) -> Checks {
    Ok(or_create(&ask, "ecr:PutImage"))
}

/// Keeps a manifest, or gives one that is kept another tag.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutImage>,
) -> Result<PutImageResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let place = named.place(call);
    let manifest = Manifest::parse(&input.image_manifest, input.image_manifest_media_type.as_deref())
        .map_err(|error| EcrError::parameter("imageManifest", error.to_string()))?;
    let digest = digest_of(input)?;
    let tag = tag_of(input)?;
    let repository = templates::found_or_made(tx, call, named)?;
    let known = tx
        .view()
        .ecr
        .image(&call.region, named.name, &digest)
        .map(Arc::clone);
    let holder = tag.and_then(|tag| tx.view().ecr.tagged(&call.region, named.name, tag));
    let holder = holder.map(str::to_owned);
    refuse_doubles(
        known.is_some(),
        &digest,
        tag,
        holder.as_deref(),
        &repository,
        &place,
    )?;
    let mut row = match known {
        Some(known) => Image::clone(&known),
        None => new_image(tx, call, named, input, manifest, digest, &place)?,
    };
    if let Some(tag) = tag {
        take_tag(tx, call, named, tag, holder.as_deref());
        row.tags.push(tag.to_owned());
        row.checked.remove(tag);
        row.tags.sort_unstable();
        if row.tags.len() > TAGS_MAX {
            let text = format!("An image can have at most {TAGS_MAX} tags.");
            return Err(EcrError::Limit(text).into());
        }
    }
    let image = shown(&row, call, tag);
    tx.put(row);
    Ok(PutImageResponse { image: Some(image) })
}

fn digest_of(input: &PutImageRequest) -> Result<String, EcrError> {
    let actual = Digest::of(input.image_manifest.as_bytes()).to_string();
    match &input.image_digest {
        Some(given) if !is_digest(given) => {
            let constraint = "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
            Err(EcrError::parameter("imageDigest", constraint))
        }
        Some(given) if *given != actual => Err(EcrError::DigestDoesNotMatch {
            given: given.clone(),
            actual,
        }),
        _ => Ok(actual),
    }
}

fn tag_of(input: &PutImageRequest) -> Result<Option<&str>, EcrError> {
    match input.image_tag.as_deref() {
        Some(tag) if !is_tag(tag) => {
            let constraint = "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'";
            Err(EcrError::parameter("imageTag", constraint))
        }
        tag => Ok(tag),
    }
}

/// What is there already is not put again, and what may not move does not.
fn refuse_doubles(
    is_known: bool,
    digest: &str,
    tag: Option<&str>,
    holder: Option<&str>,
    repository: &Repository,
    place: &Place,
) -> Result<(), EcrError> {
    let place = || place.clone();
    match (tag, holder) {
        (None, _) if is_known => Err(EcrError::ImageThere {
            digest: digest.to_owned(),
            place: place(),
        }),
        (Some(tag), Some(holder)) if holder == digest => Err(EcrError::ImageTagged {
            digest: digest.to_owned(),
            tag: tag.to_owned(),
            place: place(),
        }),
        (Some(tag), Some(_)) if is_immutable(&repository.mutability, tag) => Err(EcrError::TagImmutable {
            tag: tag.to_owned(),
            place: place(),
        }),
        _ => Ok(()),
    }
}

/// The image that had the tag loses it.
pub(super) fn take_tag(tx: &mut Tx<'_>, call: &Call, named: Named<'_>, tag: &str, holder: Option<&str>) {
    let held = holder.and_then(|holder| tx.view().ecr.image(&call.region, named.name, holder));
    if let Some(mut held) = held.map(|held| Image::clone(held)) {
        held.tags.retain(|one| one != tag);
        held.checked.remove(tag);
        tx.put(held);
    }
}

fn new_image(
    tx: &mut Tx<'_>,
    call: &Call,
    named: Named<'_>,
    input: &PutImageRequest,
    manifest: Manifest,
    digest: String,
    place: &Place,
) -> Result<Image, EcrError> {
    let layers = layers_of(tx.view(), call, named, &manifest.layers, place)?;
    let listed = images_of(tx.view(), call, named, &manifest.manifests, place)?;
    let of_layers: u64 = layers.iter().map(|layer| layer.size).sum();
    for (layer, part) in layers.into_iter().zip(&manifest.layers) {
        name_layer(tx, layer, part);
    }
    Ok(Image {
        region: call.region.clone(),
        repository: named.name.to_owned(),
        digest,
        manifest: input.image_manifest.as_str().into(),
        media_type: manifest.media_type.to_owned(),
        artifact_type: manifest.artifact_type,
        size: of_layers.max(listed),
        pushed: call.now,
        pulled: None,
        tags: Vec::new(),
        checked: BTreeMap::new(),
        layers: manifest.layers.into_iter().map(|part| part.digest).collect(),
        manifests: manifest.manifests,
        subject: manifest.subject,
    })
}

/// The rows of the layers, which must all be there.
pub(super) fn layers_of(
    view: &Snapshot,
    call: &Call,
    named: Named<'_>,
    parts: &[Part],
    place: &Place,
) -> Result<Vec<Arc<Layer>>, EcrError> {
    let row = |part: &Part| view.ecr.layer(&call.region, named.name, &part.digest).cloned();
    let rows: Vec<_> = parts.iter().map(row).collect();
    let missing = parts.iter().zip(&rows).filter(|(_, row)| row.is_none());
    let digests: Vec<_> = missing.map(|(part, _)| part.digest.clone()).collect();
    match digests.is_empty() {
        true => Ok(rows.into_iter().flatten().collect()),
        false => Err(EcrError::LayersMissing {
            digests,
            place: place.clone(),
        }),
    }
}

/// Bytes of the largest image that an index lists; all of them must be there.
fn images_of(
    view: &Snapshot,
    call: &Call,
    named: Named<'_>,
    listed: &[String],
    place: &Place,
) -> Result<u64, EcrError> {
    let (mut largest, mut digests) = (0, Vec::new());
    for digest in listed {
        match view.ecr.image(&call.region, named.name, digest) {
            Some(image) => largest = image.size.max(largest),
            None => digests.push(digest.clone()),
        }
    }
    match digests.is_empty() {
        true => Ok(largest),
        false => Err(EcrError::ImagesMissing {
            digests,
            place: place.clone(),
        }),
    }
}

/// Notes what the first manifest says that a layer is. A layer that was to be forgotten is not any more.
pub(super) fn name_layer(tx: &mut Tx<'_>, layer: Arc<Layer>, part: &Part) {
    let is_news = layer.media_type.is_none() && part.media_type.is_some();
    if !is_news && layer.unused_since.is_none() {
        return;
    }
    let mut row = Layer::clone(&layer);
    row.media_type = row.media_type.or_else(|| part.media_type.clone());
    row.unused_since = None;
    tx.put(row);
}
