//! What a request presents, and whether it holds.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use portcullis_core::{Secret, Timestamp};
use subtle::ConstantTimeEq as _;

use super::canonical::{View, scope_text, sha256_hex, string_to_sign};
use super::error::AuthError;
use super::key::SigningKey;
use super::{ALGORITHM, MAX_EXPIRES_SECONDS, MAX_SKEW_SECONDS, TERMINATOR, unhex};

/// Prefix of the headers that must all be signed, and of the query parameters of the presigned form.
const AMZ_PREFIX: &str = "x-amz-";

/// Where the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query string, good for this many seconds from its date.
    Presigned {
        /// `X-Amz-Expires`.
        expires_seconds: i64,
    },
}

/// What a key was derived for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// The Region.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

/// The authentication of a request, parsed but not believed.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The access key.
    pub access_key_id: String,
    /// The scope of the signature.
    pub scope: Scope,
    /// The token of temporary credentials.
    pub session_token: Option<Secret>,
    /// When the request says it was signed.
    pub signed_at: Timestamp,
    /// Where the signature stands.
    pub form: Form,
    /// `signed_at` as it was signed.
    pub(super) amz_date: String,
    /// Names of the signed headers, lower-case, between semicolons.
    signed_headers: String,
    pub(super) signature: [u8; 32],
}

/// The service a request claims to be signed for; nothing of it is verified here. For routing.
pub fn claimed_service(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    claimed_credential(headers, uri)?
        .split('/')
        .nth(3)
        .map(str::to_owned)
}

/// The access key a request claims to be signed with; nothing of it is verified here. For finding its account.
pub fn claimed_key(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    claimed_credential(headers, uri)?
        .split('/')
        .next()
        .map(str::to_owned)
}

fn claimed_credential(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header {
        Some(header) => Some(header.split_once("Credential=")?.1.split(',').next()?.to_owned()),
        None => presigned_parameters(uri.query()?).ok()?.remove("credential"),
    }
}

/// The pieces of either form, still text.
struct Raw {
    credential: String,
    signed_headers: String,
    signature: String,
    amz_date: String,
    session_token: Option<String>,
    form: Form,
}

impl Presented {
    /// Reads the authentication of a request. Errors come in AWS's order: nothing there, incomplete, then wrong.
    pub fn parse(parts: &Parts) -> Result<Self, AuthError> {
        Self::parse_view(&View::of(parts))
    }

