//! Which uploads in parts there are, and which parts they have.

use super::answer::Answer;
use super::ask::Ask;
use super::buckets::{iso, owner_element, page_size};
use super::checks;
use super::describe::{checksum_type, quoted};
use super::errors::S3Error;
use super::list::{Shown, Window, common_prefixes, page};
use super::multipart::upload;
use super::xml::Element;
use crate::gate::operation::Check;
use crate::world::Snapshot;
use crate::world::records::s3::{MultipartUpload, Part};

/// Most rows of a page.
const ROWS_MAX: usize = 1_000;

pub(super) fn require_list(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:ListBucketMultipartUploads",
    )])
}

pub(super) fn list(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    let shown = Shown::of(ask)?;
    let parameter = |name| ask.target.parameter(name);
    let key_marker = parameter("key-marker").unwrap_or_default();
    let id_marker = parameter("upload-id-marker").filter(|_| !key_marker.is_empty());
    let most = page_size(ask, "max-uploads", ROWS_MAX)?;
    let (prefix, delimiter) = (parameter("prefix").unwrap_or_default(), parameter("delimiter"));
    let is_shared = |delimiter: &str| {
        let rest = key_marker.strip_prefix(prefix);
        !delimiter.is_empty() && rest.is_some_and(|rest| rest.ends_with(delimiter))
    };
    // Rows are called by key and id; without an id all of that key are known, or all that share it as a prefix.
    let after = match id_marker {
        Some(id) if !id.is_empty() => format!("{key_marker}\0{id}"),
        _ if delimiter.is_some_and(is_shared) => key_marker.to_owned(),
        _ => format!("{key_marker}\0{}", char::MAX),
    };
    let window = Window {
        prefix,
        delimiter,
        after: Some(after.as_str()).filter(|_| !key_marker.is_empty()),
        most,
    };
    let page = page(&view.s3.uploads, &bucket.name, &window);
    let next = page
        .next
        .as_deref()
        .map(|next| next.split_once('\0').unwrap_or((next, "")));
    let mut document = Element::document("ListMultipartUploadsResult")
        .text("Bucket", &bucket.name)
        .text("KeyMarker", shown.name(key_marker))
        .text("UploadIdMarker", id_marker.unwrap_or_default())
        .some("NextKeyMarker", next.map(|(key, _)| shown.name(key)))
        .some("NextUploadIdMarker", next.map(|(_, id)| id))
        .text("Prefix", shown.name(window.prefix))
        .some(
            "Delimiter",
            window.delimiter.map(|delimiter| shown.name(delimiter)),
        )
        .some("EncodingType", shown.encoding())
        .text("MaxUploads", most)
        .text("IsTruncated", page.next.is_some());
    for (_, upload) in &page.rows {
        document = document.child(&element(upload, view, shown));
    }
    Ok(Answer::xml(&common_prefixes(document, &page.prefixes, shown)))
}

fn element(upload: &MultipartUpload, view: &Snapshot, shown: Shown) -> Element {
    Element::new("Upload")
        .text("Key", shown.name(&upload.key))
        .text("UploadId", &upload.id)
        .child(&initiator(upload))
        .child(&owner_element(&view.account))
        .text("StorageClass", "STANDARD")
        .text("Initiated", iso(upload.initiated))
        .text("ChecksumAlgorithm", &upload.checksum_algorithm)
        .text("ChecksumType", checksum_type(upload.composite_checksum))
}

fn initiator(upload: &MultipartUpload) -> Element {
    let name = upload.initiator.rsplit([':', '/']).next().unwrap_or_default();
    Element::new("Initiator")
        .text("ID", &upload.initiator)
        .text("DisplayName", name)
}

pub(super) fn require_parts(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(vec![checks::on_object(ask, view, "s3:ListMultipartUploadParts")])
}

pub(super) fn parts(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let upload = upload(ask, view)?;
    let marker = ask.target.parameter("part-number-marker").unwrap_or("0");
    let invalid = || S3Error::InvalidArgument {
        message: "Provided part-number-marker not an integer or within integer range",
        name: "part-number-marker",
        value: marker.to_owned(),
    };
    let number: u32 = marker.parse().map_err(|_| invalid())?;
    let most = page_size(ask, "max-parts", ROWS_MAX)?;
    let (below, after) = (format!("{}/", upload.id), Part::key_of(&upload.id, number));
    let mut rows = view.s3.parts.after(&below, Some(&after)).map(|(_, part)| part);
    let page: Vec<_> = rows.by_ref().take(most).collect();
    let is_truncated = rows.next().is_some();
    let mut document = Element::document("ListPartsResult")
        .text("Bucket", &upload.bucket)
        .text("Key", Shown::of(ask)?.name(&upload.key))
        .text("UploadId", &upload.id)
        .child(&initiator(upload))
        .child(&owner_element(&view.account))
        .text("StorageClass", "STANDARD")
        .text("PartNumberMarker", number)
        .some("NextPartNumberMarker", page.last().map(|part| part.number))
        .text("MaxParts", most)
        .text("IsTruncated", is_truncated)
        .text("ChecksumAlgorithm", &upload.checksum_algorithm)
        .text("ChecksumType", checksum_type(upload.composite_checksum));
    for part in page {
        document = document.child(&part_element(part));
    }
    Ok(Answer::xml(&document))
}

fn part_element(part: &Part) -> Element {
    let element = Element::new("Part")
        .text("PartNumber", part.number)
        .text("LastModified", iso(part.modified))
        .text("ETag", quoted(&part.etag))
        .text("Size", part.size);
    match &part.checksum {
        Some(checksum) => element.text(&format!("Checksum{}", checksum.algorithm), &checksum.value),
        None => element,
    }
}
