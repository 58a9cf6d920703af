//! Environment files: one `NAME=VALUE` a line, in S3.

use std::collections::HashSet;

use portcullis_core::Secret;

/// The largest file that is read.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

/// Bucket and key of an object's ARN.
pub(super) fn place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (bucket, key) = parts.nth(2)?.split_once('/')?;
    (scheme == "arn" && service == "s3" && !bucket.is_empty() && !key.is_empty()).then_some((bucket, key))
}

/// The path of an object, each byte of its key that is not plain encoded once.
pub(crate) fn path(bucket: &str, key: &str) -> String {
    use std::fmt::Write as _;
    let mut path = format!("/{bucket}/");
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                path.push(byte.into())
            }
            other => {
                let _ = write!(path, "%{other:02X}");
            }
        }
    }
    path
}

/// The variables of a file. Blanks and quotation marks belong to the value; a line without `=`, name or value, and one that
/// begins with `#`, is none. `Err` when it is no text.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Secret)>, std::str::Utf8Error> {
    let text = std::str::from_utf8(bytes)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .collect())
}

/// All files as one: what comes first counts.
pub(super) fn merge(files: Vec<Vec<(String, Secret)>>) -> Vec<(String, Secret)> {
    let mut seen = HashSet::new();
    files
        .into_iter()
        .flatten()
        .filter(|(name, _)| seen.insert(name.clone()))
        .collect()
}

/// `Code: Message` of S3's error document.
pub(crate) fn error_text(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (content, _) = rest.split_once(&format!("</{name}>"))?;
        Some(
            content
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&amp;", "&"),
        )
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message} status code: {status}"),
        _ => format!("status code: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pairs: &[(String, Secret)]) -> Vec<String> {
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", value.expose()))
            .collect()
    }

    #[test]
    fn env_files_are_read_line_by_line_as_ecs_reads_them() {
        let text = b"# a comment\n\nA=1\r\nB= spaced \nC=\"quoted\"\nD=x=y\nE=\n=nothing\nF\n G=blank\nA=2\n";
        let found = parse(text).unwrap();
        assert_eq!(
            shown(&found),
            ["A=1", "B= spaced ", "C=\"quoted\"", "D=x=y", " G=blank", "A=2"]
        );
        assert!(parse(b"A=\xff").is_err());
    }

    #[test]
    fn the_first_file_that_has_a_variable_counts() {
        let file = |text: &[u8]| parse(text).unwrap();
        let merged = merge(vec![file(b"A=1\nA=2\n"), file(b"A=3\nB=4\n")]);
        assert_eq!(shown(&merged), ["A=1", "B=4"]);
    }

    #[test]
    fn objects_are_found_by_arn_and_named_in_one_encoding() {
        assert_eq!(place("arn:aws:s3:::files/a/b.env"), Some(("files", "a/b.env")));
        assert_eq!(place("arn:aws-cn:s3:::files/b.env"), Some(("files", "b.env")));
        for bad in [
            "arn:aws:s3:::files",
            "arn:aws:s3:::/b.env",
            "arn:aws:ssm:::a/b",
            "files/b.env",
            "",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
        assert_eq!(path("files", "a b/ü+.env"), "/files/a%20b/%C3%BC%2B.env");
    }

    #[test]
    fn s3s_errors_are_told_with_code_and_text() {
        let body = b"<Error><Code>AccessDenied</Code><Message>User: &quot;x&quot; may not</Message></Error>";
        assert_eq!(
            error_text(403, body),
            "AccessDenied: User: \"x\" may not status code: 403"
        );
        assert_eq!(error_text(502, b"<html>"), "status code: 502");
    }
}
