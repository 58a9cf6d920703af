//! The canonical form of a request: what signer and verifier both hash.

use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use portcullis_core::hex;
use sha2::{Digest as _, Sha256};

use super::{ALGORITHM, TERMINATOR};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same for a whole path.
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// The query parameter that a presigned request cannot sign.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The parts of a request that are signed.
#[derive(Clone, Copy)]
pub(super) struct View<'r> {
    pub(super) method: &'r str,
    /// The path as it stands on the wire.
    pub(super) path: &'r str,
    /// The query string as it stands on the wire, empty if there is none.
    pub(super) query: &'r str,
    pub(super) headers: &'r HeaderMap,
    /// Stands in for `Host` where HTTP/2 has none.
    pub(super) authority: Option<&'r str>,
    pub(super) paths: Paths,
}

/// How a path is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// Without dot and empty segments, encoded once more than on the wire: every service but S3.
    Normalized,
    /// As it is on the wire, encoded once more.
    #[cfg(test)]
    Kept,
    /// As it is on the wire, in the one encoding of signing: S3, whose keys may hold dots and slashes.
    Once,
    /// Byte for byte: S3 too, for clients that encode more than they must and sign what they send.
    Verbatim,
}

impl<'r> View<'r> {
    pub(super) fn of(parts: &'r Parts) -> Self {
        Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            paths: Paths::Normalized,
        }
    }

    /// By S3's rules.
    pub(super) fn of_s3(parts: &'r Parts) -> Self {
        Self {
            paths: Paths::Once,
            ..Self::of(parts)
        }
    }

    /// The canonical request, or nothing if a signed header is not there. One buffer, no allocation per header.
    pub(super) fn canonical(&self, signed_headers: &str, payload_hash: &str) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        self.push_path(&mut out);
        out.push(b'\n');
        self.push_query(&mut out);
        out.push(b'\n');
        for name in signed_headers.split(';') {
            self.push_header(&mut out, name)?;
        }
        out.push(b'\n');
        out.extend_from_slice(signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(payload_hash.as_bytes());
        Some(out)
    }

    fn push_path(&self, out: &mut Vec<u8>) {
        match self.paths {
            Paths::Normalized => self.push_normalized_path(out),
            #[cfg(test)]
            Paths::Kept => push_encoded(out, self.path, ENCODED_PATH),
            Paths::Verbatim => out.extend_from_slice(self.path.as_bytes()),
            Paths::Once => {
                let decoded: Vec<u8> = percent_decode_str(self.path).collect();
                for piece in percent_encode(&decoded, ENCODED_PATH) {
                    out.extend_from_slice(piece.as_bytes());
                }
            }
        }
    }

    fn push_normalized_path(&self, out: &mut Vec<u8>) {
        let mut kept: Vec<&str> = Vec::new();
        for segment in self.path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    kept.pop();
                }
                other => kept.push(other),
            }
        }
        for segment in &kept {
            out.push(b'/');
            push_encoded(out, segment, ENCODED);
        }
        let last = self.path.rsplit('/').next().unwrap_or_default();
        if kept.is_empty() || matches!(last, "" | "." | "..") {
            out.push(b'/');
        }
    }

    fn push_query(&self, out: &mut Vec<u8>) {
        let mut pairs: Vec<(String, String)> = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (reencode(name), reencode(value)))
            .filter(|(name, _)| name != SIGNATURE_PARAMETER)
            .collect();
        pairs.sort_unstable();
        for (index, (name, value)) in pairs.iter().enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }

    fn push_header(&self, out: &mut Vec<u8>, name: &str) -> Option<()> {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), self.authority) {
            (Some(first), _) => push_collapsed(out, first.as_bytes()),
            (None, Some(authority)) if name == "host" => out.extend_from_slice(authority.as_bytes()),
            (None, _) => return None,
        }
        for value in values {
            out.push(b',');
            push_collapsed(out, value.as_bytes());
        }
        out.push(b'\n');
        Some(())
    }
}

fn push_encoded(out: &mut Vec<u8>, text: &str, set: &'static AsciiSet) {
    for piece in percent_encode(text.as_bytes(), set) {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Decodes once (a plus is a space on the wire) and encodes by the rules of signing.
fn reencode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let decoded: Vec<u8> = percent_decode_str(&spaced).collect();
    percent_encode(&decoded, ENCODED).to_string()
}

/// A header's value without outer spaces, inner runs of spaces as one.
fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    for (index, word) in value.split(is_space).filter(|word| !word.is_empty()).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// What is signed in the end.
pub(super) fn string_to_sign(amz_date: &str, scope: &str, canonical: &[u8]) -> String {
    format!("{ALGORITHM}\n{amz_date}\n{scope}\n{}", sha256_hex(canonical))
}

/// The scope as it is signed.
pub(super) fn scope_text(date: &str, region: &str, service: &str) -> String {
    format!("{date}/{region}/{service}/{TERMINATOR}")
}

/// A SHA-256 digest in hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
