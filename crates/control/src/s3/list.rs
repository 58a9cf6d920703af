//! ListObjects and ListObjectsV2: pages of keys in order, those that share a prefix up to a delimiter as one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Answer;
use super::ask::Ask;
use super::buckets::{iso, owner_element, page_size};
use super::checks;
use super::describe::{checksum_type, quoted};
use super::errors::S3Error;
use super::xml::Element;
use crate::gate::operation::Check;
use crate::world::records::s3::Object;
use crate::world::{Snapshot, Table};

/// Most keys of a page.
const KEYS_MAX: usize = 1_000;

/// What `encoding-type=url` leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

pub(super) fn require(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(vec![checks::on_bucket(ask, view, "s3:ListBucket")])
}

/// How names are shown.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    is_encoded: bool,
}

impl Shown {
    pub(super) fn of(ask: &Ask<'_>) -> Result<Self, S3Error> {
        match ask.target.parameter("encoding-type") {
            None | Some("") => Ok(Self { is_encoded: false }),
            Some("url") => Ok(Self { is_encoded: true }),
            Some(other) => Err(S3Error::InvalidArgument {
                message: "Invalid Encoding Method specified in Request",
                name: "encoding-type",
                value: other.to_owned(),
            }),
        }
    }

    pub(super) fn name(self, text: &str) -> String {
        if self.is_encoded {
            utf8_percent_encode(text, ENCODED).to_string()
        } else {
            text.to_owned()
        }
    }

    pub(super) fn encoding(self) -> Option<&'static str> {
        self.is_encoded.then_some("url")
    }
}

/// What of the rows of a bucket is wanted.
pub(super) struct Window<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// The last name that is known already.
    pub after: Option<&'a str>,
    pub most: usize,
}

/// A page.
pub(super) struct Page<R> {
    pub rows: Vec<R>,
    pub prefixes: Vec<String>,
    /// The last name on it, when there is more.
    pub next: Option<String>,
}

