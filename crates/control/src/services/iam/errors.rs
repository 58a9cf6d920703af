//! IAM's errors: code, status and text in one table.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// Why IAM refuses a call. The texts are AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum IamError {
    #[error("User with name {0} already exists.")]
    UserExists(String),
    #[error("Group with name {0} already exists.")]
    GroupExists(String),
    #[error("Role with name {0} already exists.")]
    RoleExists(String),
    #[error("Provider with url {0} already exists.")]
    OidcProviderExists(String),
    #[error("A policy called {0} already exists. Duplicate names are not allowed.")]
    PolicyExists(String),
    #[error("Instance Profile {0} already exists.")]
    InstanceProfileExists(String),
    #[error("MFADevice entity at the same path and name already exists.")]
    MfaDeviceExists,
    #[error("MFA device already in use.")]
    MfaDeviceInUse,

    #[error("The user with name {0} cannot be found.")]
    NoUser(String),
    #[error("The group with name {0} cannot be found.")]
    NoGroup(String),
    #[error("The role with name {0} cannot be found.")]
    NoRole(String),
    #[error("Policy {0} was not found.")]
    NoPolicy(String),
    #[error("Policy {0} does not exist or is not attachable.")]
    NoAttachablePolicy(String),
    #[error("Scope ARN: {0} does not exist or is not attachable.")]
    NoBoundaryPolicy(String),
    #[error("Policy {arn} version {version} does not exist or is not attachable.")]
    NoPolicyVersion { arn: String, version: String },
    #[error("The {holder} policy with name {name} cannot be found.")]
    NoInlinePolicy { holder: &'static str, name: String },
    #[error("Instance Profile {0} cannot be found.")]
    NoInstanceProfile(String),
    #[error("The Server Certificate with name {0} cannot be found.")]
    NoServerCertificate(String),
    #[error("Role {role} in Instance Profile {profile} cannot be found.")]
    NoRoleInProfile { role: String, profile: String },
    #[error("User {user} not in group {group}")]
    NotInGroup { user: String, group: String },
    #[error("The Access Key with id {0} cannot be found.")]
    NoAccessKey(String),
    #[error("VirtualMFADevice with serial number {0} doesn't exist.")]
    NoMfaDevice(String),
    #[error("MFA Device invalid for user.")]
    NotUsersMfaDevice,
    #[error("OpenIDConnect Provider not found for arn {0}")]
    NoOidcProvider(String),
    #[error("Outbound web identity federation is already enabled for this account.")]
    FeatureEnabled,
    #[error("Outbound web identity federation is not enabled for this account.")]
    FeatureDisabled,
    #[error("The entity with ARN {0} cannot be found.")]
    NoEntity(String),
    #[error("The job with id {0} cannot be found.")]
    NoReport(String),

    #[error("Cannot delete entity, must {0} first.")]
    DeleteConflict(&'static str),
    #[error("Cannot delete a policy attached to entities.")]
    PolicyAttached,
    #[error(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
         The default version is deleted with the policy."
    )]
    PolicyHasVersions,
    #[error("Cannot delete the default version of a policy.")]
    DefaultVersion,
    #[error("MFA VirtualDevice in use. Must deactivate first.")]
    MfaDeviceAssigned,

    #[error("Cannot exceed quota for {0}: {1}")]
    Quota(&'static str, usize),
    #[error(
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
         version."
    )]
    PolicyVersions,
    #[error("Maximum policy size of {max} bytes exceeded for {holder} {name}")]
    InlinePolicySize {
        max: usize,
        holder: &'static str,
        name: String,
    },

    #[error("{0}")]
    MalformedPolicy(String),
    #[error("Duplicate tag keys found. Please note that Tag keys are case insensitive.")]
    DuplicateTags,
    #[error("Tag keys with the prefix aws: are reserved for system use.")]
    ReservedTag,
    #[error("{0}")]
    InvalidInput(String),
    #[error("{0}")]
    Validation(String),
    #[error("Authentication code for device is not valid.")]
    AuthenticationCode,
    #[error("Cannot perform the operation on the protected role '{0}' - this role is only modifiable by AWS")]
    ProtectedRole(String),
    #[error("Cannot attach a Service Role Policy to a Customer Role.")]
    ServiceRolePolicy,
    #[error("Policy is outside your own account.")]
    ForeignPolicy,
    #[error("A policy of the entity cannot be read.")]
    PolicyEvaluation,
    #[error("The request processing has failed because of an internal error.")]
    Internal,
}

impl IamError {
    /// AWS's code and HTTP status.
    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::FeatureEnabled => ("FeatureEnabled", 409),
            Self::FeatureDisabled => ("FeatureDisabled", 404),
            Self::UserExists(_)
            | Self::OidcProviderExists(_)
            | Self::GroupExists(_)
            | Self::RoleExists(_)
            | Self::PolicyExists(_)
            | Self::InstanceProfileExists(_)
            | Self::MfaDeviceExists
            | Self::MfaDeviceInUse => ("EntityAlreadyExists", 409),
            Self::NoUser(_)
            | Self::NoOidcProvider(_)
            | Self::NoGroup(_)
            | Self::NoRole(_)
            | Self::NoPolicy(_)
            | Self::NoAttachablePolicy(_)
            | Self::NoBoundaryPolicy(_)
            | Self::NoPolicyVersion { .. }
            | Self::NoInlinePolicy { .. }
            | Self::NoInstanceProfile(_)
            | Self::NoServerCertificate(_)
            | Self::NoRoleInProfile { .. }
            | Self::NotInGroup { .. }
            | Self::NoAccessKey(_)
            | Self::NoMfaDevice(_)
            | Self::NotUsersMfaDevice
            | Self::NoReport(_)
            | Self::NoEntity(_) => ("NoSuchEntity", 404),
            Self::DeleteConflict(_)
            | Self::PolicyAttached
            | Self::PolicyHasVersions
            | Self::DefaultVersion
            | Self::MfaDeviceAssigned => ("DeleteConflict", 409),
            Self::Quota(..) | Self::PolicyVersions | Self::InlinePolicySize { .. } => ("LimitExceeded", 409),
            Self::MalformedPolicy(_) => ("MalformedPolicyDocument", 400),
            Self::DuplicateTags | Self::ReservedTag | Self::InvalidInput(_) => ("InvalidInput", 400),
            Self::Validation(_) => ("ValidationError", 400),
            Self::AuthenticationCode => ("InvalidAuthenticationCode", 403),
            Self::ProtectedRole(_) => ("UnmodifiableEntity", 400),
            Self::ServiceRolePolicy => ("PolicyNotAttachable", 400),
            Self::ForeignPolicy => ("AccessDenied", 403),
            Self::PolicyEvaluation => ("PolicyEvaluation", 500),
            Self::Internal => ("ServiceFailure", 500),
        }
    }
}

impl From<IamError> for ServiceError {
    fn from(error: IamError) -> Self {
        let (code, status) = error.code();
        Self::new(code, status, error.to_string())
    }
}
