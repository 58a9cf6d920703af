//! STS's errors: code, status and text in one place.

use crate::federation::Rejected;
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
    /// A source identity in a token that breaks the pattern.
    InvalidSourceIdentity,
    /// A role's ARN that is none.
    InvalidRoleArn(String),
    /// The ARN of a call without signature that names no role.
    InvalidRequestArn,
    /// Context assertions; there are no context providers here.
    ProvidedContexts,
    /// A session tag of the reserved prefix.
    ReservedTag,
    /// A token of an identity provider that is not accepted.
    Token(Rejected),
    /// The account gives out no tokens of its own.
    OutboundDisabled,
    /// A token would outlive the session that asks for it.
    OutlivesSession,
    /// An access key id of no account here.
    NoAccessKey,
    /// A token with too many claims.
    PayloadTooLarge,
    /// An algorithm tokens are not signed with.
    SigningAlgorithm(String),
    /// An encoded authorization message that is none of this account's.
    InvalidAuthorizationMessage,
    /// The server failed.
    Internal,
}

impl From<Rejected> for StsError {
    fn from(rejected: Rejected) -> Self {
        Self::Token(rejected)
    }
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
            | Self::NoSuchPolicy(_)
            | Self::TooManyPolicies
            | Self::PolicyTooLong { .. }
            | Self::SourceIdentitySet
            | Self::InvalidRoleArn(_)
            | Self::InvalidRequestArn
            | Self::ProvidedContexts
            | Self::ReservedTag
            | Self::InvalidSourceIdentity
            | Self::NoAccessKey
            | Self::SigningAlgorithm(_) => ("ValidationError", 400),
            Self::MalformedPolicy(_) => ("MalformedPolicyDocument", 400),
            Self::PackedPolicyTooLarge(_) | Self::PackedTagsTooLarge(_) => ("PackedPolicyTooLarge", 400),
            Self::DuplicateTagKey | Self::TransitiveKeyWithoutTag | Self::TransitiveTagConflict => {
                ("InvalidParameterValue", 400)
            }
            Self::Token(Rejected::Expired { .. }) => ("ExpiredTokenException", 400),
            Self::Token(Rejected::Unreachable) => ("IDPCommunicationError", 400),
            Self::Token(_) => ("InvalidIdentityToken", 400),
            Self::OutboundDisabled => ("OutboundWebIdentityFederationDisabledException", 403),
            Self::OutlivesSession => ("SessionDurationEscalationException", 403),
            Self::PayloadTooLarge => ("JWTPayloadSizeExceededException", 400),
            Self::InvalidAuthorizationMessage => ("InvalidAuthorizationMessageException", 400),
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
            Self::InvalidRoleArn(arn) => return format!("{arn} is invalid"),
            Self::SigningAlgorithm(algorithm) => {
                return format!("Invalid SigningAlgorithm: {algorithm}. Tokens are signed with ES384 here.");
            }
            Self::PolicyTooLong { policy, max } => {
                return format!(
                    "1 validation error detected: Value '{policy}' at 'policy' failed to satisfy constraint: Member must have length less than or equal to {max}"
                );
            }
            Self::Token(rejected) => return token_text(&rejected),
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
            Self::TooManyPolicies => "The number of managed session policies exceeds the limit of 10.",
            Self::DuplicateTagKey => {
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            }
            Self::InvalidAuthorizationMessage => "Message is not valid",
            Self::ReservedTag => "Tag keys with the prefix aws: are reserved for system use.",
            Self::TransitiveKeyWithoutTag => {
                "The specified transitive tag key must be included in the requested tags."
            }
            Self::TransitiveTagConflict => {
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
            }
            Self::SourceIdentitySet => "The source identity is already set for this assume role session",
            Self::InvalidSourceIdentity => "The source identity of the token is invalid.",
            Self::InvalidRequestArn => "Request ARN is invalid",
            Self::ProvidedContexts => "ProvidedContexts is not supported by this server.",
            Self::NoAccessKey => "The specified access key ID holds no account.",
            Self::OutboundDisabled => {
                "The outbound web identity federation feature is not enabled for this account."
            }
            Self::OutlivesSession => {
                "The requested token duration would extend the session beyond its original expiration time."
            }
            Self::PayloadTooLarge => "The requested token payload size exceeds the maximum allowed size.",
            Self::Internal => "The request processing has failed because of an internal error.",
        };
        text.to_owned()
    }
}

fn token_text(rejected: &Rejected) -> String {
    let text = match rejected {
        Rejected::MissingClaim(claim) => return format!("Missing a required claim: {claim}"),
        Rejected::UnknownIssuer(issuer) => {
            return format!("No OpenIDConnect provider found in your account for {issuer}");
        }
        Rejected::Expired { now, expires } => {
            return format!(
                "Token expired: current date/time {now} must be before the expiration date/time {expires}"
            );
        }
        Rejected::Malformed => {
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        }
        Rejected::Audience => "Incorrect token audience",
        Rejected::NotYetValid => "Token is not valid yet",
        Rejected::Unreachable => {
            "The identity provider could not be reached to verify the token. Please try again."
        }
        Rejected::NoKey => {
            "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
        }
        Rejected::Signature => "The signature of the token is not valid",
    };
    text.to_owned()
}
