//! Signing, for our own clients: the agent and the quickstart.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use portcullis_core::{Secret, Timestamp, hex};
use thiserror::Error;

use super::ALGORITHM;
use super::canonical::{View, scope_text, sha256_hex, string_to_sign};
use super::key::SigningKey;

/// A request that cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// There is neither a `Host` header nor an authority in the URI.
    #[error("the request names no host; give it an absolute URI")]
    NoHost,
    /// A credential holds what no header can.
    #[error("the credentials hold characters that no HTTP header can; check how they were read")]
    BadCredentials,
}

/// Credentials and the scope they sign for.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The access key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret_access_key: &'a Secret,
    /// The token of temporary credentials.
    pub session_token: Option<&'a Secret>,
    /// The Region.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
}

impl Signer<'_> {
    /// Signs a request: sets `Host` if it is missing, `X-Amz-Date`, `X-Amz-Security-Token` and `Authorization`, and
    /// covers `Host`, `Content-Type` and every `X-Amz-*` header. A websocket upgrade is signed over an empty body.
    pub fn sign(&self, parts: &mut Parts, body: &[u8], now: Timestamp) -> Result<(), SignError> {
        let amz_date = now.to_amz_date();
        self.prepare(parts, &amz_date)?;
        let signed_headers = covered(parts);
        let date = amz_date.split_once('T').map_or("", |(day, _)| day);
        let scope = scope_text(date, self.region, self.service);
        let view = match self.service {
            "s3" => View::of_s3(parts),
            _ => View::of(parts),
        };
        let canonical = view
            .canonical(&signed_headers, &sha256_hex(body))
            .ok_or(SignError::NoHost)?;
        let key = SigningKey::derive(self.secret_access_key, date, self.region, self.service);
        let signature = hex(&key.sign(&string_to_sign(&amz_date, &scope, &canonical)));
        let id = self.access_key_id;
        let value = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
        );
        parts.headers.insert(AUTHORIZATION, header(&value)?);
        Ok(())
    }

    fn prepare(&self, parts: &mut Parts, amz_date: &str) -> Result<(), SignError> {
        if !parts.headers.contains_key(HOST) {
            let authority = parts.uri.authority().ok_or(SignError::NoHost)?;
            let host = header(authority.as_str())?;
            parts.headers.insert(HOST, host);
        }
        parts
            .headers
            .insert(HeaderName::from_static("x-amz-date"), header(amz_date)?);
        if let Some(token) = self.session_token {
            let mut value = header(token.expose())?;
            value.set_sensitive(true);
            parts
                .headers
                .insert(HeaderName::from_static("x-amz-security-token"), value);
        }
        Ok(())
    }
}

/// The headers to sign, sorted.
fn covered(parts: &Parts) -> String {
    let mut names: Vec<&str> = parts
        .headers
        .keys()
        .filter(|name| *name == HOST || *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-"))
        .map(HeaderName::as_str)
        .collect();
    names.sort_unstable();
    names.join(";")
}

fn header(text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::BadCredentials)
}
