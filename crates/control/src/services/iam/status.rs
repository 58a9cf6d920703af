//! `Active` and `Inactive`: whether a key or certificate may be used.

use super::credential_errors::CredentialError;

/// As replies show it.
pub(super) fn shown(active: bool) -> String {
    if active { "Active" } else { "Inactive" }.to_owned()
}

/// As requests set it. What has a deadline expires by itself: nobody can say it has.
pub(super) fn accept(status: &str) -> Result<bool, CredentialError> {
    match status {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        other => Err(CredentialError::Status(other.to_owned())),
    }
}
