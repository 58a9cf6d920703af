//! IAM Toolbox's errors: code, status and text in one place. AWS's texts are not known; these are ours.

use crate::gate::error::ServiceError;

/// Why IAM Toolbox refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolboxError {
    /// No refusal of the caller's account has this id (any more).
    NoSuchAuthorization,
    /// The refusal met no policy of this URI.
    NoSuchPolicy,
    /// A token that no answer gave.
    InvalidNextToken,
    /// The server failed.
    Internal,
}

impl From<ToolboxError> for ServiceError {
    fn from(error: ToolboxError) -> Self {
        let (code, status, text) = match error {
            ToolboxError::NoSuchAuthorization => (
                "ResourceNotFoundException",
                404,
                "There are no authorization details with this authorization id.",
            ),
            ToolboxError::NoSuchPolicy => (
                "ResourceNotFoundException",
                404,
                "No policy with this URI was evaluated for this authorization id.",
            ),
            ToolboxError::InvalidNextToken => ("ValidationException", 400, "The nextToken is not valid."),
            ToolboxError::Internal => (
                "InternalServerException",
                500,
                "The request processing has failed because of an internal error.",
            ),
        };
        Self::new(code, status, text)
    }
}
