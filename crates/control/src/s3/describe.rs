//! What an upload says of its object beside the bytes, and what is said of the object again.

use percent_encoding::percent_decode_str;
use portcullis_core::Tags;

use super::answer::Answer;
use super::ask::Ask;
use super::buckets::{add_tag, refuse_acl};
use super::checksum::Algorithm;
use super::errors::S3Error;
use super::sealing;
use crate::world::records::s3::{Checksum, Description, Object};

/// Headers that are given back as they came.
const KEPT: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];
const META: &str = "x-amz-meta-";
/// Most bytes of names and values of metadata.
const META_BYTES_MAX: usize = 2 * 1024;
/// Most tags of an object.
pub(super) const TAGS_MAX: usize = 10;

/// What the headers of an upload say of its object.
pub(super) fn description(ask: &Ask<'_>) -> Result<Description, S3Error> {
    refuse_acl(ask)?;
    refuse_unserved(ask)?;
    let mut description = Description {
        tags: tags(ask)?,
        ..headers_and_metadata(ask)?
    };
    description
        .headers
        .entry("content-type".to_owned())
        .or_insert_with(|| "binary/octet-stream".to_owned());
    Ok(description)
}

/// The headers and metadata alone.
pub(super) fn headers_and_metadata(ask: &Ask<'_>) -> Result<Description, S3Error> {
    let mut description = Description::default();
    for name in KEPT {
        let Some(value) = ask.header(name) else { continue };
        // The encoding of the way here is none of the object.
        let parts = value
            .split(',')
            .map(str::trim)
            .filter(|part| *part != "aws-chunked" && !part.is_empty());
        let value = match name {
            "content-encoding" => parts.collect::<Vec<_>>().join(","),
            _ => value.to_owned(),
        };
        if !value.is_empty() {
            description.headers.insert(name.to_owned(), value);
        }
    }
    let mut bytes = 0;
    for (name, value) in ask.headers() {
        let Some(name) = name.as_str().strip_prefix(META) else {
            continue;
        };
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        bytes += name.len() + value.len();
        description.metadata.insert(name.to_owned(), value);
    }
    if bytes > META_BYTES_MAX {
        return Err(S3Error::MetadataTooLarge);
    }
    Ok(description)
}

/// What is asked for and not here must not seem to be.
fn refuse_unserved(ask: &Ask<'_>) -> Result<(), S3Error> {
    const UNSERVED: [&str; 5] = [
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-lock-legal-hold",
        "x-amz-write-offset-bytes",
    ];
    if let Some(name) = UNSERVED.into_iter().find(|name| ask.header(name).is_some()) {
        return Err(S3Error::NotImplementedHeader(name));
    }
    match ask.header("x-amz-storage-class") {
        None | Some("STANDARD") => Ok(()),
        Some(_) => Err(S3Error::InvalidStorageClass),
    }
}

/// The tags that the header of an upload gives its object.
pub(super) fn tags(ask: &Ask<'_>) -> Result<Tags, S3Error> {
    let mut tags = Tags::new();
    let Some(text) = ask.header("x-amz-tagging") else {
        return Ok(tags);
    };
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        add_tag(&mut tags, &plain(key), &plain(value))?;
    }
    if tags.len() > TAGS_MAX {
        return Err(S3Error::InvalidTag("Object tags cannot be greater than 10"));
    }
    Ok(tags)
}

/// What every answer about an object's bytes says of them; their checksum only if they are all there.
pub(super) fn describe(ask: &Ask<'_>, object: &Object, mut answer: Answer, is_whole: bool) -> Answer {
    for (name, value) in &object.description.headers {
        answer.add(name, value);
    }
    for (name, value) in &object.description.metadata {
        answer.add(&format!("{META}{name}"), value);
    }
    answer.add("etag", &quoted(&object.etag));
    answer.add("last-modified", &http_date(object.modified));
    answer.add("accept-ranges", "bytes");
    answer = sealing::shown(answer, object.under.as_ref());
    let tags = object.description.tags.len();
    if tags > 0 {
        answer.add("x-amz-tagging-count", &tags.to_string());
    }
    if is_whole
        && wants_checksum(ask)
        && let Some(checksum) = &object.checksum
    {
        answer = with_checksum(answer, checksum);
    }
    answer
}

/// Whether an answer about an object is to tell its checksum.
pub(super) fn wants_checksum(ask: &Ask<'_>) -> bool {
    let mode = ask.header("x-amz-checksum-mode");
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
}

/// The headers of a checksum.
pub(super) fn with_checksum(mut answer: Answer, checksum: &Checksum) -> Answer {
    if let Some(algorithm) = Algorithm::named(&checksum.algorithm) {
        answer.add(algorithm.header(), &checksum.value);
        answer.add("x-amz-checksum-type", checksum_type(checksum.composite));
    }
    answer
}

pub(super) fn checksum_type(composite: bool) -> &'static str {
    if composite { "COMPOSITE" } else { "FULL_OBJECT" }
}

/// An entity tag as it is shown.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// A time as headers have it.
pub(super) fn http_date(time: portcullis_core::Timestamp) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT")
}