    pub(super) fn parse_view(view: &View<'_>) -> Result<Self, AuthError> {
        let query = presigned_parameters(view.query)?;
        let is_presigned = ["algorithm", "signature", "credential"]
            .iter()
            .any(|name| query.contains_key(*name));
        let raw = match (view.headers.contains_key(AUTHORIZATION), is_presigned) {
            (false, false) => return Err(AuthError::MissingToken),
            (true, true) => {
                return Err(incomplete(
                    "Only one of header and query authentication may be given.",
                ));
            }
            (true, false) => from_header(view)?,
            (false, true) => from_query(view, &query)?,
        };
        refuse_duplicates(view)?;
        let signed_at = Timestamp::from_amz_date(&raw.amz_date).map_err(|_| {
            let got = &raw.amz_date;
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{got}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ))
        })?;
        let (access_key_id, scope) = credential(&raw)?;
        check_completeness(view, &raw.signed_headers)?;
        Ok(Self {
            access_key_id,
            scope,
            session_token: raw.session_token.map(Secret::new),
            signed_at,
            form: raw.form,
            signature: unhex(&raw.signature).ok_or(AuthError::Mismatch)?,
            amz_date: raw.amz_date,
            signed_headers: raw.signed_headers,
        })
    }

    /// Whether the request is in time and signed for this service. The Region is the caller's to judge.
    pub fn check(&self, service: &str, now: Timestamp) -> Result<(), AuthError> {
        self.check_time(now)?;
        if self.scope.service != service {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{service}'. "
            )));
        }
        Ok(())
    }

    fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let life = match self.form {
            Form::Header => MAX_SKEW_SECONDS,
            Form::Presigned { expires_seconds } => expires_seconds,
        };
        let (signed, today) = (&self.amz_date, now.to_amz_date());
        if self.signed_at.plus_seconds(life) < now {
            let limit = now.plus_seconds(-life).to_amz_date();
            let life = duration(life);
            return Err(invalid(format!(
                "Signature expired: {signed} is now earlier than {limit} ({today} - {life}.)"
            )));
        }
        if self.signed_at > now.plus_seconds(MAX_SKEW_SECONDS) {
            let limit = now.plus_seconds(MAX_SKEW_SECONDS).to_amz_date();
            let skew = duration(MAX_SKEW_SECONDS);
            let text = format!(
                "Signature not yet current: {signed} is still later than {limit} ({today} + {skew}.)"
            );
            return Err(invalid(text));
        }
        Ok(())
    }

    /// Whether the signature is that of this request with this key; in constant time. The payload hash is computed
    /// from the body, whether or not the request claims one.
    pub fn verify(&self, key: &SigningKey, parts: &Parts, body: &[u8]) -> Result<(), AuthError> {
        self.verify_view(key, &View::of(parts), body)
    }

    pub(super) fn verify_view(
        &self,
        key: &SigningKey,
        view: &View<'_>,
        body: &[u8],
    ) -> Result<(), AuthError> {
        let payload_hash = sha256_hex(body);
        let claimed = view.headers.get("x-amz-content-sha256");
        if claimed.is_some_and(|claimed| claimed.as_bytes() != payload_hash.as_bytes()) {
            return Err(AuthError::Mismatch);
        }
        self.verify_hash(key, view, &payload_hash)
    }

    /// Whether the signature is that of this request with this key, given what it says of its body.
    pub(super) fn verify_hash(
        &self,
        key: &SigningKey,
        view: &View<'_>,
        payload_hash: &str,
    ) -> Result<(), AuthError> {
        let canonical = view
            .canonical(&self.signed_headers, payload_hash)
            .ok_or(AuthError::Mismatch)?;
        let scope = self.scope_text();
        let expected = key.sign(&string_to_sign(&self.amz_date, &scope, &canonical));
        if bool::from(expected.ct_eq(&self.signature)) {
            Ok(())
        } else {
            Err(AuthError::Mismatch)
        }
    }

    /// The scope as it is signed.
    pub(super) fn scope_text(&self) -> String {
        scope_text(&self.scope.date, &self.scope.region, &self.scope.service)
    }
}

fn incomplete(text: impl Into<String>) -> AuthError {
    AuthError::Incomplete(text.into())
}

fn invalid(text: impl Into<String>) -> AuthError {
    AuthError::Invalid(text.into())
}

fn duration(seconds: i64) -> String {
    if seconds % 60 == 0 {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} sec")
    }
}

/// The `X-Amz-*` parameters of the query string, names lower-case and without the prefix. Twice is once too often.
fn presigned_parameters(query: &str) -> Result<BTreeMap<String, String>, AuthError> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut found = BTreeMap::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).to_ascii_lowercase();
        if let Some(short) = name.strip_prefix(AMZ_PREFIX)
            && found.insert(short.to_owned(), decode(value)).is_some()
        {
            return Err(incomplete(format!(
                "Query parameter '{name}' is given more than once."
            )));
        }
    }
    Ok(found)
}

fn from_header(view: &View<'_>) -> Result<Raw, AuthError> {
    let header = header_text(view, AUTHORIZATION.as_str()).unwrap_or_default();
    let (algorithm, parameters) = header.split_once(' ').unwrap_or((header.as_str(), ""));
    if algorithm != ALGORITHM {
        return Err(incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'. "
        )));
    }
    let mut found = BTreeMap::new();
    for part in parameters
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, value) = part.split_once('=').ok_or_else(|| {
            let hash = sha256_hex(header.as_bytes());
            incomplete(format!(
                "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header (hashed with \
                 SHA-256): '{hash}'."
            ))
        })?;
        if found.insert(name, value).is_some() {
            return Err(incomplete(format!(
                "Authorization header gives '{name}' more than once."
            )));
        }
    }
    let amz_date = header_text(view, "x-amz-date").or_else(|| header_text(view, "date"));
    let mut missing: Vec<String> = ["Credential", "Signature", "SignedHeaders"]
        .into_iter()
        .filter(|name| found.get(name).is_none_or(|value| value.is_empty()))
        .map(|name| format!("Authorization header requires '{name}' parameter."))
        .collect();
    if amz_date.is_none() {
        missing.push(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned(),
        );
    }
    if !missing.is_empty() {
        let hash = sha256_hex(header.as_bytes());
        return Err(incomplete(format!(
            "{} (Hashed with SHA-256) Authorization={hash}",
            missing.join(" ")
        )));
    }
    let text = |name: &str| found.get(name).copied().unwrap_or_default().to_owned();
    Ok(Raw {
        credential: text("Credential"),
        signed_headers: text("SignedHeaders"),
        signature: text("Signature"),
        amz_date: amz_date.unwrap_or_default(),
        session_token: header_text(view, "x-amz-security-token"),
        form: Form::Header,
    })
}

