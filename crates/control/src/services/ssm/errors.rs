//! Every error of Systems Manager with its code and text. Texts that were not found are ours.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why Systems Manager refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum SsmError {
    #[error("Nonexistent role or missing ssm service principal in trust policy: {0}")]
    Role(String),
    #[error("The expiration date must be in the future, and at most 30 days from now.")]
    ExpirationDate,
    #[error("Tag keys that start with aws: are reserved, and no key may be given twice.")]
    Tags,
    #[error(
        "The activation isn't valid. The activation might have been deleted, or the ActivationId and the ActivationCode don't match."
    )]
    InvalidActivation,
    #[error(
        "The activation ID isn't valid. Verify the you entered the correct ActivationId or ActivationCode and try again."
    )]
    InvalidActivationId,
    #[error("The activation has expired. Create another one.")]
    ActivationExpired,
    #[error("The activation's registration limit is reached. Create another one.")]
    LimitExceeded,
    #[error("The public key must be an Ed25519 key in base 64, proven by its holder.")]
    PublicKey,
    #[error("Not existing InstanceId {0}")]
    NoInstance(String),
    #[error("The proof by the managed instance's key does not hold, or was used before.")]
    Proof,
    #[error("The resource ID isn't valid. Verify that you entered the correct ID and try again.")]
    ResourceId,
    #[error("A resource can have at most 50 tags.")]
    TooManyTags,
    #[error("The specified filter key isn't valid.")]
    FilterKey,
    #[error("The specified token isn't valid.")]
    NextToken,
    #[error("An error occurred on the server side.")]
    Internal,
}

impl SsmError {
    fn code(&self) -> &'static str {
        match self {
            Self::Role(_) | Self::ExpirationDate | Self::Tags => "ValidationException",
            Self::InvalidActivation => "InvalidActivation",
            Self::InvalidActivationId => "InvalidActivationId",
            Self::ActivationExpired => "ActivationExpired",
            Self::LimitExceeded => "RegistrationLimitExceeded",
            Self::PublicKey => "InvalidParameters",
            Self::NoInstance(_) => "InvalidInstanceId",
            Self::Proof => "AccessDeniedException",
            Self::ResourceId => "InvalidResourceId",
            Self::TooManyTags => "TooManyTagsError",
            Self::FilterKey => "InvalidFilterKey",
            Self::NextToken => "InvalidNextToken",
            Self::Internal => "InternalServerError",
        }
    }
}

impl From<SsmError> for ServiceError {
    fn from(error: SsmError) -> Self {
        let status = if error == SsmError::Internal { 500 } else { 400 };
        Self::new(error.code(), status, error.to_string())
    }
}
