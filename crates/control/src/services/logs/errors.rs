//! Every error of CloudWatch Logs with its code and text. Texts that were not found are ours.

use portcullis_logs::LogsError as StoreFault;
use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why CloudWatch Logs refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum LogsError {
    #[error("The specified log group does not exist.")]
    NoGroup,
    #[error("The specified log stream does not exist.")]
    NoStream,
    #[error("The specified resource does not exist.")]
    NoResource,
    #[error("The specified subscription filter does not exist.")]
    NoSubscriptionFilter,
    #[error("Policy with name [{0}] does not exist.")]
    NoPolicy(String),
    #[error("The specified log group already exists")]
    GroupExists,
    #[error("The specified log stream already exists")]
    StreamExists,
    #[error("Resource limit exceeded.")]
    Limit,

    #[error("Log groups starting with AWS/ are reserved for AWS.")]
    ReservedName,
    #[error("The specified KMS Key Id could not be found.")]
    NoKey,
    #[error("The specified KMS Key Id is disabled.")]
    KeyDisabled,
    #[error("The specified KMS Key Id is not that of a symmetric encryption key.")]
    KeyUsage,
    #[error("The specified KMS key does not exist or is not allowed to be used with Arn '{0}'")]
    KeyNotAllowed(String),
    #[error("There are no query results to encrypt: Logs Insights is not on this server.")]
    QueryResults,
    #[error("Specify either logGroupName or resourceIdentifier, and only one of them.")]
    NameOrResource,
    #[error("Specify either logGroupName or logGroupIdentifier, and only one of them.")]
    NameOrIdentifier,
    #[error("The specified log group identifier is invalid.")]
    Identifier,
    #[error("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")]
    PrefixAndPattern,
    #[error("logGroupIdentifiers cannot be combined with other filters.")]
    IdentifiersAndMore,
    #[error(
        "1 validation error detected: Value '{0}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]"
    )]
    Retention(i32),
    #[error("The retention of log groups of the DELIVERY class cannot be changed.")]
    RetentionOfDelivery,
    #[error("The log group is protected from deletion. Disable its deletion protection first.")]
    Protected,
    #[error("The specified nextToken is invalid.")]
    NextToken,
    #[error("Cannot order by LastEventTime with a logStreamNamePrefix.")]
    OrderWithPrefix,
    #[error("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")]
    NamesAndPrefix,
    #[error("startFromHead can be false only when startTime is on or after 2024-01-01T00:00:00Z.")]
    NewestFirst,

    #[error("Log events in a single PutLogEvents request must be in chronological order.")]
    NotChronological,
    #[error("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")]
    Span,
    #[error("Log event too large: {0} bytes exceeds limit of 1048576")]
    EventTooLarge(usize),
    #[error("Upload too large: {0} bytes exceeds limit of 1048576")]
    UploadTooLarge(usize),
    #[error("{0}")]
    Pattern(String),

    #[error("aws: prefixed tag key names are not allowed for external use.")]
    ReservedTag,
    #[error("A resource can have no more than 50 tags.")]
    TooManyTags { of_group: bool },

    #[error("policyName and policyDocument are required.")]
    PolicyIncomplete,
    #[error("The policy document is invalid: {0}")]
    PolicyDocument(String),
    #[error("The revision of the resource policy is not the expected one.")]
    PolicyRevision,

    #[error("PutSubscriptionFilter operation cannot work with destinationArn for vendor {0}")]
    Vendor(String),
    #[error("destinationArn for vendor {0} cannot be used without roleArn")]
    WithoutRole(String),
    #[error("destinationArn for vendor lambda cannot be used with roleArn")]
    LambdaWithRole,
    /// Not in AWS's words for a destination that does not answer: clients try again for minutes when they read those.
    #[error(
        "Subscription filters are not delivered by this server: there is no Kinesis, Firehose or Lambda to deliver to."
    )]
    NotDelivered,
    #[error("The specified destination does not exist.")]
    NoDestination,

    #[error("Live Tail is for log groups of the STANDARD class.")]
    NotStandard,
    #[error("logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.")]
    NamesAndPrefixes,
    #[error("Log streams can be chosen only when there is one log group.")]
    StreamsOfSeveral,
    #[error("A log group can be named only once.")]
    GroupTwice,
    #[error("The account has as many Live Tail sessions as it may have. End one and try again.")]
    Sessions,
    #[error("User with accountId: {0} is not authorized to perform CreateLogGroup with Tags")]
    TagsOnCreate(String),
    #[error("{0}")]
    Unavailable(String),
}

impl LogsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoGroup
            | Self::NoStream
            | Self::NoResource
            | Self::NoSubscriptionFilter
            | Self::NoDestination
            | Self::NoPolicy(_) => "ResourceNotFoundException",
            Self::GroupExists | Self::StreamExists => "ResourceAlreadyExistsException",
            Self::Limit | Self::Sessions => "LimitExceededException",
            Self::Protected => "ValidationException",
            Self::TooManyTags { of_group: false } => "TooManyTagsException",
            Self::NotStandard => "InvalidOperationException",
            Self::PolicyRevision => "OperationAbortedException",
            Self::TagsOnCreate(_) | Self::KeyNotAllowed(_) => "AccessDeniedException",
            Self::Unavailable(_) => "ServiceUnavailableException",
            _ => "InvalidParameterException",
        }
    }
}

impl From<LogsError> for ServiceError {
    fn from(error: LogsError) -> Self {
        let status = match error {
            LogsError::Unavailable(_) => 503,
            _ => 400,
        };
        Self::new(error.code(), status, error.to_string())
    }
}

/// The store cannot do it now. What to do is in the text; what is the operator's alone is in the server's log.
impl From<StoreFault> for LogsError {
    fn from(fault: StoreFault) -> Self {
        tracing::warn!(%fault, "log events were not taken or read");
        Self::Unavailable(match fault {
            StoreFault::Damaged { .. } | StoreFault::Disk(_) => {
                "The service cannot complete the request.".to_owned()
            }
            told => told.to_string(),
        })
    }
}
