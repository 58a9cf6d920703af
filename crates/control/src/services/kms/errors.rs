//! Every error of KMS with its code and text. Texts that were not found are ours.

use portcullis_core::Arn;
use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why KMS refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum KmsError {
    #[error("Key '{0}' does not exist")]
    NoKey(Arn),
    #[error("Alias {0} is not found.")]
    NoAlias(Arn),
    #[error("Invalid keyId '{0}'")]
    KeyId(String),
    #[error("Invalid arn {0}")]
    ArnRegion(String),
    #[error("Invalid arn {0}")]
    Arn(String),
    #[error("{0} is disabled.")]
    Disabled(Arn),
    #[error("{0} is pending deletion.")]
    PendingDeletion(Arn),
    #[error("{0} is not pending deletion.")]
    NotPendingDeletion(Arn),
    #[error("")]
    InvalidCiphertext,
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
    #[error("{arn} key usage is {usage} which is not valid for {operation}.")]
    KeyUsage {
        arn: Arn,
        usage: String,
        operation: &'static str,
    },
    #[error("Algorithm {algorithm} is incompatible with key spec {spec}.")]
    Algorithm { algorithm: String, spec: String },
    #[error("")]
    InvalidMac,
    #[error("The request would have succeeded, but the DryRun option is set.")]
    DryRun,
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    MalformedPolicy(String),
    #[error("The new key policy will not allow you to update the key policy in the future.")]
    Lockout,
    #[error("No such policy exists")]
    NoPolicy,
    #[error("An alias with the name {0} already exists")]
    AliasExists(Arn),
    #[error("{0} contains invalid characters for an alias")]
    AliasName(String),
    #[error("")]
    ReservedAlias,
    #[error("Grant ID {0} not found")]
    NoGrant(String),
    #[error("The grant token is not valid.")]
    GrantToken,
    #[error("The marker is not valid.")]
    Marker,
    #[error("{0}")]
    Tag(String),
    #[error("{0}")]
    Limit(String),
    #[error("An internal error occurred; try again.")]
    Internal,
}

impl KmsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoKey(_)
            | Self::NoAlias(_)
            | Self::KeyId(_)
            | Self::ArnRegion(_)
            | Self::NoPolicy
            | Self::NoGrant(_) => "NotFoundException",
            Self::Arn(_) => "InvalidArnException",
            Self::Disabled(_) => "DisabledException",
            Self::PendingDeletion(_) | Self::NotPendingDeletion(_) => "KMSInvalidStateException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::KeyUsage { .. } | Self::Algorithm { .. } => "InvalidKeyUsageException",
            Self::InvalidMac => "KMSInvalidMacException",
            Self::DryRun => "DryRunOperationException",
            Self::Unsupported(_) => "UnsupportedOperationException",
            Self::Validation(_) => "ValidationException",
            Self::MalformedPolicy(_) | Self::Lockout => "MalformedPolicyDocumentException",
            Self::AliasExists(_) => "AlreadyExistsException",
            Self::AliasName(_) => "InvalidAliasNameException",
            Self::ReservedAlias => "NotAuthorizedException",
            Self::GrantToken => "InvalidGrantTokenException",
            Self::Marker => "InvalidMarkerException",
            Self::Tag(_) => "TagException",
            Self::Limit(_) => "LimitExceededException",
            Self::Internal => "KMSInternalException",
        }
    }
}

impl From<KmsError> for ServiceError {
    fn from(error: KmsError) -> Self {
        let status = if error == KmsError::Internal { 500 } else { 400 };
        Self::new(error.code(), status, error.to_string())
    }
}
