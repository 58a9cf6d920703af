//! What a request is about: bucket and key, from path or host, and the query.

use http::request::Parts;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use portcullis_core::Region;

use super::errors::S3Error;

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 1_024;
/// Longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The bucket.
    pub bucket: Option<String>,
    /// The object's key.
    pub key: Option<String>,
    query: Vec<(String, String)>,
}

impl Target {
    /// Reads it. `is_bucket` tells of a name whether there is such a bucket, for hosts that do not say S3.
    pub(super) fn of(parts: &Parts, is_bucket: impl Fn(&str) -> bool) -> Result<Self, S3Error> {
        let path = parts.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match bucket_of_host(&host(&parts.headers, &parts.uri), is_bucket) {
            Some(bucket) => (bucket.to_owned(), path),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (decoded(bucket)?, key)
            }
        };
        let key = decoded(key)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(S3Error::KeyTooLong(key.len()));
        }
        // What separates the parts of our keys, and what no XML could give back.
        if key.contains('\0') {
            return Err(S3Error::InvalidUri);
        }
        Ok(Self {
            bucket: Some(bucket).filter(|bucket| !bucket.is_empty()),
            key: Some(key).filter(|key| !key.is_empty()),
            query: query(parts)?,
        })
    }

    /// The value of a query parameter; empty for one without a value.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The bucket's name; operations on buckets and objects have one.
    pub(super) fn bucket(&self) -> &str {
        self.bucket.as_deref().unwrap_or_default()
    }

    /// The object's key; operations on objects have one.
    pub(super) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }
}

/// The host without its port, in lower case.
pub(super) fn host(headers: &HeaderMap, uri: &Uri) -> String {
    let header = headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = header.or(uri.host()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.to_ascii_lowercase()
}

/// Whether a host's name says that S3 is meant: `s3.REGION.example`, `BUCKET.s3.example`, `s3-REGION.example`.
pub(super) fn is_s3_host(host: &str) -> bool {
    s3_domain(host).is_some()
}

fn is_s3_label(label: &str) -> bool {
    let region = label.strip_prefix("s3-");
    label == "s3" || region.is_some_and(|region| region.parse::<Region>().is_ok())
}

/// The bucket that a host's name holds: what stands before `s3`, or a bucket's name before `localhost`. Below other domains
/// there are none: a bucket could be called like the server itself there, and would get its unsigned calls.
pub(super) fn bucket_of_host(host: &str, is_bucket: impl Fn(&str) -> bool) -> Option<&str> {
    let before = s3_domain(host).and_then(|domain| host.strip_suffix(domain));
    if let Some(bucket) = before.and_then(|before| before.strip_suffix('.')) {
        return Some(bucket);
    }
    let bucket = host.strip_suffix(".localhost")?;
    is_bucket_sized(bucket)
        .then_some(bucket)
        .filter(|bucket| is_bucket(bucket))
}

/// What begins with the last label that says S3.
fn s3_domain(host: &str) -> Option<&str> {
    if host.len() > HOST_BYTES_MAX {
        return None;
    }
    let starts = host.match_indices('.').map(|(dot, _)| dot + 1);
    let mut domains = starts.rev().chain([0]).filter_map(|start| host.get(start..));
    domains.find(|domain| domain.split('.').next().is_some_and(is_s3_label))
}

/// Whether a name is as long as buckets' names are: no others are looked up.
pub(super) fn is_bucket_sized(name: &str) -> bool {
    (3..=63).contains(&name.len())
}

fn decoded(text: &str) -> Result<String, S3Error> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| S3Error::InvalidUri)?;
    Ok(decoded.into_owned())
}

fn query(parts: &Parts) -> Result<Vec<(String, String)>, S3Error> {
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            Ok((plain(name)?, plain(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, path: &str) -> Result<Target, S3Error> {
        let request = http::Request::builder().uri(path).header("host", host);
        Target::of(&request.body(()).unwrap().into_parts().0, |name| name == "known")
    }

    #[test]
    fn buckets_stand_in_the_path_or_before_s3_in_the_host() {
        for (host, path, bucket, key) in [
            ("127.0.0.1:4566", "/b/a/b%20c", Some("b"), Some("a/b c")),
            ("127.0.0.1:4566", "/b/", Some("b"), None),
            ("127.0.0.1:4566", "/b", Some("b"), None),
            ("127.0.0.1:4566", "/", None, None),
            ("[::1]:4566", "/b//x/../y", Some("b"), Some("/x/../y")),
            ("s3.eu-west-1.example.com", "/b/k", Some("b"), Some("k")),
            ("my.b.s3.eu-west-1.example.com", "/k", Some("my.b"), Some("k")),
            ("b.s3-eu-west-1.example.com:443", "/", Some("b"), None),
            ("known.localhost:4566", "/k", Some("known"), Some("k")),
            ("cloud.localhost:4566", "/b/k", Some("b"), Some("k")),
            ("localhost:4566", "/b/k", Some("b"), Some("k")),
            ("known.cloud.example.com", "/b/k", Some("b"), Some("k")),
            ("known.s3-tools.example.com", "/b/k", Some("b"), Some("k")),
            ("known.cloud.localhost", "/b/k", Some("b"), Some("k")),
            ("s3.s3.example.com", "/k", Some("s3"), Some("k")),
            ("cloud.example.com", "/b/k", Some("b"), Some("k")),
        ] {
            let target = target(host, path).unwrap();
            assert_eq!(target.bucket.as_deref(), bucket, "{host} {path}");
            assert_eq!(target.key.as_deref(), key, "{host} {path}");
        }
    }

    #[test]
    fn hosts_that_are_no_names_cost_no_look_up() {
        for host in [
            "a.".repeat(7_500) + "c",
            "a.".repeat(120) + "localhost",
            "a".repeat(64) + ".localhost",
        ] {
            let asked = |name: &str| panic!("{name} was looked up");
            assert_eq!(bucket_of_host(&host, asked), None, "{host}");
        }
        let long = "a".repeat(253) + ".s3.example.com";
        assert_eq!(
            (bucket_of_host(&long, |_| true), is_s3_host(&long)),
            (None, false)
        );
    }

    #[test]
    fn keys_that_are_no_text_or_too_long_are_refused() {
        assert_eq!(target("h", "/b/%ff"), Err(S3Error::InvalidUri));
        assert_eq!(target("h", "/b/a%00b"), Err(S3Error::InvalidUri));
        let long = format!("/b/{}", "k".repeat(1_025));
        assert_eq!(target("h", &long), Err(S3Error::KeyTooLong(1_025)));
    }
}
