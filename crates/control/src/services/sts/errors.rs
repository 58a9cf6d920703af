//! STS's errors: code, status and text in one place.

use crate::gate::error::ServiceError;

/// Why STS refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StsError {
    /// Root may not assume roles (R125).
    RootAssumesRole,
    /// No such device, or the code is wrong or was used before.
    InvalidMfaCode,
    /// Only one of serial number and code was given.
    IncompleteMfa,
    /// Temporary credentials ask for temporary credentials.
    SessionCredentials(&'static str),
    /// Longer than the role allows.
    DurationExceedsRole,
    /// Longer than an hour, from a role session (R125).
    DurationExceedsChaining,
    /// Root's sessions last an hour at most.
    DurationExceedsRoot,
    /// A session policy that does not parse.
    MalformedPolicy(String),
    /// Session policies and tags take more room than a token has (R27); the percentage.
    PackedPolicyTooLarge(u64),
    /// Session tags alone take more room than a token has (R27); the percentage.
    PackedTagsTooLarge(u64),
    /// A managed session policy that does not exist.
    NoSuchPolicy(String),
    /// More managed session policies than ten (R26).
    TooManyPolicies,
    /// Two tags of the same key.
    DuplicateTagKey,
    /// A transitive key that is no tag of the session.
    TransitiveKeyWithoutTag,
    /// A tag of the request is one that the calling session passes on.
    TransitiveTagConflict,
    /// The calling session has another source identity.
    SourceIdentitySet,
    /// An inline session policy with more characters than this (R26).
    PolicyTooLong {
        /// The policy.
        policy: String,
        /// Most characters.
        max: usize,
    },
    /// The server failed.
    Internal,
}

impl From<StsError> for ServiceError {
    fn from(error: StsError) -> Self {
        let (code, status) = error.code();
        Self::new(code, status, error.text())
    }
}

impl StsError {
    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::RootAssumesRole | Self::InvalidMfaCode | Self::SessionCredentials(_) => {
                ("AccessDenied", 403)
            }
            Self::IncompleteMfa
            | Self::DurationExceedsRole
            | Self::DurationExceedsChaining
            | Self::DurationExceedsRoot
            | Self::NoSuchPolicy(_)
            | Self::TooManyPolicies
            | Self::PolicyTooLong { .. }
            | Self::SourceIdentitySet => ("ValidationError", 400),
            Self::MalformedPolicy(_) => ("MalformedPolicyDocument", 400),
            Self::PackedPolicyTooLarge(_) | Self::PackedTagsTooLarge(_) => ("PackedPolicyTooLarge", 400),
            Self::DuplicateTagKey | Self::TransitiveKeyWithoutTag | Self::TransitiveTagConflict => {
                ("InvalidParameterValue", 400)
            }
            Self::Internal => ("InternalFailure", 500),
        }
    }

    fn text(self) -> String {
        let text = match self {
            Self::SessionCredentials(operation) => {
                return format!("Cannot call {operation} with session credentials");
            }
            Self::MalformedPolicy(text) => return text,
            Self::PackedPolicyTooLarge(percent) => {
                return format!(
                    "Packed policy consumes {percent}% of allotted space, please use smaller policy."
                );
            }
            Self::PackedTagsTooLarge(percent) => {
                return format!("Packed size of session tags consumes {percent}% of allotted space.");
            }
            Self::NoSuchPolicy(arn) => return format!("Policy {arn} does not exist."),
            Self::PolicyTooLong { policy, max } => {
                return format!(
                    "1 validation error detected: Value '{policy}' at 'policy' failed to satisfy constraint: Member must have length less than or equal to {max}"
                );
            }
            Self::RootAssumesRole => "Roles may not be assumed by root accounts.",
            Self::InvalidMfaCode => "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
            Self::IncompleteMfa => {
                "Both SerialNumber and TokenCode must be provided for MultiFactorAuthentication."
            }
            Self::DurationExceedsRole => {
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            }
            Self::DurationExceedsChaining => {
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            }
            Self::DurationExceedsRoot => {
                "The requested DurationSeconds exceeds the 1 hour session limit for root credentials."
            }
            Self::TooManyPolicies => "The number of managed session policies exceeds the limit of 10.",
            Self::DuplicateTagKey => {
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            }
            Self::TransitiveKeyWithoutTag => {
                "The specified transitive tag key must be included in the requested tags."
            }
            Self::TransitiveTagConflict => {
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
            }
            Self::SourceIdentitySet => "The source identity is already set for this assume role session",
            Self::Internal => "The request processing has failed because of an internal error.",
        };
        text.to_owned()
    }
}
