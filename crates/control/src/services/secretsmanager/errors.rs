//! Every error of Secrets Manager with its code and text. Texts that were not found are ours. None names a value.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why Secrets Manager refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum SecretsError {
    #[error("Secrets Manager can't find the specified secret.")]
    NoSecret,
    #[error("Secrets Manager can't find the specified secret value for staging label: {0}")]
    NoStage(String),
    #[error("Secrets Manager can't find the specified secret value for VersionId: {0}")]
    NoVersion(String),
    #[error("You provided a VersionStage that is not associated to the provided VersionId.")]
    StageOfAnother,
    #[error("You can't perform this operation on the secret because it was marked for deletion.")]
    Marked,
    #[error(
        "You can't create this secret because a secret with this name is already scheduled for deletion."
    )]
    NameLeaving,
    #[error("The operation failed because the secret {0} already exists.")]
    Exists(String),
    #[error(
        "You can't use ClientRequestToken {0} because that value is already in use for a version of secret {1}."
    )]
    TokenInUse(String, String),
    #[error(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
    )]
    Name,
    #[error("You can't specify both a binary secret value and a string secret value in the same secret.")]
    TwoValues,
    #[error("You must provide either SecretString or SecretBinary.")]
    NoValue,
    #[error("The secret value is longer than 65536 bytes.")]
    TooLong,
    #[error("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")]
    ForceAndWindow,
    #[error("RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")]
    Window,
    #[error("You can have at most 20 staging labels on a version of a secret.")]
    Stages,
    #[error(
        "A secret can have about 100 versions. Versions without staging labels are removed a day after they were made."
    )]
    Versions,
    #[error("You have reached the quota of 500000 secrets in this Region.")]
    Secrets,
    #[error("You must specify MoveToVersionId, RemoveFromVersionId, or both.")]
    NoMove,
    #[error(
        "You can only move staging label {0} to a different secret version. It can’t be completely removed."
    )]
    CurrentStays(String),
    #[error(
        "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {version}, so you must explicitly reference that version in RemoveFromVersionId."
    )]
    NotRemoved {
        /// The label.
        label: String,
        /// Where it is.
        version: String,
    },
    #[error("Staging label {label} is not attached to version {version}.")]
    NotThere {
        /// The label.
        label: String,
        /// Where it is not.
        version: String,
    },
    #[error(
        "Tag keys that start with aws: are reserved, no key may be given twice, and a secret has at most 50 tags."
    )]
    Tags,
    #[error("No Lambda rotation function ARN is associated with this secret.")]
    NoRotation,
    #[error(
        "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com."
    )]
    RotationFunction,
    #[error("{0} is not supported by this server.")]
    Unsupported(&'static str),
    #[error("This resource policy contains a syntax error: {0}")]
    MalformedPolicy(String),
    #[error("This resource policy contains an unsupported principal.")]
    UnsupportedPrincipal,
    #[error(
        "You can't attach a resource-based policy that allows public access to the secret. Remove what grants it, or set BlockPublicPolicy to false."
    )]
    PublicPolicy,
    #[error("Specify either SecretIdList or Filters, and MaxResults and NextToken with Filters only.")]
    Batch,
    #[error("The NextToken value is invalid.")]
    NextToken,
    #[error("Password length must be between {0} and 4096.")]
    PasswordLength(usize),
    #[error("All characters are excluded: no password can be made.")]
    NoCharacters,
    #[error("Access to KMS is not allowed")]
    Kms,
    #[error(
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state."
    )]
    Encryption,
    #[error("Secrets Manager can't decrypt the protected secret text using the provided KMS key.")]
    Decryption,
}

impl SecretsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSecret | Self::NoStage(_) | Self::NoVersion(_) => "ResourceNotFoundException",
            Self::StageOfAnother | Self::Marked | Self::NameLeaving | Self::NoValue | Self::NoRotation => {
                "InvalidRequestException"
            }
            Self::Exists(_) | Self::TokenInUse(..) => "ResourceExistsException",
            Self::Name => "ValidationException",
            Self::Stages | Self::Versions | Self::Secrets => "LimitExceededException",
            Self::RotationFunction | Self::Kms => "AccessDeniedException",
            Self::MalformedPolicy(_) | Self::UnsupportedPrincipal => "MalformedPolicyDocumentException",
            Self::PublicPolicy => "PublicPolicyException",
            Self::NextToken => "InvalidNextTokenException",
            Self::Encryption => "EncryptionFailure",
            Self::Decryption => "DecryptionFailure",
            Self::TwoValues
            | Self::TooLong
            | Self::ForceAndWindow
            | Self::Window
            | Self::NoMove
            | Self::CurrentStays(_)
            | Self::NotRemoved { .. }
            | Self::NotThere { .. }
            | Self::Tags
            | Self::Unsupported(_)
            | Self::Batch
            | Self::PasswordLength(_)
            | Self::NoCharacters => "InvalidParameterException",
        }
    }
}

impl From<SecretsError> for ServiceError {
    fn from(error: SecretsError) -> Self {
        Self::new(error.code(), 400, error.to_string())
    }
}