fn from_query(view: &View<'_>, query: &BTreeMap<String, String>) -> Result<Raw, AuthError> {
    let algorithm = query.get("algorithm").map(String::as_str).unwrap_or_default();
    if algorithm != ALGORITHM {
        return Err(incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'. "
        )));
    }
    let need = |name: &str, shown: &str| {
        let value = query.get(name).filter(|value| !value.is_empty()).cloned();
        value.ok_or_else(|| {
            incomplete(format!(
                "AWS query-string parameters must include 'X-Amz-{shown}'."
            ))
        })
    };
    let expires = need("expires", "Expires")?;
    let expires_seconds = expires
        .parse()
        .ok()
        .filter(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(seconds));
    let expires_seconds = expires_seconds.ok_or_else(|| {
        incomplete(format!(
            "X-Amz-Expires must be a number between 1 and {MAX_EXPIRES_SECONDS} seconds."
        ))
    })?;
    let in_header = header_text(view, "x-amz-security-token");
    let session_token = match (query.get("security-token").cloned(), in_header) {
        (Some(_), Some(_)) => {
            return Err(incomplete(
                "The security token is given in both header and query.",
            ));
        }
        (in_query, in_header) => in_query.or(in_header),
    };
    Ok(Raw {
        credential: need("credential", "Credential")?,
        signed_headers: need("signedheaders", "SignedHeaders")?,
        signature: need("signature", "Signature")?,
        amz_date: need("date", "Date")?,
        session_token,
        form: Form::Presigned { expires_seconds },
    })
}

fn header_text(view: &View<'_>, name: &str) -> Option<String> {
    view.headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// A second `Authorization`, `Host` or `X-Amz-*` header could be read by one reader and the first by another.
fn refuse_duplicates(view: &View<'_>) -> Result<(), AuthError> {
    for name in view.headers.keys() {
        let guarded = name == AUTHORIZATION || name == HOST || name.as_str().starts_with(AMZ_PREFIX);
        if guarded && view.headers.get_all(name).iter().count() > 1 {
            return Err(incomplete(format!("Header '{name}' is given more than once.")));
        }
    }
    Ok(())
}

fn credential(raw: &Raw) -> Result<(String, Scope), AuthError> {
    let text = &raw.credential;
    let elements: Vec<&str> = text.split('/').collect();
    let Ok([access_key_id, date, region, service, terminator]) = <[&str; 5]>::try_from(elements) else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
        )));
    };
    if access_key_id.is_empty() {
        return Err(incomplete(format!(
            "Credential must name an access key id, got '{text}'"
        )));
    }
    if terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
        )));
    }
    let day = raw.amz_date.split_once('T').map_or("", |(day, _)| day);
    if day != date {
        let whole = &raw.amz_date;
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != \
             '{day}', from '{whole}'."
        )));
    }
    let scope = Scope {
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    Ok((access_key_id.to_owned(), scope))
}

/// `Host` and every `X-Amz-*` header present must be signed: an unsigned one could have been added on the way.
fn check_completeness(view: &View<'_>, signed_headers: &str) -> Result<(), AuthError> {
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    if !is_signed("host") {
        return Err(invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    for name in view.headers.keys().map(http::HeaderName::as_str) {
        if name.starts_with(AMZ_PREFIX) && !is_signed(name) {
            return Err(invalid(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization."
            )));
        }
    }
    Ok(())
}
