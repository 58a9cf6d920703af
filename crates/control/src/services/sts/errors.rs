//! STS's errors: code, status and text in one table.

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
    /// A managed session policy that does not exist.
    NoSuchPolicy(String),
    /// More managed session policies than ten (R26).
    TooManyPolicies,
    /// Two tags of the same key.
    DuplicateTagKey,
    /// A transitive key that is no tag of the session.
    TransitiveKeyWithoutTag,
    /// The server failed.
    Internal,
}

impl From<StsError> for ServiceError {
    fn from(error: StsError) -> Self {
        use StsError as E;
        let (code, status, text) = match error {
            E::RootAssumesRole => ("AccessDenied", 403, "Roles may not be assumed by root accounts.".to_owned()),
            E::InvalidMfaCode => (
                "AccessDenied",
                403,
                "MultiFactorAuthentication failed with invalid MFA one time pass code. ".to_owned(),
            ),
            E::IncompleteMfa => (
                "ValidationError",
                400,
                "Both SerialNumber and TokenCode must be provided for MultiFactorAuthentication.".to_owned(),
            ),
            E::SessionCredentials(operation) => {
                ("AccessDenied", 403, format!("Cannot call {operation} with session credentials"))
            }
            E::DurationExceedsRole => (
                "ValidationError",
                400,
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
            ),
            E::DurationExceedsChaining => (
                "ValidationError",
                400,
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.".to_owned(),
            ),
            E::DurationExceedsRoot => (
                "ValidationError",
                400,
                "The requested DurationSeconds exceeds the 1 hour session limit for root credentials.".to_owned(),
            ),
            E::MalformedPolicy(text) => ("MalformedPolicyDocument", 400, text),
            E::PackedPolicyTooLarge(percent) => (
                "PackedPolicyTooLarge",
                400,
                format!("Packed policy consumes {percent}% of allotted space, please use smaller policy."),
            ),
            E::NoSuchPolicy(arn) => ("ValidationError", 400, format!("Policy {arn} does not exist.")),
            E::TooManyPolicies => (
                "ValidationError",
                400,
                "The number of managed session policies exceeds the limit of 10.".to_owned(),
            ),
            E::DuplicateTagKey => (
                "InvalidParameterValue",
                400,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ),
            E::TransitiveKeyWithoutTag => (
                "InvalidParameterValue",
                400,
                "The specified transitive tag key must be included in the requested tags.".to_owned(),
            ),
            E::Internal => (
                "InternalFailure",
                500,
                "The request processing has failed because of an internal error.".to_owned(),
            ),
        };
        Self::new(code, status, text)
    }
}
