//! Why IAM refuses a document: the one table of its texts.

use thiserror::Error;

/// A document IAM refuses with code [`Malformed::CODE`]; `Display` is the text AWS gives (R2-R25).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not JSON, a duplicate key, an unknown or missing element, a wrong type (R1-R3, R8-R10, R22).
    #[error("Syntax errors in policy.")]
    Syntax,
    /// The version is absent or 2008-10-17 (R5).
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// Effect in the wrong case, a bad date, a misshapen resource (R10, R20, R23).
    #[error("The policy failed legacy parsing")]
    Legacy,
    /// A Sid with other characters than letters and digits (R11).
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    SidCharacters,
    /// Two statements share a Sid (R11).
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    SidNotUnique,
    /// Neither Action nor NotAction, or an empty one (R12).
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// Neither Resource nor NotResource, or an empty one (R13).
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// An action without a colon (R18).
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    ActionWithoutVendor,
    /// An action with several colons (R18).
    #[error("Actions/Condition can contain only one colon.")]
    ActionColons,
    /// A vendor that cannot be one (R18).
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    /// A resource without a colon (R19).
    #[error("Resource {0} must be in ARN format or \"*\".")]
    ResourceNotArn(String),
    /// An unknown partition (R19, R21).
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition {
        /// The partition as written.
        partition: String,
        /// The resource, missing fields filled with `*`.
        resource: String,
    },
    /// An ARN that ends before its service (R19).
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    ResourceVendor,
    /// An IAM resource with a region (R19).
    #[error("IAM resource {0} cannot contain region information.")]
    IamRegion(String),
    /// An S3 resource with a region (R19).
    #[error("Resource {0} can not contain region information.")]
    S3Region(String),
    /// An IAM resource of unknown type (R19).
    #[error(
        "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, \
         instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, \
         access-report/."
    )]
    IamPath,
    /// Principal where none may stand (R14).
    #[error("Policy document should not specify a principal.")]
    PrincipalForbidden,
    /// No Principal where one is required (R14).
    #[error("Missing required field Principal")]
    PrincipalMissing,
    /// A Principal that lists nobody.
    #[error("Missing required field Principal cannot be empty!")]
    PrincipalEmpty,
    /// A principal of no known form (R62, R63).
    #[error("Invalid principal in policy: \"{kind}\":\"{value}\"")]
    InvalidPrincipal {
        /// `AWS`, `SERVICE` or `FEDERATED`.
        kind: &'static str,
        /// The value as written.
        value: String,
    },
    /// NotPrincipal in a trust policy (R14).
    #[error("AssumeRole policy must not contain NotPrincipal field.")]
    NotPrincipal,
    /// Other than sts: actions in a trust policy (R24).
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    TrustAction,
    /// Resource or NotResource in a trust policy (R13).
    #[error("Has prohibited field Resource")]
    TrustResource,
}

impl Malformed {
    /// The error code, sent with HTTP status 400 (R25).
    pub const CODE: &'static str = "MalformedPolicyDocument";

    /// What IAM answers when a trust policy names a principal that does not exist (R65).
    pub fn unknown_principal(value: &str) -> Self {
        Self::InvalidPrincipal {
            kind: "AWS",
            value: value.to_owned(),
        }
    }
}
