//! Policy documents on their way in and out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_policy::{Document, Kind, size_quota, size_without_whitespace};

use super::errors::IamError;
use crate::world::records::PolicyText;

/// What RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Characters a version of a managed policy may have (R26).
pub(super) const MANAGED_SIZE: usize = quota(Kind::Identity);
/// Characters a trust policy may have (R26).
pub(super) const TRUST_SIZE: usize = quota(Kind::Trust);

const fn quota(kind: Kind) -> usize {
    match size_quota(kind) {
        Some(characters) => characters,
        None => usize::MAX,
    }
}

/// Checks a document as IAM does before it is kept (R2-R25).
pub(super) fn parse(text: &str, kind: Kind) -> Result<Document, IamError> {
    Document::parse(text, kind).map_err(|malformed| IamError::MalformedPolicy(malformed.to_string()))
}

/// An identity policy to keep.
pub(super) fn identity(text: &str) -> Result<PolicyText, IamError> {
    Ok(PolicyText::new(&parse(text, Kind::Identity)?))
}

/// A version of a managed policy to keep.
pub(super) fn managed(text: &str) -> Result<PolicyText, IamError> {
    let policy = identity(text)?;
    if size_without_whitespace(text) > MANAGED_SIZE {
        return Err(IamError::Quota("PolicySize", MANAGED_SIZE));
    }
    Ok(policy)
}

/// Percent-encoded (RFC 3986), as IAM returns documents (R28).
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_documents_are_percent_encoded() {
        assert_eq!(
            encoded("{\"a b\": [é]}-._~"),
            "%7B%22a%20b%22%3A%20%5B%C3%A9%5D%7D-._~"
        );
    }
}
