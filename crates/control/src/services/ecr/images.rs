//! Images as they are read and removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, BatchDeleteImageResponse, BatchGetImageResponse, DescribeImageScanFindingsResponse,
    DescribeImagesResponse, ImageIdentifier, ListImageReferrersResponse, ListImagesResponse,
};

use super::errors::EcrError;
use super::fetch::Unbrought;
use super::image_ids::{Absent, NOT_FOUND, failure, find, found, printed};
use super::manifests::annotations;
use super::names::Named;
use super::paging::Pager;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::records::Record as _;
use crate::world::records::ecr::Image;
use crate::world::{Snapshot, Tx};

const ACTIVE: &str = "ACTIVE";

/// An image with its manifest.
pub(super) fn shown(row: &Image, call: &Call, tag: Option<&str>) -> api::Image {
    api::Image {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(row.repository.clone()),
        image_id: Some(identifier(row, tag)),
        image_manifest: Some(row.manifest.to_string()),
        image_manifest_media_type: Some(row.media_type.clone()),
    }
}

fn identifier(row: &Image, tag: Option<&str>) -> ImageIdentifier {
    ImageIdentifier {
        image_digest: Some(row.digest.clone()),
        image_tag: tag.map(str::to_owned),
    }
}

/// Images with their manifests.
pub(super) fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::BatchGetImage>,
) -> Result<BatchGetImageResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let unbrought = auth
        .prepared::<Unbrought>()
        .filter(|unbrought| !unbrought.is_empty());
    if unbrought.is_none() {
        named.found(view, call)?;
    }
    let accepted = input.accepted_media_types.as_deref().unwrap_or_default();
    let is_accepted = |row: &&Arc<Image>| accepted.is_empty() || accepted.contains(&row.media_type);
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for id in &input.image_ids {
        let found =
            find(view, call, named, id).and_then(|row| Some(row).filter(is_accepted).ok_or(NOT_FOUND));
        match found {
            Ok(row) => {
                env.images.note_pull(&row.key(), call.now);
                images.push(shown(row, call, id.image_tag.as_deref()));
            }
            Err(absent) => {
                let why = unbrought.and_then(|unbrought| unbrought.failure(id)).cloned();
                failures.push(why.unwrap_or_else(|| failure(id, absent)));
            }
        }
    }
    Ok(BatchGetImageResponse {
        images: Some(images),
        failures: Some(failures),
    })
}

/// Removes images by digest; by tag the tag alone, and the image with its last one.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::BatchDeleteImage>,
) -> Result<BatchDeleteImageResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(tx.view(), call)?;
    let (mut gone, mut failures) = (Vec::new(), Vec::new());
    for id in &input.image_ids {
        match delete_one(tx, call, named, id) {
            Ok(ids) => gone.extend(ids),
            Err(failed) => failures.push(failed),
        }
    }
    Ok(BatchDeleteImageResponse {
        image_ids: Some(gone),
        failures: Some(failures),
    })
}

fn delete_one(
    tx: &mut Tx<'_>,
    call: &Call,
    named: Named<'_>,
    id: &ImageIdentifier,
) -> Result<Vec<ImageIdentifier>, api::ImageFailure> {
    let row = find(tx.view(), call, named, id).map_err(|absent| failure(id, absent))?;
    let row = Image::clone(row);
    if let (None, Some(tag)) = (&id.image_digest, &id.image_tag)
        && row.tags.len() > 1
    {
        let untagged = vec![identifier(&row, Some(tag))];
        let tags = row.tags.iter().filter(|one| *one != tag).cloned().collect();
        tx.put(Image { tags, ..row });
        return Ok(untagged);
    }
    let parents = tx.view().ecr.parents(&call.region, named.name, &row.digest);
    if !parents.is_empty() {
        return Err(referenced(id, &parents));
    }
    tx.delete::<Image>(&row.key());
    Ok(identifiers(&row))
}

fn referenced(id: &ImageIdentifier, parents: &[String]) -> api::ImageFailure {
    let listed = parents.join(", ");
    api::ImageFailure {
        failure_reason: Some(format!("Requested image referenced by manifest list: [{listed}]")),
        ..failure(
            id,
            Absent {
                code: "ImageReferencedByManifestList",
                reason: "",
            },
        )
    }
}

/// One for each tag; one without any.
fn identifiers(row: &Image) -> Vec<ImageIdentifier> {
    match row.tags.as_slice() {
        [] => vec![identifier(row, None)],
        tags => tags.iter().map(|tag| identifier(row, Some(tag))).collect(),
    }
}

/// Whether images with or without tags are wanted.
pub(super) fn wants(status: Option<&str>, row: &Image) -> bool {
    match status {
        Some("TAGGED") => !row.tags.is_empty(),
        Some("UNTAGGED") => row.tags.is_empty(),
        _ => true,
    }
}

/// Whether a filter by status lets active images through: here are no others.
fn wants_active(status: Option<&str>) -> bool {
    status.is_none_or(|status| matches!(status, "ACTIVE" | "ANY"))
}