/// Reads a page of rows whose names follow each other below `BUCKET/`. What shares a prefix is stepped over, not read.
pub(super) fn page<T>(table: &Table<T>, bucket: &str, window: &Window<'_>) -> Page<(String, Arc<T>)> {
    let below = format!("{bucket}/");
    let all = format!("{below}{}", window.prefix);
    let mut page = Page {
        rows: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    let mut last: Option<String> = window.after.map(str::to_owned);
    let mut from: Option<String> = last.as_ref().map(|last| format!("{below}{last}"));
    if window.most == 0 {
        return page;
    }
    loop {
        let found = table.after(&all, from.as_deref()).next();
        let Some((row_key, row)) = found else { return page };
        let name = row_key.get(below.len()..).unwrap_or_default();
        let shared = shared_prefix(name, window);
        let is_known = shared
            .as_ref()
            .is_some_and(|shared| last.as_ref() == Some(shared));
        if !is_known && page.rows.len() + page.prefixes.len() == window.most {
            page.next = last;
            return page;
        }
        match shared {
            Some(shared) => {
                // Nothing that begins like this comes after this character.
                from = Some(format!("{below}{shared}{}", char::MAX));
                if from.as_deref().is_some_and(|from| from < row_key) {
                    from = Some(row_key.to_owned());
                }
                if !is_known {
                    page.prefixes.push(shared.clone());
                }
                last = Some(shared);
            }
            None => {
                from = Some(row_key.to_owned());
                page.rows.push((name.to_owned(), Arc::clone(row)));
                last = Some(name.to_owned());
            }
        }
    }
}

fn shared_prefix(name: &str, window: &Window<'_>) -> Option<String> {
    let delimiter = window.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = name.strip_prefix(window.prefix)?;
    let (head, _) = rest.split_once(delimiter)?;
    Some(format!("{}{head}{delimiter}", window.prefix))
}

fn contents(object: &Object, shown: Shown, owner: Option<&Element>) -> Element {
    let mut element = Element::new("Contents")
        .text("Key", shown.name(&object.key))
        .text("LastModified", iso(object.modified))
        .text("ETag", quoted(&object.etag));
    if let Some(checksum) = &object.checksum {
        element = element
            .text("ChecksumAlgorithm", &checksum.algorithm)
            .text("ChecksumType", checksum_type(checksum.composite));
    }
    element = element.text("Size", object.size);
    if let Some(owner) = owner {
        element = element.child(owner);
    }
    element.text("StorageClass", "STANDARD")
}

fn body(
    mut document: Element,
    page: &Page<(String, Arc<Object>)>,
    shown: Shown,
    owner: Option<&Element>,
) -> Element {
    for (_, object) in &page.rows {
        document = document.child(&contents(object, shown, owner));
    }
    common_prefixes(document, &page.prefixes, shown)
}

/// `CommonPrefixes`
pub(super) fn common_prefixes(mut document: Element, prefixes: &[String], shown: Shown) -> Element {
    for prefix in prefixes {
        document = document.child(&Element::new("CommonPrefixes").text("Prefix", shown.name(prefix)));
    }
    document
}

pub(super) fn list_v2(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    let shown = Shown::of(ask)?;
    let parameter = |name| ask.target.parameter(name);
    let token = parameter("continuation-token").map(known_token).transpose()?;
    let start_after = parameter("start-after").filter(|after| !after.is_empty());
    let most = page_size(ask, "max-keys", KEYS_MAX)?;
    let window = Window {
        prefix: parameter("prefix").unwrap_or_default(),
        delimiter: parameter("delimiter"),
        after: token.as_deref().or(start_after),
        most,
    };
    let page = page(&view.s3.objects, &bucket.name, &window);
    let owner = parameter("fetch-owner").is_some_and(|fetch| fetch.eq_ignore_ascii_case("true"));
    let owner = owner.then(|| owner_element(&view.account));
    let document = Element::document("ListBucketResult")
        .text("Name", &bucket.name)
        .text("Prefix", shown.name(window.prefix))
        .some(
            "Delimiter",
            window
                .delimiter
                .filter(|text| !text.is_empty())
                .map(|text| shown.name(text)),
        )
        .text("MaxKeys", most)
        .some("EncodingType", shown.encoding())
        .text("KeyCount", page.rows.len() + page.prefixes.len())
        .text("IsTruncated", page.next.is_some())
        .some("ContinuationToken", parameter("continuation-token"))
        .some(
            "NextContinuationToken",
            page.next.as_deref().map(|next| URL_SAFE_NO_PAD.encode(next)),
        )
        .some("StartAfter", start_after.map(|after| shown.name(after)));
    Ok(Answer::xml(&body(document, &page, shown, owner.as_ref())))
}

fn known_token(token: &str) -> Result<String, S3Error> {
    let decoded = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| S3Error::InvalidArgument {
        message: "The continuation token provided is incorrect",
        name: "continuation-token",
        value: token.to_owned(),
    })
}

pub(super) fn list_v1(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    let shown = Shown::of(ask)?;
    let parameter = |name| ask.target.parameter(name);
    let marker = parameter("marker").unwrap_or_default();
    let most = page_size(ask, "max-keys", KEYS_MAX)?;
    let window = Window {
        prefix: parameter("prefix").unwrap_or_default(),
        delimiter: parameter("delimiter").filter(|delimiter| !delimiter.is_empty()),
        after: Some(marker).filter(|marker| !marker.is_empty()),
        most,
    };
    let page = page(&view.s3.objects, &bucket.name, &window);
    // Without a delimiter the last key is the next marker anyhow, and S3 does not say so.
    let next = page.next.as_deref().filter(|_| window.delimiter.is_some());
    let document = Element::document("ListBucketResult")
        .text("Name", &bucket.name)
        .text("Prefix", shown.name(window.prefix))
        .text("Marker", shown.name(marker))
        .some("NextMarker", next.map(|next| shown.name(next)))
        .text("MaxKeys", most)
        .some(
            "Delimiter",
            window.delimiter.map(|delimiter| shown.name(delimiter)),
        )
        .some("EncodingType", shown.encoding())
        .text("IsTruncated", page.next.is_some());
    let owner = owner_element(&view.account);
    Ok(Answer::xml(&body(document, &page, shown, Some(&owner))))
}
