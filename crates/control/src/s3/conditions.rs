//! Conditional requests: `If-Match` and its kin.

use portcullis_core::Timestamp;

use super::ask::Ask;
use super::errors::S3Error;
use crate::world::Snapshot;
use crate::world::records::s3::Object;

/// The conditions of a read, by the prefix of their headers: `x-amz-copy-source-` for the source of a copy.
pub(super) fn before_reading(ask: &Ask<'_>, prefix: &str, object: &Object) -> Result<(), S3Error> {
    let header = |name: &str| ask.header(&format!("{prefix}{name}"));
    let refused = |condition| match prefix {
        "" => S3Error::NotModified,
        _ => S3Error::PreconditionFailed(condition),
    };
    let modified = object.modified.as_seconds();
    // An entity tag that was asked for counts more than a time.
    match header("if-match") {
        Some(wanted) if !matches(wanted, &object.etag) => {
            return Err(S3Error::PreconditionFailed("If-Match"));
        }
        Some(_) => {}
        None => {
            let since = header("if-unmodified-since").and_then(http_date);
            if since.is_some_and(|since| modified > since.as_seconds()) {
                return Err(S3Error::PreconditionFailed("If-Unmodified-Since"));
            }
        }
    }
    match header("if-none-match") {
        Some(unwanted) if matches(unwanted, &object.etag) => Err(refused("If-None-Match")),
        Some(_) => Ok(()),
        None => {
            let since = header("if-modified-since").and_then(http_date);
            match since {
                Some(since) if modified <= since.as_seconds() => Err(refused("If-Modified-Since")),
                _ => Ok(()),
            }
        }
    }
}

/// The conditions of a write: nothing is there yet, or just what the caller knows.
pub(super) fn before_writing(ask: &Ask<'_>, view: &Snapshot) -> Result<(), S3Error> {
    let (bucket, key) = (ask.target.bucket(), ask.target.key());
    let known = view.s3.object(bucket, key);
    if let Some(unwanted) = ask.header("if-none-match") {
        if unwanted.trim() != "*" {
            return Err(S3Error::NotImplementedHeader("If-None-Match"));
        }
        if known.is_some() {
            return Err(S3Error::PreconditionFailed("If-None-Match"));
        }
    }
    if let Some(wanted) = ask.header("if-match") {
        let known = known.ok_or_else(|| S3Error::NoSuchKey(key.to_owned()))?;
        only_if(wanted, known)?;
    }
    Ok(())
}

/// The condition of a change: the object is still the one with this entity tag.
pub(super) fn only_if(wanted: &str, object: &Object) -> Result<(), S3Error> {
    match matches(wanted, &object.etag) {
        true => Ok(()),
        false => Err(S3Error::PreconditionFailed("If-Match")),
    }
}

fn matches(list: &str, etag: &str) -> bool {
    let mut tags = list
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
    tags.any(|tag| tag == "*" || tag == etag)
}

/// `Sun, 22 Nov 2026 00:00:00 GMT`; another form counts for nothing.
fn http_date(text: &str) -> Option<Timestamp> {
    let fields: Vec<&str> = text
        .split([' ', ',', ':'])
        .filter(|field| !field.is_empty())
        .collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = fields.as_slice() else {
        return None;
    };
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let text = format!("{year}{month:02}{day:0>2}T{hour}{minute}{second}Z");
    Timestamp::from_amz_date(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_headers_are_read() {
        let known: Timestamp = "2026-11-22T01:02:03Z".parse().unwrap();
        assert_eq!(http_date("Sun, 22 Nov 2026 01:02:03 GMT"), Some(known));
        for other in [
            "",
            "Sunday, 22-Nov-26 01:02:03 GMT",
            "Sun, 22 Nov 2026 25:02:03 GMT",
            "yesterday",
        ] {
            assert_eq!(http_date(other), None, "{other}");
        }
    }

    #[test]
    fn entity_tags_match_with_and_without_quotes() {
        for (list, expected) in [
            ("\"abc\"", true),
            ("abc", true),
            ("*", true),
            ("\"x\", \"abc\"", true),
            ("\"ab\"", false),
        ] {
            assert_eq!(matches(list, "abc"), expected, "{list}");
        }
    }
}
