//! S3's rules: what a request says of its body is signed, not always the body itself; paths are signed as they are; the
//! clock may be wrong by 15 minutes; and bodies may come in chunks that are signed one after the other.

use http::request::Parts;
use percent_encoding::percent_decode_str;
use portcullis_core::{Timestamp, hex};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::canonical::{Paths, View, sha256_hex};
use super::error::AuthError;
use super::key::SigningKey;
use super::presented::{Form, Presented};
use super::unhex;

/// How far the time of a request to S3 may lie from ours, in seconds.
pub const S3_MAX_SKEW_SECONDS: i64 = 900;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// What a request says of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadForm {
    /// Its SHA-256.
    Whole([u8; 32]),
    /// Nothing: the body is not signed.
    Unsigned,
    /// It comes in chunks (`aws-chunked`).
    Chunks {
        /// Whether each carries a signature.
        signed: bool,
        /// Whether headers follow the last.
        trailer: bool,
    },
}

impl PayloadForm {
    /// What the header `x-amz-content-sha256` says, the query parameter of that name, or of presigned requests their
    /// silence. `None` when it says nothing we know, or nothing where it has to.
    pub fn of(parts: &Parts, presented: &Presented) -> Option<(Self, String)> {
        let text = match parts.headers.get(CONTENT_SHA256) {
            Some(value) => value.to_str().ok()?.to_owned(),
            None if presented.form == Form::Header => return None,
            None => in_query(parts.uri.query()?).unwrap_or_else(|| UNSIGNED.to_owned()),
        };
        Some((Self::parse(&text)?, text))
    }

    /// The form that such a value stands for.
    pub fn parse(text: &str) -> Option<Self> {
        let chunks = |signed, trailer| Some(Self::Chunks { signed, trailer });
        match text {
            UNSIGNED => Some(Self::Unsigned),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunks(false, true),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => chunks(true, false),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => chunks(true, true),
            digest => unhex(digest).map(Self::Whole),
        }
    }
}

fn in_query(query: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(CONTENT_SHA256));
    let (_, value) = found.next()?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// A request to S3 that comes too late, or too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntimelyForS3 {
    /// Its clock and ours are too far apart.
    TooSkewed,
    /// It was presigned and its time is over.
    Expired {
        /// How long it was good for.
        expires_seconds: i64,
    },
}

impl Presented {
    /// Whether a request to S3 is in time.
    pub fn check_time_for_s3(&self, now: Timestamp) -> Result<(), UntimelyForS3> {
        if self.signed_at > now.plus_seconds(S3_MAX_SKEW_SECONDS) {
            return Err(UntimelyForS3::TooSkewed);
        }
        match self.form {
            Form::Header if self.signed_at.plus_seconds(S3_MAX_SKEW_SECONDS) < now => {
                Err(UntimelyForS3::TooSkewed)
            }
            Form::Presigned { expires_seconds } if self.signed_at.plus_seconds(expires_seconds) < now => {
                Err(UntimelyForS3::Expired { expires_seconds })
            }
            _ => Ok(()),
        }
    }

    /// Whether the signature is that of this request to S3 with this key, given what it says of its body.
    pub fn verify_for_s3(&self, key: &SigningKey, parts: &Parts, payload: &str) -> Result<(), AuthError> {
        let view = View::of_s3(parts);
        self.verify_hash(key, &view, payload).or_else(|_| {
            let paths = Paths::Verbatim;
            self.verify_hash(key, &View { paths, ..view }, payload)
        })
    }

    /// What verifies the chunks of this request's body; each signature hangs on the one before.
    pub fn chunks(&self, key: SigningKey) -> ChunkVerifier {
        ChunkVerifier {
            key,
            amz_date: self.amz_date.clone(),
            scope: self.scope_text(),
            previous: self.signature,
        }
    }
}

/// Verifies the chunks of one body.
#[derive(Clone, Debug)]
pub struct ChunkVerifier {
    key: SigningKey,
    amz_date: String,
    scope: String,
    previous: [u8; 32],
}

impl ChunkVerifier {
    /// Whether that is the signature of the next chunk, given its SHA-256.
    pub(super) fn verify_chunk(&mut self, digest: &[u8], signature: &str) -> Result<(), AuthError> {
        let text = format!("{}\n{}", sha256_hex(b""), hex(digest));
        self.verify("AWS4-HMAC-SHA256-PAYLOAD", &text, signature)
    }

    /// Whether that is the signature of the headers after the last chunk, as `name:value` and a line feed each.
    pub(super) fn verify_trailer(&mut self, lines: &str, signature: &str) -> Result<(), AuthError> {
        let digest = hex(&Sha256::digest(lines.as_bytes()));
        self.verify("AWS4-HMAC-SHA256-TRAILER", &digest, signature)
    }

    fn verify(&mut self, algorithm: &str, digests: &str, signature: &str) -> Result<(), AuthError> {
        let (date, scope, previous) = (&self.amz_date, &self.scope, hex(&self.previous));
        let text = format!("{algorithm}\n{date}\n{scope}\n{previous}\n{digests}");
        let expected = self.key.sign(&text);
        let given = unhex(signature).ok_or(AuthError::Mismatch)?;
        if bool::from(expected.ct_eq(&given)) {
            self.previous = expected;
            Ok(())
        } else {
            Err(AuthError::Mismatch)
        }
    }
}