/// Ids of images, by the order of their digests.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListImages>,
) -> Result<ListImagesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let filter = input.filter.as_ref();
    let status = filter.and_then(|filter| filter.tag_status.as_deref());
    let is_shown = wants_active(filter.and_then(|filter| filter.image_status.as_deref()));
    // A page may end between two tags of an image; its token is `DIGEST TAG`.
    let after = pager.after.as_deref().unwrap_or_default();
    let (after_digest, after_tag) = after.split_once(' ').unwrap_or((after, ""));
    let first = view.ecr.image(&call.region, named.name, after_digest);
    let rest = view.ecr.images_after(
        &call.region,
        named.name,
        Some(after_digest).filter(|_| !after.is_empty()),
    );
    let rows = first
        .into_iter()
        .chain(rest)
        .filter(|row| is_shown && wants(status, row));
    let is_new = |id: &ImageIdentifier| {
        let is_first = id.image_digest.as_deref() == Some(after_digest);
        !is_first || id.image_tag.as_deref().unwrap_or_default() > after_tag
    };
    let ids = rows.flat_map(|row| identifiers(row)).filter(is_new);
    let key = |id: &ImageIdentifier| {
        let tag = id.image_tag.as_deref().unwrap_or_default();
        format!("{} {tag}", id.image_digest.as_deref().unwrap_or_default())
    };
    let (ids, next_token) = pager.page(ids, key);
    Ok(ListImagesResponse {
        image_ids: Some(ids),
        next_token,
    })
}

/// Images without their manifests.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeImages>,
) -> Result<DescribeImagesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    if let Some(ids) = &input.image_ids {
        let place = named.place(call);
        let found = ids.iter().map(|id| found(view, call, named, id, &place));
        let rows = found.collect::<Result<Vec<_>, _>>()?;
        let mut seen = BTreeSet::new();
        let rows = rows.into_iter().filter(|row| seen.insert(row.digest.clone()));
        return Ok(DescribeImagesResponse {
            image_details: Some(rows.map(|row| detail(row, call)).collect()),
            next_token: None,
        });
    }
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let filter = input.filter.as_ref();
    let status = filter.and_then(|filter| filter.tag_status.as_deref());
    let is_shown = wants_active(filter.and_then(|filter| filter.image_status.as_deref()));
    let rows = view
        .ecr
        .images_after(&call.region, named.name, pager.after.as_deref());
    let rows = rows.filter(|row| is_shown && wants(status, row));
    let (rows, next_token) = pager.page(rows, |row| row.digest.clone());
    Ok(DescribeImagesResponse {
        image_details: Some(rows.into_iter().map(|row| detail(row, call)).collect()),
        next_token,
    })
}

fn detail(row: &Image, call: &Call) -> api::ImageDetail {
    api::ImageDetail {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(row.repository.clone()),
        image_digest: Some(row.digest.clone()),
        image_tags: (!row.tags.is_empty()).then(|| row.tags.clone()),
        image_size_in_bytes: i64::try_from(row.size).ok(),
        image_pushed_at: Some(row.pushed),
        image_manifest_media_type: Some(row.media_type.clone()),
        artifact_media_type: row.artifact_type.clone(),
        last_recorded_pull_time: row.pulled,
        subject_manifest_digest: row.subject.clone(),
        image_status: Some(ACTIVE.to_owned()),
        ..api::ImageDetail::default()
    }
}

/// What was found in an image: nobody scans here, so there is no scan.
pub(super) fn scan_findings(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeImageScanFindings>,
) -> Result<DescribeImageScanFindingsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    let place = named.place(call);
    found(view, call, named, &input.image_id, &place)?;
    let image = printed(&input.image_id);
    Err(EcrError::NoScan { image, place }.into())
}

/// What refers to an image as its subject.
pub(super) fn referrers(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListImageReferrers>,
) -> Result<ListImageReferrersResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    named.found(view, call)?;
    let pager = Pager::of(input.next_token.as_deref(), input.max_results.or(Some(50)))?;
    let filter = input.filter.as_ref();
    let types = filter
        .and_then(|filter| filter.artifact_types.as_deref())
        .unwrap_or_default();
    let is_shown = wants_active(filter.and_then(|filter| filter.artifact_status.as_deref()));
    let is_wanted = |row: &&Arc<Image>| {
        let own = row.artifact_type.as_ref();
        is_shown && (types.is_empty() || own.is_some_and(|own| types.contains(own)))
    };
    let subject = &input.subject_id.image_digest;
    let digests = view.ecr.referrers(&call.region, named.name, subject);
    let after = |digest: &&String| pager.after.as_ref().is_none_or(|after| *digest > after);
    let rows = digests.iter().filter(after);
    let rows = rows.filter_map(|digest| view.ecr.image(&call.region, named.name, digest));
    let (rows, next_token) = pager.page(rows.filter(is_wanted), |row| row.digest.clone());
    Ok(ListImageReferrersResponse {
        referrers: rows
            .into_iter()
            .map(|row| referrer(row))
            .collect::<Vec<_>>()
            .into(),
        next_token,
    })
}

fn referrer(row: &Image) -> api::ImageReferrer {
    api::ImageReferrer {
        digest: row.digest.clone(),
        media_type: row.media_type.clone(),
        artifact_type: row.artifact_type.clone(),
        size: i64::try_from(row.manifest.len()).unwrap_or(i64::MAX),
        annotations: annotations(&row.manifest),
        artifact_status: Some(ACTIVE.to_owned()),
    }
}
