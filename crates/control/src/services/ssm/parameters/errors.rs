//! Every error of Parameter Store with its code and text. Texts that were not found are ours. None names a value.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why Parameter Store refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ParameterError {
    // AWS says nothing more here.
    #[error("")]
    NotFound,
    #[error("Systems Manager could not find version {version} of {name}. Verify the version and try again.")]
    NoVersion {
        /// The number, or the label.
        version: String,
        /// The parameter.
        name: String,
    },
    #[error(
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
    )]
    Exists,
    #[error("A parameter type is required when you create a parameter.")]
    NoType,
    #[error(
        "Parameter Store doesn't support changing the type of a parameter. Create a parameter with another name."
    )]
    OtherType,
    #[error("Parameter name must be a fully qualified name.")]
    NotFullyQualified,
    #[error(
        "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"
    )]
    Name,
    #[error("No access to reserved parameter name: {0}.")]
    Reserved(String),
    #[error("The parameter name is too long: with the ARN before it, a name has at most 1011 characters.")]
    NameTooLong,
    #[error("A hierarchy can have a maximum of 15 levels; the name {0} has more.")]
    Levels(String),
    #[error(
        "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource."
    )]
    TagsAndOverwrite,
    #[error(
        "Tag keys that start with aws: are reserved, no key may be given twice, and a parameter has at most 50 tags."
    )]
    Tags,
    #[error(
        "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
    )]
    StandardSize,
    #[error("Advanced tier parameters support a maximum parameter value of 8192 characters.")]
    AdvancedSize,
    #[error(
        "1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )]
    Empty,
    #[error(
        "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter."
    )]
    Downgrade,
    #[error("You have reached the maximum number of {0} parameters for this account and Region.")]
    TooMany(&'static str),
    #[error(
        "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. Version {version}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again."
    )]
    OldestHasLabel {
        /// The parameter.
        name: String,
        /// Its oldest version.
        version: i64,
    },
    #[error("The allowed pattern is not a valid regular expression.")]
    Pattern,
    #[error("Parameter value, cannot be validated against allowedPattern: {0}")]
    Mismatch(String),
    #[error("A KMS key is for parameters of type SecureString only.")]
    KeyOfPlain,
    #[error("{0}")]
    Key(String),
    #[error("The following data type is not supported: {0} (Data type names are all lowercase.)")]
    DataType(String),
    #[error("Policies are for advanced parameters: set the tier to Advanced or Intelligent-Tiering.")]
    PoliciesOfStandard,
    #[error("The policies are not a JSON array of policies.")]
    Policies,
    #[error("A parameter can have at most 10 policies.")]
    TooManyPolicies,
    #[error("The policy type {0} is not supported by this server: only Expiration is.")]
    PolicyType(String),
    #[error(
        "An Expiration policy needs the attribute Timestamp: a time to come in ISO 8601, such as 2030-12-02T21:34:33.000Z."
    )]
    PolicyAttribute,
    #[error("A parameter can have one Expiration policy.")]
    TwoExpirations,
    #[error(
        "A parameter version can have maximum 10 labels.Move one or more labels to another version and try again."
    )]
    Labels,
    #[error(
        "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_."
    )]
    Path,
    #[error("The following filter key is not valid: {0}.")]
    FilterKey(String),
    #[error("The following filter option is not valid: {0}.")]
    FilterOption(String),
    #[error("The following filter value is not valid: {0}.")]
    FilterValue(String),
    #[error("Filters and ParameterFilters can't be used together.")]
    TwoFilters,
    #[error("Parameters that other accounts share are not supported by this server.")]
    Shared,
    #[error("The specified token isn't valid.")]
    NextToken,
    #[error("An error occurred on the server side.")]
    Internal,
}

impl ParameterError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "ParameterNotFound",
            Self::NoVersion { .. } => "ParameterVersionNotFound",
            Self::Exists => "ParameterAlreadyExists",
            Self::OtherType => "HierarchyTypeMismatchException",
            Self::Reserved(_) => "AccessDeniedException",
            Self::Levels(_) => "HierarchyLevelLimitExceededException",
            Self::TooMany(_) => "ParameterLimitExceeded",
            Self::OldestHasLabel { .. } => "ParameterMaxVersionLimitExceeded",
            Self::Pattern => "InvalidAllowedPatternException",
            Self::Mismatch(_) => "ParameterPatternMismatchException",
            Self::Key(_) => "InvalidKeyId",
            Self::TooManyPolicies => "PoliciesLimitExceededException",
            Self::PolicyType(_) => "InvalidPolicyTypeException",
            Self::PolicyAttribute => "InvalidPolicyAttributeException",
            Self::TwoExpirations => "IncompatiblePolicyException",
            Self::Labels => "ParameterVersionLabelLimitExceeded",
            Self::FilterKey(_) => "InvalidFilterKey",
            Self::FilterOption(_) => "InvalidFilterOption",
            Self::FilterValue(_) => "InvalidFilterValue",
            Self::NextToken => "InvalidNextToken",
            Self::Internal => "InternalServerError",
            Self::NoType
            | Self::NotFullyQualified
            | Self::Name
            | Self::NameTooLong
            | Self::TagsAndOverwrite
            | Self::Tags
            | Self::StandardSize
            | Self::AdvancedSize
            | Self::Empty
            | Self::Downgrade
            | Self::KeyOfPlain
            | Self::DataType(_)
            | Self::PoliciesOfStandard
            | Self::Policies
            | Self::Path
            | Self::TwoFilters
            | Self::Shared => "ValidationException",
        }
    }
}

impl From<ParameterError> for ServiceError {
    fn from(error: ParameterError) -> Self {
        let status = if error == ParameterError::Internal {
            500
        } else {
            400
        };
        Self::new(error.code(), status, error.to_string())
    }
}
