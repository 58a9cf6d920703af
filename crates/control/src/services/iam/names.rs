//! Paths of names.

use super::errors::IamError;

/// Paths of roles that belong to services; customers cannot make entities there (R133, R134).
const RESERVED: [&str; 2] = ["/aws-service-role/", "/aws-reserved/"];

/// The path to use: `/` when the caller gives none. The schema has checked its form.
pub(super) fn path(given: Option<&String>) -> Result<String, IamError> {
    let path = given.map_or("/", String::as_str);
    if RESERVED.iter().any(|reserved| path.starts_with(reserved)) {
        return Err(IamError::InvalidInput(format!(
            "The path {path} is reserved for AWS services."
        )));
    }
    Ok(path.to_owned())
}
