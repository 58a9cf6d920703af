//! AWS Signature Version 4: verification on the server's side, signing on the client's.
//!
//! A server parses what a request presents ([`Presented::parse`]), checks its times and scope
//! ([`Presented::check`]), finds the secret of the access key and verifies ([`Presented::verify`]). Times come
//! in as arguments and secrets stay with the caller; nothing here remembers anything.

mod canonical;
mod chunked;
mod error;
mod key;
mod presented;
mod s3;
mod sign;
#[cfg(test)]
mod vectors;

pub use chunked::{ChunkError, Chunked};
pub use error::AuthError;
pub use key::SigningKey;
pub use presented::{Form, Presented, Scope, claimed_key, claimed_service};
pub use s3::{ChunkVerifier, PayloadForm, S3_MAX_SKEW_SECONDS, UntimelyForS3};
pub use sign::{SignError, Signer};

/// How far a request's time may lie from ours, in seconds. S3 alone allows more: [`S3_MAX_SKEW_SECONDS`].
pub const MAX_SKEW_SECONDS: i64 = 300;
/// Longest life of a presigned request, in seconds: seven days.
pub const MAX_EXPIRES_SECONDS: i64 = 604_800;
/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last element of every scope.
const TERMINATOR: &str = "aws4_request";

/// 64 hexadecimal digits as bytes.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    if digits.len() == 64 {
        bytes.try_into().ok()
    } else {
        None
    }
}
